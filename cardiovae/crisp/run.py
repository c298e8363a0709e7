"""From a preset to a model folder."""

from __future__ import annotations

import dataclasses
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cardiovae import __version__
from cardiovae.config import apply_overrides, build_settings, read_preset
from cardiovae.crisp.card import model_card
from cardiovae.crisp.folder import CARD, FILES, Crisp, load_crisp, save_crisp
from cardiovae.crisp.hearts import prior_hearts, reference_hearts
from cardiovae.crisp.library import Library, LibraryConfig, build_library
from cardiovae.crisp.pairs import PairCohort, load_pairs
from cardiovae.crisp.search import SearchConfig
from cardiovae.crisp.train import CrispConfig, CrispState, averaged, train, validate
from cardiovae.io.atomic import refuse_to_replace, remove_leftovers
from cardiovae.prior.cohort import DataConfig
from cardiovae.prior.device import choose_device, repeatable

CHECKPOINT = "checkpoint.pt"
PROVENANCE = "provenance.json"
Progress = Callable[[int, int, dict[str, float]], None]


@dataclass(frozen=True)
class CrispRecipe:
    """A training preset.

    Args:
        name: Of the model.
        license: Under which its weights may be used.
        citation: What its users are to cite; empty for nothing.
        data: What it is trained on.
        train: How.
        library: What the library holds.
        search: How it is searched.
    """

    name: str
    license: str
    citation: str = ""
    data: DataConfig = field(default_factory=DataConfig)
    train: CrispConfig = field(default_factory=CrispConfig)
    library: LibraryConfig = field(default_factory=LibraryConfig)
    search: SearchConfig = field(default_factory=SearchConfig)


def read_recipe(
    config: str, *, overrides: Sequence[str] = (), seed: int | None = None
) -> CrispRecipe:
    """A preset of `configs/crisp` by name or path, with `group.key=value` overrides.

    Raises:
        ConfigError: No such preset, or a setting that is not usable.

    Examples:
        >>> read_recipe("camus", overrides=["train.n_steps=10"], seed=3).train.seed
        3
    """
    content = apply_overrides(read_preset("crisp", config), list(overrides))
    recipe = build_settings(CrispRecipe, content, origin=f"crisp preset '{config}'")
    if seed is None:
        return recipe
    return dataclasses.replace(recipe, train=dataclasses.replace(recipe.train, seed=seed))


def train_crisp(
    config: str,
    data: str | None,
    output: Path,
    *,
    overrides: Sequence[str] = (),
    seed: int | None = None,
    progress: Progress | None = None,
    resume: bool = True,
    overwrite: bool = False,
    device: str = "auto",
) -> Crisp:
    """Train a model of images and masks and write its folder; an interrupted run goes on.

    Args:
        config: Name of a preset in `configs/crisp`, or path of a YAML file.
        data: Training data, in place of the preset's; see `load_pairs`.
        output: The model folder; while training it holds a checkpoint.
        overrides: Settings in place of the preset's, such as "train.n_steps=100".
        seed: In place of the preset's seed of training.
        progress: Called after each step with steps done, steps in all and the loss terms.
        resume: Go on from a checkpoint in `output`; False starts anew.
        overwrite: Replace a finished model in `output`.
        device: "cpu", "cuda", or "auto": a GPU where there is one.

    Raises:
        ConfigError: An unusable preset or setting.
        FileError: Data that cannot be read, or a finished model in the way.
        ModelError: Data without a usable heart, a checkpoint of other settings, or a loss that
            is not finite.
    """
    recipe = read_recipe(config, overrides=overrides, seed=seed)
    where = choose_device(device)
    checkpoint = output / CHECKPOINT
    _refuse(output, overwrite=overwrite)
    cohort = load_pairs(recipe.data, data)
    remove_leftovers(output)
    if not resume:
        checkpoint.unlink(missing_ok=True)
    total = recipe.train.n_steps
    with repeatable(where):
        state = train(
            cohort.training,
            cohort.validation,
            recipe.train,
            checkpoint=checkpoint,
            progress=None if progress is None else lambda n, terms: progress(n, total, terms),
            device=where,
        )
    _write(state, recipe, cohort, output, overwrite=overwrite)
    checkpoint.unlink(missing_ok=True)
    return load_crisp(str(output))


def _refuse(output: Path, *, overwrite: bool) -> None:
    """Raise FileError before any work if the folder cannot be written in the end.

    Beside a checkpoint and without `provenance.json`, which is written last, files of a model are
    those of a writing that was broken off.
    """
    refuse_to_replace(output / PROVENANCE, overwrite=overwrite)
    for name in (*FILES, CARD):
        if (output / CHECKPOINT).exists() and not (output / PROVENANCE).exists():
            (output / name).unlink(missing_ok=True)
        refuse_to_replace(output / name, overwrite=overwrite)


def _write(
    state: CrispState, recipe: CrispRecipe, cohort: PairCohort, output: Path, *, overwrite: bool
) -> None:
    """Judge the averaged network, fill its library and write the folder."""
    network = averaged(state).cpu()
    library = _library(network, recipe.library, cohort)
    held_out = None
    if cohort.test is not None:
        held_out = validate(network, cohort.test, recipe.train)
    facts = {
        "name": recipe.name,
        "license": recipe.license,
        "citation": recipe.citation,
        "data": dict(cohort.facts),
        "parameters": sum(p.numel() for p in network.parameters()),
        "training": {
            "n_steps": recipe.train.n_steps,
            "batch_size": recipe.train.batch_size,
            "seed": recipe.train.seed,
        },
        "library": {
            "entries": len(library),
            "hearts": len(library.hearts),
            "from": f"prior '{recipe.library.prior}'" if recipe.library.prior else "references",
        },
        "versions": {
            "cardiovae": __version__,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
        },
        "validation": validate(network, cohort.validation, recipe.train),
        "test": held_out,
        "history": state.history,
    }
    config = plain(
        {
            "network": recipe.train.network,
            "search": recipe.search,
            "library": recipe.library,
            "train": recipe.train,
        }
    )
    save_crisp(
        output,
        network,
        library,
        config=config,
        provenance=facts,
        card=model_card(facts),
        overwrite=overwrite,
    )


def _library(network: Any, config: LibraryConfig, cohort: PairCohort) -> Library:
    if config.prior:
        hearts = prior_hearts(config.prior, config.n_hearts)
    else:
        hearts = reference_hearts(cohort.training, cohort.validation)
    return build_library(network, hearts, config)


def plain(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings as YAML can hold them: mappings, lists and values."""

    def listed(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: listed(v) for key, v in value.items()}
        return [listed(v) for v in value] if isinstance(value, tuple) else value

    found: dict[str, Any] = listed({k: dataclasses.asdict(v) for k, v in settings.items()})
    return found
