"""Which prediction belongs to which reference, and whose heart it is.

Nothing is dropped silently: what finds no partner is listed with the reason.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from cardiovae.io.inputs import stem
from cardiovae.manifest.names import patient_and_view, unmarked

RESULT = "labels"  # `cardiovae correct` writes DIR/<stem>/labels.<extension>


@dataclass(frozen=True)
class Pair:
    """A prediction and its reference.

    Args:
        name: What both are called: the path of the reference below its folder, without suffix.
        prediction: File to judge.
        reference: File to judge it by.
        before: The same prediction before it was corrected; None = not given.
        patient: Whose heart it is; `name` where nothing says.
        view: "A2C", "A4C", "SAX" or None = unknown.
    """

    name: str
    prediction: Path
    reference: Path
    before: Path | None
    patient: str
    view: str | None


@dataclass(frozen=True)
class Unmatched:
    """A file without a partner: the file, its side ("prediction", "reference", "before"), why."""

    path: Path
    side: str
    reason: str


@dataclass(frozen=True)
class Pairing:
    """The pairs, sorted by name, and the files that are in none."""

    pairs: tuple[Pair, ...]
    unmatched: tuple[Unmatched, ...]


def pair_files(
    predictions: Mapping[Path, str],
    references: Mapping[Path, str],
    before: Mapping[Path, str] | None = None,
    *,
    pattern: re.Pattern[str],
) -> Pairing:
    """Pair files by their names: paths below their folders first, then file names alone.

    The suffix does not count, nor do `_gt` and `_pred` at the end, nor that `cardiovae correct`
    calls its results `<stem>/labels`. Two files of one name are not guessed between.

    Args:
        predictions: Files to judge, each with its name (`names_below`).
        references: Files to judge them by.
        before: Predictions before correction, which belong to the references too.
        pattern: See `cardiovae.manifest.names.compile_pattern`.

    Raises:
        ConfigError: A view that is none, see `patient_and_view`.
    """
    partner = _matched(references, predictions)
    earlier = _matched(references, before or {})
    pairs = []
    for reference, prediction in partner.items():
        name = references[reference]
        patient, view = patient_and_view(name, pattern)
        pairs.append(Pair(name, prediction, reference, earlier.get(reference), patient, view))
    used = set(partner.values())
    unmatched = [
        *_left(predictions, used, "prediction", references),
        *_left(references, set(partner), "reference", predictions),
        *_left(before or {}, {p.before for p in pairs if p.before}, "before", references),
    ]
    return Pairing(tuple(sorted(pairs, key=lambda pair: pair.name)), tuple(unmatched))


def names_below(paths: Sequence[Path], folder: Path | None) -> dict[Path, str]:
    """Each file with its path below `folder`, without suffix, slashes between folders.

    Without a folder (files of a pattern), the folders that all have in common are left out.
    Results of `cardiovae correct` are called after the folder they lie in.
    """
    root = folder if folder is not None else _common(paths)
    names = {}
    for path in paths:
        below = path.relative_to(root) if path.is_relative_to(root) else path
        own = stem(path)
        name = below.parent if own == RESULT and below.parent.name else below.parent / own
        names[path] = name.as_posix()
    return names


def _common(paths: Sequence[Path]) -> Path:
    """The deepest folder that holds all."""
    if not paths:
        return Path()
    parents = [(path.parent, *path.parent.parents) for path in paths]
    return next((p for p in parents[0] if all(p in chain for chain in parents)), Path())


def _own(name: str) -> str:
    """File name without its folders."""
    return PurePosixPath(name).name


def _bare(name: str) -> str:
    """File name without its folders and without a mark."""
    return _own(unmarked(name))


KEYS: tuple[Callable[[str], str], ...] = (str, unmarked, _own, _bare)
"""What two names must have in common, the strictest first."""


def _matched(left: Mapping[Path, str], right: Mapping[Path, str]) -> dict[Path, Path]:
    """The partner of each file of `left` that has exactly one, by the strictest key that finds it.

    A key that several files of a side still to be matched share finds none of them.
    """
    pairs: dict[Path, Path] = {}
    for key in KEYS:
        sides = []
        for files, taken in ((left, set(pairs)), (right, set(pairs.values()))):
            free = {path: key(name) for path, name in files.items() if path not in taken}
            often = Counter(free.values())
            sides.append({name: path for path, name in free.items() if often[name] == 1})
        pairs |= {path: sides[1][name] for name, path in sides[0].items() if name in sides[1]}
    return pairs


def _left(
    files: Mapping[Path, str], used: set[Path], side: str, others: Mapping[Path, str]
) -> list[Unmatched]:
    """The files of a side that are in no pair, and why."""
    own = Counter(_bare(name) for name in files.values())
    theirs = Counter(_bare(name) for name in others.values())
    against = "prediction" if side == "reference" else "reference"
    left = []
    for path, name in sorted(files.items()):
        if path in used:
            continue
        bare = _bare(name)
        reason = f"no {against} of this name"
        if theirs[bare] and max(own[bare], theirs[bare]) > 1:
            reason = f"several files are called '{bare}', name the pairs with --manifest"
        elif theirs[bare]:
            reason = f"its {against} already has a partner"
        left.append(Unmatched(path, side, reason))
    return left
