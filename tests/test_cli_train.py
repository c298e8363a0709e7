"""`cardiovae train` and `cardiovae bank`, on a prior that is of no use but trained in seconds."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stderr, redirect_stdout

import numpy as np
import pytest
from cli_cases import Run, run

import cardiovae.bank
from cardiovae.cli import main
from cardiovae.cli.exits import ExitCode

FILES = {
    "MODEL_CARD.md",
    "config.yaml",
    "latent.npz",
    "provenance.json",
    "weights.safetensors",
}
TINY = ("--config", "tiny", "--set", "train.n_steps=3", "--set", "data.n_phantoms=10")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Folder of a trained prior, and what was said while it was trained."""
    folder = tmp_path_factory.mktemp("prior") / "tiny"
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main(["train", *TINY, "-o", str(folder), "--seed", "5"])
    return folder, Run(code, out.getvalue(), err.getvalue())


@pytest.fixture
def tiny(trained):
    return trained[0]


@pytest.fixture
def everything_is_valid(monkeypatch):
    monkeypatch.setattr(
        cardiovae.bank,
        "judged",
        lambda prior, codes, sets: np.ones((len(codes), len(sets), 2), bool),
    )


def test_training_leaves_a_folder_that_explains_itself(tiny):
    assert {path.name for path in tiny.iterdir()} == FILES
    provenance = json.loads((tiny / "provenance.json").read_text(encoding="utf-8"))
    assert (provenance["training"]["n_steps"], provenance["training"]["seed"]) == (3, 5)


def test_a_finished_prior_is_not_replaced_unless_allowed(capsys, tiny):
    before = (tiny / "weights.safetensors").read_bytes()
    done = run(capsys, "train", *TINY, "-o", tiny)
    assert (done.code, done.out) == (ExitCode.USAGE, "")
    assert "--overwrite" in done.err
    assert (tiny / "weights.safetensors").read_bytes() == before


def test_progress_in_a_log_is_a_line_per_tenth_and_the_next_step_is_told(trained):
    folder, done = trained
    assert done.code == ExitCode.OK
    steps = [line.partition(" (")[0] for line in done.err.splitlines()]
    assert steps == ["training: 1 of 3", "training: 2 of 3", "training: 3 of 3"]
    assert f"next: cardiovae bank {folder}\n" in done.out


def test_training_data_that_are_not_there_are_a_usage_error(capsys, tmp_path):
    done = run(capsys, "train", *TINY, "-o", tmp_path / "p", "--data", tmp_path / "absent")
    assert done.code == ExitCode.USAGE
    assert "absent" in done.err
    assert not (tmp_path / "p").exists()


def test_a_bank_has_as_many_codes_as_asked_for(capsys, tiny, everything_is_valid):
    words = ("bank", tiny, "-n", 40, "--criteria", "camus-public", "--seed", 3)
    done = run(capsys, *words)
    assert done.code == ExitCode.OK
    assert f"40 valid codes (camus-public) written to {tiny / 'bank.npz'}" in done.out
    with np.load(tiny / "bank.npz") as content:
        assert (content["codes"].shape[0], content["codes"].dtype) == (40, np.float16)
        facts = json.loads(str(content["facts"]))
    assert (facts["seed"], facts["criteria"]) == (3, ["camus-public"])
    assert run(capsys, *words).code == ExitCode.USAGE
    assert run(capsys, *words, "--overwrite").code == ExitCode.OK


def test_a_prior_that_draws_no_heart_gets_no_bank(capsys, tiny, monkeypatch):
    (tiny / "bank.npz").unlink(missing_ok=True)
    monkeypatch.setattr(cardiovae.bank, "BATCH", 20)
    monkeypatch.setattr(cardiovae.bank, "ENOUGH_DRAWS", 20)
    done = run(capsys, "bank", tiny, "-n", 1000)
    assert done.code == ExitCode.USAGE
    assert "too few for a bank" in done.err
    assert not (tiny / "bank.npz").exists()


def test_criteria_of_the_motion_make_no_bank(capsys, tiny):
    done = run(capsys, "bank", tiny, "--criteria", "tmi2022")
    assert done.code == ExitCode.USAGE
    assert "--temporal" in done.err
