"""Variational auto-encoder (Kingma and Welling, ICLR 2014; weighted: Higgins, ICLR 2017)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cardiovae.prior.network import Learned, ShapeNetwork
from cardiovae.prior.objective import kl_divergence

if TYPE_CHECKING:
    import torch

    from cardiovae.prior.augment import Batch
    from cardiovae.prior.state import ObjectiveConfig


class VariationalAutoEncoder(ShapeNetwork):
    """A map's code is a Gaussian, held near the standard normal by its divergence from it."""

    def learn(self, batch: Batch, weights: ObjectiveConfig, generator: torch.Generator) -> Learned:
        """Decode a reparametrized draw of each posterior."""
        posterior = self.encode(batch.inputs)
        decoded = self.decode(posterior.sample(generator))
        return Learned(decoded, {"beta": kl_divergence(posterior)})


MODEL = VariationalAutoEncoder
