"""Auto-encoder: a bottleneck and nothing else (Hinton and Salakhutdinov, Science 313, 2006)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cardiovae.prior.network import Learned, PointNetwork

if TYPE_CHECKING:
    import torch

    from cardiovae.prior.augment import Batch
    from cardiovae.prior.state import ObjectiveConfig


class AutoEncoder(PointNetwork):
    """The code of a map is a point, and only reconstruction is asked for.

    Nothing fills the space between the codes: what lies there need not be a heart.
    """

    def learn(self, batch: Batch, weights: ObjectiveConfig, generator: torch.Generator) -> Learned:
        """Decode the codes of a batch."""
        return Learned(self.decode(self.encode(batch.inputs).mu), {})


MODEL = AutoEncoder
