"""What all models of hearts share: one encoder, one decoder, one interface.

Starting point: Painchaud et al., IEEE TMI 41(10), 2022 (conv-ELU-BN blocks, linear codes). The
decoder gives the signed distances in mm to three regions, LV, LV + MYO and LA, on a coarse grid;
the canonical grid interpolates them to any resolution. Distances rather than class scores, because
they can be averaged over time and blended with the input's own contours. Plain torch on purpose:
importing MONAI takes longer than correcting a cine.

A model is a file of `cardiovae/prior/models`: it derives from `ShapeNetwork`, or `ShapeModel`, and
says how a code is drawn and what that costs.

Symbols: N batch, D latent dimensions; regions are LV, epicardium (LV + MYO) and LA.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from cardiovae.prior.grid import KNOT_SHAPE

if TYPE_CHECKING:
    from cardiovae.prior.augment import Batch
    from cardiovae.prior.shapes import ShapeTable
    from cardiovae.prior.state import ObjectiveConfig

N_CLASSES = 4
N_REGIONS = 3
N_INPUTS = N_CLASSES + 3  # one-hot, inside the image, MYO annotated, LA annotated
UNIT_MM = 10.0  # millimeters per unit of the last layer, so that its outputs are of order one
ENCODER = ("encoder.", "to_posterior.")  # how the names of the weights that encode begin
LEAST_LOGVAR, LARGEST_LOGVAR = -12.0, 4.0


class Posterior(NamedTuple):
    """Gaussian posterior of the code: mean and log variance, shapes (N, D)."""

    mu: Tensor
    logvar: Tensor

    def sample(self, generator: torch.Generator | None = None) -> Tensor:
        """One reparametrized draw per item, shape (N, D)."""
        where = self.mu.device if generator is None else generator.device
        noise = torch.randn(
            self.mu.shape, generator=generator, device=where, dtype=self.mu.dtype
        ).to(self.mu.device)
        return self.mu + noise * torch.exp(0.5 * self.logvar)


class Learned(NamedTuple):
    """What a model makes of a batch.

    Args:
        decoded: Signed distances in mm at the knots, shape (N, 3, 64, 48).
        terms: What the model adds to the objective, by the name of its weight.
    """

    decoded: Tensor
    terms: dict[str, Tensor]


def gaussian(numbers: Tensor) -> Posterior:
    """The posterior of means and log variances side by side, shape (N, 2 D)."""
    mu, logvar = numbers.chunk(2, dim=1)
    return Posterior(mu, logvar.clamp(LEAST_LOGVAR, LARGEST_LOGVAR))


def block(n_in: int, n_out: int, stride: int = 1) -> nn.Sequential:
    """Convolution, batch normalization, ELU."""
    return nn.Sequential(
        nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False), nn.BatchNorm2d(n_out), nn.ELU()
    )


class Critic(nn.Module):
    """Tells decoded masks from real ones, and so teaches the model to make better ones."""

    # As those of a `ShapeModel`.
    trunks: tuple[str, ...] = ()

    def fooled(self, canvas: Tensor) -> Tensor:
        """What the model pays for decoded distances (N, 3, 128, 96) that look decoded."""
        raise TypeError(f"{type(self).__name__} does not say what fools it")

    def mistaken(self, canvas: Tensor, batch: Batch) -> Tensor:
        """What the critic pays for taking decoded masks for real, and real ones for decoded."""
        raise TypeError(f"{type(self).__name__} does not say what its mistakes are")


class ShapeModel(nn.Module):
    """What any model of hearts does: masks to codes, codes to masks."""

    latent_dim: int
    # Whether the posterior's spread is learned: otherwise a code is a point.
    is_variational = True
    # Whether dimension i of the code is to follow attribute i.
    follows_attributes = False
    # Whether gradient steps learn it; otherwise `fit` does all.
    learns_by_steps = True
    # Names of the modules that take the time, each a function of one tensor, item by item but for
    # batch normalization: several processes share their work, and it may be done in bfloat16.
    trunks: tuple[str, ...] = ()

    def encode(self, maps: Tensor, known: Tensor | None = None) -> Posterior:
        """Posterior of inputs (N, 7, 128, 96).

        Args:
            maps: Inputs, as `cardiovae.prior.augment.network_input` makes them.
            known: What a conditional model is told of each item; others ignore it.
        """
        raise TypeError(f"{type(self).__name__} does not say how it encodes")

    def decode(self, z: Tensor, known: Tensor | None = None) -> Tensor:
        """Signed distances in mm, negative inside, of codes (N, D): shape (N, 3, 64, 48).

        Args:
            z: Codes.
            known: As in `encode`.
        """
        raise TypeError(f"{type(self).__name__} does not say how it decodes")

    def forward(self, maps: Tensor) -> Tensor:
        """Signed distances of the mean code, shape (N, 3, 64, 48), in mm."""
        return self.decode(self.encode(maps).mu)

    def learn(self, batch: Batch, weights: ObjectiveConfig, generator: torch.Generator) -> Learned:
        """Decode a draw of the code of each item of a batch; what else it costs, by name."""
        raise TypeError(f"{type(self).__name__} does not say how it learns")

    def fit(self, shapes: ShapeTable) -> None:
        """Learn what takes no gradient steps from the training shapes; by default nothing."""

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """`n` codes of the model's own prior, shape (n, D); by default standard normal."""
        return torch.randn((n, self.latent_dim), generator=generator)

    def log_prior(self, z: Tensor) -> Tensor:
        """Log density in nats of codes (N, D) under the model's own prior, shape (N,)."""
        return -0.5 * (z.square() + math.log(2 * math.pi)).sum(1)

    @classmethod
    def critic(cls) -> Critic | None:
        """A second network that learns in turns with this one; None: there is none."""
        return None


