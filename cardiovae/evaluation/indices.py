"""The clinic's indices of predictions and references, at the same instants.

ED and ES are those of the reference, as for the ejection fraction: a prediction that shows its
extremes elsewhere is judged on what it says of the same moments. `cardiovae indices` measures each
side at its own beats instead.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from cardiovae.evaluation.agreement import Agreement, agreement
from cardiovae.indices.beats import Beats
from cardiovae.indices.ejection import ed_es
from cardiovae.indices.heart import Heart, heart_of
from cardiovae.indices.measure import UNKNOWN, Cine, joined, measure_cine
from cardiovae.indices.stack import measure_stack
from cardiovae.labels import Label
from cardiovae.sequence import APICAL, SAX, EchoSequence

if TYPE_CHECKING:
    from cardiovae.evaluation.results import PairResult

VOLUMES = ("edv_ml", "esv_ml")
"""Of the patient's heart; those of a sequence are `ed_ml` and `es_ml` of its ejection."""
INDICES = (
    "stroke_volume_ml", "fac_percent", "shortening_percent", "gls_percent", "lv_length_ed_mm",
    "lv_length_es_mm", "sphericity_ed", "sphericity_es", "mass_area_length_g", "wall_ed_mm",
    "wall_es_mm", "la_area_mm2", "la_volume_ml", "lv_volume_ml", "rv_volume_ml", "mass_disks_g",
)  # fmt: skip
"""Columns of the table of sequences, besides those on the ejection."""
STACK_INDICES = ("ef_percent", "rv_edv_ml", "rv_esv_ml", "rv_ef_percent")
"""Of patients with stacks of short-axis slices, too; elsewhere the ejection is told by itself."""
NO_INSTANTS = "no two frames with different LV areas in the reference"


@dataclass(frozen=True, eq=False)
class PatientIndices:
    """Indices of one patient: biplane where both apical views are there.

    Args:
        patient: Whose.
        views: The views that were used: both, one, ("unknown",) or ("SAX",).
        sides: Of "reference", "prediction" and, if all files of these views have one, "before":
            each of `VOLUMES` and `INDICES`, of stacks of `STACK_INDICES`, too; NaN where it
            cannot be measured.
    """

    patient: str
    views: tuple[str, ...]
    sides: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class IndexAgreement:
    """How well an index agrees with the reference on one side, over patients."""

    index: str
    side: str
    found: Agreement


def cine_at(
    sequence: EchoSequence,
    instants: Sequence[int],
    structures: tuple[Label, ...],
    view: str | None,
) -> Cine | None:
    """The frames of a sequence at some instants, measured.

    Args:
        sequence: Labels with their geometry.
        instants: Frames, in the order they shall have. A stack is one instant and needs none.
        structures: What is annotated.
        view: What it shows, as the pair says.

    Returns:
        The frames; None without an instant.
    """
    if sequence.is_stack:
        return measure_stack(dataclasses.replace(sequence, structures=structures))
    if not instants or view not in (*APICAL, None):
        return None
    labels = sequence.labels[:, :, list(instants)]
    chosen = dataclasses.replace(sequence, labels=labels, structures=structures, view=view)
    return measure_cine(chosen)


def sequence_heart(result: PairResult, side: str) -> Heart | None:
    """The heart of one side of a pair, at the reference's ED and ES; None without an LV there."""
    cine = result.sides[side].cine
    if cine is None:
        return None
    beats = _beats((0, 1) if cine.n_frames == 2 else None)
    return heart_of([cine], beats={cine.view: beats})


def patient_indices(results: Sequence[PairResult]) -> tuple[PatientIndices, ...]:
    """The indices of every patient, views and instants as for `patient_ejections`.

    Returns:
        Sorted by patient; without those of whom no file has an LV in its reference.
    """
    patients: dict[str, dict[str, list[PairResult]]] = {}
    for result in results:
        if result.sides["reference"].cine is not None:
            views = patients.setdefault(result.pair.patient, {})
            view = SAX if result.is_stack else result.pair.view or UNKNOWN
            views.setdefault(view, []).append(result)
    return tuple(_of_patient(patient, views) for patient, views in sorted(patients.items()))


def _of_patient(patient: str, views: Mapping[str, list[PairResult]]) -> PatientIndices:
    known = tuple(view for view in ("A4C", "A2C") if view in views)
    known = known or ((UNKNOWN,) if UNKNOWN in views else (SAX,))
    names = (*VOLUMES, *INDICES, *(STACK_INDICES if known == (SAX,) else ()))
    beats = {view: _beats(_instants(views[view])) for view in known}
    sides = {}
    for side in ("reference", "prediction", "before"):
        if all(side in result.sides for view in known for result in views[view]):
            cines = [joined(_cines(views[view], side)) for view in known]
            heart = heart_of(cines, beats=beats)
            sides[side] = MappingProxyType({name: heart[name] for name in names})
    return PatientIndices(patient, known, MappingProxyType(sides))


def _cines(results: Sequence[PairResult], side: str) -> list[Cine]:
    """Where the reference has a cine, all sides have one: they share its instants."""
    return [cine for r in results if (cine := r.sides[side].cine) is not None]


def _instants(results: Sequence[PairResult]) -> tuple[int, int] | None:
    """ED and ES among the instants of all files of a view, by the reference's LV."""
    size = "lv_disks_ml" if results[0].is_stack else "lv_area_mm2"
    sizes = [cine.values[size] for cine in _cines(results, "reference")]
    return ed_es(np.concatenate(sizes))


def _beats(instants: tuple[int, int] | None) -> Beats:
    if instants is None:
        return Beats((), None, math.nan, NO_INSTANTS)
    return Beats((instants,), None, math.nan)


def index_agreements(
    hearts: Sequence[PatientIndices],
    sides: Sequence[str],
    *,
    rng: np.random.Generator,
    n_resamples: int,
) -> tuple[IndexAgreement, ...]:
    """Agreement of every index with the reference, by index and side.

    Args:
        hearts: One per patient.
        sides: Those that are judged.
        rng: Source of randomness of the intervals.
        n_resamples: How often patients are drawn.

    Returns:
        Without indices that no patient has on both sides, as those of what is not annotated.
    """
    names = [heart.patient for heart in hearts]
    found = []
    for index in (*VOLUMES, *INDICES, *STACK_INDICES):
        values = {s: [_value(heart, s, index) for heart in hearts] for s in ("reference", *sides)}
        for side in sides:
            agreed = agreement(
                values[side], values["reference"], names, rng=rng, n_resamples=n_resamples
            )
            if agreed.n:
                found.append(IndexAgreement(index, side, agreed))
    return tuple(found)


def _value(heart: PatientIndices, side: str, index: str) -> float:
    return heart.sides.get(side, {}).get(index, math.nan)
