"""Damaged files of every format: an error that says so, never a crash, a hang or all the memory.

CARDIOVAE_FUZZ_CASES=20000 runs that many cases instead of what fits into some seconds, and
CARDIOVAE_FUZZ_SEED another series of them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from reader_fuzz import given_path, mutated, read_path, seeds

from cardiovae.io import load_sequence

CASES = os.environ.get("CARDIOVAE_FUZZ_CASES")
SEED = os.environ.get("CARDIOVAE_FUZZ_SEED", "0")
SECONDS = 10
EXTRA_MB = 1024
HERE = Path(__file__).parent


@pytest.mark.parametrize("name", sorted(seeds()))
def test_what_is_damaged_was_read_before(tmp_path, name):
    read_path(given_path(np.random.default_rng(0), tmp_path, name, seeds()[name]))


@pytest.mark.skipif(sys.platform != "linux", reason="limits the memory of a process")
def test_damage_is_always_an_error_that_says_so_within_little_memory():
    boxed = ["--cases", CASES] if CASES else ["--cases", "5000", "--seconds", str(SECONDS)]
    words = [*boxed, "--seed", SEED, "--extra-mb", str(EXTRA_MB)]
    done = subprocess.run(
        [sys.executable, HERE / "reader_fuzz.py", *words],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["failures"] == []
    assert found["cases"] == int(CASES) if CASES else found["cases"] > 100
    assert found["read"] > 0  # damage that nothing notices: the labels are still labels
    assert found["refused"] > found["read"]


def test_the_same_seed_gives_the_same_cases():
    content = seeds()["a.nii"]
    first, second = (mutated(np.random.default_rng(3), "a.nii", content) for _ in range(2))
    assert first == second != content


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="needs a device that never ends")
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.mha", "a.npy", "a.png", "a.dcm"])
def test_a_link_to_a_device_that_never_ends_is_notread_path(tmp_path, name):
    (tmp_path / name).symlink_to("/dev/zero")
    with pytest.raises(ValueError, match="is a pipe or a device"):
        load_sequence(tmp_path / name)
