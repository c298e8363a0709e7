"""Drawn short-axis slices and stacks."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from cardiovae.labels import ACDC, SHORT_AXIS, Label
from cardiovae.sequence import EchoSequence

SPACING = (1.5, 1.5)


def healthy(
    height: int = 64, width: int = 72, *, size: float = 1.0, rv: bool = True, lv: bool = True
) -> NDArray[np.uint8]:
    """A ring of MYO around a round LV, with a crescent of RV at its left."""
    y, x = np.mgrid[0:height, 0:width]
    y, x = y - height / 2, x - 0.6 * width
    labels = np.zeros((height, width), np.uint8)
    if rv:
        labels[np.hypot(y, (x + 14 * size) / 1.1) < 14 * size] = Label.RV
    labels[np.hypot(y, x) < 14 * size] = Label.MYO
    if lv:
        labels[np.hypot(y, x) < 9 * size] = Label.LV
    return labels


def stack(n: int = 6, *, top: float = 1.1) -> EchoSequence:
    """A healthy stack that narrows to the apex, whose last slice has neither LV nor RV."""
    sizes = np.linspace(top, 0.4, n)
    slices = [healthy(size=s, rv=k < n - 1, lv=k < n - 1) for k, s in enumerate(sizes)]
    return EchoSequence(np.stack(slices, axis=2), SPACING, SHORT_AXIS, view="SAX", source="drawn")


def write_stack(path: Path, labels: NDArray[np.uint8], *, thickness_mm: float = 10.0) -> Path:
    """A NIfTI file (X, Y, Z) as ACDC has them, with an affine that says where it lies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    values = ACDC.to_values(labels).transpose(1, 0, 2)
    row_mm, col_mm = SPACING
    affine = np.array(
        [
            [-0.6 * col_mm, 0.8 * row_mm, 0.0, 90.0],
            [0.8 * col_mm, 0.6 * row_mm, 0.0, -40.0],
            [0.0, 0.0, -thickness_mm, 60.0],
            [0.0, 0.0, 0.0, 1.0],
        ]
    )
    image = nib.Nifti1Image(values, affine)
    image.set_qform(affine, 1)
    image.set_sform(affine, 2)
    image.header.set_xyzt_units("mm", "sec")
    image.to_filename(path)
    return path
