"""The command line on stacks of short-axis slices: audit, manifest, evaluate; files and back."""

import csv
import json
from xml.etree import ElementTree

import nibabel as nib
import numpy as np
import pytest
from audit_cases import heart
from cli_cases import run, sound
from short_axis_cases import SPACING, stack, write_stack

from cardiovae.audit.record import audit_of
from cardiovae.cli.exits import ExitCode
from cardiovae.io import open_sequence, save_labels
from cardiovae.labels import Label


def broken():
    """Labels of a stack whose slice 2 lacks the RV, and whose slice 1 has an island of it."""
    labels = stack().labels.copy()
    labels[:, :, 2][labels[:, :, 2] == Label.RV] = 0
    labels[2:4, 2:4, 1] = Label.RV
    return labels


@pytest.fixture
def folder(tmp_path):
    """Two stacks, one broken."""
    write_stack(tmp_path / "data" / "patient001_frame01.nii.gz", stack().labels)
    write_stack(tmp_path / "data" / "patient002_frame01.nii.gz", broken())
    return tmp_path / "data"


def failures(record):
    return {(f.frame, f.criterion) for frame in audit_of(record).frames for f in frame.failures}


EXPECTED = {(1, "disconnectivity_in_rv"), (2, "rv_missing")}


def test_a_stack_is_judged_by_the_criteria_for_slices_without_being_told(capsys, folder):
    done = run(capsys, "audit", folder, "--labels", "acdc")
    assert done.code == 0, done.err
    assert "patient001_frame01.nii.gz: all 6 frames valid (acdc)" in done.out
    assert "patient002_frame01.nii.gz: 2 of 6 frames invalid (acdc)" in done.out
    assert "rv_missing" in done.out
    assert "motion" not in done.out
    single = run(capsys, "audit", folder / "patient002_frame01.nii.gz", "--labels", "acdc")
    assert single.code == 3


