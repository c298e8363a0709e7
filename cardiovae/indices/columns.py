"""The main indices of one sequence as columns of tables; it loads nothing that measures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from cardiovae.io.tables import Kind

CORE = (
    "edv_ml", "edv_index_ml_m2", "esv_ml", "esv_index_ml_m2", "stroke_volume_ml", "ef_percent",
    "fac_percent", "shortening_percent", "gls_percent", "lv_length_ed_mm", "lv_length_es_mm",
    "sphericity_ed", "sphericity_es", "mass_area_length_g", "mass_area_length_index_g_m2",
    "wall_ed_mm", "wall_es_mm", "la_area_mm2", "la_volume_ml", "la_volume_index_ml_m2", "n_beats",
    "heart_rate_bpm",
)  # fmt: skip
"""Names of `INDICES` that are told of a sequence in one view, wherever it is not asked for all."""


STACK_CORE = ("lv_volume_ml", "rv_volume_ml", "mass_disks_g")
"""The same of a stack of short-axis slices, which shows one instant."""


def core_columns(sides: Iterable[str] = ("",)) -> dict[str, Kind]:
    """Columns for the main indices of every side, such as "before" and "after".

    Examples:
        >>> list(core_columns(["before", "after"]))[-3:]
        ['ed_frame_after', 'es_frame_after', 'indices_reason_after']
    """
    found: dict[str, Kind] = {}
    for side in sides:
        kinds: dict[str, Kind] = dict.fromkeys((*CORE, *STACK_CORE), "number")
        kinds |= {"n_beats": "whole", "ed_frame": "whole", "es_frame": "whole"}
        kinds["indices_reason"] = "text"
        found |= {column(name, side): kind for name, kind in kinds.items()}
    return found


def column(name: str, side: str) -> str:
    """What an index of a side is called in a table.

    Examples:
        >>> column("edv_ml", "before"), column("edv_ml", "")
        ('edv_ml_before', 'edv_ml')
    """
    return f"{name}_{side}" if side else name


def core_row(values: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Cells of `core_columns`, from `core_values` by side."""
    return {column(name, side): v for side, of in values.items() for name, v in of.items()}
