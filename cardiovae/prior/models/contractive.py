"""Contractive auto-encoder: a code that changes little where the map does (Rifai, ICML 2011)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from cardiovae.prior.network import Learned, PointNetwork
from cardiovae.prior.objective import jacobian_penalty

if TYPE_CHECKING:
    from cardiovae.prior.augment import Batch
    from cardiovae.prior.state import ObjectiveConfig


class ContractiveAutoEncoder(PointNetwork):
    """Adds the squared Frobenius norm of the encoder's Jacobian.

    In training the code of an item depends on its batch through batch normalization; the penalty
    takes the derivative by its own map, the others being part of the network.
    """

    def learn(self, batch: Batch, weights: ObjectiveConfig, generator: torch.Generator) -> Learned:
        """Decode the codes of a batch; one random projection of the Jacobian."""
        maps = batch.inputs.detach().requires_grad_(True)
        z = self.encode(maps).mu
        return Learned(self.decode(z), {"jacobian": jacobian_penalty(z, maps, generator)})


MODEL = ContractiveAutoEncoder
