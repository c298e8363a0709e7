"""Stacks of short-axis slices corrected: valid, the same however stored, changed least."""

from __future__ import annotations

import dataclasses
import json
from functools import cache

import nibabel as nib
import numpy as np
import pytest
from cli_cases import run

from cardiovae.audit.audit import audit_sequence
from cardiovae.bank import load_bank
from cardiovae.baselines.methods import ALONG_TIME, correct_by
from cardiovae.cli.exits import ExitCode
from cardiovae.correction.config import CorrectConfig
from cardiovae.correction.correct import correct_sequence
from cardiovae.correction.record import CORRECTED, UNCHANGED
from cardiovae.errors import ConfigError
from cardiovae.explore.axes import instant_neuron
from cardiovae.labels import ACDC, SHORT_AXIS, Label
from cardiovae.phantom.heart import draw_heart, draw_parameters
from cardiovae.phantom.short_axis import draw_stack, draw_stack_parameters
from cardiovae.phantom.slice_defects import corrupt_stack
from cardiovae.prior.evaluate import evaluate_fidelity
from cardiovae.prior.folder import load_prior
from cardiovae.prior.shapes import slice_positions
from cardiovae.sequence import EchoSequence

SPACING = (1.5, 1.5)
SEVERITIES = (0.3, 0.6, 0.95)


@pytest.fixture(scope="module")
def prior():
    return load_prior("short-axis")


@pytest.fixture(scope="module")
def bank(prior):
    return load_bank(prior)


@cache
def stack(seed: int, phase: str = "ED") -> EchoSequence:
    """A drawn stack; seeds of tests are none of the prior's."""
    parameters = draw_stack_parameters(np.random.default_rng([77, seed]), phase=phase)
    return draw_stack(parameters, spacing_mm=SPACING, shape=(150, 150)).sequence


@cache
def damaged(seed: int, severity: float = 0.6) -> EchoSequence:
    rng = np.random.default_rng([78, seed])
    return corrupt_stack(stack(seed), severity=severity, rng=rng)[0]


def only(sequence: EchoSequence, structures: tuple[Label, ...]) -> EchoSequence:
    labels = np.where(np.isin(sequence.labels, structures), sequence.labels, 0).astype(np.uint8)
    return dataclasses.replace(sequence, labels=labels, structures=structures)


def valid(sequence: EchoSequence) -> bool:
    return audit_sequence(sequence, anatomy="acdc", temporal=None).passed


@pytest.mark.parametrize("severity", SEVERITIES)
@pytest.mark.parametrize("seed", range(4))
def test_damaged_stacks_come_back_valid_and_sound_slices_bit_for_bit(prior, bank, seed, severity):
    broken = damaged(seed, severity)
    sound = [frame.passed for frame in audit_sequence(broken, anatomy="acdc").frames]
    assert not all(sound)
    found = correct_sequence(broken, prior, bank, CorrectConfig())
    assert found.status == CORRECTED
    assert valid(found.sequence)
    np.testing.assert_array_equal(found.sequence.labels[:, :, sound], broken.labels[:, :, sound])


@pytest.mark.parametrize("n", [1, 2])
def test_stacks_without_some_structures_come_back_valid(prior, bank, n):
    broken = only(damaged(1, 0.9), SHORT_AXIS[:n])
    assert not valid(broken)
    found = correct_sequence(broken, prior, bank, CorrectConfig())
    assert valid(found.sequence)
    assert found.sequence.structures == SHORT_AXIS[:n]


def test_a_sound_stack_is_left_alone(prior, bank):
    found = correct_sequence(stack(5, "ES"), prior, bank, CorrectConfig())
    assert found.status == UNCHANGED
    assert found.config.criteria == "acdc"
    assert found.config.temporal is None


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_stack_stored_otherwise_gets_the_same_heart(prior, bank, quarters):
    broken = damaged(2)
    turned = dataclasses.replace(broken, labels=np.rot90(broken.labels, quarters, axes=(0, 1)))
    one, other = (
        correct_sequence(each, prior, bank, CorrectConfig()).sequence.labels
        for each in (broken, turned)
    )
    back = np.rot90(other, -quarters, axes=(0, 1))
    # The same numbers in another order of adding: a pixel on a contour may fall either way.
    assert np.count_nonzero(one != back) <= 0.002 * np.count_nonzero(one)


