"""Axes of a latent space: where along each a code lies, and how to move along it.

Regularized dimensions that follow their attribute, else principal components; and the cardiac
instant as the prior's linear neuron reads it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from torch import nn

from cardiovae.attributes import ATTRIBUTES, UNITS
from cardiovae.errors import CardiovaeError
from cardiovae.explore.maps import principal_components
from cardiovae.prior.fidelity import REGULARIZED, rank_correlations

Array = NDArray[np.float64]

# Below this |Spearman| a dimension does not follow its attribute, and moving along it shows
# something else than its name says. Attribute-regularized VAEs of images reach 0.89 to 0.96, those
# without the regularization 0.62 to 0.63 (Pati and Lerch, Neural Comput. Appl. 33, 2021).
FOLLOWS = 0.8
PERCENTILES = (2.5, 97.5)
INSTANT = "instant"
POSITION = "slice position"


@dataclass(frozen=True, eq=False)
class Axis:
    """One way through a latent space.

    The position of a code z is `read @ z + offset`; moving by `move` adds 1 to it.

    Args:
        name: Attribute that it follows, "instant", or "component 1", ...
        unit: Unit of positions: "code units", or of the instant, ED 0 to ES 1, "".
        read: Shape (D,).
        offset: Position of the code 0.
        move: Shape (D,), `read @ move` is 1.
        low: 2.5th percentile of the training codes' positions.
        high: Their 97.5th percentile.
        attribute: What is measured along it; None = nothing in particular.
        spearman: Rank correlation of positions with what they follow; NaN if nothing.
    """

    name: str
    unit: str
    read: Array
    offset: float
    move: Array
    low: float
    high: float
    attribute: str | None
    spearman: float

    def position(self, codes: ArrayLike) -> Array:
        """Where codes (..., D) lie, shape (...)."""
        return np.asarray(np.asarray(codes, np.float64) @ self.read + self.offset)

    def steps(self, n: int) -> Array:
        """`n` even positions from the 2.5th to the 97.5th percentile."""
        return np.linspace(self.low, self.high, n)

    def through(self, at: ArrayLike, positions: ArrayLike) -> Array:
        """The code `at` (D,) moved to each of `positions` (K,), shape (K, D)."""
        start = np.asarray(at, np.float64)
        distance = np.asarray(positions, np.float64) - float(self.position(start))
        return np.asarray(start + distance[:, None] * self.move)


def regularized_axes(codes: Array, shown: Array, attributes: Array) -> tuple[Axis, ...]:
    """The leading dimensions that follow their attribute.

    Args:
        codes: Training codes, shape (N, D), whose percentiles bound the axes.
        shown: Codes that were decoded, shape (M, D).
        attributes: What was measured on them, (M, 8) in the order of `ATTRIBUTES`.

    Returns:
        None where no dimension follows, as in priors that were trained without.
    """
    width, n_dims = len(REGULARIZED), codes.shape[1]
    wide = np.zeros((len(shown), width))  # a prior may have fewer dimensions than attributes
    wide[:, : min(width, n_dims)] = shown[:, :width]
    found = rank_correlations(wide, attributes[:, :width])
    return tuple(
        _axis(name, np.eye(n_dims)[i], codes, name, found[name])
        for i, name in enumerate(REGULARIZED[:n_dims])
        if abs(found[name]) >= FOLLOWS
    )


def component_axes(codes: Array, n: int) -> tuple[Axis, ...]:
    """The `n` leading principal components of training codes (N, D); fewer if D is smaller."""
    components = principal_components(codes)
    return tuple(
        _axis(f"component {i + 1}", direction, codes, None, math.nan, offset=-direction @ mean)
        for i, (direction, mean) in enumerate(
            (d, components.mean) for d in components.directions[:n]
        )
    )


def instant_axis(
    codes: Array, instants: Array, neuron: tuple[Array, float] | None, name: str = INSTANT
) -> Axis | None:
    """The cardiac instant, ED 0 to ES 1, as the prior's neuron reads it.

    Or the position of a slice, base 0 to apex 1.

    Moving along it adds what codes of that instant have on average (their regression on what the
    neuron reads): the neuron's weights alone are the shortest way to change its reading, and lead
    away from where hearts are.

    Args:
        codes: Training codes, shape (N, D).
        instants: Their instants, shape (N,), NaN where unknown.
        neuron: Weights (D,) and bias; None = no such axis.
        name: What the neuron reads.
    """
    if neuron is None:
        return None
    read, offset = neuron
    centered = codes - codes.mean(0)
    along = centered @ read
    spread = float(along @ along)
    if spread == 0:
        return None
    positions = codes @ read + offset
    known = np.isfinite(instants)
    rank = math.nan
    if np.count_nonzero(known) >= 3 and np.ptp(instants[known]) > 0:
        rank = float(stats.spearmanr(positions[known], instants[known]).statistic)
    low, high = np.percentile(positions, PERCENTILES)
    move = along @ centered / spread
    return Axis(name, "", read, offset, move, float(low), float(high), "lv_area", rank)


def instant_neuron(network: nn.Module) -> tuple[Array, float] | None:
    """Weights (D,) and bias of the linear neuron that reads the instant; None without one."""
    layer = getattr(network, INSTANT, None)
    if not isinstance(layer, nn.Linear) or layer.out_features != 1:
        return None
    weights = layer.weight.detach().cpu().double().numpy()[0]
    return weights, float(layer.bias.detach().cpu()[0])


def _axis(
    name: str,
    direction: Array,
    codes: Array,
    attribute: str | None,
    spearman: float,
    *,
    offset: float = 0.0,
) -> Axis:
    low, high = np.percentile(codes @ direction + offset, PERCENTILES)
    if attribute is not None and attribute not in UNITS:
        raise CardiovaeError(f"attribute: is one of {ATTRIBUTES}, got '{attribute}'")
    return Axis(
        name,
        "code units",
        direction,
        float(offset),
        direction,
        float(low),
        float(high),
        attribute,
        spearman,
    )
