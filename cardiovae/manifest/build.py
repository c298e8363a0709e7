"""A manifest of a folder: what the names, the headers and the lists in it say, and no more."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from cardiovae.errors import CardiovaeError, FileError
from cardiovae.io.content import view_from_name
from cardiovae.io.digest import content_sha256
from cardiovae.io.formats import SUFFIXES
from cardiovae.io.inputs import stem
from cardiovae.labels import LabelScheme
from cardiovae.manifest.camus import image_quality
from cardiovae.manifest.echonet import VIDEOS, Video, read_file_list
from cardiovae.manifest.inputs import Input, gather_inputs, open_input
from cardiovae.manifest.names import patient_and_view, unmarked
from cardiovae.manifest.paths import relative_name
from cardiovae.manifest.schema import Entry, name_key

GT = "_gt"
RESULT = "labels"  # `cardiovae correct` writes DIR/<stem>/labels.<extension>
IMAGES = SUFFIXES
"""Suffixes of the images that label maps may belong to."""

_UNSAFE = re.compile(r"[^\w .+()=,@-]")


@dataclass(frozen=True)
class Draft:
    """A label map that was found, and what its name says.

    Args:
        path: The file.
        sequence_id: Its name in the manifest.
        patient: Whose heart it is.
        view: "A2C", "A4C", "SAX" or None = unknown.
        image: The image it belongs to, where one lies in the usual place.
        video: What the list of EchoNet-Dynamic says, where there is one.
    """

    path: Path
    sequence_id: str
    patient: str
    view: str | None
    image: Path | None
    video: Video | None


@dataclass(frozen=True)
class Facts:
    """What a person says of all entries; None = as the file says, or not stated."""

    labels: LabelScheme | None = None
    spacing_mm: tuple[float, float] | None = None
    frame_time_ms: float | None = None
    source: str | None = None
    license: str | None = None
    view: str | None = None


def find_drafts(folder: Path, *, pattern: re.Pattern[str]) -> tuple[Draft, ...]:
    """The label maps of a folder and all below it, sorted by path.

    A file `x` beside a file `x_gt` is its image and no label map.

    Args:
        folder: Searched with all it contains.
        pattern: See `cardiovae.manifest.names.compile_pattern`.

    Raises:
        FileError: There is none.
        ConfigError: See `patient_and_view` and `read_file_list`.
    """
    videos = read_file_list(folder)
    found = gather_inputs([str(folder)], results=True, manifests=False)
    if found.unmatched:
        raise FileError(found.unmatched[0][1])
    paths = _without_images([item.path for item in found.inputs])
    names = {path: _below(path, folder) for path in paths}
    ids = sequence_ids(names)
    owners = _patients(names, pattern)
    drafts = []
    for path, name in names.items():
        patient, view = owners[path]
        video = (videos or {}).get(unmarked(PurePosixPath(name).name))
        if video is not None:
            patient, view = video.name, video.view or view
        image = _image(path) or _video_file(folder, video)
        drafts.append(Draft(path, ids[path], patient, view, image, video))
    return tuple(drafts)


@dataclass(frozen=True)
class Described:
    """What came of a draft: its entry, or why there is none."""

    draft: Draft
    entry: Entry | None
    error: str = ""


def try_describe(root: Path, facts: Facts, draft: Draft) -> Described:
    """The entry of a label map, or why it has none; see `describe`."""
    try:
        return Described(draft, describe(root, facts, draft))
    except CardiovaeError as error:
        return lost_draft(draft, str(error))


def lost_draft(draft: Draft, reason: str) -> Described:
    """A label map that has no entry; the reason names the file."""
    named = reason if str(draft.path) in reason else f"{draft.path}: {reason}"
    return Described(draft, None, named)


def describe(root: Path, facts: Facts, draft: Draft) -> Entry:
    """The entry of a label map, which is read and hashed.

    Args:
        root: The folder that paths become relative to.
        facts: What a person says of it.
        draft: From `find_drafts`.

    Raises:
        CardiovaeError: It cannot be read as a label map, or its name cannot be written.
    """
    digest, quality = content_sha256(draft.path), image_quality(draft.path)
    sequence, _ = open_input(
        Input(draft.path, view=facts.view or draft.view),
        labels=facts.labels,
        spacing_mm=facts.spacing_mm,
        frame_time_ms=facts.frame_time_ms,
    )
    video, time = draft.video, sequence.frame_time_ms
    if time is None and video is not None and video.n_frames == sequence.n_frames:
        time = video.frame_time_ms  # the label map has every frame of the video
    return Entry(
        draft.sequence_id,
        relative_name(draft.path, root),
        None if draft.image is None else relative_name(draft.image, root),
        sequence.view,
        sequence.spacing_mm,
        time,
        None if video is None else video.split,
        facts.source,
        facts.license,
        digest,
        draft.patient,
        None if facts.labels is None else facts.labels.name,
        {} if quality is None else {"quality": quality},
    )


def with_splits(entries: Iterable[Entry], parts: Mapping[str, str]) -> tuple[Entry, ...]:
    """Entries with the part of their patient, from `cardiovae.manifest.splits.split_patients`."""
    return tuple(
        dataclasses.replace(entry, split=parts.get(entry.patient or "")) for entry in entries
    )


def sequence_ids(names: Mapping[Path, str]) -> dict[Path, str]:
    """A name of its own for every file, safe as a file name.

    The name of the file without suffix and `_gt`; where several share one, their path, its
    folders joined by two underscores; and with the suffix where that is shared too.

    Args:
        names: Path of each file below a common folder, without suffix, with slashes.

    Examples:
        >>> list(sequence_ids({Path("a/x_gt.nii"): "a/x_gt", Path("b/y.nii"): "b/y"}).values())
        ['x', 'y']
        >>> list(sequence_ids({Path("a/x.nii"): "a/x", Path("b/x.nii"): "b/x"}).values())
        ['a__x', 'b__x']
    """
    ids: dict[Path, str] = {}
    for spelled in (_short, _long, _whole):
        wanted = {path: spelled(path, name) for path, name in names.items() if path not in ids}
        often = Counter(name_key(n) for n in (*wanted.values(), *ids.values()))
        ids |= {path: name for path, name in wanted.items() if often[name_key(name)] == 1}
    return {path: ids.get(path, _whole(path, name)) for path, name in names.items()}


def _short(path: Path, name: str) -> str:
    return _safe(unmarked(PurePosixPath(name).name))


def _long(path: Path, name: str) -> str:
    return _safe("__".join(PurePosixPath(unmarked(name)).parts))


def _whole(path: Path, name: str) -> str:
    return _safe("__".join((*PurePosixPath(name).parts[:-1], path.name)))


def _safe(name: str) -> str:
    return _UNSAFE.sub("_", name).strip().lstrip(".-").rstrip(".") or "_"


def _below(path: Path, folder: Path) -> str:
    """The path below `folder`, without suffix; results of a correction have their folder's."""
    inside = path.relative_to(folder) if path.is_relative_to(folder) else path
    own = stem(path)
    name = inside.parent if own == RESULT and inside.parent.name else inside.parent / own
    return name.as_posix()


