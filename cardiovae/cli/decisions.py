"""What a person decided about inputs while looking at a report: `decisions.csv`."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cardiovae.errors import ConfigError, FileError
from cardiovae.io.content import file_bytes

WORDS = ("pass", "fail", "fix")
REQUIRED = ("source", "decision")
OPTIONAL = ("sha256", "note")


@dataclass(frozen=True)
class Decision:
    """What to do with one input.

    Args:
        word: "pass" (leave as it is), "fail" (leave out) or "fix" (correct).
        sha256: Hash of the content that was looked at; "" = any.
        note: Why, in words.
    """

    word: str
    sha256: str = ""
    note: str = ""


Decisions = Mapping[str, Decision]
"""By the source of the input, as results call it."""


def read_decisions(path: Path) -> dict[str, Decision]:
    """The decisions in a CSV file with the columns source and decision, perhaps sha256 and note.

    Raises:
        FileError: It cannot be read, or is no UTF-8 text.
        ConfigError: Columns, words or repetitions that cannot be.
    """
    try:
        text = file_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FileError(f"{path}: is no UTF-8 text ({error}); save it as CSV UTF-8") from error
    reader = csv.DictReader(io.StringIO(text, newline=""))
    names = list(reader.fieldnames or ())
    if not set(REQUIRED) <= set(names) <= {*REQUIRED, *OPTIONAL}:
        raise ConfigError(
            f"{path}: columns are {', '.join(REQUIRED)} and, if known, {', '.join(OPTIONAL)}, "
            f"separated by commas; got {names}"
        )
    found: dict[str, Decision] = {}
    for row in reader:
        source, where = row["source"], f"{path}, line {reader.line_num}"
        cell = {name: (row.get(name) or "").strip() for name in (*REQUIRED, *OPTIONAL)}
        if cell["decision"] not in WORDS:
            raise ConfigError(
                f"{where}: a decision is one of {', '.join(WORDS)}, got '{cell['decision']}'"
            )
        if source in found:
            raise ConfigError(f"{where}: {source} is decided twice; keep one line")
        found[source] = Decision(cell["decision"], cell["sha256"], cell["note"])
    return found
