"""How far codes of a network's masks lie from the codes of the truth: the scale of all doubt.

What a prior alone cannot know is how well the network at hand segments. A shipped prior carries
the covariance of such errors, measured on networks and patients that its calibration never saw,
and how it grows with the distance of a mask's code from the training codes: unusual masks are
wrong ones more often. A prior without it falls back on its encoder's own posterior width, which
knows how precisely a mask tells its code, not how well the mask follows the image: samples then
spread too little, and the record says so.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cardiovae.errors import ModelError
from cardiovae.io.atomic import staged
from cardiovae.prior.folder import DAMAGE, ShapePrior

Array = NDArray[np.float64]

ERRORS = "errors.npz"
LEAST_DISTANCE = 0.5  # closer to the middle of all codes than any real one
SCALES = (math.log(0.25), math.log(4.0))  # of errors: beyond, nothing was measured
CLIP = 4.0  # robust standard deviations beyond which an error is a lost heart, not a contour
LEAST_SHARE = 1e-3  # of the mean variance, added to each direction: never quite certain


@dataclass(frozen=True, eq=False)
class CodeErrors:
    """Covariances of the errors of codes.

    Args:
        shared: Of what all frames of a sequence have in common, shape (D, D).
        own: Of what each frame has by itself, shape (D, D), positive definite.
        growth: Intercept and slope of the logarithm of a frame's scale of error over the logarithm
            of the Mahalanobis distance of its code.
        n_patients: Patients that they were measured on; 0 = the encoder's width.
        weights_sha256: Of the prior that they belong to.
    """

    shared: Array
    own: Array
    growth: tuple[float, float] = (0.0, 0.0)
    n_patients: int = 0
    weights_sha256: str = ""

    def scale(self, distances: ArrayLike) -> Array:
        """Scale of each frame's error, of its Mahalanobis distance, shape (T,); 1 is usual."""
        intercept, slope = self.growth
        logs = intercept + slope * np.log(np.maximum(distances, LEAST_DISTANCE))
        return np.asarray(np.exp(np.clip(logs, *SCALES)))

    @property
    def measured(self) -> bool:
        """Whether they are those of networks, not the encoder's own width."""
        return self.n_patients > 0


def estimate_errors(
    found: ArrayLike,
    truth: ArrayLike,
    distances: ArrayLike,
    sequences: Sequence[str],
    patients: Sequence[str],
) -> CodeErrors:
    """Covariances of shared and own errors, and how both grow with unusual codes.

    Frames of one name in `sequences` share an error; what two of them have in common on average
    is its covariance, after which the rest is their own. Negative directions are set to zero.

    Args:
        found: Codes of predictions, shape (N, D).
        truth: Codes of their references, shape (N, D).
        distances: Mahalanobis distances of the codes of predictions, shape (N,).
        sequences: Which sequence of which network a frame belongs to, N names.
        patients: Whose it is, N names.

    Raises:
        ModelError: No sequence has two frames.
    """
    error = np.asarray(found, np.float64) - np.asarray(truth, np.float64)
    deviation = 1.4826 * np.median(np.abs(error), axis=0)
    error = np.clip(error, -CLIP * deviation, CLIP * deviation)
    error -= error.mean(0)
    size = np.sqrt(np.mean((error / deviation) ** 2, axis=1))
    logs = np.log(np.maximum(distances, LEAST_DISTANCE))
    slope, intercept = np.polyfit(logs, np.log(np.maximum(size, 1e-6)), 1)
    middle = float(intercept + slope * np.median(logs))  # of a usual frame: its scale is 1
    growth = (float(intercept) - middle, float(slope))
    error /= CodeErrors(error[:0], error[:0], growth).scale(distances)[:, None]
    shared, own = _parted(error, sequences)
    least = LEAST_SHARE * np.trace(shared + own) / len(own)
    return CodeErrors(shared, own + least * np.eye(len(own)), growth, len(set(patients)))


def _parted(error: Array, sequences: Sequence[str]) -> tuple[Array, Array]:
    """Covariances of what frames of a sequence share, and of the rest, both (D, D)."""
    groups: dict[str, list[int]] = {}
    for row, name in enumerate(sequences):
        groups.setdefault(name, []).append(row)
    pairs = [(a, b) for rows in groups.values() for a in rows for b in rows if a != b]
    if not pairs:
        raise ModelError("errors of codes: two frames of one sequence are needed to part them")
    first, second = np.array(pairs).T
    shared = error[first].T @ error[second] / len(pairs)
    shared = _positive((shared + shared.T) / 2)
    return shared, _positive(error.T @ error / len(error) - shared)


def encoder_errors(spread: ArrayLike) -> CodeErrors:
    """The encoder's mean posterior variances, from standard deviations (T, D), as own errors."""
    variance = np.mean(np.square(np.asarray(spread, np.float64)), axis=0)
    return CodeErrors(np.zeros((len(variance), len(variance))), np.diag(variance))


def load_errors(prior: ShapePrior) -> CodeErrors | None:
    """The measured errors in a prior's folder; None where it has none.

    Raises:
        ModelError: They are damaged, or belong to other weights.
    """
    path = prior.folder / ERRORS
    if not path.is_file():
        return None
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as content:
            shared, own = (content[k].astype(np.float64) for k in ("shared", "own"))
            growth = tuple(content["growth"].astype(np.float64).tolist())
            n_patients, weights = int(content["n_patients"]), str(content["weights_sha256"])
    except DAMAGE as error:
        raise ModelError(f"prior '{prior.name}': {path} is damaged ({error})") from error
    shape = 2 * prior.codes.shape[1:]
    if weights != prior.sha256()["weights.safetensors"] or own.shape != shape != shared.shape:
        raise ModelError(
            f"prior '{prior.name}': {path} belongs to other weights; remove it, or measure the "
            "errors again"
        )
    return CodeErrors(shared, own, (growth[0], growth[1]), n_patients, weights)


def save_errors(path: Path, errors: CodeErrors, *, overwrite: bool = False) -> None:
    """Write measured errors, as `load_errors` reads them."""
    with staged(path, overwrite=overwrite) as temporary:
        np.savez_compressed(
            temporary,
            shared=errors.shared.astype(np.float32),
            own=errors.own.astype(np.float32),
            growth=np.array(errors.growth),
            n_patients=errors.n_patients,
            weights_sha256=errors.weights_sha256,
        )


def _positive(covariance: Array) -> Array:
    """The nearest covariance without negative directions."""
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray((vectors * np.maximum(values, 0.0)) @ vectors.T)
