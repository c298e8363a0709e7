"""Terms of the training objective, as pure functions of tensors.

Reconstruction and KL: Painchaud et al., IEEE TMI 41(10), 2022. Attribute regularization: Pati and
Lerch, Neural Computing and Applications, 2021. Constraint on the instant: Painchaud et al., IEEE
TMI 39(11), 2020 (one linear neuron on the code, ED 0 to ES 1). Contraction: Rifai et al., ICML
2011. The terms of single models stand in their files.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from cardiovae.prior.network import Posterior

EDGE_MM = 0.7  # softness of a decoded contour: half a canvas pixel
NEAR_MM = 4.0  # distances matter most this close to a contour
CLIP_MM = 20.0  # farther from every contour only the sign matters


def distance_loss(decoded: Tensor, target: Tensor, inside: Tensor) -> Tensor:
    """Mean absolute error of signed distances in mm, weighted towards the contours.

    Args:
        decoded: Signed distances, shape (N, 3, H, W), mm.
        target: True signed distances, same shape.
        inside: Weight of each pixel, shape (N, 1, H, W).
    """
    target = target.clamp(-CLIP_MM, CLIP_MM)
    weight = inside * (0.05 + torch.exp(-target.abs() / NEAR_MM))
    return ((decoded.clamp(-CLIP_MM, CLIP_MM) - target).abs() * weight).sum() / weight.sum()


def cross_entropy(decoded: Tensor, target: Tensor, inside: Tensor) -> Tensor:
    """Mean binary cross-entropy of the three regions inside the image.

    Args:
        decoded: Signed distances, shape (N, 3, H, W), mm.
        target: Shares of LV, LV + MYO and LA, same shape.
        inside: Weight of each pixel, shape (N, 1, H, W).
    """
    loss = functional.binary_cross_entropy_with_logits(
        -decoded / EDGE_MM, target, reduction="none"
    )
    return (loss * inside).sum() / (3 * inside.sum()).clamp_min(1.0)


def squared_error(decoded: Tensor, target: Tensor, inside: Tensor) -> Tensor:
    """Mean squared error of the class shares inside the image, over pixels and classes.

    Args:
        decoded: Signed distances, shape (N, 3, H, W), mm.
        target: Class shares, shape (N, 4, H, W).
        inside: Weight of each pixel, shape (N, 1, H, W).
    """
    error = (class_shares(decoded) - target) ** 2
    return (error * inside).sum() / (target.shape[1] * inside.sum()).clamp_min(1.0)


def class_shares(decoded: Tensor) -> Tensor:
    """Soft class shares (N, 4, H, W), summing to 1, of signed distances (N, 3, H, W) in mm."""
    lv, epi, la = torch.sigmoid(-decoded / EDGE_MM).unbind(1)
    epi = torch.maximum(epi, lv)
    la = la * (1 - epi)
    return torch.stack([1 - epi - la, lv, epi - lv, la], 1)


def soft_dice_loss(decoded: Tensor, target: Tensor, inside: Tensor) -> Tensor:
    """1 minus the soft Dice of LV, MYO and LA over the whole batch.

    Args:
        decoded: Signed distances, shape (N, 3, H, W), mm.
        target: Class shares, shape (N, 4, H, W).
        inside: Weight of each pixel, shape (N, 1, H, W).
    """
    found = class_shares(decoded)[:, 1:] * inside
    truth = target[:, 1:] * inside
    overlap = (found * truth).sum((0, 2, 3))
    total = (found + truth).sum((0, 2, 3))
    return 1 - (2 * overlap / total.clamp_min(1e-6)).mean()


def kl_divergence(posterior: Posterior) -> Tensor:
    """KL of the posterior to N(0, I), summed over dimensions, mean over the batch."""
    mu, logvar = posterior
    return 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(1).mean()


def kl_between(posterior: Posterior, expected: Posterior) -> Tensor:
    """KL of one diagonal Gaussian to another, summed over dimensions, mean over the batch."""
    apart = (posterior.mu - expected.mu) ** 2 + posterior.logvar.exp()
    ratio = apart * torch.exp(-expected.logvar) - 1 + expected.logvar - posterior.logvar
    return 0.5 * ratio.sum(1).mean()


def jacobian_penalty(z: Tensor, maps: Tensor, generator: torch.Generator) -> Tensor:
    """Squared Frobenius norm of the Jacobian of codes by their maps, mean over the batch.

    Estimated without bias from one random projection: for v of standard normal numbers the mean of
    |v J|^2 is the sum of the squares of J (Hutchinson's estimator). Exact sums would take a
    backward pass for each latent dimension.

    Args:
        z: Codes, shape (N, D), each a function of its map.
        maps: Inputs that require a gradient, shape (N, ...).
        generator: Source of the projection.
    """
    direction = torch.randn(z.shape, generator=generator, dtype=z.dtype).to(z.device)
    (slope,) = torch.autograd.grad(z, maps, direction, create_graph=True)
    return slope.flatten(1).square().sum(1).mean()


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
