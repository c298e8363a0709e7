from __future__ import annotations

import csv
import re
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from audit_cases import heart
from cli_cases import ISLAND_MM2, Terminal, broken, run, sound, truncated, write

from cardiovae.audit.criteria import criteria as criteria_set
from cardiovae.cli.exits import ExitCode
from cardiovae.labels import LV_MYO

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
    lines = [line.split() for line in done.out.splitlines()]
    headline, headings, section, island, next_section, *motion = lines
    assert headline[1:6] == ["1", "of", "5", "frames", "invalid"]
    assert headings[0] == "criterion"
    assert (section, next_section) == (["camus:"], ["tmi2022:"])
    assert " ".join(island) == f"lv_disconnected_area_mm2 1/5 {ISLAND_MM2} (2) <= 0 mm2 2"
    assert {row[0] for row in motion if row} == {"lv_length", "lv_orientation"}


def test_verbose_shows_the_criteria_that_pass_as_well(capsys, tmp_path):
    done = run(capsys, "audit", sound(tmp_path / "a.nii.gz"), "-v")
    assert re.search(r"^ +lv_present +0/5 +1 \(0\) +>= 1 *$", done.out, re.MULTILINE)
    assert re.search(r"^ +lv_area +0/5 +0 \(0\) +-70.4 to 70.4 mm2 *$", done.out, re.MULTILINE)


@pytest.mark.parametrize("columns", [80, 110, 160])
@pytest.mark.parametrize("criteria", ["camus", "camus-public"])
def test_no_terminal_of_80_columns_or_more_cuts_anything_off(
    capsys, tmp_path, monkeypatch, columns, criteria
):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("COLUMNS", str(columns))
    words = ("--criteria", criteria, "--labels", "lv=1,myo=2", "-v")
    without_atrium = np.where(heart() == 3, 0, heart()).astype(np.uint8)
    write(tmp_path / "a.nii", np.repeat(without_atrium[:, :, None], 3, axis=2), (0.5, 0.5))
    assert run(capsys, "audit", tmp_path / "a.nii", *words).code == ExitCode.OK
    table = [re.sub(r"\x1b\[[\d;?]*\w", "", line).rstrip() for line in _lines(terminal)[1:]]
    assert "\N{HORIZONTAL ELLIPSIS}" not in "".join(table)
    assert max(map(len, table)) <= columns
    told = "".join(line.split()[0] for line in table)
    names = [c.name for c in criteria_set(criteria).applying_to(LV_MYO.structures)]
    assert all(name in told for name in names)


def _lines(terminal: Terminal) -> list[str]:
    """What the terminal shows, without the bar."""
    return [line for line in terminal.getvalue().splitlines() if line.strip()]


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
    (row,) = [line for line in done.out.splitlines() if " lv_disconnected_area_mm2 " in line]
    assert "not measurable" in row
    assert "spacing unknown: 9 pixels cannot be compared with mm2" in done.out


def test_label_values_of_ones_own_are_understood(capsys, tmp_path):
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
