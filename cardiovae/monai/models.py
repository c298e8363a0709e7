"""What corrects: the prior, loaded on first use, once per process, and the settings.

MONAI is not needed for either.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Sequence
from dataclasses import replace

from cardiovae.bank import LatentBank, load_bank
from cardiovae.correction.config import CorrectConfig, correct_config
from cardiovae.errors import ConfigError
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


def correct_settings(
    config: str | CorrectConfig,
    overrides: Sequence[str],
    criteria: str | None,
    temporal: str | None,
) -> CorrectConfig:
    """The preset, changed by the overrides first and by the arguments of their own last.

    Args:
        config: Preset, path of a YAML file, or settings.
        overrides: `a.b=value` changes of a preset.
        criteria: Anatomical criteria set; None = as the preset says.
        temporal: Criteria set of the motion, "none" for none; None = as the preset says.

    Raises:
        ConfigError: An unknown preset, key or criteria set, or overrides of settings.
    """
    if isinstance(config, str):
        config = correct_config(config, overrides)
    elif overrides:
        raise ConfigError("overrides: change a preset; replace fields of settings yourself")
    if criteria is not None:
        config = replace(config, criteria=criteria)
    if temporal == "none":
        config = replace(config, temporal=None, also_temporal=None)
    elif temporal is not None:
        config = replace(config, temporal=temporal)
    config.anatomy_sets()
    config.temporal_sets()
    return config
