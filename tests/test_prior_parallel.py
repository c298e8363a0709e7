"""Several processes train as one: the same weights, the same folder, one voice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import parallel_worker
import pytest
import torch
from safetensors.torch import load_file

from cardiovae.errors import ConfigError
from cardiovae.prior import parallel, step
from cardiovae.prior.run import train_prior

ROOT = Path(__file__).resolve().parent.parent
# One of each kind: pairs of items, words of a codebook, a critic, a second derivative.
MODELS = ("ar-vae", "vq-vae", "adversarial", "contractive")
TORCHRUN = ("torch.distributed.run", "--standalone", "--nproc-per-node", "2")
SETTINGS = ("train.n_steps=3", "data.spacing_mm=[2.0, 2.0]", "data.n_phantoms=10")


def torchrun(*words) -> subprocess.CompletedProcess[str]:
    """What `torchrun --standalone --nproc-per-node 2 WORDS` says."""
    paths = [str(ROOT), str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        [sys.executable, "-m", *TORCHRUN, *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def by_two(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two")
    torchrun(ROOT / "tests" / "parallel_worker.py", folder, *MODELS)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
def test_two_processes_get_the_weights_of_one(by_two, monkeypatch, model):
    monkeypatch.setattr(step, "draw_batch", parallel_worker.in_float64(step.draw_batch))
    alone = parallel_worker.weights_after_steps(model)
    together = torch.load(by_two / f"{model}.pt")
    assert alone.keys() == together.keys()
    for name, value in alone.items():
        apart = (together[name] - value).double().norm()
        assert apart <= 1e-6 * value.double().norm() + 1e-12, name


@pytest.mark.slow
def test_two_processes_write_the_folder_of_one_and_speak_once(tmp_path):
    alone = train_prior("tiny", None, tmp_path / "one", overrides=SETTINGS, device="cpu")
    words = ["--config", "tiny", "-o", tmp_path / "two", "--device", "cpu"]
    words += [word for setting in SETTINGS for word in ("--set", setting)]
    said = torchrun("-m", "cardiovae", "train", *words)
    assert said.stdout.count("written to") == 1
    assert said.stderr.count("training: 3 of 3") == 1
    first, second = (sorted(p.name for p in (tmp_path / n).iterdir()) for n in ("one", "two"))
    assert first == second
    facts = json.loads((tmp_path / "two" / "provenance.json").read_text())
    assert facts["data"] == json.loads(json.dumps(alone.provenance["data"]))
    losses = [
        [row[name] for name in ("distance", "cross_entropy", "dice", "gamma")]
        for row in (facts["history"][-1], alone.provenance["history"][-1])
    ]
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-2)
    own = alone.network.state_dict()
    theirs = load_file(tmp_path / "two" / "weights.safetensors")
    assert {k: v.shape for k, v in own.items()} == {k: v.shape for k, v in theirs.items()}


def test_batches_too_small_for_the_processes_are_refused(monkeypatch):
    monkeypatch.setattr(parallel, "n_processes", lambda: 8)
    with pytest.raises(ConfigError, match="batch_size is 4: 8 processes"):
        parallel.check_shares(4)


def test_alone_nothing_is_spread_and_nobody_is_waited_for():
    network = torch.nn.Sequential(torch.nn.Conv2d(1, 1, 1), torch.nn.BatchNorm2d(1))
    parallel.spread(network, ("0", "1"))
    assert "forward" not in vars(network[0])
    with parallel.processes(torch.device("cpu")):
        assert (parallel.n_processes(), parallel.is_first()) == (1, True)
        assert parallel.from_first(lambda: 3) == 3
