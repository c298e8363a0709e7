"""The second opinion on the shared predictions of networks on real images.

    PYTHONPATH=benchmarks python -m uncertainty_parts.opinion_scores ../shared/data

`opinion_scores` rates the 480 frames of the 120 test patients at four levels of quality; figures
and maps are kept in `out/uncertainty`. Run by itself it prints how well failed frames and wrong
pixels are found, pooled and by level. The level `shift` was predicted from degraded images that
are not in the data: it is rated with the clean ones, as all are, unless `--degraded` worsens the
images that the opinion is shown.
"""

from __future__ import annotations

import argparse
import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from network_errors import degraded as worse
from numpy.typing import NDArray
from torch.nn import functional

from cardiovae.calibration.association import (
    absolute_pearson,
    mean_by_error,
    mutual_information,
)
from cardiovae.calibration.reliability import calibration_error, pixel_sums
from cardiovae.calibration.roc import auroc
from cardiovae.crisp.images import gray_levels
from cardiovae.io.content import view_from_name
from cardiovae.io.digest import file_sha256
from cardiovae.opinion.folder import Opinion, load_opinion
from cardiovae.opinion.infer import opinion_doubt
from cardiovae.sequence import EchoSequence

LEVELS = ("ep2", "ep4", "ep10", "shift")
OUT = Path("out/uncertainty")
FAILED = 0.85  # a frame with a lower Dice has failed
STEPS = 255  # of the kept maps from 0 to 1
SCHEME = 1  # raise where the meaning of the kept arrays changes


@dataclass(frozen=True, eq=False)
class OpinionScores:
    """Doubt of all predictions; arrays (4, 480) by level and frame, NaN without a heart.

    Args:
        score: Doubt per foreground pixel.
        expected_dice: Mean over the structures.
        expected_by_structure: Shape (4, 480, 3).
        dice: With the reference, mean over the structures.
        dice_by_structure: Shape (4, 480, 3).
        maps: Doubt of each pixel, 0 to 255 for 0 to 1, uint8 (4, 480, 224, 224).
        second: The opinion's own labels, uint8 (4, 480, 224, 224).
        second_dice: Of these with the reference, shape (4, 480, 3).
        patients: Of each frame, shape (480,).
    """

    score: NDArray[np.float64]
    expected_dice: NDArray[np.float64]
    expected_by_structure: NDArray[np.float64]
    dice: NDArray[np.float64]
    dice_by_structure: NDArray[np.float64]
    maps: NDArray[np.uint8]
    second: NDArray[np.uint8]
    second_dice: NDArray[np.float64]
    patients: NDArray[np.str_]


def opinion_scores(
    data: Path, model: str = "camus", *, degraded: bool = False, every: int = 1
) -> OpinionScores:
    """Doubt of the shared predictions, from `out/uncertainty` where it was measured before.

    Args:
        data: Folder with `camus224_dev.npz` and `unet_dev_preds.npz`.
        model: Name of a shipped opinion, or its folder.
        degraded: Show the opinion degraded images, one draw for each frame.
        every: Only each so-manieth frame.
    """
    opinion = load_opinion(model)
    key = repr((SCHEME, opinion.identity(), _code(), degraded, every))
    path = OUT / f"opinion-{hashlib.sha256(key.encode()).hexdigest()[:12]}.npz"
    if not path.is_file():
        OUT.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(path, **vars(_measured(data, opinion, degraded, every)))
    with np.load(path) as content:
        return OpinionScores(**{name: content[name] for name in content.files})


def _code() -> str:
    """Hash of what turns the network's output into figures."""
    package = Path(__file__).resolve().parents[2] / "cardiovae" / "opinion"
    return "".join(file_sha256(package / name)[:8] for name in ("infer.py", "rate.py"))


def _measured(data: Path, opinion: Opinion, degraded: bool, every: int) -> OpinionScores:
    frames, predictions = np.load(data / "camus224_dev.npz"), np.load(data / "unet_dev_preds.npz")
    rows = predictions["index"][::every]
    images, truths, spacing, names = (
        frames[name][rows] for name in ("images", "masks", "spacing_mm", "names")
    )
    shown = [gray_levels(image[:, :, None], n) for image, n in zip(images, names, strict=True)]
    if degraded:
        shown = [worsened(image, seed) for seed, image in enumerate(shown)]
    kept = [f for f in OpinionScores.__annotations__ if f != "patients"]
    found: dict[str, list[list[object]]] = {name: [[] for _ in LEVELS] for name in kept}
    for number, level in enumerate(LEVELS):
        labels = predictions[level][::every]
        for i, name in enumerate(names):
            where = tuple(map(float, spacing[i]))
            view = view_from_name(str(name))
            sequence = EchoSequence(labels[i][:, :, None], where, view=view)
            rated = rate_frame(opinion, shown[i], sequence, truths[i])
            for key, value in rated.items():
                found[key][number].append(value)
    patients = np.array([str(name).split("_")[0] for name in names])
    return OpinionScores(
        **{name: np.array(values) for name, values in found.items()}, patients=patients
    )


