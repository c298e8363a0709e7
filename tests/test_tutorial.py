"""The tutorial does what it says: its commands, in its order, with its exit codes and answers."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest
from cli_cases import run

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"^```(sh|text)\n(.*?)^```", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"# exit code (\d+)")
MAKE_DEMO = "cardiovae demo -o out/demo --overwrite"


def blocks() -> list[tuple[str, list[str]]]:
    text = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
    return [(kind, body.splitlines()) for kind, body in BLOCK.findall(text)]


def test_make_demo_is_the_command_that_the_tutorial_names():
    assert f"$(BIN)/{MAKE_DEMO}\n" in (ROOT / "Makefile").read_text(encoding="utf-8")
    assert ("sh", [MAKE_DEMO]) in blocks()


@pytest.mark.slow
def test_every_command_of_the_tutorial_ends_and_answers_as_it_says(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    answer = ""
    for kind, lines in blocks():
        if kind == "text":
            assert [line for line in lines if line not in answer] == []
            continue
        for line in lines:
            program, *words = shlex.split(line, comments=True)
            if program == "cp":
                shutil.copy(*words)
            elif program == "cardiovae":
                done = run(capsys, *words)
                answer, told = done.out + done.err, CODE.search(line)
                assert done.code == (int(told.group(1)) if told else 0), line + "\n" + answer
            else:
                assert line == "make demo"
    results = ("labels.nii.gz", "report.html", "audit.json", "uncertainty.nii.gz")
    assert all((tmp_path / "corrected" / "seq" / name).is_file() for name in results)
