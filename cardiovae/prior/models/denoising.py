"""Denoising auto-encoder: whole hearts from damaged maps (Vincent et al., ICML 2008).

The network is that of the auto-encoder; the damage is in the data (`augment.corrupt` of the
preset). Denoisers with symmetric skip connections have no code of their own: they are the methods
`denoise-skip` and `restore` of `cardiovae.baselines`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cardiovae.prior.network import Learned, PointNetwork

if TYPE_CHECKING:
    import torch

    from cardiovae.prior.augment import Batch
    from cardiovae.prior.state import ObjectiveConfig


class DenoisingAutoEncoder(PointNetwork):
    """The encoder sees damaged maps, the decoder is held to the whole ones.

    Damaged maps are moved back to where whole ones lie, so that the space learns which way hearts
    are.
    """

    def learn(self, batch: Batch, weights: ObjectiveConfig, generator: torch.Generator) -> Learned:
        """Decode the codes of damaged maps."""
        return Learned(self.decode(self.encode(batch.inputs).mu), {})


MODEL = DenoisingAutoEncoder
