"""`cardiovae manifest`: lists of label maps, built from a folder and compared with the disk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from cardiovae.batch.run import run_items
from cardiovae.cli import batching, options
from cardiovae.cli.cases import Tally, source_name
from cardiovae.cli.exits import ExitCode
from cardiovae.cli.screen import Screen
from cardiovae.errors import ConfigError

if TYPE_CHECKING:
    from rich.padding import Padding

    from cardiovae.manifest.build import Draft
    from cardiovae.manifest.schema import Entry, Manifest
    from cardiovae.manifest.verify import Finding

Item = TypeVar("Item")
Result = TypeVar("Result")

DEFAULT_NAME = "manifest.csv"
SHOWN = 10
"""Findings of one kind that people see without --verbose."""


def manifest(context: typer.Context) -> None:
    """Lists of label maps: build one from a folder, or compare one with the files it names."""
    if context.invoked_subcommand is None:
        print(context.get_help())
        raise typer.Exit(ExitCode.USAGE)


def build(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Searched with all it contains for label maps.")
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            rich_help_panel=options.OUTPUT,
            help="Where to: .csv or .json, in DIR or above it. Default: DIR/manifest.csv.",
        ),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            "--split",
            metavar="PART=SHARE,...",
            help="Split by patient, such as train=0.7,val=0.15,test=0.15. Default: the split of "
            "FileList.csv in DIR (EchoNet-Dynamic), else none.",
        ),
    ] = None,
    seed: options.Seed = 0,
    patient_pattern: options.PatientPattern = None,
    source: Annotated[
        str | None, typer.Option("--source", metavar="TEXT", help="Citation of the data.")
    ] = None,
    license_id: Annotated[
        str | None,
        typer.Option("--license", metavar="SPDX", help="License of the data, such as CC-BY-4.0."),
    ] = None,
    allow_outside: options.AllowOutside = False,
    labels: options.Labels = None,
    spacing: options.Spacing = None,
    frame_time: options.FrameTime = None,
    view: options.View = None,
    json_lines: options.Json = False,
    overwrite: options.Overwrite = False,
    workers: batching.Workers = None,
) -> ExitCode:
    """List the label maps of a folder: name, view, spacing, frame time, patient, SHA-256.

    Every file is opened. One that is no label map is reported and left out. What neither the
    file nor its name says stays empty.
    """
    from cardiovae.io import refuse_to_replace
    from cardiovae.manifest.build import Facts, lost_draft, try_describe, with_splits
    from cardiovae.manifest.files import suffix_of, write_manifest
    from cardiovae.manifest.schema import Manifest
    from cardiovae.manifest.splits import parse_shares, split_patients

    screen = Screen(json=json_lines)
    how = options.reading(labels, spacing, frame_time, view)
    shares = None if split is None else parse_shares(split)
    place = folder / DEFAULT_NAME if output is None else output
    suffix_of(place)
    refuse_to_replace(place, overwrite=overwrite)
    drafts = _drafts(folder, place.parent, patient_pattern, screen, allow_outside=allow_outside)
    facts = Facts(how.labels, how.spacing_mm, how.frame_time_ms, source, license_id, how.view)
    work = partial(try_describe, place.parent, facts)
    results = _results(work, drafts, lost_draft, workers)
    entries: list[Entry] = []
    for done in screen.progress(results, "reading", len(drafts)):
        if done.entry is None:
            screen.fail(source_name(done.draft.path), done.error)
        else:
            entries.append(done.entry)
    if shares is not None:
        patients = (entry.patient or "" for entry in entries)
        entries = list(with_splits(entries, split_patients(patients, shares, seed=seed)))
    if entries:
        listed = Manifest(tuple(entries), place.parent)
        write_manifest(place, listed, overwrite=overwrite)
        _show_built(listed, place, screen)
    return Tally(len(entries), 0, len(drafts) - len(entries)).exit_code(gate=False)


def verify(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="MANIFEST|DIR", help="A manifest, .csv or .json, or the folder it is built in."
        ),
    ],
    root: options.Root = None,
    allow_outside: options.AllowOutside = False,
    json_lines: options.Json = False,
    verbose: Annotated[
        bool,
        typer.Option(
            "--verbose", "-v", rich_help_panel=options.OUTPUT, help="Show every finding."
        ),
    ] = False,
    workers: batching.Workers = None,
) -> ExitCode:
    """Compare a manifest with the files it names: missing, changed, unreadable, duplicate.

    Patients in more than one part of a split are found too, and label maps of the folder that
    are not listed are noted. Exit code 3 when anything but such a note is found.
    """
    from cardiovae.manifest.files import read_manifest
    from cardiovae.manifest.verify import NOTES, check_entry, compare_entries, lost_entry

    screen = Screen(json=json_lines)
    path = path / DEFAULT_NAME if path.is_dir() else path
    listed = read_manifest(path, root=root, allow_outside=allow_outside)
    results = _results(partial(check_entry, listed.root), listed.entries, lost_entry, workers)
    checked = list(screen.progress(results, "verifying", len(listed.entries)))
    found = [finding for one in checked for finding in one.findings]
    found += compare_entries(listed, checked)
    for finding in found:
        screen.record({"manifest": str(path), **finding.to_json()})
    counts = Counter(finding.kind for finding in found)
    wrong = sum(n for kind, n in counts.items() if kind not in NOTES)
    unhashed = sum(entry.sha256 is None for entry in listed.entries)
    screen.record(
        {
            "manifest": str(path),
            "entries": len(listed.entries),
            "without_sha256": unhashed,
            "found": dict(counts),
            "passed": not wrong,
        }
    )
    if not json_lines:
        _show_found(path, listed, found, screen, limit=None if verbose else SHOWN)
        if unhashed:
            screen.say(f"  {unhashed} have no sha256: whether they have changed is not known")
    if not listed.entries:
        return ExitCode.NOTHING_MATCHED
    return ExitCode.GATE if wrong else ExitCode.OK


def _drafts(
    folder: Path, root: Path, pattern: str | None, screen: Screen, *, allow_outside: bool
) -> tuple[Draft, ...]:
    """The label maps of `folder`, all of them below `root`; none, said, where it holds none.

    Raises:
        ConfigError: No folder, or files that a manifest in `root` may not name.
    """
    from cardiovae.errors import FileError
    from cardiovae.manifest.build import find_drafts
    from cardiovae.manifest.names import DEFAULT_PATTERN, compile_pattern
    from cardiovae.manifest.paths import guard, relative_name

    compiled = compile_pattern(pattern or DEFAULT_PATTERN)
    if not folder.is_dir():
        raise ConfigError(f"{folder}: is no folder; give the one that holds the label maps")
    try:
        drafts = find_drafts(folder, pattern=compiled)
    except FileError as error:
        screen.fail(str(folder), str(error))
        return ()
    check = guard(root, allow_outside=allow_outside)
    for draft in drafts:
        check("labels_path", relative_name(draft.path, root))
        if draft.image is not None:
            check("image_path", relative_name(draft.image, root))
    return drafts


def _results(
    work: Callable[[Item], Result],
    items: Sequence[Item],
    lost: Callable[[Item, str], Result],
    workers: int | None,
) -> Iterator[Result]:
    """The result of each item, in their order, from several processes where there are many."""
    engine = batching.engine_for(None, workers, None, len(items))
    return run_items(work, items, lost, engine, batch=batching.AT_A_TIME[engine.name])


def _show_built(listed: Manifest, place: Path, screen: Screen) -> None:
    """Say what was written."""
    patients = {entry.patient for entry in listed.entries}
    splits = Counter(entry.split for entry in listed.entries if entry.split is not None)
    screen.record(
        {
            "manifest": str(place),
            "entries": len(listed.entries),
            "patients": len(patients),
            "splits": dict(splits),
        }
    )
    if screen.json:
        return
    of = "1 patient" if len(patients) == 1 else f"{len(patients)} patients"
    screen.say(f"{place}: {len(listed.entries)} label maps of {of}")
    if splits:
        screen.say("  " + ", ".join(f"{part} {n}" for part, n in sorted(splits.items())))
    unknown = sum(entry.spacing_mm is None for entry in listed.entries)
    if unknown:
        screen.say(f"  {unknown} have no spacing: fill in the columns, or give --spacing")


def _show_found(
    path: Path, listed: Manifest, found: list[Finding], screen: Screen, *, limit: int | None
) -> None:
    """Show to people what was found, the first of each kind."""
    from cardiovae.manifest.verify import MEANINGS, NOTES

    n_entries = len(listed.entries)
    wrong = {f.sequence_id or f.reason for f in found if f.kind not in NOTES}
    if wrong:
        screen.say(f"{path}: {n_entries} entries, {len(wrong)} with something wrong")
    else:
        screen.say(f"{path}: all {n_entries} entries are as listed")
    for kind, meaning in MEANINGS.items():
        mine = [finding for finding in found if finding.kind == kind]
        if mine:
            screen.say(f"\n{kind} ({len(mine)}): {meaning}")
            screen.say(_table(mine[:limit]))
            if limit is not None and len(mine) > limit:
                screen.say(f"  and {len(mine) - limit} more; --verbose shows all")


def _table(found: list[Finding]) -> Padding:
    from rich.padding import Padding
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(overflow="fold")
    table.add_column(overflow="fold")
    for finding in found:
        table.add_row(finding.path or "-", finding.reason)
    return Padding(table, (0, 0, 0, 2), expand=False)
