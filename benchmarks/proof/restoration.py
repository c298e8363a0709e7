"""The page about restored images, docs/explanation/restoration.md, and its figure."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from numpy.typing import NDArray

from cardiovae.baselines.restore import RestoreConfig
from cardiovae.intervals.bootstrap import Interval, mean_by_patient
from cardiovae.labels import STRUCTURES
from cardiovae.report.palette import STRUCTURE_COLORS
from proof.text import interval, with_interval
from proof.versions import commit, machine

mpl.use("Agg")
INPUT = "as it is"
REMEDIES = {
    INPUT: "as it is",
    "median": "median filter, 5 x 5 pixels",
    "denoise": "restored, no skip connections",
    "denoise-skip": "restored, symmetric skip connections",
}
COLUMNS = ("poor", "no skip connections", "skip connections", "good window", "clean")
Key = tuple[str, str]  # quality, remedy
Row = tuple[Sequence[NDArray[np.float32]], Sequence[NDArray[np.uint8]]]


@dataclass(frozen=True)
class Scores:
    """What was measured of one image: against the clean one, and of its segmentation."""

    patient: int
    psnr_db: float
    ssim: float
    dice: tuple[float, ...]

    def values(self) -> tuple[float, ...]:
        """The numbers in the order of the table's columns."""
        return (self.psnr_db, self.ssim, *self.dice)


@dataclass(frozen=True, eq=False)
class Measured:
    """All that the page says: settings, seconds and weights of each network, scores by image."""

    config: RestoreConfig
    seconds: Mapping[str, float]
    weights: Mapping[str, int]
    severities: Mapping[str, float]
    scores: Mapping[Key, Sequence[Scores]]

    def mean(self, key: Key, column: int) -> Interval:
        """Mean of a column with its interval by patient."""
        rows = self.scores[key]
        return self._interval([r.values()[column] for r in rows], rows)

    def gain(self, key: Key, column: int) -> Interval:
        """Mean difference to the same images as they are, paired by image."""
        rows, plain = self.scores[key], self.scores[key[0], INPUT]
        pairs = zip(rows, plain, strict=True)
        return self._interval([a.values()[column] - b.values()[column] for a, b in pairs], rows)

    def _interval(self, values: Sequence[float], rows: Sequence[Scores]) -> Interval:
        patients = [r.patient for r in rows]
        return mean_by_patient(values, patients, rng=np.random.default_rng(0))


def write_page(m: Measured) -> str:
    """The page as Markdown."""
    any_rows = m.scores["clean", INPUT]
    n_patients = len({row.patient for row in any_rows})
    c = m.config
    lines = [
        "# Denoising as image restoration",
        "",
        f"Generated on {datetime.datetime.now(tz=datetime.UTC).date()} by "
        f"`python benchmarks/restore_images.py` at commit {commit()}, {machine()}. "
        "Simulated images of drawn hearts alone; how it is used: "
        "[how-to](../how-to/restore-images.md).",
        "",
        "The two networks of `--method denoise` and `denoise-skip` (MONAI's `AutoEncoder`, where "
        "everything passes a bottleneck, and `UNet`, with symmetric skip connections) learn from "
        "pairs of simulated B-mode images: a poor one in, the clean one of the same heart out "
        "(good window, no drop-out, speckle averaged out). They minimize the mean squared error "
        f"on {2 * c.n_hearts * c.n_frames} pairs, severities {c.best:g} to {c.worst:g}, in "
        f"{c.n_steps} steps of {c.batch_size} images of 128 x 128 pixels:",
        "",
        *(
            f"- {REMEDIES[name]}: {m.weights[name] / 1e6:.2f} million weights, "
            f"{seconds:.0f} s of one core"
            for name, seconds in m.seconds.items()
        ),
        "",
        f"Measured on {len(any_rows)} images of {n_patients} other drawn patients for each "
        "quality. PSNR and SSIM compare with the clean image, inside the sector. Dice is that of "
        "a U-Net (`benchmarks/phantom_unet.py`) which was trained on images of good to middling "
        "quality and has seen no restored one. Brackets: 95 % bootstrap intervals that draw "
        "whole patients.",
        "",
        *_table(m),
        "",
        "## What it pays",
        "",
        "Differences to the same images as they are, paired; Dice is the mean of the three "
        "structures times 100.",
        "",
        *_gains(m),
        "",
        f"![Three hearts: {', '.join(COLUMNS)}](../images/restoration.png)",
        "",
        "*Lines: what the U-Net finds. Columns: the poor image, the same restored without and "
        "with skip connections, another image of the same heart in a good window, and the clean "
        "one that the networks are to come close to.*",
        "",
        "## How to read it",
        "",
        "- *Good* is another image of the same heart in a good window, with speckle of its own: "
        "its PSNR and SSIM say how far apart two good images are, not what can be reached.",
        "- PSNR and SSIM reward the right brightness and the absence of speckle. Dice says "
        "whether the borders are still where the heart has them.",
        "- The budget is small, minutes of one core. With less, both networks were clearly worse; "
        "with more they may be better.",
        "- A network that sees a shadow paints what hearts usually have there. The picture gets "
        "better, and what it shows there was not measured. No verb of the program restores "
        "images, and no contour should be drawn on one for a measurement.",
        "- Drawn hearts and a simulated scanner: none of these numbers is about real images.",
        "",
    ]
    return "\n".join(lines)


