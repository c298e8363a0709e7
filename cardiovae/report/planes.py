"""Points in a plane, as SVG text: agreement with a reference, and before against after.

Like the other figures: numbers and words in, one `<svg>` out that stands alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from cardiovae.report.axes import nice_range
from cardiovae.report.palette import FAIL, GRID, INK, MUTED
from cardiovae.report.wording import is_number, number

BETTER = "#eaf4ee"  # the half of a plane where correction has helped


@dataclass(frozen=True)
class Point:
    """A position with what it stands for."""

    x: float
    y: float
    name: str


@dataclass(frozen=True)
class Plane:
    """From values to picture coordinates, with margins for numbers and titles."""

    width: int
    height: int
    x_range: tuple[float, float, list[float]]
    y_range: tuple[float, float, list[float]]
    left: int = 52
    right: int = 14
    top: int = 28
    bottom: int = 42

    def x(self, value: float) -> float:
        """Picture coordinate of a value along the horizontal axis."""
        low, high, _ = self.x_range
        return self.left + (value - low) / (high - low) * (self.width - self.left - self.right)

    def y(self, value: float) -> float:
        """Picture coordinate of a value along the vertical axis."""
        low, high, _ = self.y_range
        floor = self.height - self.bottom
        return floor - (value - low) / (high - low) * (floor - self.top)


def before_after(
    points: Sequence[Point], *, title: str, unit: str, color: str, more_is_better: bool
) -> str:
    """One point per sequence, before across and after up; the better side of equality is tinted.

    Args:
        points: Values before (x) and after (y).
        title: What is compared.
        unit: Unit of both.
        color: Of the points.
        more_is_better: Whether larger values are better.
    """
    values = [v for p in points for v in (p.x, p.y)]
    span = nice_range(values, n_ticks=4)
    plane = Plane(300, 300, span, span)
    low, high, _ = span
    corner = (low, high) if more_is_better else (high, low)
    half = " ".join(
        f"{plane.x(x):.1f},{plane.y(y):.1f}" for x, y in ((low, low), corner, (high, high))
    )
    parts = [
        f'<polygon points="{half}" fill="{BETTER}"/>',
        grid(plane),
        f'<line x1="{plane.x(low):.1f}" y1="{plane.y(low):.1f}" x2="{plane.x(high):.1f}" '
        f'y2="{plane.y(high):.1f}" stroke="{MUTED}" stroke-dasharray="4 3"/>',
        titles(plane, f"{title} ({unit})" if unit else title, "before", "after"),
        *(_dot(plane, p, color, f"{p.name}: {number(p.x)} to {number(p.y)}") for p in points),
    ]
    return svg(plane, f"{title} before and after", parts)


def bland_altman(
    points: Sequence[Point],
    found: Mapping[str, Mapping[str, float | None]],
    *,
    title: str,
    y_values: Sequence[float],
) -> str:
    """Differences against means, with bias and limits of agreement and their 95 % intervals.

    Args:
        points: Mean of the two measurements (x) and their difference (y), one per patient.
        found: "bias", "lower_limit" and "upper_limit", each with value, low and high.
        title: What is compared.
        y_values: What the vertical axis must hold besides, so that two figures compare.
    """
    lines = [("bias", INK, ""), ("upper_limit", FAIL, "5 4"), ("lower_limit", FAIL, "5 4")]
    marks = [found[name]["value"] for name, _, _ in lines]
    span = [p.y for p in points] + [v for v in (*marks, *y_values) if is_number(v)]
    x_range = nice_range([p.x for p in points], n_ticks=5)
    plane = Plane(540, 330, x_range, nice_range([0.0, *span], n_ticks=6), right=78)
    parts = [grid(plane)]
    for name, color, dash in lines:
        parts.append(_level(plane, found[name], color, dash))
    axis = "mean of prediction and reference (%)"
    parts.append(titles(plane, title, axis, "prediction \N{MINUS SIGN} reference"))
    for p in points:
        words = f"{p.name}: {number(p.y, 3)} at {number(p.x, 3)} %"
        parts.append(_dot(plane, p, "#0077bb", words))
    return svg(plane, f"{title}: difference against mean, one point per patient", parts)


def _level(plane: Plane, found: Mapping[str, float | None], color: str, dash: str) -> str:
    """A horizontal line with its value beside it, over a band that is its interval."""
    value, low, high = found["value"], found["low"], found["high"]
    if not is_number(value):
        return ""
    right, text = plane.width - plane.right, f"{value:+.1f}".replace("-", "\N{MINUS SIGN}")
    band = ""
    if is_number(low) and is_number(high):
        top, floor = plane.top, plane.height - plane.bottom
        y1, y2 = (min(max(plane.y(v), top), floor) for v in (high, low))
        band = (
            f'<rect x="{plane.left}" y="{y1:.1f}" width="{right - plane.left}" '
            f'height="{max(y2 - y1, 0):.1f}" fill="{color}" opacity="0.09"/>'
        )
    y = plane.y(value)
    word = "bias" if not dash else "limit"
    return (
        f'{band}<line x1="{plane.left}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}" stroke="{color}" '
        f'stroke-width="1.5" stroke-dasharray="{dash}"/>'
        f'<text x="{right + 6}" y="{y + 4:.1f}" fill="{color}">{word} {text}</text>'
    )


def _dot(plane: Plane, point: Point, color: str, words: str) -> str:
    return (
        f'<circle cx="{plane.x(point.x):.1f}" cy="{plane.y(point.y):.1f}" r="4" fill="{color}" '
        f'fill-opacity="0.65" stroke="#fff" stroke-width="0.8"><title>{escape(words)}</title>'
        "</circle>"
    )


def grid(plane: Plane) -> str:
    """Lines and numbers of both axes."""
    floor, right = plane.height - plane.bottom, plane.width - plane.right
    across = [
        f'<line x1="{plane.left}" x2="{right}" y1="{plane.y(t):.1f}" y2="{plane.y(t):.1f}" '
        f'stroke="{GRID}"/><text x="{plane.left - 7}" y="{plane.y(t) + 4:.1f}" '
        f'text-anchor="end" fill="{MUTED}">{number(t)}</text>'
        for t in plane.y_range[2]
    ]
    up = [
        f'<line x1="{plane.x(t):.1f}" x2="{plane.x(t):.1f}" y1="{plane.top}" y2="{floor}" '
        f'stroke="{GRID}"/><text x="{plane.x(t):.1f}" y="{floor + 16}" text-anchor="middle" '
        f'fill="{MUTED}">{number(t)}</text>'
        for t in plane.x_range[2]
    ]
    return "".join(across + up)


def titles(plane: Plane, title: str, across: str, up: str) -> str:
    """Heading of a figure and what its axes are."""
    middle = (plane.left + plane.width - plane.right) / 2
    height = (plane.top + plane.height - plane.bottom) / 2
    return (
        f'<text x="4" y="16" font-size="13" font-weight="600" fill="{INK}">{escape(title)}</text>'
        f'<text x="{middle:.0f}" y="{plane.height - 8}" text-anchor="middle" fill="{MUTED}">'
        f"{escape(across)}</text>"
        f'<text transform="translate(12 {height:.0f}) rotate(-90)" text-anchor="middle" '
        f'fill="{MUTED}">{escape(up)}</text>'
    )


def svg(plane: Plane, label: str, parts: Sequence[str]) -> str:
    """The parts as one figure."""
    return (
        f'<svg class="chart" viewBox="0 0 {plane.width} {plane.height}" role="img" '
        f'aria-label="{escape(label)}" font-family="system-ui, sans-serif" font-size="12" '
        f'xmlns="http://www.w3.org/2000/svg">{"".join(parts)}</svg>'
    )
