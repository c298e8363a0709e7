"""Training: one loop, seeded by step, so that a resumed run equals an unbroken one."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import nn
from torch.optim.lr_scheduler import OneCycleLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from cardiovae.crisp.augment import Batch, DrawConfig, draw_batch, plain_batch
from cardiovae.crisp.network import CrispNetwork, NetworkConfig
from cardiovae.crisp.objective import ObjectiveConfig, soft_dice, terms
from cardiovae.crisp.pairs import EchoTable
from cardiovae.errors import ModelError
from cardiovae.io.atomic import staged
from cardiovae.prior.device import set_precision

Hearing = Callable[[int, dict[str, float]], None]
CHUNK = 128  # frames judged at a time


@dataclass(frozen=True)
class CrispConfig:
    """Everything that decides a training run apart from its data."""

    network: NetworkConfig = field(default_factory=NetworkConfig)
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    draw: DrawConfig = field(default_factory=DrawConfig)
    batch_size: int = 64
    n_steps: int = 2000
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    average: float = 0.995  # decay of the moving average of the weights, which is what is kept
    validate_every: int = 250
    checkpoint_every: int = 100
    precision: str = "float32"  # of the convolutions; "bfloat16" is faster
    seed: int = 0


class Resumable(Protocol):
    """A state that a checkpoint can hold."""

    step: int
    history: list[dict[str, float]]

    def parts(self) -> dict[str, Any]:
        """What has a state of its own, by name."""


@dataclass
class CrispState:
    """Mutable state of a run: what a checkpoint holds."""

    network: CrispNetwork
    average: AveragedModel
    optimizer: torch.optim.Optimizer
    schedule: OneCycleLR
    step: int
    history: list[dict[str, float]]

    def parts(self) -> dict[str, Any]:
        """What has a state of its own, by name."""
        names = ("network", "average", "optimizer", "schedule")
        return {name: getattr(self, name) for name in names}


def start(config: CrispConfig, device: torch.device | str = "cpu") -> CrispState:
    """The state before the first step, on a device; the same numbers on every one."""
    with torch.random.fork_rng(devices=[]):  # the caller's random state is not ours to change
        torch.manual_seed(config.seed)
        network = CrispNetwork(config.network)
    network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    decayed = get_ema_multi_avg_fn(config.average)  # type: ignore[no-untyped-call]
    average = AveragedModel(network, multi_avg_fn=decayed, use_buffers=True)
    set_precision(network, network.trunks, config.precision)
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
    )
    schedule = OneCycleLR(optimizer, config.learning_rate, config.n_steps + 1, pct_start=0.1)
    return CrispState(network, average, optimizer, schedule, 0, [])


def train(
    training: EchoTable,
    validation: EchoTable,
    config: CrispConfig,
    *,
    checkpoint: Path | None = None,
    progress: Hearing | None = None,
    until: int | None = None,
    device: torch.device | str = "cpu",
) -> CrispState:
    """Train, or go on from `checkpoint` where it exists.

    Args:
        training: Pairs to learn from.
        validation: Pairs of other patients, for figures alone.
        config: Settings; those of a checkpoint must be equal.
        checkpoint: File that holds the state, written every `config.checkpoint_every` steps.
        progress: Called after each step with its number and the terms of the objective.
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
        if state.step == config.n_steps or state.step % config.validate_every == 0:
            figures = validate(averaged(state), validation, config)
            state.history.append({"step": float(state.step), **found, **figures})
        saving = state.step == last or state.step % config.checkpoint_every == 0
        if checkpoint is not None and saving:
            save_state(state, checkpoint, identity)
    return state


def averaged(state: CrispState) -> CrispNetwork:
    """The averaged network, in evaluation mode."""
    network = state.average.module
    assert isinstance(network, CrispNetwork)
    return network.eval()


def take_step(state: CrispState, training: EchoTable, config: CrispConfig) -> dict[str, float]:
    """One step of the optimizer on a fresh batch; everything random comes from seed and step."""
    rng = np.random.default_rng([config.seed, state.step])
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    device = next(state.network.parameters()).device
    rows = rng.choice(len(training), config.batch_size // config.draw.twins)
    batch = draw_batch(training, np.repeat(rows, config.draw.twins), config.draw, rng).to(device)
    state.network.train()
    seen = state.network(batch.images, batch.maps, generator)
    found = terms(seen, state.network.scale, batch.target, batch.inside, config.objective)
    loss = torch.stack([getattr(config.objective, name) * t for name, t in found.items()]).sum()
    if not math.isfinite(float(loss.detach())):
        raise ModelError(
            f"step {state.step}: the loss is {float(loss.detach())}; lower learning_rate"
        )
    state.optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(state.network.parameters(), 1.0)
    state.optimizer.step()
    state.schedule.step()
    state.average.update_parameters(state.network)
    state.step += 1
    return {name: float(term.detach()) for name, term in found.items()}


def validate(network: CrispNetwork, table: EchoTable, config: CrispConfig) -> dict[str, float]:
    """How well pairs are told from others, and masks decoded, on frames of other patients.

    Returns:
        `rank`: mean rank of a mask among all for its image, from 0 (first) to 1; `cosine`: of
        pairs; `dice`: of decoded masks; `dice_image`: of masks decoded from the image's code.
    """
    parts = range(0, len(table), CHUNK)
    batches = [plain_batch(table, np.arange(a, min(a + CHUNK, len(table)))) for a in parts]
    device = next(network.parameters()).device
    with torch.no_grad():
        seen = [network(b.images.to(device), b.maps.to(device)) for b in batches]
    image, mask = (torch.cat([getattr(s, side) for s in seen]) for side in ("image", "mask"))
    cosines = image @ mask.T
    own = cosines.diagonal()
    above = (cosines > own[:, None]).float().sum(1)
    return {
        "rank": float(above.mean()) / max(len(table) - 1, 1),
        "cosine": float(own.mean()),
        "dice_mask": 1 - _mean_dice([s.decoded for s in seen], batches),
        "dice_image": 1 - _mean_dice([s.from_image for s in seen], batches),
    }


def _mean_dice(scores: list[torch.Tensor], batches: list[Batch]) -> float:
    parts = [
        float(soft_dice(s.cpu(), b.target, b.inside)) * len(b.target)
        for s, b in zip(scores, batches, strict=True)
    ]
    return sum(parts) / sum(len(b.target) for b in batches)


def save_state(state: Resumable, path: Path, identity: str) -> None:
    """Write a checkpoint; `identity` names the settings and data it belongs to."""
    content = {name: part.state_dict() for name, part in state.parts().items()}
    content |= {"identity": identity, "step": state.step, "history": state.history}
    with staged(path, overwrite=True) as temporary:
        torch.save(content, temporary)


def restore_state(state: Resumable, path: Path, identity: str) -> None:
    """Bring a fresh state to where a checkpoint was written."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        found = content["identity"]
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError, KeyError, TypeError) as error:
        raise ModelError(
            f"{path}: not a readable checkpoint ({error}); delete it to start over"
        ) from error
    if found != identity:
        raise ModelError(
            f"{path}: this checkpoint was made with other settings or training data; give another "
            "--output folder, or those it was made with"
        )
    for name, part in state.parts().items():
        part.load_state_dict(content[name])
    state.step, state.history = content["step"], content["history"]
