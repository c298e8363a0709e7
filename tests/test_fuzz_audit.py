"""Damaged files of every format in one run of the command line: a record each, and no bug.

CARDIOVAE_FUZZ_CASES=5000 audits that many instead of a few, CARDIOVAE_FUZZ_SEED another series.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

CASES = int(os.environ.get("CARDIOVAE_FUZZ_CASES", "150"))
SEED = os.environ.get("CARDIOVAE_FUZZ_SEED", "0")


def test_a_run_over_damaged_files_ends_with_a_record_for_each_and_no_bug():
    script = Path(__file__).parent / "audit_fuzz.py"
    done = subprocess.run(
        [sys.executable, script, "--cases", str(CASES), "--seed", SEED],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["internal"] == []
    assert found["tracebacks"] == 0
    assert (found["code"], found["report"]) == (4, True)
    assert found["records"] >= CASES * 0.95  # a folder of frames without one is no input
    assert found["audited"] > 0
    assert found["refused"] > found["audited"]
