"""Which group each sequence belongs to: its view, what a manifest says, or a table of groups."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cardiovae.errors import ConfigError, FileError
from cardiovae.manifest.schema import OWN
from cardiovae.population.cohort import UNKNOWN, VIEW

KEYS = ("patient", "name", "sequence_id")
"""Columns by which a table of groups names what it groups; the first that it has counts."""
COLUMN = "group"


@dataclass(frozen=True)
class Grouping:
    """How sequences are put in groups.

    Args:
        name: "view", a column of a manifest, or the name of a table.
        table: Groups of a table by its key; None where a column or the view decides.
        key: What the table names: "patient", "name" or "sequence_id".
    """

    name: str
    table: Mapping[str, str] | None = None
    key: str = ""

    def group(
        self, *, patient: str, name: str, view: str, sequence_id: str | None,
        subgroups: Mapping[str, str],
    ) -> str:  # fmt: skip
        """The group of a sequence; empty where it has none."""
        if self.table is not None:
            known = {"patient": patient, "name": name, "sequence_id": sequence_id or name}
            return self.table.get(known[self.key], "")
        if self.name == VIEW:
            return "" if view == UNKNOWN else view
        return subgroups.get(self.name, subgroups.get(OWN + self.name, ""))


def grouping_of(text: str) -> Grouping:
    """What `--group-by` asks for.

    Raises:
        FileError: A table that cannot be read.
        ConfigError: A table without its columns, or that puts one thing in two groups.

    Examples:
        >>> grouping_of("view").name
        'view'
    """
    path = Path(text).expanduser()
    if path.suffix.lower() != ".csv":
        return Grouping(text)
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            rows = list(csv.DictReader(stream))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise FileError(
            f"--group-by {path}: cannot be read ({error}); give a CSV file in UTF-8 with columns "
            "patient (or name) and group"
        ) from error
    columns = list(rows[0]) if rows else []
    key = next((k for k in KEYS if k in columns), None)
    if key is None or COLUMN not in columns:
        raise ConfigError(
            f"--group-by {path}: needs the columns {COLUMN} and one of {', '.join(KEYS)}; got "
            f"{columns}"
        )
    table: dict[str, str] = {}
    for row in rows:
        own, group = (row[key] or "").strip(), (row[COLUMN] or "").strip()
        if group and table.setdefault(own, group) != group:
            raise ConfigError(
                f"--group-by {path}: puts {key} '{own}' in '{table[own]}' and in '{group}'; keep "
                "one of them"
            )
    return Grouping(path.name, table, key)
