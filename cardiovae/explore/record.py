"""An exploration as plain data for `explore.json`, and the label maps that go with it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiovae.attributes import ATTRIBUTES, ON_SLICES, UNITS
from cardiovae.bank import GRID_MM
from cardiovae.explore.found import STRENGTHS, Exploration
from cardiovae.explore.hearts import Hearts
from cardiovae.explore.population import Population
from cardiovae.labels import Label

Names = Sequence[str]

DIGITS = 6  # significant; the page shows four


def exploration_record(found: Exploration, version: str) -> dict[str, Any]:
    """All numbers of an exploration, ready for JSON; what is not known is None."""
    settings = found.settings
    n_codes, n_dims = found.n_training
    share = found.samples.share
    names = ON_SLICES if Label.RV in found.structures else ATTRIBUTES
    return {
        "cardiovae": version,
        "prior": found.prior,
        "seed": settings.seed,
        "criteria": settings.judge.name,
        "at": settings.at,
        "n_codes": n_codes,
        "n_dimensions": n_dims,
        "n_decoded": len(found.population.codes),
        "regularized": found.regularized,
        "spacing_mm": GRID_MM,
        "structures": [s.name for s in found.structures],
        "units": {name: UNITS[name] for name in names},
        "walks": [
            {
                "name": w.axis.name,
                "unit": w.axis.unit,
                "attribute": w.axis.attribute,
                "spearman": _number(w.axis.spearman),
                "positions": _numbers(w.positions),
                "hearts": _hearts(w.hearts, names),
            }
            for w in found.walks
        ],
        "planes": [
            {
                "names": [axis.name for axis in p.axes],
                "positions": [_numbers(positions) for positions in p.positions],
                "hearts": _hearts(p.hearts, names),
            }
            for p in found.planes
        ],
        "films": [
            {
                "start": f.start,
                "end": f.end,
                "linear": _hearts(f.linear, names),
                "spherical": _hearts(f.spherical, names),
            }
            for f in found.films
        ],
        "changes": [
            {
                "name": c.direction.name,
                "meaning": c.direction.meaning,
                "groups": list(c.direction.sizes),
                "attribute": c.direction.attribute,
                "sign": c.direction.sign,
                "base": c.base,
                "strengths": list(STRENGTHS),
                "hearts": _hearts(c.hearts, names),
            }
            for c in found.changes
        ],
        "samples": {
            "n": len(found.samples.hearts.codes),
            "valid": {name: _number(getattr(share, name)) for name in ("value", "low", "high")},
            "hearts": _hearts(found.samples.hearts, names),
        },
        "maps": [
            {
                "method": m.method,
                "shares": _numbers(m.shares),
                "training": [_numbers(point) for point in m.training],
                "masks": [_numbers(point) for point in m.masks],
            }
            for m in found.maps
        ],
        "populations": {
            "training": _population(found.population, names),
            "masks": None if found.masks is None else _population(found.masks, names),
        },
    }


def label_maps(found: Exploration) -> dict[str, NDArray[np.uint8]]:
    """The hearts of the record in its order, each stack (N, H, W) on `cardiovae.bank.GRID`.

    Names are `walk-0`, `plane-0`, `film-0` (all linear steps, then all spherical ones),
    `change-0`, ..., and `samples`.
    """
    maps = {f"walk-{i}": w.hearts.labels for i, w in enumerate(found.walks)}
    maps |= {f"plane-{i}": p.hearts.labels for i, p in enumerate(found.planes)}
    for i, film in enumerate(found.films):
        maps[f"film-{i}"] = np.concatenate([film.linear.labels, film.spherical.labels])
    maps |= {f"change-{i}": c.hearts.labels for i, c in enumerate(found.changes)}
    return maps | {"samples": found.samples.hearts.labels}


def _hearts(hearts: Hearts, names: Names) -> dict[str, Any]:
    return {
        "attributes": _attributes(hearts.attributes, names),
        "failed": [list(names) for names in hearts.failed],
    }


def _population(population: Population, names: Names) -> dict[str, Any]:
    return {
        "names": list(population.names),
        "views": list(population.views),
        "instants": _numbers(population.instants),
        "ef_percent": _numbers(population.ef_percent),
        "attributes": _attributes(population.attributes, names),
        "valid": population.valid.tolist(),
    }


def _attributes(values: NDArray[np.float64], names: Names) -> dict[str, list[float | None]]:
    return {name: _numbers(values[:, ATTRIBUTES.index(name)]) for name in names}


def _numbers(values: Iterable[float]) -> list[float | None]:
    return [_number(value) for value in values]


def _number(value: float) -> float | None:
    return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None
