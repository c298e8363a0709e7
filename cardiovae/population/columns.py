"""What each column of the tables of a cohort holds."""

from __future__ import annotations

from collections.abc import Mapping

from cardiovae.attributes import ATTRIBUTES
from cardiovae.io.tables import Kind
from cardiovae.population.cohort import QUANTITY_UNITS

INSTANTS = ("ED", "ES")


def column(quantity: str) -> str:
    """A quantity with its unit, as columns are called.

    Examples:
        >>> column("lv_area"), column("ef")
        ('lv_area_mm2', 'ef_percent')
    """
    return f"{quantity}_{QUANTITY_UNITS[quantity]}"


_WHO: dict[str, Kind] = dict.fromkeys(("source", "name", "patient", "view", "group"), "text")
_EJECTION: dict[str, Kind] = dict.fromkeys(
    ("ed_volume_ml", "es_volume_ml", "ef_percent"), "number"
)
_GROUPS: dict[str, Kind] = dict.fromkeys(("view", "instant", "group_a", "group_b"), "text")

FRAMES: Mapping[str, Kind] = {
    **_WHO,
    "frame": "whole",
    "instant": "text",
    **{column(name): "number" for name in ATTRIBUTES},
    "squared_distance": "number",
    "n_attributes": "whole",
    "tail": "number",
    "latent_percentile": "number",
    **{f"{name}_reference_percentile": "number" for name in ATTRIBUTES},
    "reason": "text",
}
SEQUENCES: Mapping[str, Kind] = {
    **_WHO,
    "n_frames": "whole",
    "spacing_row_mm": "number",
    "spacing_col_mm": "number",
    "ed_frame": "whole",
    "es_frame": "whole",
    **{f"{i.lower()}_{column(name)}": "number" for i in INSTANTS for name in ATTRIBUTES},
    "error": "text",
}
HEARTS: Mapping[str, Kind] = {
    "patient": "text",
    "group": "text",
    "view": "text",
    "method": "text",
    **_EJECTION,
    "reason": "text",
}
PERCENTILES: Mapping[str, Kind] = {
    **dict.fromkeys(("view", "instant", "quantity", "unit"), "text"),
    "n_patients": "whole",
    "n_values": "whole",
    **dict.fromkeys(("percentile", "value", "low", "high"), "number"),
    "interval": "text",
}
OUTLIERS: Mapping[str, Kind] = {
    "rank": "whole",
    **_WHO,
    "frame": "whole",
    "instant": "text",
    "squared_distance": "number",
    "n_attributes": "whole",
    "tail": "number",
    "outlier": "flag",
    "attribute": "text",
    **dict.fromkeys(("value", "percentile", "robust_sd"), "number"),
    "unit": "text",
    "unexpected": "text",
    "unexpected_sd": "number",
    "latent_frame": "whole",
    "latent_percentile": "number",
}
DIFFERENCES: Mapping[str, Kind] = {
    **_GROUPS,
    "quantity": "text",
    "unit": "text",
    **dict.fromkeys(("n_a", "n_b", "n_both"), "whole"),
    **dict.fromkeys(
        (
            "mean_a", "mean_b", "sd_a", "sd_b", "hedges_g", "g_low", "g_high", "ks", "ks_p",
            "ks_p_holm", "share_above", "mann_whitney_p", "mann_whitney_p_holm",
        ),
        "number",
    ),
    "paired": "flag",
}  # fmt: skip
DISTANCES: Mapping[str, Kind] = {
    **_GROUPS,
    **dict.fromkeys(("n_a", "n_b", "n_both"), "whole"),
    **dict.fromkeys(
        (
            "energy_distance", "energy_p", "energy_p_holm", "mmd_squared", "mmd_p",
            "latent_frechet", "latent_frechet_p",
        ),
        "number",
    ),
    "attributes": "text",
}  # fmt: skip
PLACES: Mapping[str, Kind] = {
    **dict.fromkeys(("view", "instant", "quantity"), "text"),
    "n_patients": "whole",
    **dict.fromkeys(
        (
            "median_percentile", "below_percent", "below_low", "below_high", "above_percent",
            "above_low", "above_high",
        ),
        "number",
    ),
}  # fmt: skip
