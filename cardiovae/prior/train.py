"""Training of the shape prior: one loop, seeded by step, so that a resumed run stays the same."""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from cardiovae.prior.augment import network_input
from cardiovae.prior.fidelity import Fidelity, fidelity, mean_known
from cardiovae.prior.grid import knots_to_canvas
from cardiovae.prior.network import ShapeModel
from cardiovae.prior.objective import class_shares
from cardiovae.prior.pairs import PairTable
from cardiovae.prior.parallel import check_shares, from_first, is_first
from cardiovae.prior.seen import plain_batches
from cardiovae.prior.shapes import ShapeTable
from cardiovae.prior.state import (
    TrainConfig,
    TrainState,
    begin_adapting,
    load_checkpoint,
    save_checkpoint,
    start,
)
from cardiovae.prior.step import take_step

logger = logging.getLogger(__name__)

Hearing = Callable[[int, dict[str, float]], None]


def train(
    training: ShapeTable,
    validation: ShapeTable,
    config: TrainConfig,
    *,
    pairs: PairTable | None = None,
    checkpoint: Path | None = None,
    progress: Hearing | None = None,
    validated: Hearing | None = None,
    until: int | None = None,
    device: torch.device | str = "cpu",
) -> TrainState:
    """Train, or go on from `checkpoint` where it exists; a resumed run equals an unbroken one.

    With `config.patience` the shapes end early when they get no better, and the best average is
    kept. With `config.adapt.n_steps` a copy of the encoder then learns the errors of networks; the
    shapes, and so the space of hearts, stay as they are.

    Args:
        training: Shapes to learn from.
        validation: Shapes of other patients, for the validation figures alone.
        config: Settings; those of a checkpoint must be equal.
        pairs: Predictions with their truth, for the steps that learn errors.
        checkpoint: File that holds the state, written at every validation, and every
            `config.checkpoint_every` steps; of several processes the first writes it.
        progress: Called after each step with its number and the loss terms.
        validated: Called after each validation with the step's number and the figures.
        until: Stop after this step (a test of resuming); None = `config.total_steps`.
        device: Where to train.

    Raises:
        ConfigError: Batches too small for the processes, or an unknown precision.
        ModelError: The checkpoint was made with other settings or data, or the loss is not
            finite.
    """
    check_shares(config.batch_size)
    data = identity(training, pairs) if checkpoint is not None else ""
    state = _begun(checkpoint, config, data, device)
    if not state.network.learns_by_steps:
        return _fitted(state, training, validation)
    last = config.total_steps if until is None else min(until, config.total_steps)
    began = time.monotonic()
    while state.step < last:
        if state.step == config.n_steps:
            begin_adapting(state, config)
        terms = take_step(state, training, pairs, config)
        if progress is not None:
            progress(state.step, terms)
        judged = _is_due(state.step, config, last)
        if judged:
            figures = _judge(state, validation, terms, time.monotonic() - began)
            if validated is not None:
                validated(state.step, figures)
            _heed_patience(state, config)
        saving = judged or _every(config.checkpoint_every, state.step)
        if checkpoint is not None and saving and is_first():
            save_checkpoint(state, checkpoint, config, data)
    return state


def identity(training: ShapeTable, pairs: PairTable | None) -> str:
    """What tells these data from others."""
    return " ".join(table.fingerprint() for table in (training, pairs) if table is not None)


def _begun(
    checkpoint: Path | None, config: TrainConfig, data: str, device: torch.device | str
) -> TrainState:
    """The state of the checkpoint, if there is one, else that before the first step."""
    if checkpoint is not None and checkpoint.exists():
        return load_checkpoint(checkpoint, config, data, device)
    return start(config, device)


def _judge(
    state: TrainState, validation: ShapeTable, terms: dict[str, float], seconds: float
) -> dict[str, float]:
    """Figures of the average, beside the last terms of the objective; the history has them."""
    found = from_first(lambda: validate(state.average, validation).as_dict())
    figures = {"step": float(state.step), **terms, **found}
    state.history.append(figures)
    logger.info("%.0f s %s", seconds, " ".join(f"{k}={v:.4g}" for k, v in figures.items()))
    return figures


def _every(n: int, step: int) -> bool:
    return n > 0 and step % n == 0


def _is_due(step: int, config: TrainConfig, last: int) -> bool:
    """Whether the average is judged after a step; with limited patience also where shapes end."""
    ends = step == last or (config.patience > 0 and step == config.n_steps)
    return ends or _every(config.validate_every, step)


def _heed_patience(state: TrainState, config: TrainConfig) -> None:
    """Remember the best average; end the shapes with it when patience, or their time, is over."""
    if config.patience == 0 or state.reader is not None:
        return
    waited = since_best([mean_dice(figures) for figures in state.history])
    if waited == 0 or state.best is None:
        state.best = copy.deepcopy(state.average)
    if waited >= config.patience or state.step == config.n_steps:
        state.average.load_state_dict(state.best.state_dict())
        state.best = None
        state.step = config.n_steps


def mean_dice(figures: dict[str, float]) -> float:
    """Mean Dice of the structures among the figures of a validation; NaN where none is known."""
    return mean_known(np.array([v for k, v in figures.items() if k.startswith("dice_")]))


def since_best(scores: list[float]) -> int:
    """Validations since the best score; NaN is never best, and of equals the first is.

    Examples:
        >>> since_best([0.5, 0.7, 0.7, float("nan")])
        2
    """
    known = np.nan_to_num(np.array(scores), nan=-np.inf)
    return len(scores) - 1 - int(known.argmax())


def _fitted(state: TrainState, training: ShapeTable, validation: ShapeTable) -> TrainState:
    """The state of a model that is learned at once."""
    state.average.fit(training)
    state.network.load_state_dict(state.average.state_dict())
    state.history.append({"step": 0.0, **validate(state.average, validation).as_dict()})
    return state


def validate(network: ShapeModel, shapes: ShapeTable) -> Fidelity:
    """Fidelity of encode-decode on unchanged shapes, on the canonical grid."""
    network.eval()
    device = next(network.parameters()).device
    codes, truth, decoded = [], [], []
    rows, cols = (torch.from_numpy(m).to(device) for m in knots_to_canvas())
    with torch.no_grad():
        for classes, inside in plain_batches(shapes):
            z = network.encode(network_input(classes, inside).to(device)).mu
            found = class_shares(rows @ network.decode(z) @ cols.T).argmax(1).cpu()
            visible = inside[:, 0] > 0.5
            codes.append(z.cpu().numpy())
            truth.append(torch.where(visible, classes.argmax(1), 0).numpy())
            decoded.append(torch.where(visible, found, 0).numpy())
    return fidelity(
        np.concatenate(truth),
        np.concatenate(decoded),
        np.concatenate(codes),
        structures=shapes.structures,
    )
