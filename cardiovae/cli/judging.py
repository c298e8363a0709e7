"""Which criteria judge the inputs of a command where none are named: those for their view."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cardiovae.cli.cases import Cases
from cardiovae.cli.options import Reading, anatomical
from cardiovae.errors import LabelError
from cardiovae.labels import Label, LabelScheme, label_scheme
from cardiovae.sequence import SAX

if TYPE_CHECKING:
    from cardiovae.audit.criteria import CriteriaSet
    from cardiovae.correction.config import CorrectConfig


def anatomical_sets(name: str | None, cases: Cases, reading: Reading) -> tuple[CriteriaSet, ...]:
    """The anatomical sets that a run takes, apical views first.

    Args:
        name: What `--criteria` says; None = the sets that suit what the inputs show, as far as it
            is known before they are read.
        cases: The inputs.
        reading: What the command line says of them.

    Raises:
        ConfigError: No such set, or one that judges motion.
    """
    if name is not None:
        return (anatomical(name),)
    from cardiovae.audit.audit import APICAL_SET, SHORT_AXIS_SET

    stacks = _stacks(cases, reading)
    names = [APICAL_SET][: False in stacks or not stacks] + [SHORT_AXIS_SET][: True in stacks]
    return tuple(map(anatomical, names))


def correcting_sets(
    config: CorrectConfig, cases: Cases, reading: Reading
) -> tuple[CriteriaSet, ...]:
    """The sets that judge what a correction returns, apical views first, motion last.

    Args:
        config: Settings of the correction, whose own sets win for the views they are for.
        cases: The inputs.
        reading: What the command line says of them.
    """
    from cardiovae.correction.config import STACK_CRITERIA

    own = config.anatomy_sets()[0]
    apical = [not of.judges_stacks for of in anatomical_sets(None, cases, reading)]
    takes = {own.name if plain or own.judges_stacks else STACK_CRITERIA for plain in apical}
    names = sorted(takes, key=lambda name: name == STACK_CRITERIA)
    return (*map(anatomical, names), *config.temporal_sets()[: any(apical)])


def _stacks(cases: Cases, reading: Reading) -> set[bool]:
    """Whether inputs are stacks of short-axis slices, and whether some are not."""
    if reading.view is not None:
        return {reading.view == SAX}
    found: set[bool] = set()
    folders: dict[Path, Path] = {}  # with a file of each, for what lies beside it
    for path in cases.paths:
        item = cases.known.get(path)
        labels = reading.labels or (label_scheme(item.labels) if item and item.labels else None)
        if item and item.view:
            found.add(item.view == SAX)
        elif labels is not None:
            found.add(_names_rv(labels))
        else:
            folders[path.parent] = path
    return found | {_folder_names_rv(path) for path in folders.values()}


def _names_rv(scheme: LabelScheme) -> bool:
    return Label.RV in scheme.values


def _folder_names_rv(path: Path) -> bool:
    """Whether the `dataset.json` that goes with a file names a right ventricle."""
    from cardiovae.io.layouts import stated_scheme

    try:
        scheme = stated_scheme(path)
    except LabelError:  # what is wrong with it is said when the file is read
        return False
    return scheme is not None and _names_rv(scheme)
