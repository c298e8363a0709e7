"""`cardiovae uncertainty evaluate` on drawn results that state their doubt."""

from __future__ import annotations

import csv
import json
import math
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from cli_cases import run, truncated, write
from judged_cases import N_FRAMES, SPACING, beat, change, cohort
from sklearn.metrics import roc_auc_score

from cardiovae.calibration.record import load_calibration
from cardiovae.cli import main
from cardiovae.cli.exits import ExitCode
from cardiovae.evaluation.doubt import mean_dice
from cardiovae.io import tables
from cardiovae.labels import STRUCTURES

N_PATIENTS = 12
CSV = (
    "frames", "sequences", "signals", "thresholds", "maps", "reliability", "intervals", "verified",
)  # fmt: skip


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """A cohort, drawn and judged once: where it lies, and by how much frames were moved."""
    folder = tmp_path_factory.mktemp("cohort")
    moved = cohort(folder, N_PATIENTS)
    words = ("--reference", folder / "ref", "-o", folder / "judged")
    assert main([str(w) for w in ("uncertainty", "evaluate", folder / "out", *words)]) == 0
    return folder, moved


@pytest.fixture
def small(tmp_path):
    """A cohort of three patients to break."""
    cohort(tmp_path, 3)
    return tmp_path


def judged(capsys, folder: Path, *words: object, output: Path | None = None):
    where = output or folder / "judged"
    return run(
        capsys, "uncertainty", "evaluate", folder / "out", "--reference", folder / "ref",
        "-o", where, *words,
    )  # fmt: skip


def record(folder: Path) -> dict:
    return json.loads((folder / "judged" / "uncertainty.json").read_text(encoding="utf-8"))


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_results_become_tables_a_page_and_a_record(drawn):
    folder, moved = drawn
    output = folder / "judged"
    names = {f"{n}.{s}" for n in CSV for s in ("csv", "parquet")}
    assert {p.name for p in output.iterdir()} == names | {"report.html", "uncertainty.json"}
    frames = rows(output / "frames.csv")
    assert len(frames) == N_PATIENTS * N_FRAMES
    # A heart that was not moved is its own reference.
    still = [f for f in frames if moved[f["name"]][int(f["frame"])] == 0]
    assert {f["dice"] for f in still} == {"1.0"}
    assert {f["motion_sd"] for f in frames} == {""}
    found = json.loads((output / "uncertainty.json").read_text(encoding="utf-8"))
    assert (found["n_patients"], found["n_frames"]) == (N_PATIENTS, len(frames))
    assert found["n_failed"] == sum(float(f["dice"]) < 0.85 for f in frames)


def test_every_signal_is_judged_in_its_direction(drawn):
    output = drawn[0] / "judged"
    frames = rows(output / "frames.csv")
    failed = [float(f["dice"]) < 0.85 for f in frames]
    found = {r["signal"]: r for r in rows(output / "signals.csv")}
    assert not {"look", "look_rank", "frame", "lv_area_mm2"} & set(found)
    for name, sign in (("entropy", 1), ("crisp_cosine", -1), ("dice_low", -1), ("crisp", 1)):
        expected = roc_auc_score(failed, [sign * float(f[name]) for f in frames])
        assert float(found[name]["auroc"]) == pytest.approx(expected)
        assert expected > 0.6
    assert found["motion_sd"]["auroc"] == ""
    assert found["motion_sd"]["n_missing"] == str(len(frames))


def test_stated_intervals_are_compared_with_the_reference(drawn):
    output = drawn[0] / "judged"
    found = {r["quantity"]: r for r in rows(output / "intervals.csv")}
    frames = rows(output / "frames.csv")
    held = [float(f["dice"]) >= float(f["dice_low"]) for f in frames]  # as many frames of each
    assert float(found["Dice, lower bound"]["value"]) == pytest.approx(np.mean(held))
    # A heart that is moved keeps its area, which is stated to 100 mm2.
    area = found["LV area"]
    assert (area["value"], area["width"], area["calibrated"]) == ("1.0", "200.0", "False")
    sequences = rows(output / "sequences.csv")
    inside = [
        float(s["ef_low_percent"])
        <= float(s["ef_reference_percent"])
        <= float(s["ef_high_percent"])
        for s in sequences
    ]
    assert float(found["ejection fraction"]["value"]) == pytest.approx(np.mean(inside))


