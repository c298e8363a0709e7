"""What the name of a file says: whose heart it shows, and in which view."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from types import MappingProxyType

from cardiovae.errors import ConfigError
from cardiovae.io.content import view_from_name

DEFAULT_PATTERN = r"(?P<patient>.+?)[/_. -]+(?:(?P<view>a[24]ch?|[24]ch)|frame[0-9]+)(?![a-z0-9])"
"""Patient and view in names such as `patient0001_4CH_ED`, `phantom00001_A2C` and, of a stack of
slices, `patient001_frame01`."""

MARKS = ("_gt", "_pred")
"""Ends of the names of label maps: CAMUS calls the labels of `x` `x_gt`."""

_VIEWS: Mapping[str, str] = MappingProxyType({"2": "A2C", "4": "A4C"})


def compile_pattern(text: str) -> re.Pattern[str]:
    """A regular expression for names, without regard to case.

    Raises:
        ConfigError: No regular expression, or one without the group `patient`.
    """
    try:
        pattern = re.compile(text, re.IGNORECASE)
    except re.error as error:
        raise ConfigError(f"--patient-pattern {text}: no regular expression ({error})") from error
    if "patient" not in pattern.groupindex:
        raise ConfigError(
            f"--patient-pattern {text}: lacks the group (?P<patient>...); the group "
            f"(?P<view>...) is optional, as in {DEFAULT_PATTERN}"
        )
    return pattern


def patient_and_view(name: str, pattern: re.Pattern[str]) -> tuple[str, str | None]:
    """Whose heart a file shows and in which view, by its name.

    Args:
        name: Path without suffix, folders separated by slashes.
        pattern: Searched in `name`; where it is not found, the file is a patient of its own.

    Raises:
        ConfigError: The group `view` holds no apical view.

    Examples:
        >>> patient_and_view("patient0001_4CH_ED", compile_pattern(DEFAULT_PATTERN))
        ('patient0001', 'A4C')
        >>> patient_and_view("patient001_frame01", compile_pattern(DEFAULT_PATTERN))
        ('patient001', None)
        >>> patient_and_view("scan7", compile_pattern(DEFAULT_PATTERN))
        ('scan7', None)
    """
    found = pattern.search(name)
    if found is None:
        return name, view_from_name(PurePosixPath(name).name)
    view = found.groupdict().get("view")
    if view is None:
        return found["patient"], view_from_name(PurePosixPath(name).name)
    digits = set(view) & set(_VIEWS)
    if len(digits) != 1:
        raise ConfigError(
            f"{name}: the group 'view' of --patient-pattern found '{view}', which names neither "
            "the two-chamber (2) nor the four-chamber view (4)"
        )
    return found["patient"], _VIEWS[digits.pop()]


def unmarked(name: str) -> str:
    """`name` without a mark such as `_gt` at its end.

    Examples:
        >>> unmarked("a/patient0001_4CH_ED_gt"), unmarked("a/_gt")
        ('a/patient0001_4CH_ED', 'a/_gt')
    """
    own = PurePosixPath(name).name
    mark = next((m for m in MARKS if name.endswith(m) and own != m), "")
    return name[: len(name) - len(mark)]
