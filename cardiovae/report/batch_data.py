"""The data of a batch as scripts: a page opened from a file may not fetch, but it may load these.

Rows are lists in the order that `templates/batch.js` reads; verdicts and ranges are one character
per rule. All text is ASCII and holds no `<`, so that nothing in it can end a script.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiovae.report.batch_plots import Bins
from cardiovae.report.batch_rows import VERDICTS, Change, Row
from cardiovae.report.batch_spool import Batch

CHUNK = 2000  # rows in a file
MAX_ROWS = 50_000  # in the table of the page; all are in the tables beside the report
DIGITS = b"0123456789abcdefghijklmnopqrstuvwxyz-"
HAS_THUMB, HAS_CINE, HAS_PAGE = 1, 2, 4


def script_text(value: Any) -> str:
    r"""Plain data as JavaScript, safe in a file and within a page.

    Examples:
        >>> script_text({"name": "</script>"})
        '{"name":"\\u003c/script>"}'
    """
    return json.dumps(value, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def summary_script(batch: Batch, groups: Sequence[str]) -> str:
    """The file that comes first: what the rows refer to."""
    content = {
        "batch": batch.identity,
        "verdicts": VERDICTS,
        "groups": groups,
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


def row_scripts(
    batch: Batch, groups: Sequence[str], flags_of: Callable[[Row], int]
) -> Iterator[str]:
    """Files of `CHUNK` rows each; `flags_of` says what files a row has."""
    for start in range(0, min(len(batch.order), MAX_ROWS), CHUNK):
        places = batch.order[start : min(start + CHUNK, MAX_ROWS)]
        ranges = _ranges(batch.bins, places)
        part = (batch.rows[i] for i in places.tolist())
        lines = [
            _line(row, groups, digits.tobytes().decode(), flags_of(row))
            for row, digits in zip(part, ranges, strict=True)
        ]
        yield "CARDIOVAE.rows.push(\n" + ",\n".join(lines) + "\n);\n"


def order_script(identities: Sequence[str]) -> str:
    """The pages there are, worst first, for their links to each other."""
    return f"window.CARDIOVAE={{order:{script_text(identities)}}};\n"


def _ranges(bins: Sequence[Bins], places: NDArray[np.intp]) -> NDArray[np.uint8]:
    """The range of every value of some rows as a character, shape (rows, rules)."""
    digits = np.frombuffer(DIGITS, np.uint8)
    if not bins:
        return np.zeros((len(places), 0), np.uint8)
    return np.ascontiguousarray(digits[np.stack([each.index[places] for each in bins], axis=1)])


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
