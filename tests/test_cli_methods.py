"""`cardiovae correct --method`: what is written, said and refused."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from audit_cases import heart
from cli_cases import broken, run, sound, write
from prior_cases import linear_prior

import cardiovae.cli.correct
import cardiovae.cli.correcting
from cardiovae.baselines.methods import METHODS
from cardiovae.cli.exits import ExitCode
from cardiovae.io import load_sequence


@pytest.fixture
def no_prior(monkeypatch):
    """Any attempt to look for a prior fails."""

    def refuse(*_):
        raise AssertionError("a prior was asked for")

    monkeypatch.setattr(cardiovae.cli.correct, "prior_folder", refuse)
    monkeypatch.setattr(cardiovae.cli.correcting, "load", refuse)
    cardiovae.cli.correcting.models.cache_clear()


def read(folder):
    return json.loads((folder / "audit.json").read_text(encoding="utf-8"))


def test_a_baseline_writes_everything_but_an_uncertainty_and_names_itself(
    capsys, tmp_path, no_prior
):
    out = tmp_path / "out"
    words = ("correct", broken(tmp_path / "a.nii.gz"), "-o", out)
    done = run(capsys, *words, "--method", "largest-component")
    assert done.code == ExitCode.OK
    assert "  method   largest-component\n" in done.out
    assert "Baseline 'largest-component': 1 of 5 frames was impossible; all 5 now" in done.out
    assert sorted(path.name for path in (out / "a").iterdir()) == [
        "audit.json",
        "labels.nii.gz",
        "report.html",
    ]
    assert (load_sequence(out / "a" / "labels.nii.gz").labels == heart()[:, :, None]).all()
    record = read(out / "a")
    assert (record["method"], record["status"]) == ("largest-component", "corrected")
    assert [frame["action"] for frame in record["frames"]] == [
        "kept",
        "kept",
        "repaired",
        "kept",
        "kept",
    ]
    page = (out / "a" / "report.html").read_text(encoding="utf-8")
    assert "--method largest-component --criteria" in page
    assert "--prior" not in page


def test_a_result_that_does_not_pass_is_written_with_its_reason_and_exit_code_3(
    capsys, tmp_path, no_prior
):
    source, out = tmp_path / "a.nii.gz", tmp_path / "out"
    labels = np.repeat(heart()[:, :, None], 5, axis=2)
    labels[2:5, 2:5, 2] = 1
    labels[30:50, 40:44, 2] = 0  # a slit that no filling mends: it opens to the outside
    labels[:, 43, 2] = 0
    write(source, labels, (0.5, 0.5))
    done = run(capsys, "correct", source, "-o", out, "--method", "largest-component")
    assert done.code == ExitCode.GATE
    record = read(out / "a")
    assert record["status"] == "not_passed"
    assert record["reason"] == "the result of method 'largest-component' does not pass the audit"
    assert f"  reason   {record['reason']}\n" in done.out
    found = load_sequence(out / "a" / "labels.nii.gz").labels
    assert not np.array_equal(found, labels)
    assert (found[2:5, 2:5] == 0).all()
    page = (out / "a" / "report.html").read_text(encoding="utf-8")
    assert "This result does not pass." in page


def test_identity_gives_the_input_back(capsys, tmp_path, no_prior):
    source, out = broken(tmp_path / "a.nii"), tmp_path / "out"
    done = run(capsys, "correct", source, "-o", out, "--method", "identity")
    assert done.code == ExitCode.GATE
    assert (out / "a" / "labels.nii").read_bytes() == source.read_bytes()
    assert read(out / "a")["status"] == "not_corrected"
    whole = run(capsys, "correct", sound(tmp_path / "b.nii"), "-o", out, "--method", "identity")
    assert whole.code == ExitCode.OK


def test_an_unknown_method_is_refused_before_anything_is_read(capsys, tmp_path, no_prior):
    out = tmp_path / "out"
    done = run(capsys, "correct", tmp_path / "absent.nii", "-o", out, "--method", "smoth")
    assert done.code == ExitCode.USAGE
    assert "'smoth': unknown; did you mean 'smooth'?" in done.err
    assert not out.exists()


def test_a_method_without_its_model_is_refused_before_anything_is_written(
    capsys, tmp_path, monkeypatch
):
    prior = linear_prior(tmp_path / "prior")
    monkeypatch.setattr(cardiovae.cli.correct, "prior_folder", lambda name: None)
    monkeypatch.setattr(cardiovae.cli.correcting, "load", lambda name, device: (prior, None))
    cardiovae.cli.correcting.models.cache_clear()
    source, out = broken(tmp_path / "a.nii"), tmp_path / "out"
    done = run(capsys, "correct", source, "-o", out, "--method", "robust-pca")
    assert done.code == ExitCode.USAGE
    assert "train_baselines.py" in done.err
    assert not out.exists()


def test_a_method_of_the_prior_runs_end_to_end(capsys, tmp_path):
    source, out = broken(tmp_path / "a.nii"), tmp_path / "out"
    words = ("correct", source, "-o", out, "--temporal", "none", "--json")
    done = run(capsys, *words, "--method", "robust-pca")
    assert done.code == ExitCode.OK
    (record,) = done.records
    assert (record["method"], record["prior"]["name"]) == ("robust-pca", "camus")
    assert [f["frame"] for f in record["frames"] if f["changed_px"]] == [2]


def test_the_help_lists_every_method(capsys):
    done = run(capsys, "correct", "--help")
    text = " ".join(done.out.replace("│", " ").split())
    for name in METHODS:
        assert name in text.replace("- ", "-")


def test_a_method_without_a_prior_loads_no_torch(tmp_path):
    source, out = sound(tmp_path / "a.nii"), tmp_path / "out"
    code = (
        "import sys\nfrom cardiovae.cli import main\n"
        "main(sys.argv[1:])\n"
        "print(sorted({'torch', 'monai', 'matplotlib'} & set(sys.modules)))"
    )
    words = ["correct", str(source), "-o", str(out), "--method", "morphological"]
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"
