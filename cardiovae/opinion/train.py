"""Training: one loop, seeded by step, so that a resumed run equals an unbroken one."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.optim.lr_scheduler import OneCycleLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from cardiovae.crisp.objective import cross_entropy
from cardiovae.crisp.train import restore_state, save_state
from cardiovae.errors import ModelError
from cardiovae.opinion.draw import Batch, DrawConfig, choose, draw_batch, plain_batch
from cardiovae.opinion.examples import Examples
from cardiovae.opinion.network import NetworkConfig, OpinionNetwork
from cardiovae.opinion.rate import rate
from cardiovae.prior.device import set_precision

Hearing = Callable[[int, dict[str, float]], None]
CHUNK = 32  # items judged at a time
JUDGED_SEED = 20231  # of the items that validation looks at, the same at every step


@dataclass(frozen=True)
class OpinionConfig:
    """Everything that decides a training run apart from its data."""

    network: NetworkConfig = field(default_factory=NetworkConfig)
    draw: DrawConfig = field(default_factory=DrawConfig)
    batch_size: int = 16
    n_steps: int = 5000
    learning_rate: float = 2e-3
    weight_decay: float = 1e-3
    average: float = 0.995  # decay of the moving average of the weights, which is what is kept
    validate_every: int = 500
    judged: int = 256  # items of the validation patients that each validation looks at
    checkpoint_every: int = 100
    precision: str = "float32"  # of the convolutions; "bfloat16" is faster
    seed: int = 0


@dataclass
class OpinionState:
    """Mutable state of a run: what a checkpoint holds."""

    network: OpinionNetwork
    average: AveragedModel
    optimizer: torch.optim.Optimizer
    schedule: OneCycleLR
    step: int
    history: list[dict[str, float]]

    def parts(self) -> dict[str, Any]:
        """What has a state of its own, by name."""
        names = ("network", "average", "optimizer", "schedule")
        return {name: getattr(self, name) for name in names}


def start(config: OpinionConfig, device: torch.device | str = "cpu") -> OpinionState:
    """The state before the first step, on a device; the same numbers on every one."""
    with torch.random.fork_rng(devices=[]):  # the caller's random state is not ours to change
        torch.manual_seed(config.seed)
        network = OpinionNetwork(config.network)
    network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    decayed = get_ema_multi_avg_fn(config.average)  # type: ignore[no-untyped-call]
    average = AveragedModel(network, multi_avg_fn=decayed, use_buffers=True)
    set_precision(network, network.trunks, config.precision)
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
    )
    schedule = OneCycleLR(optimizer, config.learning_rate, config.n_steps + 1, pct_start=0.1)
    return OpinionState(network, average, optimizer, schedule, 0, [])


def train(
    training: Examples,
    validation: Examples,
    config: OpinionConfig,
    *,
    checkpoint: Path | None = None,
    progress: Hearing | None = None,
    until: int | None = None,
    device: torch.device | str = "cpu",
) -> OpinionState:
    """Train, or go on from `checkpoint` where it exists.

    Args:
        training: Examples to learn from.
        validation: Examples of other patients, for figures alone.
        config: Settings; those of a checkpoint must be equal.
        checkpoint: File that holds the state, written every `config.checkpoint_every` steps.
        progress: Called after each step with its number and the loss.
        until: Stop after this step (a test of resuming); None = `config.n_steps`.
        device: Where to train.

    Raises:
        ModelError: The checkpoint was made with other settings or data, or the loss is not
            finite.
    """
    identity = f"{config!r} {training.fingerprint()}" if checkpoint is not None else ""
    state = start(config, device)
    if checkpoint is not None and checkpoint.exists():
        restore_state(state, checkpoint, identity)
    last = config.n_steps if until is None else min(until, config.n_steps)
    while state.step < last:
        found = take_step(state, training, config)
        if progress is not None:
            progress(state.step, found)
        ends = state.step == last
        if ends or state.step % config.validate_every == 0:
            figures = validate(averaged(state), validation, config)
            state.history.append({"step": float(state.step), **found, **figures})
        if checkpoint is not None and (ends or state.step % config.checkpoint_every == 0):
            save_state(state, checkpoint, identity)
    return state


def averaged(state: OpinionState) -> OpinionNetwork:
    """The averaged network, in evaluation mode."""
    network = state.average.module
    assert isinstance(network, OpinionNetwork)
    return network.eval()


def take_step(state: OpinionState, training: Examples, config: OpinionConfig) -> dict[str, float]:
    """One step of the optimizer on a fresh batch; everything random comes from seed and step."""
    rng = np.random.default_rng([config.seed, state.step])
    device = next(state.network.parameters()).device
    batch = draw_batch(training, config.batch_size, config.draw, rng).to(device)
    state.network.train()
    inputs = batch.inputs.contiguous(memory_format=torch.channels_last)
    loss = cross_entropy(state.network(inputs), batch.target, batch.inside)
    found = float(loss.detach())
    if not math.isfinite(found):
        raise ModelError(f"step {state.step}: the loss is {found}; lower learning_rate")
    state.optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(state.network.parameters(), 1.0)
    state.optimizer.step()
    state.schedule.step()
    state.average.update_parameters(state.network)
    state.step += 1
    return {"loss": found}


def validate(
    network: OpinionNetwork, examples: Examples, config: OpinionConfig
) -> dict[str, float]:
    """How well labels of other patients are rated, half of them with simulated damage at least.

    Returns:
        `loss`; `dice_true` and `dice_expected`: of the labels shown, mean; `dice_error`: mean
        absolute difference of the two; `pearson`: their correlation (NaN where one is constant).
    """
    rng = np.random.default_rng(JUDGED_SEED)
    items = choose(examples, config.judged, config.draw, rng)
    device = next(network.parameters()).device
    losses, true, expected = [], [], []
    for first in range(0, len(items), CHUNK):
        batch = plain_batch(items[first : first + CHUNK])
        with torch.no_grad():
            scores = network(batch.inputs.to(device)).cpu()
        losses.append(float(cross_entropy(scores, batch.target, batch.inside)) * len(scores))
        true.append(_dice(batch, batch.target))
        expected.append(_dice(batch, scores.softmax(1)))
    real, said = np.concatenate(true), np.concatenate(expected)
    varies = min(real.std(), said.std()) > 0
    return {
        "loss_judged": sum(losses) / len(items),
        "dice_true": float(real.mean()),
        "dice_expected": float(said.mean()),
        "dice_error": float(np.abs(real - said).mean()),
        "pearson": float(np.corrcoef(real, said)[0, 1]) if varies else math.nan,
    }


def _dice(batch: Batch, likely: torch.Tensor) -> NDArray[np.float64]:
    """Expected Dice of the labels shown, mean over the structures, (N,)."""
    shown = batch.inputs[:, 1 : 1 + likely.shape[1]] * batch.inside
    return np.asarray(np.nanmean(rate(shown.numpy(), (likely * batch.inside).numpy())[1], 1))