def test_a_ventricle_deleted_from_a_slice_is_drawn_again(prior, bank):
    truth = stack(3)
    labels = truth.labels.copy()
    middle = truth.n_frames // 3
    labels[:, :, middle][labels[:, :, middle] == Label.RV] = 0
    found = correct_sequence(truth.with_labels(labels), prior, bank, CorrectConfig())
    assert valid(found.sequence)
    one, other = found.sequence.frame(middle) == Label.RV, truth.frame(middle) == Label.RV
    assert 2 * (one & other).sum() / (one.sum() + other.sum()) > 0.85
    assert "acdc.rv_missing" in found.frames[middle].why


def test_empty_slices_beyond_the_heart_are_nothing_unusual(prior, bank):
    truth = stack(3)
    empty = np.zeros((*truth.shape, 1), np.uint8)
    longer = dataclasses.replace(
        truth, labels=np.concatenate([empty, truth.labels, empty, empty], axis=2)
    )
    found = correct_sequence(longer, prior, bank, CorrectConfig())
    assert found.status == UNCHANGED
    assert not any(found.frames[t].out_of_distribution for t in (0, -1, -2))


def test_priors_do_not_judge_hearts_of_the_other_anatomy(prior, bank):
    cine = draw_heart(draw_parameters(np.random.default_rng(0), "A4C"), n_frames=3).sequence
    with pytest.raises(ConfigError, match="knows hearts of LV-MYO-RV, this is one of LV-MYO-LA"):
        correct_sequence(cine, prior, bank, CorrectConfig())
    phantom = load_prior("phantom")
    with pytest.raises(ConfigError, match="take the prior short-axis"):
        correct_sequence(stack(0), phantom, load_bank(phantom), CorrectConfig())


def test_the_neuron_tells_where_a_slice_lies(prior):
    """Of hearts that it was not trained on: rank correlation and mean error of the position."""
    neuron = instant_neuron(prior.network)
    assert neuron is not None
    told, true = [], []
    for seed in range(6):
        sequence = stack(10 + seed)
        area = (sequence.labels == Label.LV).sum((0, 1)).astype(float)
        shown = np.flatnonzero(area)
        part = dataclasses.replace(sequence, labels=sequence.labels[:, :, shown])
        codes = evaluate_fidelity(prior.network, [("heart", part)]).codes
        told += list(codes @ neuron[0] + neuron[1])
        true += list(slice_positions(area[shown]))
    assert np.corrcoef(told, true)[0, 1] > 0.9
    assert np.abs(np.array(told) - true).mean() < 0.12


def write(path, sequence: EchoSequence) -> None:
    """A stack as ACDC stores it: (X, Y, Z), RV 1, MYO 2, LV 3, on an oblique plane."""
    row, col = sequence.spacing_mm
    affine = np.array([[0, -row, 0, 9], [-col, 0, 0, 3], [0, 0, 8.0, -40], [0, 0, 0, 1.0]])
    values = np.swapaxes(ACDC.to_values(sequence.labels), 0, 1)
    image = nib.Nifti1Image(values, affine)
    image.header.set_xyzt_units("mm", "sec")
    nib.save(image, path)


def test_the_command_line_corrects_a_stack_and_keeps_its_header(capsys, tmp_path):
    path, out = tmp_path / "patient001_frame01_gt.nii.gz", tmp_path / "out"
    write(path, damaged(1))
    done = run(capsys, "correct", path, "--labels", "acdc", "-o", out)
    assert done.code == 0, done.err
    folder = out / "patient001_frame01_gt"
    before, after = nib.load(path), nib.load(folder / "labels.nii.gz")
    np.testing.assert_array_equal(after.affine, before.affine)
    assert after.header.get_zooms() == before.header.get_zooms()
    assert after.get_data_dtype() == before.get_data_dtype()
    assert after.header.get_xyzt_units() == before.header.get_xyzt_units()
    labels = ACDC.to_labels(np.swapaxes(np.asarray(after.dataobj), 0, 1))
    assert valid(EchoSequence(np.ascontiguousarray(labels), SPACING, SHORT_AXIS))
    record = json.loads((folder / "audit.json").read_text())
    assert record["view"] == "SAX"
    assert record["prior"]["name"] == "short-axis"
    assert set(record["attributes"]["after"]) == {
        "lv_area", "myo_area", "rv_area", "epi_center_x", "epi_center_y",
    }  # fmt: skip
    page = (folder / "report.html").read_text()
    assert "left atrium" not in page.lower()


