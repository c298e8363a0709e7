"""The clinic's indices where other verbs tell them: correct, audit, evaluate, manifests."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import numpy as np
import pyarrow.parquet as parquet
import pytest
from cli_cases import run, write
from evaluation_cases import half_ellipse, half_ellipsoid_ml

from cardiovae.cli.exits import ExitCode
from cardiovae.indices.columns import CORE, core_columns

SPACING = (0.8, 0.8)
ED, ES = (80, 22), (66, 16)
EDV, ESV = half_ellipsoid_ml(*ED), half_ellipsoid_ml(*ES)
BASELINE = ("--method", "largest-component", "--uncertainty", "none")


def beat(ed=ED, es=ES) -> np.ndarray:
    """Three frames from ED to ES."""
    middle = tuple((a + b) / 2 for a, b in zip(ed, es, strict=True))
    return np.stack([half_ellipse(*heart, SPACING) for heart in (ed, middle, es)], axis=2)


def torn() -> np.ndarray:
    """The same with an island of LV beside the heart at ED, 40 by 20 pixels, and so no axis."""
    labels = beat()
    labels[60:100, 4:24, 0] = 1
    return labels


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def by_name(side: dict) -> dict[str, dict]:
    return {row["index"]: row for row in side["indices"]}


@pytest.fixture
def manifest(tmp_path):
    """Two files of one patient, a woman of 1.9964 m2."""
    for view in ("2CH", "4CH"):
        write(tmp_path / "in" / f"p1_{view}.nii.gz", torn(), SPACING)
    path = tmp_path / "m.csv"
    path.write_text(
        "sequence_id,labels_path,view,patient,sex,height_cm,weight_kg\n"
        "p1_2CH,in/p1_2CH.nii.gz,A2C,p1,F,180,80\np1_4CH,in/p1_4CH.nii.gz,A4C,p1,F,180,80\n"
    )
    return path


def test_a_correction_says_what_a_clinic_measures_before_and_after(capsys, manifest, tmp_path):
    out = tmp_path / "out"
    run(capsys, "correct", manifest, "-o", out, *BASELINE)
    found = json.loads((out / "p1_4CH" / "audit.json").read_text(encoding="utf-8"))["indices"]
    before, after = by_name(found["before"]), by_name(found["after"])
    assert (found["sex"], found["bsa_m2"]) == ("female", pytest.approx(1.9964, abs=1e-4))
    assert after["edv_ml"]["value"] == pytest.approx(EDV, rel=0.02)
    assert after["esv_ml"]["value"] == pytest.approx(ESV, rel=0.02)
    assert after["edv_index_ml_m2"]["value"] == pytest.approx(EDV / 1.9964, rel=0.02)
    assert before["edv_ml"]["value"] is None
    assert "frame 0" in before["edv_ml"]["reason"]
    assert before["esv_ml"] == after["esv_ml"]
    ed_mm2, es_mm2 = (math.pi / 2 * a * b for a, b in (ED, ES))
    island_mm2 = 40 * 20 * 0.8**2
    fac = 100 * (1 - es_mm2 / (ed_mm2 + island_mm2))
    assert before["fac_percent"]["value"] == pytest.approx(fac, abs=0.5)
    assert after["fac_percent"]["value"] == pytest.approx(100 * (1 - es_mm2 / ed_mm2), abs=0.5)
    assert after["edv_ml"]["flag"] == "normal"  # 81 ml, of 46 to 106 in women
    assert after["heart_rate_bpm"]["value"] is None
    assert after["heart_rate_bpm"]["reason"]
    page = (out / "p1_4CH" / "report.html").read_text(encoding="utf-8")
    assert "What a clinic measures" in page
    assert "46\N{EN DASH}106" in page
    assert "Female; body surface 2.00 m²." in page


def test_tables_of_a_correction_have_a_column_per_index_and_side(capsys, manifest, tmp_path):
    out = tmp_path / "out"
    run(capsys, "correct", manifest, "-o", out, *BASELINE)
    rows = read(out / "sequences.csv")
    columns = core_columns(["before", "after"])
    assert set(columns) <= set(rows[0])
    kinds = parquet.read_schema(out / "sequences.parquet")
    assert str(kinds.field("ed_frame_before").type) == "int64"
    assert str(kinds.field("edv_ml_after").type) == "double"
    for row in rows:
        record = json.loads((out / Path(row["source"]).name[:6] / "audit.json").read_text("utf-8"))
        for side in ("before", "after"):
            told = by_name(record["indices"][side])
            for name in CORE:
                value = told[name]["value"]
                cell = row[f"{name}_{side}"]
                assert cell == "" if value is None else float(cell) == value
    done = json.loads((out / "records.jsonl").read_text("utf-8").splitlines()[0])["correction"]
    assert done["ef_after"] == float(rows[0]["ef_percent_after"])


def test_an_unknown_spacing_leaves_ratios_and_a_reason(capsys, tmp_path):
    write(tmp_path / "a.nii.gz", torn(), None)
    run(capsys, "correct", tmp_path / "a.nii.gz", "-o", tmp_path / "out", *BASELINE)
    text = (tmp_path / "out" / "a" / "audit.json").read_text(encoding="utf-8")
    after = by_name(json.loads(text)["indices"]["after"])
    assert after["edv_ml"]["value"] is None
    assert after["edv_ml"]["reason"] == "the pixel spacing is unknown"
    assert after["ef_percent"]["value"] == pytest.approx(100 * (1 - ESV / EDV), abs=2)
    assert after["ef_percent"]["flag"] == "unknown"


def test_an_audit_has_the_columns_on_demand_and_the_numbers_of_indices(capsys, tmp_path):
    folder = tmp_path / "in"
    write(folder / "p1_4CH.nii.gz", beat(), SPACING)
    write(folder / "p2_2CH.nii.gz", beat((74, 20), (64, 17)), SPACING)
    run(capsys, "audit", folder, "-o", tmp_path / "plain", "--no-report")
    assert not set(core_columns()) & set(read(tmp_path / "plain" / "sequences.csv")[0])
    words = ("audit", folder, "-o", tmp_path / "out", "--no-report", "--indices")
    assert run(capsys, *words).code == ExitCode.OK
    rows = read(tmp_path / "out" / "sequences.csv")
    run(capsys, "indices", folder, "-o", tmp_path / "indices")
    for row, heart in zip(rows, read(tmp_path / "indices" / "hearts.csv"), strict=True):
        for name in CORE:
            assert row[name] == heart[name].removesuffix(".0" * (name == "n_beats")), name
        assert (row["ed_frame"], row["es_frame"], row["indices_reason"]) == ("0", "2", "")
    settings = json.loads((tmp_path / "out" / "run.json").read_text("utf-8"))
    assert settings["command"][-1] == "--indices"
    alone = run(capsys, "audit", folder, "--indices")
    assert alone.code == ExitCode.USAGE
    assert "add -o DIR" in alone.err


def test_an_evaluation_compares_indices_at_the_instants_of_the_reference(capsys, tmp_path):
    for name in ("p1_4CH", "p2_4CH"):
        write(tmp_path / "ref" / f"{name}.nii.gz", beat(), SPACING)
        write(tmp_path / "pred" / f"{name}.nii.gz", beat()[:, :, ::-1].copy(), SPACING)
    out = tmp_path / "out"
    run(capsys, "evaluate", tmp_path / "pred", tmp_path / "ref", "-o", out)
    rows = {(r["name"], r["side"]): r for r in read(out / "sequences.csv")}
    stroke = float(rows["p1_4CH", "reference"]["stroke_volume_ml"])
    assert stroke == pytest.approx(EDV - ESV, rel=0.02)
    assert float(rows["p1_4CH", "prediction"]["stroke_volume_ml"]) == -stroke
    assert rows["p1_4CH", "reference"]["indices_reason"] == ""
    summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))["indices"]
    found = {row["index"]: row for row in summary["agreement"]}
    bias = found["stroke_volume_ml"]["bias"]["value"]
    assert bias == pytest.approx(-2 * (EDV - ESV), rel=0.02)
    assert found["stroke_volume_ml"]["mae"]["value"] == pytest.approx(-bias)
    assert found["edv_ml"]["bias"]["value"] == pytest.approx(ESV - EDV, rel=0.02)
    patient = summary["patients"][0]
    assert patient["reference"]["esv_ml"] == pytest.approx(ESV, rel=0.02)
    assert "Clinical indices" in (out / "summary.md").read_text(encoding="utf-8")
    assert 'id="indices"' in (out / "report.html").read_text(encoding="utf-8")


def test_views_and_instants_in_files_of_their_own_make_one_patient(capsys, tmp_path):
    for view, wider in (("2CH", 0), ("4CH", 2)):
        for instant, (length, radius) in (("ED", ED), ("ES", ES)):
            frame = half_ellipse(length, radius + wider, SPACING)[:, :, None]
            for side in ("ref", "pred"):
                write(tmp_path / side / f"p1_{view}_{instant}.nii.gz", frame, SPACING)
    out = tmp_path / "out"
    run(capsys, "evaluate", tmp_path / "pred", tmp_path / "ref", "-o", out)
    record = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    (patient,) = record["indices"]["patients"]
    assert patient["views"] == ["A4C", "A2C"]
    edv = half_ellipsoid_ml(ED[0], ED[1], ED[1] + 2)
    assert patient["prediction"]["edv_ml"] == pytest.approx(edv, rel=0.02)
    assert patient["prediction"] == patient["reference"]
    ejection = record["ejection"]["patients"][0]["reference"]
    assert patient["reference"]["edv_ml"] == ejection["ed_ml"]
    assert patient["reference"]["esv_ml"] == ejection["es_ml"]
    alone = read(out / "sequences.csv")[0]
    assert alone["stroke_volume_ml"] == ""
    assert "no two frames with different LV areas" in alone["indices_reason"]


def test_indices_take_sex_and_size_from_a_manifest_unless_it_contradicts_itself(
    capsys, manifest, tmp_path
):
    done = run(capsys, "indices", manifest, "-o", tmp_path / "out")
    (heart,) = read(tmp_path / "out" / "hearts.csv")
    assert (done.code, heart["sex"]) == (ExitCode.OK, "female")
    assert math.isclose(float(heart["bsa_m2"]), 1.9964, abs_tol=1e-4)
    run(capsys, "indices", manifest, "-o", tmp_path / "said", "--sex", "male")
    assert read(tmp_path / "said" / "hearts.csv")[0]["sex"] == "male"
    manifest.write_text(manifest.read_text().replace("A4C,p1,F", "A4C,p1,M"))
    done = run(capsys, "indices", manifest, "-o", tmp_path / "other")
    (heart,) = read(tmp_path / "other" / "hearts.csv")
    assert "p1: the manifest contradicts itself" in done.err
    assert heart["sex"] == ""
    assert math.isclose(float(heart["bsa_m2"]), 1.9964, abs_tol=1e-4)
