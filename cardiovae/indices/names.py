"""What the indices of a heart are called, and their units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Meaning:
    """An index: its title, unit, and the part of the heart it is about."""

    title: str
    unit: str
    part: str
    digits: int = 0


_VENTRICLE, _MOTION, _WALL, _ATRIUM, _RHYTHM, _RIGHT = (
    "Left ventricle", "Contraction", "Myocardium", "Left atrium", "Rhythm", "Right ventricle",
)  # fmt: skip

INDICES: Mapping[str, Meaning] = MappingProxyType(
    {
        "edv_ml": Meaning("End-diastolic volume", "ml", _VENTRICLE),
        "edv_index_ml_m2": Meaning("End-diastolic volume / BSA", "ml/m2", _VENTRICLE),
        "esv_ml": Meaning("End-systolic volume", "ml", _VENTRICLE),
        "esv_index_ml_m2": Meaning("End-systolic volume / BSA", "ml/m2", _VENTRICLE),
        "edv_a4c_ml": Meaning("End-diastolic volume, A4C alone", "ml", _VENTRICLE),
        "edv_a2c_ml": Meaning("End-diastolic volume, A2C alone", "ml", _VENTRICLE),
        "esv_a4c_ml": Meaning("End-systolic volume, A4C alone", "ml", _VENTRICLE),
        "esv_a2c_ml": Meaning("End-systolic volume, A2C alone", "ml", _VENTRICLE),
        "lv_volume_ml": Meaning("LV volume at a single instant", "ml", _VENTRICLE),
        "lv_length_ed_mm": Meaning("LV length at ED", "mm", _VENTRICLE, 1),
        "lv_length_es_mm": Meaning("LV length at ES", "mm", _VENTRICLE, 1),
        "sphericity_ed": Meaning("Sphericity at ED, short over long axis", "ratio", _VENTRICLE, 2),
        "sphericity_es": Meaning("Sphericity at ES, short over long axis", "ratio", _VENTRICLE, 2),
        "sphericity_volume_ed": Meaning(
            "Sphericity at ED, volume over that of a sphere", "ratio", _VENTRICLE, 2
        ),
        "ef_percent": Meaning("Ejection fraction", "percent", _MOTION),
        "ef_a4c_percent": Meaning("Ejection fraction, A4C alone", "percent", _MOTION),
        "ef_a2c_percent": Meaning("Ejection fraction, A2C alone", "percent", _MOTION),
        "stroke_volume_ml": Meaning("Stroke volume", "ml", _MOTION),
        "stroke_index_ml_m2": Meaning("Stroke volume / BSA", "ml/m2", _MOTION),
        "gls_percent": Meaning("Longitudinal strain", "percent", _MOTION, 1),
        "gls_a4c_percent": Meaning("Longitudinal strain, A4C", "percent", _MOTION, 1),
        "gls_a2c_percent": Meaning("Longitudinal strain, A2C", "percent", _MOTION, 1),
        "gls_midwall_percent": Meaning("Longitudinal strain, midwall", "percent", _MOTION, 1),
        "shortening_percent": Meaning("Longitudinal shortening", "percent", _MOTION, 1),
        "fac_percent": Meaning("Fractional area change", "percent", _MOTION, 1),
        "fac_a4c_percent": Meaning("Fractional area change, A4C", "percent", _MOTION, 1),
        "fac_a2c_percent": Meaning("Fractional area change, A2C", "percent", _MOTION, 1),
        "mass_area_length_g": Meaning("LV mass, area-length", "g", _WALL),
        "mass_area_length_index_g_m2": Meaning("LV mass / BSA, area-length", "g/m2", _WALL),
        "mass_ellipsoid_g": Meaning("LV mass, truncated ellipsoid", "g", _WALL),
        "mass_ellipsoid_index_g_m2": Meaning("LV mass / BSA, truncated ellipsoid", "g/m2", _WALL),
        "mass_disks_g": Meaning("LV mass, disks", "g", _WALL),
        "mass_disks_index_g_m2": Meaning("LV mass / BSA, disks", "g/m2", _WALL),
        "wall_ed_mm": Meaning("Mean wall thickness at ED", "mm", _WALL, 1),
        "wall_es_mm": Meaning("Mean wall thickness at ES", "mm", _WALL, 1),
        "wall_thickening_percent": Meaning("Thickening of the wall", "percent", _WALL),
        "la_volume_ml": Meaning("LA volume at ES", "ml", _ATRIUM),
        "la_volume_index_ml_m2": Meaning("LA volume at ES / BSA", "ml/m2", _ATRIUM),
        "la_volume_area_length_ml": Meaning("LA volume at ES, area-length", "ml", _ATRIUM),
        "la_volume_ed_ml": Meaning("LA volume at ED", "ml", _ATRIUM),
        "la_emptying_percent": Meaning("LA emptying, ES to ED", "percent", _ATRIUM),
        "la_area_mm2": Meaning("LA area at ES", "mm2", _ATRIUM),
        "la_area_a2c_mm2": Meaning("LA area at ES, A2C", "mm2", _ATRIUM),
        "la_length_mm": Meaning("LA length at ES", "mm", _ATRIUM, 1),
        "rv_edv_ml": Meaning("RV end-diastolic volume", "ml", _RIGHT),
        "rv_edv_index_ml_m2": Meaning("RV end-diastolic volume / BSA", "ml/m2", _RIGHT),
        "rv_esv_ml": Meaning("RV end-systolic volume", "ml", _RIGHT),
        "rv_esv_index_ml_m2": Meaning("RV end-systolic volume / BSA", "ml/m2", _RIGHT),
        "rv_stroke_volume_ml": Meaning("RV stroke volume", "ml", _RIGHT),
        "rv_ef_percent": Meaning("RV ejection fraction", "percent", _RIGHT),
        "rv_volume_ml": Meaning("RV volume at a single instant", "ml", _RIGHT),
        "n_beats": Meaning("Beats", "beats", _RHYTHM),
        "heart_rate_bpm": Meaning("Heart rate", "bpm", _RHYTHM),
        "cardiac_output_l_min": Meaning("Cardiac output", "l/min", _RHYTHM, 1),
        "edv_sd_ml": Meaning("SD of the end-diastolic volume over beats", "ml", _RHYTHM, 1),
        "esv_sd_ml": Meaning("SD of the end-systolic volume over beats", "ml", _RHYTHM, 1),
        "ef_sd_percent": Meaning("SD of the ejection fraction over beats", "percent", _RHYTHM, 1),
    }
)
RATIOS = frozenset(
    name
    for name, meaning in INDICES.items()
    if meaning.unit in ("percent", "ratio", "beats", "bpm")
)
"""What does not change with the size of the pixels."""
NO_APICAL = "no apical view"
NO_STACK = "no stack of short-axis slices"
NOT_SINGLE = "no single instant: the volumes are those at ED and ES"
NO_NEWS = (NO_APICAL, NO_STACK, NOT_SINGLE, "no A4C view", "no A2C view")
"""Reasons that only say what was not there to measure."""
STACK_ALONE = frozenset(
    name
    for name, meaning in INDICES.items()
    if meaning.part == _RIGHT or name.startswith(("lv_volume_", "mass_disks_"))
)
"""What takes a stack of short-axis slices."""
