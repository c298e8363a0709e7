"""Attribute-regularized VAE (Pati and Lerch, Neural Computing and Applications, 2021).

The model of the shipped priors. Its linear neuron for the cardiac instant (Painchaud et al., IEEE
TMI 39(11), 2020) is there too, and costs nothing where the weight `instant` is 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from cardiovae.prior.network import Learned, ShapeNetwork
from cardiovae.prior.objective import attribute_loss, instant_loss, kl_divergence

if TYPE_CHECKING:
    import torch

    from cardiovae.prior.augment import Batch
    from cardiovae.prior.state import ObjectiveConfig


class AttributeVAE(ShapeNetwork):
    """Dimension i of the code grows with attribute i of the heart."""

    follows_attributes = True

    def __init__(self, latent_dim: int = 48, width: int = 24) -> None:
        super().__init__(latent_dim, width)
        self.instant = nn.Linear(latent_dim, 1)

    def learn(self, batch: Batch, weights: ObjectiveConfig, generator: torch.Generator) -> Learned:
        """Decode a draw of each posterior; order the draws like the attributes."""
        posterior = self.encode(batch.inputs)
        z = posterior.sample(generator)
        decoded = self.decode(z)
        return Learned(
            decoded,
            {
                "beta": kl_divergence(posterior),
                "gamma": attribute_loss(z, batch.attributes, weights.delta),
                "instant": instant_loss(self.instant(z), batch.instant),
            },
        )


MODEL = AttributeVAE
