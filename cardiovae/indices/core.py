"""The main indices of one sequence, and what tables and JSON say of them."""

from __future__ import annotations

from typing import Any

from cardiovae.indices.beats import find_beats
from cardiovae.indices.columns import CORE, STACK_CORE
from cardiovae.indices.heart import SURFACE, Heart, heart_of
from cardiovae.indices.measure import lv_areas, measure_cine
from cardiovae.indices.reference import Ranges
from cardiovae.indices.rows import index_record, known
from cardiovae.indices.stack import measure_stack
from cardiovae.indices.subjects import Subject
from cardiovae.sequence import EchoSequence

EXTRAS = frozenset({*SURFACE, "heart_rate_bpm"})
"""What takes a body size or a frame time; where that is not known there is nothing to explain."""


def sequence_heart(sequence: EchoSequence, subject: Subject | None = None) -> Heart:
    """The heart of one sequence, measured at ED and ES of its beats alone.

    The numbers are those of `measure_cine` and `heart_of`; frames between are not measured, which
    makes it several times faster. The wall and the single volumes of such frames are unknown. A
    stack of short-axis slices is one instant: it has volumes and a mass.

    Args:
        sequence: Labels with their geometry.
        subject: What is known of the patient.
    """
    if sequence.is_stack:
        return heart_of([measure_stack(sequence)], subject)
    beats = find_beats(lv_areas(sequence), sequence.frame_time_ms)
    frames = {t for cycle in beats.cycles for t in cycle}
    return heart_of([measure_cine(sequence, frames)], subject)


def core_values(heart: Heart) -> dict[str, Any]:
    """The main indices as plain data: numbers, None where there is none, and why.

    `ed_frame` and `es_frame` are those of the first beat. Reasons of what takes a body size or a
    frame time, and of what such a view never shows, are left out.
    """
    ed, es = next(iter(heart.views[0].beats.cycles), (None, None))
    n_beats = known(heart["n_beats"])
    view = f"{heart.views[0].name}: "
    told = [heart.indices[name].reason for name in _core(heart) if name not in EXTRAS]
    reasons = [reason.removeprefix(view) for reason in told]
    return {
        **{name: known(heart[name]) for name in (*CORE, *STACK_CORE)},
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
        "indices": [
            index_record(name, heart.indices[name], heart, ranges) for name in _core(heart)
        ],
    }


def _core(heart: Heart) -> tuple[str, ...]:
    """What is told of such a heart."""
    return STACK_CORE if heart.is_stack else CORE
