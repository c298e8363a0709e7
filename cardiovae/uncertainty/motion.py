"""What neighboring frames tell of each other: a state-space smoother over codes.

A frame's code is a smooth motion plus an error. The motion bends little from frame to frame (its
second differences are Gaussian, the prior of a smoothing spline: Wahba, J R Stat Soc B 40(3),
1978); the errors of the frames are independent, of a common covariance, larger where a frame is
not to be trusted. Given the codes, the motion is Gaussian; how large errors are and how much the
motion bends is set by maximum restricted likelihood, sequence by sequence.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cholesky_banded, solve_banded, solveh_banded

from cardiovae.latent.bending import BEND

Array = NDArray[np.float64]

LEAST_FRAMES = 5  # of fewer, each speaks for itself
LEAST_SCALE = 1e-3  # of errors: a still sequence is not certain for that
RATIOS = np.logspace(-4, 2, 25)  # variance of a bend over that of an error: stiff to free


@dataclass(frozen=True, eq=False)
class MotionPosterior:
    """How far the codes of a sequence may lie from what they are, by the errors of single frames.

    In units of what a usual frame by itself is known to err.

    Args:
        sd: Standard deviation of each frame's code, shape (T,): below 1 where neighbors help,
            above 1 where the frame cannot be trusted.
        factor: Cholesky factor of the precision over time, upper band form, shape (3, T).
        scale: Errors of this sequence's frames in the same units.
        ratio: Variance of a bend over that of an error; infinite where frames speak for
            themselves.
    """

    sd: Array
    factor: Array
    scale: float
    ratio: float

    def sample(self, n: int, n_dims: int, rng: np.random.Generator) -> Array:
        """Deviations of unit errors over time, shape (n, T, n_dims)."""
        white = rng.standard_normal((self.factor.shape[1], n * n_dims))
        width = self.factor.shape[0] - 1
        drawn = self.scale * solve_banded((0, width), self.factor, white)
        return np.moveaxis(drawn.reshape(-1, n, n_dims), 0, 1)


def motion_posterior(codes: Array, errors: Array, precision: Array) -> MotionPosterior:
    """The posterior of the motion, up to the errors that all frames of a sequence share.

    Args:
        codes: Codes as encoded, those of broken frames fitted, shape (T, D).
        errors: Covariance of a usual frame's error, shape (D, D), positive definite.
        precision: Of each frame's code, that of a usual frame being 1, shape (T,), > 0.
    """
    if len(codes) < LEAST_FRAMES:
        return _of_bands(_bands(precision, 0.0), 1.0, math.inf)
    white = np.linalg.solve(np.linalg.cholesky(errors), codes.T).T
    white -= white.mean(0)
    found = [restricted_likelihood(white, precision, ratio) for ratio in RATIOS]
    best = int(np.argmax([likelihood for likelihood, _ in found]))
    ratio = float(RATIOS[best])
    return _of_bands(_bands(precision, 1 / ratio), found[best][1], ratio)


def restricted_likelihood(white: Array, precision: Array, ratio: float) -> tuple[float, float]:
    """Restricted log likelihood of codes, up to a constant, and the scale of errors it is at.

    Args:
        white: Codes in units of a usual frame's error, shape (T, D), T > 2.
        precision: As in `motion_posterior`.
        ratio: Variance of a bend over that of an error.
    """
    n_frames, n_dims = white.shape
    bands = _bands(precision, 1 / ratio)
    weighted = precision[:, None] * white
    misfit = np.sum(weighted * white) - np.sum(weighted * solveh_banded(bands, weighted))
    freedom = n_dims * (n_frames - 2)  # straight lines cost nothing
    scale = max(float(misfit) / freedom, LEAST_SCALE**2)
    determinant = 2 * np.log(cholesky_banded(bands)[-1]).sum() + (n_frames - 2) * math.log(ratio)
    misfit_term = float(misfit) / scale + freedom * math.log(scale)
    return float(-0.5 * (misfit_term + n_dims * determinant)), math.sqrt(scale)


def _of_bands(bands: Array, scale: float, ratio: float) -> MotionPosterior:
    variance = np.diag(solveh_banded(bands, np.eye(bands.shape[1])))
    return MotionPosterior(scale * np.sqrt(variance), cholesky_banded(bands), scale, ratio)


def _bands(precision: Array, stiffness: float) -> Array:
    """Upper bands of diag(precision) + stiffness * B^T B, B the bends of inner frames, (3, T)."""
    n_frames = len(precision)
    bands = np.zeros((3, n_frames))
    bands[2] = precision
    for first in range(n_frames - len(BEND) + 1 if stiffness else 0):
        for i, left in enumerate(BEND):
            for j in range(i, len(BEND)):
                bands[2 - (j - i), first + j] += stiffness * left * BEND[j]
    return bands
