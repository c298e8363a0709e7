"""Early stopping keeps the best average, and precision and device change no settings."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from prior_cases import TINY, small_table

from cardiovae.errors import ConfigError
from cardiovae.prior import train as training
from cardiovae.prior.device import choose_device
from cardiovae.prior.fidelity import Fidelity
from cardiovae.prior.network import ShapeNetwork
from cardiovae.prior.state import start
from cardiovae.prior.step import take_step
from cardiovae.prior.train import train

PATIENT = dataclasses.replace(TINY, n_steps=6, validate_every=1, patience=2)


@pytest.fixture(scope="module")
def table():
    return small_table()


@pytest.fixture
def scores(monkeypatch):
    """Dice of the validations to come, in their order."""
    to_come = [0.5, 0.7, 0.6, 0.7, 0.9, 0.9]

    def validate(network, shapes):
        return Fidelity({"lv": to_come.pop(0)}, {})

    monkeypatch.setattr(training, "validate", validate)
    return to_come


def flat(network):
    return torch.cat([value.double().flatten() for value in network.state_dict().values()])


def test_a_run_stops_when_patience_is_over_and_keeps_the_best_average(table, scores):
    # Best at step 2; those of steps 3 and 4 are no better, so steps 5 and 6 are not made.
    state = train(table, table, PATIENT)
    assert [row["step"] for row in state.history] == [1, 2, 3, 4]
    assert state.step == PATIENT.n_steps
    unlimited = dataclasses.replace(PATIENT, patience=0)
    scores[:] = [0.5, 0.7]
    kept = train(table, table, unlimited, until=2).average
    assert torch.equal(flat(state.average), flat(kept))


def test_a_run_that_stops_early_may_be_broken_before(table, scores, tmp_path):
    checkpoint = tmp_path / "checkpoint.pt"
    train(table, table, PATIENT, checkpoint=checkpoint, until=3)
    state = train(table, table, PATIENT, checkpoint=checkpoint)
    scores[:] = [0.5, 0.7, 0.6, 0.7]
    unbroken = train(table, table, PATIENT)
    assert state.history == unbroken.history
    assert torch.equal(flat(state.average), flat(unbroken.average))
    again = train(table, table, PATIENT, checkpoint=checkpoint)
    assert torch.equal(flat(again.average), flat(unbroken.average))


def test_bfloat16_is_of_the_convolutions_alone_and_learns_the_same_way(table):
    half = dataclasses.replace(TINY, precision="bfloat16", n_steps=3)
    first, second = (start(dataclasses.replace(TINY, n_steps=3)), start(half))
    assert isinstance(second.network, ShapeNetwork)
    features = second.network.encoder(torch.zeros(2, 7, 128, 96))
    assert features.dtype == torch.float32
    assert all(p.dtype == torch.float32 for p in second.network.parameters())
    terms = [take_step(state, table, None, TINY) for state in (first, second)]
    # bfloat16 has 8 bits of precision: the terms agree to about a percent, and not exactly.
    for name, value in terms[0].items():
        assert terms[1][name] == pytest.approx(value, rel=0.05, abs=1e-3)
    assert terms[0] != terms[1]


def test_an_unknown_precision_or_device_is_refused_by_name():
    with pytest.raises(ConfigError, match="'float8': unknown; expected float32 or bfloat16"):
        start(dataclasses.replace(TINY, precision="float8"))
    with pytest.raises(ConfigError, match="--device tpu"):
        choose_device("tpu")
    assert choose_device("cpu").type == "cpu"


def test_a_gpu_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match="no CUDA device"):
        choose_device("cuda")
    assert choose_device("auto").type == "cpu"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("model", ["ar-vae", "cvae", "contractive"])
def test_a_gpu_learns_what_the_cpu_learns_and_resumes(table, tmp_path, model, precision):
    config = dataclasses.replace(TINY, model=model, precision=precision)
    on_cpu = take_step(start(config), table, None, config)
    on_gpu = take_step(start(config, "cuda"), table, None, config)
    for name, value in on_cpu.items():
        assert on_gpu[name] == pytest.approx(value, rel=0.05, abs=1e-3)
    checkpoint = tmp_path / "checkpoint.pt"
    train(table, table, config, checkpoint=checkpoint, until=2, device="cuda")
    state = train(table, table, config, checkpoint=checkpoint, device="cuda")
    assert (state.step, state.device.type) == (config.n_steps, "cuda")
