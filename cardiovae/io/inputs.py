"""From what a person types to the label map files that are meant."""

from __future__ import annotations

import glob
from collections.abc import Iterable
from pathlib import Path

from cardiovae.errors import FileError
from cardiovae.io import metaimage, nifti

SUFFIXES = (*nifti.SUFFIXES, *metaimage.SUFFIXES)
"""Suffixes of the files that can be read and written, in lower case."""


def suffix(path: Path | str) -> str:
    """The suffix that decides the format, in lower case, `.nii.gz` in one piece; else "".

    Examples:
        >>> suffix("patient.0001_4CH.nii.gz"), suffix("A4C.MHD"), suffix("notes.txt")
        ('.nii.gz', '.mhd', '')
    """
    name = Path(path).name.lower()
    return next((end for end in SUFFIXES if name.endswith(end) and name != end), "")


def is_supported(path: Path | str) -> bool:
    """Whether the name of `path` is that of a format that can be read; its content may not be."""
    return suffix(path) != ""


def stem(path: Path | str) -> str:
    """File name without folder and suffix.

    Examples:
        >>> stem("out/patient.0001_4CH.nii.gz")
        'patient.0001_4CH'
        >>> stem("A4C.mhd")
        'A4C'
    """
    name = Path(path).name
    return name[: len(name) - len(suffix(path))]


def find_inputs(arguments: Iterable[str | Path]) -> list[Path]:
    """Every label map file that `arguments` name, sorted, each once.

    Args:
        arguments: Files; folders, searched with all they contain; patterns such as
            `"data/**/*_gt.nii.gz"`, where `**` is any number of folders. What starts with a
            dot is skipped in folders and by patterns.

    Raises:
        FileError: An argument that matches nothing, or a named file of an unknown format.
    """
    found: set[Path] = set()
    for argument in arguments:
        matches = _matches(str(argument))
        if not matches:
            raise FileError(
                f"{argument}: matches no label map; give a file, a folder or a quoted pattern "
                f"with files ending in {', '.join(SUFFIXES)}"
            )
        found |= matches
    return sorted(found)


def require_supported(path: Path) -> None:
    """Raise unless the name of `path` is that of a format that can be read and written.

    Raises:
        FileError: An unknown suffix.
    """
    if not is_supported(path):
        raise FileError(
            f"{path}: unknown format; label maps end in {', '.join(SUFFIXES)}: convert the file, "
            "or correct its name"
        )


def _matches(argument: str) -> set[Path]:
    path = Path(argument).expanduser()
    if path.is_dir():
        return _in_folder(path)
    if path.exists():
        require_supported(path)
        return {path}
    if not glob.has_magic(argument):
        raise FileError(f"{path}: does not exist; check the spelling and the folder")
    matches: set[Path] = set()
    for name in glob.glob(str(path), recursive=True):  # noqa: PTH207 (`**` and absolute patterns)
        match = Path(name)
        matches |= _in_folder(match) if match.is_dir() else {match} & _supported({match})
    return matches


def _in_folder(folder: Path) -> set[Path]:
    inside = (path for path in folder.rglob("*") if not _hidden(path.relative_to(folder)))
    return _supported(path for path in inside if path.is_file())


def _supported(paths: Iterable[Path]) -> set[Path]:
    return {path for path in paths if is_supported(path)}


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)