def test_maps_are_compared_with_the_wrong_pixels(drawn):
    output = drawn[0] / "judged"
    found = {r["map"]: r for r in rows(output / "maps.csv")}
    assert set(found) == {"posterior", "crisp"}
    # 70 % of the wrong pixels are seen, no right one: overlap 2 * 0.7 / 1.7.
    assert float(found["crisp"]["overlap"]) == pytest.approx(1.4 / 1.7, abs=0.01)
    bins = [r for r in rows(output / "reliability.csv") if r["of"] == "crisp"]
    low, high = (next(r for r in bins if r["low_edge"] == e) for e in ("0.2", "0.95"))
    assert float(low["observed"]) == 0
    assert float(high["observed"]) > 0.9


def test_a_calibration_is_learned_and_can_be_read(capsys, tmp_path):
    cohort(tmp_path, 30)
    file = tmp_path / "made.json"
    done = judged(capsys, tmp_path, "--calibrate", file, "--level", 0.75)
    assert done.code == ExitCode.OK
    found = load_calibration(file)
    assert (found.name, found.n_patients) == ("made", 30)
    assert found.ef is not None
    assert found.ef.residual == "normalized"
    assert 0.75 in found.ef.levels
    for judge in found.judges:
        assert not {"failure_probability", "dice_low", "motion_sd"} & set(judge.failure.inputs)
        assert judge.failure.n_patients == 15
    table = {name: [0.1] for name in found.judges[0].failure.inputs}
    assert 0 <= found.judge(table, level=0.9).failure_probability[0] <= 1
    again = judged(capsys, tmp_path, "--calibrate", file, output=tmp_path / "other")
    assert again.code == ExitCode.USAGE
    assert "made.json: exists already" in again.err


def test_too_few_patients_are_said_and_what_can_be_learned_is(capsys, small):
    done = judged(capsys, small, "--calibrate", small / "made.json")
    assert done.code == ExitCode.OK
    assert "needs 5 patients with a failed frame" in done.err
    found = load_calibration(small / "made.json")
    assert found.judges == ()
    assert found.ef is not None
    assert found.ef.quantile(0.9).value == math.inf
    assert "EF: 3 patients; a level of 0.9 takes 9" in found.notes


def test_missing_keys_and_nulls_are_said_and_stop_nothing(capsys, small):
    folder = small / "out" / "patient0000_4CH"
    change(folder, ejection=None, level=..., reasons=..., frames=[{"frame": t} for t in range(4)])
    (small / "out" / "patient0001_4CH" / "uncertainty.nii.gz").unlink()
    change(
        small / "out" / "patient0001_4CH",
        ejection={"ef_percent": None, "reason": "no annulus"},
        frames=[{"frame": t, "entropy": None, "crisp": 0.1 * t, "note": "x"} for t in range(4)],
        reasons={"entropy": "no valid sample"},
    )
    done = judged(capsys, small)
    assert done.code == ExitCode.OK
    found = record(small)
    assert {(a["signal"], a["reason"]) for a in found["absent"]} >= {
        ("entropy", "no valid sample"),
        ("ejection fraction", "no annulus"),
        ("ejection fraction", "the record has no ejection fraction"),
        ("motion_sd", "fewer than five frames"),
    }
    signals = {s["signal"]: s for s in found["signals"]}
    assert signals["entropy"]["n_missing"] == 2 * N_FRAMES
    assert {m["map"]: m["n_sequences"] for m in found["maps"]} == {"posterior": 2, "crisp": 3}


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda f: (f / "audit.json").write_text("{"), "is damaged"),
        (lambda f: (f / "audit.json").write_text("{}"), "says nothing of uncertainty"),
        (lambda f: change(f, frames=[{}]), "speaks of 1 frames, the labels beside it have 4"),
        (lambda f: change(f, frames=None), "has no frames"),
        (
            lambda f: write(f / "uncertainty.nii.gz", np.zeros((4, 4, 4), np.float32), SPACING),
            "uncertainty.nii.gz: has the shape",
        ),
        (
            lambda f: write(
                f / "uncertainty_crisp.nii.gz", np.full(beat().shape, 2, np.float32), SPACING
            ),
            "lies between 0 and 1",
        ),
        (lambda f: truncated(f / "labels.nii.gz"), "labels.nii.gz"),
    ],
)
def test_one_bad_result_is_listed_and_the_others_are_done(capsys, small, spoil, message):
    spoil(small / "out" / "patient0001_4CH")
    done = judged(capsys, small)
    assert done.code == ExitCode.SOME_FAILED
    assert message in done.err
    found = record(small)
    assert found["n_sequences"] == 2
    assert [e["name"] for e in found["errors"]] == ["patient0001_4CH"]
    page = (small / "judged" / "report.html").read_text(encoding="utf-8")
    assert "Left out" in page


def test_files_without_partner_are_listed(capsys, small):
    (small / "ref" / "patient0002_4CH.nii.gz").unlink()
    done = judged(capsys, small)
    assert done.code == ExitCode.SOME_FAILED
    assert [u["side"] for u in record(small)["unmatched"]] == ["prediction"]


