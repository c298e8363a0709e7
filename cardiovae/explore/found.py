"""What an exploration asks for, and what it finds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardiovae.audit.criteria import CriteriaSet
from cardiovae.explore.axes import Axis
from cardiovae.explore.directions import Direction
from cardiovae.explore.hearts import Hearts
from cardiovae.explore.population import Population
from cardiovae.intervals.bootstrap import Interval
from cardiovae.labels import STRUCTURES, Label

Array = NDArray[np.float64]

# Of a direction; 1 = from the mean of one group to that of the other.
STRENGTHS = (-1.0, -0.5, 0.0, 0.5, 1.0)


@dataclass(frozen=True)
class Settings:
    """What to explore.

    Args:
        judge: Anatomical criteria set that every heart is judged by.
        seed: Of all that is drawn at random.
        n_codes: At most so many training codes, of whole patients, are decoded for maps, groups
            and rank correlations.
        n_samples: Draws of the density.
        at: Number of the training code that traversals start from; None = the mean.
        umap: Whether to draw a map by UMAP too.
    """

    judge: CriteriaSet
    seed: int = 0
    n_codes: int = 1200
    n_samples: int = 400
    at: int | None = None
    umap: bool = False


@dataclass(frozen=True, eq=False)
class Walk:
    """Hearts at positions along one axis: (K,) positions, K hearts."""

    axis: Axis
    positions: Array
    hearts: Hearts


@dataclass(frozen=True, eq=False)
class Plane:
    """Hearts over two axes; heart `i * len(second) + j` is at first[i], second[j]."""

    axes: tuple[Axis, Axis]
    positions: tuple[Array, Array]
    hearts: Hearts


@dataclass(frozen=True, eq=False)
class Film:
    """Hearts on the way from one code to another, straight and along an arc."""

    start: str
    end: str
    linear: Hearts
    spherical: Hearts


@dataclass(frozen=True, eq=False)
class Change:
    """A direction applied to one heart, at `STRENGTHS`."""

    direction: Direction
    base: str
    hearts: Hearts


@dataclass(frozen=True, eq=False)
class Samples:
    """Draws of the shrunk density, and the share of them that is valid with its 95 % interval."""

    hearts: Hearts
    share: Interval


@dataclass(frozen=True, eq=False)
class Map:
    """Where a method puts the training codes (N, 2) and those of masks (M, 2).

    Args:
        method: "pca" or "umap".
        training: Shape (N, 2).
        masks: Shape (M, 2).
        shares: Share of the variance along both axes; empty where that means nothing.
    """

    method: str
    training: Array
    masks: Array
    shares: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Exploration:
    """A latent space, looked at from all sides.

    Args:
        settings: What was asked for.
        prior: Name, license and hashes.
        n_training: Training codes of the prior, and its dimensions.
        regularized: Whether axes follow attributes; else they are principal components.
        walks: One per axis.
        planes: Pairs of axes.
        population: Training codes that were decoded.
        masks: Codes of the given masks; None without any.
        maps: Of both populations.
        films: Between pairs of codes.
        changes: Directions, each applied to the mean heart and to masks.
        samples: Draws of the density.
        structures: Those of the hearts that the prior knows.
    """

    settings: Settings
    prior: dict[str, object]
    n_training: tuple[int, int]
    regularized: bool
    walks: tuple[Walk, ...]
    planes: tuple[Plane, ...]
    population: Population
    masks: Population | None
    maps: tuple[Map, ...]
    films: tuple[Film, ...]
    changes: tuple[Change, ...]
    samples: Samples
    structures: tuple[Label, ...] = STRUCTURES
