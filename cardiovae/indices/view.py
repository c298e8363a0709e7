"""A view with its beats, and how numbers of frames become one number of a heart."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardiovae.indices.beats import Beats, find_beats
from cardiovae.indices.ejection import Disks, ed_es
from cardiovae.indices.measure import Cine
from cardiovae.sequence import SAX

Values = NDArray[np.float64]
ED, ES = 0, 1


@dataclass(frozen=True)
class Index:
    """One number of a heart.

    Args:
        value: The number, NaN where there is none.
        method: What it was made of, such as "biplane" or "A4C".
        reason: Why it is NaN; empty where it is not.
        note: What should be known about it.
    """

    value: float
    method: str = ""
    reason: str = ""
    note: str = ""


@dataclass(frozen=True, eq=False)
class View:
    """A heart in one view, and its beats."""

    cine: Cine
    beats: Beats

    @property
    def name(self) -> str:
        """Which it is: "A4C", "A2C", "SAX" or "unknown"."""
        return self.cine.view

    def at(self, quantity: str, instant: int) -> list[float]:
        """A quantity at ED or ES of every beat."""
        return [float(self.cine.values[quantity][c[instant]]) for c in self.beats.cycles]

    def disks(self, cut: str, t: int) -> Disks:
        """The disks of a frame; `cut` is "lv" or "la"."""
        values = self.cine.values
        return Disks(
            self.cine.widths_mm[cut][t],
            float(values[f"{cut}_length_mm"][t]),
            float(values[f"{cut}_area_mm2"][t]),
        )

    def why(self) -> str:
        """Why something is missing at the instants, as far as it is known."""
        if not self.beats.cycles:
            return self.beats.reason
        frames = sorted({t for cycle in self.beats.cycles for t in cycle})
        reasons = [f"frame {t}: {self.cine.reasons[t]}" for t in frames if self.cine.reasons[t]]
        return "; ".join(reasons[:3])


def view_of(cine: Cine, beats: Beats | None = None) -> View:
    """A view with its beats; of several files the largest and smallest area are the only one.

    Args:
        cine: The view.
        beats: Those of another sequence of the same heart, such as its reference; None = its own.
    """
    if beats is not None:
        return View(cine, beats)
    if cine.view == SAX:
        return View(cine, _stack_beats(cine))
    areas = cine.values["lv_area_mm2"]
    return View(cine, find_beats(areas, cine.frame_time_ms, whole=cine.files > 1))


def _stack_beats(cine: Cine) -> Beats:
    """ED and ES of stacks: the largest and the smallest LV; none where a volume is unknown."""
    volumes = cine.values["lv_disks_ml"]
    unknown = [t for t in range(cine.n_frames) if not math.isfinite(volumes[t])]
    if unknown:
        reasons = "; ".join(dict.fromkeys(cine.reasons[t] for t in unknown))
        return Beats((), None, math.nan, f"{len(unknown)} of {cine.n_frames} stacks: {reasons}")
    extremes = ed_es(volumes)
    if extremes is None:
        return Beats((), None, math.nan, "no two stacks with different LV volumes")
    return Beats((extremes,), None, math.nan)


def over_beats(values: Sequence[float], method: str, why: str) -> Index:
    """The mean of what could be measured over the beats, or why nothing could."""
    known = [v for v in values if math.isfinite(v)]
    if not known:
        return Index(math.nan, method, why or "not measurable")
    left = len(values) - len(known)
    note = f"{left} of {len(values)} beats could not be measured: {why}" if left else ""
    return Index(float(np.mean(known)), method, note=note)


def spread(values: Sequence[float], method: str) -> Index:
    """Standard deviation over the beats."""
    known = [v for v in values if math.isfinite(v)]
    if len(known) < 2:
        return Index(math.nan, method, "fewer than two beats")
    return Index(float(np.std(known, ddof=1)), method)


def over_views(views: Sequence[View], of: Callable[[View], Sequence[float]]) -> Index:
    """The mean over views of the means over beats; views that cannot be measured are left out."""
    found = [over_beats(of(view), view.name, view.why()) for view in views]
    known = [index for index in found if not index.reason]
    if not known:
        return Index(math.nan, "", "; ".join(f"{i.method}: {i.reason}" for i in found))
    if len(known) == 1:
        return known[0]
    notes = "; ".join(f"{i.method}: {i.note}" for i in known if i.note)
    names = " and ".join(index.method for index in known)
    return Index(float(np.mean([i.value for i in known])), f"mean of {names}", note=notes)


def paired_cycles(views: Sequence[View]) -> list[tuple[tuple[int, int], ...]]:
    """The frames at (ED, ES) of each beat in all views: the first of one with that of the other.

    Views are recorded one after the other, so beats are paired in their order; those that one
    view has more are left out.
    """
    return list(zip(*(view.beats.cycles for view in views), strict=False))


def why(views: Sequence[View]) -> str:
    """Why something is missing, view by view."""
    return "; ".join(f"{v.name}: {text}" for v in views if (text := v.why()))
