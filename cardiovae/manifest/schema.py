"""The format of a manifest: one entry per sequence, valid from birth.

Paths are written with slashes, relative to the folder of the manifest; `paths` says what they
may not do. An empty cell means "not stated here", never zero.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cardiovae.errors import ConfigError
from cardiovae.indices.subjects import SEXES, Subject, surface_of
from cardiovae.labels import label_scheme
from cardiovae.sequence import VIEWS

COLUMNS = (
    "sequence_id",
    "view",
    "labels_path",
    "image_path",
    "spacing_row_mm",
    "spacing_col_mm",
    "frame_time_ms",
    "split",
    "source",
    "license",
    "sha256",
)
"""Columns that every manifest written here has, in their order."""

BODY = ("height_cm", "weight_kg", "bsa_m2")
"""Columns about the size of the patient."""

EXTRA = ("patient", "sex", *BODY, "labels", "site", "vendor", "quality")
"""Columns that are written where an entry fills them."""

OWN = "x_"
"""What the name of a column of one's own starts with."""

REQUIRED = ("sequence_id", "labels_path")
NUMBERS = ("spacing_row_mm", "spacing_col_mm", "frame_time_ms", *BODY)
TEXTS = ("sequence_id", "labels_path", "image_path", "split", "source", "license", "patient")
SUBGROUPS = ("site", "vendor", "quality")
"""Columns that group sequences in a report, as do those of one's own."""

LONGEST = {"sequence_id": 150}
"""Characters of a cell; a file name has 255 bytes on common file systems, and suffixes follow."""
_LONGEST = 4096

_OWN_COLUMN = re.compile(r"x_[a-z0-9][a-z0-9_]*")
_UNSAFE = re.compile(r'[<>:"/\\|?*]')
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Entry:
    """One sequence of a data set; None = not stated.

    Args:
        sequence_id: Its name, unique whatever the case, and safe as a file name.
        labels_path: The label map, relative to the folder of the manifest, with slashes.
        image_path: The ultrasound image, likewise.
        view: "A2C", "A4C" or "SAX", a stack of short-axis slices.
        spacing_mm: Distance between pixel centers along (rows, columns) in mm; wins over the
            header.
        frame_time_ms: Time between frames in ms; wins over the header.
        split: The part of the data set that it belongs to, such as "train".
        source: Where the data come from, for citation.
        license: SPDX identifier of the license of the data.
        sha256: Digest of the label map file, see `cardiovae.io.digest.content_sha256`.
        patient: Whose heart it is.
        labels: Label scheme of the file.
        subgroups: What else is known, by column: `SUBGROUPS` and columns of one's own.
        sex: "female" or "male", which normal ranges depend on.
        height_cm: Of the patient.
        weight_kg: Of the patient; both or neither.
        bsa_m2: Body surface area; wins over that by height and weight.

    Raises:
        ConfigError: A value that breaks a rule; the message starts with its column.
    """

    sequence_id: str
    labels_path: str
    image_path: str | None = None
    view: str | None = None
    spacing_mm: tuple[float, float] | None = None
    frame_time_ms: float | None = None
    split: str | None = None
    source: str | None = None
    license: str | None = None
    sha256: str | None = None
    patient: str | None = None
    labels: str | None = None
    subgroups: Mapping[str, str] = field(default_factory=dict, hash=False)
    sex: str | None = None
    height_cm: float | None = None
    weight_kg: float | None = None
    bsa_m2: float | None = None

    def __post_init__(self) -> None:
        for column in TEXTS:
            _check_text(column, getattr(self, column))
        check_sequence_id(self.sequence_id)
        for column in ("labels_path", "image_path"):
            _check_path(column, getattr(self, column))
        _check_words(self.view, self.sha256, self.labels)
        lengths = (*(self.spacing_mm or (None, None)), self.frame_time_ms)
        size = (self.height_cm, self.weight_kg, self.bsa_m2)
        for column, value in zip(NUMBERS, (*lengths, *size), strict=True):
            _check_positive(column, value)
        _ = self.subject  # made once to see that it can be
        for column, text in self.subgroups.items():
            check_column(column, SUBGROUPS)
            _check_text(column, text)

    @property
    def subject(self) -> Subject:
        """Sex and body surface of the patient, as far as they are stated.

        Raises:
            ConfigError: What cannot be; never of an entry that is there.
        """
        if self.sex not in (None, *SEXES):
            raise ConfigError(f"sex is {' or '.join(SEXES)} or empty, got '{self.sex}'")
        return Subject(self.sex, surface_of(self.bsa_m2, self.height_cm, self.weight_kg))


