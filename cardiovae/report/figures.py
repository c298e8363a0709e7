"""Curves over the frames of a sequence, as SVG text.

Every function takes numbers and words and returns one `<svg>` that stands alone, in a page or as
a file. A missing number (None or NaN) is a gap, never a guess. The vertical line of class
`cursor` and the invisible columns of class `hit` let a page link its figures; both are inert
without a script.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

from cardiovae.report.axes import Axes, Frame, grid, heading, hits, nice_range, note, svg, tints
from cardiovae.report.palette import FAIL, GRID, INK, MUTED, PASS
from cardiovae.report.wording import is_number, number

Values = Sequence[float | None]


@dataclass(frozen=True)
class Curve:
    """One quantity over the frames, before and after; both of length T.

    `before` is empty where nothing is compared. `reasons` says of a frame why its value is
    missing, where that is known. `low` and `high` are the ends of an interval around the value
    after, empty where there is none.
    """

    label: str
    color: str
    before: Values
    after: Values
    reasons: Mapping[int, str] = field(default_factory=dict)
    low: Values = ()
    high: Values = ()


LARGE = Frame(1100, 320)
SMALL = Frame(360, 180, left=50, right=14)
WIDE = Frame(1100, 180, right=14)


def line_chart(
    curves: Sequence[Curve],
    *,
    title: str,
    unit: str,
    actions: Sequence[str] = (),
    marks: Mapping[str, int] | None = None,
    frame: Frame = LARGE,
    columns: bool = True,
) -> str:
    """Curves over time: thin and dashed before, solid after.

    Args:
        curves: At least one; all of the same length T.
        title: What is drawn, for the heading.
        unit: Unit of the values.
        actions: What was done to each frame; all but "kept" are tinted.
        marks: Names of frames to mark on the first curve after, such as ED and ES.
        frame: Size of the picture.
        columns: Whether every frame has a column that says its values when pointed at.
    """
    n_frames = len(curves[0].after)
    label = f"{title} over the frames" + (", before and after" if curves[0].before else "")
    known = [v for c in curves for v in (*c.before, *c.after, *c.low, *c.high) if is_number(v)]
    low, high, ticks = nice_range(known, n_ticks=5 if frame.height > 250 else 3)
    axes = Axes(frame, n_frames, low, high)
    single = len(curves) == 1
    parts = [tints(axes, actions), grid(axes, ticks), heading(title, unit, axes)]
    parts += [_band(axes, curve) for curve in curves]
    for curve in curves:
        parts.append(_polyline(axes, curve.after, curve.color, 2.2, ""))
        parts.append(_polyline(axes, curve.before, curve.color, 1.3, "4 3"))
    if not single:
        parts.append(_end_labels(axes, curves))
    parts.append(_marks(axes, curves[0], marks or {}))
    if not known:
        parts.append(note(axes, "not measurable in any frame"))
    if columns:
        parts.append(hits(axes, [_words(curves, t, unit, actions) for t in range(n_frames)]))
    return svg(axes, label, parts)


def percentile_chart(
    before: Values,
    after: Values,
    *,
    title: str,
    actions: Sequence[str] = (),
    frame: Frame = WIDE,
) -> str:
    """Plausibility of each frame from 0 to 100: hollow before, filled after, joined by a line."""
    axes = Axes(frame, len(after), 0.0, 100.0)
    parts = [
        tints(axes, actions),
        grid(axes, [0.0, 25.0, 50.0, 75.0, 100.0]),
        heading(title, "percentile", axes),
    ]
    for t, (old, new) in enumerate(zip(before, after, strict=True)):
        x = axes.x(t)
        if is_number(old) and is_number(new):
            parts.append(
                f'<line x1="{x:.1f}" y1="{axes.y(old):.1f}" x2="{x:.1f}" y2="{axes.y(new):.1f}" '
                f'stroke="{MUTED}" stroke-width="1.5"/>'
            )
        for value, fill, edge in ((old, "#fff", FAIL), (new, PASS, PASS)):
            if is_number(value):
                parts.append(
                    f'<circle cx="{x:.1f}" cy="{axes.y(value):.1f}" r="4" fill="{fill}" '
                    f'stroke="{edge}" stroke-width="1.6"/>'
                )
    if not any(is_number(v) for v in (*before, *after)):
        parts.append(note(axes, "not measurable in any frame"))
    words = [
        f"frame {t}: {number(old)} before, {number(new)} after"
        for t, (old, new) in enumerate(zip(before, after, strict=True))
    ]
    return svg(axes, f"{title} of each frame, before and after", [*parts, hits(axes, words)])


def verdict_strip(before: Sequence[str | None], after: Sequence[str | None]) -> str:
    """Verdicts of one criterion, one column per frame, before above after.

    A failure is a full cell, what could not be measured half a cell, a pass a thin line; None
    leaves the cell empty.
    """
    n_frames = max(len(before), len(after))
    step = max(2.0, min(8.0, 200 / n_frames))
    cells: list[str] = []
    for top, verdicts in ((0, before), (12, after)):
        for t, verdict in enumerate(verdicts):
            height, color = {
                "FAIL": (10, FAIL),
                "NOT_MEASURABLE": (5, MUTED),
                "PASS": (1.5, PASS),
            }.get(verdict or "", (0, GRID))
            if height:
                cells.append(
                    f'<rect x="{t * step:.1f}" y="{top + 10 - height:g}" width="{step - 1:.1f}" '
                    f'height="{height:g}" fill="{color}"/>'
                )
    width = n_frames * step
    failing = [[t for t, v in enumerate(row) if v == "FAIL"] for row in (before, after)]
    words = " ".join(
        f"{name}: fails in {', '.join(map(str, found)) if found else 'no frame'}."
        for name, found in zip(("Before", "After"), failing, strict=True)
    )
    return (
        f'<svg class="verdicts" viewBox="0 0 {width:.0f} 22" width="{width:.0f}" height="22" '
        f'role="img" xmlns="http://www.w3.org/2000/svg"><title>{words}</title>{"".join(cells)}</svg>'
    )


def _stretches(values: Values) -> Iterator[list[tuple[int, float]]]:
    """Runs of frames without a gap."""
    stretch: list[tuple[int, float]] = []
    for t, value in enumerate(values):
        if value is not None and math.isfinite(value):
            stretch.append((t, value))
        elif stretch:
            yield stretch
            stretch = []
    if stretch:
        yield stretch


def _band(axes: Axes, curve: Curve) -> str:
    """The interval around a curve, shaded; a frame between two gaps has a bar."""
    ends = {
        t: (low, high)
        for t, (low, high) in enumerate(zip(curve.low, curve.high, strict=True))
        if is_number(low) and is_number(high)
    }
    parts: list[str] = []
    for stretch in _stretches([float(t in ends) or None for t in range(len(curve.low))]):
        frames = [t for t, _ in stretch]
        if len(frames) == 1:
            corners = [(frames[0] + dx, ends[frames[0]][k]) for dx, k in _CORNERS]
        else:
            corners = [(t, ends[t][0]) for t in frames]
            corners += [(t, ends[t][1]) for t in reversed(frames)]
        points = " ".join(f"{axes.x(t):.1f},{axes.y(value):.1f}" for t, value in corners)
        parts.append(
            f'<polygon class="band" points="{points}" fill="{curve.color}" opacity="0.25"/>'
        )
    return "".join(parts)


_CORNERS = ((-0.3, 0), (0.3, 0), (0.3, 1), (-0.3, 1))  # of a bar: frames, and which end


def _polyline(axes: Axes, values: Values, color: str, width: float, dash: str) -> str:
    """A curve with gaps; a value alone between two gaps is a dot."""
    parts: list[str] = []
    for stretch in _stretches(values):
        if len(stretch) == 1:
            t, value = stretch[0]
            fill = "none" if dash else color
            parts.append(
                f'<circle cx="{axes.x(t):.1f}" cy="{axes.y(value):.1f}" r="{2 + width:g}" '
                f'fill="{fill}" stroke="{color}" stroke-width="{width:g}"/>'
            )
            continue
        points = " ".join(f"{axes.x(t):.1f},{axes.y(v):.1f}" for t, v in stretch)
        dashes = f' stroke-dasharray="{dash}"' if dash else ""
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{color}" '
            f'stroke-width="{width:g}" stroke-linejoin="round"{dashes}/>'
        )
    return "".join(parts)


def _end_labels(axes: Axes, curves: Sequence[Curve]) -> str:
    """Names of the curves at their right ends, moved apart where they would overlap."""
    wanted = []
    for curve in curves:
        stretches = list(_stretches(curve.after)) or list(_stretches(curve.before))
        if stretches:
            wanted.append((axes.y(stretches[-1][-1][1]), curve))
    parts: list[str] = []
    lowest = -math.inf
    for y, curve in sorted(wanted, key=lambda pair: pair[0]):
        lowest = max(y, lowest + 15)
        parts.append(
            f'<text x="{axes.frame.width - axes.frame.right + 6}" y="{lowest + 4:.1f}" '
            f'font-weight="600" fill="{curve.color}">{escape(curve.label)}</text>'
        )
    return "".join(parts)


def _marks(axes: Axes, curve: Curve, marks: Mapping[str, int]) -> str:
    """A ring with a name on the curve after: ED above it, others below it where there is room."""
    parts: list[str] = []
    for name, t in marks.items():
        value = curve.after[t]
        if value is None or not math.isfinite(value):
            continue
        x, y = axes.x(t), axes.y(value)
        above = y > axes.frame.top + 24 and (name.startswith("ED") or y + 26 > axes.floor)
        parts.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="#fff" stroke="{INK}" '
            f'stroke-width="2"/><text x="{x:.1f}" y="{y - 10 if above else y + 20:.1f}" '
            f'text-anchor="middle" font-weight="700" fill="{INK}">{escape(name)}</text>'
        )
    return "".join(parts)


def _words(curves: Sequence[Curve], t: int, unit: str, actions: Sequence[str]) -> str:
    """What a column says when pointed at."""
    lines = [f"frame {t}" + (f", {actions[t]}" if actions else "")]
    for curve in curves:
        new = curve.after[t]
        old = curve.before[t] if curve.before else new
        line = f"{curve.label}: {number(old)}"
        line += f" before, {number(new)} after" if old != new else ""
        if not (is_number(old) and is_number(new)) and t in curve.reasons:
            line += f" ({curve.reasons[t]})"
        elif is_number(new) and unit:
            line += f" {unit}"
        if curve.low and is_number(curve.low[t]) and is_number(curve.high[t]):
            line += f", interval {number(curve.low[t])} to {number(curve.high[t])}"
        lines.append(line)
    return "\n".join(lines)
