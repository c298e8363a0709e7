"""Denoising autoencoders: damaged label maps in, whole hearts out.

The idea is Post-DAE (Larrazabal et al., IEEE TMI 39(12), 2020): a network learns from pairs of
damaged and sound masks alone. Without skip connections everything passes the bottleneck; with
symmetric ones detail survives, and so may the damage. Both see the canonical grid, and their
scores, not their labels, are brought to the native one.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from cardiovae.baselines.outcome import Found
from cardiovae.correction.blend import canvas_to_native
from cardiovae.correction.scene import Scene
from cardiovae.labels import Label
from cardiovae.prior.codec import to_canvas, visible_input
from cardiovae.prior.network import N_CLASSES, N_INPUTS

# MONAI's names and arguments of the networks.
NETWORKS: Mapping[str, tuple[str, Mapping[str, Any]]] = MappingProxyType(
    {
        "denoise": ("AutoEncoder", {"channels": (24, 48, 96, 96, 48), "strides": (2,) * 5}),
        "denoise-skip": ("UNet", {"channels": (24, 48, 64, 96), "strides": (2,) * 3}),
    }
)
BATCH = 16  # frames at a time


def denoiser(name: str, n_inputs: int = N_INPUTS, n_outputs: int = N_CLASSES) -> nn.Module:
    """An untrained network of `NETWORKS`: (N, n_inputs, H, W) to (N, n_outputs, H, W).

    H and W are multiples of 32. By default it takes label maps, (N, 7, 128, 96), and gives class
    scores, (N, 4, 128, 96).
    """
    from monai.networks import nets  # takes seconds; only what needs it should wait

    kind, arguments = NETWORKS[name]
    network: nn.Module = getattr(nets, kind)(
        spatial_dims=2, in_channels=n_inputs, out_channels=n_outputs, norm="BATCH", **arguments
    )
    return network


def denoise(scene: Scene, network: nn.Module) -> Found:
    """Every frame, as it is, through the network; structures not annotated stay background."""
    shares, inside = to_canvas(scene.sequence.labels, scene.placement)
    maps = visible_input(shares, inside, scene.sequence.structures)
    allowed = (Label.BACKGROUND, *scene.sequence.structures)
    frames: list[NDArray[np.uint8]] = []
    with torch.no_grad():
        for part in torch.split(maps, BATCH):
            scores = canvas_to_native(network(part).numpy(), scene.placement)
            found = scores.argmax(1).astype(np.uint8)
            found[~np.isin(found, allowed)] = Label.BACKGROUND
            frames.extend(found)
    return Found(np.stack(frames, axis=2))
