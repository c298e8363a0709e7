"""The page about a latent space: a view of `explore.json` and of the hearts that go with it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from numpy.typing import NDArray

from cardiovae.io.atomic import write_bytes, write_text
from cardiovae.report import palette
from cardiovae.report.explore_figures import figure_files, heart_rows
from cardiovae.report.explore_maps import TITLES, colorings
from cardiovae.report.explore_text import (
    axis_title,
    film_title,
    lead,
    sample_text,
    shown_structures,
    tiles,
)
from cardiovae.report.pictures import Viewport, data_uri, label_png, viewport
from cardiovae.report.wording import readable, unit_text

Record = Mapping[str, Any]
Maps = Mapping[str, NDArray[np.uint8]]

SHEETS = ("walk", "plane", "film")  # what the page moves through
SECTIONS = (("walk", "plane"), "change", "film", "samples")


def write_exploration(
    folder: Path, record: Record, maps: Maps, *, overwrite: bool = False
) -> None:
    """Write `index.html` and the figures about one latent space.

    Args:
        folder: Where to; the page is whole without the figures.
        record: Content of `explore.json`.
        maps: Its label maps, as `cardiovae.explore.record.label_maps` names them.
        overwrite: Whether files of an earlier run may be replaced.

    Raises:
        FileError: A file exists, or cannot be written.
    """
    if overwrite:  # no old figure stays beside a new page
        for stale in (folder / "figures").glob("film-*.png"):
            stale.unlink()
    for name, content in figure_files(record, maps).items():
        write_bytes(folder / "figures" / name, content, overwrite=overwrite)
    write_text(folder / "index.html", exploration_page(record, maps), overwrite=overwrite)


def exploration_page(record: Record, maps: Maps) -> str:
    """The page of `write_exploration` as text."""
    environment = Environment(
        loader=PackageLoader("cardiovae.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # Words of a record keep their order, which means something.
    environment.policies["json.dumps_kwargs"] = {"sort_keys": False}
    views = page_views(record, maps)
    return environment.get_template("explore.html").render(
        record=record,
        headline=sample_text(record),
        lead=lead(record),
        tiles=tiles(record),
        rows=heart_rows(record),
        picture=lambda name, i: data_uri(label_png(maps[name][i], views[name])),
        ratios={name: view.size[1] / view.size[0] for name, view in views.items()},
        data=page_data(record, maps, views),
        film_title=film_title,
        palette=palette,
        structures=[(s.name, palette.STRUCTURE_COLORS[s]) for s in shown_structures(record)],
    )


def page_views(record: Record, maps: Maps) -> dict[str, Viewport]:
    """Around each stack, the box that holds all hearts of its section, so that those compare.

    A picture has a pixel per pixel of the grid.
    """
    found: dict[str, Viewport] = {}
    for section in SECTIONS:
        names = [name for name in maps if name.startswith(section)]
        seen = [maps[name].max(0) for name in names]
        if seen:
            box = viewport((np.stack(seen, axis=2),), (record["spacing_mm"],) * 2).box
            rows, cols = (s.stop - s.start for s in box)
            found |= dict.fromkeys(names, Viewport(box, (rows, cols)))
    return found


def page_data(record: Record, maps: Maps, views: Mapping[str, Viewport]) -> dict[str, Any]:
    """What the scripts of the page read: numbers, words, and sheets of hearts as pictures."""
    return {
        "criteria": record["criteria"],
        "attributes": {
            name: {"title": readable(name), "unit": unit_text(unit)}
            for name, unit in record["units"].items()
        },
        "walks": [{**w, "title": axis_title(w["name"])} for w in record["walks"]],
        "planes": [
            {**p, "titles": [axis_title(name) for name in p["names"]]} for p in record["planes"]
        ],
        "films": record["films"],
        "sheets": {
            name: {
                "columns": columns,
                "tall": views[name].size[0],
                "wide": views[name].size[1],
                "src": data_uri(_sheet(labels, views[name], columns)),
            }
            for name, labels in maps.items()
            if name.startswith(SHEETS)
            for columns in (_columns(len(labels)),)
        },
        "maps": [{**m, "title": TITLES[m["method"]]} for m in record["maps"]],
        "colorings": [{"key": c.key, "title": c.title, "unit": c.unit} for c in colorings(record)],
        "populations": record["populations"],
        "colors": {
            "scale": palette.SCALE,
            "unknown": palette.UNKNOWN,
            "ink": palette.INK,
            "fail": palette.FAIL,
            "pass": palette.PASS,
            "backdrop": palette.BACKDROP,
            "views": dict(palette.VIEW_COLORS),
        },
    }


def _columns(n: int) -> int:
    """Hearts to a row of a sheet: no side of a picture grows beyond what browsers draw."""
    return min(n, 16)


def _sheet(labels: NDArray[np.uint8], view: Viewport, columns: int) -> bytes:
    """Hearts (N, H, W) cut to the box, in rows of `columns`, as one PNG."""
    cut = labels[:, view.box[0], view.box[1]]
    n, height, width = cut.shape
    lines = -(-n // columns)
    padded = np.zeros((lines * columns, height, width), np.uint8)
    padded[:n] = cut
    sheet = padded.reshape(lines, columns, height, width).swapaxes(1, 2)
    whole = sheet.reshape(lines * height, columns * width)
    box = slice(0, whole.shape[0]), slice(0, whole.shape[1])
    return label_png(whole, Viewport(box, (whole.shape[0], whole.shape[1])))
