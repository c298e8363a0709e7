"""What every reader checks in the same way: bytes, dimensions, label values, units and names."""

from __future__ import annotations

import math
import re
import stat
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiovae.errors import FileError, LabelError
from cardiovae.io.limits import MAX_FILE_BYTES

PLAUSIBLE_SPACING_MM = (0.01, 10.0)
"""Pixel spacings that can be millimeters in an echocardiogram when a header names no unit.

Generous on purpose: CAMUS has 0.154 to 0.5 mm; a 64-pixel image of a 20 cm deep sector 3.1 mm.
"""

_SHOWN = 5
_VIEW = re.compile(r"(?<![a-z0-9])(?:a([24])ch?|([24])ch)(?![a-z0-9])", re.IGNORECASE)


def file_bytes(path: Path) -> bytes:
    """The content of `path`.

    Raises:
        FileError: It is absent, a folder, empty, no plain file, too large, or may not be read.
    """
    try:
        facts = path.stat()
        endless = not (stat.S_ISREG(facts.st_mode) or stat.S_ISDIR(facts.st_mode))
        content = b"" if endless or facts.st_size > MAX_FILE_BYTES else path.read_bytes()
    except IsADirectoryError as error:
        raise FileError(f"{path}: is a folder, a file was expected; name a file in it") from error
    except FileNotFoundError as error:
        raise FileError(f"{path}: does not exist; check the spelling and the folder") from error
    except OSError as error:
        raise FileError(
            f"{path}: cannot be read ({error.strerror or error}); check its permissions and disk"
        ) from error
    except ValueError as error:  # a null byte in the name
        raise FileError(f"{path}: cannot be read ({error}); correct the name") from error
    if endless:
        raise FileError(f"{path}: is a pipe or a device; give a file")
    if facts.st_size > MAX_FILE_BYTES:
        raise FileError(
            f"{path}: has {facts.st_size} bytes, more than the {MAX_FILE_BYTES} that a label map "
            "file may have; is this the right file?"
        )
    if not content:
        raise FileError(f"{path}: is empty (0 bytes); copy or export it again")
    return content


def planar_shape(shape: tuple[int, ...], source: object) -> tuple[int, int, int]:
    """(X, Y, T) of an array stored as (X, Y), (X, Y, T) or (X, Y, 1, T).

    Trailing axes of length one are ignored.

    Raises:
        FileError: Another number of dimensions, several slices per frame, or an empty axis.
    """
    kept = list(shape)
    while len(kept) > 2 and kept[-1] == 1:
        kept.pop()
    if len(kept) == 4 and kept[2] == 1:
        del kept[2]
    if not 2 <= len(kept) <= 3 or min(kept) < 1:
        way_out = "extract one slice or one channel into a file of its own"
        if len(kept) == 4 and min(kept) > 1:
            way_out = (
                "if it is a cine of slices (X, Y, Z, T), split it by time into stacks (X, Y, Z), "
                "a file for each instant, or by slice into sequences (X, Y, T)"
            )
        raise FileError(
            f"{source}: a label map sequence is stored as (X, Y), (X, Y, T) or (X, Y, 1, T), a "
            f"stack of slices as (X, Y, Z); this file holds {shape}; {way_out}"
        )
    x, y = kept[:2]
    return x, y, kept[2] if len(kept) == 3 else 1


def whole_labels(values: NDArray[Any], source: object, *, slack: float = 0.0) -> NDArray[np.uint8]:
    """The label values of a file as uint8, whatever number type it stores them in.

    Args:
        values: Integer or float array, any shape.
        source: Named in messages.
        slack: Distance to a whole number that is rounding and not interpolation.

    Raises:
        LabelError: NaN, infinity, a fraction, or a value outside 0 to 255.
    """
    if values.dtype == np.uint8:
        return values.astype(np.uint8, copy=False)
    if values.dtype.kind == "f":
        with np.errstate(invalid="ignore"):  # a NaN is refused, whatever its bits
            exact = values.astype(np.float64)
        values = _rounded(exact, source, slack)
    bad = (values < 0) | (values > 255)
    if bad.any():
        raise LabelError(
            f"{source}: label values are 0 to 255; found {_first(values[bad])} in "
            f"{int(bad.sum())} of {bad.size} pixels; is this the image instead of its labels, or "
            "a scaled map? Export the labels again"
        )
    return values.astype(np.uint8)


