"""What a baseline gives, and the record of it; no torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cardiovae.audit.verdicts import SequenceAudit
from cardiovae.correction.config import CorrectConfig
from cardiovae.correction.judge import Judge, plausible
from cardiovae.correction.record import (
    CHANGED,
    CORRECTED,
    KEPT,
    NOT_CORRECTED,
    NOT_PASSED,
    REPAIRED,
    UNCHANGED,
    Correction,
    frame_changes,
)

if TYPE_CHECKING:
    from cardiovae.correction.usual import Usual

NO_PRIOR: Mapping[str, Any] = MappingProxyType(
    {"name": "none", "license": "none: no prior was used", "sha256": {}}
)


@dataclass(frozen=True, eq=False)
class Found:
    """What a baseline gives.

    Args:
        labels: Label maps, shape (H, W, T).
        codes: The codes that they were decoded from, shape (T, D), those of untouched frames
            being the encoder's; None where the method has none.
    """

    labels: NDArray[np.uint8]
    codes: NDArray[np.float64] | None = None


@dataclass(frozen=True, eq=False)
class Latent:
    """What the latent space says of a result, for the record; NaN where there is no code.

    Args:
        moves: Way from the encoder's code to the code used, shape (T,).
        after: Percentile of the code used among the training codes, shape (T,).
        prior: Name, license and file hashes of the prior.
        usual: How usual the input's shapes are; None = not known.
    """

    moves: NDArray[np.float64]
    after: NDArray[np.float64]
    prior: Mapping[str, Any]
    usual: Usual | None = None

    @classmethod
    def unknown(cls, n_frames: int, prior: Mapping[str, Any] = NO_PRIOR) -> Latent:
        """Nothing is known of any frame."""
        nothing = np.full(n_frames, math.nan)
        return cls(nothing, nothing, prior)


def recorded(
    method: str,
    judge: Judge,
    before: tuple[SequenceAudit, ...],
    labels: NDArray[np.uint8],
    latent: Latent,
    config: CorrectConfig,
    seed: int | None,
) -> Correction:
    """The record of a result, audited as that of `correct_sequence` is.

    Args:
        method: Name of the method.
        judge: The audit, bound to the input.
        before: Audits of the input.
        labels: The result, shape (H, W, T).
        latent: What the latent space says of it.
        config: Settings.
        seed: For the record.
    """
    sequence = judge.sequence
    result = sequence.with_labels(labels)
    changed = (labels != sequence.labels).any((0, 1))
    after = judge.audits(result) if changed.any() else before
    passes = plausible(after[0])
    if changed.any():
        status = CORRECTED if passes else NOT_PASSED
    else:
        status = UNCHANGED if passes else NOT_CORRECTED
    actions = [
        KEPT if not c else REPAIRED if new.passed and not old.passed else CHANGED
        for c, old, new in zip(changed, before[0].frames, after[0].frames, strict=True)
    ]
    nothing = np.full(sequence.n_frames, math.nan)
    return Correction(
        original=sequence,
        sequence=result,
        status=status,
        reason="" if passes else f"the result of method '{method}' does not pass the audit",
        before=before,
        after=after,
        frames=frame_changes(
            sequence,
            labels,
            before[0],
            actions=actions,
            detail=nothing,
            displacement=latent.moves,
            density=(nothing if latent.usual is None else latent.usual.density, latent.after),
            usual=latent.usual,
        ),
        prior=latent.prior,
        config=config,
        seed=seed,
        method=method,
    )
