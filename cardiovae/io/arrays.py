"""Label maps in numpy files (.npy, .npz). Nothing is ever unpickled.

**Axes.** An array does not say what its axes mean. (H, W) and (H, W, T) are taken, as everywhere
in the package: rows, columns, frames. (T, H, W) is as common elsewhere, so an array that looks
like it is refused rather than guessed at (`_looks_frames_first`); an `.npz` may say which with a
string `axes`, "HWT" or "THW".

**What is taken from an .npz.** The array `labels`; without one the only two- or three-dimensional
array of whole numbers. `spacing_mm` (row, col) and `frame_time_ms` are optional.

**Writing.** The same array name, number type, order of axes and order in memory. Of an `.npz` only
the arrays named here are written.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiovae.errors import FileError
from cardiovae.io.atomic import write_bytes
from cardiovae.io.content import file_bytes, positive, whole_labels
from cardiovae.io.npy import AXES, FRAME_TIME, LABELS, SPACING, from_zip, npy_array, npy_head

SUFFIXES = (".npy", ".npz")


@dataclass(frozen=True)
class ArrayTemplate:
    """What a numpy file says besides its pixels, and all it takes to write another like it.

    Args:
        member: Name of the array within an `.npz`; None for an `.npy`.
        axes: Order of the stored axes: "HW", "HWT" or "THW".
        says_axes: Whether the file says so itself.
        compressed: Whether the array is compressed.
        fortran: Whether the first axis is the fastest in memory.
        dtype: Number type of the pixels, with its byte order.
        shape: (X, Y) or (X, Y, T), that is columns, rows, frames.
        spacing_mm: (row, col); None = unknown.
        frame_time_ms: Time between frames in ms; None = unknown.
        notes: What a reader of the figures should know about axes, spacing and time.
    """

    member: str | None
    axes: str
    says_axes: bool
    compressed: bool
    fortran: bool
    dtype: np.dtype[np.generic]
    shape: tuple[int, ...]
    spacing_mm: tuple[float, float] | None
    frame_time_ms: float | None
    notes: tuple[str, ...]


def new_template(
    labels: NDArray[np.uint8],
    spacing_mm: tuple[float, float] | None,
    frame_time_ms: float | None,
) -> ArrayTemplate:
    """The template of a compressed `.npz` for label maps (H, W, T) that come from elsewhere."""
    h, w, t = labels.shape
    shape, dtype = (w, h, t), np.dtype(np.uint8)
    return ArrayTemplate(
        LABELS, "HWT", True, True, False, dtype, shape, spacing_mm, frame_time_ms, ()
    )


def read(path: Path) -> tuple[NDArray[np.uint8], ArrayTemplate]:
    """Label values of a numpy file, shape (H, W, T), and its template.

    Raises:
        FileError: Absent, empty, damaged, with no array or several that could be meant, or of a
            shape or type that is no label map.
        LabelError: Values that are no labels: NaN, fractions, below 0 or above 255.
    """
    content = file_bytes(path)
    if path.name.lower().endswith(".npy"):
        facts: Mapping[str, NDArray[Any]] = {}
        member, compressed, array = None, False, npy_array(content, path)
    else:
        member, compressed, array, facts = from_zip(content, path)
    if array.dtype.kind not in "biuf":
        raise FileError(f"{path}: its array holds {array.dtype}, no label values; save uint8")
    stated = str(facts[AXES]) if AXES in facts else None
    axes = _axes(array.shape, stated, path)
    sequence = np.moveaxis(array, 0, 2) if axes == "THW" else array.reshape(*array.shape[:2], -1)
    h, w, t = sequence.shape
    spacing, step, notes = _geometry(facts)
    if array.ndim == 3 and stated is None:
        taken = f"axes taken as rows {h}, columns {w}, frames {t}: the file does not name them"
        notes = (taken, *notes)
    fortran = array.flags.f_contiguous and not array.flags.c_contiguous
    return whole_labels(sequence, path), ArrayTemplate(
        member,
        axes,
        stated is not None,
        compressed,
        fortran,
        array.dtype,
        (w, h, t) if array.ndim == 3 else (w, h),
        spacing,
        step,
        notes,
    )


def write_labels(
    path: Path, values: NDArray[np.uint8], template: ArrayTemplate, *, overwrite: bool = False
) -> None:
    """Write label values, shape (H, W, T), in the layout and number type of `template`.

    Raises:
        FileError: The file exists, cannot be written, or its number type cannot hold a value.
    """
    stored: NDArray[Any] = values[:, :, 0] if template.axes == "HW" else values
    stored = np.moveaxis(stored, 2, 0) if template.axes == "THW" else stored
    typed = stored.astype(template.dtype, order="F" if template.fortran else "C")
    if (typed.astype(np.uint8) != stored).any():
        raise FileError(
            f"{path}: numbers of type {template.dtype} cannot hold the label value "
            f"{int(values.max())}; convert the input to uint8 first"
        )
    buffer = io.BytesIO()
    if template.member is None:
        np.save(buffer, typed, allow_pickle=False)
    else:
        arrays: dict[str, Any] = {template.member: typed}
        if template.spacing_mm is not None:
            arrays[SPACING] = np.array(template.spacing_mm)
        if template.frame_time_ms is not None:
            arrays[FRAME_TIME] = np.array(template.frame_time_ms)
        if template.says_axes:
            arrays[AXES] = np.array(template.axes)
        save = np.savez_compressed if template.compressed else np.savez
        save(buffer, allow_pickle=False, **arrays)
    write_bytes(path, buffer.getvalue(), overwrite=overwrite)


def header_bytes(path: Path) -> bytes:
    """The bytes before the numbers of an `.npy` file, for comparing headers.

    Raises:
        FileError: Absent, empty, damaged, or an `.npz`, which is an archive.
    """
    if path.name.lower().endswith(".npz"):
        raise FileError(f"{path}: an archive of arrays has no header of its own; compare arrays")
    content = file_bytes(path)
    return content[: npy_head(content, path).size]


def _axes(shape: tuple[int, ...], stated: str | None, path: Path) -> str:
    """Order of the axes: as the file says, or the package's own."""
    if len(shape) == 2 and min(shape) > 0:
        return "HW"
    if len(shape) != 3 or min(shape) < 1:
        raise FileError(
            f"{path}: a label map has shape (H, W) or (H, W, T); this array has {shape}; save one "
            "channel of one view"
        )
    if stated in ("HWT", "THW"):
        return stated
    if stated is not None:
        raise FileError(f"{path}: its axes are HWT or THW, got {stated!r}; correct '{AXES}'")
    if _looks_frames_first(shape):
        raise FileError(
            f"{path}: an array is read as (H, W, T); this one, {shape}, looks like (T, H, W); "
            f"save np.moveaxis(array, 0, 2), or an .npz with {AXES}='THW' (or 'HWT') beside it"
        )
    return "HWT"


