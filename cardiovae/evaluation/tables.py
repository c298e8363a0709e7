"""Rows as files: CSV always, Parquet where pyarrow is installed (the extra `tables`)."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from cardiovae.evaluation.results import VALID
from cardiovae.io.atomic import staged, write_text

TEXT = ("name", "patient", "view", "side", "file", "reference", "note", "error")
WHOLE = ("frame", "n_frames")


def parquet_available() -> bool:
    """Whether pyarrow is installed."""
    return find_spec("pyarrow") is not None


def write_table(
    path: Path,
    columns: Sequence[str],
    rows: Sequence[dict[str, Any]],
    *,
    parquet: bool,
    overwrite: bool = False,
) -> None:
    """Write rows as `path`, a CSV file, and beside it as Parquet.

    What is None is an empty cell in CSV and null in Parquet.

    Args:
        path: Ends in `.csv`.
        columns: Names, in the order of the file.
        rows: One value per column each.
        parquet: Whether to write the Parquet file too; needs pyarrow.
        overwrite: Whether existing files may be replaced.

    Raises:
        FileError: A file exists, or cannot be written.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue(), overwrite=overwrite)
    if parquet:
        _write_parquet(path.with_suffix(".parquet"), columns, rows, overwrite=overwrite)


def _write_parquet(
    path: Path, columns: Sequence[str], rows: Sequence[dict[str, Any]], *, overwrite: bool
) -> None:
    """The same rows with the type of each column, even where no value is known."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    def kind(name: str) -> Any:
        if name in TEXT or name.startswith("motion_"):
            return pa.string()
        if name in VALID and "frame" in columns:  # a verdict there, a share in sequences
            return pa.bool_()
        return pa.int64() if name in WHOLE else pa.float64()

    schema = pa.schema([(name, kind(name)) for name in columns])
    with staged(path, overwrite=overwrite) as target:
        pq.write_table(pa.Table.from_pylist(list(rows), schema=schema), target)