def test_a_folder_of_results_holds_what_was_found_of_stacks(capsys, folder, tmp_path):
    out, xml = tmp_path / "out", tmp_path / "junit.xml"
    done = run(capsys, "audit", folder, "--labels", "acdc", "-o", out, "--junit", xml)
    assert done.code == 0, done.err
    records = [json.loads(line) for line in (out / "records.jsonl").read_text().splitlines()]
    assert [r["passed"] for r in records] == [True, False]
    assert [r["view"] for r in records] == ["SAX", "SAX"]
    assert failures(records[1]) == EXPECTED
    facts = json.loads((out / "run.json").read_text())
    assert (facts["anatomy"], facts["temporal"]) == ("acdc", None)
    assert {c["set"] for c in facts["criteria"]} == {"acdc"}
    with (out / "findings.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert {(int(r["frame"]), r["criterion"]) for r in rows} == EXPECTED
    with (out / "frames.csv").open(newline="") as stream:
        frames = list(csv.DictReader(stream))
    assert frames[8]["acdc:holes_in_rv"] == frames[8]["rv_area"] == ""
    assert float(frames[0]["rv_area"]) > 0
    cases = ElementTree.parse(xml).getroot().findall(".//testcase")
    assert [len(case.findall("failure")) for case in cases] == [0, 1]
    assert "no RV pixel, but slices on both sides" in (cases[1].find("failure").text or "")
    assert (out / "index.html").is_file()
    page = next((out / "pages").glob("*.html")).read_text()
    assert "RV" in page
    assert "LV length" not in page


def test_stacks_and_apical_loops_of_one_run_are_judged_each_by_its_own(capsys, tmp_path):
    schemes = {"sax": {"RV": 1, "MYO": 2, "LV": 3}, "echo": {"LV": 1, "MYO": 2, "LA": 3}}
    for name, values in schemes.items():
        place = tmp_path / name
        place.mkdir()
        (place / "dataset.json").write_text(json.dumps({"labels": {"background": 0, **values}}))
    write_stack(tmp_path / "sax" / "one.nii.gz", stack().labels)
    sound(tmp_path / "echo" / "two.nii.gz")
    done = run(capsys, "audit", tmp_path / "sax", tmp_path / "echo", "-o", tmp_path / "out")
    assert done.code == 0, done.err
    facts = json.loads((tmp_path / "out" / "run.json").read_text())
    assert facts["anatomy"] == "camus, acdc"
    lines = (tmp_path / "out" / "records.jsonl").read_text().splitlines()
    assert {r["anatomy"]: r["temporal"] for r in map(json.loads, lines)} == {
        "camus": "tmi2022",
        "acdc": None,
    }


def test_a_stack_without_rv_needs_its_view(capsys, tmp_path):
    labels = stack().labels.copy()
    labels[labels == Label.RV] = 0
    path = write_stack(tmp_path / "x.nii.gz", labels)
    words = ("audit", path, "--labels", "lv=3,myo=2")
    assert "(camus)" in run(capsys, *words).out
    done = run(capsys, *words, "--view", "sax")
    assert done.code == 0, done.err
    assert "all 6 frames valid (acdc)" in done.out


def test_values_that_could_be_either_ventricle_are_not_guessed(capsys, folder):
    done = run(capsys, "audit", folder / "patient001_frame01.nii.gz", "--view", "sax")
    assert done.code == ExitCode.SOME_FAILED
    assert "--labels acdc" in done.err
    assert "mnms" in done.err


def test_criteria_for_the_other_view_are_refused_by_file(capsys, folder, tmp_path):
    done = run(capsys, "audit", folder, "--labels", "acdc", "--criteria", "camus")
    assert done.code == ExitCode.SOME_FAILED
    assert "take a set such as acdc" in done.err
    echo = sound(tmp_path / "echo.nii.gz")
    done = run(capsys, "audit", echo, "--criteria", "acdc")
    assert done.code == ExitCode.SOME_FAILED
    assert "view SAX" in done.err


def test_a_cine_of_slices_is_refused_with_the_way_out(capsys, tmp_path):
    values = np.stack([stack().labels] * 3, axis=3).transpose(1, 0, 2, 3)
    path = tmp_path / "patient001_4d.nii.gz"
    nib.Nifti1Image(values, np.diag([1.5, 1.5, 10.0, 1.0])).to_filename(path)
    done = run(capsys, "audit", path, "--labels", "acdc")
    assert done.code == ExitCode.SOME_FAILED
    assert str(path) in done.err.replace("\n", "")
    assert "split it by time into stacks" in " ".join(done.err.split())


def test_a_stack_is_read_with_the_spacing_in_its_plane_and_written_as_it_was(tmp_path):
    path = write_stack(tmp_path / "a.nii.gz", stack().labels, thickness_mm=8.0)
    sequence, like = open_sequence(path, labels="acdc")
    assert sequence.spacing_mm == SPACING
    assert sequence.frame_time_ms is None
    assert sequence.view == "SAX"
    np.testing.assert_array_equal(sequence.labels, stack().labels)
    changed = sequence.with_labels(broken())
    save_labels(tmp_path / "b.nii.gz", changed, like)
    old, new = (nib.load(tmp_path / name) for name in ("a.nii.gz", "b.nii.gz"))
    assert old.header.binaryblock == new.header.binaryblock
    assert new.header.get_zooms() == (1.5, 1.5, 8.0)
    assert new.header.get_xyzt_units() == ("mm", "sec")
    for form in ("get_qform", "get_sform"):
        (a, code), (b, other) = (getattr(im.header, form)(coded=True) for im in (old, new))
        np.testing.assert_array_equal(a, b)
        assert code == other > 0
    values = np.asarray(new.dataobj).transpose(1, 0, 2)
    np.testing.assert_array_equal(values == 1, broken() == Label.RV)
    np.testing.assert_array_equal(values == 3, broken() == Label.LV)


def test_a_manifest_of_stacks_says_so_and_the_audit_reads_it(capsys, folder):
    done = run(capsys, "manifest", "build", folder, "--labels", "acdc")
    assert done.code == 0, done.err
    with (folder / "manifest.csv").open(newline="") as stream:
        assert {row["view"] for row in csv.DictReader(stream)} == {"SAX"}
    done = run(capsys, "audit", folder / "manifest.csv")
    assert done.code == 0, done.err
    assert "2 of 6 frames invalid (acdc)" in done.out


def test_evaluate_scores_the_right_ventricle_slice_by_slice(capsys, folder, tmp_path):
    truth = tmp_path / "truth"
    for name in ("patient001_frame01.nii.gz", "patient002_frame01.nii.gz"):
        write_stack(truth / name, stack().labels)
    out = tmp_path / "evaluation"
    done = run(capsys, "evaluate", folder, truth, "--labels", "acdc", "-o", out)
    assert done.code == 0, done.err
    with (out / "frames.csv").open(newline="") as stream:
        rows = [r for r in csv.DictReader(stream) if r["side"] == "prediction"]
    whole = np.count_nonzero(stack().labels[:, :, 1] == Label.RV)
    assert float(rows[0]["dice_rv"]) == 1
    assert float(rows[7]["dice_rv"]) == pytest.approx(2 * whole / (2 * whole + 4))
    assert float(rows[8]["dice_rv"]) == 0
    assert rows[8]["hausdorff_rv_mm"] == ""
    assert {r["dice_la"] for r in rows} == {""}
    assert {r["valid_camus"] for r in rows} == {""}
    assert [r["valid_acdc"] for r in rows[6:9]] == ["True", "False", "False"]
    assert {r["view"] for r in rows} == {"SAX"}
    record = json.loads((out / "summary.json").read_text())
    assert record["structures"] == ["LV", "MYO", "RV"]
    assert {row["criteria"] for row in record["validity"]} == {"acdc"}
    page = (out / "report.html").read_text()
    assert "Valid frames, acdc" in page
    assert "RV" in page


def test_a_stack_and_a_loop_are_not_compared(capsys, folder, tmp_path):
    labels = np.repeat(heart(64, 72)[:, :, None], 6, axis=2)
    write_stack(tmp_path / "truth" / "patient001_frame01.nii.gz", np.where(labels == 3, 4, labels))
    manifest = folder / "dataset.json"
    manifest.write_text(json.dumps({"labels": {"bg": 0, "RV": 1, "MYO": 2, "LV": 3}}))
    done = run(capsys, "evaluate", folder, tmp_path / "truth", "-o", tmp_path / "out")
    assert done.code != 0
    assert "say what their values mean with --labels" in " ".join(done.err.split())
