"""Constrained VAE: a linear neuron tells the cardiac instant (Painchaud et al., TMI 39(11), 2020).

The neuron is trained with the rest, so the code is laid out such that the instant is a direction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from cardiovae.prior.network import Learned, ShapeNetwork
from cardiovae.prior.objective import instant_loss, kl_divergence

if TYPE_CHECKING:
    import torch

    from cardiovae.prior.augment import Batch
    from cardiovae.prior.state import ObjectiveConfig


class ConstrainedVAE(ShapeNetwork):
    """A VAE whose code predicts the instant (ED 0, ES 1) by one linear neuron."""

    def __init__(self, latent_dim: int = 48, width: int = 24) -> None:
        super().__init__(latent_dim, width)
        self.instant = nn.Linear(latent_dim, 1)

    def learn(self, batch: Batch, weights: ObjectiveConfig, generator: torch.Generator) -> Learned:
        """Decode a draw of each posterior; predict its instant."""
        posterior = self.encode(batch.inputs)
        z = posterior.sample(generator)
        terms = {
            "beta": kl_divergence(posterior),
            "instant": instant_loss(self.instant(z), batch.instant),
        }
        return Learned(self.decode(z), terms)


MODEL = ConstrainedVAE
