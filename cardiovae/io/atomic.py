"""Files that appear whole or not at all, and never replace another by accident.

A file is first written into a hidden folder beside its destination and then moved there, which
one file system does in one step. A program that fails or is interrupted half-way therefore
leaves neither a torn file nor a temporary one. The data are not forced to the disk (fsync): this
guards against a failing program, not against a power cut.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cardiovae.errors import FileError

_HIDDEN = ".cardiovae-"  # how the names of the hidden folders begin


@contextmanager
def staged(path: Path, *, overwrite: bool = False, folder: bool = False) -> Iterator[Path]:
    """A path to write to, moved to `path` when the block ends well.

    Files written beside the staged one (the `.raw` of an `.mhd`) move with it, before it; when a
    move fails, those already made are undone. Missing parent folders are made, and removed
    again on failure.

    Args:
        path: Where the file shall end up.
        overwrite: Whether files of that name may be replaced.
        folder: Whether a folder is written instead of a file; one that it replaces goes with all
            that is in it.

    Yields:
        The path to write to: same name, in a hidden folder beside `path`.

    Raises:
        FileError: A file is in the way, or the file system refuses.
    """
    made: list[Path] = []
    complete = False
    try:
        refuse_to_replace(path, overwrite=overwrite, folder=folder)
        made = [folder for folder in path.absolute().parents if not folder.exists()]
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=_HIDDEN, dir=path.parent) as place:
            yield Path(place) / path.name
            if folder:
                _move_folder(Path(place), path, overwrite=overwrite)
            else:
                _move_all(Path(place), path, overwrite=overwrite)
        complete = True
    except OSError as error:
        raise _refused(path, error) from error
    finally:
        if not complete:
            for parent in made:
                if parent.is_dir() and not any(parent.iterdir()):
                    parent.rmdir()


def refuse_to_replace(path: Path, *, overwrite: bool = False, folder: bool = False) -> None:
    """Raise when writing `path` would replace something that must stay.

    Args:
        path: Where a file or a folder shall be written.
        overwrite: Whether what was written there earlier may go.
        folder: Whether a folder is to be written.

    Raises:
        FileError: A folder where a file is to be written or the other way round, or something
            of the right kind while `overwrite` is false.
    """
    if path.is_dir() and not folder:
        raise FileError(f"{path}: is a folder, a file is to be written; give a file name in it")
    if folder and path.exists() and not path.is_dir():
        raise FileError(f"{path}: is a file, a folder is to be written; give another name")
    if not overwrite and (path.exists() or path.is_symlink()):
        raise FileError(
            f"{path}: exists already and is never replaced by default; write elsewhere with -o "
            "or allow it with --overwrite"
        )


def write_bytes(path: Path, content: bytes, *, overwrite: bool = False) -> None:
    """Write `content` to `path`, whole or not at all.

    Raises:
        FileError: See `staged`.
    """
    with staged(path, overwrite=overwrite) as target:
        target.write_bytes(content)


@contextmanager
def staging(folder: Path) -> Iterator[Callable[[Path, bytes], None]]:
    """A function that writes files into `folder`, each whole or not at all, one by one.

    For many files: one hidden folder serves them all. Files of the same name are replaced, and
    those that are written stay when the block fails.

    Args:
        folder: Where the paths given to the function begin; it and their folders are made.

    Yields:
        The function, of a path relative to `folder` and its content.

    Raises:
        FileError: The file system refuses.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        own = tempfile.TemporaryDirectory(prefix=_HIDDEN, dir=folder)
    except OSError as error:
        raise _refused(folder, error) from error

    def write(path: Path, content: bytes) -> None:
        target = folder / path
        try:
            target.parent.mkdir(exist_ok=True)
            file = Path(own.name) / path.name
            file.write_bytes(content)
            file.replace(target)
        except OSError as error:
            raise _refused(target, error) from error

    with own:
        yield write


def remove_leftovers(folder: Path) -> None:
    """Remove the hidden folders that a program left in `folder` when it was killed as it wrote."""
    for left in folder.glob(f"{_HIDDEN}*"):
        shutil.rmtree(left, ignore_errors=True)


def write_text(path: Path, content: str, *, overwrite: bool = False) -> None:
    """Write `content` to `path` as UTF-8, whole or not at all.

    Raises:
        FileError: See `staged`.
    """
    write_bytes(path, content.encode(), overwrite=overwrite)


def _refused(path: Path, error: OSError) -> FileError:
    return FileError(
        f"{path}: cannot be written ({error.strerror or error}); check the folder's "
        "permissions and free space, or write elsewhere with -o"
    )


def _move_all(folder: Path, path: Path, *, overwrite: bool) -> None:
    """Move every file of `folder` beside `path`, the one that becomes `path` last."""
    staged_files = [file for file in folder.iterdir() if file.name != path.name]
    targets = {file: path.parent / file.name for file in sorted(staged_files)}
    targets[folder / path.name] = path
    for target in targets.values():
        refuse_to_replace(target, overwrite=overwrite)
    undo: list[tuple[Path, Path]] = []
    try:
        for file, target in targets.items():
            backup = folder / f"{file.name}.previous"
            if target != path and target.exists():  # nothing comes after `path` that could fail
                shutil.copy2(target, backup)
            file.replace(target)
            undo.append((target, backup))
    except OSError:
        for target, backup in undo:
            if backup.exists():
                backup.replace(target)
            else:
                target.unlink()
        raise


def _move_folder(place: Path, path: Path, *, overwrite: bool) -> None:
    """Move the folder written in `place` to `path`; the one it replaces comes back on failure."""
    refuse_to_replace(path, overwrite=overwrite, folder=True)
    previous = place / f"{path.name}.previous"
    if path.exists():
        path.replace(previous)
    try:
        (place / path.name).replace(path)
    except OSError:
        if previous.exists():
            previous.replace(path)
        raise
