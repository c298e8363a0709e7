"""Figures of the page: aggregate numbers and drawn hearts alone, never real data."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cardiovae.correction.correct import correct_sequence
from cardiovae.labels import Label
from proof.cases import IMAGES, Settings, cases, cine_index, phantom, simulated
from proof.pools import known_mean
from proof.units import CONFIG, prior_and_bank
from proof.verdicts import FULL, INPUT, Measured

mpl.use("Agg")
INK, GRAY, RED, BLUE = "#222222", "#8a8a8a", "#c0392b", "#1f5fa8"
STYLE = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "font.family": "sans",
}
LABEL_COLORS = {Label.LV: "#e4572e", Label.MYO: "#2e9e6b", Label.LA: "#3d7dd8"}
PARTS = {
    "a": "real predictions, invalid frames",
    "c corrupted": "corrupted phantoms, all frames",
    "c network": "segmented phantoms, all frames",
}


def figures(m: Measured, settings: Settings, folder: Path) -> Iterator[tuple[str, str]]:
    """Write what can be drawn; name and caption of each file."""
    folder.mkdir(parents=True, exist_ok=True)
    mpl.rcParams.update(STYLE)
    parts = [part for part in PARTS if m.groups(part)]
    if parts:
        _save(_overlap(m, parts), folder / "quality_overlap.png")
        yield (
            "quality_overlap.png",
            "Mean Dice and Hausdorff distance over the structures of every method; up and left "
            "is better. Single frames: those that fail `camus` in the input.",
        )
    if m.groups("c"):
        _save(_agreement(m), folder / "quality_ejection.png")
        yield (
            "quality_ejection.png",
            "Ejection fraction of the phantom cines, measured minus true (Bland-Altman): mean "
            "and limits of agreement.",
        )
        _save(_areas(m), folder / "quality_areas.png")
        yield "quality_areas.png", "LV area of three phantom cines: true, input, corrected."
        _save(_pictures(m, settings), folder / "quality_cine.png")
        yield (
            "quality_cine.png",
            "A phantom cine: simulated B-mode image, the network's labels, the result of `full`, "
            "the truth. Frames spread over the cycle, the invalid ones first.",
        )


def _save(figure: Figure, path: Path) -> None:
    figure.savefig(path, dpi=110, bbox_inches="tight", metadata={"Software": None})
    plt.close(figure)


def _overlap(m: Measured, parts: list[str]) -> Figure:
    figure, axes = plt.subplots(1, len(parts), figsize=(4.8 * len(parts), 4), squeeze=False)
    for ax, part in zip(axes[0], parts, strict=True):
        given = m.pool(part, INPUT)
        rows = ~given.valid[:, 0] if part == "a" else np.ones(len(given.valid), bool)
        points = {}
        for name in m.methods:
            found = m.pool(part, name)
            points[name] = known_mean(found.hausdorff_mm[rows]), known_mean(found.dice[rows])
        ax.margins(0.1)
        _scatter(ax, points)
        ax.set(title=PARTS[part], xlabel="Hausdorff distance, mm", ylabel="Dice")
    figure.tight_layout()
    return figure


def _scatter(ax: Axes, points: dict[str, tuple[float, float]]) -> None:
    """Points, named in a column beside them."""
    names = sorted(points, key=lambda name: -points[name][1])
    for name in names:
        color = {FULL: RED, INPUT: INK}.get(name, BLUE)
        ax.plot(*points[name], "o", color=color, ms=4 if color == BLUE else 6)
    low, high = ax.get_ylim()
    wanted = [(points[name][1] - low) / (high - low) for name in names]
    for name, height in zip(names, spaced(wanted, 0.058), strict=True):
        ax.annotate(
            name,
            points[name],
            (1.04, height),
            textcoords="axes fraction",
            va="center",
            fontsize=7,
            color={FULL: RED, INPUT: INK}.get(name, BLUE),
            arrowprops={"arrowstyle": "-", "color": GRAY, "lw": 0.4, "relpos": (0, 0.5)},
        )


def spaced(heights: list[float], gap: float) -> list[float]:
    """Falling heights moved apart as little as keeps `gap` between neighbors, none below 0.

    Examples:
        >>> [round(h, 2) for h in spaced([0.5, 0.5, 0.1], 0.1)]
        [0.5, 0.4, 0.1]
        >>> [round(h, 2) for h in spaced([0.05, 0.05], 0.1)]
        [0.1, 0.0]
    """
    found = list(heights)
    for i in range(1, len(found)):
        found[i] = min(found[i], found[i - 1] - gap)
    floor = 0.0
    for i in reversed(range(len(found))):
        found[i] = max(found[i], floor)
        floor = found[i] + gap
    return found


def _agreement(m: Measured) -> Figure:
    parts = [part for part in ("c corrupted", "c network") if m.groups(part)]
    figure, axes = plt.subplots(
        len(parts), 2, figsize=(8, 3 * len(parts)), squeeze=False, sharex=True, sharey=True
    )
    for row, part in zip(axes, parts, strict=True):
        for ax, name in zip(row, (INPUT, FULL), strict=True):
            found = m.pool(part, name)
            error = found.ef - found.ef_true
            ax.plot((found.ef + found.ef_true) / 2, error, ".", color=BLUE, ms=3, alpha=0.6)
            known = error[np.isfinite(error)]
            mean, sd = (known.mean(), known.std(ddof=1)) if known.size > 1 else (np.nan, np.nan)
            for value, style in ((mean, "-"), (mean - 1.96 * sd, "--"), (mean + 1.96 * sd, "--")):
                ax.axhline(value, color=RED, lw=1, ls=style)
            title = f"{PARTS[part].partition(',')[0]}: {'input' if name == INPUT else name}"
            ax.set(title=title, ylabel="measured minus true, points")
    for ax in axes[-1]:
        ax.set(xlabel="mean of measured and true EF, %")
    figure.tight_layout()
    return figure


def _areas(m: Measured) -> Figure:
    groups = m.groups("c")
    chosen = [groups[min(1, len(groups) - 1)], groups[len(groups) // 2], groups[-1]]
    figure, axes = plt.subplots(1, 3, figsize=(12, 3))
    for ax, group, i in zip(axes, chosen, (0, 1, 2), strict=True):
        given, found = (m.records[group, name] for name in (INPUT, FULL))
        case = min(i, len(given) - 1)
        true = given[case]["reference_area_mm2"]
        for values, color, label in (
            (given[case]["area_mm2"], GRAY, "input"),
            (found[case]["area_mm2"], RED, "corrected"),
            (true, INK, "true"),
        ):
            ax.plot(np.array(values) / 100, color=color, lw=1.5, label=label)
        ax.set(title=group, xlabel="frame", ylabel="LV area, cm2", ylim=(0, 1.5 * max(true) / 100))
        ax.legend(frameon=False, fontsize=8)
    return figure


def _pictures(m: Measured, settings: Settings) -> Figure:
    """The network cine with the median number of invalid frames."""
    level = next(name for name in reversed(IMAGES) if f"c/{name}" in m.groups("c"))
    records = m.records[f"c/{level}", INPUT]
    n_invalid = [sum(not ok for ok in r["valid"][0]) for r in records]
    chosen = int(np.argsort(n_invalid, kind="stable")[len(records) // 2])
    case = next(cases(f"c/{level}", settings, chosen, chosen + 1))
    done = correct_sequence(case.sequence, *prior_and_bank(settings.prior), CONFIG)
    name, drawn = phantom(cine_index(level, chosen), settings)
    images = simulated(name, drawn, level, settings)
    bad = done.before[0].invalid_frames
    frames = sorted({*bad[:: max(1, len(bad) // 3)][:3], 0, case.sequence.n_frames // 2})[:4]
    figure, axes = plt.subplots(4, len(frames), figsize=(2.6 * len(frames), 8.4), squeeze=False)
    row_names = ("image", "network", "corrected", "truth")
    maps = (None, case.sequence.labels, done.sequence.labels, case.truth)
    for row, title, labels in zip(axes, row_names, maps, strict=True):
        for ax, t in zip(row, frames, strict=True):
            _show(ax, images[:, :, t], None if labels is None else labels[:, :, t])
            invalid = title == "network" and t in bad
            ax.set_title(f"{title}, frame {t}{', invalid' if invalid else ''}", fontsize=8)
    figure.tight_layout()
    return figure


def _show(ax: Axes, image: NDArray[np.uint8], labels: NDArray[np.uint8] | None) -> None:
    ax.imshow(image, cmap="gray", vmin=0, vmax=255)
    if labels is not None:
        for label, color in LABEL_COLORS.items():
            if (labels == label).any():
                ax.contour(labels == label, [0.5], colors=[color], linewidths=1)
    ax.axis("off")
