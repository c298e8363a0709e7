"""From what a person types to the label maps that are meant."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cardiovae.errors import FileError
from cardiovae.io.echonet import is_tracings
from cardiovae.io.formats import SUFFIXES, suffix
from cardiovae.io.layouts import holds_cases, is_image
from cardiovae.io.series import STAR, group, is_series, png_files
from cardiovae.io.video import LOSS, WAY_OUT
from cardiovae.io.video import SUFFIXES as VIDEOS

LOSSY = (".mov", ".webm", ".wmv", ".mpg", ".mpeg", ".jpg", ".jpeg")
"""Suffixes of what moves contours: see `require_supported`."""


@dataclass(frozen=True)
class Found:
    """What a search found.

    Args:
        paths: Label maps, sorted, each once: files, folders of PNG frames, `a_*.png`.
        remarks: What should be known about the search, a line each: what was left out, and PNG
            files that were taken for one sequence.
        unread: Each folder that could not be searched, and why.
    """

    paths: tuple[Path, ...]
    remarks: tuple[str, ...] = ()
    unread: tuple[tuple[str, str], ...] = ()


def is_supported(path: Path | str) -> bool:
    """Whether the name of `path` is that of a format that can be read; its content may not be."""
    return suffix(path) != ""


def stem(path: Path | str) -> str:
    """File name without folder and suffix; of a series its common start.

    Examples:
        >>> stem("out/patient.0001_4CH.nii.gz")
        'patient.0001_4CH'
        >>> stem("A4C.mhd")
        'A4C'
        >>> stem("frames/p1_4CH_*.png"), stem("frames/*.png")
        ('p1_4CH', 'frames')
    """
    name = Path(path).name
    bare = name[: len(name) - len(suffix(path))]
    if bare.endswith(STAR):
        return bare.rstrip(STAR).rstrip("_-. ") or Path(path).parent.name or "frames"
    return bare


def find_inputs(arguments: Iterable[str | Path]) -> list[Path]:
    """Every label map that `arguments` name, sorted, each once; see `search_inputs`.

    Raises:
        FileError: An argument that matches nothing, or a named file of an unknown format.
    """
    return list(search_inputs(arguments).paths)


def search_inputs(arguments: Iterable[str | Path]) -> Found:
    """Every label map that `arguments` name, and what was left out.

    Args:
        arguments: Files; folders, searched with all they contain; patterns such as
            `"data/**/*_gt.nii.gz"`, where `**` is any number of folders. What starts with a
            dot is skipped in folders and by patterns; so are images beside their labels in the
            layouts of CAMUS and nnU-Net. Numbered PNG files are one sequence in folders and
            patterns that name all of them, a frame each where they are named in full. Videos are
            mostly images: they are taken where they are named in full, or by a pattern that ends
            in their suffix.

    Raises:
        FileError: An argument that matches nothing, or a named file of an unknown format.
    """
    found: set[Path] = set()
    remarks: dict[str, None] = {}
    unread: dict[str, str] = {}
    for argument in arguments:
        matches = _matches(str(argument))
        if not matches.paths and not matches.unread:
            left = "".join(f" ({remark})" for remark in matches.remarks)
            raise FileError(
                f"{argument}: matches no label map; give a file, a folder or a quoted pattern "
                f"with files ending in {', '.join(SUFFIXES)}{left}"
            )
        found.update(matches.paths)
        remarks.update(dict.fromkeys(matches.remarks))
        unread.update(matches.unread)
    return Found(tuple(sorted(found)), tuple(remarks), tuple(unread.items()))


def require_supported(path: Path) -> None:
    """Raise unless the name of `path` is that of a format that can be read.

    Raises:
        FileError: An unknown suffix, or that of lossy pictures.
    """
    if path.suffix.lower() in LOSSY:
        raise FileError(
            f"{path}: {path.suffix} files are not read as label maps: {LOSS}; {WAY_OUT}"
        )
    if not is_supported(path) and _is_dicom(path):
        raise FileError(f"{path}: is a DICOM file without its suffix; name it {path.name}.dcm")
    if not is_supported(path):
        raise FileError(
            f"{path}: unknown format; label maps end in {', '.join(SUFFIXES)}: convert the file, "
            "or correct its name"
        )


def _is_dicom(path: Path) -> bool:
    """Whether a file without a suffix has the mark of DICOM after its 128 bytes of preamble."""
    if path.suffix or not path.is_file():
        return False
    with path.open("rb") as stream:
        return stream.read(132)[128:] == b"DICM"


def _matches(argument: str) -> Found:
    path = Path(argument).expanduser()
    errors: list[OSError] = []
    if path.is_dir():
        return _sequences(_files_below(path, errors), argument, errors, videos=False)
    if path.exists():
        if is_tracings(path):
            raise FileError(
                f"{path}: holds contours, not label maps; make label maps of them with "
                f"'cardiovae convert {path} -o FOLDER'"
            )
        require_supported(path)
        return Found((path,))
    if not glob.has_magic(argument):
        raise FileError(f"{path}: does not exist; check the spelling and the folder")
    files: list[Path] = []
    for name in glob.glob(str(path), recursive=True):  # noqa: PTH207 (`**` and absolute patterns)
        match = Path(name)
        files += _files_below(match, errors) if match.is_dir() else [match] * is_supported(match)
    return _sequences(files, argument, errors, videos=argument.lower().endswith(VIDEOS))


def _sequences(
    files: Iterable[Path], argument: str, errors: Iterable[OSError], *, videos: bool
) -> Found:
    """Files as label maps: without images of known layouts, and numbered PNG files as one."""
    folders: dict[Path, list[Path]] = {}
    different = dict.fromkeys(files)
    wanted = [file for file in different if videos or suffix(file) not in VIDEOS]
    for file in wanted:
        folders.setdefault(file.parent, []).append(file)
    paths: list[Path] = []
    n_images = n_series = 0
    for folder, members in folders.items():
        beside = frozenset(members)
        kept = [file for file in members if not is_image(file, beside)]
        n_images += len(members) - len(kept)
        pictures = [file for file in kept if suffix(file) == ".png"]
        paths += [file for file in kept if suffix(file) != ".png"]
        for path in pictures if holds_cases(folder) else _whole_series(pictures):
            paths.append(path)
            n_series += is_series(path)
    remarks = []
    if n_videos := len(different) - len(wanted):
        many = "1 video" if n_videos == 1 else f"{n_videos} videos"
        remarks.append(
            f"{argument}: {many} left out, since most are images; name label maps in full, or by "
            "a pattern such as '*.mkv'"
        )
    if n_images:
        many = "1 image beside its" if n_images == 1 else f"{n_images} images beside their"
        remarks.append(f"{argument}: {many} labels left out")
    if n_series and paths != [Path(argument)]:  # of a folder named in full nothing else is meant
        read_as = "1 sequence" if n_series == 1 else f"{n_series} sequences"
        remarks.append(
            f"{argument}: numbered PNG files read as {read_as}; to read each as a "
            "frame of its own, name the files in full"
        )
    unread = tuple((str(e.filename), _unread(e)) for e in errors)
    return Found(tuple(paths), tuple(remarks), unread)


def _unread(error: OSError) -> str:
    """The message for a folder that could not be searched."""
    reason = error.strerror or str(error)
    return (
        f"{error.filename}: cannot be searched ({reason}); what it holds is not among the inputs"
    )


def _whole_series(pictures: list[Path]) -> Iterator[Path]:
    """The series that the PNG files of a folder are; those named in part file by file."""
    named = set(pictures)
    if not named:
        return
    for path, files in group(png_files(pictures[0].parent)).items():
        if named.issuperset(files):
            yield path
        else:
            yield from (file for file in files if file in named)


def _files_below(folder: Path, errors: list[OSError]) -> list[Path]:
    """Every supported file in a folder and below it, but nothing hidden; what fails is added."""
    found = []
    for place, folders, names in os.walk(folder, onerror=errors.append):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        visible = (Path(place, n) for n in names if not n.startswith(".") and is_supported(n))
        found += [path for path in visible if path.is_file()]
    return found
