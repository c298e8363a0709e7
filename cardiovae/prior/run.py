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
from cardiovae.errors import ConfigError
from cardiovae.io.atomic import refuse_to_replace, remove_leftovers
from cardiovae.io.digest import file_sha256
from cardiovae.labels import Label
from cardiovae.prior.card import model_card
from cardiovae.prior.cohort import Cohort, DataConfig, load_cohort, patient_of
from cardiovae.prior.device import choose_device, repeatable
from cardiovae.prior.evaluate import evaluate_fidelity
from cardiovae.prior.fidelity import REGULARIZED
from cardiovae.prior.folder import ShapePrior, load_prior, save_prior
from cardiovae.prior.models import summary
from cardiovae.prior.pairs import PairTable, load_pairs
from cardiovae.prior.parallel import from_first, is_first, processes
from cardiovae.prior.seen import schemes, seen_with
from cardiovae.prior.shipped import FILES, READER
from cardiovae.prior.state import TrainConfig, TrainState
from cardiovae.prior.tracking import tracked
from cardiovae.prior.train import mean_dice, since_best, train, validate

CHECKPOINT = "checkpoint.pt"
PROVENANCE = "provenance.json"
WRITTEN = (*(name for name in FILES if name != PROVENANCE), READER, "MODEL_CARD.md")
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
    errors: str | None = None,
    overrides: Sequence[str] = (),
    seed: int | None = None,
    progress: Progress | None = None,
    resume: bool = True,
    overwrite: bool = False,
    device: str = "auto",
    tensorboard: Path | None = None,
    mlflow: str | None = None,
) -> ShapePrior:
    """Train a prior and write its folder; a run that was interrupted goes on.

    Of several processes (torchrun) the first writes, calls `progress` and tracks; all
    return the prior.

    Args:
        config: Name of a preset in `configs/train`, or path of a YAML file.
        data: Training data, in place of the preset's: "phantom", an `.npz` or label map files.
        output: The model folder; while training it holds a checkpoint.
        errors: Predictions of a network for the training data's frames, as `load_pairs` reads
            them; needed where the preset learns errors (`train.adapt.n_steps`).
        overrides: Settings in place of the preset's, such as "train.n_steps=100".
        seed: In place of the preset's seed of training.
        progress: Called after each step with steps done, steps in all and the loss terms.
        resume: Go on from a checkpoint in `output`; False starts anew.
        overwrite: Replace a finished prior in `output`.
        device: "cpu", "cuda", or "auto": a GPU where there is one.
        tensorboard: Folder for TensorBoard's event files.
        mlflow: A database file or URI for MLflow.

    Raises:
        ConfigError: An unusable preset or setting, or no `errors` where they are to be learned.
        FileError: Data that cannot be read, or a finished prior in the way.
        ModelError: Data without a usable heart, a checkpoint of other settings, or a loss that
            is not finite.
    """
    recipe = read_recipe(config, overrides=overrides, seed=seed)
    refuse_folder(output, overwrite=overwrite)
    where = choose_device(device)
    with repeatable(where), processes(where):
        cohort = load_cohort(recipe.data, data)
        from_first(lambda: _tidy(output, resume=resume))
        pairs, learned = load_errors(recipe, cohort, data, errors)
        total = recipe.train.total_steps
        speaks = is_first()
        stores = (tensorboard, mlflow) if speaks else (None, None)
        settings = dataclasses.asdict(recipe.train)
        with tracked(*stores, run=output.name, settings=settings) as tracker:

            def heard(step: int, terms: dict[str, float]) -> None:
                tracker.step(step, terms)
                if progress is not None and speaks:
                    progress(step, total, terms)

            state = train(
                cohort.training,
                cohort.validation,
                recipe.train,
                pairs=pairs,
                checkpoint=output / CHECKPOINT,
                progress=heard,
                validated=tracker.validated,
                device=where,
            )
        from_first(lambda: _write(state, recipe, cohort, output, learned, overwrite=overwrite))
    return load_prior(str(output))