class ShapeNetwork(ShapeModel):
    """Convolutional encoder to a Gaussian posterior, convolutional decoder to distances.

    Args:
        latent_dim: Number of latent dimensions D.
        width: Channels at the finest level; deeper levels have 2, 4 and 4 times as many.
    """

    trunks = ("encoder", "decoder")
    # Numbers per latent dimension that the encoder gives: mean and log variance, or the mean.
    n_statistics = 2
    # Numbers that encoder and decoder are told beside map and code.
    n_known = 0

    def __init__(self, latent_dim: int = 48, width: int = 24) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        self.width = width
        w1, w2, w4 = width, 2 * width, 4 * width
        self.coarse = (KNOT_SHAPE[0] // 8, KNOT_SHAPE[1] // 8)
        size = w4 * self.coarse[0] * self.coarse[1]
        self.encoder = nn.Sequential(
            block(N_INPUTS, w1, 2),
            block(w1, w2, 2),
            block(w2, w2),
            block(w2, w4, 2),
            block(w4, w4),
            block(w4, w4, 2),
            nn.Flatten(),
        )
        self.to_posterior = nn.Linear(size + self.n_known, self.n_statistics * latent_dim)
        self.from_code = nn.Linear(latent_dim + self.n_known, size)
        self.decoder = nn.Sequential(
            nn.Unflatten(1, (w4, *self.coarse)),
            nn.Upsample(scale_factor=2, mode="nearest"),
            block(w4, w4 * 2 // 3),
            nn.Upsample(scale_factor=2, mode="nearest"),
            block(w4 * 2 // 3, w4 * 2 // 3),
            block(w4 * 2 // 3, w2),
            nn.Conv2d(w2, N_REGIONS * 4, 3, 1, 1),
            nn.PixelShuffle(2),
        )

    def encode(self, maps: Tensor, known: Tensor | None = None) -> Posterior:
        """Posterior of inputs (N, 7, 128, 96); what is known beside them is ignored."""
        return gaussian(self.to_posterior(self.encoder(maps)))

    def decode(self, z: Tensor, known: Tensor | None = None) -> Tensor:
        """Signed distances in mm of codes (N, D), shape (N, 3, 64, 48)."""
        distances: Tensor = UNIT_MM * self.decoder(self.from_code(z))
        return distances


class PointNetwork(ShapeNetwork):
    """A deterministic auto-encoder: the posterior is a point."""

    is_variational = False
    n_statistics = 1

    def encode(self, maps: Tensor, known: Tensor | None = None) -> Posterior:
        """The code of inputs (N, 7, 128, 96), its spread as small as can be."""
        mu = self.to_posterior(self.encoder(maps))
        return Posterior(mu, torch.full_like(mu, LEAST_LOGVAR))
