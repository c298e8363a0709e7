"""TensorBoard and MLflow hold what the training said; nothing opens a connection."""

from __future__ import annotations

import importlib.util
import socket

import numpy as np
import pytest
from cli_cases import run

from cardiovae.cli.exits import ExitCode
from cardiovae.errors import ConfigError
from cardiovae.prior import tracking

# ignite and MLflow warn of deprecations of their own when they are imported.
pytestmark = pytest.mark.filterwarnings("ignore")
STEPS = [(1, {"distance": 2.0, "gamma": float("nan")}), (2, {"distance": 1.5, "gamma": 0.5})]
JUDGED = {"step": 2.0, "distance": 1.5, "dice_lv": 0.75, "spearman_lv_area": float("nan")}


def needs(extra):
    absent = [name for name in tracking.NEEDED[extra] if importlib.util.find_spec(name) is None]
    return pytest.mark.skipif(bool(absent), reason=f"the extra {extra} is not installed")


@pytest.fixture
def offline(monkeypatch):
    def refuse(*where):
        raise AssertionError(f"a connection to {where} was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def tell(tracker):
    for number, terms in STEPS:
        tracker.step(number, terms)
    tracker.validated(2, JUDGED)


def tell_until_interrupted(store):
    with tracking.tracked(None, store, run="tiny", settings={"adapt": {"n_steps": 0}}) as tracker:
        tracker.step(*STEPS[0])
        raise KeyboardInterrupt


@needs("tensorboard")
def test_tensorboard_reads_back_every_figure_that_is_known(tmp_path, offline):
    with tracking.tracked(tmp_path, None, run="r", settings={}) as tracker:
        tell(tracker)
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(tmp_path))
    found.Reload()
    read = {
        tag: [(e.step, e.value) for e in found.Scalars(tag)] for tag in found.Tags()["scalars"]
    }
    assert read == {
        "distance": [(1, 2.0), (2, 1.5)],
        "gamma": [(2, 0.5)],
        "validation/dice_lv": [(2, 0.75)],
    }


@needs("mlflow")
def test_mlflow_reads_back_figures_and_settings_and_goes_on_with_a_broken_run(tmp_path, offline):
    store = str(tmp_path / "runs.db")
    with pytest.raises(KeyboardInterrupt):
        tell_until_interrupted(store)
    with tracking.tracked(None, store, run="tiny", settings={"adapt": {"n_steps": 0}}) as tracker:
        tracker.step(*STEPS[1])
        tracker.validated(2, JUDGED)
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{store}")
    (experiment,) = [e for e in client.search_experiments() if e.name == "cardiovae"]
    (found,) = client.search_runs([experiment.experiment_id])
    assert (found.info.run_name, found.info.status) == ("tiny", "FINISHED")
    assert found.data.params["adapt.n_steps"] == "0"
    history = client.get_metric_history(found.info.run_id, "distance")
    assert [(m.step, m.value) for m in history] == [(1, 2.0), (2, 1.5)]
    assert found.data.metrics["validation/dice_lv"] == 0.75


@needs("mlflow")
def test_a_store_that_the_environment_names_is_not_taken_silently(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://somewhere.example")
    with (
        pytest.raises(ConfigError, match="MLFLOW_TRACKING_URI names another store"),
        tracking.tracked(None, str(tmp_path / "runs.db"), run="r", settings={}),
    ):
        pass


@needs("tensorboard")
def test_a_training_is_tracked_when_asked(tmp_path, capsys, offline):
    words = ("--config", "tiny", "--set", "train.n_steps=2", "--set", "data.n_phantoms=10")
    events = tmp_path / "events"
    done = run(capsys, "train", *words, "-o", tmp_path / "p", "--tensorboard", events)
    assert done.code == ExitCode.OK
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(events))
    found.Reload()
    assert [e.step for e in found.Scalars("cross_entropy")] == [1, 2]
    assert np.isfinite([e.value for e in found.Scalars("validation/dice_lv")]).all()


@pytest.mark.parametrize("extra", ["tensorboard", "mlflow"])
def test_without_its_extra_a_tracker_is_refused_by_name(monkeypatch, tmp_path, extra):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    where = {"tensorboard": None, "mlflow": None, extra: tmp_path}
    with (
        pytest.raises(ConfigError, match=rf"cardiovae\[{extra}\]"),
        tracking.tracked(where["tensorboard"], where["mlflow"], run="r", settings={}),
    ):
        pass


def test_nobody_is_told_by_default():
    with tracking.tracked(None, None, run="r", settings={}) as tracker:
        tell(tracker)
