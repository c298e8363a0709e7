"""Hierarchical VAE with two latent levels (Sonderby et al., NeurIPS 2016).

The top level says what kind of heart it is, the lower one what is special about it, given the top:
p(z) = p(z_top) p(z_low | z_top). Both are part of one code, so everything else works on it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from cardiovae.errors import ConfigError
from cardiovae.prior.network import Learned, Posterior, ShapeNetwork, gaussian
from cardiovae.prior.objective import kl_between, kl_divergence

if TYPE_CHECKING:
    from cardiovae.prior.augment import Batch
    from cardiovae.prior.state import ObjectiveConfig


class HierarchicalVAE(ShapeNetwork):
    """Codes of a top level and a lower one.

    Args:
        latent_dim: Dimensions D of both levels together.
        width: As in `ShapeNetwork`.
        n_top: Dimensions of the top level, the first of the code.
    """

    def __init__(self, latent_dim: int = 48, width: int = 24, *, n_top: int = 12) -> None:
        if not 0 < n_top < latent_dim:
            raise ConfigError(
                f"train.options.n_top is {n_top}: the top level has at least one of the "
                f"{latent_dim} latent dimensions, and not all of them"
            )
        super().__init__(latent_dim, width)
        size = self.to_posterior.in_features
        self.n_top = n_top
        n_low = latent_dim - n_top
        self.to_posterior = nn.Linear(size, 2 * n_top + 4 * width)
        self.to_low = _two_layers(n_top + 4 * width, 4 * width, 2 * n_low)
        self.expected_low = _two_layers(n_top, 4 * width, 2 * n_low)

    def encode(self, maps: Tensor, known: Tensor | None = None) -> Posterior:
        """Posterior of inputs (N, 7, 128, 96); that of the lower level at the mean of the top."""
        top, features = self._top(maps)
        low = self._low(top.mu, features)
        return Posterior(torch.cat([top.mu, low.mu], 1), torch.cat([top.logvar, low.logvar], 1))

    def learn(self, batch: Batch, weights: ObjectiveConfig, generator: torch.Generator) -> Learned:
        """Decode a draw of both levels; their divergences add up to that of the ELBO."""
        top, features = self._top(batch.inputs)
        z_top = top.sample(generator)
        low = self._low(z_top, features)
        decoded = self.decode(torch.cat([z_top, low.sample(generator)], 1))
        divergence = kl_divergence(top) + kl_between(low, self.expected(z_top))
        return Learned(decoded, {"beta": divergence})

    def expected(self, z_top: Tensor) -> Posterior:
        """What is expected of the lower level, given the top (N, n_top)."""
        return gaussian(self.expected_low(z_top))

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """`n` codes (n, D), level after level."""
        with torch.no_grad():
            top = torch.randn((n, self.n_top), generator=generator)
            return torch.cat([top, self.expected(top).sample(generator)], 1)

    def log_prior(self, z: Tensor) -> Tensor:
        """Log density in nats of codes (N, D): that of the top, and of the rest given the top."""
        top, low = z[:, : self.n_top], z[:, self.n_top :]
        expected = self.expected(top)
        scores = (low - expected.mu) * torch.exp(-0.5 * expected.logvar)
        return super().log_prior(torch.cat([top, scores], 1)) - 0.5 * expected.logvar.sum(1)

    def _top(self, maps: Tensor) -> tuple[Posterior, Tensor]:
        found = self.to_posterior(self.encoder(maps))
        return gaussian(found[:, : 2 * self.n_top]), found[:, 2 * self.n_top :]

    def _low(self, z_top: Tensor, features: Tensor) -> Posterior:
        return gaussian(self.to_low(torch.cat([z_top, features], 1)))


def _two_layers(n_in: int, n_hidden: int, n_out: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(n_in, n_hidden), nn.ELU(), nn.Linear(n_hidden, n_out))


MODEL = HierarchicalVAE
