"""What a short-axis slice shows only among the others of its stack: a structure that is missing.

Near base and apex a slice may lack any structure, so its own criteria leave out what is not there.
These keep that from being a way to pass: no slice may lack what slices on both sides of it have,
nor the whole stack what every heart has.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cardiovae.audit.criteria import NAMES, CriteriaSet, Criterion
from cardiovae.audit.heart import Heart
from cardiovae.audit.verdicts import Finding, Verdict
from cardiovae.labels import Label
from cardiovae.morphology import Mask

Values = NDArray[np.float64]


def missing_between_slices(present: Mask) -> Values:
    """1 for a slice without a structure that slices before and after it have, else 0.

    Args:
        present: Whether each slice has it, shape (Z,), in the order of the stack.

    Examples:
        >>> missing_between_slices(np.array([False, True, False, True, False])).tolist()
        [0.0, 0.0, 1.0, 0.0, 0.0]
    """
    before = np.logical_or.accumulate(present)
    after = np.logical_or.accumulate(present[::-1])[::-1]
    return (before & after & ~present).astype(np.float64)


def slices_without(present: Mask) -> Values:
    """The number of slices of a stack in none of which a structure is; 0 where one has it.

    Args:
        present: Whether each slice has it, shape (Z,).

    Examples:
        >>> slices_without(np.zeros(3, bool)).tolist()
        [3.0, 3.0, 3.0]
    """
    return np.full(present.size, 0.0 if present.any() else float(present.size))


def stack_findings(
    hearts: Sequence[Heart], criteria_set: CriteriaSet, structures: tuple[Label, ...]
) -> tuple[tuple[Finding, ...], ...]:
    """The findings of every slice that take all slices of the stack.

    Args:
        hearts: The slices, in the order of the stack.
        criteria_set: Set of kind "short-axis".
        structures: Annotated structures; criteria that need others are left out.

    Returns:
        One tuple per slice; a finding that does not pass says why.
    """
    found: list[list[Finding]] = [[] for _ in hearts]
    for criterion in criteria_set.of_stack(structures):
        label = NAMES[criterion.structures[0]]
        present = np.array([heart.pixels(label) > 0 for heart in hearts], bool)
        measure = {"slices_without": slices_without}.get(criterion.metric, missing_between_slices)
        for z, value in enumerate(measure(present).tolist()):
            found[z].append(_judged(criterion, value, label, z))
    return tuple(map(tuple, found))


def _judged(criterion: Criterion, value: float, label: Label, z: int) -> Finding:
    verdict = Verdict.PASS if criterion.allows(value) else Verdict.FAIL
    reason = ""
    if value and criterion.metric == "slices_without":
        reason = f"no {label.name} pixel in any slice"
    elif value:
        reason = f"no {label.name} pixel, but slices on both sides have some"
    return Finding(
        criterion.name, verdict, value, criterion.low, criterion.high, criterion.unit, reason, z
    )
