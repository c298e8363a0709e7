"""NIfTI-1 and NIfTI-2 label maps, whose header is kept byte for byte.

**Axes.** A label map sequence is stored as (X, Y), (X, Y, T) or (X, Y, 1, T): X is lateral, Y is
depth. Rows of the package are Y and columns are X, as they are *stored*: CAMUS and Echo-Toolkit
keep the transducer at Y = 0 while their affines run in the negative direction (LPS), so an array
turned after its affine would have the apex at the bottom. The affine is carried, never applied.

**Time.** The third axis of an (X, Y, T) file is spatial to NIfTI: its pixel size (1.0, or the 1.54
of CAMUS) is no time between frames and is never read as one; in a stack of slices it is the
distance between them. Only a fourth axis whose unit the
header declares as seconds, milliseconds or microseconds gives a frame time.

**Writing.** The bytes before the pixels (header and extensions: affine, codes, units, zooms,
description, byte order) are written back as they were read, then the labels in the number type of
the input. nibabel's own writer is not used because it resets scaling, padding and data offset.
"""

from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiovae.errors import FileError
from cardiovae.io.atomic import staged
from cardiovae.io.content import file_bytes, planar_shape, whole_labels
from cardiovae.io.limits import GZIP, require_pixels, unpack
from cardiovae.io.nifti_header import (
    Number,
    byte_order,
    frame_time_ms,
    header_size,
    parse_header,
    pixel_offset,
    scaling,
    slice_mm,
    spacing_mm,
    stored_dtype,
    stored_shape,
    with_fields,
)

SUFFIXES = (".nii", ".nii.gz")

SCALING_SLACK = 1e-4
"""Distance to a whole number that scaling may cause.

NIfTI-1 stores slope and intercept as float32, so a scaled label up to 255 is off by up to
255 * 2**-23 = 3e-5.
"""

_GZIP_MAGIC = b"\x1f\x8b"
_LARGEST_HEADER = 540  # NIfTI-2
_UINT8, _FLOAT32 = 2, 16  # NIFTI_TYPE_UINT8, NIFTI_TYPE_FLOAT32
_MILLIMETER, _MILLISECOND = 2, 16  # NIFTI_UNITS_MM, NIFTI_UNITS_MSEC


@dataclass(frozen=True)
class NiftiTemplate:
    """What a NIfTI file says besides its pixels, and all it takes to write another like it.

    Args:
        prefix: Every byte before the pixels: header, extension flag, extensions, padding.
        shape: Shape as stored, (X, Y), (X, Y, T) or (X, Y, 1, T).
        dtype: Number type of the pixels, with its byte order.
        slope: Factor from stored number to label value.
        inter: Label value of the stored number 0.
        spacing_mm: (row, col), that is pixel size along (Y, X); None = unknown.
        frame_time_ms: Time between frames in ms; None = unknown.
        notes: What a reader of the figures should know about spacing and time.
        slice_mm: Distance between slices in mm, should its frames be slices; None = unknown.
    """

    prefix: bytes
    shape: tuple[int, ...]
    dtype: Number
    slope: float
    inter: float
    spacing_mm: tuple[float, float] | None
    frame_time_ms: float | None
    notes: tuple[str, ...]
    slice_mm: float | None = None


