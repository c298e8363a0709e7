"""The notes for other projects are true: each program prints what its page says."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGES = sorted((Path(__file__).resolve().parent.parent / "docs" / "upstream").glob("monai-*.md"))
TOLD = re.compile(r"```python\n(.*?)```\n\nIt prints\n\n```text\n(.*?)```", re.DOTALL)
STATED = {"monai": "1.6.1", "skimage": "0.26.0"}
"""Versions the notes speak of; of others they say nothing."""

RUN_ALL = """
import json, sys, warnings
from contextlib import redirect_stdout
from io import StringIO
warnings.simplefilter("ignore")
import monai, skimage
answers = []
for program in json.load(sys.stdin):
    with redirect_stdout(StringIO()) as said:
        exec(program, {})
    answers.append(said.getvalue())
print(json.dumps([{"monai": monai.__version__, "skimage": skimage.__version__}, answers]))
"""


@pytest.mark.slow
def test_every_note_prints_what_it_says():
    told = [TOLD.findall(page.read_text(encoding="utf-8")) for page in PAGES]
    assert [len(found) for found in told] == [1] * len(PAGES)
    assert PAGES
    done = subprocess.run(
        [sys.executable, "-c", RUN_ALL],
        input=json.dumps([program for ((program, _),) in told]),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    versions, answers = json.loads(done.stdout.splitlines()[-1])
    if versions != STATED:
        pytest.skip(f"the notes speak of {STATED}, here are {versions}")
    for page, ((_, expected),), answer in zip(PAGES, told, answers, strict=True):
        assert answer == expected, page.name
