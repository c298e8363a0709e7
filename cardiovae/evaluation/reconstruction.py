"""How well label maps come back from a model: overlap and distances on their own grids."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardiovae.errors import CardiovaeError
from cardiovae.evaluation.overlap import score_frames
from cardiovae.evaluation.results import METRICS
from cardiovae.intervals.bootstrap import Interval, mean_by_patient
from cardiovae.labels import ALL, Label
from cardiovae.sequence import EchoSequence


@dataclass(frozen=True, eq=False)
class Reconstruction:
    """Scores of N frames that went through a model.

    Args:
        scores: By metric (`METRICS`: Dice, distances in mm) each frame's score of LV, MYO, LA and
            RV, shape (N, 4); NaN where not annotated or not measurable.
        patients: Patient of each frame.
    """

    scores: Mapping[str, NDArray[np.float64]]
    patients: tuple[Hashable, ...]

    def mean(self, metric: str, structure: Label, *, rng: np.random.Generator) -> Interval:
        """Mean over the frames where it is known, with its 95 % interval by patient."""
        column = self.scores[metric][:, ALL.index(structure)]
        return mean_by_patient(column, self.patients, rng=rng)


def reconstruction(
    truth: Sequence[EchoSequence],
    found: Sequence[NDArray[np.uint8]],
    patients: Sequence[Hashable],
) -> Reconstruction:
    """Compare label maps with what a model gave back for them, on the grid they were drawn on.

    Args:
        truth: Label map sequences that the model has not been trained on.
        found: What came back, each of the shape (H, W, T) of its sequence.
        patients: Patient of each sequence.

    Raises:
        CardiovaeError: Not one label map and patient per sequence, or other shapes.
    """
    if not len(truth) == len(found) == len(patients):
        raise CardiovaeError(
            "reconstruction: one label map and one patient per sequence; got "
            f"{len(found)} and {len(patients)} for {len(truth)}"
        )
    rows: dict[str, list[NDArray[np.float64]]] = {metric: [] for metric in METRICS}
    owners: list[Hashable] = []
    for sequence, labels, patient in zip(truth, found, patients, strict=True):
        measured = score_frames(labels, sequence.labels, sequence.spacing_mm, ALL)
        absent = [s not in sequence.structures for s in ALL]
        for metric, kept in rows.items():
            kept.append(np.where(absent, np.nan, getattr(measured, metric)))
        owners += [patient] * sequence.n_frames
    empty = np.empty((0, len(ALL)))
    scores = {metric: np.concatenate([empty, *kept]) for metric, kept in rows.items()}
    return Reconstruction(scores, tuple(owners))
