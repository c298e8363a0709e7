"""Trained baselines on disk: the folder `baselines` of a prior.

`pca.safetensors`, `denoise.safetensors`, `denoise-skip.safetensors`, and `baselines.json` with
where each comes from. Weights are float16.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from cardiovae.baselines.denoise import NETWORKS, denoiser
from cardiovae.errors import ModelError
from cardiovae.io.atomic import write_bytes, write_text
from cardiovae.prior.folder import DAMAGE, ShapePrior
from cardiovae.prior.grid import KNOT_SHAPE
from cardiovae.prior.modes import ShapeModes

FOLDER = "baselines"
FACTS = "baselines.json"
PCA = "pca"


def load_modes(prior: ShapePrior) -> ShapeModes:
    """The linear model in the prior's folder.

    Raises:
        ModelError: It is missing or damaged.
    """
    content = read_weights(prior, PCA)
    try:
        mean, modes, deviations = (
            content[name].float().numpy() for name in ("mean", "modes", "deviations")
        )
        if mean.shape != (3, *KNOT_SHAPE) or modes.shape != (deviations.size, *mean.shape):
            raise ValueError(f"mean has shape {mean.shape}, modes {modes.shape}")
    except DAMAGE as error:
        raise damaged(prior, PCA, error) from error
    return ShapeModes(mean, modes, deviations)


def load_denoiser(prior: ShapePrior, name: str) -> nn.Module:
    """A denoiser in the prior's folder, in evaluation mode.

    Raises:
        ModelError: It is missing or damaged.
    """
    content = read_weights(prior, name)
    network = denoiser(name)
    try:
        network.load_state_dict(dict(content))
    except DAMAGE as error:
        raise damaged(prior, name, error) from error
    return network.eval().requires_grad_(False)


def require_model(method: str, prior: ShapePrior) -> None:
    """Raise, before any work, when a method lacks its model.

    Raises:
        ModelError: It is missing or damaged.
    """
    if method in ("pca", "robust-pca"):
        load_modes(prior)
    elif method in NETWORKS:
        load_denoiser(prior, method)


def modes_arrays(modes: ShapeModes) -> dict[str, Tensor]:
    """A linear model as tensors to write."""
    return {
        name: torch.from_numpy(np.ascontiguousarray(getattr(modes, name)))
        for name in ("mean", "modes", "deviations")
    }


def read_weights(prior: ShapePrior, name: str) -> Mapping[str, Tensor]:
    """Tensors of a trained baseline by name.

    Raises:
        ModelError: The file is missing or damaged.
    """
    path = weights_path(prior.folder, name)
    if not path.is_file():
        raise ModelError(
            f"prior '{prior.name}': {path} is missing, so method '{name}' has no model here; "
            "take --prior camus, or train it with 'python benchmarks/train_baselines.py "
            f"{prior.folder} --preset {prior.name}' in a checkout"
        )
    try:
        return dict(load_file(path))
    except (*DAMAGE, SafetensorError) as error:
        raise damaged(prior, name, error) from error


def damaged(prior: ShapePrior, name: str, error: Exception) -> ModelError:
    """The error for a file that cannot be what it should."""
    return ModelError(
        f"prior '{prior.name}': {weights_path(prior.folder, name)} is damaged or of another "
        f"version ({error}); reinstall cardiovae or train it again with 'python "
        f"benchmarks/train_baselines.py {prior.folder} --preset {prior.name}'"
    )


def weights_path(folder: Path, name: str) -> Path:
    """Where a prior's folder keeps the weights of a baseline."""
    return folder / FOLDER / f"{name}.safetensors"


def save_baseline(
    folder: Path, name: str, weights: Mapping[str, Tensor], facts: Mapping[str, Any]
) -> None:
    """Write a trained baseline into a prior's folder in float16, and note where it comes from.

    Raises:
        FileError: The file system refuses.
    """
    halves = {
        key: value.detach().cpu().half().contiguous() if value.is_floating_point() else value
        for key, value in weights.items()
    }
    write_bytes(weights_path(folder, name), save(halves), overwrite=True)
    path = folder / FOLDER / FACTS
    known = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    text = json.dumps({**known, name: dict(facts)}, indent=2, sort_keys=True) + "\n"
    write_text(path, text, overwrite=True)
