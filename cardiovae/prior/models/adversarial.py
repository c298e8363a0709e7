"""VAE with a critic of decoded masks (Larsen et al., ICML 2016), the two learning in turns.

The critic is MONAI's patch discriminator with its least-squares loss (Isola et al., CVPR 2017). It
sees soft label maps on the canonical grid, real ones and decoded ones, and is thrown away after
training.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from cardiovae.prior.network import N_CLASSES, Critic, Learned, ShapeNetwork
from cardiovae.prior.objective import class_shares, kl_divergence

if TYPE_CHECKING:
    from cardiovae.prior.augment import Batch
    from cardiovae.prior.state import ObjectiveConfig


class AdversarialVAE(ShapeNetwork):
    """A VAE that is also paid for masks that the critic takes for real."""

    def learn(self, batch: Batch, weights: ObjectiveConfig, generator: torch.Generator) -> Learned:
        """Decode a draw of each posterior; the critic's term is added where the masks are made."""
        posterior = self.encode(batch.inputs)
        decoded = self.decode(posterior.sample(generator))
        return Learned(decoded, {"beta": kl_divergence(posterior)})

    @classmethod
    def critic(cls) -> Critic:
        """An untrained critic."""
        return MaskCritic()


class MaskCritic(Critic):
    """Scores patches of soft label maps: 1 where real, 0 where decoded."""

    trunks = ("network",)

    def __init__(self, channels: int = 16) -> None:
        super().__init__()
        from monai.losses.adversarial_loss import PatchAdversarialLoss  # importing takes seconds

        self.network = PatchScores(channels)
        self.loss = PatchAdversarialLoss(criterion="least_squares")

    def fooled(self, canvas: Tensor) -> Tensor:
        """How far decoded distances (N, 3, 128, 96) are from being taken for real; 0 is best."""
        scores = self.network(class_shares(canvas))
        loss: Tensor = self.loss(scores, target_is_real=True, for_discriminator=False)
        return loss

    def mistaken(self, canvas: Tensor, batch: Batch) -> Tensor:
        """Mean loss on decoded and on real maps, for the critic's own turn."""
        real = self.network(batch.target)
        decoded = self.network(class_shares(canvas.detach()))
        losses = [
            self.loss(real, target_is_real=True, for_discriminator=True),
            self.loss(decoded, target_is_real=False, for_discriminator=True),
        ]
        return torch.stack(losses).mean()


class PatchScores(nn.Module):
    """The last layer of a patch discriminator: scores of the patches of soft label maps."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        from monai.networks.nets.patchgan_discriminator import PatchDiscriminator

        self.layers = PatchDiscriminator(
            spatial_dims=2, channels=channels, in_channels=N_CLASSES, num_layers_d=3
        )

    def forward(self, maps: Tensor) -> Tensor:
        """Scores (N, 1, rows, columns) of maps (N, 4, H, W)."""
        scores: Tensor = self.layers(maps)[-1]
        return scores


MODEL = AdversarialVAE
