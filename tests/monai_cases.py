"""Label maps as pipelines of MONAI hold them, for the tests of `cardiovae.monai`."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import nibabel
import numpy as np
import torch
from monai.data import MetaTensor
from numpy.typing import NDArray

from cardiovae.phantom.corruption import corrupt_sequence
from cardiovae.phantom.heart import draw_heart, draw_parameters
from cardiovae.sequence import EchoSequence

SPACING_MM = (1.2, 1.0)  # rows, columns: told apart wherever they are mixed up


@cache
def sound(n_frames: int = 3, seed: int = 17) -> EchoSequence:
    """A small drawn heart that beats."""
    heart = draw_parameters(np.random.default_rng(seed), "A4C")
    return draw_heart(heart, n_frames=n_frames, cycle="half", spacing_mm=SPACING_MM).sequence


@cache
def broken(n_frames: int = 3) -> EchoSequence:
    """The same with an island of LV in its middle frame."""
    sequence = sound(n_frames)
    labels = sequence.labels.copy()
    labels[2:8, 2:8, n_frames // 2] = 1
    return sequence.with_labels(labels)


@cache
def corrupted(n_frames: int = 6) -> EchoSequence:
    """The same with the errors of a network."""
    rng = np.random.default_rng(3)
    return corrupt_sequence(sound(n_frames), severity=0.3, rng=rng)[0]


def stored(sequence: EchoSequence) -> NDArray[np.uint8]:
    """As a NIfTI file holds it, shape (X, Y, T)."""
    return np.ascontiguousarray(sequence.labels.transpose(1, 0, 2))


def affine(spacing_mm: tuple[float, float] = SPACING_MM) -> NDArray[np.float64]:
    """That of CAMUS and Echo-Toolkit: both axes of the frame run backward (LPS)."""
    row, col = spacing_mm
    return np.diag([-col, -row, 1.0, 1.0])


def meta_tensor(sequence: EchoSequence, *, dtype: torch.dtype = torch.float32) -> MetaTensor:
    """(1, X, Y, T) with a real affine."""
    values = torch.from_numpy(stored(sequence)[None]).to(dtype)
    return MetaTensor(values, affine=torch.from_numpy(affine()))


def nifti(path: Path, sequence: EchoSequence) -> Path:
    """A file, with millimeters as its unit."""
    image = nibabel.Nifti1Image(stored(sequence), affine())
    image.header.set_xyzt_units("mm")
    nibabel.save(image, path)
    return path
