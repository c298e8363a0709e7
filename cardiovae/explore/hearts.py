"""Codes as hearts: decoded, measured and audited on the grid on which the bank judges."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardiovae.attributes import ATTRIBUTES, measure_attributes
from cardiovae.audit.audit import audit_frame
from cardiovae.audit.criteria import CriteriaSet
from cardiovae.audit.verdicts import Verdict
from cardiovae.bank import BATCH, GRID
from cardiovae.labels import STRUCTURES, Label
from cardiovae.prior.codec import compose, decode, native_distances
from cardiovae.prior.folder import ShapePrior

Codes = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Hearts:
    """Decoded hearts and what is known of them.

    Args:
        codes: Their codes, shape (N, D).
        labels: Label maps on `cardiovae.bank.GRID` (256 x 192 pixels of 0.7 mm), (N, H, W).
        attributes: In the order of `ATTRIBUTES`, shape (N, 8), NaN where not measurable.
        failed: Names of the criteria that each does not pass; none = valid.
    """

    codes: Codes
    labels: NDArray[np.uint8]
    attributes: NDArray[np.float64]
    failed: tuple[tuple[str, ...], ...]

    @property
    def valid(self) -> NDArray[np.bool_]:
        """Which of them pass the audit, shape (N,)."""
        return np.array([not names for names in self.failed], bool)

    def part(self, rows: slice | NDArray[np.integer]) -> Hearts:
        """Some of them."""
        index = np.arange(len(self.codes))[rows]
        failed = tuple(self.failed[i] for i in index)
        return Hearts(self.codes[index], self.labels[index], self.attributes[index], failed)


def decode_hearts(
    prior: ShapePrior,
    codes: NDArray[np.floating],
    judge: CriteriaSet,
    *,
    advance: Callable[[int], None] | None = None,
) -> Hearts:
    """Decode codes (N, D), measure and audit what comes of them.

    Args:
        prior: The prior.
        codes: Codes, shape (N, D).
        judge: An anatomical criteria set.
        advance: Called with the number of hearts done since the last call.

    Raises:
        ConfigError: A temporal criteria set.
    """
    labels, attributes, failed = [], [], []
    for first in range(0, len(codes), BATCH):
        part = codes[first : first + BATCH]
        maps = compose(native_distances(decode(prior.network, part), GRID), prior.structures)
        frames = np.ascontiguousarray(np.moveaxis(maps, 2, 0))
        for frame in frames:
            found = measure_attributes(frame, GRID.pixel_mm)
            attributes.append([found[name] for name in ATTRIBUTES])
            failed.append(failed_criteria(frame, judge, prior.structures))
        labels.append(frames)
        if advance is not None:
            advance(len(part))
    return Hearts(
        np.asarray(codes, np.float64),
        np.concatenate(labels) if labels else np.zeros((0, *GRID.shape), np.uint8),
        np.array(attributes, np.float64).reshape(-1, len(ATTRIBUTES)),
        tuple(failed),
    )


def failed_criteria(
    labels: NDArray[np.uint8], judge: CriteriaSet, structures: tuple[Label, ...] = STRUCTURES
) -> tuple[str, ...]:
    """Names of the criteria that a label map (H, W) on `GRID` does not pass."""
    audit = audit_frame(labels, GRID.pixel_mm, judge, structures)
    return tuple(f.criterion for f in audit.findings if f.verdict is not Verdict.PASS)
