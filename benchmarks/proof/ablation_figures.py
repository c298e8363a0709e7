"""Figures of the ablations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from proof.ablation_page import (
    FIDELITY,
    Results,
    change,
    displacement,
    pooled,
    prior_figures,
    sized,
)
from proof.figures import BLUE, GRAY, INK, RED, STYLE
from proof.pools import known_mean
from proof.trials import PARTS
from proof.variants import LATENT, VARIANTS

mpl.use("Agg")
COLORS = dict(zip(PARTS, (INK, BLUE, RED), strict=True))
TITLES = dict(zip(PARTS, ("real predictions", "corrupted", "network"), strict=True))


def figures(results: Results, folder: Path, images: Path) -> Iterator[tuple[str, str]]:
    """Write them; name and caption of each."""
    images.mkdir(parents=True, exist_ok=True)
    mpl.rcParams.update(STYLE)
    for name, figure, caption in (
        (
            "ablations_switches.png",
            _switches(results),
            "Change of mean Dice and Hausdorff distance by each variant, against the shipped "
            "settings or, for trained priors, against 48 dimensions trained alike; 95 % "
            "intervals. Left of zero in the first column and right of it in the second is worse.",
        ),
        (
            "ablations_latent.png",
            _latent(results, folder),
            "Latent size: faithfulness on test patients, share of drawn codes that are valid, "
            "and Dice after the correction.",
        ),
        (
            "ablations_bank.png",
            _bank(results),
            "Size of the bank: way of the codes, Dice on invalid predictions, and cost.",
        ),
    ):
        figure.tight_layout()
        figure.savefig(images / name, dpi=130)
        plt.close(figure)
        yield name, caption


def _switches(results: Results) -> Figure:
    shown = [v for v in VARIANTS if v.name != v.against and v.name != "latent-48"]
    figure, axes = plt.subplots(1, 2, figsize=(9, 0.42 * len(shown) + 1.2), sharey=True)
    for ax, field, scale, label in zip(
        axes, ("dice", "hausdorff_mm"), (100, 1), ("Dice x 100", "Hausdorff, mm"), strict=True
    ):
        for k, part in enumerate(PARTS):
            for row, variant in enumerate(shown):
                found = change(results, variant, part, field, np.random.default_rng(0))
                y = len(shown) - row + 0.22 * (1 - k)
                low, high = scale * found.low, scale * found.high
                ax.plot([low, high], [y, y], color=COLORS[part], lw=1.5)
                name = TITLES[part] if row == 0 else None
                ax.plot(scale * found.value, y, "o", color=COLORS[part], ms=4, label=name)
        ax.axvline(0, color=GRAY, lw=1)
        ax.set(xlabel=f"change of {label}")
    rows = range(len(shown), 0, -1)
    axes[0].set_yticks(list(rows), [v.name for v in shown])
    axes[1].legend(frameon=False, fontsize=8, loc="best")
    return figure


def _latent(results: Results, folder: Path) -> Figure:
    sizes = [int(name.partition("-")[2]) for name in LATENT]
    found = [prior_figures(folder / name) for name in LATENT]
    figure, axes = plt.subplots(1, 3, figsize=(10, 3))
    for key, color in zip(FIDELITY, (RED, BLUE, INK), strict=True):
        axes[0].plot(sizes, [f[key] for f, _ in found], "o-", color=color, label=key[5:].upper())
    axes[0].set(ylabel="Dice, decoded codes")
    axes[0].legend(frameon=False, fontsize=8)
    axes[1].plot(sizes, [100 * share for _, share in found], "o-", color=BLUE)
    axes[1].set(ylabel="draws that are valid, %")
    for part in PARTS:
        dice = [_mean_dice(results, name, part) for name in LATENT]
        axes[2].plot(sizes, dice, "o-", color=COLORS[part], label=TITLES[part])
    axes[2].set(ylabel="mean Dice after the correction")
    axes[2].legend(frameon=False, fontsize=8)
    _sizes(axes, sizes, "latent dimensions")
    return figure


def _bank(results: Results) -> Figure:
    methods = {"nearest": BLUE, "dichotomic": INK, "full": RED}
    figure, axes = plt.subplots(1, 3, figsize=(10, 3))
    sizes: list[int] = []
    for method, color in methods.items():
        pools = sized(results, method)
        sizes = list(pools)
        moved = [displacement(results, method, size) for size in sizes]
        dice = [known_mean(np.nanmean(p.dice, 1)) for p in pools.values()]
        cost = [1000 * p.seconds.sum() / p.lengths.sum() for p in pools.values()]
        for ax, values in zip(axes, (moved, dice, cost), strict=True):
            ax.plot(sizes, values, "o-", color=color, label=method)
    for ax, label in zip(axes, ("way of the code", "mean Dice", "ms a frame"), strict=True):
        ax.set(ylabel=label)
    axes[2].set(ylim=(0, None))
    axes[2].legend(frameon=False, fontsize=8, loc="lower left")
    _sizes(axes, sizes, "codes in the bank")
    return figure


def _sizes(axes: Sequence[Axes], sizes: Sequence[int], label: str) -> None:
    for ax in axes:
        ax.set_xscale("log")
        ax.set_xticks(sizes, [str(size) for size in sizes], fontsize=7)
        ax.minorticks_off()
        ax.set(xlabel=label)


def _mean_dice(results: Results, name: str, part: str) -> float:
    return known_mean(np.nanmean(pooled(results, name, part).dice, axis=1))
