"""Doubt from image and mask of the shared predictions of networks on real images.

`crisp_scores` measures the 480 frames of the 120 test patients at four levels of quality; figures
are kept in `out/uncertainty`. Run by itself it prints Corr and MI, pooled and by level. The level
`shift` was predicted from degraded images that are not in the data: its doubt is measured with the
clean ones.
"""

from __future__ import annotations

import argparse
import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cardiovae.calibration.association import absolute_pearson, mutual_information
from cardiovae.crisp.folder import Crisp, load_crisp
from cardiovae.crisp.images import gray_levels
from cardiovae.crisp.infer import crisp_doubt
from cardiovae.crisp.kernel import concentration, kernel_width, published_concentration
from cardiovae.crisp.search import SearchConfig
from cardiovae.io.content import view_from_name
from cardiovae.labels import STRUCTURES
from cardiovae.prior.fidelity import dice
from cardiovae.sequence import EchoSequence

LEVELS = ("ep2", "ep4", "ep10", "shift")
OUT = Path("out/uncertainty")
VARIANTS = {
    "ours": {},
    "estimator": {"kernel": "estimator", "measure": "published"},
    "published": {"kernel": "published", "measure": "published"},
}


@dataclass(frozen=True, eq=False)
class CrispScores:
    """Doubt of all predictions; arrays (4, 480) by level and frame, maps (4, 480, 224, 224).

    Args:
        score: Doubt per foreground pixel; NaN where a prediction has no heart.
        expected_dice: Dice with the masks that fit the image.
        cosine: Of image and prediction.
        dice: With the reference, mean over the structures.
        maps: Doubt of each pixel as 0 to 255.
        errors: Wrong pixels of each prediction.
        information: Mutual information of errors and doubt of each prediction, in nats.
    """

    score: NDArray[np.float64]
    expected_dice: NDArray[np.float64]
    cosine: NDArray[np.float64]
    dice: NDArray[np.float64]
    maps: NDArray[np.uint8]
    errors: NDArray[np.float64]
    information: NDArray[np.float64]


def crisp_scores(
    data: Path, model: str = "camus", search: SearchConfig | None = None, every: int = 1
) -> CrispScores:
    """Doubt of the shared predictions, from `out/uncertainty` where it was measured before.

    Args:
        data: Folder with `camus224_dev.npz` and `unet_dev_preds.npz`.
        model: Name of a shipped prior with a model, or a folder.
        search: In place of the model's own settings.
        every: Only each so-manieth frame.
    """
    crisp = load_crisp(model)
    search = search or crisp.search
    key = repr((crisp.identity(), search, every))
    path = OUT / f"crisp-{hashlib.sha256(key.encode()).hexdigest()[:12]}.npz"
    if not path.is_file():
        OUT.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(path, **vars(_measured(data, crisp, search, every)))
    with np.load(path) as content:
        return CrispScores(**{name: content[name] for name in content.files})


def _measured(data: Path, crisp: Crisp, search: SearchConfig, every: int) -> CrispScores:
    frames, predictions = np.load(data / "camus224_dev.npz"), np.load(data / "unet_dev_preds.npz")
    rows = predictions["index"][::every]
    found: dict[str, list[list[object]]] = {name: [] for name in CrispScores.__annotations__}
    kept = [frames[name][rows] for name in ("images", "masks", "spacing_mm", "names")]
    for level in LEVELS:
        for part in found.values():
            part.append([])
        for prediction, image, truth, spacing, name in zip(
            predictions[level][::every], *kept, strict=True
        ):
            sequence = EchoSequence(
                prediction[:, :, None], tuple(map(float, spacing)), view=view_from_name(str(name))
            )
            doubt = crisp_doubt(crisp, gray_levels(image[:, :, None]), sequence, search)
            pixel, wrong = doubt.pixel[:, :, 0], prediction != truth
            for key, value in (
                ("score", doubt.score[0]),
                ("expected_dice", doubt.expected_dice[0]),
                ("cosine", doubt.cosine[0]),
                ("dice", _dice(prediction, truth)),
                ("maps", np.rint(255 * np.nan_to_num(pixel)).astype(np.uint8)),
                ("errors", wrong.sum()),
                ("information", mutual_information(wrong, np.nan_to_num(pixel))),
            ):
                found[key][-1].append(value)
    return CrispScores(**{name: np.array(values) for name, values in found.items()})


def largest_information(share: NDArray[np.floating]) -> NDArray[np.floating]:
    """What a map that knows every error would have, given the share of wrong pixels."""
    return -(share * np.log(share) + (1 - share) * np.log1p(-share))


def _dice(found: NDArray[np.uint8], truth: NDArray[np.uint8]) -> float:
    return float(
        np.mean([dice(found == structure, truth == structure) for structure in STRUCTURES])
    )


def table(scores: CrispScores) -> list[str]:
    """Corr with Dice of score, expected Dice and cosine; MI; by level and pooled."""
    lines = ["level    n  Dice  Corr(score)  Corr(expected)  Corr(cosine)   MI  of at most"]
    for name, levels in (("pooled", slice(None)), *((n, [i]) for i, n in enumerate(LEVELS))):
        part = {key: getattr(scores, key)[levels].ravel() for key in vars(scores) if key != "maps"}
        known = np.isfinite(part["score"])
        corr = [
            absolute_pearson(part[key], part["dice"])
            for key in ("score", "expected_dice", "cosine")
        ]
        weight = part["errors"]
        mutual = np.average(part["information"], weights=weight)
        most = np.average(largest_information(weight / scores.maps[0, 0].size), weights=weight)
        lines.append(
            f"{name:<7} {known.sum():>4} {part['dice'].mean():.3f} {corr[0]:>10.3f} "
            f"{corr[1]:>14.3f} {corr[2]:>13.3f} {mutual:>8.3f} {most:>7.3f}"
        )
    return lines


def main() -> None:
    """Print all variants of a model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder with the shared data")
    parser.add_argument("--model", default="camus")
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--variant", choices=VARIANTS, action="append")
    arguments = parser.parse_args()
    crisp = load_crisp(arguments.model)
    codes = crisp.library.codes
    print(
        f"concentration {concentration(codes):.3f}, "
        f"as published {published_concentration(codes):.3f}; "
        + ", ".join(
            f"width {k} {kernel_width(k, codes, crisp.scale):.4f}"
            for k in ("estimator", "published", "learned")
        )
    )
    for name in arguments.variant or VARIANTS:
        search = SearchConfig(**VARIANTS[name]) if VARIANTS[name] else crisp.search
        print(name, search)
        scores = crisp_scores(arguments.data, arguments.model, search, arguments.every)
        print("\n".join(table(scores)))


if __name__ == "__main__":
    main()
