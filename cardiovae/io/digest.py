"""What an input holds, as a hash, and whether it changed while it was read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from cardiovae.errors import FileError
from cardiovae.io.content import file_bytes
from cardiovae.io.formats import suffix
from cardiovae.io.metaimage_header import parse_header, pixel_path
from cardiovae.io.series import frame_files, is_series

Stamp = tuple[tuple[str, int, int], ...]


def file_sha256(path: Path) -> str:
    """SHA-256 of the bytes of a file, in pieces: memory does not grow with the file.

    Raises:
        FileError: It is absent, a folder, or may not be read.
    """
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise FileError(
            f"{path}: cannot be read ({reason}); check its name, permissions and disk"
        ) from error


def content_sha256(path: Path) -> str:
    """Hash of the content of a file, or of several that make one input.

    Of a single file it is what `sha256sum` prints; of a header with a pixel file, or a folder of
    frames, it covers the name and the content of each.

    Raises:
        FileError: A file cannot be read.
    """
    files = list(_files(path))
    if files == [path]:
        return file_sha256(path)
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.name}\0{file_sha256(file)}\n".encode())
    return digest.hexdigest()


def stamp(path: Path) -> Stamp:
    """Name, size and time of the last change of every file of an input: cheap to compare.

    Raises:
        FileError: A file is gone.
    """
    try:
        return tuple((f.name, (s := f.stat()).st_size, s.st_mtime_ns) for f in _files(path))
    except OSError as error:
        raise FileError(
            f"{path}: cannot be read ({error.strerror or error}); check its permissions and disk"
        ) from error


def _files(path: Path) -> Iterator[Path]:
    """The files of an input: itself, with its pixels if they are apart; or those in a folder."""
    if is_series(path):
        yield from frame_files(path)
        return
    yield path
    if suffix(path) == ".mhd":
        fields, _ = parse_header(file_bytes(path), path)
        pixels = pixel_path(path, dict(fields)["ElementDataFile"])
        if pixels.is_file():  # "LOCAL" is none; one that is missing is found by the reader
            yield pixels
