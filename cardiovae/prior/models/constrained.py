"""Constrained VAE: a linear neuron tells the instant, or a slice's position (TMI 39(11), 2020).

The neuron (Painchaud et al., 2020) is trained with the rest, so that the cardiac instant, ED 0 to
ES 1, is a direction of the code; of short-axis slices their position, base 0 to apex 1.
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
    """A VAE whose code predicts the instant or position, 0 to 1, by one linear neuron."""

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
