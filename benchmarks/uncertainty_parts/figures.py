"""The figures of the page; hearts in them are drawn ones, never a patient's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from numpy.typing import NDArray

from cardiovae.calibration.risk import risk_coverage
from cardiovae.uncertainty.record import Doubt
from uncertainty_parts.cases import Case

Array = NDArray[np.float64]
BLUE, ORANGE, GREEN, GRAY = "#0072B2", "#D55E00", "#009E73", "#888888"


def reliability_figure(found: Mapping[str, Any], path: Path) -> None:
    """Stated probability of failure against the observed share, a panel for each judge."""
    figure, panels = plt.subplots(1, len(found), figsize=(4.4 * len(found), 4.0), squeeze=False)
    for panel, (title, table) in zip(panels[0], found.items(), strict=True):
        known = table.count > 0
        x, y = table.predicted[known], table.observed[known]
        spread = np.clip(np.stack([y - table.low[known], table.high[known] - y]), 0, None)
        panel.plot([0, 1], [0, 1], color=GRAY, lw=1, ls="--")
        panel.errorbar(x, y, spread, fmt="o", color=BLUE, ecolor=GRAY, ms=5, lw=1)
        panel.set(xlim=(0, 1), ylim=(0, 1), title=title, xlabel="stated probability of failure")
        panel.grid(alpha=0.3)
    panels[0][0].set_ylabel("observed share, Dice below 0.85")
    _save(figure, path)


def risk_figure(columns: Mapping[str, Array], dice: Array, path: Path) -> None:
    """What is lost on average when only the least doubtful frames are kept."""
    figure, panel = plt.subplots(figsize=(6.4, 4.4))
    colors = [BLUE, ORANGE, GREEN, "#CC79A7", "#E69F00", "#56B4E9"]
    for color, (name, values) in zip(colors, columns.items(), strict=False):
        known = np.isfinite(values) & np.isfinite(dice)
        if not known.any():
            continue
        curve = risk_coverage(values[known], 1 - dice[known])
        panel.plot(100 * curve.coverage, curve.risk, color=color, lw=1.8, label=name)
    known = np.isfinite(dice)
    best = risk_coverage(1 - dice[known], 1 - dice[known])
    panel.plot(100 * best.coverage, best.risk, color=GRAY, lw=1.2, ls="--", label="best order")
    panel.set(xlabel="frames kept, %", ylabel="mean 1 - Dice of those kept")
    panel.legend(frameon=False, fontsize=9)
    panel.grid(alpha=0.3)
    _save(figure, path)


def intervals_figure(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Ejection fractions with their 90 % intervals beside the true ones."""
    figure, panels = plt.subplots(1, len(rows), figsize=(5.2 * len(rows), 4.4), squeeze=False)
    for panel, row in zip(panels[0], rows, strict=True):
        true, value = row["true"], row["value"]
        low, high = np.clip(row["low"], 0, 100), np.clip(row["high"], 0, 100)
        held = (row["low"] <= true) & (true <= row["high"])
        for inside, color in ((held, BLUE), (~held, ORANGE)):
            panel.vlines(true[inside], low[inside], high[inside], color=color, lw=0.8, alpha=0.5)
            panel.plot(true[inside], value[inside], ".", color=color, ms=4)
        panel.plot([0, 90], [0, 90], color=GRAY, lw=1, ls="--")
        panel.set(xlim=(0, 90), ylim=(0, 100), title=row["title"], xlabel="true EF, %")
        panel.grid(alpha=0.3)
    panels[0][0].set_ylabel("EF of the result with its 90 % interval, %")
    _save(figure, path)


def examples_figure(found: Sequence[tuple[Case, Doubt, Any]], path: Path) -> None:
    """Drawn hearts: image, network, doubt by the image, doubt by the shape, true errors."""
    titles = ("simulated image", "network", "doubt by the image", "doubt by the shape", "errors")
    figure, panels = plt.subplots(
        len(found), len(titles), figsize=(2.5 * len(titles), 2.6 * len(found)), squeeze=False
    )
    for number, (row, (case, doubt, t)) in enumerate(zip(panels, found, strict=True)):
        labels, image = case.sequence.labels[:, :, t], case.images[:, :, t]
        error = labels != case.truth[:, :, t]
        shown = (
            (image, "gray", 255), (labels, "viridis", 3), (doubt.image[:, :, t], "magma", 1),
            (doubt.posterior[:, :, t], "magma", 1), (error, "gray", 1),
        )  # fmt: skip
        for panel, title, (pixels, colors, top) in zip(row, titles, shown, strict=True):
            panel.imshow(pixels, cmap=colors, vmin=0, vmax=top, interpolation="nearest")
            panel.set_axis_off()
            if number == 0:
                panel.set_title(title, fontsize=9)
    _save(figure, path)


def _save(figure: Any, path: Path) -> None:
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)
