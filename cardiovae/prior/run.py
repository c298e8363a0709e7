"""From a training preset to a model folder."""

from __future__ import annotations

import dataclasses
import math
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cardiovae import __version__
from cardiovae.config import apply_overrides, build_settings, read_preset
from cardiovae.errors import ModelError
from cardiovae.io.atomic import refuse_to_replace
from cardiovae.prior.card import model_card
from cardiovae.prior.cohort import Cohort, DataConfig, load_cohort
from cardiovae.prior.evaluate import evaluate_fidelity
from cardiovae.prior.fidelity import REGULARIZED
from cardiovae.prior.folder import ShapePrior, load_prior, save_prior
from cardiovae.prior.train import (
    TrainConfig,
    TrainState,
    codes_of,
    load_checkpoint,
    train,
    validate,
)

CHECKPOINT = "checkpoint.pt"
Progress = Callable[[int, int, dict[str, float]], None]


@dataclass(frozen=True)
class Recipe:
    """A training preset.

    Args:
        name: Of the prior.
        license: Under which its weights may be used.
        citation: What its users are to cite; empty for nothing.
        data: What it is trained on.
        train: How.
    """

    name: str
    license: str
    citation: str = ""
    data: DataConfig = field(default_factory=DataConfig)
    train: TrainConfig = field(default_factory=TrainConfig)


def read_recipe(config: str, *, overrides: Sequence[str] = (), seed: int | None = None) -> Recipe:
    """A training preset by name or path, with `group.key=value` overrides.

    Raises:
        ConfigError: No such preset, or a setting that is not usable.

    Examples:
        >>> read_recipe("camus", overrides=["train.n_steps=10"], seed=3).train.seed
        3
    """
    content = apply_overrides(read_preset("train", config), list(overrides))
    recipe = build_settings(Recipe, content, origin=f"train preset '{config}'")
    if seed is None:
        return recipe
    return dataclasses.replace(recipe, train=dataclasses.replace(recipe.train, seed=seed))


def train_prior(
    config: str,
    data: str | None,
    output: Path,
    *,
    overrides: Sequence[str] = (),
    seed: int | None = None,
    progress: Progress | None = None,
    resume: bool = True,
    overwrite: bool = False,
) -> ShapePrior:
    """Train a prior and write its folder; a run that was interrupted goes on.

    Args:
        config: Name of a preset in `configs/train`, or path of a YAML file.
        data: Training data, in place of the preset's: "phantom", an `.npz` or label map files.
        output: The model folder; while training it holds a checkpoint.
        overrides: Settings in place of the preset's, such as "train.n_steps=100".
        seed: In place of the preset's seed of training.
        progress: Called after each step with steps done, steps in all and the loss terms.
        resume: Go on from a checkpoint in `output`; False starts anew.
        overwrite: Replace a finished prior in `output`.

    Raises:
        ConfigError: An unusable preset or setting.
        FileError: Data that cannot be read, or a finished prior in the way.
        ModelError: Data without a usable heart, a checkpoint of other settings, or a loss that
            is not finite.
    """
    recipe = read_recipe(config, overrides=overrides, seed=seed)
    refuse_to_replace(output / "provenance.json", overwrite=overwrite)
    cohort = load_cohort(recipe.data, data)
    checkpoint = output / CHECKPOINT
    if not resume:
        checkpoint.unlink(missing_ok=True)
    total = recipe.train.n_steps
    state = train(
        cohort.training,
        cohort.validation,
        recipe.train,
        checkpoint=checkpoint,
        progress=None if progress is None else lambda step, terms: progress(step, total, terms),
    )
    prior = _write(state, recipe, cohort, output, overwrite=overwrite)
    checkpoint.unlink(missing_ok=True)
    return prior


def export_checkpoint(
    checkpoint: Path,
    config: str,
    data: str | None,
    output: Path,
    *,
    overrides: Sequence[str] = (),
    seed: int | None = None,
    overwrite: bool = False,
) -> ShapePrior:
    """Write the model folder of a finished run from its checkpoint, without training.

    Args:
        checkpoint: What the run saved last.
        config: Preset of the run.
        data: Training data of the run.
        output: The model folder.
        overrides: Settings in place of the preset's, as in the run.
        seed: As in the run.
        overwrite: Replace a finished prior in `output`.

    Raises:
        CardiovaeError: As `train_prior`; ModelError too when the run is not finished.
    """
    recipe = read_recipe(config, overrides=overrides, seed=seed)
    refuse_to_replace(output / "provenance.json", overwrite=overwrite)
    cohort = load_cohort(recipe.data, data)
    state = load_checkpoint(checkpoint, recipe.train, cohort.training.fingerprint())
    if state.step < recipe.train.n_steps:
        raise ModelError(
            f"{checkpoint}: {state.step} of {recipe.train.n_steps} steps are done; let the "
            "training finish first"
        )
    return _write(state, recipe, cohort, output, overwrite=overwrite)


def _write(
    state: TrainState, recipe: Recipe, cohort: Cohort, output: Path, *, overwrite: bool
) -> ShapePrior:
    """Judge the averaged network and write the folder."""
    network = state.average.eval()
    codes = codes_of(network, cohort.training)
    facts = {
        "name": recipe.name,
        "license": recipe.license,
        "citation": recipe.citation,
        "data": dict(cohort.facts),
        "training": {
            "n_steps": state.step,
            "batch_size": recipe.train.batch_size,
            "seed": recipe.train.seed,
        },
        "latent": {
            "dimensions": codes.shape[1],
            "codes": codes.shape[0],
            "attributes": list(REGULARIZED),
        },
        "versions": {
            "cardiovae": __version__,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
        },
        "validation": validate(network, cohort.validation).as_dict(),
        "test": _test_figures(state, cohort),
        "history": state.history,
    }
    provenance = _without_nan(facts)
    save_prior(
        output,
        network,
        config=dataclasses.asdict(recipe.train),
        codes=codes,
        instants=cohort.training.instant,
        patients=cohort.patients,
        provenance=provenance,
        card=model_card(provenance),
        overwrite=overwrite,
    )
    return load_prior(str(output))


def _test_figures(state: TrainState, cohort: Cohort) -> dict[str, float] | None:
    if not cohort.held_out:
        return None
    return evaluate_fidelity(state.average, cohort.held_out).summary().as_dict()


def _without_nan(value: Any) -> Any:
    """Plain data that JSON can hold: tuples as lists, NaN as None."""
    if isinstance(value, Mapping):
        return {str(key): _without_nan(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
