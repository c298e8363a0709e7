"""Training of the shape prior: one loop, seeded by step, so that a resumed run stays the same."""

from __future__ import annotations

import logging
import math
import pickle
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cardiovae.errors import ModelError
from cardiovae.io.atomic import staged
from cardiovae.prior.augment import AugmentConfig, Batch, draw_batch, network_input
from cardiovae.prior.fidelity import Fidelity, fidelity
from cardiovae.prior.grid import knots_to_canvas
from cardiovae.prior.network import ShapeVAE
from cardiovae.prior.objective import (
    attribute_loss,
    class_shares,
    cross_entropy,
    distance_loss,
    instant_loss,
    kl_divergence,
    soft_dice_loss,
)
from cardiovae.prior.pairs import AdaptConfig, PairTable, draw_pairs, joined
from cardiovae.prior.seen import plain_batches
from cardiovae.prior.shapes import ShapeTable

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ObjectiveConfig:
    """Weights of the objective's terms; a weight of 0 switches its term off.

    `beta`: KL divergence. `gamma`, `delta`: weight and steepness of the attribute term
    (attribute-regularized VAE). `instant`: constraint on the cardiac instant (constrained VAE).
    """

    distance: float = 0.1
    cross_entropy: float = 1.0
    dice: float = 1.0
    beta: float = 1e-4
    gamma: float = 0.05
    delta: float = 10.0
    instant: float = 0.02


@dataclass(frozen=True)
class TrainConfig:
    """Everything that decides a training run apart from its data."""

    latent_dim: int = 48
    width: int = 32
    batch_size: int = 64
    n_steps: int = 8000
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    warmup_steps: int = 200
    average: float = 0.998  # decay of the moving average of the weights, which is what is kept
    validate_every: int = 500
    seed: int = 0
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    adapt: AdaptConfig = field(default_factory=AdaptConfig)

    @property
    def total_steps(self) -> int:
        """Steps that learn shapes, then steps that learn errors."""
        return self.n_steps + self.adapt.n_steps


@dataclass
class TrainState:
    """Mutable state of a run: what a checkpoint holds."""

    network: ShapeVAE
    average: ShapeVAE
    optimizer: torch.optim.Optimizer
    step: int
    history: list[dict[str, float]]


def objective(
    network: ShapeVAE, batch: Batch, config: ObjectiveConfig, generator: torch.Generator
) -> tuple[Tensor, dict[str, float]]:
    """Loss of one batch, and its terms by name."""
    posterior = network.encode(batch.inputs)
    z = posterior.sample(generator)
    rows, cols = (torch.from_numpy(m) for m in knots_to_canvas())
    decoded = rows @ network.decode(z) @ cols.T
    lv, myo, la = batch.target[:, 1:].unbind(1)
    regions = torch.stack([lv, lv + myo, la], 1)
    terms = {
        "distance": distance_loss(decoded, batch.distances, batch.inside),
        "cross_entropy": cross_entropy(decoded, regions, batch.inside),
        "dice": soft_dice_loss(decoded, batch.target, batch.inside),
        "beta": kl_divergence(posterior),
        "gamma": attribute_loss(z, batch.attributes, config.delta),
        "instant": instant_loss(network.instant(z), batch.instant),
    }
    loss = torch.stack([getattr(config, name) * term for name, term in terms.items()]).sum()
    return loss, {name: float(term.detach()) for name, term in terms.items()}


