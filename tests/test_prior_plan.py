"""`cardiovae train --dry-run`: counts and sizes that can be checked by hand, and no file."""

from __future__ import annotations

import json

import pytest
import torch
from cli_cases import run

from cardiovae.cli.exits import ExitCode
from cardiovae.prior.cohort import load_cohort
from cardiovae.prior.models import build_model
from cardiovae.prior.plan import plan_training
from cardiovae.prior.run import CHECKPOINT, read_recipe
from cardiovae.prior.state import save_checkpoint, start

SETTINGS = ("data.spacing_mm=[2.0, 2.0]", "data.n_phantoms=10", "train.n_steps=100")
WORDS = [word for setting in SETTINGS for word in ("--set", setting)]


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plan") / "none"
    found = plan_training("tiny", None, folder, overrides=SETTINGS, device="cpu")
    assert not folder.exists()
    return found


def test_the_counts_are_those_of_the_data(plan):
    # Two views of each drawn patient, two frames of each view; 100 steps of 8 hearts.
    assert sum(plan.patients.values()) == 10
    assert plan.frames["train"] == 4 * plan.patients["train"]
    assert plan.steps == {"shapes": 100, "errors": 0}
    assert plan.epochs == pytest.approx(800 / plan.frames["train"])


def test_the_sizes_are_those_of_the_network(plan):
    network = build_model("ar-vae", 12, 8)
    total = sum(p.numel() for p in network.parameters())
    assert sum(plan.parameters.values()) == total
    assert plan.parameters["from_code"] == sum(p.numel() for p in network.from_code.parameters())
    memory = plan.cost.memory_bytes
    assert memory["gradients"] == 4 * total
    # Adam keeps two moments per parameter, and the number of steps per tensor.
    n_tensors = len(list(network.parameters()))
    assert memory["optimizer"] == 2 * 4 * total + 4 * n_tensors
    # Weights and their average, and two moments: no checkpoint can be smaller.
    assert plan.cost.checkpoint_bytes > 4 * 4 * total
    # The encoder's input alone, 8 hearts of 7 maps, is kept for the backward pass.
    assert memory["activations"] > 4 * 8 * 7 * 128 * 96
    assert plan.cost.seconds >= 100 * plan.cost.seconds_per_step


def test_a_model_that_takes_no_steps_costs_none(tmp_path):
    words = (*SETTINGS, "train.model=pca")
    found = plan_training("tiny", None, tmp_path / "p", overrides=words, device="cpu")
    assert found.cost is None
    assert found.steps == {"shapes": 0, "errors": 0}


def test_the_step_of_a_checkpoint_is_told(tmp_path, capsys):
    recipe = read_recipe("tiny", overrides=SETTINGS)
    code = run(capsys, "train", "--config", "tiny", *WORDS, "-o", tmp_path, "--dry-run", "--json")
    before = json.loads(code.out)
    assert (code.code, before["resumes_at"], before["dry_run"]) == (ExitCode.OK, 0, True)
    assert "time         about" in code.err
    state = start(recipe.train)
    state.step = 60
    made_from = load_cohort(recipe.data).training.fingerprint()
    save_checkpoint(state, tmp_path / CHECKPOINT, recipe.train, made_from)
    found = plan_training("tiny", None, tmp_path, overrides=SETTINGS, device="cpu")
    assert found.resumes_at == 60
    assert [path.name for path in tmp_path.iterdir()] == [CHECKPOINT]
    assert torch.load(tmp_path / CHECKPOINT, weights_only=True)["step"] == 60
