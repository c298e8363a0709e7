"""What the prior does not know is said, and is not held against what it knows."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from cli_cases import run, write
from correct_cases import cine, config, correct, only

from cardiovae.cli.exits import ExitCode
from cardiovae.correction.config import FitConfig
from cardiovae.correction.scene import see
from cardiovae.correction.usual import usual
from cardiovae.labels import STRUCTURES


def unknown(sequence, prior, bank, broken=False):
    scene = see(sequence, np.full(sequence.n_frames, broken), prior, FitConfig())
    return usual(scene, bank).unknown


def altered(sequence, change, factor=1.0):
    labels = np.stack([change(sequence.frame(t)) for t in range(sequence.n_frames)], axis=2)
    spacing = tuple(factor * s for s in sequence.spacing_mm)
    return dataclasses.replace(sequence, labels=np.ascontiguousarray(labels), spacing_mm=spacing)


@pytest.mark.parametrize("structures", [STRUCTURES[:n] for n in (1, 2, 3)])
@pytest.mark.parametrize("view", ["A2C", "A4C"])
def test_drawn_hearts_are_known_whichever_structures_are_annotated(
    phantom_prior, phantom_bank, view, structures
):
    for seed in (17, 18, 19):
        drawn = only(cine(seed, view), structures)
        assert not unknown(drawn, phantom_prior, phantom_bank).any()


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_turned_picture_is_unknown(phantom_prior, phantom_bank, turns):
    turned = altered(cine(), lambda frame: np.rot90(frame, turns))
    assert unknown(turned, phantom_prior, phantom_bank).all()
    assert unknown(turned, phantom_prior, phantom_bank, broken=True).all()


@pytest.mark.parametrize("factor", [0.3, 3.0])
def test_a_heart_of_impossible_size_is_unknown(phantom_prior, phantom_bank, factor):
    scaled = altered(cine(), lambda frame: frame, factor)
    assert unknown(scaled, phantom_prior, phantom_bank).all()


def test_structures_that_are_missing_without_notice_are_unknown(phantom_prior, phantom_bank):
    drawn = cine()
    bare = drawn.with_labels(np.where(drawn.labels == 1, 1, 0).astype(np.uint8))
    assert unknown(bare, phantom_prior, phantom_bank, broken=True).all()


def test_the_record_says_which_frames_are_unknown(phantom_prior, phantom_bank):
    drawn = cine(n_frames=6)
    labels = drawn.labels.copy()
    labels[:, :, 2] = labels[::-1, ::-1, 2]
    settings = config(temporal=None, also_temporal=None)
    done = correct(drawn.with_labels(labels), phantom_prior, phantom_bank, settings)
    flags = [frame["out_of_distribution"] for frame in done.to_json()["frames"]]
    assert flags == [t == 2 for t in range(6)]
    assert done.frames[2].typicality < 0.5
    assert all(f.typicality >= 0.5 for f in done.frames if f.frame != 2)


def test_what_little_is_left_of_is_never_replaced_without_a_word(phantom_prior, phantom_bank):
    drawn = cine(n_frames=8)
    labels = drawn.labels.copy()
    labels[:, :, 4] = 0
    labels[100:104, 100:104, 4] = 1  # a speck where there was a heart
    done = correct(drawn.with_labels(labels), phantom_prior, phantom_bank, config())
    changed = np.count_nonzero(done.sequence.labels != labels, axis=(0, 1))
    new = changed > 0.5 * np.count_nonzero(labels, axis=(0, 1))
    assert new[4]
    assert all(f.out_of_distribution for f in done.frames if new[f.frame])


def test_the_command_warns_and_the_report_too(capsys, tmp_path):
    turned = altered(cine(n_frames=3), lambda frame: frame[::-1, ::-1])
    source = write(tmp_path / "turned.nii.gz", turned.labels, turned.spacing_mm)
    done = run(capsys, "correct", source, "-o", tmp_path / "out", "--temporal", "none")
    assert done.code in (ExitCode.OK, ExitCode.GATE)
    assert "unlike the shapes that prior 'camus' was trained on" in done.out
    page = (tmp_path / "out" / "turned" / "report.html").read_text(encoding="utf-8")
    assert "The prior does not know such shapes." in page
