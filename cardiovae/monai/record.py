"""What transforms say in the meta data: numbers and strings of fixed shape, so batches collate.

A tensor's `meta["cardiovae"]` holds `audit` (of the labels as they are), `correction` and
`corruption`, as far as these were done. No value is None, which no batch can hold: an unknown
number is NaN, an unknown text empty. Verdicts of frames are a string with a letter each, since
lists of different length do not collate.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from monai.data.meta_tensor import MetaTensor
from monai.utils.type_conversion import convert_to_dst_type
from numpy.typing import NDArray
from torch import Tensor

from cardiovae.audit.record import LETTERS
from cardiovae.audit.verdicts import FrameAudit, SequenceAudit, Verdict
from cardiovae.correction.record import KEPT, Correction
from cardiovae.monai.layout import Reading

META = "cardiovae"


def audit_facts(found: SequenceAudit, reading: Reading) -> dict[str, Any]:
    """An audit for the meta data.

    Returns:
        `passed` (1 or 0), `n_frames`, `n_invalid_frames`, `frames` (P, F or N for each),
        `anatomy` and `temporal` (names of the sets, empty = not judged), `temporal_verdict`,
        `not_passed` (criteria, separated by commas), `row_mm` and `col_mm` (NaN = unknown),
        `labels` (scheme).
    """
    row, col = reading.sequence.spacing_mm or (math.nan, math.nan)
    missed = [f.criterion for frame in found.frames for f in frame.failures]
    missed += [f.criterion for f in found.temporal if f.verdict is not Verdict.PASS]
    return {
        "passed": int(found.passed),
        "n_frames": len(found.frames),
        "n_invalid_frames": len(found.invalid_frames),
        "frames": "".join(LETTERS[frame_verdict(frame)] for frame in found.frames),
        "anatomy": found.anatomy,
        "temporal": found.temporal_set or "",
        "temporal_verdict": found.temporal_verdict.value if found.temporal_set else "",
        "not_passed": ",".join(dict.fromkeys(missed)),
        "row_mm": row,
        "col_mm": col,
        "labels": reading.scheme.name,
    }


def frame_verdict(frame: FrameAudit) -> Verdict:
    """FAIL if any finding fails, else NOT_MEASURABLE if any is so, else PASS."""
    verdicts = {finding.verdict for finding in frame.findings}
    for verdict in (Verdict.FAIL, Verdict.NOT_MEASURABLE):
        if verdict in verdicts:
            return verdict
    return Verdict.PASS


def correction_facts(found: Correction, reading: Reading) -> dict[str, Any]:
    """A correction for the meta data.

    Returns:
        `status` and `reason` of `Correction`, `prior` (name), `changed_px`,
        `n_changed_frames`, `frames` ("." kept, "c" changed, for each) and `before`, the audit of
        the input.
    """
    return {
        "status": found.status,
        "reason": found.reason,
        "prior": str(found.prior["name"]),
        "changed_px": sum(frame.changed_px for frame in found.frames),
        "n_changed_frames": sum(frame.action != KEPT for frame in found.frames),
        "frames": "".join("." if frame.action == KEPT else "c" for frame in found.frames),
        "before": audit_facts(found.before[0], reading),
    }


def with_labels(
    image: Tensor,
    reading: Reading,
    labels: NDArray[np.uint8],
    facts: Mapping[str, Any],
    *,
    anew: bool = False,
) -> Tensor:
    """A tensor like `image` with other labels (H, W, T), and facts in its meta data if it has any.

    `image` and its meta data stay as they are.

    Args:
        image: What was read.
        reading: How.
        labels: The new labels.
        facts: To add.
        anew: Whether facts of earlier transforms are left out: they no longer hold.
    """
    changed: Tensor = convert_to_dst_type(reading.values(labels), dst=image)[0]
    if isinstance(changed, MetaTensor):
        known = {} if anew else changed.meta.get(META, {})
        changed.meta = {**changed.meta, META: {**known, **facts}}
    return changed
