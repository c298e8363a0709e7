"""What each column of the tables of an evaluation holds."""

from __future__ import annotations

from collections.abc import Sequence

from cardiovae.evaluation.results import VALID
from cardiovae.io.tables import Kind

TEXT = ("name", "patient", "view", "side", "file", "reference", "note", "error", "indices_reason")
WHOLE = ("frame", "n_frames")


def kinds(columns: Sequence[str]) -> dict[str, Kind]:
    """The columns with what they hold.

    Examples:
        >>> kinds(["name", "frame", "dice_lv"])
        {'name': 'text', 'frame': 'whole', 'dice_lv': 'number'}
    """
    return {name: _kind(name, columns) for name in columns}


def _kind(name: str, columns: Sequence[str]) -> Kind:
    if name in TEXT or name.startswith("motion_"):
        return "text"
    if name in VALID and "frame" in columns:  # a verdict there, a share in sequences
        return "flag"
    return "whole" if name in WHOLE else "number"
