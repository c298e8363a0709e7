"""End-diastole and end-systole of every beat, from the curve of the LV area."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, signal

from cardiovae.indices.ejection import ed_es

Values = NDArray[np.float64]
FEWEST = 8
"""Frames from which on beats are looked for; of fewer the extreme areas are ED and ES."""
PROMINENCE = 0.4
"""A minimum is an ES if the area rises by this share of its range on both sides of it: more than
atrial kick and noise do, less than a weak beat among strong ones."""
HIGH = 0.6
"""A maximum is an ED if it lies above this share of the range: a recording may begin within
systole, and what it begins with is no ED then."""
STRAY = 0.4
"""Share of the range by which a frame must lie beyond both neighbors, on the same side, not to be
believed. Even in beats of six frames ED and ES lie less far beyond theirs."""
FASTEST_MS = 250.0
"""Shortest beat that is looked for: 240 per minute."""


@dataclass(frozen=True)
class Beats:
    """The beats of a sequence.

    Args:
        cycles: Frames at (ED, ES) of each complete systole, in order.
        end: ED that closes the last beat; None where the recording ends before.
        heart_rate_bpm: Beats per minute; NaN where unknown.
        reason: Why there is no beat, or no heart rate; empty where both are there.
    """

    cycles: tuple[tuple[int, int], ...]
    end: int | None
    heart_rate_bpm: float
    reason: str = ""


def find_beats(areas: Values, frame_time_ms: float | None = None, *, whole: bool = False) -> Beats:
    """The beats that a curve of LV areas shows.

    ES are the minima of the curve that stand out, ED the maxima between them. Single frames that
    do not go with their neighbors are not believed, but none is left out of later measurements.

    Args:
        areas: LV area of every frame, any unit, shape (T,); 0 or NaN where there is no LV.
        frame_time_ms: Time between frames; None = unknown, then there is no heart rate.
        whole: Whether the order of the frames says nothing, as where they come of several files.

    Returns:
        The beats. Up to 7 frames, and where no minimum stands out (half a cycle from ED to ES):
        one, from the largest to the smallest area. None where no two areas differ.
    """
    seen = np.isfinite(areas) & (areas > 0)
    extremes = ed_es(np.where(seen, areas, 0.0))
    if extremes is None:
        return Beats((), None, math.nan, "no two frames with different LV areas")
    if whole or areas.size < FEWEST:
        few = "several files" if whole else f"fewer than {FEWEST} frames"
        return Beats((extremes,), None, math.nan, f"{few}: beats are not looked for")
    curve = _believable(np.interp(np.arange(areas.size), np.flatnonzero(seen), areas[seen]))
    low, high = np.percentile(curve, (2, 98))
    lows = _minima(curve, float(high - low), frame_time_ms)
    level = low + HIGH * (high - low)
    cycles = []
    for first, es in itertools.pairwise([0, *lows]):
        ed = first + int(np.argmax(curve[first : es + 1]))
        if ed < es and curve[ed] >= level:
            cycles.append((ed, es))
    if not cycles:
        once = (int(np.argmax(curve)), int(np.argmin(curve)))
        return Beats((once,), None, math.nan, "a single beat, not seen to its end")
    end = cycles[-1][1] + int(np.argmax(curve[cycles[-1][1] :]))
    rate, reason = _rate(lows, frame_time_ms)
    return Beats(tuple(cycles), end if curve[end] >= level else None, rate, reason)


def _believable(curve: Values) -> Values:
    """The curve with single stray frames put to the median of five."""
    median = ndimage.median_filter(curve, 5, mode="nearest")
    far = STRAY * np.ptp(median)
    steps = np.diff(curve)
    beyond = np.minimum(np.abs(steps[:-1]), np.abs(steps[1:])) > far
    stray = np.zeros(curve.size, np.bool_)
    stray[1:-1] = beyond & (steps[:-1] * steps[1:] < 0)
    kept: Values = np.where(stray, median, curve)
    return kept


def _minima(curve: Values, spread: float, frame_time_ms: float | None) -> list[int]:
    """Frames at ES: minima of the smoothed curve that stand out, moved to the curve's own."""
    smooth = ndimage.gaussian_filter1d(curve, 1.0, mode="nearest")
    apart = 2 if frame_time_ms is None else max(2, round(FASTEST_MS / frame_time_ms))
    peaks, _ = signal.find_peaks(-smooth, prominence=PROMINENCE * spread, distance=apart)
    found = []
    for peak in peaks.tolist():
        first = max(peak - 2, 0)
        found.append(first + int(np.argmin(curve[first : peak + 3])))
    return found


def _rate(lows: list[int], frame_time_ms: float | None) -> tuple[float, str]:
    """Heart rate by the mean distance between ES, or why there is none."""
    if frame_time_ms is None:
        return math.nan, "the frame time is unknown"
    if len(lows) < 2:
        return math.nan, "fewer than two beats"
    beat_ms = (lows[-1] - lows[0]) / (len(lows) - 1) * frame_time_ms
    return 60_000 / beat_ms, ""
