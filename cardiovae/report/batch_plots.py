"""Distributions of a batch: one bar per range of values, with the limit between two bars.

Ranges are chosen such that none reaches across a limit, so a bar is all within or all beyond.
Counts are drawn by their logarithm: the few sequences that fail must show beside thousands that
do not.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from itertools import pairwise

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from cardiovae.report.axes import Axes, Frame, svg
from cardiovae.report.batch_rows import Rule
from cardiovae.report.palette import FAIL, GRID, INK, MUTED
from cardiovae.report.wording import number, with_unit

Values = NDArray[np.float64]
WITHIN = "#8aa4c4"
FRAME = Frame(320, 132, left=40, right=10, top=10, bottom=20)
TAILS = (1, 99)  # percentiles; what lies beyond them is counted in the last bar
PER_SIDE = 10  # bars between two limits, and at most beyond each
PER_DECADE = 3
NEAR = 4  # ranges; words closer than that would run into each other


@dataclass(frozen=True, eq=False)
class Bins:
    """Ranges of the values of a rule, at most 36 of them: each has one digit to that base.

    Args:
        names: Each range in words.
        beyond: Whether it lies beyond a limit.
        ticks: Words below the plot by where they stand, in ranges from the left.
        limits: Where a limit is drawn, likewise.
        index: Range of every value, shape (N,), -1 where there is none.
    """

    names: tuple[str, ...]
    beyond: tuple[bool, ...]
    ticks: Mapping[float, str]
    limits: tuple[float, ...]
    index: NDArray[np.int8]

    @property
    def counts(self) -> NDArray[np.int64]:
        """Values in every range."""
        return np.bincount(self.index[self.index >= 0], minlength=len(self.names))


def bins_of(values: Values, rule: Rule) -> Bins:
    """Sort values, shape (N,), NaN = none, into ranges that suit the rule."""
    if rule.unit == "flag":
        index = np.where(np.isfinite(values), values > 0, -1).astype(np.int8)
        beyond = (rule.excess(0) > 0, rule.excess(1) > 0)
        return Bins(("no", "yes"), beyond, {0.5: "no", 1.5: "yes"}, (1,), index)
    known = values[np.isfinite(values)]
    if rule.low is None and rule.high == 0:
        return _by_decade(values, rule, known)
    return _even(values, rule, known)


def _by_decade(values: Values, rule: Rule, known: Values) -> Bins:
    """Zero, and what is above it on a logarithmic axis."""
    above = known[known > 0]
    first, last = 0, 0
    if above.size:
        first, last = math.floor(math.log10(above.min())), math.ceil(math.log10(above.max()))
    last = max(last, first + 1)
    per_decade = max(min(PER_DECADE, 35 // (last - first)), 1)
    n = (last - first) * per_decade
    edges = [10 ** (first + k / per_decade) for k in range(n + 1)]
    logs = np.log10(values, out=np.full(values.shape, np.nan), where=values > 0)
    index = np.floor((logs - first) * per_decade)
    index = np.where(values > 0, np.clip(index, 0, n - 1) + 1, np.where(values <= 0, 0, -1))
    names = ["0", *(_range(a, b, rule.unit) for a, b in pairwise(edges))]
    ticks = {0.5: "0"} | {
        1.0 + k * per_decade: number(10.0 ** (first + k)) for k in range(last - first + 1)
    }
    ticks.pop(1.0)  # too close to zero
    return Bins(
        tuple(names), (False,) + (True,) * n, ticks, (1.0,), np.nan_to_num(index).astype(np.int8)
    )


def _even(values: Values, rule: Rule, known: Values) -> Bins:
    """Ranges of one width, the limits among their ends."""
    anchors = [limit for limit in (rule.low, rule.high) if limit is not None]
    tails = np.percentile(known, TAILS).tolist() if known.size else anchors
    width = anchors[-1] - anchors[0]
    if width <= 0:
        width = max(max(tails) - anchors[0], anchors[0] - min(tails), abs(anchors[0]) * 0.1, 1e-6)
    step = width / PER_SIDE
    below = math.ceil(min(max((anchors[0] - min(tails)) / step, 1), PER_SIDE))
    above = math.ceil(min(max((max(tails) - anchors[-1]) / step, 1), PER_SIDE))
    # Two limits that are one value have a range of that value alone between them.
    inside = 0 if len(anchors) == 1 else PER_SIDE if anchors[1] > anchors[0] else 1
    edges = [anchors[0] - k * step for k in range(below, 0, -1)]
    edges += np.linspace(anchors[0], anchors[-1], inside + 1).tolist()
    edges += [anchors[-1] + k * step for k in range(1, above + 1)]
    # A value that is a limit passes: it belongs to the range on the inner side of it.
    index = np.searchsorted(edges, values, side="left") - 1
    if rule.low is not None:
        index[values == rule.low] = below
    n = len(edges) - 1
    index = np.where(np.isfinite(values), np.clip(index, 0, n - 1), -1)
    beyond = [
        (rule.low is not None and k < below) or (rule.high is not None and k >= below + inside)
        for k in range(n)
    ]
    names = [_range(a, b, rule.unit) for a, b in pairwise(edges)]
    names[0], names[-1] = (
        f"up to {with_unit(edges[1], rule.unit)}",
        f"from {with_unit(edges[-2], rule.unit)}",
    )
    limits = tuple(float(k) for k in sorted({below, below + inside}))
    # The last range at either end is open, so the scale is given where it begins.
    ends = (float(k) for k in (1, n - 1) if all(abs(k - at) >= NEAR for at in limits))
    ticks = {k: number(edges[int(k)], 3) for k in (*limits, *ends)}
    return Bins(tuple(names), tuple(beyond), ticks, limits, index.astype(np.int8))


def _range(low: float, high: float, unit: str) -> str:
    return f"{number(low, 3)} to {with_unit(high, unit, 3)}"


def histogram(bins: Bins, label: str) -> Markup:
    """The counts as bars; a page may resize those of class `part` to a selection."""
    counts = bins.counts.tolist()
    top = math.log1p(max(*counts, 1))
    axes = Axes(FRAME, len(counts), 0.0, top)
    parts = [_grid(axes)]
    for k, count in enumerate(counts):
        if count:
            parts += _bar(axes, k, count, FAIL if bins.beyond[k] else WITHIN)
    for at in bins.limits:
        x = f"{axes.x(at - 0.5):.1f}"
        parts.append(
            f'<line x1="{x}" x2="{x}" y1="{FRAME.top - 6}" y2="{axes.floor:g}" stroke="{INK}" '
            'stroke-width="1.6" stroke-dasharray="4 2"/>'
        )
    parts += [_tick(axes, at, text, bins) for at, text in bins.ticks.items()]
    return Markup(svg(axes, label, parts))  # `svg` escapes the label, `_tick` its words


def _bar(axes: Axes, k: int, count: int, color: str) -> list[str]:
    x = f'x="{axes.x(k) - axes.step / 2 + 0.5:.1f}" width="{max(axes.step - 1, 1):.1f}"'
    y = axes.y(math.log1p(count))
    bar = f'{x} y="{y:.1f}" height="{axes.floor - y:.1f}" fill="{color}"'
    return [
        f'<rect class="all" data-bin="{k}" data-n="{count}" {bar}/>',
        f'<rect class="part" data-bin="{k}" {bar}/>',
        f'<rect class="bin" data-bin="{k}" {x} y="{FRAME.top}" '
        f'height="{axes.floor - FRAME.top:g}" fill="transparent"/>',
    ]


def _grid(axes: Axes) -> str:
    """Lines at 1, 10, 100, ..."""
    parts = [f'<g font-size="10.5" text-anchor="end" fill="{MUTED}">']
    count = 1
    while math.log1p(count) <= axes.high:
        y = f"{axes.y(math.log1p(count)):.1f}"
        parts.append(
            f'<line x1="{FRAME.left}" x2="{FRAME.width - FRAME.right}" y1="{y}" y2="{y}" '
            f'stroke="{GRID}"/><text x="{FRAME.left - 5}" y="{y}" dy="4">{count:,}</text>'
        )
        count *= 10
    return "".join([*parts, "</g>"])


def _tick(axes: Axes, at: float, text: str, bins: Bins) -> str:
    look = f'fill="{INK}" font-weight="700"' if at in bins.limits else f'fill="{MUTED}"'
    anchor = "end" if at == len(bins.names) else "middle"
    return (
        f'<text x="{axes.x(at - 0.5):.1f}" y="{axes.floor + 14:g}" text-anchor="{anchor}" '
        f'font-size="11" {look}>{escape(text)}</text>'
    )
