"""Terms of the training objective, as pure functions of tensors.

Reconstruction and KL: Painchaud et al., IEEE TMI 41(10), 2022. Attribute regularization: Pati and
Lerch, Neural Computing and Applications, 2021. Constraint on the instant: Painchaud et al., IEEE
TMI 39(11), 2020 (one linear neuron on the code, ED 0 to ES 1).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from cardiovae.prior.network import Posterior


def cross_entropy(scores: Tensor, target: Tensor, inside: Tensor) -> Tensor:
    """Mean cross-entropy over the pixels inside the image.

    Args:
        scores: Logits, shape (N, C, H, W).
        target: Class shares, summing to 1 over C, shape (N, C, H, W).
        inside: Weight of each pixel, shape (N, 1, H, W).
    """
    loss = -(target * functional.log_softmax(scores, dim=1)).sum(1, keepdim=True)
    return (loss * inside).sum() / inside.sum().clamp_min(1.0)


def soft_dice_loss(scores: Tensor, target: Tensor, inside: Tensor) -> Tensor:
    """1 minus the soft Dice of the foreground classes, over the whole batch; shapes as above."""
    shares = torch.softmax(scores, dim=1)[:, 1:] * inside
    truth = target[:, 1:] * inside
    overlap = (shares * truth).sum((0, 2, 3))
    total = (shares + truth).sum((0, 2, 3))
    return 1 - (2 * overlap / total.clamp_min(1e-6)).mean()


def kl_divergence(posterior: Posterior) -> Tensor:
    """KL of the posterior to N(0, I), summed over dimensions, mean over the batch."""
    mu, logvar = posterior
    return 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(1).mean()


def attribute_loss(z: Tensor, attributes: Tensor, delta: float) -> Tensor:
    """Sum over attributes of the mean absolute error between tanh(delta dz) and sgn(da).

    Dimension i of `z` follows attribute i: for every pair of the batch their differences are to
    have the same sign. Pairs where the attribute is NaN are left out.

    Args:
        z: Codes, shape (N, D), D >= A.
        attributes: Attribute values, shape (N, A).
        delta: Steepness.
    """
    followed = z[:, : attributes.shape[1]]
    dz = followed[:, None] - followed[None]
    da = attributes[:, None] - attributes[None]
    known = torch.isfinite(da)
    error = (torch.tanh(delta * dz) - torch.sign(torch.where(known, da, 0.0))).abs()
    return ((error * known).sum((0, 1)) / known.sum((0, 1)).clamp_min(1)).sum()


def instant_loss(predicted: Tensor, instant: Tensor) -> Tensor:
    """Mean squared error of the predicted cardiac instant (ED 0, ES 1); NaN instants are left out.

    Shapes (N, 1) and (N,).
    """
    known = torch.isfinite(instant)
    error = (predicted[:, 0] - torch.where(known, instant, 0.0)) ** 2
    return (error * known).sum() / known.sum().clamp_min(1)
