"""Distributions as rows above one another, and standardized differences with their intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiovae.report.axes import nice_range
from cardiovae.report.palette import GRID, INK, MUTED
from cardiovae.report.planes import Plane, svg
from cardiovae.report.wording import is_number, number

Array = NDArray[np.float64]
# The scheme "muted" of P. Tol (see `palette`), without those too light for white.
COLORS = (
    "#332288", "#cc6677", "#117733", "#88ccee", "#882255", "#999933", "#44aa99", "#aa4499",
)  # fmt: skip
BINS = 36
ROW = 30
WIDTH = 560
LEFT = 118
LETTER = 6.4  # width of a letter of a row's name, in pixels, on average


@dataclass(frozen=True, eq=False)
class Strip:
    """One distribution.

    Args:
        name: What it is of.
        values: Known values, shape (N,).
        weights: Weight of each, shape (N,).
        percentiles: Values at percent 2.5, 25, 50, 75 and 97.5.
        color: Of its shape.
        words: For whoever points at it.
    """

    name: str
    values: Array
    weights: Array
    percentiles: tuple[float, float, float, float, float]
    color: str
    words: str


def color_of(index: int) -> str:
    """Color of a group by its number; names stand beside it, so it may come again."""
    return COLORS[index % len(COLORS)]


def distributions(strips: Sequence[Strip], *, title: str, unit: str) -> str:
    """Distributions over one axis, each a histogram on a bar of its percentiles.

    The thin line reaches from percentile 2.5 to 97.5, the thick one from 25 to 75, with the median
    as a gap. Histograms have the same area each, so groups of any size compare.
    """
    ends = [v for s in strips for v in (float(s.values.min()), float(s.values.max()))]
    # A few far values shall not press all others into one bar: they are drawn as dots instead.
    inner = [v for s in strips for v in (s.percentiles[0], s.percentiles[-1])]
    reach = (max(inner) - min(inner)) or 1.0
    low = max(min(ends), min(inner) - 0.6 * reach)
    high = min(max(ends), max(inner) + 0.6 * reach)
    x_range = nice_range([low, high], n_ticks=6)
    left = max(LEFT, round(max(len(s.name) for s in strips) * LETTER) + 12)
    plane = Plane(
        WIDTH, 52 + ROW * len(strips), x_range, (0.0, 1.0, []), left=left, right=28, bottom=24
    )
    top = max(float(_density(s, x_range).max()) for s in strips) or 1.0
    parts = [_scale(plane), _title(title, unit)]
    parts += [_strip(plane, s, i, top) for i, s in enumerate(strips)]
    return svg(plane, f"{title}: distributions", parts)


def forest(rows: Sequence[Mapping[str, Any]], names: Sequence[str], *, title: str) -> str:
    """Hedges's g of every quantity with its 95 % interval; 0 is no difference.

    Args:
        rows: Of "differences" in the record.
        names: What each row is called.
        title: What is compared.
    """
    known = [v for r in rows for v in (r["hedges_g"], r["g_low"], r["g_high"]) if is_number(v)]
    x_range = nice_range([-0.5, 0.5, *known], n_ticks=6)
    left = max(LEFT, round(max(len(name) for name in names) * LETTER) + 12)
    plane = Plane(
        WIDTH, 52 + 20 * len(rows), x_range, (0.0, 1.0, []), left=left, right=28, bottom=24
    )
    zero = f"{plane.x(0):.1f}"
    parts = [
        _scale(plane),
        _title(title, ""),
        f'<line x1="{zero}" x2="{zero}" y1="{plane.top}" y2="{plane.height - plane.bottom}" '
        f'stroke="{INK}"/>',
    ]
    for i, (row, name) in enumerate(zip(rows, names, strict=True)):
        parts.append(_whisker(plane, row, name, plane.top + 20 * i + 10))
    return svg(plane, f"{title}: standardized differences", parts)


def _whisker(plane: Plane, row: Mapping[str, Any], name: str, y: float) -> str:
    g, low, high = row["hedges_g"], row["g_low"], row["g_high"]
    sure = is_number(low) and is_number(high) and (low > 0 or high < 0)
    color = COLORS[0] if sure else MUTED
    text = _name(plane, name, y)
    if not is_number(g):
        return text
    words = f"{name}: {number(g, 3)} ({number(low, 3)} to {number(high, 3)})"
    line = ""
    if is_number(low) and is_number(high):
        line = (
            f'<line x1="{plane.x(low):.1f}" x2="{plane.x(high):.1f}" y1="{y:g}" y2="{y:g}" '
            f'stroke="{color}" stroke-width="2"/>'
        )
    return (
        f'{text}<g>{line}<circle cx="{plane.x(g):.1f}" cy="{y:g}" r="4" fill="{color}"/>'
        f"<title>{escape(words)}</title></g>"
    )


def _density(strip: Strip, x_range: tuple[float, float, list[float]]) -> Array:
    """Share of the weight in each bar of the axis."""
    low, high, _ = x_range
    counts, _ = np.histogram(strip.values, BINS, (low, high), weights=strip.weights)
    return np.asarray(counts / strip.weights.sum(), np.float64)


def _strip(plane: Plane, strip: Strip, i: int, top: float) -> str:
    floor = plane.top + ROW * (i + 1) - 7
    low, high, _ = plane.x_range
    edges = np.linspace(low, high, BINS + 1)
    heights = _density(strip, plane.x_range) / top * (ROW - 10)
    path = [f"M{plane.x(float(edges[0])):.1f} {floor}"]
    for edge, height in zip(edges[1:].tolist(), heights.tolist(), strict=True):
        path.append(f"V{floor - height:.1f}H{plane.x(edge):.1f}")
    path.append(f"V{floor}Z")
    p = [min(max(plane.x(v), plane.left), plane.width - plane.right) for v in strip.percentiles]
    y = floor + 3
    beyond = [
        (v, plane.x(low) - 1 if v < low else plane.x(high) + 1)
        for v in strip.values.tolist()
        if not low <= v <= high
    ]
    dots = "".join(
        f'<circle cx="{x:.1f}" cy="{floor - 3}" r="2" fill="{strip.color}"><title>{number(v)}'
        "</title></circle>"
        for v, x in beyond
    )
    return (
        f'{_name(plane, strip.name, floor - 4)}<g><path d="{"".join(path)}" '
        f'fill="{strip.color}" fill-opacity="0.35"/>'
        f'<line x1="{p[0]:.1f}" x2="{p[4]:.1f}" y1="{y}" y2="{y}" stroke="{strip.color}"/>'
        f'<line x1="{p[1]:.1f}" x2="{p[3]:.1f}" y1="{y}" y2="{y}" stroke="{strip.color}" '
        f'stroke-width="5"/><line x1="{p[2]:.1f}" x2="{p[2]:.1f}" y1="{y - 2.5}" y2="{y + 2.5}" '
        f'stroke="#fff" stroke-width="2"/><title>{escape(strip.words)}</title></g>{dots}'
    )


def _name(plane: Plane, name: str, y: float) -> str:
    return (
        f'<text x="{plane.left - 8}" y="{y + 4:g}" text-anchor="end" fill="{INK}">'
        f"{escape(name)}</text>"
    )


def _scale(plane: Plane) -> str:
    floor = plane.height - plane.bottom
    return "".join(
        f'<line x1="{plane.x(t):.1f}" x2="{plane.x(t):.1f}" y1="{plane.top}" y2="{floor}" '
        f'stroke="{GRID}"/><text x="{plane.x(t):.1f}" y="{floor + 16}" text-anchor="middle" '
        f'fill="{MUTED}">{number(t)}</text>'
        for t in plane.x_range[2]
        if math.isfinite(t)
    )


def _title(title: str, unit: str) -> str:
    named = f"{title} ({unit})" if unit else title
    return (
        f'<text x="4" y="16" font-size="13" font-weight="600" fill="{INK}">{escape(named)}</text>'
    )
