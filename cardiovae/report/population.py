"""The page about a cohort: a view of `population.json`, of its samples and of its outliers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from cardiovae.io.atomic import refuse_to_replace, write_text
from cardiovae.labels import STRUCTURES
from cardiovae.report import palette
from cardiovae.report import population_text as text
from cardiovae.report.pictures import data_uri, label_png, viewport
from cardiovae.report.population_figures import Strip, color_of, distributions, forest
from cardiovae.report.wording import count, is_number, number, unit_text

if TYPE_CHECKING:
    from cardiovae.population.cohort import Sample
    from cardiovae.population.record import Population

Record = Mapping[str, Any]
THUMBNAIL = 220  # pixels
MOST_FORESTS = 12
DRAWN = (2.5, 25.0, 50.0, 75.0, 97.5)


def write_population(
    path: Path,
    record: Record,
    population: Population,
    maps: Sequence[Mapping[str, Any]] = (),
    latent_maps: Sequence[Mapping[str, Any]] = (),
    *,
    overwrite: bool = False,
) -> None:
    """Write one self-contained HTML page about one cohort.

    Args:
        path: File to write.
        record: Content of `population.json`.
        population: What it was made of; the figures show its samples.
        maps: Of the first outliers of the record, "labels" (H, W) and "spacing_mm"; none = no
            pictures.
        latent_maps: The same of the frames least usual to the prior.
        overwrite: Whether an existing file may be replaced.

    Raises:
        FileError: The file exists, or cannot be written.
    """
    refuse_to_replace(path, overwrite=overwrite)
    write_text(path, population_page(record, population, maps, latent_maps), overwrite=overwrite)


def population_page(
    record: Record,
    population: Population,
    maps: Sequence[Mapping[str, Any]] = (),
    latent_maps: Sequence[Mapping[str, Any]] = (),
) -> str:
    """The page of `write_population` as text."""
    environment = Environment(
        loader=PackageLoader("cardiovae.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    groups = record["groups"]
    first = record["inputs"][0]
    return environment.get_template("population.html").render(
        record=record,
        title=Path(first).name or first,
        headline=text.headline(record),
        tiles=text.tiles(record),
        percentiles=text.percentile_tables(record),
        figures=distribution_figures(record, population),
        cards=[
            {**card(row, drawn), "facts": text.outlier_facts(row)}
            for row, drawn in zip(record["outliers"]["sequences"], maps, strict=False)
        ],
        latent_cards=[
            {**card(row, drawn), "percent": text.percent_text(row["percentile"])}
            for row, drawn in zip(record["outliers"]["latent"], latent_maps, strict=False)
        ],
        differences=None if groups is None else text.difference_table(groups),
        distances=None if groups is None else text.distance_table(groups),
        forests=[] if groups is None else forests(groups),
        most_forests=MOST_FORESTS,
        places=None if record["reference"] is None else text.place_table(record["reference"]),
        unmeasured=text.unmeasured_table(record),
        palette=palette,
        structures=[(s.name, palette.STRUCTURE_COLORS[s]) for s in STRUCTURES],
    )


def distribution_figures(record: Record, population: Population) -> list[str]:
    """A figure per quantity: its distributions by view, instant and group."""
    from cardiovae.population.cohort import QUANTITIES, QUANTITY_UNITS

    found = []
    for k, quantity in enumerate(QUANTITIES):
        strips = list(_strips(record, population.samples, k))
        if strips:
            unit = QUANTITY_UNITS[quantity]
            found.append(
                distributions(
                    strips,
                    title=text.TITLES[quantity],
                    unit="%" if unit == "percent" else unit_text(unit),
                )
            )
    return found


def _strips(record: Record, samples: Mapping[tuple[str, str], Sample], k: int) -> Iterator[Strip]:
    """Where a view has ED and ES, its other frames are left out."""
    groups = text.group_names(record)
    by_view = record["group_by"] == "view"
    for (view, instant), sample in samples.items():
        if instant == "any" and (view, "ED") in samples:
            continue
        where = f"{view} {text.INSTANTS.get(instant, instant)}"
        if not groups or by_view:
            shade = {"ES": 1, "any": 2}.get(instant, 0)
            yield from _strip(sample, np.ones(len(sample.patients), bool), k, where, shade)
            continue
        for i, group in enumerate(groups):
            own = np.array([g == group for g in sample.groups])
            yield from _strip(sample, own, k, f"{where}, {group}", i)


def _strip(
    sample: Sample, rows: np.ndarray[Any, np.dtype[np.bool_]], k: int, name: str, color: int
) -> Iterator[Strip]:
    from cardiovae.population.quantiles import curve_of, patient_weights

    of = np.flatnonzero(rows & np.isfinite(sample.values[:, k]))
    if not of.size:
        return
    patients = [sample.patients[i] for i in of.tolist()]
    values, weights = sample.values[of, k], patient_weights(patients)
    at = curve_of(values, weights).value(DRAWN).tolist()
    words = (
        f"{name}: median {number(at[2])}, middle half {number(at[1])} to {number(at[3])}, "
        f"95 % {number(at[0])} to {number(at[4])}; {count(len(set(patients)), 'patient')}"
    )
    yield Strip(name, values, weights, (at[0], at[1], at[2], at[3], at[4]), color_of(color), words)


def forests(groups: Record) -> list[str]:
    """Standardized differences, a figure per view and pair, the farthest apart first."""
    parts: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in groups["differences"]:
        parts.setdefault((row["view"], text.pair_name(row)), []).append(row)

    def farthest(rows: Sequence[Mapping[str, Any]]) -> float:
        return max((abs(r["hedges_g"]) for r in rows if is_number(r["hedges_g"])), default=0.0)

    ordered = sorted(parts.items(), key=lambda item: (-farthest(item[1]), item[0]))
    return [
        forest(
            rows,
            [
                f"{text.TITLES[r['quantity']]}, {text.INSTANTS.get(r['instant'], r['instant'])}"
                for r in rows
            ],
            title=f"{view}: {pair}",
        )
        for (view, pair), rows in ordered[:MOST_FORESTS]
    ]


def card(row: Mapping[str, Any], drawn: Mapping[str, Any]) -> dict[str, Any]:
    """A frame of the record with its picture."""
    view = viewport([drawn["labels"][:, :, None]], drawn["spacing_mm"], max_side=THUMBNAIL)
    return {"row": row, "src": data_uri(label_png(drawn["labels"], view))}
