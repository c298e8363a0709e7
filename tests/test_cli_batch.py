from __future__ import annotations

import contextlib
import csv
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import distributed
import psutil
import pytest
from cli_cases import broken, run, sound, truncated

from cardiovae.batch.journal import JOURNAL, RECORDS
from cardiovae.cli.exits import ExitCode

N_FILES = 6


@pytest.fixture(scope="module")
def hearts(tmp_path_factory) -> Path:
    """Sound, broken and unreadable files in two folders."""
    folder = tmp_path_factory.mktemp("hearts")
    for i in range(N_FILES):
        (broken if i % 3 == 1 else sound)(folder / f"site{i % 2}" / f"{i}.nii.gz")
    truncated(folder / "site0" / "torn.nii.gz")
    return folder


def _contents(folder: Path) -> dict[str, str]:
    """Hash of every file of a folder of results, by name."""
    files = (file for file in folder.rglob("*") if file.is_file())
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in files
    }


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_a_folder_of_results_says_which_files_are_wrong_and_why(capsys, hearts, tmp_path):
    done = run(capsys, "audit", hearts, "-o", tmp_path / "out")
    assert done.code == ExitCode.SOME_FAILED
    assert "4 of 6 files pass, 1 could not be read" in done.out
    sequences = _rows(tmp_path / "out" / "sequences.csv")
    assert len(sequences) == N_FILES + 1
    assert [r["source"] for r in sequences] == sorted(r["source"] for r in sequences)
    (torn,) = [row for row in sequences if row["status"] == "error"]
    assert torn["source"].endswith("torn.nii.gz")
    assert "torn.nii.gz" in torn["error"]
    bad = [row for row in sequences if row["passed"] == "False"]
    assert [Path(row["source"]).name for row in bad] == ["4.nii.gz", "1.nii.gz"]
    assert {row["worst_frame"] for row in bad} == {"2"}
    assert all("lv_disconnected_area_mm2" in row["worst_criteria"] for row in bad)
    frames = _rows(tmp_path / "out" / "frames.csv")
    assert len(frames) == 5 * N_FILES
    assert [r["frame"] for r in frames if r["valid"] == "False"] == ["2", "2"]
    findings = _rows(tmp_path / "out" / "findings.csv")
    assert {row["source"] for row in findings} == {row["source"] for row in bad}
    assert "PASS" not in {row["verdict"] for row in findings}
    assert (tmp_path / "out" / "index.html").exists()


def test_every_engine_and_every_way_of_sharing_writes_the_same_bytes(capsys, hearts, tmp_path):
    words = ("audit", hearts, "--engine")
    run(capsys, *words, "serial", "-o", tmp_path / "serial")
    run(capsys, *words, "processes", "-j", 2, "-o", tmp_path / "processes")
    run(capsys, *words, "dask", "-j", 2, "-o", tmp_path / "dask")
    for part in (2, 1, 3):
        run(capsys, *words, "serial", "-o", tmp_path / "parts", "--shard", f"{part}/3")
    assert run(capsys, "report", tmp_path / "parts").code == ExitCode.SOME_FAILED
    parts = [tmp_path / "parts" / f"shard-{i}-of-3" for i in (1, 2, 3)]
    run(capsys, "report", *parts, "-o", tmp_path / "merged")
    expected = _contents(tmp_path / "serial")
    assert _contents(tmp_path / "processes") == expected
    assert _contents(tmp_path / "dask") == expected
    assert _contents(tmp_path / "merged") == expected
    shared = _contents(tmp_path / "parts")
    assert {name: shared[name] for name in expected} == expected


def test_a_run_that_was_killed_goes_on_and_does_nothing_twice(hearts, tmp_path, capsys):
    out, log = tmp_path / "out", tmp_path / "log"
    for i in range(60):
        sound(tmp_path / "many" / f"{i:02}.nii")
    words = [sys.executable, "-m", "cardiovae", "audit", str(tmp_path / "many"), "-o", str(out)]
    with log.open("w") as stream:
        process = subprocess.Popen([*words, "--engine", "serial"], stdout=stream, stderr=stream)
        while not (out / JOURNAL).exists() or not (out / JOURNAL).stat().st_size:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not (out / RECORDS).exists()
    lines = (out / JOURNAL).read_bytes().split(b"\n")[:-1]
    kept = [json.loads(line)["source"] for line in lines]
    assert 0 < len(kept) < 60
    for source in kept:  # what is done is not looked at again but for its hash
        os.utime(source, (1, 1))
    assert run(capsys, *words[3:]).code == ExitCode.OK
    assert (out / RECORDS).read_bytes().split(b"\n")[: len(lines)] == lines
    assert not (out / JOURNAL).exists()
    assert run(capsys, "audit", tmp_path / "many", "-o", tmp_path / "new").code == ExitCode.OK
    assert _contents(out) == _contents(tmp_path / "new")


