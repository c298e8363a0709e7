"""What a person names on the command line, as label maps to read and what is known of each.

Files, folders and patterns give paths alone. A manifest among the arguments gives its entries
with their spacing, frame time, view, label scheme and subgroups.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cardiovae.errors import ConfigError, FileError
from cardiovae.indices.subjects import NOBODY, Subject
from cardiovae.io.echonet import is_tracings
from cardiovae.io.files import LabelFile, open_sequence
from cardiovae.io.inputs import Found, is_supported, search_inputs, stem
from cardiovae.labels import LabelScheme
from cardiovae.manifest.files import SUFFIXES, read_manifest
from cardiovae.manifest.schema import Entry, Manifest, name_key
from cardiovae.sequence import EchoSequence

RECORD = "audit.json"
"""Written last by `cardiovae correct`: beside it lie results, not inputs."""
UNCERTAINTY = "uncertainty.nii.gz"
"""Doubt at each pixel by the prior alone, beside it."""
IMAGE_DOUBT = "uncertainty_crisp.nii.gz"
"""Doubt at each pixel by the image."""


@dataclass(frozen=True, slots=True)
class Input:
    """A label map to read; None = not stated. It can be sent to another process.

    Args:
        path: The file.
        sequence_id: Its name in the manifest, safe as a file name.
        spacing_mm: Distance between pixel centers along (rows, columns) in mm.
        frame_time_ms: Time between frames in ms.
        view: "A2C", "A4C" or "SAX".
        labels: Label scheme, as `cardiovae.labels.label_scheme` takes it.
        patient: Whose heart it is.
        subject: What is known of that patient.
        subgroups: Site, vendor, quality, split and the manifest's own columns, where stated.
        sha256: What `cardiovae.io.digest.content_sha256` was when the manifest was written.
    """

    path: Path
    sequence_id: str | None = None
    spacing_mm: tuple[float, float] | None = None
    frame_time_ms: float | None = None
    view: str | None = None
    labels: str | None = None
    patient: str | None = None
    subject: Subject = NOBODY
    subgroups: Mapping[str, str] = field(default_factory=dict, hash=False)
    sha256: str | None = None


@dataclass(frozen=True)
class Gathered:
    """What arguments name.

    Args:
        inputs: Label maps, sorted by path, each once.
        unmatched: Each argument that names none, and why.
        remarks: What should be known about the search, a line each.
    """

    inputs: tuple[Input, ...]
    unmatched: tuple[tuple[str, str], ...] = ()
    remarks: tuple[str, ...] = ()


def gather_inputs(
    arguments: Iterable[str],
    *,
    results: bool,
    manifests: bool = True,
    root: Path | None = None,
    allow_outside: bool = False,
) -> Gathered:
    """The label maps that `arguments` name, sorted by path, each once.

    A file that a manifest and a folder both name is taken as the manifest describes it. Whether
    the files of a manifest exist is not looked at: one that does not fails when it is read.

    Args:
        arguments: Files, folders, patterns, and manifests (`.csv`, `.json`).
        results: Whether folders and patterns find corrected labels too. Uncertainty maps beside
            them are never found: they are no label maps. A file named in full always counts.
        manifests: Whether a manifest is read as one; else it is a file of an unknown format.
        root: The folder that the paths of manifests are relative to; None = that of each.
        allow_outside: Whether paths of manifests may lead out of that folder.

    Raises:
        ConfigError: A manifest that breaks a rule, or two entries for one file or one name.
    """
    found: dict[str, Input] = {}
    listed: list[Input] = []
    unmatched: list[tuple[str, str]] = []
    remarks: dict[str, None] = {}
    for argument in arguments:
        try:
            path = Path(argument).expanduser()
            if manifests and is_manifest(path):
                manifest = read_manifest(path, root=root, allow_outside=allow_outside)
                listed += manifest_inputs(manifest)
                if not manifest.entries:
                    raise FileError(f"{path}: has a heading and no entry; add a line per sequence")
            else:
                plain = _plain(argument, results=results)
                found.update((os.path.abspath(p), Input(p)) for p in plain.paths)  # noqa: PTH100
                remarks.update(dict.fromkeys(plain.remarks))
                unmatched += plain.unread
        except FileError as error:
            unmatched.append((argument, str(error)))
    found.update(_distinct(listed))
    inputs = tuple(sorted(found.values(), key=lambda item: item.path))
    return Gathered(inputs, tuple(unmatched), tuple(remarks))


def is_manifest(path: Path) -> bool:
    """Whether a file is meant as a manifest: by its suffix, and its heading if that is not enough.

    Tables that are label maps themselves, if a format has such, do not hold `sequence_id`.
    """
    if path.suffix.lower() not in SUFFIXES or not path.is_file() or is_tracings(path):
        return False
    if not is_supported(path):
        return True
    with path.open("rb") as stream:
        return b"sequence_id" in stream.read(4096)


def manifest_inputs(manifest: Manifest) -> list[Input]:
    """The entries of a manifest, as inputs, in their order."""
    return [_input(manifest, entry) for entry in manifest.entries]


def open_input(
    item: Input,
    *,
    labels: LabelScheme | str | None = None,
    spacing_mm: tuple[float, float] | None = None,
    frame_time_ms: float | None = None,
) -> tuple[EchoSequence, LabelFile]:
    """The sequence of an input and what it takes to write another like it.

    What is given here wins over the manifest, and the manifest over the file.

    Raises:
        CardiovaeError: See `cardiovae.io.files.open_sequence`.
    """
    return open_sequence(
        item.path,
        labels=labels if labels is not None else item.labels,
        spacing_mm=spacing_mm if spacing_mm is not None else item.spacing_mm,
        frame_time_ms=frame_time_ms if frame_time_ms is not None else item.frame_time_ms,
        view=item.view,
    )


def _input(manifest: Manifest, entry: Entry) -> Input:
    split = {} if entry.split is None else {"split": entry.split}
    return Input(
        manifest.labels_of(entry),
        entry.sequence_id,
        entry.spacing_mm,
        entry.frame_time_ms,
        entry.view,
        entry.labels,
        entry.patient,
        entry.subject,
        {**entry.subgroups, **split},
        entry.sha256,
    )


def _plain(argument: str, *, results: bool) -> Found:
    """Label maps that an argument names, without what a correction left beside its results.

    Raises:
        FileError: None.
    """
    found = search_inputs([argument])
    matches = found.paths
    if matches != (Path(argument).expanduser(),):
        matches = tuple(path for path in matches if _is_input(path, results=results))
    if not matches and not found.unread:
        raise FileError(
            f"{argument}: holds nothing but results of 'cardiovae correct'; name a file among "
            "them in full to use it again"
        )
    return Found(matches, found.remarks, found.unread)


def _is_input(path: Path, *, results: bool) -> bool:
    if not (path.parent / RECORD).exists():
        return True
    return path.name not in (UNCERTAINTY, IMAGE_DOUBT) and (results or stem(path) != "labels")


def _distinct(listed: Sequence[Input]) -> dict[str, Input]:
    """Entries by their absolute path.

    Raises:
        ConfigError: Two for one file, or of one name.
    """
    found: dict[str, Input] = {}
    names: dict[str, Input] = {}
    for item in listed:
        place = os.path.abspath(item.path)  # noqa: PTH100 (keeps links)
        other = found.setdefault(place, item)
        if other is not item:
            raise ConfigError(
                f"{item.path}: is listed as '{other.sequence_id}' and as '{item.sequence_id}'; "
                "keep one entry per file ('cardiovae manifest verify' finds all such)"
            )
        other = names.setdefault(name_key(item.sequence_id or place), item)
        if other is not item:
            raise ConfigError(
                f"sequence_id '{item.sequence_id}' stands for {other.path} and for {item.path}; "
                "rename one of them"
            )
    return found
