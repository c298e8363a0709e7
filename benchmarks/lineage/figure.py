"""The overview plot: faithful against valid."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from lineage.entries import NAMES, Entry
from lineage.page import estimate


def overview(found: Mapping[Entry, Mapping[str, Any]], path: Path) -> None:
    """One panel for each set of training data, a point for each model."""
    data = list(dict.fromkeys(entry.data for entry in found))
    figure, panels = plt.subplots(1, len(data), figsize=(5.2 * len(data), 4.6), squeeze=False)
    for panel, name in zip(panels[0], data, strict=True):
        points = []
        for entry, f in found.items():
            if entry.data == name:
                dice = np.mean([estimate(v).value for v in f["reconstruction"]["dice"]])
                valid = 100 * estimate(f["draws"]["parzen"]["camus"]).value
                points.append((float(dice), valid, entry.model))
        for x, y, model in points:
            panel.plot(x, y, "o", color="#0072B2")
            offset, side = _beside(x, y, points)
            panel.annotate(model, (x, y), offset, textcoords="offset points", fontsize=8, ha=side)
        panel.set_title(f"trained on {NAMES[name]}", fontsize=10)
        panel.set_xlabel("Dice of encode-decode, mean of structures")
        panel.set_ylabel("Parzen draws that pass camus, %")
        panel.margins(0.15)
        panel.grid(alpha=0.3)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _beside(
    x: float, y: float, points: list[tuple[float, float, str]]
) -> tuple[tuple[int, int], str]:
    """Where a point's name goes so that those of its neighbors have room.

    The leftmost of several is named on its left, the highest of the others above, the rest below.
    """
    near = sorted(p[:2] for p in points if abs(p[0] - x) < 0.004 and abs(p[1] - y) < 5)
    if len(near) > 1 and (x, y) == near[0]:
        return (-5, -3), "right"
    highest = max(near[1:] or near, key=lambda p: p[1])
    return ((4, 4) if (x, y) == highest else (4, -11)), "left"
