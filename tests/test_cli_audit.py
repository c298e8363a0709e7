from __future__ import annotations

import csv
from pathlib import Path

import pytest
from cli_cases import ISLAND_MM2, broken, run, sound, truncated, write

from cardiovae.cli.exits import ExitCode

REAL = Path(__file__).resolve().parent.parent.parent / "shared" / "data"


def test_a_sound_file_passes(capsys, tmp_path):
    done = run(capsys, "audit", sound(tmp_path / "a.nii.gz"))
    assert (done.code, done.err) == (ExitCode.OK, "")
    assert done.out == (
        f"{tmp_path}/a.nii.gz: all 5 frames valid (camus); motion consistent (tmi2022)\n"
    )


def test_a_broken_file_fails_and_the_table_says_what_where_and_how_much(capsys, tmp_path):
    done = run(capsys, "audit", broken(tmp_path / "a.nii.gz"))
    assert done.code == ExitCode.GATE
    headline, headings, island, *motion = (line.split() for line in done.out.splitlines())
    assert headline[1:6] == ["1", "of", "5", "frames", "invalid"]
    assert headings[0] == "criterion"
    assert " ".join(island) == (
        f"camus.lv_disconnected_area_mm2 1 of 5 {ISLAND_MM2} (frame 2) <= 0 mm2 2"
    )
    assert {row[0] for row in motion if row} == {"tmi2022.lv_length", "tmi2022.lv_orientation"}


def test_verbose_shows_the_criteria_that_pass_as_well(capsys, tmp_path):
    done = run(capsys, "audit", sound(tmp_path / "a.nii.gz"), "-v")
    assert "camus.lv_present" in done.out
    assert "tmi2022.lv_area" in done.out


def test_several_files_do_not_gate_unless_asked_to(capsys, tmp_path):
    good, bad = sound(tmp_path / "a.nii"), broken(tmp_path / "b.nii")
    done = run(capsys, "audit", good, bad)
    assert done.code == ExitCode.OK
    assert "1 of 2 files pass" in done.out
    assert run(capsys, "audit", good, bad, "--fail-on", "any").code == ExitCode.GATE
    assert run(capsys, "audit", bad, "--fail-on", "none").code == ExitCode.OK


def test_a_folder_does_not_gate_however_many_files_it_holds(capsys, tmp_path):
    broken(tmp_path / "a.nii")
    assert run(capsys, "audit", tmp_path).code == ExitCode.OK
    broken(tmp_path / "b.nii")
    assert run(capsys, "audit", tmp_path).code == ExitCode.OK


@pytest.mark.parametrize("argument", ["absent.nii", "empty", "*.nii", "notes.txt"])
def test_what_matches_nothing_has_its_own_code(capsys, tmp_path, argument):
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").touch()
    done = run(capsys, "audit", tmp_path / argument)
    assert (done.code, done.out) == (ExitCode.NOTHING_MATCHED, "")
    assert str(tmp_path / argument) in done.err


def test_a_file_that_cannot_be_read_is_a_failed_case_even_alone(capsys, tmp_path):
    done = run(capsys, "audit", truncated(tmp_path / "a.nii.gz"))
    assert (done.code, done.out) == (ExitCode.SOME_FAILED, "")
    assert "a.nii.gz" in done.err


def test_json_is_one_object_per_file_and_text_goes_to_the_other_stream(capsys, tmp_path):
    files = broken(tmp_path / "a.nii"), truncated(tmp_path / "b.nii.gz"), sound(tmp_path / "c.nii")
    done = run(capsys, "audit", *files, "--json")
    assert done.code == ExitCode.SOME_FAILED
    first, failed, last = done.records
    assert [record["source"] for record in done.records] == [str(file) for file in files]
    assert (first["passed"], first["invalid_frames"], last["passed"]) == (False, [2], True)
    assert (first["anatomy"], first["temporal"]) == ("camus", "tmi2022")
    assert set(failed) == {"source", "error"}
    assert "1 of 2 files pass, 1 could not be read" in done.err


def test_the_csv_holds_every_finding_with_limits_and_unit(capsys, tmp_path):
    source, table = broken(tmp_path / "a.nii"), tmp_path / "out" / "findings.csv"
    words = ("audit", source, "-o", table, "--temporal", "none")
    assert run(capsys, *words).code == ExitCode.GATE
    with table.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    criteria = {row["criterion"] for row in rows}
    assert len(rows) == 5 * len(criteria)
    (island,) = [row for row in rows if row["verdict"] == "FAIL"]
    assert island == {
        "source": str(source),
        "set": "camus",
        "criterion": "lv_disconnected_area_mm2",
        "frame": "2",
        "verdict": "FAIL",
        "value": str(ISLAND_MM2),
        "low": "",
        "high": "0.0",
        "unit": "mm2",
        "reason": "",
    }
    before = table.read_bytes()
    assert run(capsys, *words).code == ExitCode.USAGE
    assert table.read_bytes() == before
    assert run(capsys, *words, "--overwrite").code == ExitCode.GATE


def test_spacing_on_the_command_line_wins_over_the_header(capsys, tmp_path):
    done = run(capsys, "audit", broken(tmp_path / "a.nii"), "--spacing", "2,1.5", "--json")
    values = {
        finding["criterion"]: finding["value"]
        for finding in done.records[0]["frames"][2]["findings"]
    }
    assert values["lv_disconnected_area_mm2"] == 9 * 2 * 1.5


def test_unknown_spacing_is_said_and_nothing_is_invented(capsys, tmp_path):
    done = run(capsys, "audit", broken(tmp_path / "a.nii", spacing_mm=None))
    assert done.code == ExitCode.GATE
    (row,) = [line for line in done.out.splitlines() if "camus.lv_disconnected_area_mm2" in line]
    assert "not measurable" in row
    assert "spacing unknown: 9 pixels cannot be compared with mm2" in done.out


def test_label_values_of_ones_own_are_understood(capsys, tmp_path):
    import nibabel as nib
    import numpy as np

    labels = np.asarray(nib.load(sound(tmp_path / "a.nii")).dataobj).transpose(1, 0, 2)
    source = write(tmp_path / "b.nii", np.array([0, 10, 20, 30], np.uint8)[labels], (0.5, 0.5))
    refused = run(capsys, "audit", source)
    assert refused.code == ExitCode.SOME_FAILED
    assert "--labels" in refused.err
    assert run(capsys, "audit", source, "--labels", "lv=10,myo=20,la=30").code == ExitCode.OK


def test_a_single_frame_is_judged_on_its_anatomy_alone(capsys, tmp_path):
    done = run(capsys, "audit", sound(tmp_path / "a.nii", n_frames=1))
    assert done.code == ExitCode.OK
    assert "1 frame, valid (camus); motion not measurable (tmi2022)" in done.out


@pytest.mark.skipif(not REAL.is_dir(), reason=f"{REAL} is absent: no real sequence to audit")
def test_the_real_network_sequence_has_16_of_25_frames_invalid_under_the_published_criteria(
    capsys,
):
    source = REAL / "echo_toolkit_candidate2.nii.gz"
    done = run(capsys, "audit", source, "--criteria", "camus-public")
    assert done.code == ExitCode.GATE
    assert "16 of 25 frames invalid (camus-public)" in done.out
