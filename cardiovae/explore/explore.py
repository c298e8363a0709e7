"""Everything that the page of `cardiovae explore` shows, computed once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cardiovae.audit.criteria import CriteriaSet
from cardiovae.errors import ConfigError
from cardiovae.evaluation.validity import share_of_draws
from cardiovae.explore.axes import (
    INSTANT,
    POSITION,
    Axis,
    component_axes,
    instant_axis,
    instant_neuron,
    regularized_axes,
)
from cardiovae.explore.directions import ED, named_directions
from cardiovae.explore.found import (
    STRENGTHS,
    Change,
    Exploration,
    Film,
    Map,
    Plane,
    Samples,
    Settings,
    Walk,
)
from cardiovae.explore.hearts import decode_hearts
from cardiovae.explore.maps import principal_components, umap_plane
from cardiovae.explore.population import (
    EncodedMask,
    Population,
    chosen_rows,
    mask_population,
    training_population,
)
from cardiovae.latent.paths import lerp, slerp
from cardiovae.latent.shrunk import fit_shrunk
from cardiovae.prior.fidelity import REGULARIZED
from cardiovae.prior.folder import ShapePrior

Array = NDArray[np.float64]

STEPS = 25  # positions along an axis; every third is a heart of the figure
PLANE_STEPS = 11  # positions along each of two axes
FILM_STEPS = 21
PLANES = (  # attributes that are often asked about together
    ("lv_area", "myo_area"),
    ("lv_length", "lv_base_width"),
    ("lv_orientation", "epi_center_x"),
)
MAX_MASKS = 3  # that directions are applied to


class Progress(Protocol):
    """What is called as the work goes on."""

    def __call__(self, done: int, total: int, note: str = "") -> None:
        """Say how far it is."""


@dataclass(frozen=True, eq=False)
class _Named:
    """A code with a name for people."""

    name: str
    code: Array


def explore(
    prior: ShapePrior,
    settings: Settings,
    masks: Sequence[EncodedMask] = (),
    progress: Progress | None = None,
) -> Exploration:
    """Look at the latent space of a prior from all sides; same seed, same result.

    Args:
        prior: The prior.
        settings: What to explore.
        masks: Encoded masks to show among the training codes and to apply directions to.
        progress: Called with parts done, parts in all and the name of the part.

    Raises:
        ConfigError: `settings.at` is no training code, or UMAP is wanted and not installed.
    """
    rng = np.random.default_rng(settings.seed)
    start = _start(prior, settings.at)
    done = _Counter(progress)
    done("decoding training codes")
    rows = chosen_rows(prior.patients, settings.n_codes, rng)
    hearts = decode_hearts(prior, prior.codes[rows], settings.judge)
    population = training_population(prior, rows, hearts)
    done("moving along the axes")
    axes, regularized = _axes(prior, population)
    walks = tuple(_walk(prior, axis, start, settings.judge) for axis in axes)
    planes = tuple(_plane(prior, pair, start, settings.judge) for pair in _pairs(axes))
    done("going from code to code")
    films = tuple(
        _film(prior, a, b, settings.judge)
        for a, b in _film_pairs(population, prior, rows, masks, rng)
    )
    changes = _changes(prior, population, masks, settings.judge)
    done("drawing samples")
    samples = _samples(prior, settings, rng)
    done("drawing maps")
    found = mask_population(masks) if masks else None
    maps = _maps(prior, population, found, settings)
    done("")
    shape = prior.codes.shape[0], prior.codes.shape[1]
    return Exploration(
        settings, prior.identity(), shape, regularized, walks, planes, population, found, maps,
        films, changes, samples, prior.structures,
    )  # fmt: skip


class _Counter:
    """Counts parts for a progress bar."""

    PARTS = 5

    def __init__(self, progress: Progress | None) -> None:
        self._progress, self._done = progress, -1

    def __call__(self, note: str) -> None:
        self._done += 1
        if self._progress is not None:
            self._progress(self._done, self.PARTS, note)


def _start(prior: ShapePrior, at: int | None) -> Array:
    """The code that traversals start from."""
    if at is None:
        return np.asarray(prior.codes.mean(0))
    if not 0 <= at < len(prior.codes):
        raise ConfigError(
            f"--at {at}: prior '{prior.name}' has training codes 0 to {len(prior.codes) - 1}"
        )
    return np.asarray(prior.codes[at])


def _axes(prior: ShapePrior, population: Population) -> tuple[tuple[Axis, ...], bool]:
    """Dimensions that follow attributes, else principal components; and what a neuron reads."""
    found: tuple[Axis, ...] = ()
    if prior.network.follows_attributes:
        found = regularized_axes(prior.codes, population.codes, population.attributes)
    axes = found or component_axes(prior.codes, len(REGULARIZED))
    name = INSTANT if prior.beats else POSITION
    instant = instant_axis(prior.codes, prior.instants, instant_neuron(prior.network), name)
    return (axes if instant is None else (*axes, instant)), bool(found)


def _walk(prior: ShapePrior, axis: Axis, start: Array, judge: CriteriaSet) -> Walk:
    positions = axis.steps(STEPS)
    return Walk(axis, positions, decode_hearts(prior, axis.through(start, positions), judge))


def _pairs(axes: Sequence[Axis]) -> list[tuple[Axis, Axis]]:
    """Axes to vary together; the instant is none of them, since it moves all dimensions."""
    named = {axis.name: axis for axis in axes if axis.attribute == axis.name}
    pairs = [(named[a], named[b]) for a, b in PLANES if a in named and b in named]
    free = [axis for axis in axes if np.array_equal(axis.read, axis.move)]
    return pairs or ([(free[0], free[1])] if len(free) > 1 else [])


def _plane(prior: ShapePrior, pair: tuple[Axis, Axis], start: Array, judge: CriteriaSet) -> Plane:
    first, second = (axis.steps(PLANE_STEPS) for axis in pair)
    codes = np.concatenate(
        [pair[1].through(code, second) for code in pair[0].through(start, first)]
    )
    return Plane(pair, (first, second), decode_hearts(prior, codes, judge))


def _film_pairs(
    population: Population,
    prior: ShapePrior,
    rows: NDArray[np.intp],
    masks: Sequence[EncodedMask],
    rng: np.random.Generator,
) -> list[tuple[_Named, _Named]]:
    """Codes to go between: a beat and two pairs of patients; with masks, theirs first."""
    pairs = []
    for encoded in masks[:1]:
        ed, es = (
            _Named(f"{encoded.mask.name}, frame {t}", encoded.codes[t]) for t in encoded.instants
        )
        if encoded.instants[0] != encoded.instants[1]:
            pairs.append((ed, es))
    if len(masks) > 1:
        ends = [_Named(m.mask.name, m.codes[m.instants[0]]) for m in masks[:2]]
        pairs.append((ends[0], ends[1]))
    patients = prior.patients[rows]
    start = population.instants <= ED
    candidates = np.flatnonzero(start) if start.any() else np.arange(len(rows))
    drawn = _distinct(candidates, patients, 5, rng)
    named = [_Named(population.names[i], population.codes[i]) for i in drawn]
    beat = drawn[0] + 1  # the codes of a cine follow each other from ED to ES
    while beat + 1 < len(rows) and population.instants[beat + 1] > population.instants[beat]:
        beat += 1
    if beat < len(rows) and population.instants[beat] > population.instants[drawn[0]]:
        pairs.append((named[0], _Named(population.names[beat], population.codes[beat])))
    pairs += list(zip(named[1::2], named[2::2], strict=False))
    return pairs


def _distinct(
    candidates: NDArray[np.intp], patients: NDArray[np.int64], n: int, rng: np.random.Generator
) -> list[int]:
    """Up to `n` candidates of as many patients, at random."""
    found: dict[int, int] = {}
    for row in rng.permutation(candidates).tolist():
        found.setdefault(int(patients[row]), row)
    return list(found.values())[:n]


def _film(prior: ShapePrior, start: _Named, end: _Named, judge: CriteriaSet) -> Film:
    shares = np.linspace(0, 1, FILM_STEPS)
    straight = lerp(start.code, end.code, shares)
    arc = slerp(start.code, end.code, shares, center=prior.codes.mean(0))
    both = decode_hearts(prior, np.concatenate([straight, arc]), judge)
    n = FILM_STEPS
    return Film(start.name, end.name, both.part(slice(0, n)), both.part(slice(n, 2 * n)))


def _changes(
    prior: ShapePrior, population: Population, masks: Sequence[EncodedMask], judge: CriteriaSet
) -> tuple[Change, ...]:
    instants = population.instants if prior.beats else np.full(len(population.codes), np.nan)
    directions = named_directions(population.codes, population.attributes, instants)
    bases = [_Named("mean heart", prior.codes.mean(0))]
    for m in masks[:MAX_MASKS]:
        frame = m.instants[0]
        bases.append(_Named(f"{m.mask.name}, frame {frame}", m.codes[frame]))
    strengths = np.array(STRENGTHS)[:, None]
    return tuple(
        Change(d, base.name, decode_hearts(prior, base.code + strengths * d.vector, judge))
        for d in directions
        for base in bases
    )


def _samples(prior: ShapePrior, settings: Settings, rng: np.random.Generator) -> Samples:
    density = fit_shrunk(prior.codes, groups=prior.patients)
    hearts = decode_hearts(prior, density.sample(settings.n_samples, rng), settings.judge)
    return Samples(hearts, share_of_draws(hearts.valid))


def _maps(
    prior: ShapePrior, population: Population, masks: Population | None, settings: Settings
) -> tuple[Map, ...]:
    components = principal_components(prior.codes)
    others = masks.codes if masks is not None else np.zeros((0, prior.codes.shape[1]))
    shares = float(components.shares[0]), float(components.shares[1])
    maps = [Map("pca", components.project(population.codes), components.project(others), shares)]
    if settings.umap:
        maps.append(Map("umap", *umap_plane(population.codes, settings.seed, others), ()))
    return tuple(maps)
