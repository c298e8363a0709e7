"""What training minimizes: pairs belong together, masks survive their code."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from cardiovae.crisp.network import Seen


@dataclass(frozen=True)
class ObjectiveConfig:
    """Weights of the terms; a weight of 0 switches its term off.

    Args:
        contrast: Symmetric cross-entropy of the cosines (CLIP).
        cross_entropy, dice: Of the decoded masks; published: 0.1 and 1.
        kl: Of drawn mask codes; published: 0.5 where they are drawn.
        image: Cross-entropy and Dice of masks decoded from the image's code; not published.
        softness: Masks whose Dice differs by less than this count partly as the image's own;
            0 as published: only its own mask is right, however alike another is.
    """

    contrast: float = 1.0
    cross_entropy: float = 0.1
    dice: float = 1.0
    kl: float = 0.5
    image: float = 0.0
    softness: float = 0.0


def terms(
    seen: Seen, scale: Tensor, target: Tensor, inside: Tensor, config: ObjectiveConfig
) -> dict[str, Tensor]:
    """The terms of the objective by the name of their weight.

    Args:
        seen: Both sides of the pairs.
        scale: What cosines are multiplied with.
        target: Class shares of the whole masks at the knots, shape (N, 4, 64, 48).
        inside: Share inside the image, shape (N, 1, 64, 48); masks are unknown outside.
        config: Which terms are wanted.
    """
    found = {
        "contrast": contrast(seen.image, seen.mask, scale, alike(target, inside, config.softness)),
        "cross_entropy": cross_entropy(seen.decoded, target, inside),
        "dice": soft_dice(seen.decoded, target, inside),
    }
    if seen.posterior is not None:
        mu, logvar = seen.posterior
        found["kl"] = 0.5 * (mu.square() + logvar.exp() - 1 - logvar).sum(1).mean()
    if config.image:
        known = cross_entropy(seen.from_image, target, inside)
        found["image"] = known + soft_dice(seen.from_image, target, inside)
    return found


def contrast(image: Tensor, mask: Tensor, scale: Tensor, belongs: Tensor | None = None) -> Tensor:
    """Mean of the cross-entropies of images over masks and of masks over images.

    Args:
        image: Unit vectors, shape (N, J).
        mask: Unit vectors, shape (N, J); row i is of the same pair.
        scale: Factor of the cosines.
        belongs: Share to which mask j belongs to image i, rows sum to 1, symmetric before that;
            None: to its own alone.
    """
    logits = scale * image @ mask.T
    if belongs is None:
        own = torch.arange(len(image), device=image.device)
        forward = functional.cross_entropy(logits, own)
        return (forward + functional.cross_entropy(logits.T, own)) / 2
    forward = functional.cross_entropy(logits, belongs)
    return (forward + functional.cross_entropy(logits.T, belongs)) / 2


def alike(target: Tensor, inside: Tensor, softness: float) -> Tensor | None:
    """To what share each mask belongs to each image of a batch, by the Dice of the masks, (N, N).

    exp((Dice - 1) / softness), each row made to sum to 1; None where `softness` is 0.
    """
    if softness == 0:
        return None
    with torch.no_grad():
        seen = (target[:, 1:] * inside).permute(1, 0, 2, 3).flatten(2)  # classes, N, pixels
        size = seen.sum(2)
        overlap = 2 * seen @ seen.transpose(1, 2)
        own = (seen * seen).sum(2)  # shares, so that a mask's Dice with itself is 1
        dice = (overlap / (own[:, :, None] + own[:, None, :]).clamp_min(1e-6))[size.amax(1) > 0]
        return torch.softmax((dice.mean(0) - 1) / softness, dim=1)


def cross_entropy(scores: Tensor, target: Tensor, inside: Tensor) -> Tensor:
    """Cross-entropy of scores (N, 4, ...) with class shares, averaged inside the image."""
    pixelwise = -(target * functional.log_softmax(scores, 1)).sum(1, keepdim=True)
    return (pixelwise * inside).sum() / inside.sum().clamp_min(1)


def soft_dice(scores: Tensor, target: Tensor, inside: Tensor) -> Tensor:
    """1 - Dice of the three structures, per item and structure, averaged."""
    found = (functional.softmax(scores, 1) * inside)[:, 1:].flatten(2)
    truth = (target * inside)[:, 1:].flatten(2)
    overlap = (found * truth).sum(2)
    return 1 - ((2 * overlap + 1) / (found.sum(2) + truth.sum(2) + 1)).mean()
