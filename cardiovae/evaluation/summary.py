"""All pairs together: means, shares and agreement, with intervals by patient, and worst frames."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from cardiovae.evaluation.aggregate import (
    ChangeRow,
    ShareRow,
    StructureRow,
    WorstFrame,
    change_rows,
    motion_row,
    structure_rows,
    validity_row,
    worst_frames,
)
from cardiovae.evaluation.agreement import Agreement, agreement
from cardiovae.evaluation.indices import (
    IndexAgreement,
    PatientIndices,
    index_agreements,
    patient_indices,
)
from cardiovae.evaluation.patients import PatientEjection, patient_ejections
from cardiovae.evaluation.results import JUDGES, MOTION, SIDES, PairResult
from cardiovae.intervals.bootstrap import N_RESAMPLES, Interval, mean_by_patient

N_WORST = 12


@dataclass(frozen=True, eq=False)
class Summary:
    """The evaluation of many pairs.

    Args:
        results: The pairs.
        sides: Those of `SIDES` that any pair has, in that order.
        structures: One row per side and structure.
        changes: One row per structure and metric; empty without predictions before correction.
        validity: Valid frames, per side and anatomical criteria set.
        motion: Temporally flagged sequences of three frames or more, per side and temporal set.
        ejections: One per patient.
        agreements: Ejection fraction in percent against the reference, per side.
        mae_change: Mean absolute error of the ejection fraction, prediction minus before, paired.
        worst: Worst frames of the predictions, the worst first.
        indices: The clinic's indices, one entry per patient.
        index_agreements: Their agreement with the reference, by index and side.
    """

    results: tuple[PairResult, ...]
    sides: tuple[str, ...]
    structures: tuple[StructureRow, ...]
    changes: tuple[ChangeRow, ...]
    validity: tuple[ShareRow, ...]
    motion: tuple[ShareRow, ...]
    ejections: tuple[PatientEjection, ...]
    agreements: Mapping[str, Agreement]
    mae_change: Interval
    worst: tuple[WorstFrame, ...]
    indices: tuple[PatientIndices, ...]
    index_agreements: tuple[IndexAgreement, ...]


def summarize(
    results: Sequence[PairResult],
    *,
    rng: np.random.Generator,
    n_resamples: int = N_RESAMPLES,
    n_worst: int = N_WORST,
) -> Summary:
    """Bring many pairs together.

    Means are over frames, so a long sequence counts more than a short one; their intervals draw
    whole patients again. Nothing is averaged over structures.

    Args:
        results: What `measure_pair` gave.
        rng: Source of randomness of the intervals.
        n_resamples: How often patients are drawn.
        n_worst: How many worst frames to list.
    """
    sides = tuple(s for s in SIDES if any(s in r.sides for r in results))
    judged = tuple(s for s in sides if s != "reference")
    judges = [name for name in JUDGES if any(name in r.sides["reference"].valid for r in results)]
    mean = functools.partial(mean_by_patient, rng=rng, n_resamples=n_resamples)
    hearts = patient_ejections(results)
    agree = functools.partial(agreement, rng=rng, n_resamples=n_resamples)
    names = [heart.patient for heart in hearts]
    percent = {side: [_ef(heart, side) for heart in hearts] for side in sides}
    errors = {side: np.abs(np.subtract(percent[side], percent["reference"])) for side in judged}
    measured = patient_indices(results)
    change = Interval(math.nan)
    if "before" in judged:
        change = mean(errors["prediction"] - errors["before"], names)
    return Summary(
        results=tuple(results),
        sides=sides,
        structures=tuple(row for s in judged for row in structure_rows(results, s, mean)),
        changes=tuple(change_rows(results, mean)),
        validity=tuple(validity_row(results, s, name, mean) for name in judges for s in sides),
        motion=tuple(motion_row(results, s, name, mean) for name in MOTION for s in sides),
        ejections=hearts,
        agreements=MappingProxyType(
            {s: agree(percent[s], percent["reference"], names) for s in judged}
        ),
        mae_change=change,
        worst=tuple(worst_frames(results, n_worst)),
        indices=measured,
        # Drawn last: the intervals of all else are those of versions that did not have it.
        index_agreements=index_agreements(measured, judged, rng=rng, n_resamples=n_resamples),
    )


def _ef(heart: PatientEjection, side: str) -> float:
    return heart.sides[side].ef_percent if side in heart.sides else math.nan
