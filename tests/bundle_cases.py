"""Cines with time in their header, and bundles run in this process."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

import nibabel
import numpy as np
from monai.bundle import run
from monai.utils import set_determinism
from numpy.typing import NDArray

FRAME_S = 0.02


def cine(path: Path, frames: NDArray[np.uint8], spacing_mm: tuple[float, float]) -> Path:
    """A NIfTI file (X, Y, 1, T) of frames (H, W, T), 20 ms between them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    row, col = spacing_mm
    stored = np.ascontiguousarray(frames.transpose(1, 0, 2)[:, :, None])
    image = nibabel.Nifti1Image(stored, np.diag([-col, -row, 1.0, 1.0]))
    image.header.set_zooms((col, row, 1.0, FRAME_S))
    image.header.set_xyzt_units("mm", "sec")
    nibabel.save(image, path)
    return path


def pixels(path: Path) -> NDArray[np.uint8]:
    """Frames (H, W, T) of a NIfTI file, by nibabel."""
    return np.asarray(nibabel.load(path).dataobj)[:, :, 0].transpose(1, 0, 2)


@contextlib.contextmanager
def as_before():
    """Undo what a bundle does to this process: its folder on the path, and seeds."""
    path = list(sys.path)
    try:
        yield
    finally:
        sys.path[:] = path
        set_determinism(None)


def run_bundle(bundle: Path, *configs: str, **overrides: object) -> None:
    """`python -m monai.bundle run`, in this process, on the CPU, logging as it is."""
    with as_before():
        run(
            config_file=[str(bundle / "configs" / f"{name}.yaml") for name in configs],
            meta_file=str(bundle / "configs" / "metadata.json"),
            logging_file=False,
            bundle_root=str(bundle),
            device="cpu",
            **overrides,
        )
