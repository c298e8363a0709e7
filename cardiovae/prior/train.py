"""Training of the shape prior: one loop, seeded by step, so that a resumed run stays the same."""

from __future__ import annotations

import logging
import math
import pickle
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cardiovae.errors import ModelError
from cardiovae.io.atomic import staged
from cardiovae.prior.augment import AugmentConfig, Batch, draw_batch, network_input, shares
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
    checkpoint: Path | None = None,
    progress: Callable[[int, dict[str, float]], None] | None = None,
    until: int | None = None,
) -> TrainState:
    """Train, or go on from `checkpoint` where it exists; a resumed run equals an unbroken one.

    Args:
        training: Shapes to learn from.
        validation: Shapes of other patients, for the validation figures alone.
        config: Settings; those of a checkpoint must be equal.
        checkpoint: File that holds the state, written at every validation.
        progress: Called after each step with its number and the loss terms.
        until: Stop after this step (a test of resuming); None = `config.n_steps`.

    Raises:
        ModelError: The checkpoint was made with other settings or data, or the loss is not
            finite.
    """
    data = "" if checkpoint is None else training.fingerprint()
    state = _start(config)
    if checkpoint is not None and checkpoint.exists():
        state = load_checkpoint(checkpoint, config, data)
    last = config.n_steps if until is None else min(until, config.n_steps)
    began = time.monotonic()
    while state.step < last:
        terms = _step(state, training, config)
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


def _step(state: TrainState, training: ShapeTable, config: TrainConfig) -> dict[str, float]:
    """One step of the optimizer on a fresh batch; everything random comes from seed and step."""
    rng = np.random.default_rng([config.seed, state.step])
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    indices = rng.choice(training.sequence.size, config.batch_size)
    batch = draw_batch(training, indices, config.augment, rng)
    for group in state.optimizer.param_groups:
        group["lr"] = learning_rate(state.step, config)
    state.network.train()
    loss, terms = objective(state.network, batch, config.objective, generator)
    if not math.isfinite(float(loss.detach())):
        raise ModelError(
            f"step {state.step}: the loss is {float(loss.detach())}; lower learning_rate"
        )
    state.optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(state.network.parameters(), 1.0)
    state.optimizer.step()
    state.step += 1
    _average(state, config.average)
    return terms


def learning_rate(step: int, config: TrainConfig) -> float:
    """Linear warm-up, then a half cosine down to 1 % of the peak."""
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    share = (step - config.warmup_steps) / max(config.n_steps - config.warmup_steps, 1)
    return config.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * share)))


def validate(network: ShapeVAE, shapes: ShapeTable) -> Fidelity:
    """Fidelity of encode-decode on unchanged shapes, on the canonical grid."""
    network.eval()
    codes, truth, decoded = [], [], []
    rows, cols = (torch.from_numpy(m) for m in knots_to_canvas())
    with torch.no_grad():
        for classes, inside in _plain(shapes):
            z = network.encode(network_input(classes, inside)).mu
            found = class_shares(rows @ network.decode(z) @ cols.T).argmax(1)
            visible = inside[:, 0] > 0.5
            codes.append(z.numpy())
            truth.append(torch.where(visible, classes.argmax(1), 0).numpy())
            decoded.append(torch.where(visible, found, 0).numpy())
    return fidelity(np.concatenate(truth), np.concatenate(decoded), np.concatenate(codes))


def _plain(shapes: ShapeTable, size: int = 100) -> Iterator[tuple[Tensor, Tensor]]:
    """Class shares on the canvas, cut at the image, and the share inside it; no augmentation."""
    from_side = shapes.distances.shape[2] - knots_to_canvas()[0].shape[0]
    m = from_side // 2
    for first in range(0, shapes.sequence.size, size):
        part = shapes.distances[first : first + size, :, m:-m, m:-m].astype(np.float32)
        classes, inside = shares(torch.from_numpy(part))
        classes = classes * inside
        classes[:, 0] += 1 - inside[:, 0]
        yield classes, inside


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


def _average(state: TrainState, decay: float) -> None:
    """Move the averaged weights; early on they follow faster, so that the start is forgotten."""
    decay = min(decay, (1 + state.step) / (10 + state.step))
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
    state.network.load_state_dict(content["network"])
    state.average.load_state_dict(content["average"])
    state.optimizer.load_state_dict(content["optimizer"])
    state.step = content["step"]
    state.history = content["history"]
    return state


def codes_of(network: ShapeVAE, shapes: ShapeTable) -> NDArray[np.float32]:
    """Posterior means of unchanged shapes, shape (N, D)."""
    network.eval()
    with torch.no_grad():
        parts = [network.encode(network_input(c, i)).mu.numpy() for c, i in _plain(shapes)]
    return np.concatenate(parts)
