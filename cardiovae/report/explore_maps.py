"""Maps of a population as one PNG: a panel for each thing that colors its points."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageColor, ImageDraw, ImageFont

from cardiovae.report.explore_text import percent
from cardiovae.report.palette import GRID, INK, MUTED, SCALE, UNKNOWN, VIEW_COLORS
from cardiovae.report.wording import number, readable, unit_text

Record = Mapping[str, Any]

PANEL, GAP, TITLE, BAR = 300, 16, 26, 26  # pixels
COLUMNS = 4
FINE = 2  # drawn so many times too large, then averaged
TITLES = {"pca": "Principal components", "umap": "UMAP"}
VIEW, EF, INSTANT = "view", "ef_percent", "instants"


@dataclass(frozen=True)
class Coloring:
    """One value per point, and what it is; views are words, all others numbers."""

    key: str
    title: str
    unit: str
    training: Sequence[Any]
    masks: Sequence[Any]


def colorings(record: Record) -> list[Coloring]:
    """What can color a map: ejection fraction, instant, view and each attribute, where known."""
    training, masks = record["populations"]["training"], record["populations"]["masks"]
    slices = "RV" in record["structures"]
    told = "Position, base 0 to apex 1" if slices else "Instant, ED 0 to ES 1"
    found = [
        _coloring(EF, "Ejection fraction", "%", training, masks),
        _coloring(INSTANT, told, "", training, masks),
        _coloring("views", "View", "", training, masks),
    ]
    for name, unit in record["units"].items():
        own = training["attributes"][name], masks["attributes"][name] if masks else []
        found.append(Coloring(name, readable(name), unit_text(unit), *own))
    return [c for c in found if any(v is not None for v in (*c.training, *c.masks))]


def _coloring(key: str, title: str, unit: str, training: Record, masks: Record | None) -> Coloring:
    return Coloring(key, title, unit, training[key], masks[key] if masks else [])


def map_picture(record: Record, i: int) -> bytes:
    """Map `i` of the record, one panel per coloring, as PNG bytes."""
    found, panels = record["maps"][i], colorings(record)
    lines = -(-len(panels) // COLUMNS)
    tall = PANEL + TITLE + BAR + GAP
    size = COLUMNS * (PANEL + GAP) + GAP, lines * tall + 60
    page = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(page)
    title = TITLES[found["method"]]
    if found["shares"]:
        title += ": " + " and ".join(percent(share) for share in found["shares"]) + " of variance"
    n = f"{len(found['training']):,} training codes"
    n += f", {len(found['masks']):,} frames of given masks (ringed)" if found["masks"] else ""
    pen.text((GAP, 10), title, INK, ImageFont.load_default(20))
    pen.text((GAP, 34), n, MUTED, ImageFont.load_default(14))
    for k, coloring in enumerate(panels):
        left, top = GAP + k % COLUMNS * (PANEL + GAP), 60 + k // COLUMNS * tall
        pen.text((left, top), coloring.title, INK, ImageFont.load_default(16))
        page.paste(_panel(found, coloring), (left, top + TITLE))
        _key(page, coloring, left, top + TITLE + PANEL + 6)
    stream = io.BytesIO()
    page.quantize(128, dither=Image.Dither.NONE).save(stream, "PNG", optimize=True)
    return stream.getvalue()


def _panel(found: Record, coloring: Coloring) -> Image.Image:
    """The points of one coloring."""
    points = np.array([*found["training"], *found["masks"]], float)
    low, high = points.min(0), points.max(0)
    span = float(np.max(high - low)) or 1.0
    room = FINE * PANEL * 0.92
    places = (points - (low + high) / 2) / span * room
    places = FINE * PANEL / 2 + places * (1, -1)
    values = [*coloring.training, *coloring.masks]
    colors = _colors(values)
    panel = Image.new("RGB", (FINE * PANEL,) * 2, "white")
    pen = ImageDraw.Draw(panel)
    pen.rectangle((0, 0, panel.width - 1, panel.height - 1), outline=GRID, width=FINE)
    known = [value is not None for value in values]
    # Unknown values below all others, masks above them.
    order = sorted(range(len(values)), key=lambda p: (p >= len(found["training"]), known[p]))
    for p in order:
        mask = p >= len(found["training"])
        _point(pen, places[p], colors[p], ring=mask, square=values[p] == "A4C")
    return panel.resize((PANEL, PANEL), Image.Resampling.LANCZOS)


def _point(pen: ImageDraw.ImageDraw, place: Any, color: str, *, ring: bool, square: bool) -> None:
    radius = FINE * (4.5 if ring else 2.2)
    x, y = place
    box = x - radius, y - radius, x + radius, y + radius
    outline, width = (INK, FINE) if ring else (None, 0)
    (pen.rectangle if square else pen.ellipse)(box, color, outline, width)


def _colors(values: Sequence[Any]) -> list[str]:
    """The color of each value; numbers from the lowest to the highest along the scale."""
    numbers = [v for v in values if isinstance(v, int | float)]
    low, high = (min(numbers), max(numbers)) if numbers else (0.0, 1.0)
    return [
        UNKNOWN
        if v is None
        else VIEW_COLORS.get(v, UNKNOWN)
        if isinstance(v, str)
        else scale_color((v - low) / (high - low) if high > low else 0.5)
        for v in values
    ]


def scale_color(share: float) -> str:
    """The color at a share of the scale, 0 to 1, between its nearest steps.

    Examples:
        >>> scale_color(0.0), scale_color(1.0)
        ('#00224e', '#fee838')
    """
    place = min(max(share, 0.0), 1.0) * (len(SCALE) - 1)
    first = min(int(place), len(SCALE) - 2)
    a, b = (ImageColor.getrgb(SCALE[first + k]) for k in (0, 1))
    t = place - first
    mixed = [round((1 - t) * p + t * q) for p, q in zip(a, b, strict=True)]
    return "#{:02x}{:02x}{:02x}".format(*mixed)


def _key(page: Image.Image, coloring: Coloring, left: int, top: int) -> None:
    """What the colors of a panel mean."""
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(13)
    if coloring.key == "views":
        for k, (name, color) in enumerate(VIEW_COLORS.items()):
            x = left + 70 * k
            shape = pen.rectangle if name == "A4C" else pen.ellipse
            shape((x, top + 2, x + 11, top + 13), color)
            pen.text((x + 17, top), name, MUTED, font)
        return
    values = [v for v in (*coloring.training, *coloring.masks) if v is not None]
    low, high = (f"{number(v, 3)} {coloring.unit}".strip() for v in (min(values), max(values)))
    pen.text((left, top), low, MUTED, font)
    pen.text((left + PANEL, top), high, MUTED, font, "ra")
    first = left + int(pen.textlength(low, font)) + 8
    last = left + PANEL - int(pen.textlength(high, font)) - 8
    for x in range(first, last):
        pen.line((x, top + 3, x, top + 12), scale_color((x - first) / max(last - first, 1)))
