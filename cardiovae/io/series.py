"""Which PNG files are the frames of one sequence, decided by their names alone.

Names that are equal up to a number at their end are a series: `a_1.png`, `a_2.png`, `a_10.png`, in
the order of the numbers. Where a folder holds one series and no other PNG file, the folder stands
for it; otherwise it is called `a_*.png`, the star being the number. A file without a number at its
end is a sequence of one frame, and so is a file that is named in full.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path

from cardiovae.errors import FileError

STAR = "*"
_NUMBERED = re.compile(r"(.*?)([0-9]{1,18})\.png", re.IGNORECASE | re.DOTALL)
_SHOWN = 6


def is_series(path: Path) -> bool:
    """Whether `path` stands for a series: a folder, or `a_*.png` where no file is called so."""
    return path.is_dir() or (STAR in path.name and not path.exists())


def split_number(name: str) -> tuple[str, int] | None:
    """What stands before the frame number in a file name, and the number; None without one.

    Examples:
        >>> split_number("p1_4CH_007.png")
        ('p1_4CH_', 7)
        >>> split_number("p1_4CH.png")
    """
    match = _NUMBERED.fullmatch(name)
    return (match[1], int(match[2])) if match else None


def group(files: Iterable[Path]) -> dict[Path, list[Path]]:
    """The sequences that the PNG files of one folder are.

    Args:
        files: All PNG files of a folder, and of no other.

    Returns:
        For each sequence the path it is opened by, and its files.
    """
    series: dict[str, list[Path]] = {}
    alone: dict[Path, list[Path]] = {}
    for file in files:
        numbered = split_number(file.name)
        if numbered is None:
            alone[file] = [file]
        else:
            series.setdefault(numbered[0], []).append(file)
    if len(series) == 1 and not alone:
        (members,) = series.values()
        folder = members[0].parent
        if folder.name not in ("", ".."):  # the name is what results are called after
            return {folder: members}
    named = {m[0].with_name(f"{prefix}{STAR}.png"): m for prefix, m in series.items()}
    return alone | named


def png_files(folder: Path) -> list[Path]:
    """The PNG files directly in a folder, but nothing hidden.

    Raises:
        FileError: It is absent, or may not be read.
    """
    return [path for name in _names(folder) if (path := folder / name).is_file()]


def frame_files(path: Path) -> list[Path]:
    """The files of a series, in the order of their numbers.

    Args:
        path: A folder that holds one series and no other PNG file, or `a_*.png`.

    Raises:
        FileError: There is none, there are several, or two files have the same number.
    """
    if path.is_dir():
        files = png_files(path)
        _require_one(path, files)
    else:
        start = path.name[: path.name.rindex(STAR)]
        alike = (n for n in _names(path.parent) if (split_number(n) or ("", 0))[0] == start)
        files = [file for n in alike if (file := path.parent / n).is_file()]
    numbers = {p: parts[1] for p in files if (parts := split_number(p.name)) is not None}
    if not numbers:
        raise FileError(f"{path}: matches no numbered PNG file; check the spelling")
    ordered = sorted(numbers, key=lambda p: (numbers[p], p.name))
    for one, other in pairwise(ordered):
        if numbers[one] == numbers[other]:
            raise FileError(
                f"{path}: {one.name} and {other.name} have the same number; remove one of them"
            )
    return ordered


def missing_numbers(files: Sequence[Path]) -> str:
    """The numbers that a series leaves out, as text; empty when it leaves out none.

    Steps that are all equal (every second frame) leave out none.

    Examples:
        >>> missing_numbers([Path(f"a{n}.png") for n in (1, 2, 5, 7)])
        '3 to 4, 6'
        >>> missing_numbers([Path(f"a{n}.png") for n in (0, 5, 10)])
        ''
    """
    numbers = [parts[1] for file in files if (parts := split_number(file.name)) is not None]
    steps = {b - a for a, b in pairwise(numbers)}
    if len(steps) < 2:
        return ""
    gaps = [(a + 1, b - 1) for a, b in pairwise(numbers) if b - a > 1]
    shown = [str(a) if a == b else f"{a} to {b}" for a, b in gaps[:_SHOWN]]
    return ", ".join(shown) + (", ..." if len(gaps) > _SHOWN else "")


def _require_one(folder: Path, files: Sequence[Path]) -> None:
    """Raise unless the PNG files of a folder are one series."""
    if not files:
        raise FileError(f"{folder}: is a folder, a file was expected; name a file in it")
    found = group(files)
    if len(found) > 1:
        shown = ", ".join(p.name for p in sorted(found)[:_SHOWN])
        raise FileError(
            f"{folder}: holds {len(found)} sequences of PNG files, one was expected; name one of "
            f"them: {shown}"
        )


def _names(folder: Path) -> list[str]:
    """Names of the entries of a folder that look like PNG files."""
    try:
        names = os.listdir(folder)  # noqa: PTH208 (much faster where there are many series)
    except OSError as error:
        raise FileError(
            f"{folder}: cannot be read ({error.strerror or error}); check spelling and folder"
        ) from error
    return [name for name in names if name.lower().endswith(".png") and not name.startswith(".")]