def gray_channel(pixels: NDArray[Any], mode: str, source: object) -> NDArray[Any]:
    """The one channel of color pixels that are all gray and opaque.

    Args:
        pixels: Colors of the pixels, shape (..., channels).
        mode: Meaning of the channels: "RGB", "RGBA" or "LA".
        source: Named in messages.

    Raises:
        FileError: A color, or transparency: which structure they mean cannot be known.
    """
    n_colors = 1 if mode == "LA" else 3
    colors = np.unique(pixels.reshape(-1, pixels.shape[-1]), axis=0)
    opaque = pixels.shape[-1] == n_colors or (colors[:, -1] == 255).all()
    if not opaque or (colors[:, :n_colors] != colors[:, :1]).any():
        shown = ", ".join(str(tuple(map(int, c))) for c in colors[:_SHOWN])
        more = f" and {len(colors) - _SHOWN} more" if len(colors) > _SHOWN else ""
        raise FileError(
            f"{source}: is a color picture ({mode}, colors {shown}{more}), and no color says "
            "which structure it means; save it as palette or gray with values such as 0, 1, 2, 3"
        )
    return pixels[..., 0]


def _rounded(values: NDArray[np.float64], source: object, slack: float) -> NDArray[np.float64]:
    """`values` rounded, when they are whole numbers up to `slack`."""
    lost = ~np.isfinite(values)
    if lost.any():
        raise LabelError(
            f"{source}: label values are finite; found {_first(values[lost])} in "
            f"{int(lost.sum())} of {lost.size} pixels; replace them by 0 (background) or export "
            "the labels again"
        )
    rounded: NDArray[np.float64] = np.rint(values)
    off = np.abs(values - rounded) > slack
    if off.any():
        raise LabelError(
            f"{source}: label values are whole numbers; found {_first(values[off])} in "
            f"{int(off.sum())} of {off.size} pixels, so the map was interpolated or holds "
            "scores; resample the labels with nearest neighbor, or take the argmax of the scores"
        )
    return rounded


def _first(values: NDArray[Any]) -> str:
    """The first few different values, in the order of the array."""
    different = list(dict.fromkeys(values[:10_000].tolist()))
    shown = ", ".join(f"{value:g}" for value in different[:_SHOWN])
    return f"{shown}, ..." if len(different) > _SHOWN else shown


def spacing_without_unit(
    row: float, col: float
) -> tuple[tuple[float, float] | None, tuple[str, ...]]:
    """Spacing of a header that names no unit, and what should be known about it.

    The files of this field that name no unit (CAMUS re-exports, MetaImage, which has none to
    name) are in millimeters. Exactly 1.0 along both axes is what writers put when they know no
    spacing, so it counts as unknown; so does what cannot be the pixel of an echocardiogram.

    Args:
        row: Number stored for the distance between rows.
        col: Number stored for the distance between columns.

    Returns:
        (row, col) in mm or None, and notes.
    """
    if row == col == 1.0:
        return None, ("spacing unknown: the header has no unit and the default 1.0",)
    low, high = PLAUSIBLE_SPACING_MM
    if low <= row <= high and low <= col <= high:
        return (row, col), (f"no unit in the header: spacing {row:g} x {col:g} taken as mm",)
    return None, (f"spacing unknown: the header has no unit and {row:g} x {col:g}",)


def slice_spacing(size: float, mm_per_unit: float | None) -> float | None:
    """Distance between slices in mm as a header states it; None where it does not.

    Exactly 1.0 is what writers put on a third axis that they know nothing of, whatever the unit:
    the slices of a heart lie 5 to 10 mm apart, and volumes would be that much too small.

    Args:
        size: Number stored for the third axis.
        mm_per_unit: Length of its unit; None = unknown.

    Examples:
        >>> slice_spacing(0.01, 1e3), slice_spacing(1.0, 1.0), slice_spacing(8.0, None)
        (10.0, None, None)
    """
    if mm_per_unit is None or not positive(size) or size == 1.0:
        return None
    return size * mm_per_unit


def positive(*numbers: float) -> bool:
    """Whether all are finite and above zero."""
    return all(math.isfinite(number) and number > 0 for number in numbers)


def view_from_name(name: str) -> str | None:
    """The view that a file name states, or None when it states none or two.

    Examples:
        >>> view_from_name("patient0001_4CH_half_sequence_gt.nii.gz")
        'A4C'
        >>> view_from_name("study-12_a2c.mha")
        'A2C'
        >>> view_from_name("patient24ch.nii")
    """
    digits = {long or short for long, short in _VIEW.findall(name)}
    return f"A{digits.pop()}C" if len(digits) == 1 else None
