"""A manifest against the disk: what is missing, changed, unreadable or there twice."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from cardiovae.errors import CardiovaeError, FileError
from cardiovae.io.digest import content_sha256
from cardiovae.io.series import frame_files, is_series
from cardiovae.manifest.inputs import gather_inputs, manifest_inputs, open_input
from cardiovae.manifest.paths import relative_name
from cardiovae.manifest.schema import Entry, Manifest
from cardiovae.manifest.splits import patients_in_two_parts

MEANINGS = {
    "missing": "files that the manifest names and that are not there",
    "changed": "files whose SHA-256 is another",
    "unreadable": "files that do not open as label maps",
    "duplicate": "files or contents that are listed more than once",
    "split": "patients in more than one part",
    "unlisted": "label maps in the folder that the manifest does not name",
}
"""What can be found, in the order of the report."""

NOTES = ("unlisted",)
"""What is worth knowing and not wrong."""


@dataclass(frozen=True)
class Finding:
    """Something that manifest and disk do not agree on.

    Args:
        kind: A key of `MEANINGS`.
        path: The file, relative to the folder of the manifest; empty for a patient.
        reason: What was found.
        sequence_id: The entry; None for a file that is not listed.
    """

    kind: str
    path: str
    reason: str
    sequence_id: str | None = None

    def to_json(self) -> dict[str, str | None]:
        """Plain data for a record."""
        return asdict(self)


@dataclass(frozen=True)
class Checked:
    """An entry and what was found when its files were read; no digest where that failed."""

    entry: Entry
    sha256: str | None
    findings: tuple[Finding, ...]


def check_entry(root: Path, entry: Entry) -> Checked:
    """Read the files of an entry of a manifest whose paths are relative to `root`."""
    digest: str | None = None
    if _is_there(root / entry.labels_path):
        digest, found = _read(root, entry)
    else:
        found = [_about(entry, "missing", "the label map does not exist")]
    if entry.image_path is not None and not (root / entry.image_path).exists():
        reason = "the image does not exist"
        found.append(Finding("missing", entry.image_path, reason, entry.sequence_id))
    return Checked(entry, digest, tuple(found))


def lost_entry(entry: Entry, reason: str) -> Checked:
    """What is known of an entry whose file ended the process that read it."""
    return Checked(entry, None, (_about(entry, "unreadable", reason),))


def compare_entries(manifest: Manifest, checked: Sequence[Checked]) -> Iterator[Finding]:
    """What shows only when all entries are known: duplicates, patients, files not listed."""
    same = _repeated(checked, lambda one: os.path.realpath(manifest.labels_of(one.entry)))
    for one, other in same:
        yield _about(one.entry, "duplicate", f"the same file as {other.entry.sequence_id}")
    twice = {one.entry.sequence_id for one, _ in same}
    for one, other in _repeated(
        [one for one in checked if one.entry.sequence_id not in twice],
        lambda one: one.sha256 or one.entry.sha256,
    ):
        yield _about(one.entry, "duplicate", f"the same content as {other.entry.sequence_id}")
    for patient, parts in patients_in_two_parts(manifest.entries).items():
        yield Finding("split", "", f"patient {patient} is in {' and '.join(parts)}")
    yield from _unlisted(manifest)


def _is_there(path: Path) -> bool:
    """Whether a file exists, or one frame of a series such as `a_*.png`."""
    if path.exists():
        return True
    try:
        return is_series(path) and bool(frame_files(path))
    except FileError:
        return False


def _read(root: Path, entry: Entry) -> tuple[str | None, list[Finding]]:
    """Digest of a label map that exists, and what is wrong with it."""
    found: list[Finding] = []
    digest = None
    with contextlib.suppress(FileError):  # opening it says the same, and better
        digest = content_sha256(root / entry.labels_path)
    if None not in (digest, entry.sha256) and digest != entry.sha256:
        reason = f"SHA-256 is {digest}, the manifest says {entry.sha256}"
        found.append(_about(entry, "changed", reason))
    try:
        open_input(manifest_inputs(Manifest((entry,), root))[0])
    except CardiovaeError as error:
        found.append(_about(entry, "unreadable", str(error)))
    return digest, found


def _about(entry: Entry, kind: str, reason: str) -> Finding:
    return Finding(kind, entry.labels_path, reason, entry.sequence_id)


def _repeated(
    checked: Iterable[Checked], key: Callable[[Checked], Hashable]
) -> list[tuple[Checked, Checked]]:
    """Each entry whose key an earlier one has, with that one; None is no key."""
    first: dict[Hashable, Checked] = {}
    found = []
    for one in checked:
        value = key(one)
        other = one if value is None else first.setdefault(value, one)
        if other is not one:
            found.append((one, other))
    return found


def _unlisted(manifest: Manifest) -> Iterator[Finding]:
    """Label maps below the folder that are named neither as labels nor as images."""
    names = [entry.labels_path for entry in manifest.entries]
    names += [entry.image_path for entry in manifest.entries if entry.image_path is not None]
    listed = {_absolute(manifest.root / name) for name in names}
    found = gather_inputs([str(manifest.root)], results=True, manifests=False)
    for item in found.inputs:
        if _absolute(item.path) not in listed:
            name = relative_name(item.path, manifest.root)
            yield Finding("unlisted", name, "is not in the manifest")


def _absolute(path: Path) -> str:
    return os.path.abspath(path)  # noqa: PTH100 (keeps links)
