"""Parzen density of latent codes: log density, exact sampling, plausibility percentiles.

The density of Painchaud et al., IEEE TMI 39(11), 2020: a Gaussian kernel on every training code.
Its bandwidth maximizes the leave-one-out likelihood (Duin, IEEE Trans. Computers C-25, 1976).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cardiovae.errors import CardiovaeError
from cardiovae.latent.bandwidth import leave_one_out_bandwidth
from cardiovae.latent.distances import blocks, squared_distances

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ParzenDensity:
    """A mixture of equal Gaussians, one on every code, with one diagonal covariance.

    Args:
        codes: Centers of the kernels, shape (N, D); read-only.
        bandwidth: Standard deviation of a kernel, in units of `scale`.
        scale: Unit of each dimension, shape (D,).
        groups: Codes left out together have the same number >= 0 here, shape (N,).

    Raises:
        CardiovaeError: Wrong shapes, values that are not finite, fewer than two groups, or a
            bandwidth or scale that is not positive.
    """

    codes: Array
    bandwidth: float
    scale: Array
    groups: NDArray[np.int64]

    def __post_init__(self) -> None:
        codes = _checked_codes(self.codes)
        d = codes.shape[1]
        scale = np.array(self.scale, np.float64)
        if scale.shape != (d,) or not np.all(np.isfinite(scale) & (scale > 0)):
            raise CardiovaeError(f"scale is {d} positive numbers, one per dimension; got {scale}")
        if not (math.isfinite(self.bandwidth) and self.bandwidth > 0):
            raise CardiovaeError(f"bandwidth is a positive number, got {self.bandwidth}")
        groups = _checked_groups(self.groups, codes.shape[0])
        for name, array in (("codes", codes), ("scale", scale), ("groups", groups)):
            array.flags.writeable = False
            object.__setattr__(self, name, array)
        object.__setattr__(self, "bandwidth", float(self.bandwidth))

    @property
    def n_codes(self) -> int:
        """Number of kernels N."""
        return len(self.codes)

    @property
    def latent_dim(self) -> int:
        """Number of dimensions D."""
        return len(self.scale)

    @property
    def kernel_std(self) -> Array:
        """Standard deviation of a kernel along each dimension, shape (D,)."""
        return self.bandwidth * self.scale

    @cached_property
    def _log_kernel_peak(self) -> float:
        return -float(np.sum(np.log(self.kernel_std * math.sqrt(2 * math.pi))))

    @cached_property
    def _held_out(self) -> Array:
        groups = self.groups
        others = self.n_codes - np.bincount(groups)[groups]
        log_sums = _log_kernel_sums(
            self.codes / self.kernel_std, self.codes / self.kernel_std, (groups, groups)
        )
        held_out: Array = log_sums - np.log(others) + self._log_kernel_peak
        held_out.flags.writeable = False
        return held_out

    def log_prob(self, z: ArrayLike, *, without: ArrayLike | None = None) -> Array:
        """Natural logarithm of the density at `z`.

        Args:
            z: Codes, shape (..., D).
            without: For each code the group whose kernels are left out, shape (...); None leaves
                out none.

        Returns:
            Shape (...); NaN where a code is not finite.

        Examples:
            >>> density = fit_parzen([[0.0], [2.0]], bandwidth=1.0, whiten=False)
            >>> float(np.exp(density.log_prob([1.0])).round(6))  # exp(-1/2) / sqrt(2 pi)
            0.241971
        """
        points = np.asarray(z, np.float64)
        if points.shape[-1:] != (self.latent_dim,):
            raise CardiovaeError(
                f"codes have shape (..., {self.latent_dim}), the density's; got {points.shape}"
            )
        flat = points.reshape(-1, self.latent_dim)
        finite = np.isfinite(flat).all(axis=1)
        log_p = np.full(len(flat), np.nan)
        pairs, n_kernels = None, np.full(len(flat), self.n_codes)
        if without is not None:
            left_out = np.asarray(without, np.int64).reshape(-1)
            pairs = (left_out[finite], self.groups)
            n_kernels = self.n_codes - (left_out[:, None] == self.groups).sum(1)
        log_p[finite] = (
            _log_kernel_sums(flat[finite] / self.kernel_std, self.codes / self.kernel_std, pairs)
            - np.log(n_kernels[finite])
            + self._log_kernel_peak
        )
        return log_p.reshape(points.shape[:-1])

    def mean_shift(self, z: ArrayLike) -> Array:
        """Mean of the codes around `z`, each weighted by its kernel there, shape (..., D).

        Uphill: the gradient of `log_prob` is (mean_shift(z) - z) / kernel_std^2. Every `z` is
        finite.
        """
        points = np.asarray(z, np.float64)
        flat = points.reshape(-1, self.latent_dim) / self.kernel_std
        centers = self.codes / self.kernel_std
        means = np.empty_like(flat)
        for rows in blocks(len(flat), self.n_codes):
            exponent = -0.5 * squared_distances(flat[rows], centers)
            share = np.exp(exponent - exponent.max(axis=1, keepdims=True))
            means[rows] = share @ self.codes / share.sum(axis=1, keepdims=True)
        return means.reshape(points.shape)

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        """Draw `n` codes, shape (n, D), exactly: choose a kernel, then draw from it."""
        chosen = rng.integers(self.n_codes, size=n)
        noise = rng.standard_normal((n, self.latent_dim))
        return self.codes[chosen] + self.kernel_std * noise

    def leave_one_out(self) -> Array:
        """Log density of every code under the kernels of all other groups, shape (N,)."""
        return self._held_out

    def percentile(self, z: ArrayLike) -> Array:
        """Plausibility of `z` among the training codes.

        The share, in percent, of training codes whose leave-one-out log density is at most that
        of `z`: uniform over 0 to 100 for codes like them, near 0 for codes unlike any.

        Args:
            z: Codes, shape (..., D).

        Returns:
            Percentiles 0 to 100, shape (...); NaN where a code is not finite.
        """
        log_p = self.log_prob(z)
        rank = np.searchsorted(np.sort(self._held_out), log_p, side="right")
        return np.where(np.isnan(log_p), np.nan, 100.0 * rank / self.n_codes)

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """The density as named arrays for `numpy.savez`; `from_arrays` reads them back."""
        return {
            "codes": self.codes,
            "bandwidth": np.array(self.bandwidth),
            "scale": self.scale,
            "groups": self.groups,
            "leave_one_out": self._held_out,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> ParzenDensity:
        """A density from the arrays of `to_arrays`; codes may be stored as float16.

        Raises:
            CardiovaeError: An array is missing or does not fit the others.
        """
        needed = ("codes", "bandwidth", "scale", "groups", "leave_one_out")
        missing = [name for name in needed if name not in arrays]
        if missing:
            raise CardiovaeError(f"a stored density holds the arrays {needed}; missing {missing}")
        codes = np.asarray(arrays["codes"], np.float64)
        held_out = np.array(arrays["leave_one_out"], np.float64)
        if held_out.shape != codes.shape[:1]:
            raise CardiovaeError(
                f"leave_one_out holds one number per code, {codes.shape[:1]}; got {held_out.shape}"
            )
        density = cls(
            codes,
            float(np.asarray(arrays["bandwidth"], np.float64)),
            np.asarray(arrays["scale"], np.float64),
            np.asarray(arrays["groups"], np.int64),
        )
        held_out.flags.writeable = False
        density.__dict__["_held_out"] = held_out  # fills the cached property: seconds saved
        return density


def fit_parzen(
    codes: ArrayLike,
    *,
    bandwidth: float | None = None,
    groups: ArrayLike | None = None,
    whiten: bool = True,
) -> ParzenDensity:
    """Fit a Parzen density to training codes.

    Args:
        codes: Training codes, shape (N, D).
        bandwidth: Kernel width in standard deviations (`whiten`) or in code units; None takes
            the width that maximizes the leave-one-out log likelihood.
        groups: Codes to leave out together, shape (N,), any labels: the patient of each code,
            since frames of one patient predict each other too well. None leaves out each code
            with its exact copies.
        whiten: Measure each dimension in its standard deviation over the codes.

    Raises:
        CardiovaeError: Unusable codes, or `whiten` with a dimension that never changes.
    """
    array = _checked_codes(codes)
    if groups is None:
        members = np.unique(array, axis=0, return_inverse=True)[1]
    else:
        members = np.unique(np.asarray(groups), return_inverse=True)[1]
    members = _checked_groups(members, array.shape[0])
    scale = array.std(axis=0) if whiten else np.ones(array.shape[1])
    constant = array.max(axis=0) == array.min(axis=0)
    if whiten and constant.any():
        raise CardiovaeError(
            f"codes: dimensions {np.flatnonzero(constant).tolist()} never change, so they have no "
            "standard deviation to measure in; drop them or pass whiten=False"
        )
    width = leave_one_out_bandwidth(array / scale, members) if bandwidth is None else bandwidth
    return ParzenDensity(array, width, scale, members)


def _checked_codes(codes: ArrayLike) -> Array:
    array = np.array(codes, np.float64)
    if array.ndim != 2 or array.shape[0] < 2 or array.shape[1] < 1:
        raise CardiovaeError(f"codes have shape (N, D) with N >= 2, D >= 1; got {array.shape}")
    if not np.isfinite(array).all():
        bad = int(np.count_nonzero(~np.isfinite(array).all(axis=1)))
        raise CardiovaeError(f"codes are finite; {bad} of {array.shape[0]} are not: drop them")
    return array


def _checked_groups(groups: ArrayLike, n: int) -> NDArray[np.int64]:
    labels = np.array(groups, np.int64)
    if labels.shape != (n,) or labels.min() < 0:
        raise CardiovaeError(
            f"groups is one number >= 0 per code, shape ({n},); got shape {labels.shape}"
        )
    if labels.max() == labels.min():
        raise CardiovaeError(
            f"codes fall into two groups or more, so others can judge each; all {n} are one"
        )
    return labels


def _log_kernel_sums(
    points: Array,
    centers: Array,
    groups: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None,
) -> Array:
    """Logarithm of the sum of exp(-distance^2 / 2) to all centers, for each point, shape (M,).

    With `groups`, of points and of centers, only centers of another group than the point's count.
    """
    sums = np.empty(len(points))
    for rows in blocks(len(points), len(centers)):
        exponent = squared_distances(points[rows], centers)
        exponent *= -0.5
        if groups is not None:
            exponent[groups[0][rows, None] == groups[1]] = -np.inf
        top = exponent.max(axis=1, keepdims=True)
        exponent -= top
        np.exp(exponent, out=exponent)
        sums[rows] = np.log(exponent.sum(axis=1)) + top[:, 0]
    return sums
