"""The data of a batch as scripts: a page opened from a file may not fetch, but it may load these.

Rows are lists in the order that `templates/batch.js` reads; verdicts and ranges are one character
per rule. All text is ASCII and holds no `<`, so that nothing in it can end a script.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiovae.report.batch_plots import Bins, bins_of
from cardiovae.report.batch_rows import VERDICTS, Change, Row, Rule
from cardiovae.report.batch_summary import group_names

CHUNK = 2000  # rows in a file
MAX_ROWS = 50_000  # in the table of the page; all are in the tables beside the report
DIGITS = b"0123456789abcdefghijklmnopqrstuvwxyz-"
HAS_THUMB, HAS_CINE, HAS_PAGE = 1, 2, 4


@dataclass(frozen=True, eq=False)
class Batch:
    """All rows, worst first, and the ranges of their values under each rule."""

    rows: Sequence[Row]
    rules: tuple[Rule, ...]
    bins: tuple[Bins, ...]

    @classmethod
    def of(cls, rows: Iterable[Row], rules: tuple[Rule, ...]) -> Batch:
        """Sort the rows and divide their values."""
        ordered = sorted(rows, key=lambda row: row.order)
        values = np.full((len(ordered), len(rules)), np.nan)
        for i, row in enumerate(ordered):
            if row.values:
                values[i] = row.values
        bins = tuple(bins_of(values[:, k], rule) for k, rule in enumerate(rules))
        return cls(ordered, rules, bins)

    @property
    def groups(self) -> list[str]:
        """Names of the subgroups."""
        return group_names(self.rows)

    @property
    def identity(self) -> str:
        """A digest of what was read: decisions are kept under it."""
        digest = hashlib.sha256()
        for source, sha256 in sorted((row.source, row.sha256) for row in self.rows):
            digest.update(json.dumps([source, sha256]).encode())
        return digest.hexdigest()[:16]


def script_text(value: Any) -> str:
    r"""Plain data as JavaScript, safe in a file and within a page.

    Examples:
        >>> script_text({"name": "</script>"})
        '{"name":"\\u003c/script>"}'
    """
    return json.dumps(value, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def summary_script(batch: Batch) -> str:
    """The file that comes first: what the rows refer to."""
    content = {
        "batch": batch.identity,
        "verdicts": VERDICTS,
        "groups": batch.groups,
        "rules": [
            {
                "label": rule.label,
                "limits": rule.limits,
                "unit": rule.unit,
                "low": rule.low,
                "high": rule.high,
                "ranges": bins.names,
            }
            for rule, bins in zip(batch.rules, batch.bins, strict=True)
        ],
        "rows": [],
    }
    return f"window.CARDIOVAE={script_text(content)};\n"


def row_scripts(batch: Batch, flags: Sequence[int]) -> Iterator[str]:
    """Files of `CHUNK` rows each; `flags` say what files a row has."""
    groups = batch.groups
    shown = batch.rows[:MAX_ROWS]
    ranges = _ranges(batch)
    for start in range(0, len(shown), CHUNK):
        part = shown[start : start + CHUNK]
        lines = [
            _line(row, groups, ranges[i].tobytes().decode(), flags[i])
            for i, row in enumerate(part, start)
        ]
        yield "CARDIOVAE.rows.push(\n" + ",\n".join(lines) + "\n);\n"


def order_script(rows: Iterable[Row]) -> str:
    """The pages there are, worst first, for their links to each other."""
    return f"window.CARDIOVAE={{order:{script_text([row.id for row in rows])}}};\n"


def _ranges(batch: Batch) -> NDArray[np.uint8]:
    """The range of every value as a character, shape (N, rules)."""
    digits = np.frombuffer(DIGITS, np.uint8)
    if not batch.bins:
        return np.zeros((len(batch.rows), 0), np.uint8)
    return np.ascontiguousarray(digits[np.stack([bins.index for bins in batch.bins], axis=1)])


def _line(row: Row, groups: Sequence[str], ranges: str, flags: int) -> str:
    values = ",".join(_value(value) for value in row.values)
    named = dict(row.subgroups)
    who = [row.id, row.source, row.sha256, row.verdict, row.n_frames, row.n_implausible]
    what = [row.n_failed, row.n_unmeasured, row.worst_frame, row.view]
    found = [[named.get(name, "") for name in groups], row.letters, ranges]
    head = script_text([*who, *what, *found])
    change = None if row.change is None else _change(row.change)
    at = [frame for frame, letter in zip(row.frames, row.letters, strict=True) if letter == "F"]
    tail = script_text([flags, row.text, change, row.page, at])
    return f"{head[:-1]},[{values}],{tail[1:]}"


def _change(change: Change) -> list[Any]:
    return [
        change.status,
        change.reason,
        change.n_frames,
        change.share,
        change.shift,
        change.n_implausible,
        sum(change.fixed),
        sum(change.broken),
        change.worst_frame,
    ]


def _value(value: float) -> str:
    return f"{value:.4g}" if math.isfinite(value) else "null"
