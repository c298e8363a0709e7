"""What a training would take, from its real data and two steps: nothing is written."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cardiovae.prior.cohort import Cohort, load_cohort
from cardiovae.prior.device import choose_device, repeatable
from cardiovae.prior.pairs import PairTable
from cardiovae.prior.parallel import check_shares, n_processes, processes
from cardiovae.prior.run import (
    CHECKPOINT,
    Recipe,
    load_errors,
    read_recipe,
    refuse_folder,
)
from cardiovae.prior.state import TrainConfig, TrainState, load_checkpoint, start, write_state
from cardiovae.prior.step import take_step
from cardiovae.prior.train import identity, validate


@dataclass(frozen=True)
class Cost:
    """What steps take, measured.

    Args:
        checkpoint_bytes: Size of the checkpoint.
        memory_bytes: What a process holds at its peak: weights (those that are trained and their
            averages), gradients, optimizer, activations (what one batch leaves for the backward
            pass) and shapes (the distance maps to learn from).
        seconds_per_step: Of the second step.
        seconds_per_validation: Of one.
        seconds: Of what is left to do: steps and validations.
    """

    checkpoint_bytes: int
    memory_bytes: dict[str, int]
    seconds_per_step: float
    seconds_per_validation: float
    seconds: float


@dataclass(frozen=True)
class Plan:
    """What a training would be.

    Args:
        name: Of the prior.
        model: Which model of the lineage.
        parameters: Trained numbers by part of the network, and of a critic.
        latent_dim: Latent dimensions.
        patients: Number by part of the split.
        frames: Number by part of the split.
        steps: Steps that learn shapes, and steps that learn errors.
        resumes_at: Step that a checkpoint in the folder has reached; 0 without.
        batch_size: Items of a batch, of all processes together.
        processes: How many train together.
        epochs: How often the steps draw as many frames as there are to learn from.
        device: Where it would run.
        precision: Of the convolutions.
        cost: None for a model that takes no steps.
    """

    name: str
    model: str
    parameters: dict[str, int]
    latent_dim: int
    patients: dict[str, int]
    frames: dict[str, int]
    steps: dict[str, int]
    resumes_at: int
    batch_size: int
    processes: int
    epochs: float
    device: str
    precision: str
    cost: Cost | None

    def to_json(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return dataclasses.asdict(self)


def plan_training(
    config: str,
    data: str | None,
    output: Path,
    *,
    errors: str | None = None,
    overrides: Sequence[str] = (),
    seed: int | None = None,
    resume: bool = True,
    overwrite: bool = False,
    device: str = "auto",
) -> Plan:
    """What `train_prior` of the same arguments would do; two steps are made and forgotten.

    Raises:
        CardiovaeError: What `train_prior` would raise before its first step, and in it.
    """
    recipe = read_recipe(config, overrides=overrides, seed=seed)
    refuse_folder(output, overwrite=overwrite)
    where = choose_device(device)
    with repeatable(where), processes(where):
        check_shares(recipe.train.batch_size)
        cohort = load_cohort(recipe.data, data)
        pairs, _ = load_errors(recipe, cohort, data, errors)
        state = start(recipe.train, where)
        if resume and (output / CHECKPOINT).exists():
            made_from = identity(cohort.training, pairs)
            state = load_checkpoint(output / CHECKPOINT, recipe.train, made_from, where)
        return _plan(recipe, cohort, pairs, state)


def _plan(recipe: Recipe, cohort: Cohort, pairs: PairTable | None, state: TrainState) -> Plan:
    settings, by_steps = recipe.train, state.network.learns_by_steps
    done = state.step
    n_shapes = settings.n_steps if by_steps else 0
    parts = [("", state.network), ("critic.", state.critic)]
    return Plan(
        name=recipe.name,
        model=settings.model,
        parameters={
            f"{prefix}{name}": size
            for prefix, part in parts
            if part is not None
            for name, size in _sizes(part).items()
        },
        latent_dim=settings.latent_dim,
        patients=dict(cohort.facts["patients"]),
        frames=dict(cohort.facts["frames"]),
        steps={"shapes": n_shapes, "errors": settings.adapt.n_steps if by_steps else 0},
        resumes_at=done,
        batch_size=settings.batch_size,
        processes=n_processes(),
        epochs=n_shapes * settings.batch_size / cohort.training.sequence.size,
        device=str(state.device),
        precision=settings.precision,
        cost=_cost(state, cohort, settings, settings.total_steps - done) if by_steps else None,
    )


def _sizes(network: nn.Module) -> dict[str, int]:
    """Numbers of the parameters by the part of the network that has them."""
    found: dict[str, int] = {}
    for name, parameter in network.named_parameters():
        part = name.partition(".")[0]
        found[part] = found.get(part, 0) + parameter.numel()
    return found


def _cost(state: TrainState, cohort: Cohort, config: TrainConfig, steps_left: int) -> Cost:
    """Two steps of learning shapes are made: the first is weighed, the second timed."""
    state = start(config, state.device)
    held: dict[int, int] = {}

    def weigh(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        held[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(weigh, lambda tensor: tensor):
        take_step(state, cohort.training, None, config)
    networks = [n for n in (state.network, state.average, state.critic) if n is not None]
    trained = [p for n in networks if n is not state.average for p in n.parameters()]
    weights = [t for n in networks for t in n.state_dict().values()]
    for weight in weights:  # convolutions keep them for the backward pass, but they are there
        held.pop(weight.untyped_storage().data_ptr(), None)
    began = time.perf_counter()
    take_step(state, cohort.training, None, config)  # reads its loss, so a GPU has finished
    per_step = time.perf_counter() - began
    began = time.perf_counter()
    validate(state.average, cohort.validation)
    per_validation = time.perf_counter() - began
    n_validations = math.ceil(steps_left / config.validate_every)
    return Cost(
        checkpoint_bytes=_checkpoint_size(state, config),
        memory_bytes={
            "weights": _bytes(weights),
            "gradients": _bytes(trained),
            "optimizer": sum(_bytes(_moments(o)) for o in _optimizers(state)),
            "activations": sum(held.values()),
            "shapes": sum(
                v.nbytes for v in vars(cohort.training).values() if hasattr(v, "nbytes")
            ),
        },
        seconds_per_step=per_step,
        seconds_per_validation=per_validation,
        seconds=steps_left * per_step + n_validations * per_validation,
    )


def _bytes(tensors: Iterable[Tensor]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def _optimizers(state: TrainState) -> list[torch.optim.Optimizer]:
    return [o for o in (state.optimizer, state.critic_optimizer) if o is not None]


def _moments(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    return [v for kept in optimizer.state.values() for v in kept.values() if torch.is_tensor(v)]


def _checkpoint_size(state: TrainState, config: TrainConfig) -> int:
    content = BytesIO()
    write_state(state, content, config, "")
    return content.tell()