def test_a_stack_of_the_cavity_alone_is_named_by_its_view(capsys, tmp_path):
    path, out = tmp_path / "lv.nii.gz", tmp_path / "fixed.nii.gz"
    sequence = only(damaged(1), SHORT_AXIS[:1])
    row, col = SPACING
    nib.save(nib.Nifti1Image(np.swapaxes(sequence.labels, 0, 1), np.diag([col, row, 8, 1])), path)
    done = run(capsys, "correct", path, "--labels", "lv", "--view", "sax", "-o", out)
    assert done.code == 0, done.err
    labels = np.swapaxes(np.asarray(nib.load(out).dataobj), 0, 1).astype(np.uint8)
    assert valid(EchoSequence(np.ascontiguousarray(labels), SPACING, SHORT_AXIS[:1], view="SAX"))


def test_the_wrong_prior_ends_with_the_way_out(capsys, tmp_path):
    path = tmp_path / "stack.nii.gz"
    write(path, damaged(1))
    words = ["correct", path, "--labels", "acdc", "--prior", "phantom", "-o", tmp_path / "out"]
    done = run(capsys, *words)
    assert done.code == ExitCode.SOME_FAILED
    assert "take the prior short-axis" in done.err


def test_the_demo_draws_a_stack(capsys, tmp_path):
    done = run(capsys, "demo", "--anatomy", "short-axis", "-o", tmp_path / "d")
    assert done.code == 0, done.err
    assert "slices, as a network might segment it" in done.out
    assert "--labels acdc" in done.out


def test_pipelines_of_monai_and_nnunet_correct_stacks_alike(prior, bank):
    from monai.data.meta_tensor import MetaTensor

    from cardiovae.monai import AnatomicalPlausibilityMetric, CorrectSegmentation
    from cardiovae.nnunet import correct_segmentation

    broken = damaged(1)
    expected = correct_sequence(broken, prior, bank, CorrectConfig()).sequence
    values = ACDC.to_values(broken.labels)
    affine = np.diag([SPACING[1], SPACING[0], 8.0, 1.0])
    image = MetaTensor(np.swapaxes(values, 0, 1)[None].copy(), affine=affine)
    found = CorrectSegmentation(labels="acdc")(image)
    np.testing.assert_array_equal(
        np.swapaxes(np.asarray(found[0]), 0, 1), ACDC.to_values(expected.labels)
    )
    judge = AnatomicalPlausibilityMetric("acdc", labels="acdc")
    judge([found])
    assert float(judge.aggregate()) == 1.0

    slices = np.moveaxis(values, 2, 0)
    hooked = correct_segmentation(slices, labels="acdc", spacing_mm=SPACING)
    np.testing.assert_array_equal(np.moveaxis(hooked, 0, 2), ACDC.to_values(expected.labels))


@pytest.mark.parametrize(
    "method",
    ["identity", "largest-component", "morphological", "reconstruct", "nearest", "dichotomic"],
)
def test_baselines_are_judged_as_slices_too(prior, bank, method):
    found = correct_by(method, damaged(1), prior, bank, CorrectConfig())
    assert found.before[0].anatomy == "acdc"
    assert found.after[0].temporal_set is None
    assert (found.sequence.labels == Label.RV).any()


@pytest.mark.parametrize("method", ALONG_TIME)
def test_filters_along_time_refuse_slices(prior, bank, method):
    with pytest.raises(ConfigError, match="no frames of a motion"):
        correct_by(method, damaged(1), prior, bank, CorrectConfig())


def test_a_cohort_of_apical_views_refuses_stacks(capsys, tmp_path):
    path = tmp_path / "stack.nii.gz"
    write(path, stack(0))
    done = run(capsys, "population", path, "--labels", "acdc", "-o", tmp_path / "out")
    assert done.code != 0
    assert "a cohort is described over apical views" in done.err


def test_a_slice_beyond_the_cavity_is_given_none(prior, bank):
    """Near the apex a slice is wall alone; mending it is no reason to open it."""
    truth = stack(1, "ES")
    alone = [
        t
        for t in range(truth.n_frames)
        if (truth.frame(t) == Label.MYO).any() and not (truth.frame(t) == Label.LV).any()
    ]
    assert alone
    labels = truth.labels.copy()
    for t in alone:
        rows, cols = np.nonzero(truth.frame(t) == Label.MYO)
        labels[rows.min() : rows.max() + 1, int(cols.mean()), t] = 0  # cut in two
    broken = truth.with_labels(labels)
    assert not valid(broken)
    found = correct_sequence(broken, prior, bank, CorrectConfig())
    assert valid(found.sequence)
    for t in alone:
        assert not (found.sequence.frame(t) == Label.LV).any()
        assert (found.sequence.frame(t) == Label.MYO).any()
