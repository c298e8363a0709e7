from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import numpy as np
import pyarrow.parquet as parquet
import pytest
from cli_cases import run, truncated, write
from evaluation_cases import half_ellipse, half_ellipsoid_ml

from cardiovae.cli.exits import ExitCode
from cardiovae.evaluation.results import FRAME_COLUMNS, SEQUENCE_COLUMNS
from cardiovae.io import tables

SPACING = (1.2, 1.0)
FILES = (
    "frames.csv", "frames.parquet", "sequences.csv", "sequences.parquet", "summary.md",
    "report.html", "summary.json",
)  # fmt: skip
HEARTS = {
    "patient0001_4CH": ((80, 22), (66, 16)),
    "patient0001_2CH": ((80, 20), (66, 15)),
    "patient0002_4CH": ((74, 20), (64, 17)),
    "patient0003_4CH": ((78, 23), (60, 15)),
}


def beat(ed: tuple[float, float], es: tuple[float, float]) -> np.ndarray:
    """Three frames from ED to ES."""
    middle = tuple((a + b) / 2 for a, b in zip(ed, es, strict=True))
    return np.stack([half_ellipse(*heart, SPACING) for heart in (ed, middle, es)], axis=2)


@pytest.fixture
def folders(tmp_path):
    """References, predictions two columns off, and the same with an island in frame 1."""
    for name, heart in HEARTS.items():
        truth = beat(*heart)
        found = np.roll(truth, 2, axis=1)
        before = found.copy()
        before[3:9, 3:9, 1] = 1
        for side, labels in (("ref", truth), ("pred", found), ("raw", before)):
            write(tmp_path / side / f"{name}.nii.gz", labels, SPACING)
    return tmp_path


def evaluated(capsys, folder: Path, *words: object):
    return run(capsys, "evaluate", folder / "pred", folder / "ref", "-o", folder / "out", *words)


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def summary(folder: Path) -> dict:
    return json.loads((folder / "out" / "summary.json").read_text(encoding="utf-8"))


def test_two_folders_become_tables_a_summary_and_a_report(capsys, folders):
    done = evaluated(capsys, folders)
    assert (done.code, done.err) == (ExitCode.OK, "")
    assert sorted(p.name for p in (folders / "out").iterdir()) == sorted(FILES)
    frames, sequences = (read(folders / "out" / f"{n}.csv") for n in ("frames", "sequences"))
    assert list(frames[0]) == list(FRAME_COLUMNS)
    assert list(sequences[0]) == list(SEQUENCE_COLUMNS)
    assert len(frames) == 2 * 3 * len(HEARTS)  # prediction and reference
    (row,) = (
        r
        for r in frames
        if (r["name"], r["side"], r["frame"]) == ("patient0002_4CH", "prediction", "0")
    )
    truth = half_ellipse(*HEARTS["patient0002_4CH"][0], SPACING) == 1
    shared = np.count_nonzero(truth & np.roll(truth, 2, axis=1))
    assert float(row["dice_lv"]) == pytest.approx(shared / np.count_nonzero(truth))
    assert float(row["hausdorff_lv_mm"]) == pytest.approx(2 * SPACING[1])
    assert (row["patient"], row["view"], row["valid_camus"]) == ("patient0002", "A4C", "True")


def test_both_views_of_a_patient_make_its_ejection_fraction_biplane(capsys, folders):
    evaluated(capsys, folders)
    patients = {p["patient"]: p for p in summary(folders)["ejection"]["patients"]}
    both, one = patients["patient0001"], patients["patient0002"]
    assert both["views"] == ["A4C", "A2C"]
    assert both["reference"]["method"] == "biplane"
    expected = 100 * (1 - half_ellipsoid_ml(66, 16, 15) / half_ellipsoid_ml(80, 22, 20))
    assert both["reference"]["ef_percent"] == pytest.approx(expected, abs=1.5)
    assert one["reference"]["method"] == "single-plane"
    agreement = summary(folders)["ejection"]["agreement"]["prediction"]
    assert agreement["n"] == 3
    assert agreement["mae"]["value"] < 0.5  # a shifted heart ejects as much


def test_ed_and_es_may_lie_in_files_of_their_own(capsys, folders):
    for folder in ("pred", "ref"):
        for file in (folders / folder).iterdir():
            file.unlink()
        for instant, heart in zip(("ED", "ES"), HEARTS["patient0001_4CH"], strict=True):
            labels = half_ellipse(*heart, SPACING)[:, :, None]
            write(folders / folder / f"patient0009_4CH_{instant}.nii", labels, SPACING)
    assert evaluated(capsys, folders).code == ExitCode.OK
    (patient,) = summary(folders)["ejection"]["patients"]
    expected = 100 * (1 - half_ellipsoid_ml(66, 16) / half_ellipsoid_ml(80, 22))
    assert patient["prediction"]["ef_percent"] == pytest.approx(expected, abs=1.5)


