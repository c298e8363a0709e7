"""The whole path with the shipped prior, as a person takes it first."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from cli_cases import Run, run

import cardiovae
import cardiovae.cli.demo
from cardiovae.cli.exits import ExitCode
from cardiovae.prior.shipped import DEFAULT_PRIOR, file_hashes, shipped_priors

FRAMES = 24
"""Fewer would save time, but in a whole cycle of fewer frames even the truth moves faster than the
temporal limits allow, and the demo then says so instead of flattening the beat."""


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr("cardiovae.cli.demo.N_FRAMES", FRAMES)


def test_the_demo_ends_with_a_plausible_sequence_and_says_where_its_report_is(
    capsys, tmp_path, short
):
    out = tmp_path / "demo"
    done = run(capsys, "demo", "-o", out)
    assert done.code == ExitCode.OK, done.err
    damaged, corrected = out / "damaged.nii.gz", out / "damaged" / "labels.nii.gz"
    report = re.search(r"^Report: (.*)$", done.out, re.MULTILINE)
    assert report is not None
    assert report.group(1) == str(out / "damaged" / "report.html")
    assert (out / "damaged" / "report.html").stat().st_size > 0
    assert json.loads((out / "damaged" / "audit.json").read_text(encoding="utf-8"))["after"][
        "passed"
    ]
    _same_story(done, out)
    assert run(capsys, "audit", damaged).code == ExitCode.GATE
    assert run(capsys, "audit", corrected).code == ExitCode.OK
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    again = run(capsys, "demo", "-o", out)
    assert again.code == ExitCode.USAGE
    assert {path: path.read_bytes() for path in before} == before


def _same_story(done: Run, out) -> None:
    """What is said about the truth is what the files say."""
    truth, damaged, corrected = (
        cardiovae.load_sequence(out / name).labels
        for name in ("truth.nii.gz", "damaged.nii.gz", "damaged/labels.nii.gz")
    )
    assert truth.shape[2] == FRAMES
    for structure in (cardiovae.Label.LV, cardiovae.Label.MYO, cardiovae.Label.LA):
        told = [f"{_dice(labels, truth, structure):.3f}" for labels in (damaged, corrected)]
        assert f"{structure.name} {told[0]} -> {told[1]}" in done.out


def _dice(labels, truth, structure) -> float:
    a, b = labels == structure, truth == structure
    per_frame = 2 * (a & b).sum((0, 1)) / (a.sum((0, 1)) + b.sum((0, 1)))
    return float(np.mean(per_frame))


def test_the_same_seed_gives_the_same_bytes(capsys, tmp_path, short):
    for name in ("a", "b"):
        assert run(capsys, "demo", "-o", tmp_path / name, "--seed", 4).code == ExitCode.OK
    for name in ("damaged.nii.gz", "damaged/labels.nii.gz", "damaged/uncertainty.nii.gz"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_info_names_every_prior_with_license_and_hashes(capsys):
    done = run(capsys, "info", "--json")
    assert done.code == ExitCode.OK
    (facts,) = done.records
    assert facts["cardiovae"] == cardiovae.__version__
    assert facts["default_prior"] == DEFAULT_PRIOR
    assert set(facts["priors"]) == set(shipped_priors())
    for name, folder in shipped_priors().items():
        assert facts["priors"][name]["sha256"] == file_hashes(folder)
    assert facts["priors"]["camus"]["license"] == "CC BY-NC-SA 4.0"
    assert facts["packages"]["numpy"] == np.__version__
    assert set(facts["exit_codes"]) == {str(code.value) for code in ExitCode}


def test_info_for_people_marks_the_default_prior_and_cites(capsys):
    text = run(capsys, "info").out
    assert f"{DEFAULT_PRIOR} (CC BY-NC-SA 4.0, default)" in text
    assert "cite: " in text
    for names in ("camus-public", "rl4seg3d, tmi2022", "lv-myo", ".mha"):
        assert names in text
