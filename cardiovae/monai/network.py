"""The shape prior as a network of MONAI: a map in, the map of the heart it is read as out."""

from __future__ import annotations

import copy
from typing import Self

import torch
from torch import Tensor, nn

from cardiovae.errors import ConfigError
from cardiovae.labels import label_scheme
from cardiovae.prior.augment import network_input
from cardiovae.prior.folder import load_prior
from cardiovae.prior.grid import CANVAS_SHAPE, knots_to_canvas
from cardiovae.prior.network import ENCODER
from cardiovae.prior.objective import class_shares
from cardiovae.prior.shipped import DEFAULT_PRIOR


class ShapePriorNet(nn.Module):
    """Encoder and decoder of a trained prior; one tensor in, one tensor out.

    Works on the prior's own grid of 128 x 96 pixels of 1.4 mm with the center of LV and myocardium
    at (66.0, 67.2) mm: `CanvasSharesd`, or `cardiovae.prior.grid.place` and
    `cardiovae.prior.codec.to_canvas`, bring label maps there.

    Args:
        prior: Shape prior, by name or folder.
        labels: Which structures the maps annotate, by label scheme.
        reader: Whether maps may be broken: the encoder that learned the errors of networks, where
            the prior has one.
        trainable: Whether the encoder learns. The decoder never does, so that the prior's codes
            and bank keep their meaning.

    Raises:
        ModelError: The prior is missing or damaged.
        ConfigError: `trainable`, and a prior without an encoder to train.
    """

    rows: Tensor
    cols: Tensor

    def __init__(
        self,
        prior: str = DEFAULT_PRIOR,
        labels: str = "camus",
        *,
        reader: bool = False,
        trainable: bool = False,
    ) -> None:
        super().__init__()
        loaded = load_prior(prior)
        self.network = loaded.reader if reader else loaded.network
        self.structures = label_scheme(labels).structures
        rows, cols = (torch.from_numpy(m) for m in knots_to_canvas())
        self.register_buffer("rows", rows, persistent=False)
        self.register_buffer("cols", cols, persistent=False)
        if trainable:
            learns = [w for name, w in self.network.named_parameters() if name.startswith(ENCODER)]
            if not learns:
                raise ConfigError(
                    f"trainable: prior '{prior}' has no encoder that learns by steps; take one "
                    "of another model"
                )
            for weight in learns:
                weight.requires_grad_(True)

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

    def train(self, mode: bool = True) -> Self:
        """As of every module, but what does not learn keeps its running statistics, too."""
        super().train(mode)
        for part in self.modules():
            weights = list(part.parameters(recurse=False))
            if weights and not any(weight.requires_grad for weight in weights):
                part.eval()
        return self

    def __prepare_scriptable__(self) -> nn.Module:
        """What `torch.jit.script` compiles: a trace, which exists for every model of hearts."""
        return _Traced(self)


class _Traced(nn.Module):
    """A trace of a network, in a module that can be scripted."""

    def __init__(self, network: ShapePriorNet) -> None:
        super().__init__()
        example = torch.zeros(2, 4, *CANVAS_SHAPE)
        plain = copy.deepcopy(network).cpu().eval().requires_grad_(False)
        self.trace = torch.jit.trace(plain, example)  # type: ignore[no-untyped-call]

    def forward(self, shares: Tensor) -> Tensor:
        """As of `ShapePriorNet`."""
        found: Tensor = self.trace(shares)
        return found