def new_template(
    shape: tuple[int, int, int],
    spacing_mm: tuple[float, float] | None,
    frame_time_ms: float | None,
    slice_mm: float | None = None,
) -> NiftiTemplate:
    """The template of a NIfTI-1 file of uint8 for label maps that come from another format.

    Stored as (X, Y, T), as in CAMUS; as (X, Y, 1, T) where the frame time is known, since only a
    fourth axis can hold it. Without spacing the header has its default 1.0 and no unit, which
    reads as unknown. Nothing says where in the body the image lies: both form codes are 0.

    Args:
        shape: (H, W, T).
        spacing_mm: (row, col); None = unknown.
        frame_time_ms: Time between frames in ms; None = unknown.
        slice_mm: Distance between slices in mm; None = unknown, or no slices.
    """
    from nibabel.nifti1 import header_dtype

    h, w, t = shape
    stored = (w, h, t) if frame_time_ms is None else (w, h, 1, t)
    row, col = spacing_mm or (1.0, 1.0)
    header = np.zeros((), header_dtype.newbyteorder("<"))
    header["sizeof_hdr"], header["magic"], header["vox_offset"] = 348, b"n+1", 352
    header["datatype"], header["bitpix"], header["scl_slope"] = _UINT8, 8, 1.0
    header["dim"] = (len(stored), *stored, *[1] * (7 - len(stored)))
    header["pixdim"] = (1.0, col, row, slice_mm or 1.0, frame_time_ms or 1.0, 1.0, 1.0, 1.0)
    units = (_MILLIMETER if spacing_mm or slice_mm else 0) + (_MILLISECOND if frame_time_ms else 0)
    header["xyzt_units"] = units
    prefix = header.tobytes() + bytes(4)  # four zero bytes: no extension follows
    dtype: Number = np.dtype(np.uint8)
    return NiftiTemplate(prefix, stored, dtype, 1.0, 0.0, spacing_mm, frame_time_ms, (), slice_mm)


def read(path: Path) -> tuple[NDArray[np.uint8], NiftiTemplate]:
    """Label values of a NIfTI file, shape (H, W, T) = (Y, X, T), and its template.

    Raises:
        FileError: Absent, empty, damaged, not NIfTI, or of a shape or type that is no label map.
        LabelError: Values that are no labels: NaN, fractions, below 0 or above 255.
    """
    header, prefix, stored = _pixels(path)
    shape, dtype = stored_shape(header, path), stored_dtype(header, path)
    slope, inter = scaling(header, path)
    if (slope, inter) == (1.0, 0.0):
        values = whole_labels(stored, path)
    else:
        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is refused below
            scaled = stored.astype(np.float64) * slope + inter
        values = whole_labels(scaled, path, slack=SCALING_SLACK)
    spacing, space_notes = spacing_mm(header)
    step, time_notes = frame_time_ms(header, shape)
    notes = space_notes + time_notes
    apart = slice_mm(header, shape, spacing)
    return values, NiftiTemplate(prefix, shape, dtype, slope, inter, spacing, step, notes, apart)


def read_map(path: Path) -> NDArray[np.float32]:
    """Numbers of a NIfTI map such as an uncertainty, shape (H, W, T) = (Y, X, T); NaN may be.

    Raises:
        FileError: Absent, empty, damaged, not NIfTI, or of a shape or type that is no map.
    """
    header, _, stored = _pixels(path)
    slope, inter = scaling(header, path)
    return np.ascontiguousarray(stored.astype(np.float64) * slope + inter, np.float32)


def write_labels(
    path: Path, values: NDArray[np.uint8], template: NiftiTemplate, *, overwrite: bool = False
) -> None:
    """Write label values, shape (H, W, T), in the geometry and number type of `template`.

    The bytes before the pixels are those of the template. Only when a value cannot be expressed
    with its scaling (a label that the input did not hold), slope and intercept become 1 and 0.

    Raises:
        FileError: The file exists, cannot be written, or its number type cannot hold a value.
    """
    present = np.unique(values)
    prefix = template.prefix
    stored = _unscaled(present.astype(np.float64), template)
    if stored is None:
        prefix = with_fields(prefix, scl_slope=1.0, scl_inter=0.0)
        stored = _fitting(present.astype(np.float64), template.dtype)
    if stored is None:
        raise FileError(
            f"{path}: pixels of type {template.dtype} cannot hold the label values "
            f"{present.tolist()}; convert the input to uint8 first"
        )
    table = np.zeros(256, template.dtype)
    table[present] = stored
    _write(path, prefix, table[values], overwrite=overwrite)


