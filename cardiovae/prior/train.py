"""Training of the shape prior: one loop, seeded by step, so that a resumed run stays the same."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from cardiovae.errors import ModelError
from cardiovae.prior.augment import Batch, draw_batch, network_input
from cardiovae.prior.fidelity import Fidelity, fidelity
from cardiovae.prior.grid import knots_to_canvas
from cardiovae.prior.network import Critic, ShapeModel
from cardiovae.prior.objective import (
    class_shares,
    cross_entropy,
    distance_loss,
    soft_dice_loss,
    squared_error,
)
from cardiovae.prior.pairs import PairTable, draw_pairs, joined
from cardiovae.prior.seen import plain_batches
from cardiovae.prior.shapes import ShapeTable
from cardiovae.prior.state import (
    ObjectiveConfig,
    TrainConfig,
    TrainState,
    begin_adapting,
    load_checkpoint,
    save_checkpoint,
    start,
)

logger = logging.getLogger(__name__)


def objective(
    network: ShapeModel,
    batch: Batch,
    config: ObjectiveConfig,
    generator: torch.Generator,
    critic: Critic | None = None,
) -> tuple[Tensor, dict[str, float], Tensor]:
    """Loss of one batch, its terms by name, and the decoded distances on the canvas."""
    learned = network.learn(batch, config, generator)
    rows, cols = (torch.from_numpy(m) for m in knots_to_canvas())
    decoded = rows @ learned.decoded @ cols.T
    lv, myo, la = batch.target[:, 1:].unbind(1)
    regions = torch.stack([lv, lv + myo, la], 1)
    terms = {
        "distance": distance_loss(decoded, batch.distances, batch.inside),
        "cross_entropy": cross_entropy(decoded, regions, batch.inside),
        "dice": soft_dice_loss(decoded, batch.target, batch.inside),
        **learned.terms,
    }
    if config.mse:
        terms["mse"] = squared_error(decoded, batch.target, batch.inside)
    if critic is not None:
        terms["adversarial"] = critic.fooled(decoded)
    loss = torch.stack([getattr(config, name) * term for name, term in terms.items()]).sum()
    return loss, {name: float(term.detach()) for name, term in terms.items()}, decoded.detach()


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

    With `config.adapt.n_steps` a copy of the encoder then learns the errors of networks; the
    shapes, and so the space of hearts, stay as they are.

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
    state = start(config)
    if checkpoint is not None and checkpoint.exists():
        state = load_checkpoint(checkpoint, config, data)
    if not state.network.learns_by_steps:
        return _fitted(state, training, validation)
    last = config.total_steps if until is None else min(until, config.total_steps)
    began = time.monotonic()
    while state.step < last:
        if state.step == config.n_steps:
            begin_adapting(state, config)
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
                save_checkpoint(state, checkpoint, config, data)
    return state


def _fitted(state: TrainState, training: ShapeTable, validation: ShapeTable) -> TrainState:
    """The state of a model that is learned at once."""
    state.average.fit(training)
    state.network.load_state_dict(state.average.state_dict())
    state.history.append({"step": 0.0, **validate(state.average, validation).as_dict()})
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
        state.network.get_submodule("decoder").eval()  # its running statistics stay too
    rate = learning_rate(state.step, config)
    critic = None if adapting else state.critic
    loss, terms, decoded = objective(state.network, batch, config.objective, generator, critic)
    if not math.isfinite(float(loss.detach())):
        raise ModelError(
            f"step {state.step}: the loss is {float(loss.detach())}; lower learning_rate"
        )
    _descend(state.network, state.optimizer, loss, rate)
    if critic is not None and state.critic_optimizer is not None:
        mistaken = critic.mistaken(decoded, batch)
        _descend(critic, state.critic_optimizer, mistaken, rate)
        terms["critic"] = float(mistaken.detach())
    state.step += 1
    if state.reader is None:
        _average(state.average, state.network, config.average, state.step)
    else:
        _average(state.reader, state.network, config.average, state.step - config.n_steps)
    return terms


def _descend(
    network: nn.Module, optimizer: torch.optim.Optimizer, loss: Tensor, rate: float
) -> None:
    """One step down the gradient of the loss, whose length is limited."""
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    optimizer.step()


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


def validate(network: ShapeModel, shapes: ShapeTable) -> Fidelity:
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


def _average(kept: ShapeModel, network: ShapeModel, decay: float, step: int) -> None:
    """Move the averaged weights; early on they follow faster, so that the start is forgotten."""
    decay = min(decay, (1 + step) / (10 + step))
    with torch.no_grad():
        for old, new in zip(
            kept.state_dict().values(), network.state_dict().values(), strict=True
        ):
            if old.dtype.is_floating_point:
                old.lerp_(new, 1 - decay)
            else:
                old.copy_(new)