def test_before_adds_the_paired_comparison(capsys, folders):
    done = evaluated(capsys, folders, "--before", folders / "raw")
    assert done.code == ExitCode.OK
    found = summary(folders)
    assert found["sides"] == ["before", "prediction", "reference"]
    (lv,) = (
        c for c in found["changes"] if (c["structure"], c["metric"]) == ("LV", "hausdorff_mm")
    )
    assert (lv["n_frames"], lv["n_better"], lv["n_worse"]) == (12, 4, 0)
    (myo,) = (c for c in found["changes"] if (c["structure"], c["metric"]) == ("MYO", "dice"))
    assert (myo["value"], myo["n_better"], myo["n_worse"]) == (0, 0, 0)
    valid = {v["side"]: v["n"] for v in found["validity"] if v["criteria"] == "camus"}
    assert valid == {"before": 8, "prediction": 12, "reference": 12}
    page = (folders / "out" / "report.html").read_text(encoding="utf-8")
    assert page.count('aria-label="LV Dice before and after"') == 1
    assert page.count("difference against mean, one point per patient") == 2


def test_results_of_correct_are_found_and_uncertainty_is_not_taken_for_labels(capsys, folders):
    for file in list((folders / "pred").iterdir()):
        own = folders / "pred" / file.name.removesuffix(".nii.gz")
        own.mkdir()
        file.rename(own / "labels.nii.gz")
        (own / "audit.json").write_text("{}")
        write(own / "uncertainty.nii.gz", np.zeros((4, 4, 3), np.float32), SPACING)
    assert evaluated(capsys, folders).code == ExitCode.OK
    assert summary(folders)["n_pairs"] == len(HEARTS)


def test_one_bad_pair_becomes_a_row_and_the_others_are_done(capsys, folders):
    truncated(folders / "pred" / "patient0003_4CH.nii.gz")
    done = evaluated(capsys, folders)
    assert done.code == ExitCode.SOME_FAILED
    assert "patient0003_4CH.nii.gz" in done.err
    (row,) = (r for r in read(folders / "out" / "sequences.csv") if r["error"])
    assert (row["name"], row["dice_lv"]) == ("patient0003_4CH", "")
    found = summary(folders)
    assert found["n_pairs"] == 3
    assert found["errors"][0]["name"] == "patient0003_4CH"
    for name in ("summary.md", "report.html"):
        assert "patient0003_4CH.nii.gz" in (folders / "out" / name).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("labels", "spacing", "message"),
    [
        (beat((74, 20), (64, 17))[:, :, :2], SPACING, r"need one shape \(H, W, T\)"),
        (beat((74, 20), (64, 17)), (1.2, 0.9), "need one pixel spacing.*1.2 x 0.9 mm"),
    ],
)
def test_a_pair_on_two_grids_is_refused(capsys, folders, labels, spacing, message):
    write(folders / "pred" / "patient0002_4CH.nii.gz", labels, spacing)
    done = evaluated(capsys, folders)
    assert done.code == ExitCode.SOME_FAILED
    assert re.search(message, done.err)


def test_a_given_spacing_holds_for_all_and_a_missing_one_is_taken_from_the_other(capsys, folders):
    write(folders / "pred" / "patient0002_4CH.nii.gz", beat((74, 20), (64, 17)), None)
    assert evaluated(capsys, folders).code == ExitCode.OK
    done = evaluated(capsys, folders, "--spacing", "1,1", "--overwrite")
    assert done.code == ExitCode.OK
    rows = read(folders / "out" / "frames.csv")
    assert max(float(r["hausdorff_lv_mm"] or 0) for r in rows) == 2


def test_without_any_spacing_overlap_is_all_there_is(capsys, tmp_path):
    labels = beat((74, 20), (64, 17))
    for side in ("pred", "ref"):
        write(tmp_path / side / "x.nii", labels, None)
    assert evaluated(capsys, tmp_path).code == ExitCode.OK
    row = read(tmp_path / "out" / "sequences.csv")[0]
    assert (row["dice_lv"], row["hausdorff_lv_mm"]) == ("1.0", "")
    assert row["note"] == "the pixel spacing is unknown"


def test_files_without_partner_are_listed_everywhere(capsys, folders):
    (folders / "pred" / "patient0002_4CH.nii.gz").unlink()
    (folders / "ref" / "patient0003_4CH.nii.gz").unlink()
    done = evaluated(capsys, folders)
    assert done.code == ExitCode.SOME_FAILED
    assert {(Path(u["path"]).name, u["side"]) for u in summary(folders)["unmatched"]} == {
        ("patient0003_4CH.nii.gz", "prediction"),
        ("patient0002_4CH.nii.gz", "reference"),
    }
    assert done.err.count("error: ") == 2


def test_nothing_that_matches_is_exit_5_and_writes_nothing(capsys, folders):
    done = run(capsys, "evaluate", folders / "pred", folders / "gone", "-o", folders / "out")
    assert done.code == ExitCode.NOTHING_MATCHED
    assert not (folders / "out").exists()


