"""The indices of one heart, from all its views.

Volumes are biplane where both apical views are there. A beat that cannot be measured is left out
of the means over beats, and a note says so; where none can, the index is NaN with its reason.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from cardiovae.errors import ConfigError
from cardiovae.indices import atrium, ventricle
from cardiovae.indices.beats import Beats
from cardiovae.indices.contour import SIDES, WALLS
from cardiovae.indices.ejection import Disks, volume_ml
from cardiovae.indices.formulas import fall_percent
from cardiovae.indices.measure import SEGMENTS, UNKNOWN, Cine
from cardiovae.indices.names import INDICES, NO_APICAL, NO_STACK, RATIOS, STACK_ALONE
from cardiovae.indices.stack import stack_indices
from cardiovae.indices.subjects import Subject
from cardiovae.indices.view import ED, ES, Index, View, over_beats, view_of
from cardiovae.sequence import SAX

NO_SPACING = "the pixel spacing is unknown"
SQUARE = "the pixel spacing is unknown: pixels are taken for square, views are not put together"
SURFACE = {
    "edv_index_ml_m2": "edv_ml",
    "esv_index_ml_m2": "esv_ml",
    "stroke_index_ml_m2": "stroke_volume_ml",
    "mass_area_length_index_g_m2": "mass_area_length_g",
    "mass_ellipsoid_index_g_m2": "mass_ellipsoid_g",
    "la_volume_index_ml_m2": "la_volume_ml",
    "mass_disks_index_g_m2": "mass_disks_g",
    "rv_edv_index_ml_m2": "rv_edv_ml",
    "rv_esv_index_ml_m2": "rv_esv_ml",
}
"""What is given per body surface, too."""


@dataclass(frozen=True)
class Segment:
    """A part of the wall in one view: thickness in mm, NaN with a reason."""

    view: str
    level: str
    wall: str
    ed: Index
    es: Index
    thickening: Index


@dataclass(frozen=True, eq=False)
class Heart:
    """The indices of one heart.

    Args:
        subject: What is known of the patient.
        views: Those that were used: both apical views, or one, or stacks of short-axis slices.
        indices: One per name of `INDICES`, in that order.
        segments: Of the wall, six per view.
        biplane_ml: Volume over the frames of the first view, shape (T,); None with one view.
    """

    subject: Subject
    views: tuple[View, ...]
    indices: Mapping[str, Index]
    segments: tuple[Segment, ...]
    biplane_ml: NDArray[np.float64] | None

    def __getitem__(self, name: str) -> float:
        return self.indices[name].value

    @property
    def is_stack(self) -> bool:
        """Whether it was measured in stacks of short-axis slices."""
        return self.views[0].name == SAX


def heart_of(
    cines: Sequence[Cine],
    subject: Subject | None = None,
    beats: Mapping[str, Beats] | None = None,
) -> Heart:
    """All indices of a heart; the order of the views does not matter.

    Args:
        cines: One per view; where an apical view is known, one of unknown view is left out, and
            stacks of short-axis slices where there is any other.
        subject: What is known of the patient.
        beats: ED and ES to measure at, by view, such as those of a reference; None = their own.

    Raises:
        ConfigError: No view, or one twice.
    """
    by_view = {cine.view: cine for cine in cines}
    if not cines or len(by_view) < len(cines):
        raise ConfigError(f"views: each once and at least one, got {[c.view for c in cines]}")
    known = [by_view[view] for view in ("A4C", "A2C") if view in by_view]
    instants = beats or {}
    used = known or [by_view.get(UNKNOWN) or by_view[SAX]]
    views = tuple(view_of(c, instants.get(c.view)) for c in used)
    subject = subject or Subject()
    if views[0].name == SAX:
        return _of_stacks(views[0], subject)
    spaced = all(view.cine.spaced for view in views)
    together = views if spaced else views[:1]  # pixels of two views do not compare
    found = {
        **ventricle.volumes(views, together),
        **ventricle.shapes(together),
        **ventricle.contraction(views),
        **ventricle.wall(views),
        **ventricle.mass(together),
        **atrium.atrium(together),
        **_rhythm(together),
    }
    found |= _per_surface(found, subject) | _output(found)
    indices = {name: _told(name, found.get(name), spaced=spaced) for name in INDICES}
    curve = biplane_curve(views) if len(views) == 2 and spaced else None
    return Heart(subject, views, MappingProxyType(indices), _segments(views, spaced), curve)


def _of_stacks(view: View, subject: Subject) -> Heart:
    """The heart that stacks of short-axis slices show."""
    found = stack_indices(view)
    found |= _per_surface(found, subject)
    absent = Index(math.nan, reason=NO_APICAL)
    indices = {name: found.get(name, absent) for name in INDICES}
    return Heart(subject, (view,), MappingProxyType(indices), (), None)


def _told(name: str, index: Index | None, *, spaced: bool) -> Index:
    """An index as it is told: why it is missing, and that pixels were taken for square."""
    if index is None and name in STACK_ALONE:
        return Index(math.nan, reason=NO_STACK)
    if index is None:
        return Index(math.nan, reason=f"no {'A2C' if 'a2c' in name else 'A4C'} view")
    if spaced or index.reason:
        return index
    if name not in RATIOS:
        return Index(math.nan, index.method, NO_SPACING)
    if name in ("n_beats", "heart_rate_bpm"):
        return index
    return replace(index, note="; ".join(filter(None, (index.note, SQUARE))))


def _rhythm(views: Sequence[View]) -> dict[str, Index]:
    n = min(len(view.beats.cycles) for view in views)
    method = "in both views" if len(views) == 2 else views[0].name
    known = [v for v in views if math.isfinite(v.beats.heart_rate_bpm)]
    rates = [v.beats.heart_rate_bpm for v in known]
    names = " and ".join(v.name for v in known)
    reason = "; ".join(f"{v.name}: {v.beats.reason}" for v in views)
    rate = Index(float(np.mean(rates)), names) if known else Index(math.nan, "", reason)
    beats = Index(float(n), method) if n else Index(math.nan, method, reason)
    return {"n_beats": beats, "heart_rate_bpm": rate}


def _per_surface(found: Mapping[str, Index], subject: Subject) -> dict[str, Index]:
    indexed = {}
    for name, of in ((name, of) for name, of in SURFACE.items() if of in found):
        index = found[of]
        if subject.bsa_m2 is None and not index.reason:
            indexed[name] = Index(math.nan, index.method, "the body surface area is unknown")
        else:
            indexed[name] = replace(index, value=index.value / (subject.bsa_m2 or 1.0))
    return indexed


def _output(found: Mapping[str, Index]) -> dict[str, Index]:
    stroke, rate = found["stroke_volume_ml"], found["heart_rate_bpm"]
    value = stroke.value * rate.value / 1000
    return {
        "cardiac_output_l_min": Index(
            value, stroke.method, stroke.reason or rate.reason, stroke.note
        )
    }


def _segments(views: Sequence[View], spaced: bool) -> tuple[Segment, ...]:
    found = []
    for view in views:
        walls = dict(zip(SIDES, WALLS.get(view.name, SIDES), strict=True))
        for level, side in SEGMENTS:
            ed, es = (view.at(f"wall_{level}_{side}_mm", i) for i in (ED, ES))
            reason = view.why() or "no wall is found there"
            grown = [-fall_percent(*pair) for pair in zip(ed, es, strict=True)]
            told = [over_beats(v, view.name, reason) for v in (ed, es, grown)]
            if not spaced:
                told[:2] = [Index(math.nan, view.name, i.reason or NO_SPACING) for i in told[:2]]
            found.append(Segment(view.name, level, walls[side], told[0], told[1], told[2]))
    return tuple(found)


def biplane_curve(views: Sequence[View]) -> NDArray[np.float64]:
    """Biplane volume in ml at every frame of the first view, shape (T,).

    The second view is taken at the same part of systole or diastole: between its own ED and ES,
    as far as the first is between its. NaN outside of what both show.
    """
    first, second = views
    marks = [_anchors(view.beats) for view in views]
    n = min(map(len, marks))
    curve = np.full(first.cine.n_frames, math.nan)
    if n < 2:
        return curve
    for t in range(marks[0][0], marks[0][n - 1] + 1):
        at = float(np.interp(t, marks[0][:n], marks[1][:n]))
        curve[t] = volume_ml(first.disks("lv", t), _between(second, at))
    return curve


def _anchors(beats: Beats) -> list[int]:
    """ED, ES, ED, ... as long as nothing is missing between; increasing."""
    marks = [t for cycle in beats.cycles for t in cycle]
    if beats.end is not None and marks and beats.end > marks[-1]:
        marks.append(beats.end)
    return marks if all(a < b for a, b in itertools.pairwise(marks)) else []


def _between(view: View, at: float) -> Disks:
    """The disks of a view between two frames."""
    low = math.floor(at)
    one, other = (view.disks("lv", t) for t in (low, math.ceil(at)))
    share = at - low
    return Disks(
        (1 - share) * one.widths_mm + share * other.widths_mm,
        (1 - share) * one.length_mm + share * other.length_mm,
        (1 - share) * one.area_mm2 + share * other.area_mm2,
    )
