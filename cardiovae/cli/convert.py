"""`cardiovae convert`: label maps from one format into another, contours into label maps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cardiovae.cli import options
from cardiovae.cli.auditing import tasks_of
from cardiovae.cli.cases import Cases, find_cases, run_cases, source_name
from cardiovae.cli.exits import ExitCode
from cardiovae.cli.screen import Screen
from cardiovae.errors import FileError

if TYPE_CHECKING:
    from cardiovae.io import LabelFile
    from cardiovae.io.echonet import Tracing
    from cardiovae.sequence import EchoSequence

To = Literal["nii.gz", "nii", "mha", "mhd", "npz", "png"]


def convert(
    inputs: options.Inputs,
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="DIR",
            rich_help_panel=options.OUTPUT,
            help="Folder for the label maps.",
        ),
    ],
    to: Annotated[
        To,
        typer.Option(
            "--to",
            rich_help_panel=options.OUTPUT,
            help="Format to write. png becomes a folder where there are several frames, and can "
            "hold neither spacing nor frame time; mha and mhd no frame time.",
        ),
    ] = "nii.gz",
    labels: options.Labels = None,
    spacing: options.Spacing = None,
    frame_time: options.FrameTime = None,
    json_lines: options.Json = False,
    overwrite: options.Overwrite = False,
) -> ExitCode:
    """Write label maps in another format, with the same values, spacing and frame time.

    VolumeTracings.csv of EchoNet (Dynamic or Pediatric) becomes a label map sequence per video,
    value 1 in the left ventricle of its traced frames.
    """
    from cardiovae.cli.results import folder_names

    screen = Screen(json=json_lines)
    tables, rest = _tables(inputs)
    cases = find_cases(rest, results=True, manifests=True) if rest else Cases(())
    tracings, damaged = _tracings(tables)
    how = options.reading(labels, spacing, frame_time)
    readings = {task.path: task.reading for task in tasks_of(cases, how)}
    cases = replace(
        cases,
        paths=(*cases.paths, *tracings),
        unmatched=(*cases.unmatched, *damaged),
    )
    job = Job(
        folder_names(list(readings)),
        tracings,
        readings | dict.fromkeys(tracings, how),
        output,
        to,
        screen,
        overwrite,
    )
    tally = run_cases(cases, job.convert_file, screen, title="converting")
    if len(cases.paths) > 1:
        screen.say(f"{tally.met} of {len(cases.paths)} sequences written to {output}")
    return tally.exit_code(gate=False)


@dataclass(frozen=True)
class Job:
    """What holds for every input of a run.

    Args:
        names: Where each file goes, below the output folder and without suffix.
        tracings: Contours, by the path they are called by.
        readings: How each input is read: what the command line or a manifest says of it.
        output: The output folder.
        to: The format to write.
        screen: Where to write messages.
        overwrite: Whether files of earlier runs are replaced.
        written: What this run has written.
    """

    names: Mapping[Path, Path]
    tracings: Mapping[Path, Tracing]
    readings: Mapping[Path, options.Reading]
    output: Path
    to: To
    screen: Screen
    overwrite: bool
    written: set[Path] = field(default_factory=set)

    def convert_file(self, path: Path) -> bool:
        """Convert one input; True.

        Raises:
            CardiovaeError: It cannot be read, or its result cannot be written.
        """
        from cardiovae.io import open_sequence, save_labels, save_labels_as
        from cardiovae.labels import LV_ONLY

        reading, like = self.readings[path], None
        if path in self.tracings:
            scheme = reading.labels or LV_ONLY
            sequence = replace(
                self.tracings[path].sequence(),
                spacing_mm=reading.spacing_mm,
                frame_time_ms=reading.frame_time_ms,
            )
        else:
            sequence, like = open_sequence(path, **vars(reading))
            scheme = like.scheme
        target = self._target(path, sequence.n_frames)
        if target in self.written:
            raise FileError(f"{path}: {target} was written from another input; convert it apart")
        if like is not None and self._keeps_header(path, sequence, like):
            save_labels(target, sequence, like, overwrite=self.overwrite)
        else:
            save_labels_as(target, sequence, scheme, overwrite=self.overwrite)
        self.written.add(target)
        self._say(path, sequence, target, like)
        return True

    def _target(self, path: Path, n_frames: int) -> Path:
        """The file or folder that an input becomes."""
        traced = self.tracings.get(path)
        name = self.output / (self.names[path] if traced is None else traced.stem)
        several = self.to == "png" and n_frames > 1
        return name if several else name.with_name(f"{name.name}.{self.to}")

    def _keeps_header(self, path: Path, sequence: EchoSequence, like: LabelFile) -> bool:
        """Whether the input has the wanted format, and nothing was said that its header denies."""
        for name in ("spacing_mm", "frame_time_ms"):
            denied = getattr(sequence, name) != getattr(like.template, name)
            if denied and getattr(self.readings[path], name) is not None:
                return False
        own = like.extension.removeprefix(".")
        if self.to == "png":
            return like.kind == "png" and own == ("png" if sequence.n_frames == 1 else "")
        families = ({"nii", "nii.gz"}, {"mha", "mhd"}, {"npz"})
        return like.kind not in ("dicom", "video") and any(
            {self.to, own} <= family for family in families
        )

    def _say(
        self, path: Path, sequence: EchoSequence, target: Path, like: LabelFile | None
    ) -> None:
        """Report what was written."""
        traced = self.tracings.get(path)
        record: dict[str, Any] = {
            "source": source_name(path),
            "output": source_name(target),
            "shape": list(sequence.labels.shape),
            "spacing_mm": sequence.spacing_mm,
            "frame_time_ms": sequence.frame_time_ms,
            "notes": list(like.notes) if like is not None else [],
        }
        if traced is not None:
            record["frames"] = list(traced.frames)
        self.screen.record(record)
        size = " x ".join(map(str, sequence.labels.shape))
        self.screen.say(f"{source_name(path)}: {size} -> {source_name(target)}")


def _tables(inputs: list[str]) -> tuple[list[Path], list[str]]:
    """The tables of contours among the inputs, and the other inputs."""
    from cardiovae.io.echonet import is_tracings

    tables = [path for text in inputs if is_tracings(path := Path(text).expanduser())]
    return tables, [text for text in inputs if Path(text).expanduser() not in tables]


def _tracings(
    tables: list[Path],
) -> tuple[dict[Path, Tracing], tuple[tuple[str, str], ...]]:
    """The contours in tables, by the path they are called by; tables that cannot be read."""
    from cardiovae.io.echonet import read_tracings

    found: dict[Path, Tracing] = {}
    damaged = []
    for table in tables:
        try:
            found |= {Path(f"{table}::{t.name}"): t for t in read_tracings(table)}
        except FileError as error:
            damaged.append((str(table), str(error)))
    return found, tuple(damaged)