def train(
    training: ShapeTable,
    validation: ShapeTable,
    config: TrainConfig,
    *,
    pairs: PairTable | None = None,
    checkpoint: Path | None = None,
    progress: Callable[[int, dict[str, float]], None] | None = None,
    until: int | None = None,
) -> TrainState:
    """Train, or go on from `checkpoint` where it exists; a resumed run equals an unbroken one.

    With `config.adapt.n_steps` the encoder then learns the errors of networks; the decoder, and so
    the space of hearts, stays as it is.

    Args:
        training: Shapes to learn from.
        validation: Shapes of other patients, for the validation figures alone.
        config: Settings; those of a checkpoint must be equal.
        pairs: Predictions with their truth, for the steps that learn errors.
        checkpoint: File that holds the state, written at every validation.
        progress: Called after each step with its number and the loss terms.
        until: Stop after this step (a test of resuming); None = `config.total_steps`.

    Raises:
        ModelError: The checkpoint was made with other settings or data, or the loss is not
            finite.
    """
    data = (
        ""
        if checkpoint is None
        else " ".join(table.fingerprint() for table in (training, pairs) if table is not None)
    )
    state = _start(config)
    if checkpoint is not None and checkpoint.exists():
        state = load_checkpoint(checkpoint, config, data)
    last = config.total_steps if until is None else min(until, config.total_steps)
    began = time.monotonic()
    while state.step < last:
        if state.step == config.n_steps:
            _begin_adapting(state, config)
        terms = _step(state, training, pairs, config)
        if progress is not None:
            progress(state.step, terms)
        if state.step % config.validate_every == 0 or state.step == last:
            found = validate(state.average, validation)
            figures = {"step": float(state.step), **terms, **found.as_dict()}
            state.history.append(figures)
            seconds = time.monotonic() - began
            logger.info("%.0f s %s", seconds, " ".join(f"{k}={v:.4g}" for k, v in figures.items()))
            if checkpoint is not None:
                _save(state, checkpoint, config, data)
    return state


def _step(
    state: TrainState, training: ShapeTable, pairs: PairTable | None, config: TrainConfig
) -> dict[str, float]:
    """One step of the optimizer on a fresh batch; everything random comes from seed and step."""
    rng = np.random.default_rng([config.seed, state.step])
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    adapting = state.step >= config.n_steps
    size = config.batch_size // 2 if adapting else config.batch_size
    indices = rng.choice(training.sequence.size, size)
    batch = draw_batch(training, indices, config.augment, rng)
    state.network.train()
    if adapting:
        if pairs is None:
            raise ModelError("learning errors (adapt.n_steps) needs pairs to learn from")
        rows = rng.choice(len(pairs.seen), config.batch_size - size)
        batch = joined(batch, draw_pairs(pairs, rows, config.adapt, rng))
        state.network.decoder.eval()  # its running statistics stay too
    for group in state.optimizer.param_groups:
        group["lr"] = learning_rate(state.step, config)
    loss, terms = objective(state.network, batch, config.objective, generator)
    if not math.isfinite(float(loss.detach())):
        raise ModelError(
            f"step {state.step}: the loss is {float(loss.detach())}; lower learning_rate"
        )
    state.optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(state.network.parameters(), 1.0)
    state.optimizer.step()
    done = state.step - config.n_steps if adapting else state.step
    state.step += 1
    _average(state, config.average, done + 1)
    return terms


def _begin_adapting(state: TrainState, config: TrainConfig) -> None:
    """From the averaged network on, with a fresh optimizer, the encoder alone."""
    state.network.load_state_dict(state.average.state_dict())
    state.network.zero_grad(set_to_none=True)  # or the last gradients of what freezes would count
    encoder = _encoder_alone(state.network)
    state.optimizer = torch.optim.AdamW(
        encoder, lr=config.adapt.learning_rate, weight_decay=config.weight_decay
    )


def _encoder_alone(network: ShapeVAE) -> list[torch.nn.Parameter]:
    """The encoder's parameters, all others being frozen."""
    network.requires_grad_(False)
    network.encoder.requires_grad_(True)
    network.to_posterior.requires_grad_(True)
    return [*network.encoder.parameters(), *network.to_posterior.parameters()]


