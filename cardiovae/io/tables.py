"""Rows as files: CSV always, Parquet where pyarrow is installed (the extra `tables`).

Rows are written as they come, so a table may be larger than the memory.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, Protocol

from cardiovae.io.atomic import staged

Kind = Literal["text", "whole", "number", "flag"]
Row = Mapping[str, Any]
ROWS_AT_ONCE = 4_000
"""Rows of a Parquet row group, held until it is full: of frames a dozen megabytes."""


class AddRow(Protocol):
    """Adds a row to a table."""

    def __call__(self, row: Row, /) -> Any:
        """Write one value per column."""


def parquet_available() -> bool:
    """Whether pyarrow is installed."""
    return find_spec("pyarrow") is not None


@contextmanager
def table(
    path: Path, columns: Mapping[str, Kind], *, parquet: bool, overwrite: bool = False
) -> Iterator[AddRow]:
    """A table to add rows to: `path`, a CSV file, and beside it the same as Parquet.

    What is None is an empty cell in CSV and null in Parquet. Both appear when the block ends well.

    Args:
        path: Ends in `.csv`.
        columns: Names, in the order of the file, and what each holds.
        parquet: Whether to write the Parquet file too; needs pyarrow.
        overwrite: Whether existing files may be replaced.

    Yields:
        A function to call with each row, one value per column.

    Raises:
        FileError: A file exists, or cannot be written.
    """
    with ExitStack() as stack:
        adders = [stack.enter_context(_csv(path, columns, overwrite=overwrite))]
        if parquet:
            target = path.with_suffix(".parquet")
            adders.append(stack.enter_context(_parquet(target, columns, overwrite=overwrite)))

        def add(row: Row) -> None:
            for each in adders:
                each(row)

        yield add


def write_table(
    path: Path,
    columns: Mapping[str, Kind],
    rows: Iterable[Row],
    *,
    parquet: bool,
    overwrite: bool = False,
) -> None:
    """Write all rows at once; see `table`.

    Raises:
        FileError: A file exists, or cannot be written.
    """
    with table(path, columns, parquet=parquet, overwrite=overwrite) as add:
        for row in rows:
            add(row)


@contextmanager
def _csv(path: Path, columns: Mapping[str, Kind], *, overwrite: bool) -> Iterator[AddRow]:
    with (
        staged(path, overwrite=overwrite) as target,
        target.open("w", encoding="utf-8", newline="") as stream,
    ):
        writer = csv.DictWriter(stream, list(columns), lineterminator="\n")
        writer.writeheader()
        yield writer.writerow


@contextmanager
def _parquet(path: Path, columns: Mapping[str, Kind], *, overwrite: bool) -> Iterator[AddRow]:
    """Rows with the type of each column, even where no value is known."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = {"text": pa.string(), "whole": pa.int64(), "number": pa.float64(), "flag": pa.bool_()}
    schema = pa.schema([(name, kinds[kind]) for name, kind in columns.items()])
    with (
        staged(path, overwrite=overwrite) as target,
        pq.ParquetWriter(target, schema) as writer,
    ):
        held: list[Row] = []

        def flush() -> None:
            writer.write_table(pa.Table.from_pylist(held, schema=schema))
            held.clear()

        def add(row: Row) -> None:
            held.append(row)
            if len(held) == ROWS_AT_ONCE:
                flush()

        yield add
        if held:
            flush()
