"""Label maps on the prior's own grid, where `ShapePriorNet` learns, and what it learns by."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.config.type_definitions import KeysCollection
from monai.losses.dice import DiceLoss
from monai.transforms.transform import MapTransform
from monai.utils.enums import TransformBackends
from monai.utils.misc import ensure_tuple
from monai.utils.type_conversion import convert_to_tensor
from torch import Tensor
from torch.nn.modules.loss import _Loss

from cardiovae.errors import CardiovaeError
from cardiovae.monai.layout import Layout, read
from cardiovae.prior.codec import to_canvas
from cardiovae.prior.grid import place

LEAST_SHARE = 1e-6  # below it a logarithm says no more


class CanvasSharesd(MapTransform):
    """Label maps as class shares on the prior's grid, (4, 128, 96) or (4, 128, 96, T).

    All keys are placed alike, by the heart of the first: give the sound map first and its
    corrupted copy second. Shares are plain tensors without a place in the world.

    Args:
        keys: Of the label maps.
        allow_missing_keys: Whether an absent key is skipped.
        labels: Label scheme or mapping; None = the smallest that fits.
        spacing_mm: (row, col) in mm; None = as the affine says.
        axes: Axes after the channel; None = "xyt", as MONAI loads them.
    """

    backend = [TransformBackends.NUMPY]  # noqa: RUF012  (as in MONAI)

    def __init__(
        self,
        keys: KeysCollection,
        allow_missing_keys: bool = False,
        *,
        labels: str | None = None,
        spacing_mm: tuple[float, float] | None = None,
        axes: str | None = None,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.layout = Layout(axes, labels, spacing_mm)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """The dictionary with shares in place of label maps.

        Raises:
            CardiovaeError: A label map of no heart, or one that `Layout` cannot read.
        """
        result = dict(data)
        placement = None
        for key in self.key_iterator(result):
            image: Tensor = convert_to_tensor(result[key], track_meta=True)
            reading = read(image, self.layout)
            sequence = reading.sequence
            placement = placement or place(sequence.labels, sequence.spacing_mm)
            if placement is None:
                raise CardiovaeError(
                    f"{sequence.source or key}: no LV and no myocardium to place on the grid of "
                    "the prior; leave such label maps out"
                )
            shares = torch.from_numpy(to_canvas(sequence.labels, placement)[0])
            frames = shares.movedim(0, -1)
            result[key] = (frames if reading.ndim == 3 else frames[..., 0]).contiguous()
        return result


class ShareLoss(_Loss):
    """Soft Dice of the structures plus cross-entropy, both of class shares that sum to 1."""

    def __init__(self) -> None:
        super().__init__()
        self.dice = DiceLoss(include_background=False, batch=True)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:  # noqa: A002  (as in torch)
        """The loss, a scalar.

        Args:
            input: Predicted shares (N, 4, H, W).
            target: True shares, same shape.
        """
        told = -(target * input.clamp_min(LEAST_SHARE).log()).sum(1).mean()
        overlap: Tensor = self.dice(input, target)
        return overlap + told


def hard_labels(output: Any, keys: str | tuple[str, ...] = ("pred", "label")) -> Any:
    """One-hot maps of the largest share, for metrics: an `output_transform` of engines.

    Args:
        output: Decollated dictionaries of an engine, with shares (4, ...).
        keys: Which of their entries.

    Returns:
        A list for each key.
    """
    found = tuple([_one_hot(item[key]) for item in output] for key in ensure_tuple(keys))
    return found if len(found) > 1 else found[0]


def _one_hot(shares: Tensor) -> Tensor:
    """The largest of shares (C, ...) as 1, all others 0."""
    classes = torch.arange(shares.shape[0], device=shares.device)
    return (shares.argmax(0)[None] == classes.reshape(-1, *[1] * (shares.ndim - 1))).to(shares)