def learning_rate(step: int, config: TrainConfig) -> float:
    """Linear warm-up, then a half cosine down to 1 % of the peak; twice, if errors are learned."""
    peak, last, warmup = config.learning_rate, config.n_steps, config.warmup_steps
    if step >= config.n_steps and config.adapt.n_steps:
        step -= config.n_steps
        peak, last = config.adapt.learning_rate, config.adapt.n_steps
        warmup = min(warmup, last // 4)
    if step < warmup:
        return peak * (step + 1) / warmup
    share = (step - warmup) / max(last - warmup, 1)
    return peak * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * share)))


def validate(network: ShapeVAE, shapes: ShapeTable) -> Fidelity:
    """Fidelity of encode-decode on unchanged shapes, on the canonical grid."""
    network.eval()
    codes, truth, decoded = [], [], []
    rows, cols = (torch.from_numpy(m) for m in knots_to_canvas())
    with torch.no_grad():
        for classes, inside in plain_batches(shapes):
            z = network.encode(network_input(classes, inside)).mu
            found = class_shares(rows @ network.decode(z) @ cols.T).argmax(1)
            visible = inside[:, 0] > 0.5
            codes.append(z.numpy())
            truth.append(torch.where(visible, classes.argmax(1), 0).numpy())
            decoded.append(torch.where(visible, found, 0).numpy())
    return fidelity(np.concatenate(truth), np.concatenate(decoded), np.concatenate(codes))


def _start(config: TrainConfig) -> TrainState:
    with torch.random.fork_rng(devices=[]):  # the caller's random state is not ours to change
        torch.manual_seed(config.seed)
        network = ShapeVAE(config.latent_dim, config.width)
        average = ShapeVAE(config.latent_dim, config.width)
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    average.load_state_dict(network.state_dict())
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
    )
    return TrainState(network, average, optimizer, 0, [])


def _average(state: TrainState, decay: float, step: int) -> None:
    """Move the averaged weights; early on they follow faster, so that the start is forgotten."""
    decay = min(decay, (1 + step) / (10 + step))
    with torch.no_grad():
        for kept, new in zip(
            state.average.state_dict().values(), state.network.state_dict().values(), strict=True
        ):
            if kept.dtype.is_floating_point:
                kept.lerp_(new, 1 - decay)
            else:
                kept.copy_(new)


def _save(state: TrainState, path: Path, config: TrainConfig, data: str) -> None:
    content: dict[str, Any] = {
        "config": repr(config),
        "data": data,
        "network": state.network.state_dict(),
        "average": state.average.state_dict(),
        "optimizer": state.optimizer.state_dict(),
        "step": state.step,
        "history": state.history,
    }
    with staged(path, overwrite=True) as temporary:
        torch.save(content, temporary)


def load_checkpoint(path: Path, config: TrainConfig, data: str | None = None) -> TrainState:
    """The state of a run that was saved at `path`.

    Args:
        path: The checkpoint.
        config: Settings it must have been made with.
        data: `ShapeTable.fingerprint` of the training shapes it must have been made from; None
            accepts any.

    Raises:
        ModelError: Not a checkpoint, or one of other settings or data.
    """
    try:
        content = torch.load(path, weights_only=True)
        made_with, made_from = content["config"], content.get("data", data)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError, KeyError, TypeError) as error:
        raise ModelError(
            f"{path}: not a readable checkpoint ({error}); delete it to start over"
        ) from error
    if made_with != repr(config) or (data is not None and made_from != data):
        what = "settings" if made_with != repr(config) else "training data"
        raise ModelError(
            f"{path}: this checkpoint was made with other {what}; give another --output folder, "
            f"or the {what} it was made with"
        )
    state = _start(config)
    if content["step"] > config.n_steps:
        _begin_adapting(state, config)
    state.network.load_state_dict(content["network"])
    state.average.load_state_dict(content["average"])
    state.optimizer.load_state_dict(content["optimizer"])
    state.step = content["step"]
    state.history = content["history"]
    return state
