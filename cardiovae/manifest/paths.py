"""Where the paths of a manifest may lead: nowhere but below its folder.

A manifest is a file that others send. One that names `../../home/...`, an absolute path or a
symbolic link that leads out of the data set would have a verb read, and show in a report, what
its author has no business with. So it is refused unless the person who runs the verb allows it.

Paths are handled as text here: a manifest has hundreds of thousands, and pathlib takes most of
the time it takes to read one.
"""

from __future__ import annotations

import ntpath
import os
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from cardiovae.errors import ConfigError, FileError
from cardiovae.io.series import STAR, frame_files


def guard(root: Path, *, allow_outside: bool = False) -> Callable[[str, str], None]:
    """A function that raises unless a path stays below `root`, links followed.

    Args:
        root: The folder that paths are relative to.
        allow_outside: Whether every path is allowed.

    Returns:
        A function of the column and the path in it, which raises ConfigError.
    """
    real_root = os.path.realpath(root)
    below = real_root.rstrip(os.sep) + os.sep

    @lru_cache(maxsize=4096)
    def real_folder(name: str) -> str:
        return os.path.realpath(os.path.join(root, name))  # noqa: PTH118

    def require_below(column: str, name: str, place: str) -> str:
        real = os.path.realpath(place) if os.path.islink(place) else place  # noqa: PTH114
        if real != real_root and not real.startswith(below):
            raise ConfigError(
                f"{column} '{name}' is a link that leads out of the folder of the manifest, to "
                f"{real}; allow it with --allow-outside"
            )
        return real

    def check(column: str, name: str) -> None:
        if allow_outside:
            return
        if is_absolute(name) or ".." in name.split("/"):
            raise ConfigError(
                f"{column} stays below the folder of the manifest, got '{name}'; move the "
                "manifest to a folder above its files, or allow it with --allow-outside"
            )
        folder, _, own = name.rpartition("/")
        place = os.path.join(real_folder(folder), own)  # noqa: PTH118
        for frame in _frames(require_below(column, name, place)):
            require_below(column, name, str(frame))

    return check


def _frames(real: str) -> list[Path]:
    """The files of a series of frames, which may be links too; none for anything else."""
    path = Path(real)
    try:
        return frame_files(path) if STAR in path.name or path.is_dir() else []
    except FileError:
        return []  # reading it says why


def is_absolute(name: str) -> bool:
    """Whether a path is absolute on any common system.

    Examples:
        >>> is_absolute("/data/x.nii"), is_absolute("C:/data/x.nii"), is_absolute("data/x.nii")
        (True, True, False)
    """
    return name.startswith("/") or bool(ntpath.splitdrive(name)[0])


def relative_name(path: Path, root: Path) -> str:
    """The path from `root` to `path` as a manifest writes it; it may start with `..`.

    Links are not followed: a data set is described as it looks.

    Examples:
        >>> relative_name(Path("data/a/x.nii"), Path("data"))
        'a/x.nii'
    """
    return Path(os.path.relpath(path, root)).as_posix()
