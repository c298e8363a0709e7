"""A segmenter for images of any size: the whole image, squeezed to a square, through one network.

A heart fills most of an apical view, so a small network that sees all of it at once needs no
sliding window, and knows where is up.
"""

from __future__ import annotations

from collections.abc import Sequence

from monai.networks.nets.unet import UNet
from torch import Tensor, nn
from torch.nn.functional import interpolate

N_CLASSES = 4


class WholeImageUNet(nn.Module):
    """MONAI's U-Net on the squeezed image, its scores back on the grid that the image came in.

    Axes are those of MONAI's readers: X lateral, Y depth with the probe at Y = 0.

    Args:
        side: Pixels of the square.
        channels: Of the U-Net's levels.
        dropout: Share of activations that is dropped in training.
    """

    def __init__(
        self,
        side: int = 112,
        channels: Sequence[int] = (24, 48, 96, 128, 128),
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.side = side
        self.network = UNet(
            spatial_dims=2,
            in_channels=1,
            out_channels=N_CLASSES,
            channels=channels,
            strides=[2] * (len(channels) - 1),
            num_res_units=1,
            norm="batch",
            dropout=dropout,
        )

    def forward(self, image: Tensor) -> Tensor:
        """Scores (N, 4, X, Y) of background, LV, MYO and LA.

        Args:
            image: Gray of 0 to 1, shape (N, 1, X, Y).
        """
        rows_first = image.transpose(2, 3)
        seen = interpolate(
            rows_first, size=[self.side, self.side], mode="bilinear", antialias=True
        ).clamp(0, 1)
        scores = interpolate(
            self.network(seen), size=[rows_first.shape[2], rows_first.shape[3]], mode="bilinear"
        )
        return scores.transpose(2, 3)
