"""The prior of a transform, loaded on first use, once per process, whatever the thread."""

from __future__ import annotations

import functools
import threading

from cardiovae.bank import LatentBank, load_bank
from cardiovae.prior.folder import ShapePrior, load_prior

_LOADING = threading.Lock()


def models(prior: str, device: str) -> tuple[ShapePrior, LatentBank]:
    """A prior on its device, and its bank.

    Raises:
        ModelError: The prior or its bank is missing or damaged.
    """
    with _LOADING:  # the threads of a CacheDataset ask all at once
        return _models(prior, device)


@functools.lru_cache(maxsize=2)
def _models(prior: str, device: str) -> tuple[ShapePrior, LatentBank]:
    loaded = load_prior(prior, device=device)
    return loaded, load_bank(loaded)
