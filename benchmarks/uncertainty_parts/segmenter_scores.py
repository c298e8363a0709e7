"""What the network of `camus_unet.py` says of held-out patients, and how sure it is of it.

    PYTHONPATH=benchmarks python -m uncertainty_parts.segmenter_scores ../shared/data

Computes every level for the parts "test" and "val" and keeps it in `out/uncertainty/segmenter/`,
which git ignores; the networks are trained first, where that was not done.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from camus_unet import (
    Images,
    Training,
    as_input,
    images_of,
    logits,
    overlap,
    say,
    snapshot_path,
    trained,
)
from network_errors import degraded
from numpy.typing import NDArray
from torch import Tensor, nn

from cardiovae.io.atomic import staged
from cardiovae.io.digest import file_sha256
from cardiovae.uncertainty.segmenter import SegmenterDoubt, doubt_by_foreground, segmenter_doubt

FOLDER = Path(__file__).resolve().parents[2] / "out" / "uncertainty" / "segmenter"
# Epochs of the networks of the ensemble, a snapshot ensemble (Huang et al., ICLR 2017) in that all
# are of one run; the last of them is the network that is measured.
# In the level "degraded" it is the images that are worse.
LEVELS = {"last": (30, 45), "degraded": (30, 45), "middle": (6, 10), "early": (1, 2)}
METHODS = ("entropy", "mc-dropout", "tta", "ensemble", "edge")
N_PASSES = 10
PARTS = ("test", "val")
SCHEME = 1  # raise where the meaning of the cached arrays changes


@dataclass(frozen=True)
class SegmenterScores:
    """One level of quality, all frames of one part of the split.

    Args:
        level: One of `LEVELS`.
        names: Such as "patient0002_2CH_ED", in the order of `camus224_dev.npz`; for "test" this
            is the order of `unet_dev_preds.npz` too.
        images: What the network was given before squeezing, uint8 (N, 224, 224).
        truth: The reference, uint8 (N, 224, 224).
        labels: What the network says in one plain pass, uint8 (N, 224, 224).
        probabilities: Its softmax, float16 (N, 4, 224, 224).
        pixel: Doubt of each pixel, 0 to 1, float16 (N, 224, 224), by method; besides `METHODS`
            "mc-dropout-mi", "tta-mi" and "ensemble-mi", their mutual information.
        score: Doubt of each frame by the same methods, float64 (N,): sum of the pixels' doubt by
            the number of foreground pixels.
    """

    level: str
    names: NDArray[np.str_]
    images: NDArray[np.uint8]
    truth: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    probabilities: NDArray[np.float16]
    pixel: dict[str, NDArray[np.float16]]
    score: dict[str, NDArray[np.float64]]


def segmenter_scores(data: Path, level: str, part: str = "test") -> SegmenterScores:
    """One level: read from the cache, or computed (minutes of one core) and put there.

    Args:
        data: Folder with `camus224_dev.npz`.
        level: One of `LEVELS`.
        part: "test", or "val" to choose thresholds on.
    """
    given = images_of(data, part)
    seen = given.images if level != "degraded" else degraded_images(given)
    path = FOLDER / f"{part}-{level}-{_key(data, level)}.npz"
    if not path.exists():
        arrays = _computed(data, level, seen)
        with staged(path) as place:
            np.savez(place, **arrays)
    with np.load(path) as kept:
        kinds = {kind: {} for kind in ("pixel", "score")}
        for name in kept.files:
            kind, _, method = name.partition("/")
            if method:
                kinds[kind][method] = kept[name]
        return SegmenterScores(
            level=level,
            names=given.names,
            images=seen,
            truth=given.masks,
            labels=kept["labels"],
            probabilities=kept["probabilities"],
            **kinds,
        )


def degraded_images(given: Images) -> NDArray[np.uint8]:
    """The images with speckle, gain, shadow and blur, drawn for each frame from its name."""
    found = np.empty_like(given.images)
    for row, (image, name) in enumerate(zip(given.images, given.names, strict=True)):
        drawn = np.random.default_rng(list(name.encode()))
        worse = degraded(image.astype(np.float32) / 255, drawn)
        found[row] = np.rint(worse * 255)
    return found


def _key(data: Path, level: str) -> str:
    """Of all that the arrays depend on, but the code: the very weights, and how they are used."""
    for epoch in LEVELS[level]:
        trained(data, Training(), epoch)
    weights = [file_sha256(snapshot_path(Training(), epoch)) for epoch in LEVELS[level]]
    asked = json.dumps([weights, METHODS, N_PASSES, SCHEME])
    return hashlib.sha256(asked.encode()).hexdigest()[:8]


def _computed(data: Path, level: str, images: NDArray[np.uint8]) -> dict[str, NDArray[np.generic]]:
    networks = [trained(data, Training(), epoch) for epoch in LEVELS[level]]
    squeezed = as_input(images)
    size = (images.shape[1], images.shape[2])

    def predictor(batch: Tensor, network: nn.Module) -> Tensor:
        return logits(network, batch, size)

    def doubt_by(method: str) -> SegmenterDoubt:
        network = networks if method == "ensemble" else networks[-1]
        return segmenter_doubt(
            network, squeezed, method, n_passes=N_PASSES, predictor=predictor, batch_size=16
        )

    arrays: dict[str, NDArray[np.generic]] = {}
    for method in METHODS:
        found = doubt_by(method)
        if method == "entropy":
            arrays["labels"] = found.labels
            arrays["probabilities"] = found.probabilities.astype(np.float16)
        arrays[f"pixel/{method}"] = found.pixel.astype(np.float16)
        arrays[f"score/{method}"] = found.score
        if method in ("mc-dropout", "tta", "ensemble"):
            mutual = found.mutual_information
            arrays[f"pixel/{method}-mi"] = mutual.astype(np.float16)
            arrays[f"score/{method}-mi"] = doubt_by_foreground(mutual, found.labels)
    return arrays


def main() -> None:
    """Compute what is not there yet, and say how good each level is."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder with camus224_dev.npz")
    parser.add_argument("--level", action="append", choices=LEVELS, help="only these")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for part in PARTS:
        for level in arguments.level or LEVELS:
            found = segmenter_scores(arguments.data, level, part)
            say(f"{part} {level}: Dice {overlap(found.labels, found.truth)}")


if __name__ == "__main__":
    main()
