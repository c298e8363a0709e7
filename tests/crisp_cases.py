"""A model of images and masks whose answers are known, for the tests of doubt."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from prior_cases import drawn_heart
from torch import nn

from cardiovae.crisp.folder import Crisp
from cardiovae.crisp.library import Library
from cardiovae.crisp.network import CrispNetwork, NetworkConfig
from cardiovae.crisp.search import SearchConfig
from cardiovae.prior.codec import to_canvas
from cardiovae.prior.grid import place
from cardiovae.sequence import EchoSequence

torch.set_num_threads(1)


class Constant(nn.Module):
    """Places every input at one point."""

    def __init__(self, *point: float) -> None:
        super().__init__()
        self.point = nn.Parameter(torch.tensor(point))

    def forward(self, maps):
        return self.point.expand(len(maps), -1)


def heart(size: float = 1.0, **how) -> EchoSequence:
    return EchoSequence(drawn_heart(size, **how)[:, :, None], (0.8, 1.1))


def on_canvas(sequence: EchoSequence) -> np.ndarray:
    """Label map of a one-frame sequence on the canonical grid, (128, 96)."""
    shares, _ = to_canvas(sequence.labels, place(sequence.labels, sequence.spacing_mm))
    return shares[0].argmax(0).astype(np.uint8)


def toy(hearts: list[np.ndarray], cosines: list[float], **search) -> Crisp:
    """A model that puts each image where the hearts of its library have these cosines."""
    network = CrispNetwork(NetworkConfig(joint=2, image_code=2, mask_code=2, width=4))
    network.image_encoder = Constant(1.0, 0.0)
    network.mask_encoder = Constant(0.6, 0.8)
    for project in (network.project_image, network.project_mask):
        project.weight.data = torch.eye(2)
        project.bias.data.zero_()
    c = np.array(cosines, np.float32)
    codes = np.stack([c, np.sqrt(1 - c**2)], 1)
    moves = np.tile(np.eye(2, 3, dtype=np.float32), (len(c), 1, 1))
    library = Library(codes, np.stack(hearts), np.arange(len(c)), moves)
    network.eval().requires_grad_(False)
    return Crisp(network, library, SearchConfig(**search), {"name": "toy"}, Path())
