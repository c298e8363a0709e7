"""Files for the tests of the command line, and a way to run it."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any, NamedTuple

import nibabel as nib
import numpy as np
from audit_cases import heart

from cardiovae.cli import main

ISLAND_MM2 = 9 * 0.5 * 0.5  # 3 x 3 pixels of 0.5 mm


class Run(NamedTuple):
    """What came of one command."""

    code: int
    out: str
    err: str

    @property
    def records(self) -> list[dict[str, Any]]:
        """Standard output, read as one strictly valid JSON object per line."""
        return [json.loads(line, parse_constant=_refuse) for line in self.out.splitlines()]


def _refuse(name: str) -> None:
    raise AssertionError(f"{name} is no JSON")


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self):
        return True


def run(capsys, *words: object) -> Run:
    """Run the command line in this process."""
    code = main([str(word) for word in words])
    out, err = capsys.readouterr()
    return Run(code, out, err)


def write(path: Path, labels: np.ndarray, spacing_mm: tuple[float, float] | None) -> Path:
    """A NIfTI file (X, Y, T) of label maps (H, W, T)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    row, col = spacing_mm or (1.0, 1.0)
    image = nib.Nifti1Image(labels.transpose(1, 0, 2), np.diag([col, row, 1.0, 1.0]))
    image.header.set_xyzt_units("mm" if spacing_mm else "unknown")
    image.to_filename(path)
    return path


def sound(path: Path, n_frames: int = 5, spacing_mm: tuple[float, float] | None = (0.5, 0.5)):
    """A sound heart that does not move."""
    return write(path, np.repeat(heart()[:, :, None], n_frames, axis=2), spacing_mm)


def broken(path: Path, n_frames: int = 5, spacing_mm: tuple[float, float] | None = (0.5, 0.5)):
    """The same with an island of LV, 3 x 3 pixels, in frame 2."""
    labels = np.repeat(heart()[:, :, None], n_frames, axis=2)
    labels[2:5, 2:5, 2] = 1
    return write(path, labels, spacing_mm)


def truncated(path: Path) -> Path:
    """A file whose second half was lost."""
    content = sound(path).read_bytes()
    path.write_bytes(content[: len(content) // 2])
    return path
