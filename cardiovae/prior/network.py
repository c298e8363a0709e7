"""The network: a convolutional VAE on one-hot label maps, whole in this file.

Starting point: Painchaud et al., IEEE TMI 41(10), 2022 (conv-ELU-BN blocks, linear codes). The
decoder gives the signed distances in mm to three regions, LV, LV + MYO and LA, on a coarse grid;
the canonical grid interpolates them to any resolution. Distances rather than class scores, because
they can be averaged over time and blended with the input's own contours. Plain torch on purpose:
importing MONAI takes longer than correcting a cine.

Symbols: N batch, D latent dimensions; regions are LV, epicardium (LV + MYO) and LA.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from cardiovae.prior.grid import KNOT_SHAPE

N_CLASSES = 4
N_REGIONS = 3
N_INPUTS = N_CLASSES + 3  # one-hot, inside the image, MYO annotated, LA annotated
UNIT_MM = 10.0  # millimeters per unit of the last layer, so that its outputs are of order one


class Posterior(NamedTuple):
    """Gaussian posterior of the code: mean and log variance, shapes (N, D)."""

    mu: Tensor
    logvar: Tensor

    def sample(self, generator: torch.Generator | None = None) -> Tensor:
        """One reparametrized draw per item, shape (N, D)."""
        noise = torch.randn(self.mu.shape, generator=generator, device=self.mu.device)
        return self.mu + noise * torch.exp(0.5 * self.logvar)


def _block(n_in: int, n_out: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False), nn.BatchNorm2d(n_out), nn.ELU()
    )


class ShapeVAE(nn.Module):
    """Encoder to a Gaussian posterior, decoder to distances, linear neuron for the instant.

    Args:
        latent_dim: Number of latent dimensions D.
        width: Channels at the finest level; deeper levels have 2, 4 and 4 times as many.
    """

    def __init__(self, latent_dim: int = 48, width: int = 24) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        self.width = width
        w1, w2, w4 = width, 2 * width, 4 * width
        self.coarse = (KNOT_SHAPE[0] // 8, KNOT_SHAPE[1] // 8)
        size = w4 * self.coarse[0] * self.coarse[1]
        self.encoder = nn.Sequential(
            _block(N_INPUTS, w1, 2),
            _block(w1, w2, 2),
            _block(w2, w2),
            _block(w2, w4, 2),
            _block(w4, w4),
            _block(w4, w4, 2),
            nn.Flatten(),
        )
        self.to_posterior = nn.Linear(size, 2 * latent_dim)
        self.from_code = nn.Linear(latent_dim, size)
        self.decoder = nn.Sequential(
            nn.Unflatten(1, (w4, *self.coarse)),
            nn.Upsample(scale_factor=2, mode="nearest"),
            _block(w4, w4 * 2 // 3),
            nn.Upsample(scale_factor=2, mode="nearest"),
            _block(w4 * 2 // 3, w4 * 2 // 3),
            _block(w4 * 2 // 3, w2),
            nn.Conv2d(w2, N_REGIONS * 4, 3, 1, 1),
            nn.PixelShuffle(2),
        )
        self.instant = nn.Linear(latent_dim, 1)

    def encode(self, maps: Tensor) -> Posterior:
        """Posterior of inputs (N, 7, 128, 96)."""
        mu, logvar = self.to_posterior(self.encoder(maps)).chunk(2, dim=1)
        return Posterior(mu, logvar.clamp(-12.0, 4.0))

    def decode(self, z: Tensor) -> Tensor:
        """Signed distances in mm, negative inside, of codes (N, D): shape (N, 3, 64, 48)."""
        distances: Tensor = UNIT_MM * self.decoder(self.from_code(z))
        return distances

    def forward(self, maps: Tensor) -> Tensor:
        """Signed distances of the mean code, shape (N, 3, 64, 48), in mm."""
        return self.decode(self.encode(maps).mu)
