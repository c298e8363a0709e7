"""The hearts of a library: valid references, or valid codes of a prior, decoded."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from cardiovae.bank import load_bank
from cardiovae.crisp.pairs import EchoTable
from cardiovae.errors import ModelError
from cardiovae.labels import STRUCTURES
from cardiovae.prior.augment import most_probable, shares
from cardiovae.prior.codec import canvas_distances, compose, decode
from cardiovae.prior.folder import load_prior
from cardiovae.prior.shapes import MARGIN_PX

CHUNK = 200


def reference_hearts(*tables: EchoTable) -> NDArray[np.uint8]:
    """Valid whole reference masks as label maps on the canonical grid, shape (B, 128, 96).

    Raises:
        ModelError: None is valid.
    """
    inner = slice(MARGIN_PX, -MARGIN_PX)
    found = []
    for table in tables:
        distances = table.shapes.distances[table.valid][:, :, inner, inner]
        for part in np.array_split(distances, max(1, len(distances) // CHUNK)):
            classes, _ = shares(torch.from_numpy(part.astype(np.float32)))
            found.append(most_probable(classes))
    hearts = np.concatenate(found)
    if not len(hearts):
        raise ModelError(
            "no reference mask passes the criteria, so there is nothing to search; let a prior "
            "give the library's hearts with --set library.prior=camus or phantom"
        )
    return hearts


def prior_hearts(name: str, n: int) -> NDArray[np.uint8]:
    """The first `n` codes of a prior's bank, each known to be valid, as label maps (n, 128, 96).

    The bank begins with the training codes; no mask of a patient is in what they decode to.

    Raises:
        ModelError: No such prior, or none with a bank.
    """
    prior = load_prior(name)
    codes = load_bank(prior).codes[:n]
    found = [
        compose(canvas_distances(decode(prior.network, codes[a : a + CHUNK])), STRUCTURES)
        for a in range(0, len(codes), CHUNK)
    ]
    return np.ascontiguousarray(np.moveaxis(np.concatenate(found, axis=2), 2, 0))
