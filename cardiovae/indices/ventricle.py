"""Indices of the left ventricle: volumes, ejection, lengths, strain, mass and wall."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cardiovae.indices.ejection import N_DISKS, Disks, volume_ml
from cardiovae.indices.formulas import (
    MM3_PER_ML,
    fall_percent,
    mass_area_length_g,
    mass_truncated_ellipsoid_g,
    widest_level,
    width_at,
)
from cardiovae.indices.view import (
    ED,
    ES,
    Index,
    View,
    over_beats,
    over_views,
    paired_cycles,
    spread,
    why,
)

MIDDLE = slice(N_DISKS // 2 - 1, N_DISKS // 2 + 1)
"""The two disks half way up."""


def volumes(views: Sequence[View], together: Sequence[View]) -> dict[str, Index]:
    """Volumes at ED and ES, stroke volume, ejection fraction, and how they vary over beats.

    The ejection fraction is that of the mean volumes of the beats in which both are known.

    Args:
        views: Each is measured alone, too.
        together: Those that make up the volumes of the heart: both apical views, or one.
    """
    found: dict[str, Index] = {}
    for view in views:
        tag = view.name.lower()
        if tag in ("a4c", "a2c"):
            own = _volumes([view])
            found |= {f"{n}_{tag}_{unit}": own[f"{n}_{unit}"] for n, unit in _SINGLE}
    return found | _volumes(together)


_SINGLE = (("edv", "ml"), ("esv", "ml"), ("ef", "percent"))


def _volumes(views: Sequence[View]) -> dict[str, Index]:
    method = "biplane" if len(views) == 2 else views[0].name
    cycles = paired_cycles(views)
    both = [
        tuple(
            volume_ml(*(v.disks("lv", c[instant]) for v, c in zip(views, beat, strict=True)))
            for instant in (ED, ES)
        )
        for beat in cycles
    ]
    ed, es = [b[ED] for b in both], [b[ES] for b in both]
    whole = [b for b in both if all(map(math.isfinite, b))]
    reason = why(views) or "no beat"
    found = {
        "edv_ml": over_beats(ed, method, reason),
        "esv_ml": over_beats(es, method, reason),
        "edv_sd_ml": spread(ed, method),
        "esv_sd_ml": spread(es, method),
        "ef_sd_percent": spread([fall_percent(*b) for b in whole], method),
    }
    if not whole:
        missing = Index(math.nan, method, reason)
        return found | {"ef_percent": missing, "stroke_volume_ml": missing}
    first, last = (float(np.mean([b[i] for b in whole])) for i in (ED, ES))
    note = over_beats([fall_percent(*b) for b in both], method, reason).note
    found["ef_percent"] = Index(fall_percent(first, last), method, note=note)
    found["stroke_volume_ml"] = Index(first - last, method, note=note)
    return found


def shapes(views: Sequence[View]) -> dict[str, Index]:
    """Length of the longest axis, and how round the ventricle is.

    Sphericity is the width half way up over the length, in A4C or the only view there is; by
    volume it is the ED volume over that of a sphere around the axis.
    """
    found = {}
    for name, instant in (("ed", ED), ("es", ES)):
        lengths = [
            _longest([v.disks("lv", c[instant]) for v, c in zip(views, beat, strict=True)])
            for beat in paired_cycles(views)
        ]
        method = "the longer of two" if len(views) == 2 else views[0].name
        found[f"lv_length_{name}_mm"] = over_beats(lengths, method, why(views))
        first = views[0]
        round_ = [
            float(first.cine.widths_mm["lv"][c[instant]][MIDDLE].mean())
            / float(first.cine.values["lv_length_mm"][c[instant]])
            for c in first.beats.cycles
        ]
        found[f"sphericity_{name}"] = over_beats(round_, first.name, first.why())
    volume, length = _volumes(views)["edv_ml"], found["lv_length_ed_mm"]
    ball = math.pi / 6 * length.value**3 / MM3_PER_ML
    found["sphericity_volume_ed"] = Index(
        volume.value / ball if ball else math.nan, volume.method, volume.reason or length.reason
    )
    return found


def contraction(views: Sequence[View]) -> dict[str, Index]:
    """Fractional area change, longitudinal shortening, and strain by lengths of contours.

    Strain is (length at ES - length at ED) / length at ED of the curve from hinge to hinge over
    the apex, negative when it shortens (Voigt et al., Eur Heart J Cardiovasc Imaging 16(1), 2015:
    Lagrangian strain; global where the length is that of the whole contour).
    """

    def change(quantity: str, view: View, sign: int = 1) -> list[float]:
        instants = zip(view.at(quantity, ED), view.at(quantity, ES), strict=True)
        return [sign * fall_percent(ed, es) for ed, es in instants]

    found = {
        "fac_percent": over_views(views, lambda v: change("lv_area_mm2", v)),
        "shortening_percent": over_views(views, lambda v: change("lv_length_mm", v)),
        "gls_percent": over_views(views, lambda v: change("endocardium_mm", v, -1)),
        "gls_midwall_percent": over_views(views, lambda v: change("midwall_mm", v, -1)),
    }
    for view in views:
        tag = view.name.lower()
        if tag in ("a4c", "a2c"):
            areas, curve = change("lv_area_mm2", view), change("endocardium_mm", view, -1)
            found[f"fac_{tag}_percent"] = over_beats(areas, view.name, view.why())
            found[f"gls_{tag}_percent"] = over_beats(curve, view.name, view.why())
    return found


def wall(views: Sequence[View]) -> dict[str, Index]:
    """Mean thickness of the wall at ED and ES, and by how much it thickens."""
    ed = over_views(views, lambda v: v.at("wall_mm", ED))
    es = over_views(views, lambda v: v.at("wall_mm", ES))
    grown = over_views(
        views,
        lambda v: [
            -fall_percent(a, b)
            for a, b in zip(v.at("wall_mm", ED), v.at("wall_mm", ES), strict=True)
        ],
    )
    return {"wall_ed_mm": ed, "wall_es_mm": es, "wall_thickening_percent": grown}


def mass(views: Sequence[View]) -> dict[str, Index]:
    """Mass at ED by both formulas.

    The cross section half way up is the ellipse that the widths of the two apical views span, or
    a circle where there is one view; the guideline traces it in a short-axis view instead.
    """
    method = "biplane" if len(views) == 2 else views[0].name
    area_length, ellipsoid = [], []
    for beat in paired_cycles(views):
        cuts = [(v, c[ED]) for v, c in zip(views, beat, strict=True)]
        endo, epi = (_widths(cuts, name) for name in ("lv", "epi"))
        length = _longest([v.disks("lv", t) for v, t in cuts])
        inner, around = (math.pi / 4 * float(w[MIDDLE].mean()) ** 2 for w in (endo, epi))
        area_length.append(mass_area_length_g(inner, around, length))
        share = widest_level(endo)
        radius, outer = (width_at(w, share) / 2 for w in (endo, epi))
        ellipsoid.append(
            mass_truncated_ellipsoid_g(
                radius, outer - radius, (1 - share) * length, share * length
            )
        )
    reason = why(views) or "no wall is annotated"
    return {
        "mass_area_length_g": over_beats(area_length, method, reason),
        "mass_ellipsoid_g": over_beats(ellipsoid, method, reason),
    }


def _longest(disks: Sequence[Disks]) -> float:
    """The largest length; NaN where one is unknown."""
    return float(np.max([d.length_mm for d in disks]))


def _widths(cuts: Sequence[tuple[View, int]], name: str) -> NDArray[np.float64]:
    """Widths of disks as round as those of the views together: geometric means."""
    widths = [view.cine.widths_mm[name][t] for view, t in cuts]
    found: NDArray[np.float64] = np.sqrt(widths[0] * widths[-1])
    return found
