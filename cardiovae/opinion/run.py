"""From a preset to the folder of an opinion."""

from __future__ import annotations

import dataclasses
import math
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from cardiovae import __version__
from cardiovae.config import apply_overrides, build_settings, read_preset
from cardiovae.crisp.folder import CARD
from cardiovae.crisp.run import plain
from cardiovae.errors import ConfigError
from cardiovae.io.atomic import refuse_to_replace, remove_leftovers
from cardiovae.opinion.card import model_card
from cardiovae.opinion.examples import ExampleCohort, load_examples
from cardiovae.opinion.folder import FILES, Opinion, load_opinion, save_opinion
from cardiovae.opinion.train import OpinionConfig, OpinionState, averaged, train, validate
from cardiovae.prior.cohort import DataConfig
from cardiovae.prior.device import choose_device, repeatable

CHECKPOINT = "checkpoint.pt"
PROVENANCE = "provenance.json"
Progress = Callable[[int, int, dict[str, float]], None]


@dataclass(frozen=True)
class OpinionRecipe:
    """A training preset.

    Args:
        name: Of the opinion.
        license: Under which its weights may be used.
        citation: What its users are to cite; empty for nothing.
        data: What it is trained on.
        train: How.
    """

    name: str
    license: str
    citation: str = ""
    data: DataConfig = field(default_factory=DataConfig)
    train: OpinionConfig = field(default_factory=OpinionConfig)


def read_recipe(
    config: str, *, overrides: Sequence[str] = (), seed: int | None = None
) -> OpinionRecipe:
    """A preset of `configs/opinion` by name or path, with `group.key=value` overrides.

    Raises:
        ConfigError: No such preset, or a setting that is not usable.

    Examples:
        >>> read_recipe("camus", overrides=["train.n_steps=10"], seed=3).train.seed
        3
    """
    content = apply_overrides(read_preset("opinion", config), list(overrides))
    recipe = build_settings(OpinionRecipe, content, origin=f"opinion preset '{config}'")
    if seed is None:
        return recipe
    return dataclasses.replace(recipe, train=dataclasses.replace(recipe.train, seed=seed))


def train_opinion(
    config: str,
    data: str | None,
    errors: str | None,
    output: Path,
    *,
    overrides: Sequence[str] = (),
    seed: int | None = None,
    progress: Progress | None = None,
    resume: bool = True,
    overwrite: bool = False,
    device: str = "auto",
) -> Opinion:
    """Train a second opinion and write its folder; an interrupted run goes on.

    Args:
        config: Name of a preset in `configs/opinion`, or path of a YAML file.
        data: Training data, in place of the preset's; see `load_examples`.
        errors: Predictions of networks for these; needed where the preset shows some.
        output: The opinion's folder; while training it holds a checkpoint.
        overrides: Settings in place of the preset's, such as "train.n_steps=100".
        seed: In place of the preset's seed of training.
        progress: Called after each step with steps done, steps in all and the loss.
        resume: Go on from a checkpoint in `output`; False starts anew.
        overwrite: Replace a finished opinion in `output`.
        device: "cpu", "cuda", or "auto": a GPU where there is one.

    Raises:
        ConfigError: An unusable preset or setting, or no `errors` where some are to be shown.
        FileError: Data that cannot be read, or a finished opinion in the way.
        ModelError: Data without a usable heart, a checkpoint of other settings, or a loss that
            is not finite.
    """
    recipe = read_recipe(config, overrides=overrides, seed=seed)
    if recipe.train.draw.errors > 0 and errors is None:
        raise ConfigError(
            f"preset '{recipe.name}' learns from the errors of networks: give their predictions "
            "for the training data with --errors, or show simulated damage alone with "
            "--set train.draw.errors=0"
        )
    where = choose_device(device)
    checkpoint = output / CHECKPOINT
    _refuse(output, overwrite=overwrite)
    cohort = load_examples(recipe.data, data, errors)
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
    return load_opinion(str(output))


def _refuse(output: Path, *, overwrite: bool) -> None:
    """Raise FileError before any work if the folder cannot be written in the end.

    Beside a checkpoint and without `provenance.json`, which is written last, files of an opinion
    are those of a writing that was broken off.
    """
    refuse_to_replace(output / PROVENANCE, overwrite=overwrite)
    for name in (*FILES, CARD):
        if (output / CHECKPOINT).exists() and not (output / PROVENANCE).exists():
            (output / name).unlink(missing_ok=True)
        refuse_to_replace(output / name, overwrite=overwrite)


def _write(
    state: OpinionState,
    recipe: OpinionRecipe,
    cohort: ExampleCohort,
    output: Path,
    *,
    overwrite: bool,
) -> None:
    """Judge the averaged network and write the folder."""
    network = averaged(state).cpu()
    facts = {
        "name": recipe.name,
        "license": recipe.license,
        "citation": recipe.citation,
        "data": cohort.facts,
        "parameters": sum(p.numel() for p in network.parameters()),
        "training": {
            "n_steps": recipe.train.n_steps,
            "batch_size": recipe.train.batch_size,
            "seed": recipe.train.seed,
        },
        "versions": {
            "cardiovae": __version__,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
        },
        "validation": _known(validate(network, cohort.validation, recipe.train)),
        "history": [_known(row) for row in state.history],
    }
    save_opinion(
        output,
        network,
        config=plain({"network": recipe.train.network, "train": recipe.train}),
        provenance=facts,
        card=model_card(facts),
        overwrite=overwrite,
    )


def _known(figures: Mapping[str, float]) -> dict[str, float | None]:
    """Figures as JSON can hold them: None for NaN."""
    return {key: value if math.isfinite(value) else None for key, value in figures.items()}