def rate_frame(
    opinion: Opinion, image: NDArray[np.float32], sequence: EchoSequence, truth: NDArray[np.uint8]
) -> dict[str, object]:
    """The figures of one frame by their names in `OpinionScores`."""
    doubt = opinion_doubt(opinion, image, sequence)
    dice = dice_of(sequence.frame(0), truth)
    second = doubt.second[:, :, 0]
    return {
        "score": doubt.score[0],
        "expected_dice": doubt.expected_dice[0],
        "expected_by_structure": doubt.expected_dice_by_structure[0],
        "dice": float(np.mean(dice)),
        "dice_by_structure": dice,
        "maps": np.rint(STEPS * np.nan_to_num(doubt.pixel[:, :, 0])).astype(np.uint8),
        "second": second,
        "second_dice": dice_of(second, truth),
    }


def worsened(image: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    """An image (H, W, 1) degraded at half its resolution as those of `network_errors`."""
    small = functional.avg_pool2d(torch.from_numpy(image[:, :, 0])[None, None], 2)[0, 0].numpy()
    found = torch.from_numpy(worse(small, np.random.default_rng([7, seed])))[None, None]
    large = functional.interpolate(found, size=image.shape[:2], mode="bilinear")
    return np.asarray(large[0, 0].numpy()[:, :, None], np.float32)


def dice_of(found: NDArray[np.uint8], truth: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Dice of LV, MYO and LA."""
    scores = []
    for structure in (1, 2, 3):
        a, b = found == structure, truth == structure
        scores.append(2 * (a & b).sum() / max(a.sum() + b.sum(), 1))
    return np.array(scores, np.float64)


def figures(
    scores: OpinionScores, predicted: NDArray[np.uint8], truth: NDArray[np.uint8]
) -> dict[str, float]:
    """Figures of some predictions (N, 224, 224), given their scores, by name.

    Args:
        scores: All arrays without their level, shape (N, ...).
        predicted: Label maps.
        truth: References.
    """
    wrong, maps = predicted != truth, scores.maps / STEPS
    sums = sum(pixel_sums(m, p, t) for m, p, t in zip(maps, predicted, truth, strict=True))
    mutual = [mutual_information(w, m) for w, m in zip(wrong, maps, strict=True)]
    failed = scores.dice < FAILED
    apart = scores.expected_dice - scores.dice
    found = auroc(1 - scores.expected_dice, failed, scores.patients)
    return {
        "n": len(failed),
        "dice": float(scores.dice.mean()),
        "failed": float(failed.mean()),
        "auroc": found.value,
        "auroc_low": found.low,
        "auroc_high": found.high,
        "auroc_score": auroc(scores.score, failed, scores.patients).value,
        "pearson": absolute_pearson(scores.expected_dice, scores.dice),
        "pearson_score": absolute_pearson(scores.score, scores.dice),
        "information": mean_by_error(mutual, wrong.sum((1, 2))),
        "ece": calibration_error(sums).expected,
        "dice_mae": float(np.abs(apart).mean()),
        "dice_bias": float(apart.mean()),
        "second_dice": float(scores.second_dice.mean()),
    }


def table(data: Path, scores: OpinionScores, every: int = 1) -> list[str]:
    """A line of figures for each level, and one for all of them."""
    frames, predictions = np.load(data / "camus224_dev.npz"), np.load(data / "unet_dev_preds.npz")
    truth = frames["masks"][predictions["index"][::every]]
    labels = np.stack([predictions[level][::every] for level in LEVELS])
    lines: list[str] = []
    for name, levels in (
        ("pooled", range(len(LEVELS))),
        *((n, [i]) for i, n in enumerate(LEVELS)),
    ):
        parts = {
            key: np.concatenate([value[i] for i in levels])
            if key != "patients"
            else np.tile(value, len(levels))
            for key, value in vars(scores).items()
        }
        found = figures(
            OpinionScores(**parts),
            np.concatenate([labels[i] for i in levels]),
            np.concatenate([truth] * len(levels)),
        )
        if not lines:
            lines.append("level   " + " ".join(f"{key:>13}" for key in found))
        lines.append(f"{name:<8}" + " ".join(f"{value:>13.3f}" for value in found.values()))
    return lines


def main() -> None:
    """Print the figures of an opinion."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder with the shared data")
    parser.add_argument("--model", default="camus")
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--degraded", action="store_true", help="degrade the images shown")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    scores = opinion_scores(
        arguments.data, arguments.model, degraded=arguments.degraded, every=arguments.every
    )
    print("\n".join(table(arguments.data, scores, arguments.every)))


if __name__ == "__main__":
    main()
