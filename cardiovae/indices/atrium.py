"""Indices of the left atrium, which is largest when the ventricle is smallest, at ES."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cardiovae.indices.ejection import volume_ml
from cardiovae.indices.formulas import area_length_ml, fall_percent
from cardiovae.indices.view import ED, ES, Index, View, over_beats, paired_cycles, why

CUT = "the border of the image cuts the atrium off, which is larger than that"


def atrium(views: Sequence[View]) -> dict[str, Index]:
    """Areas, length and volumes of the atrium.

    Args:
        views: Both apical views, or one.
    """
    method = "biplane" if len(views) == 2 else views[0].name
    cycles = paired_cycles(views)
    at: dict[int, list[float]] = {}
    for instant in (ED, ES):
        at[instant] = [
            volume_ml(*(v.disks("la", c[instant]) for v, c in zip(views, beat, strict=True)))
            for beat in cycles
        ]
    lengths, by_area = [], []
    for beat in cycles:
        cuts = [v.disks("la", c[ES]) for v, c in zip(views, beat, strict=True)]
        length = float(np.min([disks.length_mm for disks in cuts]))
        lengths.append(length)
        by_area.append(area_length_ml(cuts[0].area_mm2, cuts[-1].area_mm2, length))
    reason = why(views) or "no atrium is annotated"
    emptied = [fall_percent(es, ed) for ed, es in zip(at[ED], at[ES], strict=True)]
    found = {
        "la_volume_ml": over_beats(at[ES], method, reason),
        "la_volume_ed_ml": over_beats(at[ED], method, reason),
        "la_volume_area_length_ml": over_beats(by_area, method, reason),
        "la_emptying_percent": over_beats(emptied, method, reason),
        "la_length_mm": over_beats(lengths, _shorter(views), reason),
    }
    for view in views:
        name = "la_area_a2c_mm2" if view.name == "A2C" and len(views) == 2 else "la_area_mm2"
        found[name] = over_beats(view.at("la_area_mm2", ES), view.name, view.why() or reason)
    cut = any(v.cine.la_at_border[t] for v in views for c in v.beats.cycles for t in c)
    return {name: _noted(index) if cut else index for name, index in found.items()}


def _shorter(views: Sequence[View]) -> str:
    return "the shorter of two" if len(views) == 2 else views[0].name


def _noted(index: Index) -> Index:
    if index.reason:
        return index
    note = "; ".join(filter(None, (index.note, CUT)))
    return Index(index.value, index.method, index.reason, note)
