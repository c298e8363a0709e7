"""The network of the published AR-VAE at its own size, plainly, to be timed beside ours.

Painchaud et al., IEEE TMI 41(10), 2022, as its public configuration says: label maps of 256 x 256
pixels with background, LV and myocardium; four blocks of a strided and a plain convolution with
48, 96, 192 and 384 channels, each followed by ELU and batch normalization; a strided convolution
to 48 channels of 8 x 8; 16 latent dimensions; the mirror image with transposed convolutions.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from cardiovae.prior.network import Posterior
from cardiovae.prior.objective import attribute_loss, kl_divergence

SIZE = 256
N_CLASSES = 3
LATENT_DIM = 16
CHANNELS = (48, 96, 192, 384)
COARSE = SIZE // 32
# Weights of its loss: cross-entropy, soft Dice, KL, attributes, and their steepness.
CROSS_ENTROPY, DICE, BETA, GAMMA, DELTA = 0.1, 1.0, 1e-4, 0.1, 16.0


def _conv(n_in: int, n_out: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(n_in, n_out, 3, stride, 1), nn.ELU(), nn.BatchNorm2d(n_out))


def _up(n_in: int, n_out: int) -> nn.Sequential:
    return nn.Sequential(nn.ConvTranspose2d(n_in, n_out, 2, 2), nn.ELU(), nn.BatchNorm2d(n_out))


class PeerVAE(nn.Module):
    """Encoder to a Gaussian posterior, decoder to class scores at the full size."""

    def __init__(self) -> None:
        super().__init__()
        first = CHANNELS[0]
        down = zip((N_CLASSES, *CHANNELS[:-1]), CHANNELS, strict=True)
        blocks = [b for n_in, n_out in down for b in (_conv(n_in, n_out, 2), _conv(n_out, n_out))]
        self.encoder = nn.Sequential(*blocks, _conv(CHANNELS[-1], first, 2), nn.Flatten())
        size = first * COARSE * COARSE
        self.mean, self.logvar = (nn.Linear(size, LATENT_DIM) for _ in range(2))
        self.from_code = nn.Sequential(
            nn.Linear(LATENT_DIM, size), nn.ELU(), nn.Unflatten(1, (first, COARSE, COARSE))
        )
        up = zip((first, *CHANNELS[:0:-1]), CHANNELS[::-1], strict=True)
        blocks = [b for n_in, n_out in up for b in (_up(n_in, n_out), _conv(n_out, n_out))]
        self.decoder = nn.Sequential(
            *blocks, _up(first, first), nn.Conv2d(first, N_CLASSES, 3, padding=1)
        )

    def encode(self, maps: Tensor) -> Posterior:
        """Posterior of one-hot label maps (N, 3, 256, 256)."""
        features = self.encoder(maps)
        return Posterior(self.mean(features), self.logvar(features))

    def decode(self, z: Tensor) -> Tensor:
        """Class scores (N, 3, 256, 256) of codes (N, 16)."""
        scores: Tensor = self.decoder(self.from_code(z))
        return scores


def peer_loss(network: PeerVAE, classes: Tensor, attributes: Tensor) -> Tensor:
    """Its training loss of one-hot maps (N, 3, 256, 256) with attributes (N, 7)."""
    posterior = network.encode(classes)
    z = posterior.sample()
    scores = network.decode(z)
    found, truth = torch.softmax(scores, 1)[:, 1:], classes[:, 1:]
    overlap = 2 * (found * truth).sum() / (found.sum() + truth.sum()).clamp_min(1e-6)
    # `attribute_loss` sums over attributes what is averaged over pairs, as theirs.
    return (
        CROSS_ENTROPY * functional.cross_entropy(scores, classes.argmax(1))
        + DICE * (1 - overlap)
        + BETA * kl_divergence(posterior)
        + GAMMA * attribute_loss(z, attributes, DELTA)
    )