def test_what_changed_is_done_again_and_only_that(capsys, tmp_path):
    files = [sound(tmp_path / "in" / f"{i}.nii") for i in range(3)]
    run(capsys, "audit", tmp_path / "in", "-o", tmp_path / "out")
    before = (tmp_path / "out" / RECORDS).read_bytes().split(b"\n")
    broken(files[1])
    assert run(capsys, "audit", tmp_path / "in", "-o", tmp_path / "out").code == ExitCode.OK
    after = (tmp_path / "out" / RECORDS).read_bytes().split(b"\n")
    assert [a == b for a, b in zip(before, after, strict=True)] == [True, False, True, True]
    assert json.loads(after[1])["passed"] is False


def test_results_of_other_settings_or_inputs_are_not_replaced_by_accident(capsys, tmp_path):
    first, second = sound(tmp_path / "a.nii"), sound(tmp_path / "b.nii")
    out = tmp_path / "out"
    run(capsys, "audit", first, "-o", out)
    before = _contents(out)
    other = run(capsys, "audit", first, "-o", out, "--criteria", "camus-public")
    assert other.code == ExitCode.USAGE
    assert "results of other settings" in other.err
    third = run(capsys, "audit", second, "-o", out)
    assert third.code == ExitCode.USAGE
    assert "1 other inputs" in third.err
    assert _contents(out) == before
    assert run(capsys, "audit", second, "-o", out, "--overwrite").code == ExitCode.OK
    assert [row["source"] for row in _rows(out / "sequences.csv")] == [str(second)]


def test_a_folder_of_other_things_is_left_alone(capsys, tmp_path):
    source = sound(tmp_path / "a.nii")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("years of work")
    done = run(capsys, "audit", source, "-o", tmp_path / "out")
    assert done.code == ExitCode.USAGE
    assert "no folder of results" in done.err
    assert run(capsys, "audit", source, "-o", tmp_path / "out", "--overwrite").code == ExitCode.OK
    assert (tmp_path / "out" / "thesis.txt").read_text() == "years of work"


@pytest.mark.parametrize(("limit", "code"), [("34%", ExitCode.OK), ("0.33", ExitCode.GATE)])
def test_a_share_of_implausible_files_gates(capsys, tmp_path, limit, code):
    for i in range(3):
        (broken if i == 1 else sound)(tmp_path / "in" / f"{i}.nii")
    words = ("audit", tmp_path / "in", "--max-implausible", limit)
    assert run(capsys, *words).code == code
    assert run(capsys, *words, "-o", tmp_path / "out").code == code
    facts = json.loads((tmp_path / "out" / "run.json").read_text())
    assert facts["gates"]["met"] is (code is ExitCode.OK)
    merged = run(capsys, "report", tmp_path / "out", "--max-implausible", limit)
    assert merged.code == code


def test_junit_names_every_file_and_what_is_wrong_with_it(capsys, hearts, tmp_path):
    xml = tmp_path / "verdicts.xml"
    run(capsys, "audit", hearts, "-o", tmp_path / "out", "--junit", xml)
    cases = ElementTree.parse(xml).getroot().findall(".//testcase")
    assert len(cases) == N_FILES + 1
    failures = [case.find("failure") for case in cases if case.find("failure") is not None]
    assert [f.get("message") for f in failures] == ["1 of 5 frames implausible"] * 2 or all(
        "frame 2: camus lv_disconnected_area_mm2 FAIL 2.25 mm2" in str(f.text) for f in failures
    )
    (error,) = [case for case in cases if case.find("error") is not None]
    assert str(error.get("name")).endswith("torn.nii.gz")


def test_a_file_that_changes_while_it_is_read_is_an_error_of_its_own(
    capsys, tmp_path, monkeypatch
):
    from cardiovae.cli import auditing

    stable, unstable = sound(tmp_path / "a.nii"), sound(tmp_path / "b.nii")
    audited = auditing.Auditor._audited

    def and_somebody_writes(self, task, sha256):
        done = audited(self, task, sha256)
        if task.path == unstable:
            broken(unstable, n_frames=6)
        return done

    monkeypatch.setattr(auditing.Auditor, "_audited", and_somebody_writes)
    done = run(capsys, "audit", stable, unstable, "-o", tmp_path / "out")
    assert done.code == ExitCode.SOME_FAILED
    good, bad = _rows(tmp_path / "out" / "sequences.csv")
    assert (good["status"], bad["status"]) == ("ok", "error")
    assert "changed while it was read" in bad["error"]


