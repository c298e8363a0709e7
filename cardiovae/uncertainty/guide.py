"""What an image says of the input before it is corrected."""

from __future__ import annotations

import numpy as np

from cardiovae.correction.distrust import Distrust
from cardiovae.crisp.infer import crisp_doubt
from cardiovae.errors import CardiovaeError
from cardiovae.opinion.infer import opinion_doubt
from cardiovae.sequence import EchoSequence
from cardiovae.uncertainty.experts import Experts
from cardiovae.uncertainty.record import Floats

USELESS, SOUND = 0.6, 0.9  # expected Dice below which a frame says nothing, and from which all


def image_distrust(sequence: EchoSequence, experts: Experts, images: Floats) -> Distrust:
    """Frames and pixels of the input that the image speaks against.

    Frames without a heart are trusted as little as any.

    Args:
        sequence: The input.
        experts: Whom to ask: the opinion where there is one, else CRISP.
        images: Gray levels 0 to 1, shape (H, W, T).

    Raises:
        CardiovaeError: There is no model of images.
    """
    if experts.opinion is not None:
        found = opinion_doubt(experts.opinion, images, sequence)
        pixel, dice = found.pixel, found.expected_dice
    elif experts.crisp is not None:
        first = crisp_doubt(experts.crisp, images, sequence)
        pixel, dice = first.pixel, first.expected_dice
    else:
        raise CardiovaeError("a correction guided by images needs a model of them")
    usable = np.clip((np.nan_to_num(dice, nan=0.0) - USELESS) / (SOUND - USELESS), 0, 1)
    return Distrust(usable, np.nan_to_num(pixel, nan=0.0))