def test_two_files_are_a_pair_whatever_they_are_called(capsys, folders):
    files = folders / "pred" / "patient0001_4CH.nii.gz", folders / "ref" / "patient0002_4CH.nii.gz"
    assert run(capsys, "evaluate", *files, "-o", folders / "out").code == ExitCode.OK
    assert summary(folders)["n_pairs"] == 1


def test_a_manifest_takes_the_place_of_the_folders(capsys, folders):
    (folders / "pairs.csv").write_text(
        "prediction,reference,patient,view\n"
        "pred/patient0001_2CH.nii.gz,ref/patient0001_4CH.nii.gz,X,A4C\n"
    )
    words = ("--manifest", folders / "pairs.csv", "-o", folders / "out")
    assert run(capsys, "evaluate", *words).code == ExitCode.OK
    assert summary(folders)["ejection"]["patients"][0]["patient"] == "X"
    assert run(capsys, "evaluate", "a", "b", *words).code == ExitCode.USAGE
    assert run(capsys, "evaluate", "a").code == ExitCode.USAGE


def test_nothing_is_replaced_without_being_asked(capsys, folders):
    (folders / "out").mkdir()
    (folders / "out" / "summary.md").write_text("mine")
    done = evaluated(capsys, folders)
    assert done.code == ExitCode.USAGE
    assert "summary.md: exists already" in done.err
    assert [p.name for p in (folders / "out").iterdir()] == ["summary.md"]
    assert evaluated(capsys, folders, "--overwrite").code == ExitCode.OK


def test_the_same_seed_gives_the_same_files(capsys, folders):
    contents = []
    for _ in range(2):
        evaluated(capsys, folders, "--seed", 5, "--overwrite")
        contents.append([(folders / "out" / n).read_bytes() for n in FILES if n[-3:] != "uet"])
    assert contents[0] == contents[1]


def test_json_gives_a_record_per_side_and_the_summary_at_last(capsys, folders):
    done = evaluated(capsys, folders, "--json")
    *rows, last = done.records
    assert [row["side"] for row in rows] == ["prediction", "reference"] * len(HEARTS)
    assert last.pop("output") == str(folders / "out")
    assert last == summary(folders)


def test_parquet_holds_the_same_rows_with_types(capsys, folders):
    evaluated(capsys, folders)
    for name, column, kind in (("frames", "valid_camus", bool), ("sequences", "n_frames", int)):
        rows = parquet.read_table(folders / "out" / f"{name}.parquet").to_pylist()
        text = read(folders / "out" / f"{name}.csv")
        assert [{k: "" if v is None else str(v) for k, v in r.items()} for r in rows] == text
        assert isinstance(rows[0][column], kind)


def test_without_pyarrow_there_are_csv_tables_and_a_word_about_it(capsys, folders, monkeypatch):
    monkeypatch.setattr(tables, "find_spec", lambda name: None)
    done = evaluated(capsys, folders)
    assert done.code == ExitCode.OK
    assert done.out.count("cardiovae[tables]") == 1
    assert not list((folders / "out").glob("*.parquet"))


def test_a_prediction_that_never_finds_the_atrium_is_not_let_off(capsys, folders):
    for file in (folders / "pred").iterdir():
        name = file.name.removesuffix(".nii.gz")
        labels = beat(*HEARTS[name])
        write(file, np.where(labels == 3, 0, labels).astype(np.uint8), SPACING)
    evaluated(capsys, folders)
    found = summary(folders)
    (dice,) = (s for s in found["scores"] if (s["structure"], s["metric"]) == ("LA", "dice"))
    assert (dice["value"], dice["n_frames"], dice["n_one_sided"]) == (0, 12, 12)
    valid = {v["side"]: v["n"] for v in found["validity"] if v["criteria"] == "camus"}
    assert valid["prediction"] == 0
    assert [w["structure"] for w in found["worst"]] == ["LA"] * 12


def test_where_all_frames_are_valid_the_interval_is_the_exact_one_over_patients(capsys, folders):
    evaluated(capsys, folders)
    (valid,) = (
        v
        for v in summary(folders)["validity"]
        if (v["side"], v["criteria"]) == ("prediction", "camus")
    )
    assert (valid["value"], valid["high"]) == (100, 100)
    assert valid["low"] == pytest.approx(100 * 0.025 ** (1 / 3))  # Clopper-Pearson, 3 of 3


def test_the_report_stands_alone_and_escapes_names(capsys, tmp_path):
    labels = beat((74, 20), (64, 17))
    for side in ("pred", "ref"):
        write(tmp_path / side / "<b>&x.nii", labels, SPACING)
    evaluated(capsys, tmp_path)
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "<b>&x" not in page
    assert "&lt;b&gt;&amp;x" in page
    assert "default-src 'none'" in page
    assert not re.search(r"(src|href)=\"(?!data:)", page)
    assert "A Bland-Altman plot takes two patients" in page


def test_help_names_the_outputs(capsys):
    done = run(capsys, "evaluate", "--help")
    assert done.code == ExitCode.OK
    assert "frames.csv" in done.out
