"""From inputs to a folder of results, going on from where an earlier run stopped."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from cardiovae.batch.journal import JOURNAL, RECORDS, Journal
from cardiovae.batch.run import Made
from cardiovae.cli.auditing import Done, Task
from cardiovae.cli.batching import Batch
from cardiovae.cli.cases import Tally
from cardiovae.cli.outcome import (
    INDEX,
    RUN,
    TABLES,
    Totals,
    Wanted,
    claim,
    write_outcome,
    write_run,
)
from cardiovae.cli.results import REPORT_FOLDERS
from cardiovae.errors import ConfigError, FileError

SHOWN = 3
"""Sources that a message names."""


def into_folder(
    folder: Path,
    batch: Batch,
    tasks: Sequence[Task],
    facts: Mapping[str, Any],
    wanted: Wanted,
    *,
    show: Callable[[Done], None],
    overwrite: bool,
) -> Tally:
    """Work on what has no result yet, keep each result as it comes, then write everything.

    Args:
        folder: Folder of results.
        batch: How to work.
        tasks: Inputs, sorted by source.
        facts: What `run_facts` says.
        wanted: What to write.
        show: Shows what came of an input.
        overwrite: Whether results of other settings or inputs there may be replaced.

    Returns:
        What came of the inputs; one failure where the file system refused, as a full one does.

    Raises:
        ConfigError: The folder holds results of other settings or inputs.
        FileError: The file system refuses the tables or the report.
    """
    if not claim(folder, facts, overwrite=overwrite):
        clear(folder)
    journal = Journal(folder)
    _require_same_inputs(folder, journal, tasks, overwrite=overwrite)
    write_run(folder, facts)
    todo = Made(range(len(tasks)), lambda i: _with_known(tasks[i], batch, journal))
    with journal:
        for done in batch.done(todo):
            try:
                _keep(folder, journal, done)
            except FileError as error:  # as of a full disk: what was kept stays, the rest waits
                batch.screen.fail(done.source, str(error))
                return Tally(failed=1)
            if done.line:
                show(done)
    journal.close()
    totals = write_outcome(folder, facts, journal.records, wanted)
    for line in told(folder, totals, wanted):
        batch.screen.say(line)
    return Tally(totals.passed, totals.not_passed, totals.errors)


def _with_known(task: Task, batch: Batch, journal: Journal) -> Task:
    """A task with what an earlier run says of it, if that still holds."""
    known = journal.known(task.source)
    if known is None or known.stated != task.stated or not batch.stands(task.source):
        return task
    return replace(task, known_sha256=known.sha256)


def told(folder: Path, totals: Totals, wanted: Wanted) -> list[str]:
    """Where the results are, and what they amount to."""
    frames = f"{totals.implausible_frames:,} of {totals.frames:,} frames implausible"
    place = folder / INDEX if wanted.pages is not None else folder
    return [frames, f"results: {place}"]


def clear(folder: Path) -> None:
    """Remove what an earlier run wrote into a folder of results, run.json last."""
    if not (folder / RUN).exists():
        return
    for name in REPORT_FOLDERS:
        if (folder / name).is_dir():
            shutil.rmtree(folder / name)
    tables = [name for of in TABLES for name in (of, str(Path(of).with_suffix(".parquet")))]
    for name in (INDEX, *tables, RECORDS, JOURNAL, RUN):
        (folder / name).unlink(missing_ok=True)


def _require_same_inputs(
    folder: Path, journal: Journal, tasks: Sequence[Task], *, overwrite: bool
) -> None:
    """Raise when results of other inputs are there; forget them where that is allowed."""
    if not journal.sources:
        return
    others = sorted(set(journal.sources) - {task.source for task in tasks})
    if others and not overwrite:
        shown = ", ".join(others[:SHOWN]) + (", ..." if len(others) > SHOWN else "")
        raise ConfigError(
            f"{folder}: holds results of {len(others)} other inputs ({shown}); write elsewhere "
            "with -o, or drop them with --overwrite"
        )
    for source in others:
        journal.forget(source)


def _keep(folder: Path, journal: Journal, done: Done) -> None:
    """Write what came of an input; nothing where an earlier result still holds.

    Raises:
        FileError: The file system refuses.
    """
    if not done.line:
        return
    for name, content in done.files.items():
        path = folder / name
        try:
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)
        except OSError as error:
            raise FileError(
                f"{path}: cannot be written ({error.strerror or error}); free some space, then "
                "run the same command again: it goes on from here"
            ) from error
    journal.append(done.source, done.line)
