"""The report of a batch: a folder that opens from a file, whatever the number of sequences.

`index.html` says what holds for all, `pages/<id>.html` what holds for one. They share `assets`,
take their data from scripts in `data`, and their pictures from `thumbs` and `cines`, which
`pictures_of` made where the sequences were read. No network, no foreign code, no dates: the same
records give the same bytes.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from jinja2 import Environment, PackageLoader, StrictUndefined
from PIL import Image

from cardiovae.errors import CardiovaeError
from cardiovae.io.atomic import refuse_to_replace, staging
from cardiovae.labels import ALL
from cardiovae.report import batch_summary as summary
from cardiovae.report import palette
from cardiovae.report.batch_data import (
    CHUNK,
    HAS_CINE,
    HAS_PAGE,
    HAS_THUMB,
    MAX_ROWS,
    order_script,
    row_scripts,
    summary_script,
)
from cardiovae.report.batch_pages import sequence_page
from cardiovae.report.batch_pictures import CINES, picture_names, sheet_columns
from cardiovae.report.batch_plots import histogram
from cardiovae.report.batch_rows import VERDICTS, Row, is_flagged, row_of, rules_of
from cardiovae.report.batch_spool import Batch, Gathering, spool

Records = Iterable[Mapping[str, Any]]
Pages = Literal["flagged", "all", "none"]
PAGES: tuple[Pages, ...] = ("flagged", "all", "none")
RUN_KEYS = (
    "cardiovae", "verb", "command", "anatomy", "temporal", "criteria", "settings_sha256", "gates",
    "versions",
)  # fmt: skip
SCRIPTS = ("player.js", "batch.js", "page.js")
MAX_ERRORS = 500  # listed on the page; all are in the table
# What an earlier report left in the folder, and nothing else.
_OURS = {"pages": re.compile(r"[0-9a-f]{16}\.html"), "data": re.compile(r"rows-\d{3}\.js")}


def write_batch_report(
    folder: Path,
    run: Mapping[str, Any],
    records: Records | Callable[[], Records],
    *,
    pages: Pages = "flagged",
    overwrite: bool = False,
) -> Path:
    """Write the report of a batch into a folder.

    The records are read once and one at a time. Memory holds what the figures need of each,
    about as much as its name; the rest waits on the disk until its line is written.

    Args:
        folder: Where to write; pictures that it holds already in `thumbs` and `cines` are shown.
        run: Content of `run.json`.
        records: One per input, in any order: an audit's record with `source`, `sha256`,
            `status`, `error`, `notes`, `subgroups` and, after a correction, `before`,
            `correction` and `page`, the path of its own page relative to the folder; or a
            function that yields them.
        pages: Whose pages to write: of those that do not pass or were corrected, of all that
            could be read, or of none.
        overwrite: Whether an earlier report may be replaced.

    Returns:
        The path of `index.html`, which is written last.

    Raises:
        CardiovaeError: The run lacks a key, or a record names a criterion that the run does not.
        FileError: The report exists, or cannot be written.
    """
    _check(run, pages)
    index = folder / "index.html"
    refuse_to_replace(index, overwrite=overwrite)
    _clear(folder)
    environment = _environment()
    template = environment.get_template("batch_page.html")
    rules = rules_of(run)
    flags_of = partial(_flags, folder, pages)
    with staging(folder) as write, spool(folder) as rows:
        gathering = Gathering(rules, rows)
        for record in records() if callable(records) else records:
            row = row_of(record, rules)
            gathering.add(row)
            if _has_page(row, pages):
                cine = bool(flags_of(row) & HAS_CINE)
                text = sequence_page(template, record, row, rules, cine=cine)
                write(Path("pages", f"{row.id}.html"), _encoded(text))
        batch = gathering.batch()
        groups = summary.group_names(batch.briefs)
        for name, text in _shared(environment, batch, groups, flags_of, pages):
            write(Path(name), _encoded(text))
        text = _index(environment, folder, run, batch, groups, flags_of)
        write(Path(index.name), _encoded(text))
    return index


def _check(run: Mapping[str, Any], pages: str) -> None:
    missing = [key for key in RUN_KEYS if key not in run]
    if missing:
        raise CardiovaeError(
            f"run: lacks {missing}; pass the content of a run.json as `cardiovae audit -o` "
            "writes it"
        )
    if pages not in PAGES:
        raise CardiovaeError(f"pages: one of {', '.join(PAGES)}, got '{pages}'")


def _clear(folder: Path) -> None:
    """Remove what an earlier report would leave behind."""
    for name, pattern in _OURS.items():
        for path in folder.joinpath(name).glob("*"):
            if pattern.fullmatch(path.name) and path.is_file():
                path.unlink()


def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("cardiovae.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _has_page(row: summary.AnyRow, pages: Pages) -> bool:
    if pages == "all":
        return row.verdict != "E"
    return pages == "flagged" and is_flagged(row.verdict, row.change)


def _flags(folder: Path, pages: Pages, row: Row) -> int:
    """What files there are about a row."""
    thumb, cine = (folder / name for name in picture_names(row.source))
    return HAS_THUMB * thumb.exists() + HAS_CINE * cine.exists() + HAS_PAGE * _has_page(row, pages)


def _encoded(text: str) -> bytes:
    """File names may hold bytes that are no text; they are shown by their numbers."""
    return text.encode("utf-8", "backslashreplace")


def _shared(
    environment: Environment,
    batch: Batch,
    groups: Sequence[str],
    flags_of: Callable[[Row], int],
    pages: Pages,
) -> Iterator[tuple[str, str]]:
    """Styles, scripts and data: name and text."""
    look = {"palette": palette, "structures": _structures()}
    yield "assets/style.css", environment.get_template("batch.css").render(look)
    templates = resources.files("cardiovae.report") / "templates"
    for name in SCRIPTS:
        yield f"assets/{name}", (templates / f"batch_{name}").read_text(encoding="utf-8")
    yield "data/summary.js", summary_script(batch, groups)
    for number, text in enumerate(row_scripts(batch, groups, flags_of)):
        yield f"data/rows-{number:03d}.js", text
    places = zip(batch.order.tolist(), batch.briefs, strict=True)
    paged = [batch.rows[i].id for i, row in places if _has_page(row, pages)]
    yield "data/order.js", order_script(paged)


def _structures() -> list[tuple[str, str]]:
    return [(s.name, palette.STRUCTURE_COLORS[s]) for s in ALL]


def _index(
    environment: Environment,
    folder: Path,
    run: Mapping[str, Any],
    batch: Batch,
    groups: Sequence[str],
    flags_of: Callable[[Row], int],
) -> str:
    rows = batch.briefs
    findings = summary.findings_of(batch)
    places = zip(batch.order.tolist(), rows, strict=True)
    errors = [i for i, row in places if row.verdict == "E"]
    of = {e.row.id: flags_of(e.row) for finding in findings for e in finding.examples}
    return environment.get_template("batch.html").render(
        run=run,
        command=shlex.join(run["command"]),
        n_rows=len(rows),
        max_rows=MAX_ROWS,
        n_chunks=-(-min(len(rows), MAX_ROWS) // CHUNK),
        headline=summary.headline(rows, findings),
        good=all(row.verdict == "P" for row in rows),
        tiles=summary.tiles(rows, run["gates"]),
        change_tiles=summary.change_tiles(rows),
        fixes=summary.fixes_of(rows, batch.rules),
        findings=findings,
        plots={f.index: histogram(batch.bins[f.index], f.rule.label) for f in findings},
        groups=summary.groups_of(rows),
        errors=[batch.rows[i] for i in errors[:MAX_ERRORS]],
        n_errors=len(errors),
        views=sorted({row.view for row in rows if row.view}),
        subgroups=groups,
        verdicts=VERDICTS,
        percent=summary.percent,
        span=summary.span,
        examples=_examples(folder, findings, of),
        flags=of,
        has_page=HAS_PAGE,
        structures=_structures(),
        identity=batch.identity,
        rules=batch.rules,
    )


def _examples(
    folder: Path, findings: Iterable[summary.Finding], flags: Mapping[str, int]
) -> dict[tuple[str, int], str]:
    """Style of the picture of each example that has one, by identifier and frame."""
    shown = {(e.row.id, e.frame): e.row for finding in findings for e in finding.examples}
    return {
        key: _tile(folder / CINES / f"{key[0]}.png", row, max(key[1], 0))
        for key, row in shown.items()
        if flags[key[0]] & HAS_CINE
    }


def _tile(path: Path, row: Row, t: int) -> str:
    """Where in its sheet a frame and its marks lie, as properties of a style."""
    n_cols = sheet_columns(row.n_frames)
    n_rows = -(-row.n_frames // n_cols)
    n_all = n_rows * (2 if row.change is None else 4)
    with Image.open(path) as sheet:
        width, height = sheet.size
    ratio = (width / n_cols) / (height / n_all)
    places = {"cols": n_cols, "rows": n_all, "col": t % n_cols, "row": t // n_cols}
    style = "".join(f"--{name}:{value};" for name, value in places.items())
    return f"{style}--marks:{n_rows + t // n_cols};--ratio:{ratio:.4f}"
