"""The network: a small U-Net from image and labels to the truth, and what follows from it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cardiovae.labels import STRUCTURES
from cardiovae.prior.network import N_CLASSES, N_INPUTS

IMPOSSIBLE = 30.0  # taken from a score: a factor of 1e-13 on the probability


@dataclass(frozen=True)
class NetworkConfig:
    """Sizes of the network.

    Args:
        channels: Of each level; each is half as fine as the one before it.
        residual_units: Of each level.
    """

    channels: tuple[int, ...] = (16, 32, 64, 96, 96)
    residual_units: int = 1


class OpinionNetwork(nn.Module):
    """Scores of the true classes (N, 4, 128, 96) of inputs (N, 8, 128, 96)."""

    trunks = ("unet",)

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        from monai.networks.nets.unet import UNet  # importing takes seconds

        self.config = config
        self.unet = UNet(
            spatial_dims=2,
            in_channels=1 + N_INPUTS,
            out_channels=N_CLASSES,
            channels=config.channels,
            strides=(2,) * (len(config.channels) - 1),
            num_res_units=config.residual_units,
            norm="batch",
        )

    def forward(self, inputs: Tensor) -> Tensor:
        """Scores; classes that are not annotated are impossible."""
        scores: Tensor = self.unet(inputs)
        shut = torch.zeros_like(scores)
        # The last two maps say whether MYO and LA are annotated.
        for structure, flag in zip(STRUCTURES[1:], (-2, -1), strict=True):
            shut[:, structure] = -IMPOSSIBLE * (1 - inputs[:, flag])
        return scores + shut
