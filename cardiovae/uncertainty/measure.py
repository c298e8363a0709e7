"""Errors of codes, measured: predictions of networks beside their references."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cardiovae.audit.audit import frame_is_valid
from cardiovae.audit.criteria import criteria
from cardiovae.correction.config import CorrectConfig
from cardiovae.correction.scene import see
from cardiovae.errors import ModelError
from cardiovae.labels import STRUCTURES
from cardiovae.latent.mahalanobis import mahalanobis
from cardiovae.prior.codec import encode, to_canvas
from cardiovae.prior.cohort import DataConfig, patient_of
from cardiovae.prior.folder import ShapePrior
from cardiovae.prior.pairs import NamedFrame, frames_of
from cardiovae.sequence import EchoSequence
from cardiovae.uncertainty.errors import CodeErrors, estimate_errors

INSTANT = r"[_#](ED|ES|\d+)$"
"""What tells the frames of a sequence apart in their names."""


def measure_errors(
    prior: ShapePrior,
    data: str,
    predictions: str,
    config: DataConfig,
    patients: set[str] | None = None,
    *,
    most: int = 4000,
    rng: np.random.Generator,
    progress: Callable[[int, int], None] | None = None,
) -> CodeErrors:
    """How far the codes of predictions lie from those of their references.

    Frames that a name with `INSTANT` at its end tells apart belong to one sequence; where names
    occur again they are predictions of another network.

    Args:
        prior: The prior.
        data: References, as `cardiovae train --data` takes them.
        predictions: Predictions, as `cardiovae train --errors` takes them.
        config: Finds the patient in a name.
        patients: Whose predictions are used; None = all.
        most: Predictions to use, whole sequences at random.
        rng: Chooses them.
        progress: Called with the number of predictions measured and wanted.

    Raises:
        FileError: Absent or damaged files.
        ModelError: A prediction has no reference, or no sequence has two frames.
    """
    truth = {frame.name: frame for frame in frames_of(data, config.labels)}
    chosen = _chosen(predictions, config, patients, most, rng)
    rows = []
    for number, (sequence, frame) in enumerate(chosen):
        if progress is not None:
            progress(number, len(chosen))
        reference = truth.get(frame.name)
        if reference is None or reference.labels.shape != frame.labels.shape:
            raise ModelError(
                f"{predictions}: '{frame.name}' has no reference of its size in {data}; "
                "predictions are named like their references and lie on the same grid"
            )
        codes = _codes(prior, frame, reference)
        if codes is not None:
            rows.append((*codes, sequence, patient_of(frame.name, config.patient)))
    found, true = (np.array([row[i] for row in rows]) for i in (0, 1))
    distances = mahalanobis(found, prior.codes)
    errors = estimate_errors(
        found, true, distances, [row[2] for row in rows], [row[3] for row in rows]
    )
    return replace(errors, weights_sha256=prior.sha256()["weights.safetensors"])


def _chosen(
    predictions: str,
    config: DataConfig,
    patients: set[str] | None,
    most: int,
    rng: np.random.Generator,
) -> list[tuple[str, NamedFrame]]:
    """Predictions of whole sequences, each with the name of its sequence and network."""
    groups: dict[str, list[NamedFrame]] = {}
    for name, frame in _named(frames_of(predictions, config.labels)):
        if patients is None or patient_of(frame.name, config.patient) in patients:
            groups.setdefault(name, []).append(frame)
    names = sorted(groups)
    found: list[tuple[str, NamedFrame]] = []
    for i in rng.permutation(len(names)).tolist():
        if len(found) >= most:
            break
        found += [(names[i], frame) for frame in groups[names[i]]]
    return found


def _named(frames: Iterator[NamedFrame]) -> Iterator[tuple[str, NamedFrame]]:
    seen: Counter[str] = Counter()
    for frame in frames:
        yield f"{re.sub(INSTANT, '', frame.name)} {seen[frame.name]}", frame
        seen[frame.name] += 1


def _codes(
    prior: ShapePrior, found: NamedFrame, reference: NamedFrame
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Codes of a prediction, as the correction takes it, and of its reference; None = no heart."""
    settings = CorrectConfig()
    judged_by = criteria(settings.criteria)
    broken = np.array([not frame_is_valid(found.labels, found.spacing_mm, judged_by, STRUCTURES)])
    scene = see(
        EchoSequence(found.labels[:, :, None], found.spacing_mm), broken, prior, settings.fit
    )
    if scene is None:
        return None
    shares, inside = to_canvas(reference.labels[:, :, None], scene.placement)
    return scene.codes[0], encode(prior.network, shares, inside, STRUCTURES)[0][0]
