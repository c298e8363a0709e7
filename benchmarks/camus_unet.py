"""A small MONAI U-Net with dropout, trained on the CAMUS images, on one core.

    python benchmarks/camus_unet.py ../shared/data [--seed N]

It is the segmentation network whose doubt `benchmarks/uncertainty.py` measures. It is trained on
the patients of the part "train" of data_manifests/camus_splits.csv and watched on "val"; of "test"
it sees nothing. Weights after few, some and all epochs, the state to resume from and the figures
of the validation go to `out/camus_unet/`, which git ignores.

Input (N, 1, 112, 112): gray of 0 to 1, the whole image squeezed to a square, rows are depth with
the probe on top. Output (N, 4, 112, 112): logits of background, LV, MYO and LA.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.losses import DiceCELoss
from monai.networks.nets import UNet
from monai.transforms import (
    Compose,
    RandAdjustContrastd,
    RandAffined,
    RandGaussianNoised,
    RandGaussianSmoothd,
    RandScaleIntensityd,
)
from network_errors import part_of
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn.functional import interpolate, one_hot

from cardiovae.baselines.restore import squeezed
from cardiovae.io.atomic import staged
from cardiovae.labels import STRUCTURES
from cardiovae.prior.fidelity import dice

FOLDER = Path(__file__).resolve().parent.parent / "out" / "camus_unet"
SIDE = 112  # of the square that every image is squeezed to: half of what the data have
N_CLASSES = 4


@dataclass(frozen=True)
class Training:
    """How the network is trained.

    Args:
        cycles: Rounds over the training images, and the largest learning rate, of each cycle; a
            cycle (OneCycleLR) ends with a good network, the next looks for a better one near it.
        batch: Images of a step.
        dropout: Share of activations that is dropped, in every layer.
        snapshots: Epochs after which the weights are kept, besides the last.
        seed: Of weights, order, augmentation and dropout.
    """

    cycles: tuple[tuple[int, float], ...] = ((45, 3e-3), (15, 1e-3))
    batch: int = 8
    dropout: float = 0.1
    snapshots: tuple[int, ...] = (1, 2, 3, 4, 6, 10, 20, 30, 45)
    seed: int = 0

    @property
    def n_epochs(self) -> int:
        """Of all cycles."""
        return sum(length for length, _ in self.cycles)


def build_network(dropout: float) -> UNet:
    """The U-Net: five levels, 0.9 million weights."""
    return UNet(
        spatial_dims=2,
        in_channels=1,
        out_channels=N_CLASSES,
        channels=(24, 48, 96, 128, 128),
        strides=(2, 2, 2, 2),
        num_res_units=1,
        norm="batch",
        dropout=dropout,
    )


def augmentation() -> Compose:
    """Another place, size, gain, noise and sharpness, by MONAI; no flip: hearts have sides."""
    both, image = ("image", "heart"), ("image",)
    return Compose(
        [
            RandAffined(
                both,
                prob=0.8,
                rotate_range=0.2,
                scale_range=(0.12, 0.12),
                translate_range=(6, 6),
                mode="bilinear",
                padding_mode="zeros",
            ),
            RandAdjustContrastd(image, prob=0.5, gamma=(0.6, 1.6)),
            RandScaleIntensityd(image, factors=0.25, prob=0.5),
            RandGaussianNoised(image, prob=0.3, std=0.04),
            RandGaussianSmoothd(image, prob=0.15, sigma_x=(0.3, 1.0), sigma_y=(0.3, 1.0)),
        ]
    )


def class_shares(masks: NDArray[np.uint8]) -> Tensor:
    """Share of each structure in the pixels of the small square, (N, 3, SIDE, SIDE)."""
    found = []
    for part in np.array_split(masks, max(1, len(masks) // 64)):
        exact = one_hot(torch.from_numpy(part.astype(np.int64)), N_CLASSES)
        exact = exact.permute(0, 3, 1, 2)[:, 1:].float()
        found.append(interpolate(exact, size=(SIDE, SIDE), mode="area"))
    return torch.cat(found)


def augmented(images: Tensor, hearts: Tensor, change: Compose) -> tuple[Tensor, Tensor]:
    """A batch, changed at random: images, and the shares of all four classes."""
    pairs = [change({"image": i, "heart": h}) for i, h in zip(images, hearts, strict=True)]
    image = torch.stack([pair["image"].as_tensor() for pair in pairs]).clamp(0, 1)
    heart = torch.stack([pair["heart"].as_tensor() for pair in pairs])
    return image, torch.cat([1 - heart.sum(1, keepdim=True), heart], dim=1)


@dataclass(frozen=True)
class Images:
    """The images of one part of the split, with their masks (N, 224, 224) and names."""

    images: NDArray[np.uint8]
    masks: NDArray[np.uint8]
    names: NDArray[np.str_]


def images_of(data: Path, part: str) -> Images:
    """Images, masks and names of one part of the split, in the order of the file."""
    content = np.load(data / "camus224_dev.npz")
    rows = np.flatnonzero(part_of(content["names"])[1] == part)
    return Images(*(content[key][rows] for key in ("images", "masks", "names")))


def as_input(images: NDArray[np.uint8]) -> Tensor:
    """Images (N, H, W) as the network takes them, (N, 1, SIDE, SIDE)."""
    return squeezed(np.ascontiguousarray(images.transpose(1, 2, 0)), SIDE)


def folder_of(training: Training) -> Path:
    """Where the weights of those settings lie."""
    asked = json.dumps(asdict(training), sort_keys=True)
    return FOLDER / hashlib.sha256(asked.encode()).hexdigest()[:12]


def train(data: Path, training: Training) -> None:
    """Train, from the last complete epoch on, and keep what the module says."""
    folder = folder_of(training)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "training.json").write_text(json.dumps(asdict(training), indent=2) + "\n")
    fit, watched = images_of(data, "train"), images_of(data, "val")
    images, hearts = as_input(fit.images), class_shares(fit.masks)
    torch.manual_seed(training.seed)
    network = build_network(training.dropout).to(memory_format=torch.channels_last)
    state, done = folder / "state.pt", 0
    kept: dict[str, Any] = {}
    if state.exists():
        kept = torch.load(state, weights_only=True)
        done = kept["epoch"]
        network.load_state_dict(kept["network"])
    starts = np.cumsum([1, *(length for length, _ in training.cycles)])
    for epoch in range(done + 1, training.n_epochs + 1):
        if epoch in starts or epoch == done + 1:
            cycle = training.cycles[np.searchsorted(starts, epoch, "right") - 1]
            optimizer, schedule = cycle_of(network, cycle, len(images) // training.batch)
            if epoch not in starts:
                optimizer.load_state_dict(kept["optimizer"])
                schedule.load_state_dict(kept["schedule"])
        parts = {"network": network, "optimizer": optimizer, "schedule": schedule}
        began = time.perf_counter()
        loss = one_epoch(network, optimizer, schedule, (images, hearts), training, epoch)
        line = {"epoch": epoch, "loss": loss, "seconds": time.perf_counter() - began}
        if epoch in (*training.snapshots, training.n_epochs):
            weights = {name: w.contiguous() for name, w in network.state_dict().items()}
            with staged(snapshot_path(training, epoch), overwrite=True) as place:
                save_file(weights, place)
            line["dice"] = overlap(predict(network, watched.images), watched.masks)
        reached = {"epoch": epoch, **{name: part.state_dict() for name, part in parts.items()}}
        with staged(state, overwrite=True) as place:
            torch.save(reached, place)
        with (folder / "epochs.jsonl").open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(line) + "\n")
        say(json.dumps(line))


def cycle_of(
    network: UNet, cycle: tuple[int, float], n_steps: int
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.OneCycleLR]:
    """Optimizer and learning rates of one cycle, of `n_steps` steps each epoch."""
    n_epochs, rate = cycle
    optimizer = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=1e-3)
    return optimizer, torch.optim.lr_scheduler.OneCycleLR(
        optimizer, rate, total_steps=n_epochs * n_steps
    )


def one_epoch(
    network: UNet,
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
    pool: tuple[Tensor, Tensor],
    training: Training,
    epoch: int,
) -> float:
    """One round over the images, its randomness a function of seed and epoch; the mean loss."""
    seed = 1000 * training.seed + epoch
    torch.manual_seed(seed)
    change = augmentation().set_random_state(seed)
    loss_of = DiceCELoss(softmax=True)
    network.train()
    losses = []
    n_used = len(pool[0]) // training.batch * training.batch
    for rows in torch.randperm(len(pool[0]))[:n_used].split(training.batch):
        image, shares = augmented(pool[0][rows], pool[1][rows], change)
        optimizer.zero_grad()
        loss = loss_of(network(image.contiguous(memory_format=torch.channels_last)), shares)
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    return float(np.mean(losses))


def snapshot_path(training: Training, epoch: int) -> Path:
    """The weights after an epoch."""
    return folder_of(training) / f"epoch-{epoch:02d}.safetensors"


def trained(data: Path, training: Training, epoch: int | None = None) -> UNet:
    """The network after an epoch, by default the last; trained first, where that was not done."""
    path = snapshot_path(training, epoch or training.n_epochs)
    if not path.exists():
        train(data, training)
    network = build_network(training.dropout)
    network.load_state_dict(load_file(path))
    return network.eval()


def logits(network: torch.nn.Module, seen: Tensor, size: tuple[int, int]) -> Tensor:
    """Logits (N, 4, *size) of squeezed images (N, 1, SIDE, SIDE)."""
    return interpolate(network(seen), size=size, mode="bilinear")


def predict(network: torch.nn.Module, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Label maps (N, H, W) of images (N, H, W), each frame on its own."""
    network.eval()
    with torch.inference_mode():
        found = [
            logits(network, part, images.shape[1:]).argmax(1).to(torch.uint8)
            for part in as_input(images).split(32)
        ]
    return torch.cat(found).numpy()


def overlap(found: NDArray[np.uint8], truth: NDArray[np.uint8]) -> dict[str, float]:
    """Mean Dice of each structure over all frames."""
    return {
        structure.name: float(
            np.nanmean(
                [dice(a == structure, b == structure) for a, b in zip(found, truth, strict=True)]
            )
        )
        for structure in STRUCTURES
    }


def say(line: str) -> None:
    """Progress goes to standard error."""
    print(line, file=sys.stderr, flush=True)


def main() -> None:
    """Train unless that was done before, and measure the last network on the test patients."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder with camus224_dev.npz")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    training = Training(seed=arguments.seed)
    network = trained(arguments.data, training)
    test = images_of(arguments.data, "test")
    found = predict(network, test.images)
    n_weights = sum(p.numel() for p in network.parameters())
    say(f"{n_weights} weights in {folder_of(training)}")
    for instant in ("ED", "ES"):
        chosen = np.char.endswith(test.names, instant)
        say(f"test {instant}: {overlap(found[chosen], test.masks[chosen])}")


if __name__ == "__main__":
    main()
