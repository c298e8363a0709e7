"""What a NIfTI header says: pixel type, place, scaling, spacing and time.

The header is read with nibabel's definition of its fields, without nibabel's repairs: a field
that is wrong is reported, or taken as unknown, and never rewritten.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cardiovae.errors import FileError
from cardiovae.io.content import positive, slice_spacing, spacing_without_unit
from cardiovae.io.limits import MAX_HEADER_BYTES

Number = np.dtype[np.generic]

_MM_PER_UNIT = {1: 1e3, 2: 1.0, 3: 1e-3}  # NIFTI_UNITS_METER, _MM, _MICRON
_MS_PER_UNIT = {8: 1e3, 16: 1.0, 24: 1e-3}  # NIFTI_UNITS_SEC, _MSEC, _USEC
_SPACE_BITS, _TIME_BITS = 0x07, 0x38  # XYZT_TO_SPACE and XYZT_TO_TIME of nifti1.h
_MAGIC = {348: b"n+1", 540: b"n+2"}


def parse_header(content: bytes, source: object) -> NDArray[Any]:
    """The NIfTI-1 or NIfTI-2 header at the start of `content`, a structured scalar array.

    Raises:
        FileError: `content` does not start with the header of a single-file NIfTI.
    """
    from nibabel import nifti1, nifti2

    size = header_size(content)
    if size in _MAGIC and len(content) < size:
        raise FileError(f"{source}: is cut short within its header; copy or export it again")
    found = b""
    if size in _MAGIC:
        fields = nifti1.header_dtype if size == 348 else nifti2.header_dtype
        header = np.frombuffer(content, fields.newbyteorder(byte_order(content)), 1)[0].copy()
        found = header["magic"].item()[:3]
        if found == _MAGIC[size]:
            return np.asarray(header)
    if found in (b"ni1", b"ni2"):
        raise FileError(f"{source}: is half of an .hdr/.img pair; convert it to one .nii file")
    raise FileError(
        f"{source}: is not a NIfTI file (its first bytes are {content[:8]!r}); give the file the "
        "suffix of its real format, or export it as NIfTI"
    )


def with_fields(prefix: bytes, **fields: object) -> bytes:
    """`prefix` with some header fields set and every other byte as it was."""
    header = parse_header(prefix, "template")
    for name, value in fields.items():
        header[name] = value
    return header.tobytes() + prefix[header.nbytes :]


def byte_order(content: bytes) -> Literal["<", ">"]:
    """Little-endian, unless the header size reads as one only the other way round."""
    return ">" if int.from_bytes(content[:4], "big") in _MAGIC else "<"


def header_size(content: bytes) -> int:
    """The size of the header, as its first four bytes state it."""
    return int.from_bytes(content[:4], "big" if byte_order(content) == ">" else "little")


def stored_shape(header: NDArray[Any], source: object) -> tuple[int, ...]:
    """The length of every axis.

    Raises:
        FileError: The number of axes is not 1 to 7.
    """
    n_axes = int(header["dim"][0])
    if not 1 <= n_axes <= 7:
        raise FileError(f"{source}: its header states {n_axes} axes, not 1 to 7; export it again")
    return tuple(int(n) for n in header["dim"][1 : n_axes + 1])


def stored_dtype(header: NDArray[Any], source: object) -> Number:
    """The number type of the pixels, in the byte order of the file.

    Raises:
        FileError: An unknown type, or one that is no real number (color, complex).
    """
    from nibabel.nifti1 import data_type_codes

    code = int(header["datatype"])
    if code not in data_type_codes.dtype:
        raise FileError(f"{source}: unknown pixel type {code}; export it as uint8")
    known: Any = data_type_codes.dtype[code]
    dtype: Number = np.dtype(known)
    if dtype.kind not in "iuf":
        raise FileError(
            f"{source}: pixels of type {data_type_codes.label[code]} are no label values; export "
            "one channel as uint8"
        )
    order: Literal["<", ">", "=", "|"] = header["sizeof_hdr"].dtype.byteorder
    return dtype.newbyteorder(order)


def pixel_offset(header: NDArray[Any], source: object) -> int:
    """Where the pixels start; 0 means unset, and then they follow the extension flag.

    Raises:
        FileError: A place within the header, or absurdly far behind it.
    """
    lowest = header.nbytes + 4
    offset = float(header["vox_offset"])
    if offset != 0 and not (math.isfinite(offset) and offset >= lowest):
        raise FileError(
            f"{source}: its header puts the pixels at byte {offset:g}, before {lowest} where they "
            "may start; export it again"
        )
    if offset > MAX_HEADER_BYTES:
        raise FileError(
            f"{source}: its header puts the pixels at byte {offset:g}, after {MAX_HEADER_BYTES} "
            "where they must start; export it again"
        )
    return max(lowest, int(offset))


def scaling(header: NDArray[Any], source: object) -> tuple[float, float]:
    """Slope and intercept; a slope of 0 or NaN means none (NIfTI-1 standard, scl_slope).

    Raises:
        FileError: A slope without a finite intercept.
    """
    slope, inter = float(header["scl_slope"]), float(header["scl_inter"])
    if slope == 0 or not math.isfinite(slope):
        return 1.0, 0.0
    if not math.isfinite(inter):
        raise FileError(
            f"{source}: its header scales by {slope:g} and adds {inter}; export it again"
        )
    return slope, inter


def spacing_mm(header: NDArray[Any]) -> tuple[tuple[float, float] | None, tuple[str, ...]]:
    """(row, col) spacing in mm, from the pixel sizes of (Y, X) and their unit, and notes.

    Meters, millimeters and micrometers are converted; `spacing_without_unit` decides where the
    unit is unknown. None when a pixel size is zero or not finite; its sign is no length.
    """
    # float32 fields become the short decimal that was meant: 0.308, not 0.30799999833.
    col, row = (abs(float(str(size))) for size in header["pixdim"][1:3])
    if not positive(row, col):
        return None, (f"spacing unknown: the header has pixel sizes {row:g} x {col:g}",)
    return spacing_in_unit(row, col, int(header["xyzt_units"]))


def spacing_in_unit(
    row: float, col: float, xyzt_units: int
) -> tuple[tuple[float, float] | None, tuple[str, ...]]:
    """(row, col) spacing in mm of positive pixel sizes in the header's unit, and notes.

    Args:
        row: Distance between rows, in that unit.
        col: Distance between columns.
        xyzt_units: The header's field of that name.
    """
    scale = _MM_PER_UNIT.get(xyzt_units & _SPACE_BITS)
    if scale is None:
        return spacing_without_unit(row, col)
    if row * scale == col * scale == 1.0:
        return (1.0, 1.0), ("spacing 1 x 1 mm as the header says; many writers put it unasked",)
    return (row * scale, col * scale), ()


def slice_mm(
    header: NDArray[Any], shape: tuple[int, ...], plane: tuple[float, float] | None
) -> float | None:
    """Distance between slices in mm, should the third of three axes be slices; None = unknown.

    All three axes have one unit: where the header names none, it is that of the plane.

    Args:
        header: The header.
        shape: As stored.
        plane: The spacing that it was found to have in the plane.
    """
    if len(shape) != 3:
        return None
    stated = _MM_PER_UNIT.get(int(header["xyzt_units"]) & _SPACE_BITS)
    scale = stated if stated is not None or plane is None else 1.0
    return slice_spacing(abs(float(str(header["pixdim"][3]))), scale)


def frame_time_ms(
    header: NDArray[Any], shape: tuple[int, ...]
) -> tuple[float | None, tuple[str, ...]]:
    """Time between frames in ms, where a fourth axis of frames has a unit of time, and notes."""
    if len(shape) < 4 or shape[2] != 1:
        return None, ()
    scale = _MS_PER_UNIT.get(int(header["xyzt_units"]) & _TIME_BITS)
    step = float(str(header["pixdim"][4]))
    if scale is None or not positive(step):
        return None, ()
    if step * scale == 1e3:
        return 1e3, ("frame time 1 s as the header says; many writers put it unasked",)
    return step * scale, ()
