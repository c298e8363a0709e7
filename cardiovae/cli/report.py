"""`cardiovae report`: tables and report of finished runs, made anew or put together from parts."""

from __future__ import annotations

import heapq
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from cardiovae.cli import batching, options
from cardiovae.cli.cases import Tally
from cardiovae.cli.exits import ExitCode
from cardiovae.cli.outcome import PICTURES, Wanted, claim, read_run, write_outcome
from cardiovae.cli.screen import Screen
from cardiovae.errors import ConfigError, FileError

PARTS = "shard-*-of-*"


def report(
    folders: Annotated[
        list[Path],
        typer.Argument(
            metavar="OUT",
            help="Folders of results that 'cardiovae audit -o' or 'cardiovae correct' wrote; one "
            "with parts in it (--shard) stands for all its parts.",
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="DIR",
            rich_help_panel=options.OUTPUT,
            help="Where to write. Default: into OUT, if only one is given.",
        ),
    ] = None,
    max_implausible: batching.MaxImplausible = None,
    pages: batching.Pages = "flagged",
    junit: batching.Junit = None,
    verbose: Annotated[
        bool,
        typer.Option(
            "--verbose",
            "-v",
            rich_help_panel=options.OUTPUT,
            help="Write into the table of findings what passes as well.",
        ),
    ] = False,
    overwrite: options.Overwrite = False,
) -> ExitCode:
    """Put parts of a run together, and write tables and report. No image is needed.

    All parts have the same settings, and every input is in one of them only.
    """
    from cardiovae.batch.journal import RECORDS, Journal
    from cardiovae.cli.results_folder import clear, told
    from cardiovae.io import refuse_to_replace

    limit = None
    if max_implausible is not None:
        limit = batching.parse_share("--max-implausible", max_implausible)
    parts = [part for folder in folders for part in parts_of(folder)]
    target = _target(folders, output)
    facts = common_facts(parts)
    if junit is not None:
        refuse_to_replace(junit, overwrite=overwrite)
    if target not in parts and not _holds_parts(target, parts):
        claim(target, facts, overwrite=overwrite)
        clear(target)
    journals = [Journal(part) for part in parts]
    require_finished(parts)
    require_disjoint(parts, journals)

    def records() -> Iterator[dict[str, Any]]:
        yield from heapq.merge(*(j.records() for j in journals), key=lambda r: r["source"])

    _copy_pictures(parts, target)
    wanted = Wanted(verbose, pages, junit, limit)
    totals = write_outcome(target, facts, records, wanted)
    if target not in parts:
        _write_lines(target / RECORDS, journals)
    screen = Screen()
    n_parts = f" in {len(parts)} parts" if len(parts) > 1 else ""
    screen.say(f"{totals.passed} of {totals.sequences} files pass{n_parts}")
    for line in told(target, totals, wanted):
        screen.say(line)
    tally = Tally(totals.passed, totals.not_passed, totals.errors)
    return tally.exit_code(gate=False, limit=limit)


def parts_of(folder: Path) -> list[Path]:
    """The folder itself, or the parts in it.

    Raises:
        FileError: It is no folder of results and holds no part, or not all of them.
    """
    parts = sorted(path for path in folder.glob(PARTS) if path.is_dir())
    if not parts:
        read_run(folder)
        return [folder]
    counts = {int(part.name.rpartition("-")[2]) for part in parts}
    present = {int(part.name.split("-")[1]) for part in parts}
    missing = sorted(set(range(1, max(counts) + 1)) - present)
    if len(counts) > 1 or missing:
        raise FileError(
            f"{folder}: holds {', '.join(part.name for part in parts)}: not the parts of one run, "
            f"or without parts {missing}; run those, or name the folders to be put together"
        )
    return parts


def common_facts(parts: Sequence[Path]) -> dict[str, Any]:
    """What run.json of every part says.

    Raises:
        ConfigError: The parts have different settings.
        FileError: A part is none.
    """
    facts = [read_run(part) for part in parts]
    for part, other in zip(parts, facts, strict=True):
        if other["settings_sha256"] != facts[0]["settings_sha256"]:
            raise ConfigError(
                f"{part}: has other settings ({' '.join(other['command'])}) than {parts[0]} "
                f"({' '.join(facts[0]['command'])}); results of different settings do not compare"
            )
    return {name: value for name, value in facts[0].items() if name not in ("totals", "gates")}


def require_finished(parts: Sequence[Path]) -> None:
    """Raise where a part was stopped before its end.

    Raises:
        FileError: It was.
    """
    from cardiovae.batch.journal import JOURNAL

    for part in parts:
        if (part / JOURNAL).exists():
            raise FileError(
                f"{part}: is not finished; run its command again, which goes on from there"
            )


def require_disjoint(parts: Sequence[Path], journals: Sequence[Any]) -> None:
    """Raise where an input is in two parts: it would count twice.

    Raises:
        ConfigError: It is.
    """
    seen: dict[str, Path] = {}
    for part, journal in zip(parts, journals, strict=True):
        for source in journal.sources:
            if source in seen:
                raise ConfigError(
                    f"{part}: holds {source}, which is in {seen[source]} too; give each part once"
                )
            seen[source] = part


def _target(folders: Sequence[Path], output: Path | None) -> Path:
    if output is not None:
        return output
    if len(folders) > 1:
        raise ConfigError(f"{len(folders)} folders are given: say where to write with -o DIR")
    return folders[0]


def _holds_parts(target: Path, parts: Sequence[Path]) -> bool:
    """Whether the parts lie in the target, which is ours then."""
    return all(part.parent == target for part in parts)


def _copy_pictures(parts: Sequence[Path], target: Path) -> None:
    for part in parts:
        for name in PICTURES:
            if part != target and (part / name).is_dir():
                shutil.copytree(part / name, target / name, dirs_exist_ok=True)


def _write_lines(path: Path, journals: Sequence[Any]) -> None:
    """All records in one file, so that the folder can be put together again with others."""
    from cardiovae.io import staged

    lines = heapq.merge(
        *(zip(sorted(j.sources), j.lines(), strict=True) for j in journals), key=lambda x: x[0]
    )
    with staged(path, overwrite=True) as target, target.open("wb") as stream:
        for _, line in lines:
            stream.write(line + b"\n")
