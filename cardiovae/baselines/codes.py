"""Published corrections in latent space: nearest and dichotomic (2020), smoothing (2022)."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from cardiovae.audit.criteria import criteria
from cardiovae.bank import LatentBank
from cardiovae.baselines.outcome import Found
from cardiovae.correction.blend import render
from cardiovae.correction.judge import Judge
from cardiovae.correction.scene import Scene
from cardiovae.latent.search import bisect_segment
from cardiovae.latent.smoothing import second_difference, smallest_strength, smooth
from cardiovae.prior.codec import Floats, canvas_distances, decode
from cardiovae.prior.fidelity import REGULARIZED
from cardiovae.prior.folder import ShapePrior

Codes = NDArray[np.float64]

CANDIDATES = 32  # nearest codes of the bank to try on the native grid
BISECTIONS = 8
FREE_STRENGTH = 50.0  # of dimensions without an attribute, Painchaud et al., IEEE TMI 41(10), 2022
FIRST_STRENGTH = 128.0  # upper end of the published search


def reconstruct(scene: Scene, prior: ShapePrior) -> Found:
    """Every frame encoded and decoded."""
    return decoded(scene, prior, scene.encoded)


def nearest(scene: Scene, prior: ShapePrior, bank: LatentBank, judge: Judge) -> Found:
    """Invalid frames replaced by the nearest valid code (Painchaud et al., IEEE TMI 39(11), 2020).

    A code of the bank counts as valid if it decodes to a valid mask on the sequence's own grid; a
    frame for which none of the `CANDIDATES` nearest does is left as it is.
    """
    return _each_invalid(scene, prior, bank, judge, steps=None)


def dichotomic(scene: Scene, prior: ShapePrior, bank: LatentBank, judge: Judge) -> Found:
    """As `nearest`, but moved only as far towards the valid code as it takes (the same paper)."""
    return _each_invalid(scene, prior, bank, judge, steps=BISECTIONS)


def smoothed(scene: Scene, prior: ShapePrior, *, attributes_only: bool) -> Found:
    """Codes smoothed in time and decoded (Painchaud et al., IEEE TMI 41(10), 2022).

    Each attribute's dimension is smoothed as little as keeps it within the tolerance of
    `tmi2022`, its range over the training codes being the unit; the other dimensions all alike,
    or not at all with `attributes_only`. The energy is the published one, its minimum exact.
    """
    codes = scene.encoded.copy()
    tolerances = {c.name: c.tolerance for c in criteria("tmi2022").criteria}
    for i, name in enumerate(REGULARIZED):
        limit = (tolerances[name] or 0.0) * float(np.ptp(prior.codes[:, i]))
        codes[:, i] = smallest_strength(
            codes[:, i], None, partial(_within, limit), upper=FIRST_STRENGTH
        ).signal
    if not attributes_only:
        free = slice(len(REGULARIZED), None)
        codes[:, free] = smooth(codes[:, free], None, FREE_STRENGTH)
    return decoded(scene, prior, codes)


def _within(limit: float, signal: Codes) -> bool:
    """Whether no frame deviates from the mean of its neighbors by more than `limit`."""
    return bool((np.abs(second_difference(signal)) <= limit).all())


def decoded(scene: Scene, prior: ShapePrior, codes: Codes) -> Found:
    """Every frame as its code says, shape of `codes` (T, D)."""
    return Found(painted(scene, canvas_distances(decode(prior.network, codes))), codes)


def painted(scene: Scene, distances: Floats) -> NDArray[np.uint8]:
    """Native label maps (H, W, N) of canvas distances (N, 3, 128, 96) in mm."""
    labels = np.zeros((*scene.sequence.shape, len(distances)), np.uint8)
    structures = scene.sequence.structures
    return render(distances, distances, labels, scene.placement, structures, 0.0)


def _each_invalid(
    scene: Scene, prior: ShapePrior, bank: LatentBank, judge: Judge, *, steps: int | None
) -> Found:
    """Each invalid frame at its nearest valid code, or part of the way there."""

    def valid(codes: Codes) -> NDArray[np.bool_]:
        return judge.frames_pass(decoded(scene, prior, codes).labels)

    labels, codes = scene.sequence.labels.copy(), scene.encoded.copy()
    for t in np.flatnonzero(scene.broken):
        candidates, _ = bank.nearest(codes[t], CANDIDATES)
        end = next((code for code in candidates if valid(code[None])[0]), None)
        if end is None:
            continue
        if steps is not None:
            end = bisect_segment(codes[t], end, valid, steps=steps).code
        codes[t] = end
        labels[:, :, t] = decoded(scene, prior, end[None]).labels[:, :, 0]
    return Found(labels, codes)
