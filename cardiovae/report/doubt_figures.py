"""Doubt as figures: a bar per frame, an interval on a line; SVG text as in `figures`."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from markupsafe import Markup

from cardiovae.report.axes import Axes, Frame, grid, heading, hits, nice_range, note, svg
from cardiovae.report.doubt_words import SIGNAL_WORDS
from cardiovae.report.figures import WIDE, Values
from cardiovae.report.palette import HEAT, INK, INK_BLUE, MUTED, UNKNOWN
from cardiovae.report.wording import is_number, number

# Without a calibration: the first known of those that order the frames in the record.
ORDER = ("opinion", "crisp", "misfit_mm", "disagreement")


def doubt_bars(doubt: Mapping[str, Any], failed: str) -> Markup:
    """Doubt of each frame, those to look at marked with their place in the order.

    Args:
        doubt: What the record says under "uncertainty".
        failed: What it means that a frame failed, in words.

    Returns:
        Probability of failure where it is known, else the signal that orders the frames; empty
        for a single frame, and where nothing is known.
    """
    frames = doubt["frames"]
    names = ("failure_probability", *ORDER)
    name = next((n for n in names if any(is_number(f.get(n)) for f in frames)), "")
    if len(frames) < 2 or not name:
        return Markup()
    probable = name == names[0]
    share = probable or SIGNAL_WORDS[name].unit == "%"
    words = f"probability that {failed}" if probable else SIGNAL_WORDS[name].words
    return Markup(  # the figure escapes what it prints
        bar_chart(
            [100 * v if share and is_number(v) else v for v in (f.get(name) for f in frames)],
            {f["frame"]: str(f.get("look_rank") or "look") for f in frames if f["look"]},
            title=words[0].upper() + words[1:],
            unit="%" if share else SIGNAL_WORDS[name].unit,
            top=100.0 if probable else None,
        )
    )


def bar_chart(
    values: Values,
    marked: Mapping[int, str],
    *,
    title: str,
    unit: str = "",
    top: float | None = None,
    frame: Frame = WIDE,
) -> str:
    """One bar per frame; some are in another color and carry a word.

    Args:
        values: One per frame, 0 or more; None or NaN is a gap.
        marked: Words above the bars of some frames.
        title: What is drawn, for the heading.
        unit: Unit of the values.
        top: Upper end of the axis; None = a round number above the largest value.
        frame: Size of the picture.
    """
    known = [v for v in values if is_number(v)]
    low, high, ticks = nice_range([0.0, top or max(known, default=1.0)], n_ticks=4)
    axes = Axes(frame, len(values), low, high)
    parts = [grid(axes, ticks), heading(title, unit, axes)]
    wide = max(min(axes.step * 0.7, 34.0), 1.0)
    size = 12 if axes.step >= 16 else 9  # two digits beside two others
    for t, value in enumerate(values):
        color = HEAT if t in marked else UNKNOWN
        y = axes.floor
        if is_number(value):
            y = min(axes.y(value), axes.floor - 1)
            parts.append(
                f'<rect x="{axes.x(t) - wide / 2:.1f}" y="{y:.1f}" width="{wide:.1f}" '
                f'height="{axes.floor - y:.1f}" fill="{color}"/>'
            )
        if t in marked:
            parts.append(
                f'<text x="{axes.x(t):.1f}" y="{max(y - 5, axes.frame.top + 4):.1f}" '
                f'text-anchor="middle" font-size="{size}" font-weight="700" fill="{INK}">'
                f"{escape(marked[t])}</text>"
            )
    if not known:
        parts.append(note(axes, "not known of any frame"))
    words = [
        f"frame {t}: {number(value)}{f' {unit}' if unit and is_number(value) else ''}"
        for t, value in enumerate(values)
    ]
    return svg(axes, f"{title} of each frame", [*parts, hits(axes, words)])


def interval_bar(value: float | None, low: float | None, high: float | None) -> str:
    """A percentage and its interval on a line from 0 to 100; empty where one is not known."""
    if not (is_number(value) and is_number(low) and is_number(high)):
        return ""
    left, wide = 12.0, 2.76  # pixels per percent
    ends = [left + wide * min(max(v, 0.0), 100.0) for v in (low, value, high)]
    ticks = "".join(
        f'<line x1="{left + wide * p:g}" x2="{left + wide * p:g}" y1="17" y2="21" '
        f'stroke="{MUTED}"/><text x="{left + wide * p:g}" y="33" text-anchor="middle" '
        f'fill="{MUTED}">{p}</text>'
        for p in (0, 25, 50, 75, 100)
    )
    return (
        '<svg class="interval" viewBox="0 0 300 36" role="img" font-size="11" '
        f'font-family="system-ui, sans-serif" xmlns="http://www.w3.org/2000/svg" '
        f'aria-label="{value:.0f} %, interval {low:.0f} to {high:.0f} %">'
        f'<line x1="{left:g}" x2="{left + 100 * wide:g}" y1="17" y2="17" stroke="{MUTED}"/>{ticks}'
        f'<rect x="{ends[0]:.1f}" y="6" width="{max(ends[2] - ends[0], 1):.1f}" height="11" '
        f'fill="{INK_BLUE}" opacity="0.35"/>'
        f'<rect x="{ends[1] - 1.5:.1f}" y="3" width="3" height="17" fill="{INK_BLUE}"/></svg>'
    )
