"""Two encoders into one space, and a decoder of masks.

CRISP: Judge et al., "CRISP - Reliable Uncertainty Estimation for Medical Image Segmentation",
MICCAI 2022 (arXiv 2206.07664). An image encoder of 6 blocks (K = 64 numbers), a mask encoder of 4
(M = 16), a mask decoder; linear projections of both codes to a joint space of N dimensions, where
they lie on the unit sphere. Images and masks come on the canonical grid of the prior.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from cardiovae.prior.grid import KNOT_SHAPE
from cardiovae.prior.network import N_CLASSES, N_INPUTS, Posterior, block

N_IMAGE_INPUTS = 2  # gray level, inside the image
COARSE = (KNOT_SHAPE[0] // 8, KNOT_SHAPE[1] // 8)
START_SCALE = 1 / 0.07  # of the cosines before the softmax, as CLIP starts (Radford et al., 2021)
LARGEST_SCALE = 100.0  # the same authors


@dataclass(frozen=True)
class NetworkConfig:
    """Sizes of the network.

    Args:
        joint: Dimensions N of the joint space.
        image_code: Numbers K of an image.
        mask_code: Numbers M of a mask.
        width: Channels of the finest level of the image encoder; deeper ones have more.
        stochastic: Mask codes are drawn from a Gaussian posterior; off as published.
    """

    joint: int = 8
    image_code: int = 64
    mask_code: int = 16
    width: int = 32
    stochastic: bool = False


class Seen(NamedTuple):
    """What the network makes of a batch of pairs.

    Args:
        image: Unit vectors of the images in the joint space, shape (N, J).
        mask: The same of the masks.
        decoded: Scores of the classes of the masks, decoded from their codes, (N, 4, 64, 48).
        from_image: The same, decoded from what the joint space knows of the image.
        posterior: Of the mask codes, where they are drawn; else None.
    """

    image: Tensor
    mask: Tensor
    decoded: Tensor
    from_image: Tensor
    posterior: Posterior | None


class CrispNetwork(nn.Module):
    """Images and masks as unit vectors; masks to codes and back."""

    trunks = ("image_encoder", "mask_encoder", "mask_decoder")  # what takes the time

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        w = config.width
        self.image_encoder = nn.Sequential(
            block(N_IMAGE_INPUTS, w, 2),
            block(w, w),
            block(w, 2 * w, 2),
            block(2 * w, 2 * w),
            block(2 * w, 3 * w, 2),
            block(3 * w, 4 * w, 2),
            nn.Flatten(),
            nn.Linear(4 * w * COARSE[0] * COARSE[1], config.image_code),
        )
        n_statistics = 2 if config.stochastic else 1
        self.mask_encoder = nn.Sequential(
            block(N_INPUTS, w // 2, 2),
            block(w // 2, w, 2),
            block(w, 2 * w, 2),
            block(2 * w, 2 * w, 2),
            nn.Flatten(),
            nn.Linear(2 * w * COARSE[0] * COARSE[1], n_statistics * config.mask_code),
        )
        self.mask_decoder = nn.Sequential(
            nn.Linear(config.mask_code, 2 * w * COARSE[0] * COARSE[1]),
            nn.Unflatten(1, (2 * w, *COARSE)),
            nn.Upsample(scale_factor=2, mode="nearest"),
            block(2 * w, 2 * w),
            nn.Upsample(scale_factor=2, mode="nearest"),
            block(2 * w, w),
            nn.Conv2d(w, N_CLASSES * 4, 3, 1, 1),
            nn.PixelShuffle(2),
        )
        self.project_image = nn.Linear(config.image_code, config.joint)
        self.project_mask = nn.Linear(config.mask_code, config.joint)
        self.to_mask_code = nn.Linear(config.image_code, config.mask_code)
        self.log_scale = nn.Parameter(torch.tensor(math.log(START_SCALE)))

    @property
    def scale(self) -> Tensor:
        """What cosines are multiplied with before the softmax."""
        return self.log_scale.exp().clamp(max=LARGEST_SCALE)

    def embed_images(self, images: Tensor) -> Tensor:
        """Unit vectors (N, J) of images (N, 2, 128, 96): gray level and share inside."""
        return functional.normalize(self.project_image(self.image_encoder(images)), dim=1)

    def mask_codes(self, maps: Tensor) -> Tensor:
        """Codes (N, M) of masks (N, 7, 128, 96); the mean where they are drawn."""
        codes: Tensor = self.mask_encoder(maps)[:, : self.config.mask_code]
        return codes

    def embed_masks(self, maps: Tensor) -> Tensor:
        """Unit vectors (N, J) of masks (N, 7, 128, 96), as `network_input` of the prior."""
        return functional.normalize(self.project_mask(self.mask_codes(maps)), dim=1)

    def forward(
        self, images: Tensor, maps: Tensor, generator: torch.Generator | None = None
    ) -> Seen:
        """Both sides of a batch of pairs."""
        image_codes = self.image_encoder(images)
        codes, posterior = self.mask_encoder(maps), None
        if self.config.stochastic:
            mu, logvar = codes.chunk(2, dim=1)
            posterior = Posterior(mu, logvar)
            codes = posterior.sample(generator)
        return Seen(
            functional.normalize(self.project_image(image_codes), dim=1),
            functional.normalize(self.project_mask(codes), dim=1),
            self.mask_decoder(codes),
            self.mask_decoder(self.to_mask_code(image_codes)),
            posterior,
        )
