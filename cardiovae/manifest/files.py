"""Manifests as files: CSV for people, JSON for programs, the same content."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

from cardiovae.errors import ConfigError, FileError
from cardiovae.indices.subjects import sex_of
from cardiovae.io.atomic import write_text
from cardiovae.io.content import file_bytes
from cardiovae.manifest.paths import guard
from cardiovae.manifest.schema import (
    BODY,
    COLUMNS,
    EXTRA,
    NUMBERS,
    OWN,
    REQUIRED,
    SUBGROUPS,
    Entry,
    Manifest,
    check_columns,
    name_key,
    same_id,
)

SUFFIXES = (".csv", ".json")
SHOWN = 5
"""Faulty lines that one message names; the rest are counted."""

FIELDS = tuple(n for n in (*COLUMNS, *EXTRA) if n not in (*NUMBERS, *SUBGROUPS))
"""Columns that are fields of an entry by the same name."""

Row = Mapping[str, str | float | None]


def read_manifest(
    path: Path | str, *, root: Path | None = None, allow_outside: bool = False
) -> Manifest:
    """The entries of a manifest.

    Args:
        path: A `.csv` file (UTF-8, commas, a heading) or a `.json` file (a list of objects).
        root: The folder that paths are relative to; None = that of the manifest.
        allow_outside: Whether paths may lead out of `root`.

    Raises:
        FileError: It cannot be read, or is no UTF-8 text.
        ConfigError: It is no manifest, or some lines break a rule; the first few are named.
    """
    path = Path(path)
    root = path.parent if root is None else root
    rows = _csv_rows if suffix_of(path) == ".csv" else _json_rows
    check = guard(root, allow_outside=allow_outside)
    entries: list[Entry] = []
    faults: list[str] = []
    seen: dict[str, str] = {}
    for where, row in rows(path, _text(path)):
        try:
            entry = _entry(row, check)
            key = name_key(entry.sequence_id)
            if key in seen:
                raise ConfigError(same_id(entry.sequence_id, seen[key]))
            seen[key] = where
            entries.append(entry)
        except ConfigError as error:
            faults.append(f"{path}, {where}: {error}")
    if faults:
        more = len(faults) - SHOWN
        rest = f"\nand {more} more of {len(entries) + len(faults)} entries" if more > 0 else ""
        raise ConfigError("\n".join(faults[:SHOWN]) + rest)
    return Manifest(tuple(entries), root)


def write_manifest(path: Path | str, manifest: Manifest, *, overwrite: bool = False) -> None:
    """Write a manifest, whole or not at all; equal manifests give equal bytes.

    Args:
        path: Its suffix, `.csv` or `.json`, decides the format. It does not decide the paths:
            those stay relative to the folder of the manifest.
        manifest: What to write.
        overwrite: Whether a file of that name may be replaced.

    Raises:
        ConfigError: Another suffix.
        FileError: A file is in the way, or the file system refuses.
    """
    path = Path(path)
    columns = _columns(manifest)
    rows = [_cells(entry) for entry in manifest.entries]
    if suffix_of(path) == ".json":
        known = [
            {name: row[name] for name in columns if row.get(name) is not None} for row in rows
        ]
        text = json.dumps(known, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    else:
        stream = io.StringIO()
        writer = csv.DictWriter(stream, columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        text = stream.getvalue()
    write_text(path, text, overwrite=overwrite)


def suffix_of(path: Path) -> str:
    """`.csv` or `.json`.

    Raises:
        ConfigError: Another suffix.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise ConfigError(f"{path}: a manifest ends in {' or '.join(SUFFIXES)}; name it so")
    return suffix


def _text(path: Path) -> str:
    try:
        return file_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FileError(f"{path}: is no UTF-8 text ({error}); save it as CSV UTF-8") from error


