"""What a run has found so far: one line of JSON per input, kept as it goes on.

A folder of results holds `records.jsonl`, complete and sorted, or, while a run is under way or was
killed, `journal.jsonl` as well. A run that starts again in that folder takes what both say about
inputs whose content is still the same, and works on the others.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

from cardiovae.errors import FileError
from cardiovae.io.atomic import staged

RECORDS = "records.jsonl"
JOURNAL = "journal.jsonl"
_FILES = (RECORDS, JOURNAL)


@dataclass(frozen=True)
class Known:
    """What an earlier run says about an input.

    Args:
        sha256: Hash of the input's content; None where it could not be read.
        stated: Hash of what was known of the input besides.
    """

    sha256: str | None
    stated: str


class Journal:
    """The lines of one folder. Memory holds where each is, one number, not what it says.

    Use as a context: the file is open in between.

    Args:
        folder: The folder of results.

    Raises:
        FileError: A file is there that is none of ours.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # Twice the first byte of the line, and one more in the journal.
        self._places: dict[str, int] = {}
        self._complete = False
        for name in (RECORDS, JOURNAL):
            self._index(folder / name)
        self._stream: FileIO | None = None

    def __enter__(self) -> Self:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            # Unbuffered: what a full disk refuses must not wait in a buffer to be refused again.
            self._stream = (self.folder / JOURNAL).open("ab", buffering=0)
        except OSError as error:
            raise _unwritable(self.folder / JOURNAL, error) from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._stream is not None:
            self._stream.close()

    @property
    def sources(self) -> Collection[str]:
        """What there is a line about; nothing once it is closed."""
        return self._places.keys()

    def known(self, source: str) -> Known | None:
        """What the line about an input says of it; None without one."""
        place = self._places.get(source)
        if place is None:
            return None
        with (self.folder / _FILES[place % 2]).open("rb") as stream:
            stream.seek(place // 2)
            record = json.loads(stream.readline())
        return Known(record["sha256"], record.get("stated", ""))

    def forget(self, source: str) -> None:
        """Leave out the line about an input."""
        del self._places[source]

    def append(self, source: str, line: bytes) -> None:
        """Keep a line about an input; it takes the place of an earlier one.

        Raises:
            FileError: The file system refuses, as a full one does. Nothing torn is left: what was
                written of the line is taken back, or skipped by whoever reads it.
        """
        if self._stream is None:
            raise FileError(f"{self.folder / JOURNAL}: is not open")
        offset = self._stream.seek(0, 2)
        left = memoryview(line + b"\n")
        try:
            while left:  # a disk that is nearly full takes a part
                left = left[self._stream.write(left) :]
        except OSError as error:
            self._stream.truncate(offset)
            raise _unwritable(self.folder / JOURNAL, error) from error
        self._places[source] = 2 * offset + 1

    def close(self) -> None:
        """Put all lines into `records.jsonl`, sorted by source, and remove the journal.

        Raises:
            FileError: The file system refuses.
        """
        if self._stream is not None:
            self._stream.close()
        with staged(self.folder / RECORDS, overwrite=True) as target, target.open("wb") as stream:
            for line in self.lines():
                stream.write(line + b"\n")
        (self.folder / JOURNAL).unlink(missing_ok=True)
        self._places.clear()
        self._complete = True

    def lines(self) -> Iterator[bytes]:
        """Every line without its end, sorted by source."""
        with ExitStack() as stack:
            if self._complete:
                complete = stack.enter_context((self.folder / RECORDS).open("rb"))
                yield from (line[:-1] for line in complete)
                return
            streams: dict[int, BinaryIO] = {}
            for source in sorted(self._places):
                place = self._places[source]
                if place % 2 not in streams:
                    file = self.folder / _FILES[place % 2]
                    streams[place % 2] = stack.enter_context(file.open("rb"))
                stream = streams[place % 2]
                stream.seek(place // 2)
                yield stream.readline()[:-1]

    def records(self) -> Iterator[dict[str, Any]]:
        """Every record, sorted by source; may be gone through any number of times."""
        for line in self.lines():
            yield json.loads(line)

    def _index(self, file: Path) -> None:
        """Take note of every whole line; one that a killed run left torn is passed over."""
        if not file.exists():
            return
        with file.open("rb") as stream:
            offset = 0
            for line in stream:
                self._note(file, offset, line)
                offset += len(line)
        if file.name == JOURNAL:
            _mend(file)

    def _note(self, file: Path, offset: int, line: bytes) -> None:
        if not line.endswith(b"\n"):
            return
        try:
            record = json.loads(line)
            source, _ = record["source"], record["sha256"]
        except (ValueError, KeyError, TypeError) as error:
            raise FileError(
                f"{file}: byte {offset}: is no record of cardiovae ({error}); remove the file, or "
                "write elsewhere with -o"
            ) from error
        self._places[source] = 2 * offset + (file.name == JOURNAL)


def _mend(file: Path) -> None:
    """Cut off a torn last line, so that the next one starts on its own."""
    with file.open("rb+") as stream:
        content_end = stream.seek(0, 2)
        if not content_end:
            return
        stream.seek(max(content_end - 1, 0))
        if stream.read(1) == b"\n":
            return
        kept = file.read_bytes().rfind(b"\n") + 1
        stream.truncate(kept)


def _unwritable(path: Path, error: OSError) -> FileError:
    return FileError(
        f"{path}: cannot be written ({error.strerror or error}); free some space or check the "
        "folder's permissions, then run the same command again: it goes on from here"
    )
