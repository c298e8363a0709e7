"""A training's figures in TensorBoard or MLflow, through MONAI's handlers.

The loop stays ours: a small ignite engine hears of each step as an iteration, and of each
validation as an epoch, and passes them on to the handlers.
"""

from __future__ import annotations

import importlib.util
import math
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cardiovae.errors import ConfigError

Figures = Mapping[str, float]
NEEDED = {"tensorboard": ("ignite", "tensorboard"), "mlflow": ("ignite", "mlflow", "sqlalchemy")}


@dataclass(frozen=True)
class Tracker:
    """What a training tells its trackers, with the number of the step."""

    step: Callable[[int, Figures], None]
    validated: Callable[[int, Figures], None]


@contextmanager
def tracked(
    tensorboard: Path | None,
    mlflow: str | None,
    *,
    run: str,
    settings: Mapping[str, Any],
) -> Iterator[Tracker]:
    """A tracker that writes where it is told; nowhere, by default.

    Args:
        tensorboard: Folder of event files.
        mlflow: A database file, or the URI of a database or a server; only a URI of a server makes
            MLflow open a connection.
        run: Name of the run in MLflow; one of that name that was not finished goes on.
        settings: Of the training, for MLflow.

    Raises:
        ConfigError: A package is absent, or the environment names another MLflow store.
    """
    wanted = {"tensorboard": tensorboard, "mlflow": mlflow}
    asked = [extra for extra, where in wanted.items() if where is not None]
    if not asked:
        yield Tracker(_nothing, _nothing)
        return
    _require(asked)
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"  # or its import tells its makers
    from ignite.engine import Engine, Events

    engine: Any = Engine(lambda engine, batch: None)
    handlers = [] if tensorboard is None else [_tensorboard(tensorboard, engine)]
    handlers += [] if mlflow is None else [_mlflow(mlflow, run, settings, engine)]
    for handler in handlers:
        handler.attach(engine)

    def step(number: int, figures: Figures) -> None:
        engine.state.iteration, engine.state.output = number, _known(figures)
        engine.fire_event(Events.ITERATION_COMPLETED)

    def validated(number: int, figures: Figures) -> None:
        found = {f"validation/{key}": figures[key] for key in figures if "_" in key}
        engine.state.iteration, engine.state.metrics = number, _known(found)
        engine.fire_event(Events.EPOCH_COMPLETED)

    engine.fire_event(Events.STARTED)
    yield Tracker(step, validated)
    for handler in handlers:  # not after an error: an interrupted run of MLflow stays open
        handler.close()


def _require(extras: list[str]) -> None:
    """Raise ConfigError if a package that an extra brings is absent."""
    for extra in extras:
        absent = [name for name in NEEDED[extra] if importlib.util.find_spec(name) is None]
        if absent:
            raise ConfigError(
                f"--{extra} needs packages that are not installed ({', '.join(absent)}); install "
                f"them with: pip install 'cardiovae[{extra}]'"
            )


def _tensorboard(folder: Path, engine: Any) -> Any:
    from monai.handlers.tensorboard_handlers import TensorBoardStatsHandler

    return TensorBoardStatsHandler(
        log_dir=str(folder),
        output_transform=lambda output: output,
        global_epoch_transform=lambda _: engine.state.iteration,
    )


def _mlflow(where: str, run: str, settings: Mapping[str, Any], engine: Any) -> Any:
    from monai.handlers.mlflow_handler import MLFlowHandler

    uri = where if "://" in where else f"sqlite:///{Path(where).absolute()}"
    named = os.environ.get("MLFLOW_TRACKING_URI")
    if named not in (None, uri):
        raise ConfigError(
            f"--mlflow {where}: the environment variable MLFLOW_TRACKING_URI names another store, "
            f"'{named}', which would win; unset it, or give the same"
        )
    return MLFlowHandler(
        tracking_uri=uri,
        output_transform=lambda output: output,
        global_epoch_transform=lambda _: engine.state.iteration,
        experiment_name="cardiovae",
        run_name=run,
        experiment_param=_flat(settings),
    )


def _known(figures: Figures) -> dict[str, float]:
    """The figures that are known; neither tool draws NaN."""
    return {key: value for key, value in figures.items() if math.isfinite(value)}


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings under dotted names.

    Examples:
        >>> _flat({"seed": 1, "adapt": {"n_steps": 0}})
        {'seed': 1, 'adapt.n_steps': 0}
    """
    found: dict[str, Any] = {}
    for key, value in settings.items():
        found |= (
            _flat(value, f"{prefix}{key}.")
            if isinstance(value, Mapping)
            else {f"{prefix}{key}": value}
        )
    return found


def _nothing(number: int, figures: Figures) -> None:
    """Tell nobody."""
