"""Reliability diagrams and risk-coverage curves, as SVG text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from cardiovae.report.axes import nice_range
from cardiovae.report.palette import GRID, INK, MUTED
from cardiovae.report.planes import Plane, grid, svg, titles
from cardiovae.report.population_figures import LETTER, color_of
from cardiovae.report.wording import count, is_number, number

UNIT: tuple[float, float, list[float]] = (0.0, 1.0, [0.0, 0.2, 0.4, 0.6, 0.8, 1.0])
POINT = "#0077bb"
SHARE_HEIGHT = 46  # pixels of the bars that say how many cases a bin holds
LEGEND = 180  # pixels at least


def reliability_diagram(
    rows: Sequence[Mapping[str, Any]], *, title: str, across: str, up: str, unit: str
) -> str:
    """Observed against stated shares with 95 % intervals; on the diagonal they agree.

    Args:
        rows: Of "reliability" in the record.
        title: What is stated.
        across: Name of the stated share.
        up: Name of the observed share.
        unit: What is counted, such as "frame".
    """
    plane = Plane(400, 400, UNIT, UNIT)
    total = sum(row["count"] for row in rows)
    most = max((row["count"] for row in rows), default=1)
    floor = plane.height - plane.bottom
    bars = "".join(
        f'<rect x="{plane.x(row["low_edge"]) + 1:.1f}" '
        f'y="{floor - SHARE_HEIGHT * row["count"] / most:.1f}" '
        f'width="{plane.x(row["high_edge"]) - plane.x(row["low_edge"]) - 2:.1f}" '
        f'height="{SHARE_HEIGHT * row["count"] / most:.1f}" fill="{GRID}"/>'
        for row in rows
    )
    parts = [
        bars,
        grid(plane),
        f'<line x1="{plane.x(0):.1f}" y1="{plane.y(0):.1f}" x2="{plane.x(1):.1f}" '
        f'y2="{plane.y(1):.1f}" stroke="{MUTED}" stroke-dasharray="4 3"/>',
        titles(plane, title, across, up),
        *(_bin(plane, row, total, unit) for row in rows if is_number(row["observed"])),
    ]
    return svg(plane, f"{title}: observed against stated", parts)


def risk_figure(curves: Mapping[str, Any], names: Mapping[str, str], *, title: str) -> str:
    """Mean loss of the frames kept, against the share kept; the lower the better.

    Args:
        curves: "curves" of the record.
        names: Signals to draw and what they are called, the best first.
        title: Of the figure.
    """
    drawn = {name: curves["risk"][name] for name in names if name in curves["risk"]}
    values = [v for risk in drawn.values() for v in risk] + [0.0, *(curves["oracle"] or [])]
    x_range = (0.0, 100.0, [0.0, 20.0, 40.0, 60.0, 80.0, 100.0])
    longest = max((len(names[name]) for name in drawn), default=0)
    legend = max(LEGEND, round(longest * LETTER) + 52)
    plane = Plane(560 + legend, 400, x_range, nice_range(values, n_ticks=5), right=legend)
    at = [100 * share for share in curves["coverage"]]
    parts = [grid(plane), titles(plane, title, "frames kept, least doubt first (%)", "1 - Dice")]
    lines = [(names[n], risk, color_of(i), "") for i, (n, risk) in enumerate(drawn.items())]
    if curves["oracle"]:
        lines.append(("best order there is", curves["oracle"], INK, "5 4"))
    for i, (name, risk, color, dash) in enumerate(lines):
        path = " ".join(
            f"{plane.x(x):.1f},{plane.y(y):.1f}" for x, y in zip(at, risk, strict=True)
        )
        y = plane.top + 14 + 22 * i
        x = plane.width - plane.right + 16
        parts.append(
            f'<g><polyline points="{path}" fill="none" stroke="{color}" stroke-width="2" '
            f'stroke-dasharray="{dash}"><title>{escape(name)}</title></polyline>'
            f'<line x1="{x}" x2="{x + 22}" y1="{y - 4}" y2="{y - 4}" stroke="{color}" '
            f'stroke-width="3" stroke-dasharray="{dash}"/>'
            f'<text x="{x + 28}" y="{y}" fill="{INK}">{escape(name)}</text></g>'
        )
    return svg(plane, f"{title}: mean loss against share of frames kept", parts)


def _bin(plane: Plane, row: Mapping[str, Any], total: int, unit: str) -> str:
    x, y = plane.x(row["predicted"]), plane.y(row["observed"])
    whisker = ""
    words = f"stated {number(row['predicted'], 3)}, observed {number(row['observed'], 3)}"
    if is_number(row["low"]) and is_number(row["high"]):
        whisker = (
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{plane.y(row["low"]):.1f}" '
            f'y2="{plane.y(row["high"]):.1f}" stroke="{POINT}" stroke-width="1.5"/>'
        )
        words += f" ({number(row['low'], 3)} to {number(row['high'], 3)})"
    words += f"; {count(row['count'], unit)}, {100 * row['count'] / total:.1f} %"
    return (
        f'<g>{whisker}<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5" fill="{POINT}" stroke="#fff"/>'
        f"<title>{escape(words)}</title></g>"
    )
