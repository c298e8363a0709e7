"""The figures of `cardiovae explore` as PNG files: rows of hearts, maps, and films (APNG)."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from cardiovae.report.explore_maps import map_picture
from cardiovae.report.explore_text import (
    axis_title,
    caption,
    change_text,
    film_title,
    followed,
    shown_structures,
)
from cardiovae.report.palette import FAIL, INK, MUTED, PASS
from cardiovae.report.pictures import Viewport, legend, smooth_heart, viewport

Record = Mapping[str, Any]
Maps = Mapping[str, NDArray[np.uint8]]

TALL = 190  # pixels of a heart
GAP = 10
TITLE, BELOW = 46, 42  # room for words above a row and below a heart
FRAME_MS = 90
SHOWN = 9  # hearts to a row
PER_ROW = 8  # samples


@dataclass(frozen=True)
class Row:
    """A row of hearts with words: which maps, what stands under each, and what failed of each."""

    title: str
    note: str
    name: str
    shown: tuple[int, ...]
    captions: tuple[str, ...]
    failed: tuple[tuple[str, ...], ...]


def heart_rows(record: Record) -> dict[str, list[Row]]:
    """All rows of hearts, of traversals, directions and samples."""
    return {
        "walks": [_walk_row(record, w, i) for i, w in enumerate(record["walks"])],
        "changes": [_change_row(record, c, i) for i, c in enumerate(record["changes"])],
        "samples": _sample_rows(record),
    }


def _walk_row(record: Record, walk: Record, i: int) -> Row:
    n = len(walk["positions"])
    shown = tuple(np.linspace(0, n - 1, min(n, SHOWN)).round().astype(int).tolist())
    hearts = walk["hearts"]
    words = tuple(caption(record, hearts, k, walk["attribute"]) for k in shown)
    return Row(
        axis_title(walk["name"]), followed(walk), f"walk-{i}", shown, words, _failed(hearts, shown)
    )


def _change_row(record: Record, change: Record, i: int) -> Row:
    shown = tuple(range(len(change["strengths"])))
    words = tuple(change_text(record, change, k) for k in shown)
    title = f"{change['name'].capitalize()}, applied to the {change['base']}"
    if change["base"] != "mean heart":
        title = f"{change['name'].capitalize()}, applied to {change['base']}"
    note = f"{axis_title(change['attribute'])} under each heart"
    return Row(title, note, f"change-{i}", shown, words, _failed(change["hearts"], shown))


def _sample_rows(record: Record) -> list[Row]:
    hearts = record["samples"]["hearts"]
    n = min(3 * PER_ROW, record["samples"]["n"])
    rows = []
    for first in range(0, n, PER_ROW):
        shown = tuple(range(first, min(first + PER_ROW, n)))
        words = tuple(caption(record, hearts, k, "lv_area") for k in shown)
        rows.append(Row("", "", "samples", shown, words, _failed(hearts, shown)))
    return rows


def _failed(hearts: Record, shown: Sequence[int]) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(hearts["failed"][k]) for k in shown)


def figure_files(record: Record, maps: Maps) -> dict[str, bytes]:
    """The figures by file name."""
    rows = heart_rows(record)
    files = {
        "traversals.png": rows_picture(record, rows["walks"], maps),
        "samples.png": rows_picture(record, rows["samples"], maps),
    }
    if rows["changes"]:
        files["directions.png"] = rows_picture(record, rows["changes"], maps)
    for i, film in enumerate(record["films"]):
        files[f"film-{i}.png"] = film_picture(record, film, maps[f"film-{i}"])
    for i, found in enumerate(record["maps"]):
        files[f"map-{found['method']}.png"] = map_picture(record, i)
    return files


def rows_picture(record: Record, rows: Sequence[Row], maps: Maps) -> bytes:
    """Rows of hearts with their words, as PNG bytes."""
    view = _view(record, [maps[row.name][list(row.shown)] for row in rows])
    tall, wide = view.size
    heights = [tall + BELOW + (TITLE if row.title else 0) + GAP for row in rows]
    n = max(len(row.shown) for row in rows)
    page = Image.new("RGB", (max(n * (wide + GAP) + GAP, 760), sum(heights) + 60), "white")
    top = GAP
    for row, height in zip(rows, heights, strict=True):
        _draw_row(page, row, maps[row.name], view, top)
        top += height
    legend(page, shown_structures(record), page.height - 50)
    return _png(page)


def _draw_row(
    page: Image.Image, row: Row, labels: NDArray[np.uint8], view: Viewport, top: int
) -> None:
    pen = ImageDraw.Draw(page)
    bold, plain, small = (ImageFont.load_default(size) for size in (20, 15, 14))
    if row.title:
        pen.text((GAP, top + 4), row.title, INK, bold)
        pen.text((GAP, top + 27), row.note, MUTED, small)
        top += TITLE
    tall, wide = view.size
    for k, i in enumerate(row.shown):
        left = GAP + k * (wide + GAP)
        page.paste(smooth_heart(labels[i], view), (left, top))
        words = f"fails: {len(row.failed[k])}" if row.failed[k] else "passes"
        middle, color = left + wide / 2, FAIL if row.failed[k] else PASS
        pen.text((middle, top + tall + 11), row.captions[k], INK, plain, "mm")
        pen.text((middle, top + tall + 29), words, color, small, "mm")


def film_picture(record: Record, film: Record, labels: NDArray[np.uint8]) -> bytes:
    """A film, the straight way beside the arc, as an animated PNG that plays for ever."""
    view = _view(record, [labels])
    tall, wide = view.size
    n = len(labels) // 2
    bold, plain = (ImageFont.load_default(size) for size in (17, 14))
    frames = []
    for k in range(n):
        page = Image.new("RGB", (max(2 * wide + 3 * GAP, 420), tall + 96), "white")
        pen = ImageDraw.Draw(page)
        pen.text((GAP, 6), film_title(film), INK, plain)
        for side, kind in enumerate(("linear", "spherical")):
            left = GAP + side * (wide + GAP)
            pen.text((left + wide / 2, 40), kind, INK, bold, "mm")
            page.paste(smooth_heart(labels[side * n + k], view), (left, 54))
            failed = film[kind]["failed"][k]
            words = f"fails: {len(failed)}" if failed else "passes"
            color = FAIL if failed else PASS
            pen.text((left + wide / 2, tall + 66), words, color, plain, "mm")
            area = caption(record, film[kind], k, "lv_area")
            pen.text((left + wide / 2, tall + 84), f"LV {area}", MUTED, plain, "mm")
        frames.append(page.quantize(64, dither=Image.Dither.NONE))
    frames += frames[-2:0:-1]  # there and back
    stream = io.BytesIO()
    frames[0].save(
        stream, "PNG", save_all=True, append_images=frames[1:], duration=FRAME_MS, loop=0
    )
    return stream.getvalue()


def _view(record: Record, stacks: Sequence[NDArray[np.uint8]]) -> Viewport:
    """The box around all hearts of a figure, all drawn `TALL` pixels high."""
    seen = np.stack([stack.max(0) for stack in stacks], axis=2)
    box = viewport((seen,), (record["spacing_mm"],) * 2).box
    rows, cols = (s.stop - s.start for s in box)
    return Viewport(box, (TALL, round(TALL * cols / rows)))


def _png(picture: Image.Image) -> bytes:
    stream = io.BytesIO()
    picture.quantize(128, dither=Image.Dither.NONE).save(stream, "PNG", optimize=True)
    return stream.getvalue()
