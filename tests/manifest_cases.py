"""A small data set whose label maps are all different."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from audit_cases import heart
from cli_cases import write
from PIL import Image


def label_map(
    path: Path,
    number: int = 0,
    n_frames: int = 2,
    spacing_mm: tuple[float, float] | None = (0.5, 0.25),
) -> Path:
    """A heart with a mark of its own, so that no two numbers give the same bytes."""
    labels = np.repeat(heart()[:, :, None], n_frames, axis=2)
    labels[0, number, 0] = 1
    return write(path, labels, spacing_mm)


def frames(folder: Path, name: str, n_frames: int = 3) -> list[Path]:
    """The same heart as numbered PNG files, `name` before the number."""
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"{name}{t}.png" for t in range(n_frames)]
    for t, file in enumerate(files):
        labels = heart()
        labels[0, t] = 1
        Image.fromarray(labels).save(file)
    return files


def cohort(folder: Path, n_patients: int = 3) -> Path:
    """Patients with both views each, in a folder per patient, named as in CAMUS."""
    for number in range(n_patients):
        for view in (2, 4):
            name = f"patient{number:04d}/patient{number:04d}_{view}CH_ED_gt.nii.gz"
            label_map(folder / name, 2 * number + view // 4)
    return folder