def write_map(
    path: Path, array: NDArray[np.float32], template: NiftiTemplate, *, overwrite: bool = False
) -> None:
    """Write a float32 map, shape (H, W, T), in the geometry and byte order of `template`.

    Scaling, display range, intent and extensions of the template belong to its labels and are
    not carried over.

    Raises:
        FileError: The file exists or cannot be written.
    """
    size = header_size(template.prefix)
    label_fields = ("cal_min", "cal_max", "intent_code", "intent_p1", "intent_p2", "intent_p3")
    prefix = with_fields(
        template.prefix[:size],
        datatype=_FLOAT32,
        bitpix=32,
        scl_slope=1.0,
        scl_inter=0.0,
        vox_offset=size + 4,
        intent_name=b"",
        **dict.fromkeys(label_fields, 0),
    )
    dtype = np.dtype(np.float32).newbyteorder(byte_order(prefix))
    # Four zero bytes say that no extension follows.
    _write(path, prefix + bytes(4), array.astype(dtype), overwrite=overwrite)


def header_bytes(path: Path) -> bytes:
    """Every byte of a NIfTI file before its pixels, decompressed; for comparing headers.

    Raises:
        FileError: Absent, damaged or not NIfTI.
    """
    packed = _packed(path)
    header = parse_header(_start(packed, _LARGEST_HEADER, path), path)
    offset = pixel_offset(header, path)
    return _start(packed, offset, path)[:offset]


def _pixels(path: Path) -> tuple[NDArray[Any], bytes, NDArray[np.generic]]:
    """Header, every byte before the pixels, and the stored numbers as (Y, X, T)."""
    packed = _packed(path)
    header = parse_header(_start(packed, _LARGEST_HEADER, path), path)
    shape = stored_shape(header, path)
    x, y, t = planar_shape(shape, path)
    require_pixels((x, y, t), path)
    dtype = stored_dtype(header, path)
    offset = pixel_offset(header, path)
    expected = x * y * t * dtype.itemsize
    content = _start(packed, offset + expected, path)
    found = max(0, len(content) - offset)
    if found < expected:
        raise FileError(
            f"{path}: is cut short: its header promises {expected} bytes of pixels, {found} are "
            "there; copy or export it again"
        )
    stored = np.frombuffer(content, dtype, x * y * t, offset).reshape(t, y, x).transpose(1, 2, 0)
    return header, content[:offset], stored


def _packed(path: Path) -> bytes:
    """Content as it lies on the disk; compression and name must agree."""
    content = file_bytes(path)
    named_gzip = path.name.lower().endswith(".gz")
    if named_gzip != content.startswith(_GZIP_MAGIC):
        fact, way_out = (
            ("is named .gz but is not gzip-compressed", "rename it to .nii")
            if named_gzip
            else ("is gzip-compressed but not named .gz", "rename it to .nii.gz")
        )
        raise FileError(f"{path}: {fact}; {way_out} if it is a NIfTI file")
    return content


def _start(packed: bytes, size: int, path: Path) -> bytes:
    """The first `size` bytes of the decompressed content; a byte more proves the checksum."""
    if not packed.startswith(_GZIP_MAGIC):
        return packed
    try:
        return unpack(packed, size + 1, GZIP)
    except (EOFError, zlib.error) as error:
        raise FileError(
            f"{path}: its gzip compression is damaged or cut short ({error}); copy or export it "
            "again"
        ) from error


def _unscaled(values: NDArray[np.float64], template: NiftiTemplate) -> NDArray[np.generic] | None:
    """The stored numbers that stand for `values`, or None when some have none."""
    stored = (values - template.inter) / template.slope
    if template.dtype.kind != "f":
        stored = np.rint(stored)
    missed = np.abs(stored * template.slope + template.inter - values) > SCALING_SLACK
    return None if missed.any() else _fitting(stored, template.dtype)


def _fitting(numbers: NDArray[np.float64], dtype: Number) -> NDArray[np.generic] | None:
    """`numbers` in `dtype`, or None when it cannot hold them."""
    if dtype.kind in "iu":
        limits = np.iinfo(dtype.str)
        if numbers.min() < limits.min or numbers.max() > limits.max:
            return None
    return numbers.astype(dtype)


def _write(path: Path, prefix: bytes, array: NDArray[np.generic], *, overwrite: bool) -> None:
    """Write header and pixels (H, W, T); the same input gives the same bytes."""
    content = prefix + array.transpose(2, 0, 1).tobytes()
    with staged(path, overwrite=overwrite) as target:
        if path.name.lower().endswith(".gz"):
            content = gzip.compress(content, compresslevel=6, mtime=0)
        target.write_bytes(content)
