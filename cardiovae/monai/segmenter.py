"""A segmenter for images of any size: the whole image, squeezed to a square, through one network.

A heart fills most of an apical view, so a small network that sees all of it at once needs no
sliding window, and knows where is up.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from monai.config.type_definitions import KeysCollection
from monai.networks.nets.unet import UNet
from monai.transforms.transform import MapTransform
from monai.utils.enums import TransformBackends
from monai.utils.type_conversion import convert_to_tensor
from torch import Tensor, nn
from torch.nn.functional import interpolate

from cardiovae.errors import FileError
from cardiovae.monai.layout import source_of

N_CLASSES = 4
WHITE = 255.0


class GrayLevelsd(MapTransform):
    """Gray levels of 0 to 255 as the network takes them, 0 to 1.

    Other ranges are refused, not stretched: where `LoadImage`'s chosen reader refuses a file, it
    tries others, and an image of 0 to 1 would go on as a black one.

    Args:
        keys: Of the images.
        allow_missing_keys: Whether an absent key is skipped.
    """

    backend = [TransformBackends.TORCH]  # noqa: RUF012  (as in MONAI)

    def __init__(self, keys: KeysCollection, allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """The dictionary with scaled images, float32.

        Raises:
            FileError: Gray levels that are not whole numbers of 0 to 255.
        """
        result = dict(data)
        for key in self.key_iterator(result):
            image: Tensor = convert_to_tensor(result[key], track_meta=True).float()
            if not bool(((image >= 0) & (image <= WHITE) & (image == image.round())).all()):
                raise FileError(
                    f"{source_of(image)}: an image has whole gray levels of 0 to 255, got "
                    f"{float(image.min()):g} to {float(image.max()):g}; convert it"
                )
            result[key] = image / WHITE
        return result


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