def _table(m: Measured) -> Iterator[str]:
    """Means of every quality and remedy."""
    yield (
        "| image | | PSNR, dB | SSIM | " + " | ".join(f"Dice {s.name}" for s in STRUCTURES) + " |"
    )
    yield "|---|---|---|---|---|---|---|"
    for key in m.scores:
        quality, remedy = key
        name = quality
        if quality in m.severities:
            name += f", severity {m.severities[quality]:g}"
        exact = quality == "clean"  # compared with itself
        cells = [
            "-" if exact and column < 2 else interval(m.mean(key, column), digits)
            for column, digits in enumerate((1, 3, 3, 3, 3))
        ]
        yield f"| {name} | {REMEDIES[remedy]} | {' | '.join(cells)} |"


def _gains(m: Measured) -> Iterator[str]:
    """What each remedy changes."""
    yield "| image | | PSNR, dB | SSIM | Dice x 100 | |"
    yield "|---|---|---|---|---|---|"
    for quality in m.severities:
        for remedy in list(REMEDIES)[1:]:
            key = quality, remedy
            dice = _mean_dice_gain(m, key)
            yield (
                f"| {quality} | {REMEDIES[remedy]} | {with_interval(m.gain(key, 0), 1)} | "
                f"{with_interval(m.gain(key, 1), 3)} | {with_interval(dice, 1)} | "
                f"{verdict(dice)} |"
            )


def _mean_dice_gain(m: Measured, key: Key) -> Interval:
    """Difference of the mean Dice over the structures, times 100, paired by image."""
    rows, plain = m.scores[key], m.scores[key[0], INPUT]
    gains = [
        100 * (np.nanmean(a.dice) - np.nanmean(b.dice)) for a, b in zip(rows, plain, strict=True)
    ]
    return mean_by_patient(gains, [r.patient for r in rows], rng=np.random.default_rng(0))


def verdict(gain: Interval) -> str:
    """A difference in words.

    Examples:
        >>> verdict(Interval(0.5, 0.1, 0.9)), verdict(Interval(0.5, -0.1, 0.9))
        ('segmented better', 'no difference shown')
    """
    if gain.low > 0:
        return "segmented better"
    return "segmented worse" if gain.high < 0 else "no difference shown"


def draw_figure(path: Path, rows: Sequence[Row]) -> None:
    """Images with the contours that the U-Net finds in them, one heart a row."""
    figure, axes = plt.subplots(
        len(rows),
        len(COLUMNS),
        figsize=(2 * len(COLUMNS), 1.85 * len(rows)),
        squeeze=False,
        layout="constrained",
    )
    for line, (images, labels) in zip(axes, rows, strict=True):
        for panel, image, found in zip(line, images, labels, strict=True):
            panel.imshow(image, cmap="gray", vmin=0, vmax=1)
            for structure in STRUCTURES:
                if (found == structure).any():
                    mask = (found == structure).astype(float)
                    color = STRUCTURE_COLORS[structure]
                    panel.contour(mask, [0.5], colors=color, linewidths=1.3)
            panel.axis("off")
    for panel, title in zip(axes[0], COLUMNS, strict=True):
        panel.set_title(title, fontsize=10)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110, metadata={"Software": None})
    plt.close(figure)
