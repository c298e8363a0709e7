"""The bytes of numpy files as arrays, without pickle and without trust in what a header claims.

numpy's own readers take the memory that a header asks for before they look whether the numbers are
there; these compare first, and unpack no more of an archive than its headers account for.
"""

from __future__ import annotations

import io
import tokenize
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
from cardiovae.io.limits import require_pixels

LABELS, SPACING, FRAME_TIME, AXES = "labels", "spacing_mm", "frame_time_ms", "axes"

_MAX_HEADER = 10_000  # numpy's own limit for a header that it evaluates
_MAX_MEMBERS = 1000
_MAX_TEXT = 1000
_SHOWN = 5
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
    AttributeError,
    tokenize.TokenError,
    MemoryError,  # of Python's parser, for a header with hundreds of brackets
    RecursionError,
)


@dataclass(frozen=True)
class Head:
    """What the header of one array says, and how many bytes it takes."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[np.generic]
    size: int

    @property
    def whole(self) -> int:
        """Bytes of header and numbers together."""
        return self.size + prod(self.shape) * self.dtype.itemsize


def from_zip(
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
            read = {name: _member_head(archive, i, path) for name, i in infos.items()}
            heads = {name: head for name, head in read.items() if head is not None}
            name = _chosen(heads, path)
            facts = {
                key: _member(archive, infos[key], path)
                for key in (SPACING, FRAME_TIME, AXES)
                if key in heads and prod(heads[key].shape) <= 2
            }
            array = _member(archive, infos[name], path)
    except FileError:
        raise
    except _DAMAGE as error:
        raise _damaged(path, error) from error
    return name, infos[name].compress_type == zipfile.ZIP_DEFLATED, array, facts


def _chosen(heads: Mapping[str, Head], path: Path) -> str:
    """The name of the array of labels."""
    if LABELS in heads:
        return LABELS
    flat = {n: h for n, h in heads.items() if len(h.shape) in (2, 3) and n != SPACING}
    found = [n for n, h in flat.items() if h.dtype.kind in "biu"]
    found = found or [n for n, h in flat.items() if h.dtype.kind == "f"]
    if len(found) != 1:
        shown = [f"{n} {h.shape} {h.dtype}" for n, h in heads.items()]
        more = [f"and {len(shown) - _SHOWN} more"] if len(shown) > _SHOWN else []
        known = ", ".join(shown[:_SHOWN] + more) or "no array"
        raise FileError(
            f"{path}: an .npz holds its label map as '{LABELS}', or has a single array that could "
            f"be one; this one has {known}; save the label map as '{LABELS}'"
        )
    return found[0]


def _member_head(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path) -> Head | None:
    """The header of one member; None for one that is no array."""
    if not info.filename.endswith(".npy"):
        return None
    with archive.open(info) as stream:
        return npy_head(stream.read(_MAX_HEADER + 16), path)


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path) -> NDArray[Any]:
    """One array; of its member no more is unpacked than its header asks for."""
    with archive.open(info) as stream:
        start = stream.read(_MAX_HEADER + 16)
        head = npy_head(start, path)
        _require_numbers(head, path)
        # One byte more than expected: at the end of a member zipfile compares its checksum.
        rest = stream.read(max(1, head.whole + 1 - len(start)))
    return npy_array(start + rest, path)


def npy_array(content: bytes, path: Path) -> NDArray[Any]:
    """The array in the bytes of an `.npy` file, read-only."""
    head = npy_head(content, path)
    _require_numbers(head, path)
    if len(content) < head.whole:
        raise FileError(
            f"{path}: is cut short: its header promises {head.whole - head.size} bytes of "
            f"numbers, {len(content) - head.size} are there; copy or save it again"
        )
    flat = np.frombuffer(content, head.dtype, prod(head.shape), head.size)
    return flat.reshape(head.shape, order="F" if head.fortran else "C")


def _require_numbers(head: Head, path: Path) -> None:
    """Raise unless an array holds a bearable number of numbers, or a short text."""
    require_pixels(head.shape, path)
    text = head.dtype.kind == "U" and prod(head.shape) * head.dtype.itemsize <= _MAX_TEXT
    if head.dtype.kind not in "biuf" and not text:
        reason = "objects, which only pickle could read" if head.dtype.hasobject else "no numbers"
        raise FileError(f"{path}: holds {head.dtype}: {reason}; save the label map as uint8")


def npy_head(content: bytes, path: Path) -> Head:
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
    if any(type(n) is not int or n < 0 for n in shape) or (
        dtype.itemsize == 0 and dtype.kind != "U"
    ):
        raise FileError(f"{path}: its header states {dtype} of shape {shape}; save it again")
    return Head(shape, fortran, dtype, stream.tell())


def _damaged(path: Path, error: Exception) -> FileError:
    return FileError(
        f"{path}: is no numpy file, or is damaged ({type(error).__name__}: {error}); copy or save "
        "it again"
    )