@pytest.mark.parametrize("shard", ["0/3", "4/3", "a/b", "1", "1/0"])
def test_a_shard_that_is_none_is_refused(capsys, tmp_path, shard):
    words = ("audit", sound(tmp_path / "a.nii"), "-o", tmp_path / "out", "--shard", shard)
    done = run(capsys, *words)
    assert done.code == ExitCode.USAGE
    assert f"--shard {shard}" in done.err


def test_parts_are_put_together_only_when_all_are_there_and_belong_together(
    capsys, hearts, tmp_path
):
    for part in (1, 2):
        run(capsys, "audit", hearts, "-o", tmp_path / "out", "--shard", f"{part}/3")
    done = run(capsys, "report", tmp_path / "out")
    assert done.code == ExitCode.USAGE
    assert "without parts [3]" in done.err
    part = tmp_path / "out" / "shard-1-of-3"
    twice = run(capsys, "report", part, part, "-o", tmp_path / "merged")
    assert "which is in" in twice.err
    run(capsys, "audit", hearts, "-o", tmp_path / "other", "--temporal", "none")
    mixed = run(capsys, "report", part, tmp_path / "other", "-o", tmp_path / "merged")
    assert "has other settings" in mixed.err
    assert not (tmp_path / "merged").exists()


@pytest.mark.parametrize("engine", ["processes", "dask"])
def test_a_worker_that_is_killed_costs_nothing(capsys, tmp_path, engine):
    files = tmp_path / "many"
    for i in range(200):
        (broken if i % 7 == 0 else sound)(files / f"{i:03}.nii", n_frames=20)
    run(capsys, "audit", files, "-o", tmp_path / "serial", "--engine", "serial", "--no-report")
    words = [sys.executable, "-m", "cardiovae", "audit", str(files), "-o", str(tmp_path / "out")]
    options = ["--engine", engine, "-j", "2", "--no-report"]
    process = subprocess.Popen([*words, *options], stdout=subprocess.DEVNULL)
    journal = tmp_path / "out" / JOURNAL
    while not journal.exists() or not journal.stat().st_size:
        time.sleep(0.01)
    (worker, *_) = _workers(process.pid)  # none is left when the run is over already
    worker.kill()
    assert process.wait() == ExitCode.OK
    assert _contents(tmp_path / "out") == _contents(tmp_path / "serial")


def _workers(pid: int) -> list[psutil.Process]:
    """The processes at work for a run."""
    found = []
    for process in psutil.Process(pid).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            words = " ".join(process.cmdline())
            if "spawn_main" in words and not process.children():
                found.append(process)
    return found


def test_a_scheduler_that_runs_already_is_used_and_left_running(capsys, hearts, tmp_path):
    run(capsys, "audit", hearts, "-o", tmp_path / "serial", "--engine", "serial")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=":0"
    ) as cluster:
        address = cluster.scheduler_address
        words = ("audit", hearts, "-o", tmp_path / "out", "--scheduler", address)
        assert run(capsys, *words).code == ExitCode.SOME_FAILED
        assert len(cluster.scheduler.workers) == 2
    assert _contents(tmp_path / "out") == _contents(tmp_path / "serial")


def test_a_scheduler_that_does_not_answer_is_an_error_of_usage(capsys, hearts, tmp_path):
    words = ("audit", hearts, "-o", tmp_path / "out", "--scheduler", "tcp://127.0.0.1:9")
    done = run(capsys, *words)
    assert done.code == ExitCode.USAGE
    assert "no Dask scheduler answers there" in done.err


def test_a_review_decides_what_is_corrected(capsys, tmp_path):
    left, out_of_it, fixed, other = (broken(tmp_path / "in" / f"{c}.nii") for c in "abcd")
    sha256 = hashlib.sha256(fixed.read_bytes()).hexdigest()
    decisions = tmp_path / "decisions.csv"
    decisions.write_text(
        f"source,sha256,decision,note\n{left},,pass,an artifact\n{out_of_it},,fail,\n"
        f"{fixed},{sha256},fix,\n{other},{'0' * 64},fix,\n"
    )
    out = tmp_path / "out"
    words = ("correct", tmp_path / "in", "-o", out, "--decisions", decisions)
    done = run(capsys, *words, "--method", "largest-component", "--temporal", "none")
    assert done.code == ExitCode.SOME_FAILED
    assert "1 inputs are left out" in done.out
    assert f"{other}: changed since it was reviewed" in done.err
    assert (out / "a" / "labels.nii").read_bytes() == left.read_bytes()
    assert (out / "c" / "labels.nii").read_bytes() != fixed.read_bytes()
    assert not (out / "b").exists()
    assert not (out / "d").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("source,verdict\na,pass\n", "columns are source, decision"),
        (
            "source,decision\na,maybe\n",
            "line 2: a decision is one of pass, fail, fix, got 'maybe'",
        ),
        ("source,decision\na,fix\na,fail\n", "line 3: a is decided twice"),
    ],
)
def test_decisions_that_cannot_be_are_refused(capsys, tmp_path, text, message):
    (tmp_path / "decisions.csv").write_text(text)
    source = sound(tmp_path / "a.nii")
    words = ("correct", source, "-o", tmp_path / "out", "--method", "identity")
    done = run(capsys, *words, "--decisions", tmp_path / "decisions.csv")
    assert done.code == ExitCode.USAGE
    assert message in done.err
    assert not (tmp_path / "out").exists()


