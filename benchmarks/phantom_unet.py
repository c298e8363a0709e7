"""A small MONAI U-Net trained on simulated B-mode images of drawn hearts, on one core.

    python benchmarks/phantom_unet.py [--quick]

It stands for a segmentation network: stopped early, and shown worse images than it trained on, it
makes errors of its own kind. Weights go to `out/phantom_unet/`, which git ignores; the hearts of
its training (cohort seed 31) are none of those of the prior (seed 0) or of the test (seed 2025).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from monai.losses import DiceCELoss
from monai.networks.nets import UNet
from numpy.typing import NDArray
from proof.versions import image_version
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn.functional import interpolate

from cardiovae.phantom.cohort import phantom_cohort
from cardiovae.phantom.ultrasound import draw_imaging, simulate_bmode

FOLDER = Path(__file__).resolve().parent.parent / "out" / "phantom_unet"
SIDE = 128  # of the square that every image is squeezed to


@dataclass(frozen=True)
class Training:
    """How the network is trained.

    Args:
        n_hearts: Drawn hearts, each in both views, `n_frames` frames of each.
        n_frames: See above.
        worst: Images are simulated with severities from 0 to this.
        n_steps: Steps of `batch` images.
        batch: See above.
        rate: Largest learning rate.
        seed: Of images, weights and order.
        cohort_seed: Of the hearts.
    """

    n_hearts: int = 150
    n_frames: int = 5
    worst: float = 0.45
    n_steps: int = 900
    batch: int = 12
    rate: float = 3e-3
    seed: int = 0
    cohort_seed: int = 31


QUICK = Training(n_hearts=60, n_frames=3, n_steps=320)


def build_network() -> UNet:
    """The U-Net: four levels, 0.4 million weights."""
    return UNet(
        spatial_dims=2,
        in_channels=1,
        out_channels=4,
        channels=(12, 24, 48, 96, 128),
        strides=(2, 2, 2, 2),
        num_res_units=1,
    )


def training_images(training: Training) -> tuple[Tensor, Tensor]:
    """Simulated images (N, 1, SIDE, SIDE) and their labels (N, 1, SIDE, SIDE)."""
    rng = np.random.default_rng(training.seed)
    images, labels = [], []
    cohort = phantom_cohort(
        training.n_hearts, training.cohort_seed, n_frames=training.n_frames, spacing_mm=(0.7, 0.7)
    )
    for phantom, _, _ in cohort:
        truth = phantom.sequence.labels
        imaging = draw_imaging(rng, rng.uniform(0, training.worst))
        seen = simulate_bmode(truth, (0.7, 0.7), rng=rng, imaging=imaging)
        images.append(squeezed(seen))
        labels.append(interpolate(_frames(truth), size=(SIDE, SIDE), mode="nearest-exact"))
    return torch.cat(images), torch.cat(labels)


def squeezed(images: NDArray[np.uint8]) -> Tensor:
    """Images (H, W, T) as the network takes them, (T, 1, SIDE, SIDE), 0 to 1."""
    small = interpolate(_frames(images) / 255, size=(SIDE, SIDE), mode="bilinear", antialias=True)
    return small.clamp(0, 1)


def _frames(volume: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(volume.transpose(2, 0, 1)[:, None])).float()


def train(training: Training) -> UNet:
    """Train from scratch; the same settings give the same network on the same machine."""
    images, labels = training_images(training)
    say(f"{len(images)} simulated images")
    torch.manual_seed(training.seed)
    network = build_network()
    optimizer = torch.optim.AdamW(network.parameters(), lr=training.rate, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=training.rate, total_steps=training.n_steps
    )
    loss_of = DiceCELoss(to_onehot_y=True, softmax=True)
    began = time.perf_counter()
    for step in range(1, training.n_steps + 1):
        chosen = torch.randint(len(images), (training.batch,))
        optimizer.zero_grad()
        loss = loss_of(network(images[chosen]), labels[chosen])
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 50 == 0:
            left = (time.perf_counter() - began) * (training.n_steps / step - 1)
            say(f"step {step} of {training.n_steps}, loss {loss.item():.3f}, {left:.0f} s left")
    return network.eval()


def trained(training: Training) -> UNet:
    """The network of those settings: read from the cache, or trained and put there."""
    asked = json.dumps([asdict(training), image_version()], sort_keys=True)
    key = hashlib.sha256(asked.encode()).hexdigest()[:12]
    path = FOLDER / f"{key}.safetensors"
    if not path.exists():
        network = train(training)
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(network.state_dict(), path)
    network = build_network()
    network.load_state_dict(load_file(path))
    return network.eval()


def predict(network: UNet, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Label maps (H, W, T) of images (H, W, T), each frame on its own."""
    with torch.inference_mode():
        scores = network(squeezed(images))
        large = interpolate(scores, size=images.shape[:2], mode="bilinear")
        found = large.argmax(1).numpy().astype(np.uint8)
    return np.ascontiguousarray(found.transpose(1, 2, 0))


def say(line: str) -> None:
    """Progress goes to standard error."""
    print(line, file=sys.stderr, flush=True)


def main() -> None:
    """Train unless that was done before, and say where the weights are."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one minute, a worse network")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    network = trained(QUICK if arguments.quick else Training())
    n_weights = sum(p.numel() for p in network.parameters())
    say(f"{n_weights} weights in {FOLDER}")


if __name__ == "__main__":
    main()
