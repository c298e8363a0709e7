"""Every format through the real command line, and paths on standard input."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from audit_cases import heart
from cli_cases import run, sound
from PIL import Image

from cardiovae.cli.exits import ExitCode

SOUND = np.repeat(heart()[:, :, None], 3, axis=2)
BROKEN = SOUND.copy()
BROKEN[2:5, 2:5, 1] = 1
COLORS = bytes([0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255])


def frames(folder: Path, labels: np.ndarray, start: str = "frame_") -> Path:
    """A folder of PNG files with a palette."""
    folder.mkdir(parents=True)
    for t in range(labels.shape[2]):
        image = Image.fromarray(labels[:, :, t])
        image.putpalette(COLORS)
        image.save(folder / f"{start}{t}.png")
    return folder


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        assert image.mode == "P"
        return np.asarray(image)


class Pipe:
    """Standard input that was piped into."""

    def __init__(self, content: bytes) -> None:
        self.buffer = io.BytesIO(content)


def test_arrays_and_folders_of_png_are_audited(capsys, tmp_path):
    np.save(tmp_path / "a.npy", SOUND)
    np.savez(tmp_path / "b.npz", labels=BROKEN, spacing_mm=[0.5, 0.5])
    frames(tmp_path / "c", SOUND)
    done = run(capsys, "audit", tmp_path, "--spacing", "0.5", "--json")
    assert done.code == ExitCode.OK
    assert done.err.startswith(f"note: {tmp_path}: numbered PNG files read as 1 sequence; ")
    assert [(Path(r["source"]).name, r["passed"]) for r in done.records] == [
        ("a.npy", True),
        ("b.npz", False),
        ("c", True),
    ]


def test_correcting_a_folder_of_png_gives_a_folder_of_png(capsys, tmp_path):
    frames(tmp_path / "in" / "p1", BROKEN)
    words = ("--method", "largest-component", "--spacing", "0.5", "-o", tmp_path / "out")
    done = run(capsys, "correct", tmp_path / "in", *words)
    assert done.code == ExitCode.OK
    out = tmp_path / "out" / "p1"
    assert sorted(p.name for p in out.iterdir()) == ["audit.json", "labels", "report.html"]
    for t in range(3):
        assert (pixels(out / "labels" / f"frame_{t}.png") == SOUND[:, :, t]).all()
    again = run(capsys, "correct", tmp_path / "in", *words)
    assert again.code == ExitCode.SOME_FAILED
    assert "labels: exists already" in again.err
    assert run(capsys, "correct", tmp_path / "in", *words, "--overwrite").code == ExitCode.OK
    results = run(capsys, "audit", tmp_path / "out", "--spacing", "0.5", "--json")
    assert [(r["source"], r["passed"]) for r in results.records] == [(str(out / "labels"), True)]
    assert run(capsys, "correct", tmp_path / "out", *words).code == ExitCode.NOTHING_MATCHED
    named = run(capsys, "correct", out / "labels", *words, "--dry-run")
    assert named.code == ExitCode.OK


def test_correcting_an_npz_gives_an_npz_and_a_single_png_a_png(capsys, tmp_path):
    np.savez(tmp_path / "a.npz", labels=BROKEN, spacing_mm=[0.5, 0.5], axes="HWT")
    island = frames(tmp_path / "in", BROKEN[:, :, 1:2]) / "frame_0.png"
    words = ("--method", "largest-component", "--no-report", "-o", tmp_path / "out")
    assert run(capsys, "correct", tmp_path / "a.npz", *words).code == ExitCode.OK
    with np.load(tmp_path / "out" / "a" / "labels.npz") as written:
        assert (written["labels"] == SOUND).all()
        assert written["spacing_mm"].tolist() == [0.5, 0.5]
    run(capsys, "correct", island, "--spacing", "0.5", *words)
    assert (pixels(tmp_path / "out" / "frame_0" / "labels.png") == heart()).all()
    run(capsys, "correct", island, *words[:3], "-o", tmp_path / "one.png")
    assert (pixels(tmp_path / "one.png") == heart()).all()


@pytest.mark.parametrize("separator", [b"\n", b"\r\n", b"\0"])
def test_paths_come_from_standard_input(capsys, tmp_path, monkeypatch, separator):
    paths = [sound(tmp_path / name) for name in ("a b.nii", "c.nii.gz")]
    named = separator.join(str(path).encode() for path in (*paths, tmp_path / "absent.nii"))
    monkeypatch.setattr(sys, "stdin", Pipe(named + separator))
    done = run(capsys, "audit", "-", "--json")
    assert done.code == ExitCode.SOME_FAILED
    assert [r["source"] for r in done.records if "error" not in r] == [str(p) for p in paths]
    assert f"{tmp_path}/absent.nii: does not exist" in done.err


def test_nothing_on_standard_input_is_nothing_matched(capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", Pipe(b"\n"))
    done = run(capsys, "audit", "-")
    assert done.code == ExitCode.NOTHING_MATCHED
    assert "standard input names no file" in done.err


def test_a_pipe_from_another_program_works(tmp_path):
    path = sound(tmp_path / "a.nii")
    done = subprocess.run(
        [sys.executable, "-m", "cardiovae", "audit", "-"],
        input=f"{path}\n",
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{path}: all 5 frames valid")


def test_a_file_is_read_whole_or_refused_by_name(capsys, tmp_path):
    nib.Nifti1Image(np.zeros((2, 2), np.uint8), np.eye(4)).to_filename(tmp_path / "a.nii")
    huge = bytearray((tmp_path / "a.nii").read_bytes())
    huge[40:48] = np.array([3, 32000, 32000, 32000], "<i2").tobytes()
    (tmp_path / "a.nii").write_bytes(huge)
    done = run(capsys, "audit", tmp_path / "a.nii")
    assert done.code == ExitCode.SOME_FAILED
    assert "claims 32000 x 32000 x 32000 pixels" in done.err