def test_a_correction_of_many_goes_on_where_it_was_stopped(capsys, tmp_path):
    for name in "abc":
        broken(tmp_path / "in" / f"{name}.nii")
    out = tmp_path / "out"
    words = ("correct", tmp_path / "in", "-o", out, "--method", "largest-component", "--json")
    assert len(run(capsys, *words).records) == 3
    before = _contents(out)
    (out / "b" / "labels.nii").unlink()
    assert [Path(r["source"]).name for r in run(capsys, *words).records] == ["b.nii"]
    assert _contents(out) == before
    rows = _rows(out / "sequences.csv")
    assert [row["n_invalid_frames"] for row in rows] == ["0", "0", "0"]


@pytest.mark.skipif(sys.platform != "linux", reason="limits the size of files as a shell does")
def test_a_full_disk_is_one_error_and_loses_nothing(capsys, tmp_path):
    files = [sound(tmp_path / "many" / f"{i:02}.nii") for i in range(40)]
    out = tmp_path / "out"
    words = ["audit", str(tmp_path / "many"), "-o", str(out), "--engine", "serial"]
    assert run(capsys, "audit", files[0], "-o", tmp_path / "one").code == ExitCode.OK
    size = (tmp_path / "one" / RECORDS).stat().st_size
    # No file may grow beyond some 20 records: writing fails in the middle of a line.
    limited = (
        f"ulimit -f {20 * size // 1024}; exec {sys.executable} -m cardiovae {' '.join(words)}"
    )
    done = subprocess.run(
        ["bash", "-c", f"{limited} --json"], capture_output=True, text=True, check=False
    )
    assert done.returncode == ExitCode.SOME_FAILED, done.stderr
    errors = [record for record in map(json.loads, done.stdout.splitlines()) if "error" in record]
    assert len(errors) == 1
    assert "free some space" in errors[0]["error"]
    kept = (out / JOURNAL).read_bytes().split(b"\n")
    assert kept.pop() == b""  # nothing torn is left
    assert 10 < len(kept) < 40
    assert errors[0]["source"] == str(files[len(kept)])
    os.utime(files[0], (1, 1))  # what is done is not looked at again but for its hash
    assert run(capsys, *words).code == ExitCode.OK
    assert (out / RECORDS).read_bytes().split(b"\n")[: len(kept)] == kept
    assert run(capsys, *words[:3], tmp_path / "new").code == ExitCode.OK
    assert _contents(out) == _contents(tmp_path / "new")


def test_what_a_file_beside_it_says_is_done_again_when_it_changes(capsys, tmp_path):
    folder = tmp_path / "predictions"
    for i in range(2):
        sound(folder / f"{i}.nii")
    (folder / "dataset.json").write_text('{"labels": {"LV": 1, "MYO": 2, "LA": 3}}')
    run(capsys, "audit", folder, "-o", tmp_path / "out")
    (folder / "dataset.json").write_text('{"labels": {"LV": 2, "MYO": 1, "LA": 3}}')
    run(capsys, "audit", folder, "-o", tmp_path / "out")
    run(capsys, "audit", folder, "-o", tmp_path / "new")
    assert _contents(tmp_path / "out") == _contents(tmp_path / "new")


def test_the_frame_rate_beside_a_file_is_read_again_when_it_changes(capsys, tmp_path):
    folder = tmp_path / "camus"
    sound(folder / "patient0001_4CH_half_sequence_gt.nii")
    for rate in ("50.0", "25.0"):
        (folder / "Info_4CH.cfg").write_text(f"FrameRate: {rate}\n")
        run(capsys, "audit", folder, "-o", tmp_path / "out")
    (row,) = _rows(tmp_path / "out" / "sequences.csv")
    assert row["frame_time_ms"] == "40.0"
