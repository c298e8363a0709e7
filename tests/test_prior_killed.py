"""`kill -9` at any moment of a training, and the same training again: the same prior."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cardiovae.errors import FileError
from cardiovae.prior.run import CHECKPOINT, train_prior

ROOT = Path(__file__).resolve().parent.parent
SETTINGS = (
    "train.n_steps=12",
    "train.validate_every=5",
    "train.checkpoint_every=1",
    "train.patience=2",
    "train.batch_size=2",
    "data.spacing_mm=[2.0, 2.0]",
    "data.n_phantoms=10",
)


def started(output) -> subprocess.Popen[bytes]:
    words = [word for setting in SETTINGS for word in ("--set", setting)]
    paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    verb = ("cardiovae", "train", "--config", "tiny", "--device", "cpu")
    return subprocess.Popen(
        [sys.executable, "-m", *verb, "-o", str(output), *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
    )


def killed_when(running: subprocess.Popen[bytes], moment) -> int:
    """Kill -9 as soon as `moment()`, if it comes before the end; the exit code."""
    while running.poll() is None and not moment():
        time.sleep(0.003)  # a checkpoint takes several times as long to write
    running.send_signal(signal.SIGKILL)
    return running.wait()


def is_writing(output) -> bool:
    """Whether a checkpoint is being written: it is in its hidden folder."""
    return any(output.glob(f".cardiovae-*/{CHECKPOINT}"))


def is_being_finished(output) -> bool:
    """Whether the prior is being written, its last file not yet."""
    return (output / "config.yaml").exists() and not (output / "provenance.json").exists()


@pytest.mark.slow
def test_a_training_that_is_killed_at_any_moment_goes_on_and_ends_the_same(tmp_path):
    alone = train_prior("tiny", None, tmp_path / "unbroken", overrides=SETTINGS, device="cpu")
    output = tmp_path / "broken"
    assert killed_when(started(output), lambda: is_writing(output)) == -signal.SIGKILL
    running = started(output)
    seen = time.monotonic()

    def a_while_after_the_next_checkpoint() -> bool:
        nonlocal seen
        if not (output / CHECKPOINT).exists() or is_writing(output):
            seen = time.monotonic()
        return time.monotonic() > seen + 0.01

    killed_when(running, a_while_after_the_next_checkpoint)
    killed_when(started(output), lambda: is_being_finished(output))
    if not (output / "provenance.json").exists():
        assert (output / CHECKPOINT).exists()
        assert started(output).wait() == 0
    names = {path.name for path in output.iterdir()} - {CHECKPOINT}
    assert names == {path.name for path in alone.folder.iterdir()}
    for name in ("weights.safetensors", "latent.npz", "provenance.json"):
        assert (output / name).read_bytes() == (alone.folder / name).read_bytes(), name


def test_files_of_others_are_refused_before_any_work_and_those_of_a_killed_run_are_not(tmp_path):
    quick = (*SETTINGS, "train.n_steps=1")
    output = tmp_path / "mine"
    output.mkdir()
    (output / "config.yaml").write_text("notes of a person")
    with pytest.raises(FileError, match=r"config\.yaml: exists already"):
        train_prior("tiny", None, output, overrides=quick)
    assert (output / "config.yaml").read_text() == "notes of a person"
    (output / CHECKPOINT).write_bytes(b"beside it, the file is a killed run's")
    assert train_prior("tiny", None, output, overrides=quick, resume=False).name == "tiny"
