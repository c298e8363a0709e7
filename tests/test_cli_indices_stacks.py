"""The clinic's indices of stacks of short-axis slices, from the command line."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from cli_cases import run
from short_axis_cases import SPACING, stack, write_stack

from cardiovae.io import open_sequence
from cardiovae.labels import Label

SLICE_MM = 8.0
VOXEL_ML = SPACING[0] * SPACING[1] * SLICE_MM / 1000


def ed() -> np.ndarray:
    return stack().labels


def es() -> np.ndarray:
    """A smaller heart."""
    return stack(top=0.9).labels


def ml(labels: np.ndarray, label: Label) -> float:
    return int(np.count_nonzero(labels == label)) * VOXEL_ML


def number(text: str) -> float:
    return pytest.approx(float(text), rel=1e-6)


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def write_patient(folder: Path, after: np.ndarray | None = None, **how: float) -> Path:
    """ED and ES of one patient, as ACDC names them; and the ED alone of another."""
    how = {"thickness_mm": SLICE_MM, **how}
    write_stack(folder / "patient001_frame12_gt.nii.gz", es(), **how)
    write_stack(folder / "patient001_frame01_gt.nii.gz", ed() if after is None else after, **how)
    write_stack(folder / "patient002_frame01_gt.nii.gz", ed(), **how)
    return folder


def test_two_stacks_of_a_patient_give_volumes_ejection_and_mass(capsys, tmp_path):
    data, out = write_patient(tmp_path / "data"), tmp_path / "out"
    done = run(capsys, "indices", data, "--labels", "acdc", "-o", out)
    assert done.code == 0, done.err
    both, single = read(out / "hearts.csv")
    edv, esv = ml(ed(), Label.LV), ml(es(), Label.LV)
    rv = ml(ed(), Label.RV), ml(es(), Label.RV)
    assert (both["patient"], both["views"]) == ("patient001", "SAX")
    assert edv == number(both["edv_ml"])
    assert esv == number(both["esv_ml"])
    assert edv - esv == number(both["stroke_volume_ml"])
    assert 100 * (1 - esv / edv) == number(both["ef_percent"])
    assert rv == (number(both["rv_edv_ml"]), number(both["rv_esv_ml"]))
    assert 100 * (1 - rv[1] / rv[0]) == number(both["rv_ef_percent"])
    assert 1.05 * ml(ed(), Label.MYO) == number(both["mass_disks_g"])
    assert (single["edv_ml"], single["ef_percent"]) == ("", "")
    assert edv == number(single["lv_volume_ml"])
    instants = {(r["patient"], r["instant"]): r["volume_ml"] for r in read(out / "frames.csv")}
    assert edv == number(instants["patient001", "ED"])
    assert esv == number(instants["patient001", "ES"])
    page = (out / "pages" / "patient001.html").read_text("utf-8")
    assert "Right ventricle" in page
    assert "the ranges are for apical views" in page
    assert "20 disks" not in page
    assert "RV ejection fraction" in (out / "index.html").read_text("utf-8")
    rows = {(r["patient"], r["index"]): r for r in read(out / "indices.csv")}
    assert "a single instant" in rows["patient002", "ef_percent"]["reason"]
    assert rows["patient001", "edv_ml"]["flag"] == "unknown"


def test_a_header_without_a_distance_needs_to_be_told_it(capsys, tmp_path):
    data = write_patient(tmp_path / "data", thickness_mm=1.0)
    done = run(capsys, "indices", data, "--labels", "acdc", "-o", tmp_path / "a")
    assert done.code == 0, done.err
    first, second = read(tmp_path / "a" / "hearts.csv")
    assert {first["edv_ml"], first["ef_percent"], second["lv_volume_ml"]} == {""}
    reasons = {r["reason"] for r in read(tmp_path / "a" / "indices.csv")}
    assert "the distance between slices is unknown" in reasons
    run(capsys, "indices", data, "--labels", "acdc", "--slice", "8", "-o", tmp_path / "b")
    told = read(tmp_path / "b" / "hearts.csv")[0]
    assert ml(ed(), Label.LV) == number(told["edv_ml"])


def torn() -> np.ndarray:
    """The stack at ED with an island of 9 LV pixels."""
    labels = ed().copy()
    labels[2:5, 2:5, 1] = Label.LV
    return labels


def test_a_correction_tells_the_volumes_of_a_stack_before_and_after(capsys, tmp_path):
    data, out = write_patient(tmp_path / "data", torn()), tmp_path / "out"
    done = run(capsys, "correct", data, "--labels", "acdc", "-o", out, "--uncertainty", "none")
    assert done.code == 0, done.err
    row = next(r for r in read(out / "sequences.csv") if "patient001_frame01" in r["source"])
    (path,) = (p for p in out.rglob("audit.json") if "patient001_frame01" in str(p))
    written = open_sequence(path.parent / "labels.nii.gz", labels="acdc")[0].labels
    before, after = ml(torn(), Label.LV), ml(written, Label.LV)
    assert after < before
    assert before == number(row["lv_volume_ml_before"])
    assert after == number(row["lv_volume_ml_after"])
    assert row["indices_reason_after"] == row["edv_ml_after"] == row["ed_frame_after"] == ""
    record = json.loads(path.read_text("utf-8"))["indices"]
    names = ["lv_volume_ml", "rv_volume_ml", "mass_disks_g"]
    for side, labels in (("before", torn()), ("after", written)):
        told = record[side]["indices"]
        assert [r["index"] for r in told] == names
        assert told[0]["value"] == pytest.approx(ml(labels, Label.LV))
        assert told[2]["value"] == pytest.approx(1.05 * ml(labels, Label.MYO))
    page = (path.parent / "report.html").read_text("utf-8")
    assert "one stack, area times distance between slices" in page
    assert "LV volume at a single instant" in page
    both = tmp_path / "both"
    run(capsys, "indices", out, "--labels", "acdc", "-o", both)
    sides = {(r["patient"], r["side"]): r for r in read(both / "hearts.csv")}
    assert before == number(sides["patient001", "before"]["edv_ml"])
    assert after == number(sides["patient001", "after"]["edv_ml"])


def test_an_audit_with_indices_has_the_volumes_of_stacks(capsys, tmp_path):
    data, out = write_patient(tmp_path / "data"), tmp_path / "out"
    run(capsys, "audit", data, "--labels", "acdc", "--indices", "-o", out)
    row = read(out / "sequences.csv")[0]
    assert ml(ed(), Label.RV) == number(row["rv_volume_ml"])
    assert row["indices_reason"] == ""


def test_an_evaluation_compares_volumes_of_stacks(capsys, tmp_path):
    truth = write_patient(tmp_path / "truth")
    found, out = write_patient(tmp_path / "found", torn()), tmp_path / "out"
    done = run(capsys, "evaluate", found, truth, "--labels", "acdc", "-o", out)
    assert done.code == 0, done.err
    told = json.loads((out / "summary.json").read_text("utf-8"))["indices"]
    edv, esv = ml(ed(), Label.LV), ml(es(), Label.LV)
    biases = {row["index"]: row["bias"]["value"] for row in told["agreement"]}
    assert biases["edv_ml"] == pytest.approx(9 * VOXEL_ML)
    assert biases["esv_ml"] == biases["rv_edv_ml"] == 0
    assert biases["ef_percent"] == pytest.approx(100 * (esv / edv - esv / (edv + 9 * VOXEL_ML)))
    row = read(out / "sequences.csv")[0]
    assert edv + 9 * VOXEL_ML == number(row["lv_volume_ml"])


def test_slices_that_lie_apart_differently_are_not_compared(capsys, tmp_path):
    write_stack(tmp_path / "truth" / "patient001_frame01.nii.gz", ed(), thickness_mm=8.0)
    write_stack(tmp_path / "found" / "patient001_frame01.nii.gz", ed(), thickness_mm=10.0)
    done = run(capsys, "evaluate", tmp_path / "found", tmp_path / "truth", "--labels", "acdc",
               "-o", tmp_path / "out")  # fmt: skip
    assert done.code != 0
    assert "one distance between slices" in " ".join(done.err.split())
