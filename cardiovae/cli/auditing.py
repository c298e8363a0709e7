"""One input audited: what every worker of `cardiovae audit` does, wherever it runs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cardiovae.batch.run import Made
from cardiovae.cli.cases import Cases, source_name
from cardiovae.cli.options import Reading
from cardiovae.errors import CardiovaeError, FileError
from cardiovae.indices.subjects import NOBODY, Subject
from cardiovae.io.layouts import sidecars

if TYPE_CHECKING:
    from cardiovae.audit.criteria import CriteriaSet
    from cardiovae.manifest.inputs import Input

CHANGED = "changed while it was read; run the same command again once nobody writes to it"

REVIEWED = "changed since it was reviewed; look at it again, or take it out of the decisions"
LISTED = "is not what the manifest lists (sha256); 'cardiovae manifest verify' finds all such"


@dataclass(frozen=True)
class Task:
    """One input.

    Args:
        source: What it is called in every result.
        path: Where it is.
        reading: What is known about it besides what it says itself.
        subgroups: What it belongs to, such as a site.
        patient: Whose heart it is, where a manifest says so.
        subject: What a manifest says of that patient.
        known_sha256: Hash of its content when an earlier run worked on it; if it is the same
            still, nothing is done.
        keep: Whether somebody looked at it and wants it left as it is.
        expected: Hashes that its content must have, each with what is wrong where it has not.
    """

    source: str
    path: Path
    reading: Reading = field(default_factory=Reading)
    subgroups: Mapping[str, str] = field(default_factory=dict)
    patient: str | None = None
    subject: Subject = NOBODY
    known_sha256: str | None = None
    keep: bool = False
    expected: tuple[tuple[str, str], ...] = ()

    @property
    def stated(self) -> str:
        """Hash of what is known of it besides its content; an earlier result of another is void.

        A manifest, a review or a file beside it may say something else than the last time.
        """
        known: list[Any] = [self.reading.to_json(), dict(self.subgroups), self.keep]
        known += [self.patient] if self.patient else []
        known += [] if self.subject == NOBODY else [asdict(self.subject)]
        known += [[file.name, _beside(file)] for file in sidecars(self.path)]
        return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()


def tasks_of(cases: Cases, reading: Reading) -> Sequence[Task]:
    """One task per case; what the command line says wins over a manifest.

    Made when they are asked for, of the names of the files: many of them fit into memory.
    """
    names, known = [str(path) for path in cases.paths], cases.known
    by_name = {str(path): item for path, item in known.items()}
    return Made(range(len(names)), lambda i: _task(names[i], by_name.get(names[i]), reading))


def _task(name: str, known: Input | None, reading: Reading) -> Task:
    path = Path(name)
    if known is None:
        return Task(source_name(path), path, reading)
    from cardiovae.labels import label_scheme

    stated = Reading(
        label_scheme(known.labels) if known.labels else None,
        known.spacing_mm,
        known.frame_time_ms,
        known.view,
    )
    given = {name: value for name, value in vars(reading).items() if value is not None}
    expected = ((known.sha256, LISTED),) if known.sha256 else ()
    return Task(
        source_name(path),
        path,
        replace(stated, **given),
        known.subgroups,
        known.patient,
        known.subject,
        expected=expected,
    )


def _beside(file: Path) -> str:
    """Hash of a file beside an input; "" where it cannot be read, as the readers take it."""
    from cardiovae.io.digest import file_sha256

    try:
        return file_sha256(file)
    except FileError:
        return ""


@dataclass(frozen=True)
class Done:
    """What came of one input.

    Args:
        source: What the input is called.
        sha256: Hash of its content; None where it could not be read.
        passed: Whether it passes; None where that is not known.
        line: Its record as JSON without line breaks; empty where an earlier one still holds.
        error: Why there is no result; empty where there is one.
        files: Pictures for the report, by their names in the folder of results.
        said: Lines for people.
        told: A line of JSON for programs.
    """

    source: str
    sha256: str | None
    passed: bool | None
    line: bytes = b""
    error: str = ""
    files: Mapping[str, bytes] = field(default_factory=dict)
    said: tuple[str, ...] = ()
    told: str = ""

    @property
    def record(self) -> dict[str, Any]:
        """The record, read from its line."""
        content: dict[str, Any] = json.loads(self.line)
        return content


@dataclass(frozen=True)
class Auditor:
    """Audits one task; goes to the workers as it is.

    Args:
        anatomy: Anatomical criteria sets; the first that is for the view of an input judges it.
        temporal: Temporal criteria set; None = frames only.
        pictures: Whether to draw what a report shows of sequences that do not pass.
        indices: Whether to measure what a clinic does, too.
        alone: Whether there is one task only, and a bug may end the run.
    """

    anatomy: tuple[CriteriaSet, ...]
    temporal: CriteriaSet | None
    pictures: bool = False
    indices: bool = False
    alone: bool = False

    def __call__(self, task: Task) -> Done:
        """What came of a task; an error is a result like any other."""
        return settled(task, self._audited, alone=self.alone)

    def _audited(self, task: Task, sha256: str) -> Done:
        from cardiovae.audit.audit import audit_sequence
        from cardiovae.audit.record import audit_record
        from cardiovae.audit.temporal import Motion
        from cardiovae.io import open_sequence

        sequence, like = open_sequence(task.path, **vars(task.reading))
        motion = Motion(sequence.labels, sequence.spacing_mm, sequence.structures)
        suited = (of for of in self.anatomy if of.judges_stacks == sequence.is_stack)
        anatomy = next(suited, self.anatomy[0])  # which is refused, with the way out
        found = audit_sequence(sequence, anatomy=anatomy, temporal=self.temporal, motion=motion)
        record = {
            **head(task, sha256, ""),
            "notes": list(like.notes),
            "subgroups": dict(task.subgroups),
            **audit_record(sequence, found, motion),
        }
        if self.indices:
            from cardiovae.indices.core import core_values, sequence_heart

            record["indices"] = {"": core_values(sequence_heart(sequence, task.subject))}
        files: dict[str, bytes] = {}
        if self.pictures and not found.passed:
            from cardiovae.report.batch_pictures import pictures_of

            files = pictures_of(sequence, record)
        return Done(task.source, sha256, found.passed, line_of(record), files=files)


def settled(task: Task, work: Callable[[Task, str], Done], *, alone: bool) -> Done:
    """What `work` makes of a task and the hash of its content, or why it cannot.

    An input that changes in between is an error: nobody could say what the result is about.

    Raises:
        Exception: A bug, where the task is alone; among others it is an error of this one.
    """
    from cardiovae.io.digest import content_sha256, stamp

    try:
        before = stamp(task.path)
        sha256 = content_sha256(task.path)
        for expected, message in task.expected:
            if sha256 != expected:
                raise FileError(f"{task.path}: {message}")
        if sha256 == task.known_sha256:
            return Done(task.source, sha256, None)
        done = work(task, sha256)
        if stamp(task.path) != before:
            raise FileError(f"{task.path}: {CHANGED}")
    except CardiovaeError as error:
        return failed(task, str(error))
    except Exception as error:  # a bug on one file must not end a batch of thousands
        if alone:
            raise
        return failed(
            task,
            f"{task.path}: internal error: {type(error).__name__}: {error}; please report it with "
            "what --debug shows for this file alone",
        )
    return done


def failed(task: Task, message: str) -> Done:
    """The result of a task that could not be done."""
    return Done(task.source, None, None, line_of(head(task, None, message)), message)


def line_of(record: Mapping[str, Any]) -> bytes:
    """A record as one line of strictly valid JSON."""
    return json.dumps(record, allow_nan=False, separators=(",", ":")).encode()


def head(task: Task, sha256: str | None, error: str) -> dict[str, Any]:
    """What every record begins with."""
    return {
        "source": task.source,
        **({"patient": task.patient} if task.patient else {}),
        "sha256": sha256,
        "stated": task.stated,
        "status": "error" if error else "ok",
        "error": error,
    }
