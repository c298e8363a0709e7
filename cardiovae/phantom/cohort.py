"""A numbered cohort of phantoms: each one can be drawn again from its number alone."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from cardiovae.phantom.heart import Cycle, Phantom, draw_heart
from cardiovae.phantom.parameters import draw_parameters
from cardiovae.phantom.quantities import HeartParameters
from cardiovae.sequence import APICAL

Seed = tuple[int, int, int]


def cohort_seeds(n: int, seed: int) -> Iterator[tuple[str, str, Seed]]:
    """Name, view and seed of the phantoms 1 to `n` of a cohort, both views of each.

    Examples:
        >>> list(cohort_seeds(1, 7))
        [('phantom00001_A2C', 'A2C', (7, 1, 0)), ('phantom00001_A4C', 'A4C', (7, 1, 1))]
    """
    for number in range(1, n + 1):
        for index, view in enumerate(APICAL):
            yield f"phantom{number:05d}_{view}", view, (seed, number, index)


def cohort_parameters(view: str, seed: Seed) -> HeartParameters:
    """The heart of a cohort with that seed; the two views of one number are two hearts."""
    return draw_parameters(np.random.default_rng(seed), view)


def phantom_cohort(
    n: int,
    seed: int,
    *,
    n_frames: int = 20,
    cycle: Cycle = "half",
    spacing_mm: tuple[float, float] | None = (0.5, 0.5),
    shape: tuple[int, int] | None = None,
) -> Iterator[tuple[Phantom, str, Seed]]:
    """Draw the phantoms of a cohort, one after another: (phantom, view, seed).

    Args:
        n: Number of phantoms; each is drawn in both views, so 2 n come out.
        seed: Of the cohort.
        n_frames: As for `draw_heart`, like what follows; none of it changes the hearts.
        cycle: "half" or "full".
        spacing_mm: Distance between pixel centers along (rows, columns) in mm, or None.
        shape: Height and width of a frame, or None.
    """
    for _, view, own_seed in cohort_seeds(n, seed):
        parameters = cohort_parameters(view, own_seed)
        phantom = draw_heart(
            parameters, n_frames=n_frames, cycle=cycle, spacing_mm=spacing_mm, shape=shape
        )
        yield phantom, view, own_seed
