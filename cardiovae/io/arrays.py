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
import warnings
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiovae.errors import FileError
from cardiovae.io.atomic import write_bytes
from cardiovae.io.content import file_bytes, positive, whole_labels
from cardiovae.io.limits import require_pixels

SUFFIXES = (".npy", ".npz")
LABELS, SPACING, FRAME_TIME, AXES = "labels", "spacing_mm", "frame_time_ms", "axes"

_MAX_HEADER = 10_000  # numpy's own limit for a header that it evaluates
_MAX_MEMBERS = 1000
_READABLE = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# What numpy and zipfile raise on damaged files; zlib.error for damaged members, RuntimeError for
# encrypted ones, the others from the Python literal that a header is.
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OSError,
    RuntimeError,
    ValueError,
    TypeError,
    SyntaxError,
    KeyError,
    IndexError,
    OverflowError,
    MemoryError,
    AttributeError,
)


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


@dataclass(frozen=True)
class _Head:
    """What the header of one array says, and how many bytes it takes."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[np.generic]
    size: int

    @property
    def whole(self) -> int:
        """Bytes of header and numbers together."""
        return self.size + prod(self.shape) * self.dtype.itemsize


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
        member, compressed, array = None, False, _array(content, path)
    else:
        member, compressed, array, facts = _from_zip(content, path)
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
    return content[: _head(content, path).size]


def _from_zip(
    content: bytes, path: Path
) -> tuple[str, bool, NDArray[Any], dict[str, NDArray[Any]]]:
    """Name of the array of labels, whether it is compressed, itself, and what is said about it."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            infos = {i.filename.removesuffix(".npy"): i for i in archive.infolist()[:_MAX_MEMBERS]}
            odd = [name for name, i in infos.items() if i.compress_type not in _READABLE]
            if odd:
                raise FileError(
                    f"{path}: {odd[0]!r} is compressed as numpy never does; save again"
                )
            heads = {name: _member_head(archive, i, path) for name, i in infos.items()}
            name = _chosen({n: head for n, head in heads.items() if head is not None}, path)
            facts = {
                key: _member(archive, infos[key], path)
                for key in (SPACING, FRAME_TIME, AXES)
                if (head := heads.get(key)) is not None and prod(head.shape) <= 2
            }
            array = _member(archive, infos[name], path)
    except FileError:
        raise
    except _DAMAGE as error:
        raise _damaged(path, error) from error
    return name, infos[name].compress_type == zipfile.ZIP_DEFLATED, array, facts


def _chosen(heads: Mapping[str, _Head], path: Path) -> str:
    """The name of the array of labels."""
    if LABELS in heads:
        return LABELS
    flat = {n: h for n, h in heads.items() if len(h.shape) in (2, 3) and n != SPACING}
    found = [n for n, h in flat.items() if h.dtype.kind in "biu"]
    found = found or [n for n, h in flat.items() if h.dtype.kind == "f"]
    if len(found) != 1:
        known = ", ".join(f"{n} {h.shape} {h.dtype}" for n, h in heads.items()) or "no array"
        raise FileError(
            f"{path}: an .npz holds its label map as '{LABELS}', or has a single array that could "
            f"be one; this one has {known}; save the label map as '{LABELS}'"
        )
    return found[0]


def _member_head(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path) -> _Head | None:
    """The header of one member; None for one that is no array."""
    if not info.filename.endswith(".npy"):
        return None
    with archive.open(info) as stream:
        return _head(stream.read(_MAX_HEADER + 16), path)


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path) -> NDArray[Any]:
    """One array; of its member no more is unpacked than its header asks for."""
    with archive.open(info) as stream:
        start = stream.read(_MAX_HEADER + 16)
        head = _head(start, path)
        require_pixels(head.shape, path)
        # One byte more than expected: at the end of a member zipfile compares its checksum.
        rest = stream.read(max(1, head.whole + 1 - len(start)))
    return _array(start + rest, path)


def _array(content: bytes, path: Path) -> NDArray[Any]:
    """The array in the bytes of an `.npy` file, read-only."""
    head = _head(content, path)
    require_pixels(head.shape, path)
    if head.dtype.kind not in "biufU":
        reason = "objects, which only pickle could read" if head.dtype.hasobject else "no numbers"
        raise FileError(f"{path}: holds {head.dtype}: {reason}; save the label map as uint8")
    if len(content) < head.whole:
        raise FileError(
            f"{path}: is cut short: its header promises {head.whole - head.size} bytes of "
            f"numbers, {len(content) - head.size} are there; copy or save it again"
        )
    flat = np.frombuffer(content, head.dtype, prod(head.shape), head.size)
    return flat.reshape(head.shape, order="F" if head.fortran else "C")


def _head(content: bytes, path: Path) -> _Head:
    """The header of an `.npy` file.

    Raises:
        FileError: It is none.
    """
    stream = io.BytesIO(content)
    try:
        version = np.lib.format.read_magic(stream)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # "created on Python 2": harmless
            if version == (1, 0):
                header = np.lib.format.read_array_header_1_0(stream, _MAX_HEADER)
            elif version == (2, 0):
                header = np.lib.format.read_array_header_2_0(stream, _MAX_HEADER)
            else:
                raise FileError(f"{path}: has the unknown .npy version {version}; save it again")
    except FileError:
        raise
    except _DAMAGE as error:
        raise _damaged(path, error) from error
    shape, fortran, dtype = header
    if min(shape, default=1) < 0 or (dtype.itemsize == 0 and dtype.kind != "U"):
        raise FileError(f"{path}: its header states {dtype} of shape {shape}; save it again")
    return _Head(shape, fortran, dtype, stream.tell())


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


def _damaged(path: Path, error: Exception) -> FileError:
    return FileError(
        f"{path}: is no numpy file, or is damaged ({type(error).__name__}: {error}); copy or save "
        "it again"
    )
