"""The metrics as handlers of ignite engines, such as MONAI's `SupervisedEvaluator`."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

from monai.handlers.ignite_metric import IgniteMetricHandler

from cardiovae.errors import ConfigError
from cardiovae.monai.metrics import AnatomicalPlausibilityMetric, TemporalConsistencyMetric


def predictions_alone(output: Any) -> tuple[Any, None]:
    """Of an engine's output the predictions, as MONAI's handlers take them.

    Args:
        output: A list of decollated dictionaries with "pred", one such dictionary of a batch, or
            the predictions themselves.
    """
    if isinstance(output, dict):
        return output["pred"], None
    if isinstance(output, list) and output and isinstance(output[0], dict):
        return [item["pred"] for item in output], None
    return output, None


class AnatomicalPlausibilityHandler(IgniteMetricHandler):
    """`AnatomicalPlausibilityMetric` in `engine.state.metrics` after each run.

    Args:
        output_transform: From the engine's output to (predictions, anything).
        save_details: Whether the value of each sample goes to `engine.state.metric_details`.
        **settings: As of the metric.

    Raises:
        ConfigError: ignite is not installed.
    """

    def __init__(
        self,
        output_transform: Callable[[Any], Any] = predictions_alone,
        save_details: bool = True,
        **settings: Any,
    ) -> None:
        _require_ignite()
        super().__init__(
            metric_fn=AnatomicalPlausibilityMetric(**settings),
            output_transform=output_transform,
            save_details=save_details,
        )


class TemporalConsistencyHandler(IgniteMetricHandler):
    """`TemporalConsistencyMetric` in `engine.state.metrics` after each run.

    Args:
        output_transform: From the engine's output to (predictions, anything).
        save_details: Whether the value of each sample goes to `engine.state.metric_details`.
        **settings: As of the metric.

    Raises:
        ConfigError: ignite is not installed.
    """

    def __init__(
        self,
        output_transform: Callable[[Any], Any] = predictions_alone,
        save_details: bool = True,
        **settings: Any,
    ) -> None:
        _require_ignite()
        super().__init__(
            metric_fn=TemporalConsistencyMetric(**settings),
            output_transform=output_transform,
            save_details=save_details,
        )


def _require_ignite() -> None:
    if importlib.util.find_spec("ignite") is None:
        raise ConfigError(
            "handlers need pytorch-ignite, which is not installed; install it with: pip install "
            "'cardiovae[bundle]'"
        )