def refuse_folder(output: Path, *, overwrite: bool) -> None:
    """Raise FileError before any work if the folder cannot be written in the end."""
    refuse_to_replace(output / PROVENANCE, overwrite=overwrite)
    if not (output / CHECKPOINT).exists():
        for name in WRITTEN:
            refuse_to_replace(output / name, overwrite=overwrite)


def _tidy(output: Path, *, resume: bool) -> None:
    """Remove what a killed run left, apart from its checkpoint, which goes only without `resume`.

    Beside a checkpoint and without `provenance.json`, which is written last, files of a prior are
    those of a writing that was broken off.
    """
    checkpoint = output / CHECKPOINT
    remove_leftovers(output)
    if checkpoint.exists() and not (output / PROVENANCE).exists():
        for name in WRITTEN:
            (output / name).unlink(missing_ok=True)
    if not resume:
        checkpoint.unlink(missing_ok=True)


def load_errors(
    recipe: Recipe, cohort: Cohort, data: str | None, errors: str | None
) -> tuple[PairTable | None, dict[str, Any]]:
    """The pairs to learn errors from, if any are to be learned, and facts about them.

    Raises:
        ConfigError: The recipe learns errors and none are given, or of stacks.
        FileError: See `load_pairs`.
        ModelError: No usable pair.
    """
    adapt = recipe.train.adapt
    if adapt.n_steps == 0:
        return None, {}
    if errors is None:
        raise ConfigError(
            f"preset '{recipe.name}' learns the errors of a network too: give its predictions for "
            "the training data with --errors, or leave that out with --set train.adapt.n_steps=0"
        )
    if Label.RV in cohort.training.structures:
        raise ConfigError(
            f"preset '{recipe.name}': errors of networks are learned of apical views, and these "
            "are short-axis stacks; leave that out with --set train.adapt.n_steps=0"
        )
    source = data or recipe.data.source
    patients = {patient_of(name, recipe.data.patient) for name in cohort.training.names}
    rng = np.random.default_rng([recipe.train.seed, 1])
    pairs = load_pairs(errors, source, recipe.data, patients, adapt, rng)
    facts = {"source": Path(errors).name, "pairs": len(pairs.seen), "n_steps": adapt.n_steps}
    if Path(errors).is_file():
        facts["sha256"] = file_sha256(Path(errors))
    return pairs, facts


def _write(
    state: TrainState,
    recipe: Recipe,
    cohort: Cohort,
    output: Path,
    errors: Mapping[str, Any],
    *,
    overwrite: bool,
) -> None:
    """Judge the averaged network and write the folder; the checkpoint has then served."""
    network = state.average.cpu().eval()
    reader = None if state.reader is None else state.reader.cpu()
    whole = cohort.training.structures
    seen = [seen_with(network, cohort.training, structures) for structures in schemes(whole)]
    codes = seen[-1].codes
    facts = {
        "name": recipe.name,
        "license": recipe.license,
        "citation": recipe.citation,
        "structures": [s.name.lower() for s in whole],
        "data": dict(cohort.facts),
        "errors": dict(errors) or None,
        "model": {
            "name": recipe.train.model,
            "what": summary(recipe.train.model),
            "parameters": sum(p.numel() for p in network.parameters()),
        },
        "training": {
            "n_steps": recipe.train.n_steps,
            "batch_size": recipe.train.batch_size,
            "seed": recipe.train.seed,
            **_kept(state, recipe.train),
        },
        "latent": {
            "dimensions": codes.shape[1],
            "codes": codes.shape[0],
            "attributes": list(REGULARIZED) if network.follows_attributes else [],
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
        structures=whole,
        seen=seen,
        reader=reader,
        instants=cohort.training.instant,
        patients=cohort.patients,
        provenance=provenance,
        card=model_card(provenance),
        overwrite=overwrite,
    )
    (output / CHECKPOINT).unlink(missing_ok=True)


def _kept(state: TrainState, config: TrainConfig) -> dict[str, int]:
    """The step whose average was kept, where patience was limited."""
    rows = [row for row in state.history if row["step"] <= config.n_steps]
    if config.patience == 0 or not rows:
        return {}
    best = rows[-1 - since_best([mean_dice(row) for row in rows])]
    return {"patience": config.patience, "kept_step": int(best["step"])}


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
