"""The main indices of one sequence, and what tables and JSON say of them."""

from __future__ import annotations

from typing import Any

from cardiovae.indices.beats import find_beats
from cardiovae.indices.columns import CORE
from cardiovae.indices.heart import SURFACE, Heart, heart_of
from cardiovae.indices.measure import lv_areas, measure_cine
from cardiovae.indices.reference import Ranges
from cardiovae.indices.rows import index_record, known
from cardiovae.indices.subjects import Subject
from cardiovae.sequence import EchoSequence

STACK = "a stack of short-axis slices shows no apical view"
EXTRAS = frozenset({*SURFACE, "heart_rate_bpm"})
"""What takes a body size or a frame time; where that is not known there is nothing to explain."""


def sequence_heart(sequence: EchoSequence, subject: Subject | None = None) -> Heart | None:
    """The heart of one sequence, measured at ED and ES of its beats alone.

    The numbers are those of `measure_cine` and `heart_of`; frames between are not measured, which
    makes it several times faster. The wall and the single volumes of such frames are unknown.

    Args:
        sequence: Labels with their geometry.
        subject: What is known of the patient.

    Returns:
        The heart; None for a stack of short-axis slices, which shows no long axis and no time.
    """
    if sequence.is_stack:
        return None
    beats = find_beats(lv_areas(sequence), sequence.frame_time_ms)
    frames = {t for cycle in beats.cycles for t in cycle}
    return heart_of([measure_cine(sequence, frames)], subject)


def core_values(heart: Heart | None) -> dict[str, Any]:
    """The main indices as plain data: numbers, None where there is none, and why.

    Without a heart, as for a stack of slices, there is no number.

    `ed_frame` and `es_frame` are those of the first beat. Reasons of what takes a body size or a
    frame time are left out.
    """
    if heart is None:
        return {**dict.fromkeys((*CORE, "ed_frame", "es_frame")), "indices_reason": STACK}
    ed, es = next(iter(heart.views[0].beats.cycles), (None, None))
    n_beats = known(heart["n_beats"])
    view = f"{heart.views[0].name}: "
    told = [heart.indices[name].reason for name in CORE if name not in EXTRAS]
    reasons = [reason.removeprefix(view) for reason in told]
    return {
        **{name: known(heart[name]) for name in CORE},
        "n_beats": None if n_beats is None else int(n_beats),
        "ed_frame": ed,
        "es_frame": es,
        "indices_reason": "; ".join(dict.fromkeys(filter(None, reasons))),
    }


def core_record(heart: Heart, ranges: Ranges) -> dict[str, Any]:
    """The main indices with unit, method, published range, flag and reason, for JSON.

    Args:
        heart: What was measured.
        ranges: Published normal ranges.
    """
    return {
        "beats": [{"ed": ed, "es": es} for ed, es in heart.views[0].beats.cycles],
        "indices": [index_record(name, heart.indices[name], heart, ranges) for name in CORE],
    }
