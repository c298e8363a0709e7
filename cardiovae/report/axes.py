"""What every figure has: coordinates, grid, heading, tints of the frames, and places to click."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from cardiovae.report.palette import ACTION_TINTS, GRID, INK, MUTED
from cardiovae.report.wording import number


@dataclass(frozen=True)
class Frame:
    """Where a figure draws: size of the picture, and of the margins around the plot."""

    width: int
    height: int
    left: int = 58
    right: int = 46
    top: int = 30
    bottom: int = 22


@dataclass(frozen=True)
class Axes:
    """From frame index and value to picture coordinates."""

    frame: Frame
    n_frames: int
    low: float
    high: float

    @property
    def step(self) -> float:
        """Width of one frame in the picture."""
        return (self.frame.width - self.frame.left - self.frame.right) / self.n_frames

    @property
    def floor(self) -> float:
        """Lower end of the plot."""
        return float(self.frame.height - self.frame.bottom)

    def x(self, t: float) -> float:
        """Middle of frame `t`."""
        return self.frame.left + (t + 0.5) * self.step

    def y(self, value: float) -> float:
        """Height of a value."""
        share = (value - self.low) / (self.high - self.low)
        return self.floor - share * (self.floor - self.frame.top)


def nice_range(values: Sequence[float], *, n_ticks: int) -> tuple[float, float, list[float]]:
    """Round limits around `values` and round ticks between them; 0 to 1 when there is none.

    Examples:
        >>> nice_range([3.0, 47.0], n_ticks=4)
        (0.0, 60.0, [0.0, 20.0, 40.0, 60.0])
    """
    if not values:
        return 0.0, 1.0, []
    low, high = min(values), max(values)
    # Nearly constant values get a plain range too, not one that magnifies rounding errors.
    spread = max(high - low, abs(low + high) * 0.01, 1e-6)
    low, high = min(low, (low + high - spread) / 2), max(high, (low + high + spread) / 2)
    raw = spread / n_ticks
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(s * power for s in (1, 2, 5, 10, 20) if s * power >= raw)
    first, last = math.floor(low / step), math.ceil(high / step)
    last = max(last, first + 1)
    ticks = [round(k * step, 12) for k in range(first, last + 1)]
    return ticks[0], ticks[-1], ticks


def svg(axes: Axes, label: str, parts: Sequence[str]) -> str:
    """The parts as one figure, with a hidden cursor that a page may move to a frame."""
    size = f"{axes.frame.width} {axes.frame.height}"
    cursor = (
        f'<line class="cursor" x1="0" x2="0" y1="{axes.frame.top}" y2="{axes.floor:g}" '
        f'stroke="{INK}" stroke-width="1.2" opacity="0" pointer-events="none"/>'
    )
    return (
        f'<svg class="chart" viewBox="0 0 {size}" role="img" aria-label="{escape(label)}" '
        f'data-x0="{axes.x(0):.2f}" data-step="{axes.step:.4f}" '
        'font-family="system-ui, sans-serif" font-size="12" '
        f'xmlns="http://www.w3.org/2000/svg">{"".join(parts)}{cursor}</svg>'
    )


def heading(title: str, unit: str, axes: Axes) -> str:
    """Title and unit above the plot, and what its horizontal axis counts."""
    named = f"{title} ({unit})" if unit else title
    return (
        f'<text x="4" y="16" font-size="13" font-weight="600" fill="{INK}">{escape(named)}</text>'
        f'<text x="{axes.frame.left - 7}" y="{axes.floor + 16:g}" text-anchor="end" '
        f'fill="{MUTED}">frame</text>'
    )


def grid(axes: Axes, ticks: Sequence[float]) -> str:
    """Horizontal lines with values, and frame numbers below."""
    right = axes.frame.width - axes.frame.right
    parts = [
        f'<line x1="{axes.frame.left}" x2="{right}" y1="{axes.y(tick):.1f}" '
        f'y2="{axes.y(tick):.1f}" stroke="{GRID}"/>'
        f'<text x="{axes.frame.left - 7}" y="{axes.y(tick) + 4:.1f}" text-anchor="end" '
        f'fill="{MUTED}">{number(tick)}</text>'
        for tick in ticks
    ]
    every = next(s for s in (1, 2, 5, 10, 20, 50, 100, 200, 10**9) if s * axes.step >= 26)
    parts += [
        f'<text x="{axes.x(t):.1f}" y="{axes.floor + 16:g}" text-anchor="middle" '
        f'fill="{MUTED}">{t}</text>'
        for t in range(0, axes.n_frames, every)
    ]
    return "".join(parts)


def tints(axes: Axes, actions: Sequence[str]) -> str:
    """A tint behind every frame that was not kept."""
    return "".join(
        f'<rect x="{axes.x(t) - axes.step / 2:.1f}" y="{axes.frame.top}" '
        f'width="{axes.step:.1f}" height="{axes.floor - axes.frame.top:.1f}" '
        f'fill="{ACTION_TINTS[action]}"/>'
        for t, action in enumerate(actions)
        if action in ACTION_TINTS
    )


def note(axes: Axes, words: str) -> str:
    """Words in the middle of an empty plot."""
    middle = axes.frame.left + (axes.frame.width - axes.frame.left - axes.frame.right) / 2
    return (
        f'<text x="{middle:.0f}" y="{(axes.frame.top + axes.floor) / 2:.0f}" '
        f'text-anchor="middle" fill="{MUTED}">{escape(words)}</text>'
    )


def hits(axes: Axes, words: Sequence[str]) -> str:
    """Invisible columns, one per frame, that say their words when pointed at."""
    return "".join(
        f'<rect class="hit" data-frame="{t}" x="{axes.x(t) - axes.step / 2:.1f}" '
        f'y="{axes.frame.top}" width="{axes.step:.1f}" '
        f'height="{axes.floor - axes.frame.top:.1f}" fill="transparent">'
        f"<title>{escape(text)}</title></rect>"
        for t, text in enumerate(words)
    )
