"""A training loss: how far a soft prediction is from any heart the prior knows, and from its own.

After the anatomically constrained networks of Oktay et al., IEEE TMI 37(2), 2018, whose
regularizer is the distance of prediction and reference in the latent space of an auto-encoder.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.modules.loss import _Loss

from cardiovae.errors import CardiovaeError, ConfigError
from cardiovae.labels import STRUCTURES, Label, LabelScheme, label_scheme
from cardiovae.monai.layout import Layout, Reading, read
from cardiovae.monai.models import models
from cardiovae.prior.augment import network_input
from cardiovae.prior.codec import to_canvas
from cardiovae.prior.folder import ShapePrior
from cardiovae.prior.grid import Placement, knots_to_canvas, place
from cardiovae.prior.objective import class_shares
from cardiovae.prior.shipped import DEFAULT_PRIOR, prior_folder

SCHEME_OF = {2: "lv", 3: "lv-myo", 4: "camus"}  # by the number of classes, background included


class PlausibilityTerms(NamedTuple):
    """The two terms of the loss, each a mean over frames; zero without any frame.

    Args:
        latent: Squared distance of the prediction's code to the reference's, by the total
            variance of the training codes: 1 is as far as hearts are from the mean heart.
        own: 1 minus the Dice of soft prediction and its own reconstruction, with squared
            denominators (Milletari et al., 3DV 2016), so that equal maps give exactly 0.
    """

    latent: Tensor
    own: Tensor


class PlausibilityLoss(_Loss):
    """Latent distance to the reference and distance to the own reconstruction, differentiable.

    Add it to the loss that a segmenter is trained with. The prior's weights stay as they are. The
    heart is placed on the prior's grid by the reference, so gradients move shapes, not the grid;
    frames whose reference shows neither LV nor myocardium do not count.

    Args:
        prior: Shape prior, by name or folder.
        latent: Weight of the latent distance.
        own: Weight of the distance to the own reconstruction.
        softmax: Whether predictions are scores rather than probabilities.
        labels: Label scheme or mapping; None = by the number of classes: 2 LV, 3 LV and MYO, 4
            LV, MYO and LA.
        spacing_mm: (row, col) in mm; None = as the reference's affine says. Where it is unknown
            the heart's size is normalized.
        axes: Axes after the channel; None = "xyt", as MONAI loads them.

    Raises:
        ModelError: No such prior.
        ConfigError: Axes that are none, or an unknown scheme.
    """

    def __init__(
        self,
        prior: str = DEFAULT_PRIOR,
        *,
        latent: float = 1.0,
        own: float = 1.0,
        softmax: bool = False,
        labels: str | None = None,
        spacing_mm: tuple[float, float] | None = None,
        axes: str | None = None,
    ) -> None:
        super().__init__()
        prior_folder(prior)
        self.prior, self.latent, self.own, self.softmax = prior, latent, own, softmax
        Layout(axes, labels, spacing_mm)
        self.labels, self.spacing_mm, self.axes = labels, spacing_mm, axes

    def forward(self, input: Tensor, target: Tensor) -> Tensor:  # noqa: A002  (as in torch)
        """The weighted sum of both terms, a scalar.

        Args:
            input: Predictions (B, C, X, Y[, T]).
            target: Reference labels (B, 1, X, Y[, T]) or one-hot (B, C, X, Y[, T]).
        """
        prior, _ = models(self.prior, str(input.device))
        soft = input.softmax(1) if self.softmax else input
        labels = self.labels or _scheme_of(input).name
        layout = Layout(self.axes, labels, self.spacing_mm)
        terms = plausibility_loss(soft, target, prior, layout)
        return self.latent * terms.latent + self.own * terms.own


def plausibility_loss(
    predicted: Tensor, target: Tensor, prior: ShapePrior, layout: Layout
) -> PlausibilityTerms:
    """Both terms of `PlausibilityLoss`.

    Args:
        predicted: Probabilities (B, C, X, Y[, T]).
        target: Reference labels (B, 1, X, Y[, T]) or one-hot (B, C, X, Y[, T]).
        prior: On the device of `predicted`.
        layout: How both are read, with a scheme.

    Raises:
        CardiovaeError: Shapes that do not fit, or classes that the scheme does not have.
    """
    if predicted.shape[0] != target.shape[0] or predicted.shape[2:] != target.shape[2:]:
        raise CardiovaeError(
            f"loss: predictions {tuple(predicted.shape)} and references {tuple(target.shape)} "
            "differ in batch or grid"
        )
    latent, own = [], []
    variance = float(prior.codes.var(0).sum())
    for soft, reference in zip(predicted.as_subclass(Tensor), target, strict=True):
        reading = read(reference, layout)
        sequence = reading.sequence
        placement = place(sequence.labels, sequence.spacing_mm)
        if placement is None:
            continue
        inner = (sequence.labels == Label.LV) | (sequence.labels == Label.MYO)
        counts = torch.from_numpy(inner.any((0, 1))).to(soft.device)
        inside = torch.from_numpy(placement.inside()).to(soft)
        truth = torch.from_numpy(to_canvas(sequence.labels, placement)[0]).to(soft)[counts]
        mine = _seen(_shares(soft, reading, placement)[counts], inside)
        z = _codes(prior, mine, inside, sequence.structures)
        with torch.no_grad():
            wanted = _codes(prior, _seen(truth, inside), inside, sequence.structures)
        latent.append((z - wanted).square().sum(1) / variance)
        own.append(_unlike(mine, _reconstruction(prior, z, inside, sequence.structures)))
    if not latent:
        nothing = predicted.as_subclass(Tensor).sum() * 0
        return PlausibilityTerms(nothing, nothing)
    return PlausibilityTerms(torch.cat(latent).mean(), torch.cat(own).mean())


def _scheme_of(predicted: Tensor) -> LabelScheme:
    n = predicted.shape[1]
    if n not in SCHEME_OF:
        raise ConfigError(
            f"labels: {n} classes fit no shipped scheme; say what they are, such as "
            "labels='lv=1,myo=2,la=3'"
        )
    return label_scheme(SCHEME_OF[n])


def _shares(soft: Tensor, reading: Reading, placement: Placement) -> Tensor:
    """Class shares on the canvas (T, 4, 128, 96) of probabilities (C, X, Y[, T])."""
    ndim = soft.ndim - 1
    order, backward = reading.layout.places(ndim)
    rows, cols = (torch.from_numpy(m).to(soft) for m in placement.to_canvas())
    shares: list[Tensor] = []
    for structure in STRUCTURES:
        if structure not in reading.scheme.values:
            shares.append(soft.new_zeros(1))
            continue
        value = reading.scheme.values[structure]
        if value >= soft.shape[0]:
            raise CardiovaeError(
                f"loss: {structure.name} is class {value}, predictions have {soft.shape[0]}"
            )
        maps = soft[value].permute(order).flip(backward)
        frames = maps.permute(2, 0, 1) if ndim == 3 else maps[None]
        shares.append(rows @ frames @ cols.T)
    shape = shares[0].shape
    found = [share.expand(shape) for share in shares]
    return torch.stack([1 - found[0] - found[1] - found[2], *found], 1)


def _seen(shares: Tensor, inside: Tensor) -> Tensor:
    """Shares (T, 4, 128, 96) with background alone outside the image."""
    outside = torch.zeros_like(shares)
    outside[:, 0] = 1 - inside
    return shares * inside + outside


def _codes(
    prior: ShapePrior, seen: Tensor, inside: Tensor, structures: tuple[Label, ...]
) -> Tensor:
    """Posterior means (T, D), with gradients to the shares."""
    shown = inside.expand(seen.shape[0], 1, *inside.shape)
    return prior.network.encode(network_input(seen, shown, structures)).mu


def _reconstruction(
    prior: ShapePrior, codes: Tensor, inside: Tensor, structures: tuple[Label, ...]
) -> Tensor:
    """What codes (T, D) decode to: shares (T, 4, 128, 96) of the annotated structures."""
    rows, cols = (torch.from_numpy(m).to(codes) for m in knots_to_canvas())
    shares = class_shares(rows @ prior.network.decode(codes) @ cols.T)
    kept = [
        shares[:, s] if s in structures else torch.zeros_like(shares[:, s]) for s in STRUCTURES
    ]
    return _seen(torch.stack([1 - kept[0] - kept[1] - kept[2], *kept], 1), inside)


def _unlike(first: Tensor, second: Tensor) -> Tensor:
    """1 minus the soft Dice of the structures, mean over those present, shape (T,)."""
    a, b = first[:, 1:], second[:, 1:]
    total = (a.square() + b.square()).sum((2, 3))
    apart = 1 - 2 * (a * b).sum((2, 3)) / total.clamp_min(1e-6)
    present = (total > 1e-6).to(apart)
    return (apart * present).sum(1) / present.sum(1).clamp_min(1)
