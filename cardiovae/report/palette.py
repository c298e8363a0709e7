"""Colors that mean the same in every picture and figure."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from cardiovae.labels import Label

# Blue, orange and teal after the "vibrant" scheme of P. Tol, "Colour schemes", SRON technical
# note, 2021: told apart with every common kind of color vision. The orange is darkened so that
# thin lines keep a contrast of 3:1 on white (WCAG 2.2, 1.4.11). The violet of the RV is far from
# all of them for common color vision and three kinds of color blindness: at least 35 units of
# CIELAB from LV and MYO, simulated after Machado et al. (IEEE TVCG 15(6), 2009).
STRUCTURE_COLORS: Mapping[Label, str] = MappingProxyType(
    {Label.LV: "#0077bb", Label.MYO: "#e0661a", Label.LA: "#009988", Label.RV: "#7a1fe8"}
)
BACKDROP = "#14181d"  # behind the heart, as dark as an echo
OUTLINE = "#ffffff"  # around changed pixels
HEAT = "#ff7be0"  # doubt of the shape; no structure is pink, and none so light
IMAGE_HEAT = "#fff06a"  # doubt of the image: lighter than every structure, and hatched in pages
MARK = "#ffe14d"  # hatching and rim of offending pixels; lighter than every structure
INK = "#1d2530"
MUTED = "#586271"
INK_BLUE = "#34508a"  # what belongs to no single structure
GRID = "#e3e7ec"
FAIL = "#b3261e"
PASS = "#2f7d4f"
# What was done to a frame, as a tint behind curves.
ACTION_TINTS: Mapping[str, str] = MappingProxyType(
    {
        "repaired": "#fbe7c6",
        "smoothed": "#dfe3fb",
        "changed": "#e6ebef",
        "reverted": "#f7d4d1",
        "implausible": "#f7d4d1",  # nothing was done, but something should be
    }
)
# Low to high, for values without a middle: nine steps of "cividis" (Nunez, Anderton and Renslow,
# PLoS ONE 13(7), 2018), which looks nearly the same with every kind of color vision and in gray.
SCALE = (
    "#00224e", "#1a386f", "#434e6c", "#61656f", "#7d7c78", "#9b9476", "#bcae6c", "#dec958",
    "#fee838",
)  # fmt: skip
UNKNOWN = "#c3cad2"  # a value that is not known
# Views, told apart by shape too; after the "muted" scheme of the same note.
VIEW_COLORS: Mapping[str, str] = MappingProxyType({"A2C": "#332288", "A4C": "#cc6677"})
