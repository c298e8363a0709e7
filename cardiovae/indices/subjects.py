"""What is known of patients: a table of sex and body size."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from pathlib import Path

from cardiovae.errors import ConfigError, FileError
from cardiovae.indices.formulas import body_surface_m2
from cardiovae.indices.heart import SEXES, Subject

COLUMNS = ("sex", "bsa_m2", "height_cm", "weight_kg")
PATIENT = "patient"


def subject_of(given: Mapping[str, str | None], title: str) -> Subject:
    """A subject from texts, by the names of `COLUMNS`; empty = unknown.

    Height and weight give the body surface where that is not given itself.

    Args:
        given: Texts by column; others are ignored.
        title: Where they stand, for messages.

    Raises:
        ConfigError: A sex or number that is none, or height without weight.

    Examples:
        >>> subject_of({"sex": "F", "height_cm": "180", "weight_kg": "80"}, "x")
        Subject(sex='female', bsa_m2=2.0)
    """
    texts = {name: (given.get(name) or "").strip() for name in COLUMNS}
    sex = next((s for s in SEXES if texts["sex"].lower() in (s, s[0])), None)
    if texts["sex"] and sex is None:
        raise ConfigError(f"{title}: sex is female or male (f or m), got '{texts['sex']}'")
    numbers = {name: _positive(texts[name], f"{title}: {name}") for name in COLUMNS[1:]}
    surface, height, weight = (numbers[name] for name in COLUMNS[1:])
    if (height is None) != (weight is None):
        raise ConfigError(f"{title}: body surface takes height and weight, one of them is missing")
    if surface is None and height is not None and weight is not None:
        surface = body_surface_m2(height, weight)
    try:
        return Subject(sex, surface)
    except ConfigError as error:
        raise ConfigError(f"{title}: {error}") from error


def read_subjects(path: Path) -> dict[str, Subject]:
    """Subjects by patient, from a CSV file with the column `patient` and some of `COLUMNS`.

    Raises:
        FileError: It cannot be read.
        ConfigError: No column `patient`, none of the others, a patient twice, or a bad value.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            rows = list(csv.DictReader(stream))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise FileError(
            f"--patients {path}: cannot be read ({error}); give a CSV file in UTF-8 with columns "
            f"{PATIENT} and some of {', '.join(COLUMNS)}"
        ) from error
    columns = list(rows[0]) if rows else []
    if PATIENT not in columns or not set(columns) & set(COLUMNS):
        raise ConfigError(
            f"--patients {path}: needs the column {PATIENT} and some of {', '.join(COLUMNS)}; got "
            f"{columns}"
        )
    subjects: dict[str, Subject] = {}
    for row in rows:
        name = (row[PATIENT] or "").strip()
        if name in subjects:
            raise ConfigError(f"--patients {path}: names '{name}' twice; keep one line")
        subjects[name] = subject_of(row, f"--patients {path}, '{name}'")
    return subjects


def _positive(text: str, title: str) -> float | None:
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        raise ConfigError(f"{title} is a positive number, got '{text}'")
    return value
