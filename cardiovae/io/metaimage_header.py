"""What the header text of a MetaImage file says, and its pixels.

SimpleITK does not decode the pixels here. MetaIO, on which it builds, returns uninitialized memory
as labels, with a line on stderr and no error, when compressed pixels are damaged, when
`CompressedDataSize` is absent or too small, and when pixels in the file itself follow a
`HeaderSize` (SimpleITK 2.5.7). It also reports spacing 1.0 where none is stored.
"""

from __future__ import annotations

import re
import zlib
from pathlib import Path
from typing import Literal

import numpy as np

from cardiovae.errors import FileError
from cardiovae.io.content import file_bytes, positive, slice_spacing, spacing_without_unit
from cardiovae.io.limits import MAX_HEADER_BYTES, ZLIB_OR_GZIP

Fields = tuple[tuple[str, str], ...]

_DTYPES = {  # metaTypes.h of MetaIO: its LONG has four bytes on every platform
    "MET_CHAR": "i1",
    "MET_UCHAR": "u1",
    "MET_SHORT": "i2",
    "MET_USHORT": "u2",
    "MET_INT": "i4",
    "MET_UINT": "u4",
    "MET_LONG": "i4",
    "MET_ULONG": "u4",
    "MET_LONG_LONG": "i8",
    "MET_ULONG_LONG": "u8",
    "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}
_NUMBER = re.compile(r"[0-9]{1,12}")
_LAST_KEY = "ElementDataFile"


def parse_header(content: bytes, source: object) -> tuple[Fields, int]:
    """Keys and values of the header text in their order, and the number of bytes it takes.

    Raises:
        FileError: The text ends, or turns into something else, before its last line.
    """
    fields: list[tuple[str, str]] = []
    start = 0
    while start < min(len(content), MAX_HEADER_BYTES):
        end = content.find(b"\n", start) + 1 or len(content)
        # Latin-1 maps every byte to a character and back, whatever a comment is written in.
        key, equals, value = content[start:end].decode("latin-1").partition("=")
        start = end
        if equals:
            fields.append((key.strip(), value.strip()))
        elif key.strip():
            break
        if key.strip() == _LAST_KEY:
            return tuple(fields), start
    raise FileError(
        f"{source}: is not a MetaImage file or is cut short: its header has no {_LAST_KEY} line; "
        "give the file the suffix of its real format, or export it again"
    )


def header_text(fields: Fields, **replaced: str) -> bytes:
    """Header text of `fields` in their order, with the values of some keys replaced."""
    lines = (f"{key} = {replaced.get(key, value)}\n" for key, value in fields)
    return "".join(lines).encode("latin-1")


def is_true(stated: dict[str, str], key: str) -> bool:
    """Whether a switch of the header is on; off when it is absent."""
    return stated.get(key, "").lower() in ("true", "1")


def byte_order(stated: dict[str, str]) -> Literal["<", ">"]:
    """Byte order of the pixels; little-endian when the header does not say."""
    keys = ("BinaryDataByteOrderMSB", "ElementByteOrderMSB")
    return ">" if any(is_true(stated, key) for key in keys) else "<"


def stored_dtype(stated: dict[str, str], source: object) -> np.dtype[np.generic]:
    """The number type of the pixels, in the byte order of the file.

    Raises:
        FileError: An unknown type, or several channels per pixel.
    """
    name = stated.get("ElementType", "missing")
    channels = stated.get("ElementNumberOfChannels", "1")
    if name not in _DTYPES or channels != "1":
        raise FileError(
            f"{source}: pixels of ElementType {name} with {channels} channel(s) are no label "
            "values; export one channel as MET_UCHAR"
        )
    dtype: np.dtype[np.generic] = np.dtype(_DTYPES[name])
    return dtype.newbyteorder(byte_order(stated))


def stored_shape(stated: dict[str, str], source: object) -> tuple[int, ...]:
    """The length of every axis.

    Raises:
        FileError: They are no numbers, or not as many as the header promises.
    """
    text, n_axes = stated.get("DimSize", "missing"), stated.get("NDims", "missing")
    lengths = text.split()
    if n_axes != str(len(lengths)) or not all(_NUMBER.fullmatch(length) for length in lengths):
        raise FileError(
            f"{source}: its header states DimSize = {text} and NDims = {n_axes}, which do not "
            "fit; correct it or export the file again"
        )
    return tuple(int(length) for length in lengths)


def spacing_mm(
    stated: dict[str, str],
) -> tuple[tuple[float, float] | None, tuple[str, ...]]:
    """(row, col) spacing in mm from ElementSpacing, or from its older name ElementSize, and notes.

    The format names no unit; `spacing_without_unit` decides. The sign of a spacing is no length.
    """
    text = _spacing_text(stated)
    try:
        col, row = (abs(float(number)) for number in text.split()[:2])
    except ValueError:
        col = row = 0.0
    if not positive(row, col):
        return None, (f"spacing unknown: the header has ElementSpacing {text}",)
    return spacing_without_unit(row, col)


def slice_mm(
    stated: dict[str, str], shape: tuple[int, ...], plane: tuple[float, float] | None
) -> float | None:
    """Distance between slices in mm, should the third of three axes be slices; None = unknown.

    Args:
        stated: The header.
        shape: As stored.
        plane: The spacing that it was found to have in the plane, whose unit it shares.
    """
    sizes = _spacing_text(stated).split()
    if len(shape) != 3 or len(sizes) != 3:
        return None
    try:
        size = abs(float(sizes[2]))
    except ValueError:
        return None
    return slice_spacing(size, None if plane is None else 1.0)


def _spacing_text(stated: dict[str, str]) -> str:
    return stated.get("ElementSpacing", stated.get("ElementSize", "missing"))


def pixel_bytes(path: Path, stated: dict[str, str], rest: bytes, expected: int) -> bytes:
    """The decompressed pixels, `expected` bytes.

    `CompressedDataSize` is not needed: a compressed stream knows its own end.

    Args:
        path: The header's file; its pixel file is looked for beside it.
        stated: The header.
        rest: What follows the header in its file.
        expected: Size of the decompressed pixels.

    Raises:
        FileError: A pixel file is missing, cut short, damaged, written as text, or one of several.
    """
    name = stated[_LAST_KEY]
    if name == "LIST" or "%" in name:
        raise FileError(f"{path}: its pixels are in several files; rewrite it as one .mha file")
    if not is_true({"BinaryData": "True", **stated}, "BinaryData"):
        raise FileError(f"{path}: its pixels are written as text; rewrite it with binary pixels")
    if name.upper() != "LOCAL":
        rest = _pixel_file(path, name)
    skipped = stated.get("HeaderSize", "0")
    if skipped == "-1":  # the pixels are at the end of the file
        rest = rest[-expected:]
    elif _NUMBER.fullmatch(skipped):
        rest = rest[int(skipped) :]
    if is_true(stated, "CompressedData"):
        rest = _decompressed(path, rest, expected)
    if len(rest) < expected:
        raise FileError(
            f"{path}: is cut short: its header promises {expected} bytes of pixels, {len(rest)} "
            "are there; copy or export it again"
        )
    return rest[:expected]


def pixel_path(path: Path, name: str) -> Path:
    """Where the pixel file of a header is: in its folder or below it.

    A header comes from strangers: it must not make us read, say, /etc/passwd or a device.

    Raises:
        FileError: It is elsewhere, or where links lead in circles.
    """
    try:
        file = path.parent / name
        inside = file.resolve().is_relative_to(path.parent.resolve())
    except (OSError, RuntimeError, ValueError) as error:  # a loop of links, a null byte
        raise FileError(f"{path}: its pixel file {name!r} cannot be found ({error})") from error
    if not inside:
        raise FileError(
            f"{path}: its pixel file {name!r} is outside the folder of the header, where links "
            f"lead included; put it beside the header and correct the {_LAST_KEY} line"
        )
    return file


def _pixel_file(path: Path, name: str) -> bytes:
    file = pixel_path(path, name)
    try:
        return file_bytes(file)
    except FileError as error:
        raise FileError(
            f"{path}: its pixel file {error}; or correct the {_LAST_KEY} line of the header"
        ) from error


def _decompressed(path: Path, compressed: bytes, expected: int) -> bytes:
    try:
        # Not `unpack`: bytes may follow the stream here, and one without its end is read too.
        return zlib.decompressobj(ZLIB_OR_GZIP).decompress(compressed, expected + 1)
    except zlib.error as error:
        raise FileError(
            f"{path}: its compressed pixels are damaged ({error}); copy or export it again"
        ) from error
