"""Ejection fraction of each patient, from all files that show its heart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from cardiovae.evaluation.indices import NO_INSTANTS
from cardiovae.evaluation.results import PairResult
from cardiovae.indices.ejection import (
    Disks,
    Ejection,
    ed_es,
    ejection_of_disks,
    not_ejecting,
)

View = list[PairResult]


@dataclass(frozen=True)
class PatientEjection:
    """Ejection fractions of one patient.

    Args:
        patient: Whose.
        views: The views that were used: both, one, or ("unknown",).
        sides: Volumes and ejection fraction of "reference", "prediction" and, if all files of
            these views have one, "before".
    """

    patient: str
    views: tuple[str, ...]
    sides: Mapping[str, Ejection]


def patient_ejections(results: Sequence[PairResult]) -> tuple[PatientEjection, ...]:
    """One ejection fraction per patient and side: biplane where both apical views are there.

    Files of one patient and view are taken together, so ED and ES may lie in files of their own.
    ED and ES are, per view, the reference's frames of largest and smallest LV area. Where one
    apical view is known, files of unknown view are left out.

    Returns:
        Sorted by patient; without those of whom no file has an LV in its reference, or all are
        stacks of slices.
    """
    patients: dict[str, dict[str | None, View]] = {}
    for result in (result for result in results if not result.is_stack):
        views = patients.setdefault(result.pair.patient, {})
        views.setdefault(result.pair.view, []).append(result)
    return tuple(_of_patient(patient, views) for patient, views in sorted(patients.items()))


def _of_patient(patient: str, views: Mapping[str | None, View]) -> PatientEjection:
    known = [view for view in ("A4C", "A2C") if view in views]
    used = [views[view] for view in known] or [views[None]]
    everywhere = [s for s in ("reference", "prediction", "before") if _all_have(used, s)]
    sides = {side: _of_side(used, side) for side in everywhere}
    return PatientEjection(patient, tuple(known) or ("unknown",), MappingProxyType(sides))


def _all_have(views: Sequence[View], side: str) -> bool:
    return all(side in result.sides for view in views for result in view)


def _of_side(views: Sequence[View], side: str) -> Ejection:
    """Of one side, at the instants of the reference."""
    chosen: list[tuple[Disks, Disks]] = []
    for view in views:
        if any(result.spacing_mm is None for result in view):
            return not_ejecting(len(views), "the pixel spacing is unknown")
        truth = [disks for result in view for disks in result.sides["reference"].disks]
        found = [disks for result in view for disks in result.sides[side].disks]
        instants = ed_es(np.array([disks.area_mm2 for disks in truth]))
        if instants is None:
            return not_ejecting(len(views), NO_INSTANTS)
        chosen.append((found[instants[0]], found[instants[1]]))
    return ejection_of_disks(chosen)
