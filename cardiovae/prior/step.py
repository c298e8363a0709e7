"""One step of training: a batch is drawn, judged, and the weights move."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

from cardiovae.errors import ModelError
from cardiovae.prior.augment import Batch, draw_batch
from cardiovae.prior.grid import knots_to_canvas
from cardiovae.prior.network import Critic, ShapeModel
from cardiovae.prior.objective import (
    cross_entropy,
    distance_loss,
    soft_dice_loss,
    squared_error,
)
from cardiovae.prior.pairs import PairTable, draw_pairs, joined
from cardiovae.prior.parallel import average_gradients
from cardiovae.prior.shapes import ShapeTable
from cardiovae.prior.state import ObjectiveConfig, TrainConfig, TrainState


def objective(
    network: ShapeModel,
    batch: Batch,
    config: ObjectiveConfig,
    generator: torch.Generator,
    critic: Critic | None = None,
) -> tuple[Tensor, dict[str, float], Tensor]:
    """Loss of one batch, its terms by name, and the decoded distances on the canvas."""
    learned = network.learn(batch, config, generator)
    rows, cols = (torch.from_numpy(m).to(learned.decoded) for m in knots_to_canvas())
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


def take_step(
    state: TrainState, training: ShapeTable, pairs: PairTable | None, config: TrainConfig
) -> dict[str, float]:
    """One step of the optimizer on a fresh batch; everything random comes from seed and step.

    Returns:
        The terms of the objective by name.

    Raises:
        ModelError: A loss that is not finite, or errors to learn and no pairs.
    """
    batch, generator = _draw(state, training, pairs, config)
    state.network.train()
    if state.reader is not None:
        state.network.get_submodule("decoder").eval()  # its running statistics stay too
    rate = learning_rate(state.step, config)
    critic = None if state.reader is not None else state.critic
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


def _draw(
    state: TrainState, training: ShapeTable, pairs: PairTable | None, config: TrainConfig
) -> tuple[Batch, torch.Generator]:
    """The batch of this step, on the device, and where its noise comes from, on the CPU."""
    rng = np.random.default_rng([config.seed, state.step])
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    adapting = state.reader is not None
    size = config.batch_size // 2 if adapting else config.batch_size
    indices = rng.choice(training.sequence.size, size)
    batch = draw_batch(training, indices, config.augment, rng)
    if adapting:
        if pairs is None:
            raise ModelError("learning errors (adapt.n_steps) needs pairs to learn from")
        rows = rng.choice(len(pairs.seen), config.batch_size - size)
        batch = joined(batch, draw_pairs(pairs, rows, config.adapt, rng))
    return batch.to(state.device), generator


def _descend(
    network: nn.Module, optimizer: torch.optim.Optimizer, loss: Tensor, rate: float
) -> None:
    """One step down the gradient of the loss, whose length is limited."""
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    average_gradients(network)
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