def _patients(
    names: Mapping[Path, str], pattern: re.Pattern[str]
) -> dict[Path, tuple[str, str | None]]:
    """Patient and view of each file: by its name, else by its path, else by its name alone.

    One name in two folders is held for one person, so that no split parts them; unless all files
    have the same name.
    """
    bare = {path: unmarked(PurePosixPath(name).name) for path, name in names.items()}
    alike = len(set(bare.values())) == 1
    found = {}
    for path, name in names.items():
        text = bare[path] if pattern.search(bare[path]) else name
        if pattern.search(text):
            found[path] = patient_and_view(text, pattern)
        else:
            found[path] = _without_views(name) if alike else bare[path], view_from_name(name)
    return found


def _without_views(name: str) -> str:
    """A path without the folders that are called after a view."""
    *folders, own = name.split("/")
    return "/".join([*(folder for folder in folders if view_from_name(folder) is None), own])


def _without_images(paths: Sequence[Path]) -> list[Path]:
    """Paths without those beside which lies a file that is called their labels."""
    there = {(path.parent, stem(path)) for path in paths}
    return [path for path in paths if (path.parent, stem(path) + GT) not in there]


def _image(path: Path) -> Path | None:
    """The image of a label map: `x` for `x_gt`, `imagesTr/x` for `labelsTr/x` (Decathlon)."""
    own, folder = stem(path), path.parent
    places = []
    if own.endswith(GT) and own != GT:
        places = [(folder, own.removesuffix(GT))]
    elif folder.name.startswith("labels"):
        images = folder.with_name("images" + folder.name.removeprefix("labels"))
        places = [(images, own), (images, f"{own}_0000")]
    files = (place / (name + suffix) for place, name in places for suffix in IMAGES)
    return next((file for file in files if file.is_file()), None)


def _video_file(folder: Path, video: Video | None) -> Path | None:
    file = None if video is None else folder / VIDEOS / f"{video.name}.avi"
    return file if file is not None and file.is_file() else None
