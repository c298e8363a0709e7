"""Image restoration: the networks of `denoise` on B-mode images instead of label maps.

A poor image of a drawn heart in (little contrast, wrong gain, shadows, attenuation, speckle), the
image of the same heart in a good window and with its speckle averaged out. Of its mean squared
error such a network learns the mean of all clean images that fit what it sees (Lehtinen et al.,
"Noise2Noise", ICML 2018), so a target may keep some speckle. Simulated images alone: what it makes
of a real one is not known, and an image that was made up is none to measure in.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import interpolate

from cardiovae.baselines.denoise import BATCH, NETWORKS, denoiser
from cardiovae.errors import ConfigError
from cardiovae.phantom.cohort import phantom_cohort
from cardiovae.phantom.ultrasound import Imaging, draw_imaging, simulate_bmode

Images = NDArray[np.uint8]
SIDE = 128  # of the square that every image is squeezed to

# The good window without drop-out; scatterers that forget each other make every frame a new look.
CLEAN = dataclasses.replace(Imaging(), texture_db=0.0, keep_tissue=0.0, keep_blood=0.0)


@dataclass(frozen=True)
class RestoreConfig:
    """What a restoring network is trained on, and how.

    Args:
        n_hearts: Drawn hearts, each in both views, `n_frames` frames of each.
        n_frames: See above.
        n_looks: Images with other speckle that are averaged for a clean one.
        best: Poor images are simulated with severities from this,
        worst: to this.
        n_steps: Steps of `batch_size` images.
        batch_size: See above.
        learning_rate: The largest.
        seed: Of images, weights and order.
        cohort_seed: Of the hearts.
    """

    n_hearts: int = 75
    n_frames: int = 2
    n_looks: int = 2
    best: float = 0.2
    worst: float = 1.0
    n_steps: int = 1000
    batch_size: int = 8
    learning_rate: float = 1e-2
    seed: int = 0
    cohort_seed: int = 41


@dataclass(frozen=True, eq=False)
class ImagePairs:
    """Poor images and clean ones of the same hearts, both (N, 1, 128, 128), gray from 0 to 1."""

    poor: Tensor
    clean: Tensor


def clean_images(
    labels: NDArray[np.uint8],
    spacing_mm: tuple[float, float],
    *,
    n_looks: int,
    rng: np.random.Generator,
) -> Images:
    """B-mode images of label maps in a good window, speckle averaged out over `n_looks` images.

    Args:
        labels: Label map, shape (H, W, T), row 0 at the transducer.
        spacing_mm: Distance between pixel centers along (rows, columns) in mm.
        n_looks: How many images of each frame are averaged, 1 or more.
        rng: Source of randomness.

    Returns:
        Gray levels, shape (H, W, T), uint8.

    Raises:
        CardiovaeError: Labels of another shape.
        ConfigError: No look at all.
    """
    if n_looks < 1:
        raise ConfigError(f"n_looks is 1 or more, got {n_looks}")
    often = np.repeat(labels, n_looks, axis=2)
    looks = simulate_bmode(often, spacing_mm, rng=rng, imaging=CLEAN)
    mean = looks.reshape(*labels.shape, n_looks).mean(axis=3)
    return np.asarray(np.rint(mean), np.uint8)


def draw_pairs(config: RestoreConfig) -> ImagePairs:
    """Images to learn from, of drawn hearts; the same settings give the same images."""
    rng = np.random.default_rng(config.seed)
    spacing = (0.7, 0.7)
    poor, clean = [], []
    cohort = phantom_cohort(
        config.n_hearts, config.cohort_seed, n_frames=config.n_frames, spacing_mm=spacing
    )
    for phantom, _, _ in cohort:
        labels = phantom.sequence.labels
        imaging = draw_imaging(rng, rng.uniform(config.best, config.worst))
        poor.append(squeezed(simulate_bmode(labels, spacing, rng=rng, imaging=imaging)))
        clean.append(squeezed(clean_images(labels, spacing, n_looks=config.n_looks, rng=rng)))
    return ImagePairs(torch.cat(poor), torch.cat(clean))


def train_restorer(
    pairs: ImagePairs,
    name: str,
    config: RestoreConfig,
    *,
    progress: Callable[[int, float], None] | None = None,
) -> nn.Module:
    """A network that makes clean images of poor ones; the same seed gives the same network.

    Args:
        pairs: What it learns from.
        name: "denoise" (everything through the bottleneck) or "denoise-skip" (symmetric skip
            connections).
        config: Settings of the training.
        progress: Called after each step with its number and the mean squared error.

    Returns:
        The network in evaluation mode: images (N, 1, H, W), gray from 0 to 1, to images.

    Raises:
        ConfigError: Another name.
    """
    if name not in NETWORKS:
        raise ConfigError(f"network '{name}': unknown; there are {', '.join(NETWORKS)}")
    torch.manual_seed(config.seed)
    network = denoiser(name, 1, 1).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=config.learning_rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, config.learning_rate, total_steps=config.n_steps
    )
    loss_of: Callable[[Tensor, Tensor], Any] = nn.MSELoss()
    for step in range(config.n_steps):
        chosen = torch.randint(len(pairs.poor), (config.batch_size,))
        loss = loss_of(network(pairs.poor[chosen]), pairs.clean[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if progress is not None:
            progress(step + 1, float(loss.detach()))
    return network.eval().requires_grad_(False)


def restore_images(network: nn.Module, images: Images) -> Images:
    """What a network of `train_restorer` makes of B-mode images, each frame on its own.

    Args:
        network: The network.
        images: Gray levels, shape (H, W, T), uint8.

    Returns:
        The same shape; as sharp as squares of 128 pixels allow.
    """
    maps = squeezed(images)
    with torch.inference_mode():
        found = torch.cat([network(part) for part in torch.split(maps, BATCH)]).clamp(0, 1)
        large = interpolate(found, size=images.shape[:2], mode="bilinear")
    gray = (255 * large[:, 0]).round().to(torch.uint8).numpy()
    return np.ascontiguousarray(gray.transpose(1, 2, 0))


def squeezed(images: Images, side: int = SIDE) -> Tensor:
    """Images (H, W, T) as a network takes them, (T, 1, side, side), gray from 0 to 1."""
    frames = torch.from_numpy(np.ascontiguousarray(images.transpose(2, 0, 1)[:, None]))
    small = interpolate(frames.float() / 255, size=(side, side), mode="bilinear", antialias=True)
    return small.clamp(0, 1)
