"""Compare the drawn hearts with the masks of CAMUS and write the table of docs/explanation.

Run from the repository's root, with the folder that holds `camus224_dev.npz`:

    python benchmarks/phantom_statistics.py ../shared/data

Both sides are measured by the same code on grids of the same kind. Only means, SDs and
correlations reach the page.
"""

from __future__ import annotations

import math
import sys
import warnings
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cardiovae.attributes import ATTRIBUTES, measure_attributes
from cardiovae.labels import Label
from cardiovae.landmarks import Landmarks
from cardiovae.morphology import Mask, dilate
from cardiovae.phantom.cohort import phantom_cohort

PAGE = Path(__file__).resolve().parent.parent / "docs" / "explanation" / "phantom.md"
BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"
N_PHANTOMS = 300
SLICES = (np.arange(20) + 0.5) / 20
UNITS = {"lv_area": 100.0, "myo_area": 100.0, "la_area": 100.0}
ROWS = {
    "lv_area": "LV area, cm2",
    "myo_area": "MYO area, cm2",
    "la_area": "LA area, cm2",
    "lv_length": "LV length, mm",
    "max_width": "LV largest width, mm",
    "mid_width": "LV mid width, mm",
    "lv_base_width": "annulus width, mm",
    "wall_mean": "wall, mean, mm",
    "wall_min": "wall, thinnest, mm",
    "wall_max": "wall, thickest, mm",
    "wall_apex": "wall, apex, mm",
    "la_length": "LA length, mm",
    "la_width": "LA largest width, mm",
    "lv_orientation": "LV inertia axis, deg",
    "axis_tilt": "apex-base axis, deg",
    "annulus_tilt": "annulus against the axis, deg",
    "la_angle": "LA against the axis, deg",
    "apex_depth": "apex depth, mm",
    "top_depth": "epicardial top, depth, mm",
    "base_depth": "annulus depth, mm",
    "epi_center_y": "epicardial center, depth, mm",
    "epi_offset": "epicardial center from image middle, mm",
    "image_depth": "image depth, mm",
    "la_at_bottom": "LA reaches the image's bottom, share",
    "contact": "MYO-LA contact over heart width",
    "volume": "single-plane volume, ml",
}
PAIRS = (
    ("lv_length", "max_width"),
    ("max_width", "lv_base_width"),
    ("max_width", "la_area"),
    ("lv_base_width", "la_width"),
    ("image_depth", "la_length"),
    ("wall_mean", "max_width"),
)
Values = NDArray[np.float64]
Table = dict[tuple[str, str], dict[str, Values]]


def slice_widths(mask: NDArray[np.bool_], depth: Values, lateral: Values, at: Values) -> Values:
    """Width of `mask` across the axis at depths `at`, one pixel row of the axis each."""
    pixel = float(np.abs(np.diff(depth, axis=0)).max())
    widths = []
    for level in at:
        there = lateral[mask & (np.abs(depth - level) <= pixel / 2)]
        widths.append(float(np.ptp(there)) + pixel if there.size else math.nan)
    return np.array(widths)


