"""Training of the baselines that have a model, on the training part of a prior's cohort."""

from __future__ import annotations

import platform
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from cardiovae import __version__
from cardiovae.baselines.denoise import denoiser
from cardiovae.baselines.models import PCA, modes_arrays, save_baseline
from cardiovae.prior.augment import AugmentConfig, draw_batch, most_probable
from cardiovae.prior.cohort import Cohort
from cardiovae.prior.fidelity import dice, mean_known
from cardiovae.prior.modes import N_MODES, knot_distances, principal_modes
from cardiovae.prior.shapes import ShapeTable

CORRUPT = 0.8  # share of the training inputs that are damaged
N_JUDGED = 256  # damaged shapes of other patients to judge a denoiser by


@dataclass(frozen=True)
class DenoiseConfig:
    """Settings of the training of a denoiser."""

    n_steps: int = 1200
    batch_size: int = 32
    learning_rate: float = 3e-3
    weight_decay: float = 1e-4
    seed: int = 0


def write_modes(folder: Path, cohort: Cohort, n_modes: int = N_MODES) -> None:
    """Fit the linear model to the training shapes, and write it into the prior's folder.

    Raises:
        FileError: The file system refuses.
    """
    facts = _facts(cohort) | {"modes": n_modes}
    modes = principal_modes(knot_distances(cohort.training), n_modes)
    save_baseline(folder, PCA, modes_arrays(modes), facts)


def write_denoiser(
    folder: Path,
    name: str,
    cohort: Cohort,
    config: DenoiseConfig,
    *,
    progress: Callable[[int, float], None] | None = None,
) -> None:
    """Train a denoiser, judge it on other patients, and write it into the prior's folder.

    Args:
        folder: The prior's folder.
        name: "denoise" or "denoise-skip".
        cohort: Data of the prior.
        config: Settings.
        progress: Called after each step with its number and the loss.

    Raises:
        FileError: The file system refuses.
    """
    network = train_denoiser(cohort.training, name, config, progress=progress)
    # What is judged is what is written.
    network.load_state_dict(
        {
            k: v.half().float() if v.is_floating_point() else v
            for k, v in network.state_dict().items()
        }
    )
    facts = _facts(cohort) | {
        "training": asdict(config),
        "validation_dice": denoised_dice(network, cohort.validation),
    }
    save_baseline(folder, name, network.state_dict(), facts)


def train_denoiser(
    shapes: ShapeTable,
    name: str,
    config: DenoiseConfig,
    *,
    progress: Callable[[int, float], None] | None = None,
) -> nn.Module:
    """A denoiser trained on damaged and sound shapes; the same seed gives the same network."""
    from monai.losses.dice import DiceCELoss

    torch.manual_seed(config.seed)
    rng = np.random.default_rng(config.seed)
    network = denoiser(name).train()
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, config.learning_rate, total_steps=config.n_steps
    )
    loss_of = DiceCELoss(softmax=True)
    augment = AugmentConfig(corrupt=CORRUPT)
    for step in range(config.n_steps):
        chosen = rng.integers(len(shapes.sequence), size=config.batch_size)
        batch = draw_batch(shapes, chosen, augment, rng)
        loss = loss_of(network(batch.inputs), batch.target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if progress is not None:
            progress(step + 1, float(loss.detach()))
    return network.eval().requires_grad_(False)


def denoised_dice(network: nn.Module, shapes: ShapeTable) -> dict[str, float]:
    """Mean Dice of damaged shapes, and of what the network makes of them, with the sound ones."""
    rng = np.random.default_rng(0)
    damage = AugmentConfig(corrupt=1.0, drop_la=0.0, drop_myo=0.0)
    chosen = rng.integers(len(shapes.sequence), size=N_JUDGED)
    batch = draw_batch(shapes, chosen, damage, rng)
    with torch.no_grad():
        scores = torch.cat([network(part) for part in torch.split(batch.inputs, 32)])
    truth = most_probable(batch.target)
    return {
        key: mean_known(
            np.array(
                [
                    dice(t == s, f == s)
                    for t, f in zip(truth, found, strict=True)
                    for s in (1, 2, 3)
                ]
            )
        )
        for key, found in (
            ("damaged", most_probable(batch.inputs[:, :4])),
            ("denoised", most_probable(scores)),
        )
    }


def _facts(cohort: Cohort) -> dict[str, Any]:
    """Where a model comes from: the data, their split, what made it."""
    versions = {
        "cardiovae": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
    }
    return {"data": dict(cohort.facts), "trained_on": "the part 'train'", "versions": versions}
