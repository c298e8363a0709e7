"""How usual a shape is: the density of its code, and of how much its code leaves out.

An encoder gives every picture a code, even one of no heart, and often a likely one. What the code
leaves out tells such pictures apart: the misfit between a shape and its decoded code. Both
together, as one density of (code, log misfit), say whether a shape is like the training shapes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cardiovae.errors import CardiovaeError
from cardiovae.latent.density import ParzenDensity

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Typicality:
    """What is usual among the training shapes, seen with the same structures annotated.

    Args:
        density: Parzen density of the codes of whole shapes.
        log_densities: Log density of every training shape's code, those of its own patient left
            out, sorted, shape (N,).
        mean_log_misfit: Mean of the logarithm of their misfits in mm.
        std_log_misfit: Its standard deviation.
        log_joint: Logarithm of the density of code and log misfit at each, sorted, shape (N,).
    """

    density: ParzenDensity
    log_densities: Array
    mean_log_misfit: float
    std_log_misfit: float
    log_joint: Array

    def density_percentile(self, codes: ArrayLike) -> Array:
        """Share in percent of training shapes whose code is at most as probable, shape (...).

        Uniform over 0 to 100 for codes (..., D) of such shapes; NaN where a code is not finite.
        """
        return _percentile(self.log_densities, self.density.log_prob(codes))

    def percentile(self, codes: ArrayLike, misfit_mm: ArrayLike) -> Array:
        """The same for codes (..., D) and misfits (...) in mm together."""
        log_p = self.density.log_prob(codes) + self._log_misfit_density(np.asarray(misfit_mm))
        return _percentile(self.log_joint, log_p)

    def to_array(self) -> Array:
        """Everything but the density as one array, shape (2, N + 1), for `numpy.savez`."""
        rows = (self.log_densities, self.mean_log_misfit), (self.log_joint, self.std_log_misfit)
        return np.stack([np.append(values, number) for values, number in rows])

    @classmethod
    def from_array(cls, density: ParzenDensity, array: Array) -> Typicality:
        """The typicality whose `to_array` this is."""
        (*densities, mean), (*joint, std) = np.asarray(array, np.float64)
        return cls(density, np.array(densities), float(mean), float(std), np.array(joint))

    def _log_misfit_density(self, misfit_mm: Array) -> Array:
        """Log density of misfits, log-normal, up to a constant; small ones are no surprise."""
        return (
            -0.5
            * np.maximum((np.log(misfit_mm) - self.mean_log_misfit) / self.std_log_misfit, 0.0)
            ** 2
        )


def fit_typicality(
    density: ParzenDensity, codes: ArrayLike, groups: ArrayLike, misfit_mm: ArrayLike
) -> Typicality:
    """What is usual among training shapes.

    Args:
        density: Parzen density of the whole shapes' codes.
        codes: Codes of the shapes as they are seen (structures may be missing), shape (N, D).
        groups: Patient of each, numbered as in the density, shape (N,).
        misfit_mm: Misfit of each, shape (N,).

    Raises:
        CardiovaeError: Misfits that are not positive, or all equal.
    """
    misfits = np.asarray(misfit_mm, np.float64)
    if not (np.isfinite(misfits) & (misfits > 0)).all() or np.ptp(misfits) == 0:
        raise CardiovaeError("misfit_mm: positive numbers that differ, one per training shape")
    log_density = density.log_prob(codes, without=np.asarray(groups))
    logs = np.log(misfits)
    found = Typicality(
        density, np.sort(log_density), float(logs.mean()), float(logs.std()), log_density
    )
    joint = np.sort(log_density + found._log_misfit_density(misfits))
    return Typicality(
        density, found.log_densities, found.mean_log_misfit, found.std_log_misfit, joint
    )


def _percentile(reference: Array, values: Array) -> Array:
    rank = np.searchsorted(reference, values, side="right")
    return np.where(np.isnan(values), math.nan, 100.0 * rank / len(reference))
