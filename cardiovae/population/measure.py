"""One sequence measured: plain data that travels between processes and survives JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from cardiovae.attributes import ATTRIBUTES, measure_attributes
from cardiovae.errors import CardiovaeError
from cardiovae.indices.ejection import Disks, ed_es, lv_disks
from cardiovae.labels import Label
from cardiovae.sequence import EchoSequence

NO_SPACING = "the pixel spacing is unknown"


def measure_sequence(sequence: EchoSequence) -> dict[str, Any]:
    """Measure every frame of a sequence.

    Args:
        sequence: Labels with their geometry.

    Returns:
        Plain data: "values", T lists of one number per `ATTRIBUTES`, None where it cannot be
        measured; "reasons", T objects that say why, by attribute; "disks", the LV cut in disks at
        the frames of largest and smallest LV area, by frame, since no other can become ED or ES;
        and what is known of the sequence. Without a spacing nothing is measured: pixels of one
        file are not those of another.

    Raises:
        CardiovaeError: A stack of short-axis slices, whose attributes are others.
    """
    if sequence.is_stack:
        raise CardiovaeError(
            f"{sequence.source}: a stack of short-axis slices; a cohort is described over apical "
            "views, 'cardiovae indices' measures stacks"
        )
    n = sequence.n_frames
    values: list[list[float | None]] = [[None] * len(ATTRIBUTES) for _ in range(n)]
    reasons: list[Mapping[str, str]] = [dict.fromkeys(ATTRIBUTES, NO_SPACING) for _ in range(n)]
    disks: dict[str, Any] = {}
    if sequence.spacing_mm is not None:
        for t in range(n):
            found = measure_attributes(sequence.frame(t), sequence.spacing_mm, sequence.structures)
            values[t] = [known(found[name]) for name in ATTRIBUTES]
            reasons[t] = dict(found.reasons)
        for t in _candidates(sequence):
            cut = lv_disks(sequence.frame(t), sequence.spacing_mm, sequence.structures)
            disks[str(t)] = _plain(cut)
    return {
        "n_frames": n,
        "shape": list(sequence.shape),
        "spacing_mm": None if sequence.spacing_mm is None else list(sequence.spacing_mm),
        "view": sequence.view,
        "structures": [structure.name for structure in sequence.structures],
        "values": values,
        "reasons": reasons,
        "disks": disks,
    }


def disks_of(record: Mapping[str, Any]) -> Disks:
    """The disks that "disks" of a record holds."""
    widths = np.array([number(w) for w in record["widths_mm"]], np.float64)
    return Disks(widths, number(record["length_mm"]), record["area_mm2"], record["reason"])


def known(value: float) -> float | None:
    """A number for JSON, which has no NaN."""
    return float(value) if math.isfinite(value) else None


def number(value: float | None) -> float:
    """The inverse of `known`."""
    return math.nan if value is None else float(value)


def _candidates(sequence: EchoSequence) -> tuple[int, ...]:
    """The frames that may be ED or ES, of this file or of several of the same heart."""
    areas = np.count_nonzero(sequence.labels == Label.LV, axis=(0, 1))
    seen = np.flatnonzero(areas > 0)
    if not seen.size:
        return ()
    return ed_es(areas) or (int(seen[0]),)


def _plain(disks: Disks) -> dict[str, Any]:
    return {
        "widths_mm": [known(width) for width in disks.widths_mm.tolist()],
        "length_mm": known(disks.length_mm),
        "area_mm2": disks.area_mm2,
        "reason": disks.reason,
    }
