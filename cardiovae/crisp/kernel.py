"""How much each neighbor counts: kernels on the unit sphere.

CRISP weighs a neighbor by exp((cosine - 1) / h), a von Mises-Fisher kernel of concentration 1 / h.
Its width follows from the spread of the library: h = kappa^(-1/2) (40 sqrt(pi) n)^(-1/5).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from cardiovae.errors import CardiovaeError, ConfigError

KERNELS = ("estimator", "published", "learned")
PUBLISHED_DIMENSIONS = 8  # written into the published formula, whatever the space

Floats = NDArray[np.float64]


def concentration(codes: NDArray[np.floating]) -> float:
    """Concentration kappa of a von Mises-Fisher distribution, estimated from unit vectors (n, d).

    R (d - R^2) / (1 - R^2), R being the length of their mean (Banerjee et al., "Clustering on the
    Unit Hypersphere using von Mises-Fisher Distributions", JMLR 6, 2005). 0 where they cancel;
    infinite where all are one.

    Examples:
        >>> round(concentration(np.array([[1.0, 0.0], [0.0, 1.0]])), 6)  # R^2 = 1/2, d = 2
        2.12132
    """
    length, d = _mean_length(codes)
    return math.inf if length >= 1 else length * (d - length**2) / (1 - length**2)


def published_concentration(codes: NDArray[np.floating]) -> float:
    """The same as the published code computes it: R (8 - R^2) / 1 - R^2.

    Its division binds before its subtraction, and d is 8 whatever the space. Kept for comparison.

    Examples:
        >>> round(published_concentration(np.array([[1.0, 0.0], [0.0, 1.0]])), 6)
        4.803301
    """
    length, _ = _mean_length(codes)
    return length * (PUBLISHED_DIMENSIONS - length**2) - length**2


def _mean_length(codes: NDArray[np.floating]) -> tuple[float, int]:
    if codes.ndim != 2 or 0 in codes.shape:
        raise CardiovaeError(f"codes have shape (n, d), none of them zero; got {codes.shape}")
    return min(float(np.linalg.norm(codes.mean(0, dtype=np.float64))), 1.0), codes.shape[1]


def bandwidth(kappa: float, n: int) -> float:
    """Width h of the kernel for `n` codes of concentration `kappa`; infinite for kappa 0.

    Examples:
        >>> round(bandwidth(4.0, 9000), 6)
        0.034514
    """
    if kappa <= 0:
        return math.inf
    return float(kappa**-0.5 * (40 * math.sqrt(math.pi) * n) ** -0.2)


def kernel_width(kernel: str, codes: NDArray[np.floating], scale: float) -> float:
    """Width of the kernel for a library.

    Args:
        kernel: "estimator" takes the right estimate of the concentration, "published" that of the
            published code, "learned" 1 / scale: in training exp(scale * cosine) says how likely
            a mask is an image's, so it says the same of the library's.
        codes: Unit vectors of the library, shape (n, d).
        scale: What cosines were multiplied with in training.

    Raises:
        ConfigError: Another kernel.
    """
    if kernel == "learned":
        return 1 / scale
    if kernel == "estimator":
        return bandwidth(concentration(codes), len(codes))
    if kernel == "published":
        return bandwidth(published_concentration(codes), len(codes))
    raise ConfigError(f"kernel '{kernel}': unknown; expected one of {', '.join(KERNELS)}")


def weights(cosines: NDArray[np.floating], width: float) -> Floats:
    """exp((cosine - 1) / width) of each neighbor, as published: at most 1, of any shape."""
    return np.asarray(np.exp((np.asarray(cosines, np.float64) - 1) / width))


def shares(cosines: NDArray[np.floating], width: float) -> Floats:
    """The weights of neighbors (..., L), made to sum to 1 over the last axis."""
    raised = np.asarray(cosines, np.float64)
    raised = raised - raised.max(axis=-1, keepdims=True)  # the same shares, and none is 0 / 0
    found = np.exp(raised / width)
    return np.asarray(found / found.sum(axis=-1, keepdims=True))
