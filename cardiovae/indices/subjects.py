"""What is known of patients: a table of sex and body size."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cardiovae.errors import ConfigError, FileError
from cardiovae.indices.formulas import body_surface_m2

COLUMNS = ("sex", "bsa_m2", "height_cm", "weight_kg")
PATIENT = "patient"
SEXES = ("female", "male")


@dataclass(frozen=True)
class Subject:
    """What is known of a patient; None = unknown.

    Args:
        sex: "female" or "male".
        bsa_m2: Body surface area.

    Raises:
        ConfigError: Another sex, or a surface that cannot be.
    """

    sex: str | None = None
    bsa_m2: float | None = None

    def __post_init__(self) -> None:
        if self.sex not in (None, *SEXES):
            raise ConfigError(f"sex: is female or male, got '{self.sex}'")
        if self.bsa_m2 is not None and not 0.1 <= self.bsa_m2 <= 4:
            raise ConfigError(
                f"BSA: is 0.1 to 4 m2, got {self.bsa_m2:g}; height is in cm, weight in kg"
            )

    def over(self, other: Subject) -> Subject:
        """What is known of this subject, and of `other` where nothing is.

        Examples:
            >>> Subject("female").over(Subject("male", 1.7))
            Subject(sex='female', bsa_m2=1.7)
        """
        return Subject(self.sex or other.sex, self.bsa_m2 or other.bsa_m2)


NOBODY = Subject()
"""Of whom nothing is known."""


def subject_of(given: Mapping[str, str | None], title: str) -> Subject:
    """A subject from texts, by the names of `COLUMNS`; empty = unknown.

    Height and weight give the body surface where that is not given itself.

    Args:
        given: Texts by column; others are ignored.
        title: Where they stand, for messages.

    Raises:
        ConfigError: A sex or number that is none, or height without weight.

    Examples:
        >>> subject_of({"sex": "F", "bsa_m2": "1.7"}, "x")
        Subject(sex='female', bsa_m2=1.7)
    """
    texts = {name: (given.get(name) or "").strip() for name in COLUMNS}
    try:
        sex = sex_of(texts["sex"])
    except ConfigError as error:
        raise ConfigError(f"{title}: {error}") from error
    numbers = {name: _positive(texts[name], f"{title}: {name}") for name in COLUMNS[1:]}
    try:
        return Subject(sex, surface_of(*(numbers[name] for name in COLUMNS[1:])))
    except ConfigError as error:
        raise ConfigError(f"{title}: {error}") from error


def sex_of(text: str) -> str | None:
    """One of `SEXES` by its name or first letter in any case; None for an empty text.

    Raises:
        ConfigError: Anything else.

    Examples:
        >>> sex_of("F"), sex_of("male"), sex_of("")
        ('female', 'male', None)
    """
    sex = next((s for s in SEXES if text.lower() in (s, s[0])), None)
    if text and sex is None:
        raise ConfigError(f"sex is female or male (f or m), got '{text}'")
    return sex


def surface_of(
    bsa_m2: float | None, height_cm: float | None, weight_kg: float | None
) -> float | None:
    """Body surface area in m2: as stated, else by height and weight; None = unknown.

    Raises:
        ConfigError: Height without weight, or the other way round.
    """
    if (height_cm is None) != (weight_kg is None):
        raise ConfigError("body surface takes height and weight, one of them is missing")
    if bsa_m2 is not None or height_cm is None or weight_kg is None:
        return bsa_m2
    return body_surface_m2(height_cm, weight_kg)


def agreed(subjects: Iterable[Subject]) -> Subject:
    """What is known of one patient from several places; unknown where they contradict each other.

    Examples:
        >>> agreed([Subject("male", 1.9), Subject("male"), Subject("male", 2.0)])
        Subject(sex='male', bsa_m2=None)
    """
    stated = list(subjects)
    sexes = {s.sex for s in stated} - {None}
    surfaces = {s.bsa_m2 for s in stated} - {None}
    return Subject(
        sexes.pop() if len(sexes) == 1 else None,
        surfaces.pop() if len(surfaces) == 1 else None,
    )


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
