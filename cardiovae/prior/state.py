"""Settings and state of a training run, and the checkpoint that holds them."""

from __future__ import annotations

import copy
import pickle
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import torch
from torch import nn

from cardiovae.errors import ModelError
from cardiovae.io.atomic import staged
from cardiovae.prior.augment import AugmentConfig
from cardiovae.prior.device import set_precision
from cardiovae.prior.models import DEFAULT_MODEL, build_model
from cardiovae.prior.network import ENCODER, Critic, ShapeModel
from cardiovae.prior.pairs import AdaptConfig
from cardiovae.prior.parallel import spread


@dataclass(frozen=True)
class ObjectiveConfig:
    """Weights of the objective's terms; a weight of 0 switches its term off.

    Reconstruction: `distance` (signed distances), `cross_entropy` (pixelwise, of the regions),
    `dice` (soft), `mse` (class shares). Those that only some models have: `beta`, KL divergence;
    `gamma`, `delta`, weight and steepness of the attribute term; `instant`, constraint on the
    cardiac instant; `jacobian`, contraction; `codebook`, `commitment`, `words`, those of vector
    quantization; `adversarial`, what the critic finds.
    """

    distance: float = 0.1
    cross_entropy: float = 1.0
    dice: float = 1.0
    beta: float = 1e-4
    gamma: float = 0.05
    delta: float = 10.0
    instant: float = 0.02
    mse: float = 0.0
    jacobian: float = 1e-3
    codebook: float = 1.0
    commitment: float = 0.25
    words: float = 0.05
    adversarial: float = 0.02


@dataclass(frozen=True)
class TrainConfig:
    """Everything that decides a training run apart from its data.

    `model` is a file of `cardiovae/prior/models`; `options` are its own.
    """

    model: str = DEFAULT_MODEL
    options: dict[str, Any] = field(default_factory=dict)
    latent_dim: int = 48
    width: int = 32
    batch_size: int = 64
    n_steps: int = 8000
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    warmup_steps: int = 200
    average: float = 0.998  # decay of the moving average of the weights, which is what is kept
    validate_every: int = 500
    patience: int = 0  # validations without a better mean Dice that end the shapes; 0: none do
    checkpoint_every: int = 100  # steps; besides, at every validation
    precision: str = "float32"  # of the convolutions; "bfloat16" is faster on GPUs
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
    """Mutable state of a run: what a checkpoint holds.

    `network` is trained, `average` is the moving average of its weights; once the shapes are
    learned it stays, and `reader` is the average of what then learns errors. `critic` learns in
    turns with the network, where the model has one. `best` is the average that decoded the
    validation shapes best so far, where patience is limited.
    """

    network: ShapeModel
    average: ShapeModel
    optimizer: torch.optim.Optimizer
    step: int
    history: list[dict[str, float]]
    reader: ShapeModel | None = None
    critic: Critic | None = None
    critic_optimizer: torch.optim.Optimizer | None = None
    best: ShapeModel | None = None

    @property
    def device(self) -> torch.device:
        """Where the networks are."""
        return next(self.network.parameters()).device

    def parts(self) -> dict[str, Any]:
        """What has a state of its own, by name; those that there are."""
        names = ("network", "average", "reader", "best", "critic", "optimizer", "critic_optimizer")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}


def start(config: TrainConfig, device: torch.device | str = "cpu") -> TrainState:
    """The state before the first step, on a device; the same numbers on every one."""
    with torch.random.fork_rng(devices=[]):  # the caller's random state is not ours to change
        torch.manual_seed(config.seed)
        network = new_model(config)
        average = new_model(config)
        critic = network.critic()
    network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = average.to(device)
    average.load_state_dict(network.state_dict())
    _prepare(network, config)
    state = TrainState(network, average, _optimizer(network, config), 0, [], critic=critic)
    if critic is not None:
        _prepare(critic.to(device), config)
        state.critic_optimizer = _optimizer(critic, config)
    return state


def _prepare(network: ShapeModel | Critic, config: TrainConfig) -> None:
    """Let the trunks work in the precision that is asked for, and on shares of batches."""
    set_precision(network, network.trunks, config.precision)
    spread(network, network.trunks)


def new_model(config: TrainConfig) -> ShapeModel:
    """The untrained model that the settings name."""
    return build_model(config.model, config.latent_dim, config.width, config.options)


def _optimizer(network: nn.Module, config: TrainConfig) -> torch.optim.Optimizer:
    return torch.optim.AdamW(
        network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
    )


def begin_adapting(state: TrainState, config: TrainConfig) -> None:
    """From the averaged network on, with a fresh optimizer, the encoder alone."""
    state.network.load_state_dict(state.average.state_dict())
    state.reader = copy.deepcopy(state.average)
    state.network.zero_grad(set_to_none=True)  # or the last gradients of what freezes would count
    encoder = _encoder_alone(state.network)
    state.optimizer = torch.optim.AdamW(
        encoder, lr=config.adapt.learning_rate, weight_decay=config.weight_decay
    )


def _encoder_alone(network: ShapeModel) -> list[nn.Parameter]:
    """The encoder's parameters, all others being frozen."""
    network.requires_grad_(False)
    found = [p for name, p in network.named_parameters() if name.startswith(ENCODER)]
    for parameter in found:
        parameter.requires_grad_(True)
    return found


def save_checkpoint(state: TrainState, path: Path, config: TrainConfig, data: str) -> None:
    """Write all of a run to `path`; `data` tells the training data from others."""
    with staged(path, overwrite=True) as temporary:
        write_state(state, temporary, config, data)


def write_state(state: TrainState, to: Path | IO[bytes], config: TrainConfig, data: str) -> None:
    """Write all of a run to a file, which need not be one on disk."""
    content: dict[str, Any] = {
        "config": repr(config),
        "data": data,
        "parts": {name: part.state_dict() for name, part in state.parts().items()},
        "step": state.step,
        "history": state.history,
    }
    torch.save(content, to)


def load_checkpoint(
    path: Path,
    config: TrainConfig,
    data: str | None = None,
    device: torch.device | str = "cpu",
) -> TrainState:
    """The state of a run that was saved at `path`.

    Args:
        path: The checkpoint.
        config: Settings it must have been made with.
        data: `ShapeTable.fingerprint` of the training shapes it must have been made from; None
            accepts any.
        device: Where the networks shall be.

    Raises:
        ModelError: Not a checkpoint, or one of other settings or data.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        made_with, made_from, parts = content["config"], content["data"], content["parts"]
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
    state = start(config, device)
    if "best" in parts:
        state.best = copy.deepcopy(state.average)
    if "reader" in parts:
        begin_adapting(state, config)
    for name, part in state.parts().items():
        part.load_state_dict(parts[name])
    state.step = content["step"]
    state.history = content["history"]
    return state