@dataclass(frozen=True)
class Manifest:
    """The sequences of a data set.

    Args:
        entries: In the order of the file.
        root: The folder that their paths are relative to.

    Raises:
        ConfigError: Two entries of one name.
    """

    entries: tuple[Entry, ...]
    root: Path

    def __post_init__(self) -> None:
        seen: dict[str, str] = {}
        for entry in self.entries:
            key = name_key(entry.sequence_id)
            if key in seen:
                raise ConfigError(same_id(entry.sequence_id, f"'{seen[key]}'"))
            seen[key] = entry.sequence_id

    def labels_of(self, entry: Entry) -> Path:
        """Where the label map of `entry` lies."""
        return self.root / entry.labels_path


def name_key(name: str) -> str:
    """The same for names that some file system holds for equal.

    Examples:
        >>> name_key("Heart_4CH") == name_key("heart_4ch")
        True
    """
    folded = unicodedata.normalize("NFD", name).casefold()
    return unicodedata.normalize("NFC", folded)


def same_id(name: str, other: str) -> str:
    """What to say about two entries of one name."""
    return f"sequence_id '{name}' is taken by {other}; names differ by more than their case"


def check_sequence_id(name: str) -> None:
    """Raise unless `name` can name a file or folder on every common file system.

    Raises:
        ConfigError: Empty, too long, a character or ending that some system refuses, or a name
            that Windows keeps for a device.
    """
    fault = None
    if _UNSAFE.search(name):
        fault = 'holds one of < > : " / \\ | ? *'
    elif name.startswith((".", "-")) or name.endswith("."):
        fault = "starts with a dot or dash, or ends in a dot"
    elif _RESERVED.fullmatch(name):
        fault = "is kept by Windows for a device"
    if fault:
        raise ConfigError(f"sequence_id names files, and '{name}' {fault}; call it otherwise")


def check_columns(names: Iterable[str]) -> None:
    """Raise unless `names` are columns of a manifest, each once, the required ones among them.

    Raises:
        ConfigError: A column is missing, unknown or named twice.
    """
    given = list(names)
    missing = [name for name in REQUIRED if name not in given]
    if missing:
        raise ConfigError(
            f"column {missing[0]} is missing; a manifest has {', '.join(REQUIRED)} and, if known, "
            f"{', '.join(n for n in (*COLUMNS, *EXTRA) if n not in REQUIRED)}; got {given[:20]}"
        )
    for name in given:
        check_column(name, (*COLUMNS, *EXTRA))
        if given.count(name) > 1:
            raise ConfigError(f"column '{name}' is there twice; keep one")


def check_column(name: str, known: tuple[str, ...]) -> None:
    """Raise unless `name` is one of `known` or a column of one's own.

    Raises:
        ConfigError: It is neither.
    """
    if name not in known and not _OWN_COLUMN.fullmatch(name):
        raise ConfigError(
            f"column '{name}' is unknown; columns are {', '.join(known)}, and your own, which "
            f"start with {OWN} and hold lower case letters, digits and _, such as {OWN}device"
        )


def _check_text(column: str, text: str | None) -> None:
    """Raise unless a text survives a table: one line, no space around it, nothing unprintable."""
    if text is None:
        return
    longest = LONGEST.get(column, _LONGEST)
    if not text or len(text) > longest:
        raise ConfigError(f"{column} has 1 to {longest} characters, got {len(text)}")
    if text != text.strip() or not (text.isprintable() or all(map(_printable, text))):
        raise ConfigError(
            f"{column} is one line without spaces around it and without control characters, got "
            f"{text!r}"
        )


def _printable(character: str) -> bool:
    """All but control characters, line ends and half characters, which UTF-8 cannot hold."""
    return unicodedata.category(character) not in ("Cc", "Cs", "Zl", "Zp")


def _check_path(column: str, name: str | None) -> None:
    """Raise unless `name` is the plain spelling of a path, so that equal paths look equal."""
    if name is None:
        return
    parts = name.removeprefix("/").split("/")
    if "\\" in name or "" in parts or "." in parts:
        raise ConfigError(
            f"{column} is written with single slashes and without '.' folders, got '{name}'; "
            "write it like a/b.nii.gz"
        )


def _check_words(view: str | None, sha256: str | None, labels: str | None) -> None:
    """Raise unless those that have few spellings have one of them."""
    if view is not None and view not in VIEWS:
        raise ConfigError(f"view is one of {', '.join(VIEWS)} or empty, got '{view}'")
    if sha256 is not None and not _SHA256.fullmatch(sha256):
        raise ConfigError(f"sha256 is 64 hexadecimal digits in lower case, got '{sha256}'")
    if labels is not None:
        label_scheme(labels)


def _check_positive(column: str, value: float | None) -> None:
    if value is not None and not (math.isfinite(value) and value > 0):
        raise ConfigError(f"{column} is a positive number or empty, got {value}")