def measure(labels: NDArray[np.uint8], spacing: tuple[float, float]) -> dict[str, float]:
    """All quantities of the table for one frame; NaN where the landmarks are not found."""
    found = measure_attributes(labels, spacing)
    values = {name: found[name] for name in ATTRIBUTES}
    marks = found.landmarks
    if marks.reason:
        names = (*ATTRIBUTES, *ROWS, *(f"slice{i}" for i in range(20)))
        return dict.fromkeys(names, math.nan)
    apex, base = np.array(marks.apex_mm), np.array(marks.base_mm)
    length = float(np.linalg.norm(base - apex))
    down = (base - apex) / length
    across = np.array([-down[1], down[0]])
    y = np.arange(labels.shape[0])[:, None] * spacing[0]
    x = np.arange(labels.shape[1])[None, :] * spacing[1]
    depth = (y - apex[0]) * down[0] + (x - apex[1]) * down[1]
    lateral = (y - apex[0]) * across[0] + (x - apex[1]) * across[1]
    lv, myo, la = (labels == s for s in (Label.LV, Label.MYO, Label.LA))
    widths = slice_widths(lv, depth, lateral, SLICES * length)
    widest = float(np.nanmax(widths))
    hinges = np.array(marks.hinge_right_mm) - np.array(marks.hinge_left_mm)
    middle = (labels.shape[1] - 1) / 2 * spacing[1]
    values |= {f"slice{i}": float(w) / widest for i, w in enumerate(widths)}
    values |= {
        "max_width": widest,
        "mid_width": float(widths[9:11].mean()),
        "axis_tilt": math.degrees(math.atan2(down[1], down[0])),
        "annulus_tilt": math.degrees(math.atan2(hinges @ down, hinges @ across)),
        "apex_depth": float(apex[0]),
        "base_depth": float(base[0]),
        "top_depth": float(np.flatnonzero((lv | myo).any(1))[0] * spacing[0]),
        "epi_offset": values["epi_center_x"] - middle,
        "image_depth": labels.shape[0] * spacing[0],
        "volume": math.pi / 4 * float(np.nansum(widths**2)) * length / 20 / 1000,
        "contact": np.count_nonzero(dilate(la) & myo) / (np.ptp(np.flatnonzero(myo.any(0))) + 1),
    }
    return (
        values
        | _walls(lv, myo, marks, spacing, depth / length)
        | _atrium(la, base, (down, across), spacing)
    )


def _walls(
    lv: Mask, myo: Mask, marks: Landmarks, spacing: tuple[float, float], share: Values
) -> dict[str, float]:
    """Distance from the LV's contour to the outside, more than 20 mm from the hinges."""
    outside = ndimage.distance_transform_edt(np.pad(lv | myo, 1), sampling=spacing)[1:-1, 1:-1]
    rim = lv & dilate(~lv)
    points = np.argwhere(rim) * spacing
    far = (
        np.min(
            [
                np.linalg.norm(points - h, axis=1)
                for h in (marks.hinge_left_mm, marks.hinge_right_mm)
            ],
            axis=0,
        )
        > 20
    )
    wall = outside[rim] - max(spacing)
    if not far.any():
        return dict.fromkeys(("wall_mean", "wall_min", "wall_max", "wall_apex"), math.nan)
    tip = wall[share[rim] < 0.1]
    return {
        "wall_mean": float(wall[far].mean()),
        "wall_min": float(wall[far].min()),
        "wall_max": float(wall[far].max()),
        "wall_apex": float(tip.mean()) if tip.size else math.nan,
    }


def _atrium(
    la: Mask, base: Values, axes: tuple[Values, Values], spacing: tuple[float, float]
) -> dict[str, float]:
    points = np.argwhere(la) * spacing - base
    own = points.mean(0) / np.linalg.norm(points.mean(0))
    depth = points @ own
    lateral = points @ np.array([-own[1], own[0]])
    levels = (np.arange(12) + 0.5) / 12 * depth.max()
    rows = [lateral[np.abs(depth - level) <= max(spacing) / 2] for level in levels]
    return {
        "la_length": float(depth.max()),
        "la_width": max(float(np.ptp(r)) for r in rows if r.size) + max(spacing),
        "la_angle": math.degrees(math.atan2(own @ axes[1], own @ axes[0])),
        "la_at_bottom": float(np.flatnonzero(la.any(1))[-1] >= la.shape[0] - 2),
    }


def table(frames: Iterable[dict[str, float]]) -> Table:
    """Columns per view and instant, of frames in the order A2C ED, ES, A4C ED, ES per patient."""
    rows = list(frames)
    keys = [(view, instant) for view in ("A2C", "A4C") for instant in ("ED", "ES")]
    return {
        key: {name: np.array([r[name] for r in rows[i::4]]) for name in rows[0]}
        for i, key in enumerate(keys)
    }