def _looks_frames_first(shape: tuple[int, ...]) -> bool:
    """Whether an array is (T, H, W) by all appearance.

    The last two axes are equal and the first is not: square frames. Or the first is less than
    half of each of the others: no sector is that flat, and no cine that long.
    """
    first, second, third = shape
    return second == third != first or 2 * first < min(second, third)


def _geometry(
    facts: Mapping[str, NDArray[Any]],
) -> tuple[tuple[float, float] | None, float | None, tuple[str, ...]]:
    """Spacing, frame time and notes, from the arrays that say so."""
    notes = []
    spacing, step = None, None
    if SPACING in facts:
        row, col = (_numbers(facts[SPACING]) * 2)[:2] or (0.0, 0.0)
        spacing = (row, col) if positive(row, col) else None
        if spacing is None:
            notes.append(f"spacing unknown: {SPACING} is {facts[SPACING].tolist()}")
    if FRAME_TIME in facts:
        step = (_numbers(facts[FRAME_TIME]) or [0.0])[0]
        if not positive(step):
            notes.append(f"frame time unknown: {FRAME_TIME} is {facts[FRAME_TIME].tolist()}")
            step = None
    return spacing, step, tuple(notes)


def _numbers(array: NDArray[Any]) -> list[float]:
    """Its numbers; none where it holds text."""
    return [float(n) for n in array.ravel()] if array.dtype.kind in "iuf" else []
