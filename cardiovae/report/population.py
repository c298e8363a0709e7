"""The page about a cohort: a view of `population.json`, of its samples and of its outliers."""

from __future__ import annotations
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from cardiovae.io.atomic import write_text


def write_population(
    path: Path,
    record: Mapping[str, Any],
    found: Any,
    maps: Sequence[Any],
    *,
    overwrite: bool = False,
) -> None:
    write_text(path, "x", overwrite=overwrite)
