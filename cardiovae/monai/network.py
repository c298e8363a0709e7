"""The shape prior as a network of MONAI: a map in, the map of the heart it is read as out."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cardiovae.labels import label_scheme
from cardiovae.prior.augment import network_input
from cardiovae.prior.folder import load_prior
from cardiovae.prior.grid import knots_to_canvas
from cardiovae.prior.objective import class_shares
from cardiovae.prior.shipped import DEFAULT_PRIOR


class ShapePriorNet(nn.Module):
    """Encoder and decoder of a trained prior; one tensor in, one tensor out.

    Works on the prior's own grid of 128 x 96 pixels of 1.4 mm with the center of LV and myocardium
    at (66.0, 67.2) mm: `cardiovae.prior.grid.place` and `cardiovae.prior.codec.to_canvas` bring
    label maps there.

    Args:
        prior: Shape prior, by name or folder.
        labels: Which structures the maps annotate, by label scheme.

    Raises:
        ModelError: The prior is missing or damaged.
    """

    rows: Tensor
    cols: Tensor

    def __init__(self, prior: str = DEFAULT_PRIOR, labels: str = "camus") -> None:
        super().__init__()
        self.network = load_prior(prior).network
        self.structures = label_scheme(labels).structures
        rows, cols = (torch.from_numpy(m) for m in knots_to_canvas())
        self.register_buffer("rows", rows, persistent=False)
        self.register_buffer("cols", cols, persistent=False)

    def encode(self, shares: Tensor) -> Tensor:
        """Mean codes (N, D) of class shares (N, 4, 128, 96)."""
        inside = torch.ones_like(shares[:, :1])
        return self.network.encode(network_input(shares, inside, self.structures)).mu

    def decode(self, codes: Tensor) -> Tensor:
        """Class shares (N, 4, 128, 96), summing to 1, of codes (N, D)."""
        return class_shares(self.rows @ self.network.decode(codes) @ self.cols.T)

    def forward(self, shares: Tensor) -> Tensor:
        """The heart that class shares (N, 4, 128, 96) are read as, same shape."""
        return self.decode(self.encode(shares))