def camus_frames(folder: Path) -> Iterable[dict[str, float]]:
    """Frames of the dev data: patient by patient, 2CH ED, ES, 4CH ED, ES."""
    with np.load(folder / "camus224_dev.npz") as data:
        for labels, (row, col) in zip(data["masks"], data["spacing_mm"], strict=True):
            yield measure(labels, (float(row), float(col)))


def phantom_frames() -> Iterable[dict[str, float]]:
    """ED and ES of the cohort on the same kind of grid: 224 x 224, anisotropic."""
    drawn = phantom_cohort(N_PHANTOMS, 1, n_frames=2, spacing_mm=None, shape=(224, 224))
    for phantom, _, _ in drawn:
        sequence = phantom.sequence
        assert sequence.spacing_mm is not None
        for t in (0, 1):
            yield measure(sequence.frame(t), sequence.spacing_mm)


def _cell(values: Values, unit: float = 1.0, digits: int = 1) -> str:
    return f"{np.nanmean(values) / unit:.{digits}f} ± {np.nanstd(values) / unit:.{digits}f}"


def _correlation(a: Values, b: Values) -> float:
    ok = np.isfinite(a) & np.isfinite(b)
    return float(np.corrcoef(a[ok], b[ok])[0, 1])


def page(real: Table, drawn: Table) -> str:
    """The generated part of the page."""
    keys = list(real)
    lines = ["Each cell: CAMUS (mean ± SD) / phantom.", ""]
    lines += ["| quantity | " + " | ".join(f"{v} {i}" for v, i in keys) + " |"]
    lines += ["|---" * 5 + "|"]
    for name, title in ROWS.items():
        digits = 2 if name in ("contact", "la_at_bottom") else 1
        cells = [
            " / ".join(_cell(s[k][name], UNITS.get(name, 1.0), digits) for s in (real, drawn))
            for k in keys
        ]
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    lines += ["", "From ED to ES, per heart, and correlations at ED:", ""]
    lines += ["| quantity | A2C | A4C |", "|---|---|---|"]
    changes = {
        "ejection fraction, single plane": lambda a, b: 1 - b["volume"] / a["volume"],
        "fractional area change": lambda a, b: 1 - b["lv_area"] / a["lv_area"],
        "longitudinal shortening": lambda a, b: 1 - b["lv_length"] / a["lv_length"],
        "wall thickening": lambda a, b: b["wall_mean"] / a["wall_mean"],
        "MYO area ratio": lambda a, b: b["myo_area"] / a["myo_area"],
        "LV length over largest width, ED": lambda a, b: a["lv_length"] / a["max_width"],
    }
    for title, change in changes.items():
        cells = [
            " / ".join(_cell(change(s[v, "ED"], s[v, "ES"]), digits=3) for s in (real, drawn))
            for v in ("A2C", "A4C")
        ]
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    for first, second in PAIRS:
        cells = [
            " / ".join(
                f"{_correlation(s[v, 'ED'][first], s[v, 'ED'][second]):.2f}" for s in (real, drawn)
            )
            for v in ("A2C", "A4C")
        ]
        lines.append(f"| r({first}, {second}) | " + " | ".join(cells) + " |")
    lines += ["", "LV width over its largest width, 20 slices from apex to annulus:", ""]
    for view, instant in keys:
        for side, name in ((real, "CAMUS"), (drawn, "phantom")):
            means = [np.nanmean(side[view, instant][f"slice{i}"]) for i in range(20)]
            profile = " ".join(f"{mean:.2f}" for mean in means)
            lines.append(f"    {view} {instant} {name:8}{profile}")
    return "\n".join(lines)


def main() -> None:
    """Measure both sides and put the tables between the marks of the page."""
    warnings.simplefilter("ignore", RuntimeWarning)  # a slice may be empty in every frame
    real, drawn = table(camus_frames(Path(sys.argv[1]))), table(phantom_frames())
    text = PAGE.read_text(encoding="utf-8")
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    PAGE.write_text(f"{before}{BEGIN}\n{page(real, drawn)}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