def test_where_nothing_can_be_judged_nothing_is_written(capsys, small):
    for folder in (small / "out").iterdir():
        (folder / "audit.json").write_text("{}")
    assert judged(capsys, small).code == ExitCode.SOME_FAILED
    assert not (small / "judged").exists()
    done = run(capsys, "uncertainty", "evaluate", small / "gone", "--reference", small / "ref")
    assert done.code == ExitCode.NOTHING_MATCHED


def test_nothing_is_replaced_without_being_asked(capsys, small):
    (small / "judged").mkdir()
    (small / "judged" / "maps.csv").write_text("mine")
    done = judged(capsys, small)
    assert done.code == ExitCode.USAGE
    assert "maps.csv: exists already" in done.err
    assert [p.name for p in (small / "judged").iterdir()] == ["maps.csv"]
    assert judged(capsys, small, "--overwrite").code == ExitCode.OK


def test_the_same_seed_gives_the_same_files(capsys, small, monkeypatch):
    monkeypatch.setattr(tables, "find_spec", lambda name: None)
    contents = []
    for _ in range(2):
        judged(capsys, small, "--seed", 3, "--overwrite")
        contents.append({p.name: p.read_bytes() for p in (small / "judged").iterdir()})
    assert contents[0] == contents[1]
    assert not any(name.endswith(".parquet") for name in contents[0])


def test_json_gives_a_record_per_sequence_and_the_judgement_at_last(capsys, small):
    done = judged(capsys, small, "--json")
    *sequences, last = done.records
    assert [s["patient"] for s in sequences] == ["patient0000", "patient0001", "patient0002"]
    assert last.pop("output") == str(small / "judged")
    assert last == record(small)


def test_views_of_one_patient_count_once(capsys, small):
    (small / "out" / "patient0001_4CH").rename(small / "out" / "patient0000_2CH")
    (small / "ref" / "patient0001_4CH.nii.gz").rename(small / "ref" / "patient0000_2CH.nii.gz")
    judged(capsys, small)
    assert (record(small)["n_sequences"], record(small)["n_patients"]) == (3, 2)
    judged(capsys, small, "--patient-pattern", "(?P<patient>.+)", "--overwrite")
    assert record(small)["n_patients"] == 3


@pytest.mark.parametrize(("option", "value"), [("--level", 1), ("--below", 0), ("--level", "x")])
def test_impossible_shares_are_refused(capsys, small, option, value):
    done = judged(capsys, small, option, value)
    assert done.code == ExitCode.USAGE
    assert option in done.err


def test_the_page_stands_alone_and_escapes_names(capsys, small):
    (small / "out" / "patient0001_4CH").rename(small / "out" / "<b>&x")
    (small / "out" / "<b>&x" / "audit.json").write_text("{}")
    (small / "ref" / "patient0001_4CH.nii.gz").rename(small / "ref" / "<b>&x.nii.gz")
    judged(capsys, small)
    page = (small / "judged" / "report.html").read_text(encoding="utf-8")
    assert "<b>&x" not in page
    assert "&lt;b&gt;&amp;x" in page
    assert "default-src 'none'" in page
    assert not re.search(r"(src|href)=\"(?!data:)", page)
    assert page.count("<svg") == 4  # curves, probability, two maps


def test_dice_is_the_mean_over_what_either_side_has():
    truth = np.zeros((4, 4, 2), np.uint8)
    truth[0, :, 0], truth[1, :2, 0] = 1, 2
    found = truth.copy()
    found[1, :2, 0], found[0, 3, 0] = 0, 3
    # LV 2 * 3 / 7, MYO lost, LA invented; nothing at all in frame 1.
    dice = mean_dice(found, truth, STRUCTURES)
    assert dice[0] == pytest.approx((6 / 7 + 0 + 0) / 3)
    assert math.isnan(dice[1])


def test_judging_loads_no_network(drawn, tmp_path):
    out, ref = (drawn[0] / name for name in ("out", "ref"))
    code = (
        "import sys\nfrom cardiovae.cli import main\n"
        "code = main(sys.argv[1:])\n"
        "print(code, sorted({'torch', 'monai', 'matplotlib'} & set(sys.modules)))"
    )
    words = ("uncertainty", "evaluate", out, "--reference", ref, "-o", tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, words), "--json"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == "0 []"
    assert done.stderr == ""


def test_help_names_the_outputs_and_the_group_shows_its_verbs(capsys):
    assert "uncertainty.json" in run(capsys, "uncertainty", "evaluate", "--help").out
    done = run(capsys, "uncertainty")
    assert done.code == ExitCode.USAGE
    assert "evaluate" in done.out
