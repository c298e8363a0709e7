"""Errors that U-Nets really make on CAMUS: what the encoder of the prior `camus` learns from.

    python benchmarks/network_errors.py ../shared/data -o out/network_errors.npz
    cardiovae train --config camus --data ../shared/data/camus224_dev.npz \
        --errors out/network_errors.npz -o out/camus

Small U-Nets are trained on the images of one half of the training patients and predict the other
half, undertrained (after few epochs) and on degraded images (speckle, gain, shadow, blur). The
patients of the parts "val" and "test" of data_manifests/camus_splits.csv are neither trained on
nor predicted. Writes `masks`, `names` and `spacing_mm`, as the training data have them.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import multiprocessing
import time
from pathlib import Path

import numpy as np
import torch
from monai.losses import DiceCELoss
from monai.networks.nets import UNet
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from torch.nn import functional

SPLIT = Path(__file__).resolve().parent.parent / "data_manifests" / "camus_splits.csv"
SIDE = 112  # the networks see half the resolution
BATCH = 8
SNAPSHOTS = (2, 3, 4, 6, 10)  # epochs after which predictions are taken
N_DEGRADED = 6  # predictions of degraded images, after the last epoch
SEEDS = (1, 2)
HALVES = (0, 1)


def part_of(names: NDArray[np.str_]) -> tuple[NDArray[np.str_], NDArray[np.str_]]:
    """The patient of each frame, and the part of the split that he belongs to."""
    with SPLIT.open(newline="", encoding="utf-8") as lines:
        part = {row["patient"]: row["split"] for row in csv.DictReader(lines)}
    patients = np.array([name.split("_")[0] for name in names])
    return patients, np.array([part.get(patient, "") for patient in patients])


def half_of(names: NDArray[np.str_], half: int, seed: int) -> tuple[NDArray[np.intp], ...]:
    """Rows of the training patients to fit on, and of those to predict."""
    patients, parts = part_of(names)
    usable = parts == "train"
    order = np.random.default_rng(seed).permutation(np.unique(patients[usable]))
    mine = np.isin(patients, order[half::2])
    return np.flatnonzero(usable & mine), np.flatnonzero(usable & ~mine)


def degraded(image: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """One square image of 0 to 1 with speckle, gain, offset, a shadow and blur, all random."""
    side = len(image)
    pixels = side / SIDE  # lengths are in pixels of what the networks see
    how_bad = rng.random()
    noise = gaussian_filter(rng.normal(size=image.shape), pixels * rng.uniform(0.5, 1.5))
    found = image * (1 + rng.uniform(0, 0.5) * how_bad * noise / noise.std())
    found = np.clip(found, 0, 1) ** np.exp(how_bad * rng.uniform(-0.6, 0.6))
    found = found * np.exp(how_bad * rng.uniform(-0.5, 0.3)) + how_bad * rng.uniform(-0.05, 0.08)
    if rng.random() < 0.6 * how_bad + 0.2:
        center, width = rng.uniform(0.15, 0.85) * side, pixels * rng.uniform(4, 16)
        top, slope = rng.uniform(0, 0.6) * side, rng.uniform(-0.5, 0.5)
        row, col = np.mgrid[:side, :side]
        beam = np.exp(-0.5 * ((col - center - slope * (row - side / 2)) / width) ** 2)
        found = found * (1 - rng.uniform(0.3, 1) * beam * (row > top))
    if rng.random() < 0.3 * how_bad:
        found = gaussian_filter(found, pixels * rng.uniform(0.5, 2))
    return np.clip(found, 0, 1).astype(np.float32)


def predict(
    network: torch.nn.Module, images: torch.Tensor, rng: np.random.Generator | None = None
) -> NDArray[np.uint8]:
    """Label maps (N, 224, 224) of images (N, 1, 112, 112), degraded first where `rng` is given."""
    found = []
    network.eval()
    with torch.no_grad():
        for batch in torch.split(images, 32):
            seen = batch
            if rng is not None:
                seen = torch.from_numpy(np.stack([degraded(i, rng) for i in batch[:, 0].numpy()]))
                seen = seen[:, None]
            scores = functional.interpolate(network(seen), scale_factor=2, mode="bilinear")
            found.append(scores.argmax(1).to(torch.uint8).numpy())
    network.train()
    return np.concatenate(found)


def errors_of(data: Path, half: int, seed: int) -> tuple[NDArray[np.intp], NDArray[np.uint8]]:
    """Train on one half of the patients; rows of the other half and its predicted label maps."""
    torch.set_num_threads(1)
    content = np.load(data / "camus224_dev.npz")
    fit, other = half_of(content["names"], half, seed)
    images = torch.from_numpy(content["images"]).float()[:, None] / 255
    images = functional.avg_pool2d(images, 2)
    truth = torch.from_numpy(content["masks"][:, 1::2, 1::2].astype(np.int64))[:, None]
    torch.manual_seed(100 * seed + half)
    network = UNet(2, 1, 4, (16, 32, 64, 96, 96), (2, 2, 2, 2), num_res_units=1, norm="batch")
    optimizer = torch.optim.Adam(network.parameters(), 2e-3)
    loss_of = DiceCELoss(to_onehot_y=True, softmax=True)
    rng = np.random.default_rng([seed, half])
    predictions = []
    for epoch in range(1, max(SNAPSHOTS) + 1):
        began = time.monotonic()
        order = rng.permutation(fit)
        for rows in np.split(order, range(BATCH, len(order), BATCH)):
            loss = loss_of(network(images[rows]), truth[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        if epoch in SNAPSHOTS:
            predictions.append(predict(network, images[other]))
        print(f"seed {seed} half {half} epoch {epoch}: {time.monotonic() - began:.0f} s")
    for draw in range(N_DEGRADED):
        noise = np.random.default_rng([seed, half, draw])
        predictions.append(predict(network, images[other], noise))
    return np.tile(other, len(predictions)), np.concatenate(predictions)


def main() -> None:
    """Train all networks, two at a time, and write their predictions."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder with camus224_dev.npz")
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()
    jobs = [(arguments.data, half, seed) for seed, half in itertools.product(SEEDS, HALVES)]
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        parts = pool.starmap(errors_of, jobs)
    rows, masks = (np.concatenate(part) for part in zip(*parts, strict=True))
    content = np.load(arguments.data / "camus224_dev.npz")
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        arguments.output,
        masks=masks,
        names=content["names"][rows],
        spacing_mm=content["spacing_mm"][rows],
    )
    print(f"{len(rows)} predictions of {len(np.unique(rows))} frames in {arguments.output}")


if __name__ == "__main__":
    main()
