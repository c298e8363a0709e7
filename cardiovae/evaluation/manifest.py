"""Pairs that a table names."""

from __future__ import annotations

import csv
import dataclasses
import io
import re
from collections.abc import Mapping
from pathlib import Path

from cardiovae.errors import ConfigError, FileError
from cardiovae.evaluation.pairing import Pair, Pairing, Unmatched
from cardiovae.io.content import file_bytes
from cardiovae.io.inputs import stem
from cardiovae.io.series import is_series
from cardiovae.manifest.names import patient_and_view
from cardiovae.sequence import VIEWS

REQUIRED = ("prediction", "reference")
OPTIONAL = ("before", "patient", "view")


def read_manifest(path: Path, *, pattern: re.Pattern[str]) -> Pairing:
    """Pairs from a CSV file with the columns prediction and reference.

    The columns before, patient and view are optional; what they leave empty comes from the name
    of the reference. Paths are absolute or below the folder of the manifest. A row whose file
    does not exist is listed as unmatched.

    Args:
        path: The CSV file, UTF-8, with a heading.
        pattern: See `cardiovae.manifest.names.compile_pattern`.

    Raises:
        FileError: It cannot be read, or is no UTF-8 text.
        ConfigError: Columns, a missing cell, a view or a repetition that cannot be.
    """
    try:
        text = file_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FileError(f"{path}: is no UTF-8 text ({error}); save it as CSV UTF-8") from error
    reader = csv.DictReader(io.StringIO(text, newline=""))
    _check_columns(path, reader.fieldnames or ())
    pairs: list[Pair] = []
    unmatched: list[Unmatched] = []
    for row in reader:
        where = f"{path}, line {reader.line_num}"
        pair = _pair(where, path.parent, row, pattern)
        missing = _missing(pair)
        unmatched += missing
        sides = {m.side for m in missing}
        if not sides & set(REQUIRED):
            pairs.append(dataclasses.replace(pair, before=None) if sides else pair)
    _check_once(path, pairs)
    return Pairing(tuple(sorted(pairs, key=lambda pair: pair.name)), tuple(unmatched))


def _check_columns(path: Path, columns: object) -> None:
    names = list(columns) if isinstance(columns, list | tuple) else []
    missing = [name for name in REQUIRED if name not in names]
    unknown = [name for name in names if name not in (*REQUIRED, *OPTIONAL)]
    if missing or unknown:
        raise ConfigError(
            f"{path}: columns are {', '.join(REQUIRED)} and, if known, {', '.join(OPTIONAL)}, "
            f"separated by commas; got {names}"
        )


def _pair(
    where: str, folder: Path, row: Mapping[str, str | None], pattern: re.Pattern[str]
) -> Pair:
    """One row; its name is the stem of the reference with its folder in the manifest."""
    cell = {name: (row.get(name) or "").strip() for name in (*REQUIRED, *OPTIONAL)}
    empty = [name for name in REQUIRED if not cell[name]]
    if empty:
        raise ConfigError(f"{where}: the column {empty[0]} is empty; every row is a pair")
    view = cell["view"] or None
    if view is not None and view not in VIEWS:
        raise ConfigError(f"{where}: view is one of {', '.join(VIEWS)} or empty, got '{view}'")
    given = Path(cell["reference"])
    name = (given.parent / stem(given)).as_posix() if not given.is_absolute() else stem(given)
    guess = (name, view)
    if not (cell["patient"] and view):
        guess = patient_and_view(name, pattern)
    before = folder / cell["before"] if cell["before"] else None
    return Pair(
        name,
        folder / cell["prediction"],
        folder / given,
        before,
        cell["patient"] or guess[0],
        view or guess[1],
    )


def _missing(pair: Pair) -> list[Unmatched]:
    """The files of a row that do not exist."""
    files = {"prediction": pair.prediction, "reference": pair.reference, "before": pair.before}
    return [
        Unmatched(file, side, "does not exist, though the manifest names it")
        for side, file in files.items()
        if file is not None and not (file.is_file() or is_series(file))
    ]


def _check_once(path: Path, pairs: list[Pair]) -> None:
    """Raise where a prediction is named twice: it would count twice."""
    seen: set[Path] = set()
    for pair in pairs:
        if pair.prediction in seen:
            raise ConfigError(f"{path}: {pair.prediction} is the prediction of two rows; keep one")
        seen.add(pair.prediction)
