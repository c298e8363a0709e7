"""The lineage: models of hearts, one file each, found by their file names.

A file of this folder defines `MODEL`, a class of `cardiovae.prior.network.ShapeModel`; nothing
else names it, so that a model can be added or taken away with its file.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import pkgutil
from collections.abc import Mapping
from typing import Any

from cardiovae.errors import ConfigError
from cardiovae.prior.network import ShapeModel

DEFAULT_MODEL = "ar-vae"


def model_names() -> tuple[str, ...]:
    """Names of the models that there are, sorted.

    Examples:
        >>> "ar-vae" in model_names()
        True
    """
    found = pkgutil.iter_modules(__path__)
    return tuple(sorted(module.name.replace("_", "-") for module in found))


def model_class(name: str) -> type[ShapeModel]:
    """The class of a model.

    Raises:
        ConfigError: No such model; the nearest one is named.
    """
    names = model_names()
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1)
        hint = f"did you mean '{near[0]}'? " if near else ""
        raise ConfigError(f"train.model '{name}': unknown; {hint}Models are {', '.join(names)}")
    module = importlib.import_module(f"{__name__}.{name.replace('-', '_')}")
    found: type[ShapeModel] = module.MODEL
    return found


def summary(name: str) -> str:
    """What a model is, in the first sentence of its file.

    Examples:
        >>> summary("ar-vae").startswith("Attribute-regularized VAE")
        True
    """
    text = inspect.getdoc(inspect.getmodule(model_class(name))) or ""
    return text.splitlines()[0].rstrip(".")


def build_model(
    name: str, latent_dim: int, width: int, options: Mapping[str, Any] | None = None
) -> ShapeModel:
    """An untrained model.

    Args:
        name: One of `model_names()`.
        latent_dim: Number of latent dimensions D.
        width: Channels at the finest level.
        options: What else the model lets one choose, by name.

    Raises:
        ConfigError: No such model, an option it does not know, or a value it cannot have.
    """
    kind = model_class(name)
    given = dict(options or {})
    known = inspect.signature(kind).parameters
    choices = [key for key in known if known[key].kind is inspect.Parameter.KEYWORD_ONLY]
    unknown = sorted(given.keys() - set(choices))
    if unknown:
        raise ConfigError(
            f"train.options: the model '{name}' knows no option '{unknown[0]}'; its options are "
            f"{', '.join(choices) or 'none'}"
        )
    return kind(latent_dim, width, **given)
