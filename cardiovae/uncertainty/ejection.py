"""How far the ejection fraction may be off, by the samples of ED and ES."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from cardiovae.audit.criteria import CriteriaSet
from cardiovae.bank import GRID
from cardiovae.indices.ejection import Ejection, ed_es, ejection, lv_disks, volume_ml
from cardiovae.labels import Label
from cardiovae.prior.folder import ShapePrior
from cardiovae.uncertainty.record import EjectionDoubt
from cardiovae.uncertainty.samples import Errors, Hearts, drawn

LEAST_SAMPLES = 8  # of which both ED and ES are valid; fewer say nothing of a spread


def ejection_doubt(
    found: Hearts,
    errors: Errors,
    prior: ShapePrior,
    criteria_set: CriteriaSet,
    n_samples: int,
    rng: np.random.Generator,
) -> EjectionDoubt:
    """Single-plane ejection fraction of a sequence and its spread over samples.

    Every sample is a whole sequence, so that an error of ED and ES alike cancels in it as it does
    in the fraction.
    """
    sequence = found.sequence
    if sequence.spacing_mm is None:
        reason = "the pixel spacing is unknown"
        return EjectionDoubt(Ejection(math.nan, math.nan, math.nan, "single-plane", reason))
    measured = ejection(sequence.labels, sequence.spacing_mm, structures=sequence.structures)
    instants = ed_es(np.count_nonzero(sequence.labels == Label.LV, axis=(0, 1)))
    if measured.reason or instants is None:
        return EjectionDoubt(measured, reason=measured.reason or "no ED and ES")
    frames = np.array(instants)
    codes = errors.sample(found.codes, n_samples, rng)[:, frames]
    volumes, valid = [], []
    flat = codes.reshape(-1, codes.shape[2])
    for part in drawn(found, flat, np.tile(frames, n_samples), prior, criteria_set):
        valid.append(part.valid)
        volumes += [_volume(part.labels[:, :, k]) for k in range(part.labels.shape[2])]
    pairs = np.array(volumes).reshape(n_samples, 2)
    usable = np.concatenate(valid).reshape(n_samples, 2).all(1) & np.isfinite(pairs).all(1)
    usable &= pairs[:, 0] > 0
    n_usable = int(usable.sum())
    if n_usable < LEAST_SAMPLES:
        reason = f"only {n_usable} of {n_samples} samples have a valid ED and a valid ES"
        return EjectionDoubt(measured, n_samples=n_usable, reason=reason)
    ed, es = pairs[usable].T
    fractions = 100 * (ed - es) / ed
    return EjectionDoubt(
        measured,
        float(fractions.std(ddof=1)),
        float(ed.std(ddof=1) / ed.mean()),
        float(es.std(ddof=1) / max(es.mean(), 1e-9)),
        n_usable,
    )


def _volume(labels: NDArray[np.uint8]) -> float:
    """Volume in ml of one heart on the fine canonical grid; NaN where it has no axis."""
    return volume_ml(lv_disks(labels, GRID.pixel_mm))
