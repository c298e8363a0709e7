"""Rows of a batch on disk, so that memory holds little of each: what figures over all need.

A row goes to a file without a name in the folder of the report, as a line of JSON, and comes back
when its line of the table, its example or its error is written.
"""

from __future__ import annotations

import hashlib
import json
import math
import tempfile
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, BinaryIO, overload

import numpy as np
from numpy.typing import NDArray

from cardiovae.errors import FileError
from cardiovae.report.batch_plots import Bins, bins_of
from cardiovae.report.batch_rows import VERDICTS, Change, Row, Rule

_ROW = tuple(field.name for field in fields(Row))
_CHANGE = tuple(field.name for field in fields(Change))
_URGENCY = {verdict: k for k, verdict in enumerate(VERDICTS)}
_ARRAYS = {"values": "d", "frames": "i", "failed": "I", "open": "I", "fixed": "I", "broken": "I"}


@dataclass(frozen=True, slots=True)
class Brief:
    """What stays in memory of a row; see `Row`."""

    verdict: str
    n_frames: int
    n_implausible: int
    letters: str
    view: str
    subgroups: tuple[tuple[str, str], ...]
    change: Change | None
    patient: str


@dataclass(frozen=True, eq=False)
class Batch:
    """All rows of a batch.

    Args:
        rows: In the order of their sources.
        order: Places of the rows, worst first, shape (N,).
        briefs: What figures need of them, worst first.
        rules: Criteria of the run.
        values: Worst value of each row under each rule, in the order of `rows`, NaN where there
            is none, shape (N, rules).
        n_failed_frames: Frames of all rows that fail, by rule.
        bins: Ranges of the values, by rule.
        identity: A digest of what was read: decisions are kept under it.
    """

    rows: Sequence[Row]
    order: NDArray[np.intp]
    briefs: Sequence[Brief]
    rules: tuple[Rule, ...]
    values: NDArray[np.float64]
    n_failed_frames: Sequence[int]
    bins: tuple[Bins, ...]
    identity: str


class Gathering:
    """Takes in rows, fastest when they are sorted by source, and makes a batch of them.

    Args:
        rules: Criteria of the run.
        rows: Where the rows are kept.
    """

    def __init__(self, rules: tuple[Rule, ...], rows: Spool) -> None:
        self._rules, self._rows, self._last, self._sorted = rules, rows, "", True
        self._briefs: list[Brief] = []
        self._known: dict[tuple[tuple[str, str], ...], tuple[tuple[str, str], ...]] = {}
        self._keys: list[array[Any]] = [array(kind) for kind in "bdqq"]  # verdict and badness
        self._values = array("d")
        self._n_failed = [0] * len(rules)
        self._digest = hashlib.sha256()

    def add(self, row: Row) -> None:
        """Take in a row.

        Raises:
            FileError: The file system refuses.
        """
        self._sorted &= row.source >= self._last
        self._last = row.source
        self._note(row)
        self._rows.add(row)
        groups = self._known.setdefault(row.subgroups, row.subgroups)
        counts = (row.verdict, row.n_frames, row.n_implausible)
        whose = (groups, row.change, row.patient)
        self._briefs.append(Brief(*counts, row.letters, row.view, *whose))
        for key, value in zip(self._keys, (_URGENCY[row.verdict], *row.badness), strict=True):
            key.append(value)
        self._values.extend(row.values or (math.nan,) * len(self._rules))
        for k, n in enumerate(row.failed):
            self._n_failed[k] += n

    def batch(self) -> Batch:
        """The batch of all rows; nothing can be taken in afterwards."""
        places = np.arange(len(self._rows)) if self._sorted else self._sort()
        verdict, share, failed, unmeasured = (np.asarray(key)[places] for key in self._keys)
        order = np.lexsort((-unmeasured, -failed, -share, verdict))  # ties keep their order
        values = np.asarray(self._values).reshape(len(order), len(self._rules))
        values = values if self._sorted else values[places]
        return Batch(
            rows=self._rows,
            order=order,
            briefs=[self._briefs[i] for i in places[order].tolist()],
            rules=self._rules,
            values=values,
            n_failed_frames=self._n_failed,
            bins=tuple(bins_of(values[:, k], rule) for k, rule in enumerate(self._rules)),
            identity=self._digest.hexdigest()[:16],
        )

    def _sort(self) -> NDArray[np.intp]:
        """Put the rows in the order of their sources; where each was."""
        sources = [(row.source, i) for i, row in enumerate(self._rows)]
        places = np.array([i for _, i in sorted(sources)], np.intp)
        self._rows.rearrange(places.tolist())
        self._digest = hashlib.sha256()
        for row in self._rows:
            self._note(row)
        return places

    def _note(self, row: Row) -> None:
        self._digest.update(json.dumps([row.source, row.sha256]).encode())


class Spool(Sequence[Row]):
    """Rows in the order they were added.

    Args:
        stream: Where they are kept; nobody else writes there.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._starts = array("Q")
        self._end = 0

    def add(self, row: Row) -> None:
        """Keep a row.

        Raises:
            FileError: The file system refuses.
        """
        line = packed(row)
        try:
            self._stream.write(line)
        except OSError as error:
            raise _refused(error) from error
        self._starts.append(self._end)
        self._end += len(line)

    def rearrange(self, places: Sequence[int]) -> None:
        """Put the rows in another order, given where each is now."""
        self._starts = array("Q", (self._starts[i] for i in places))

    def __len__(self) -> int:
        return len(self._starts)

    @overload
    def __getitem__(self, at: int) -> Row: ...
    @overload
    def __getitem__(self, at: slice) -> list[Row]: ...
    def __getitem__(self, at: int | slice) -> Row | list[Row]:
        """The row at a place, or those of a slice.

        Raises:
            FileError: The file system refuses.
        """
        if isinstance(at, slice):
            return [self[i] for i in range(*at.indices(len(self)))]
        try:
            self._stream.seek(self._starts[at])
            return unpacked(self._stream.readline())
        except OSError as error:  # the rest of what was added may go to the disk only now
            raise _refused(error) from error


@contextmanager
def spool(folder: Path) -> Iterator[Spool]:
    """A spool in a folder, gone with the block.

    Raises:
        FileError: The file system refuses.
    """
    try:
        stream = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 (closed below)
    except OSError as error:
        raise _refused(error) from error
    with stream:
        yield Spool(stream)


def packed(row: Row) -> bytes:
    """A row as a line of JSON."""
    change = None if row.change is None else [getattr(row.change, name) for name in _CHANGE]
    values = [change if name == "change" else getattr(row, name) for name in _ROW]
    return json.dumps(values, default=list, separators=(",", ":")).encode() + b"\n"


def unpacked(line: bytes) -> Row:
    """The row that `packed` made a line of."""
    values = _named(_ROW, json.loads(line))
    share, failed, unmeasured = values["badness"]
    values["badness"] = (share, failed, unmeasured)
    values["subgroups"] = tuple((name, value) for name, value in values["subgroups"])
    if values["change"] is not None:
        values["change"] = Change(**_named(_CHANGE, values["change"]))
    return Row(**values)


def _named(names: Sequence[str], values: Sequence[Any]) -> dict[str, Any]:
    """Values by name, lists as the arrays that they were."""
    return {
        name: array(_ARRAYS[name], value) if name in _ARRAYS else value
        for name, value in zip(names, values, strict=True)
    }


def _refused(error: OSError) -> FileError:
    return FileError(
        f"the report: cannot be written ({error.strerror or error}); free some space, then run "
        "the same command again: it goes on from here"
    )