def _csv_rows(path: Path, text: str) -> Iterator[tuple[str, Row]]:
    """Each row that is not blank, with its line."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        heading = [name.strip() for name in next(reader, [])]
        try:
            check_columns(heading)
        except ConfigError as error:
            raise ConfigError(f"{path}, line 1: {error}") from error
        for cells in reader:
            where = f"line {reader.line_num}"
            if len(cells) not in (0, len(heading)):
                raise ConfigError(
                    f"{path}, {where}: has {len(cells)} cells and the heading {len(heading)}; "
                    "put cells that hold a comma in double quotes"
                )
            if any(cell.strip() for cell in cells):
                stripped = (cell.strip() or None for cell in cells)
                yield where, dict(zip(heading, stripped, strict=True))
    except csv.Error as error:
        raise ConfigError(f"{path}, line {reader.line_num}: is no CSV ({error})") from error


def _json_rows(path: Path, text: str) -> Iterator[tuple[str, Row]]:
    """Each object, with its number in the list, from 1."""
    try:
        content = json.loads(text, parse_constant=_refuse, object_pairs_hook=_distinct)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: is no JSON ({error})") from error
    if not isinstance(content, list):
        raise ConfigError(f"{path}: a JSON manifest is a list of objects, got {_kind(content)}")
    for number, row in enumerate(content, 1):
        where = f"entry {number}"
        if not isinstance(row, dict):
            raise ConfigError(f"{path}, {where}: is an object of columns, got {_kind(row)}")
        try:
            check_columns(row)
            yield where, {column: _plain(column, value) for column, value in row.items()}
        except ConfigError as error:
            raise ConfigError(f"{path}, {where}: {error}") from error


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON number")


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; what it names twice is an error and not the last of both."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError(f"a key is there twice among {[key for key, _ in pairs][:20]}")
    return found


def _plain(column: str, value: Any) -> str | float | None:
    """A value of the type of its column."""
    number = column in NUMBERS
    fits = isinstance(value, int | float if number else str) and not isinstance(value, bool)
    if value is not None and not fits:
        way = "a number" if number else "a text in quotes"
        raise ConfigError(f"{column} is {way} or null, got {_kind(value)}")
    plain: str | float | None = value
    return plain


def _kind(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 40 else f"{text[:40]}..."


def _entry(row: Row, check: Callable[[str, str], None]) -> Entry:
    """An entry from the cells of its row.

    Raises:
        ConfigError: They break a rule.
    """
    text = {name: str(value) for name, value in row.items() if value is not None}
    for column in REQUIRED:
        if column not in text:
            raise ConfigError(f"{column} is empty; every entry has one")
    number = {name: _number(name, row.get(name)) for name in NUMBERS}
    row_mm, col_mm = number["spacing_row_mm"], number["spacing_col_mm"]
    if (row_mm is None) != (col_mm is None):
        raise ConfigError("spacing_row_mm and spacing_col_mm are given both or not at all")
    if "sex" in text:
        text["sex"] = sex_of(text["sex"]) or ""
    fields: dict[str, Any] = {name: text[name] for name in FIELDS if name in text}
    fields |= {name: number[name] for name in BODY}
    entry = Entry(
        **fields,
        spacing_mm=None if row_mm is None or col_mm is None else (row_mm, col_mm),
        frame_time_ms=number["frame_time_ms"],
        subgroups={n: text[n] for n in text if n in SUBGROUPS or n.startswith(OWN)},
    )
    check("labels_path", entry.labels_path)
    if entry.image_path is not None:
        check("image_path", entry.image_path)
    return entry


def _number(column: str, value: str | float | None) -> float | None:
    try:
        return None if value is None else float(value)
    except (ValueError, OverflowError) as error:
        raise ConfigError(f"{column} is a positive number or empty, got '{value}'") from error


def _cells(entry: Entry) -> dict[str, str | float | None]:
    """The cells of an entry by column; numbers are written so that they read back the same."""
    row_mm, col_mm = entry.spacing_mm or (None, None)
    stated = {name: getattr(entry, name, None) for name in (*COLUMNS, *EXTRA)}
    lengths = {"spacing_row_mm": row_mm, "spacing_col_mm": col_mm}
    return {**stated, **lengths, **entry.subgroups}


def _columns(manifest: Manifest) -> list[str]:
    """The columns of `COLUMNS`, and the others that some entry fills."""
    filled: set[str] = set()
    for entry in manifest.entries:
        filled.update(name for name, value in _cells(entry).items() if value is not None)
    own = sorted(name for name in filled if name.startswith(OWN))
    return [*COLUMNS, *(name for name in EXTRA if name in filled), *own]
