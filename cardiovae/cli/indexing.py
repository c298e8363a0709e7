"""What `cardiovae indices` measures: files with their side, and hearts put together of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from cardiovae.cli.auditing import Done, Task, head, line_of, settled, tasks_of
from cardiovae.cli.cases import Cases, find_cases
from cardiovae.cli.options import Reading

if TYPE_CHECKING:
    import re

    from cardiovae.indices.rows import Patient
    from cardiovae.indices.subjects import Subject
    from cardiovae.population.cohort import Member

ONLY, BEFORE, AFTER = "labels", "before", "after"


@dataclass(frozen=True)
class Measurer:
    """Measures one task; goes to the workers as it is.

    Args:
        alone: Whether there is one task only, and a bug may end the run.
    """

    alone: bool = False

    def __call__(self, task: Task) -> Done:
        """What came of a task; an error is a result like any other."""
        return settled(task, self._measured, alone=self.alone)

    def _measured(self, task: Task, sha256: str) -> Done:
        from cardiovae.indices.measure import cine_record, measure_cine
        from cardiovae.indices.stack import measure_stack
        from cardiovae.io import open_sequence

        sequence, _ = open_sequence(task.path, **vars(task.reading))
        cine = measure_stack(sequence) if sequence.is_stack else measure_cine(sequence)
        record = {**head(task, sha256, ""), **cine_record(cine)}
        return Done(task.source, sha256, True, line_of(record))


@dataclass(frozen=True)
class Work:
    """All files to measure.

    Args:
        tasks: One per file: results first, then what they were made of.
        sides: Of each task.
        names: What each file is called: its patient and view are read from that.
        cases: What was found, with what could not be.
    """

    tasks: Sequence[Task]
    sides: Sequence[str]
    names: Mapping[Path, str]
    cases: Cases
    notes: tuple[str, ...] = field(default=())


def work_of(
    cases: Cases,
    names: Mapping[Path, str],
    before: str | None,
    reading: Reading,
    pattern: re.Pattern[str],
) -> Work:
    """The inputs, and what they were before correction.

    What they were is named by `--before`, else by the `audit.json` that `cardiovae correct` wrote
    beside its labels.

    Args:
        cases: The inputs.
        names: What each is called.
        before: File, folder or pattern of what they were; None = look beside them.
        reading: How all are read.
        pattern: Finds patient and view in names.
    """
    unmatched: tuple[tuple[str, str], ...] = ()
    if before is None:
        earlier, notes = _originals(cases.paths)
    else:
        earlier, unmatched, notes = *_named(names, before, pattern), ()
    known = {old: replace(cases.known[new], path=old, sha256=None)
             for old, new in earlier.items() if new in cases.known}  # fmt: skip
    own, added = tasks_of(cases, reading), tasks_of(Cases(tuple(earlier), known=known), reading)
    return Work(
        [*own, *added],
        [AFTER if earlier else ONLY] * len(own) + [BEFORE] * len(added),
        {**names, **{old: names[new] for old, new in earlier.items()}},
        replace(cases, unmatched=(*cases.unmatched, *unmatched), known={**cases.known, **known}),
        notes,
    )


def _originals(paths: Sequence[Path]) -> tuple[dict[Path, Path], tuple[str, ...]]:
    """What was corrected, with the result of each; and what cannot be found any more."""
    from cardiovae.evaluation.pairing import RESULT
    from cardiovae.io.inputs import stem
    from cardiovae.manifest.inputs import RECORD

    found: dict[Path, Path] = {}
    notes = []
    for path in paths:
        record = path.parent / RECORD
        if stem(path) != RESULT or not record.is_file():
            continue
        source = _source(record)
        if source is None or not source.exists():
            notes.append(
                f"{path}: its original {source or ''} is not there, so there is no 'before'; name "
                "it with --before, or run this from the folder where it was corrected"
            )
        elif source not in paths:
            found[source] = path
    return found, tuple(notes)


def _source(record: Path) -> Path | None:
    """The path of the original that a record names; None where it is no such record."""
    try:
        source = json.loads(record.read_text(encoding="utf-8")).get("source")
    except (OSError, ValueError, AttributeError):
        return None
    return Path(source) if isinstance(source, str) else None


def _named(
    names: Mapping[Path, str], before: str, pattern: re.Pattern[str]
) -> tuple[dict[Path, Path], tuple[tuple[str, str], ...]]:
    """Files of `--before` with the input that each belongs to, by their names."""
    from cardiovae.evaluation.pairing import names_below, pair_files

    cases = find_cases([before], results=True)
    folder = Path(before).expanduser()
    earlier = names_below(cases.paths, folder if folder.is_dir() else None)
    if len(names) == len(earlier) == 1:  # meant for each other
        earlier = dict.fromkeys(earlier, next(iter(names.values())))
    pairs = pair_files(earlier, names, pattern=pattern)
    lost = [(str(u.path), f"{u.path}: {_side(u.side)}, {u.reason}") for u in pairs.unmatched]
    found = {pair.prediction: pair.reference for pair in pairs.pairs}
    return found, (*cases.unmatched, *lost)


def _side(side: str) -> str:
    """Pairing calls what is judged a prediction, and what it is judged by a reference."""
    return {"prediction": "before", "reference": "input"}[side]


def patients_of(
    members: Sequence[tuple[Member, str]],
    subjects: Mapping[str, Subject],
    listed: Mapping[str, Sequence[Subject]],
    stated: Subject,
) -> tuple[list[Patient], list[str]]:
    """Hearts put together of all files of each patient, side and view.

    Args:
        members: Measured files, each with its side.
        subjects: What a table says of patients; it wins over all else.
        listed: What manifests say of the files of each patient.
        stated: What is known of all patients that are not in the table; it wins over manifests.

    Returns:
        Patients, sorted; and what was left out: files of unknown view where a view is known,
        patients of the table without a file, and what manifests contradict each other on.
    """
    from cardiovae.indices.heart import heart_of
    from cardiovae.indices.measure import UNKNOWN, Cine, cine_of, joined
    from cardiovae.indices.rows import Patient
    from cardiovae.indices.subjects import agreed
    from cardiovae.sequence import APICAL, SAX

    cines: dict[str, dict[str, dict[str, list[Cine]]]] = {}
    files: dict[str, dict[str, list[str]]] = {}
    order = {BEFORE: 0, AFTER: 1, ONLY: 1}
    for member, side in sorted(members, key=lambda item: (order[item[1]], item[0].name)):
        views = cines.setdefault(member.patient, {}).setdefault(side, {})
        views.setdefault(member.view, []).append(cine_of(member.record, member.view))
        files.setdefault(member.patient, {}).setdefault(side, []).append(member.source)
    known = {name: agreed(found) for name, found in listed.items()}
    whose = {name: stated.over(known[name]) if name in known else stated for name in cines}
    whose |= subjects
    patients = [
        Patient(
            name,
            {
                side: heart_of([joined(of) for of in views.values()], whose[name])
                for side, views in sides.items()
            },
            files[name],
        )
        for name, sides in sorted(cines.items())
    ]
    notes = [
        f"{name}: files of unknown view are left out, others show an apical view; say which with "
        "--view or by their names"
        for name, sides in sorted(cines.items())
        if any(UNKNOWN in views and {*views} & {*APICAL} for views in sides.values())
    ]
    notes += [
        f"{name}: stacks of short-axis slices are left out, others show an apical view; measure "
        "them in a run of their own"
        for name, sides in sorted(cines.items())
        if any(SAX in views and len(views) > 1 for views in sides.values())
    ]
    notes += [
        f"{name}: the manifest contradicts itself on sex or size, which are left unknown"
        for name, found in sorted(listed.items())
        if any(one.over(known[name]) != known[name] for one in found)
    ]
    return patients, notes + [
        f"'{n}' of --patients has no file" for n in subjects if n not in cines
    ]
