"""Hearts as rows of tables and as plain data for JSON."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cardiovae.indices.contour import SIDES, WALLS
from cardiovae.indices.ejection import volume_ml
from cardiovae.indices.heart import Heart
from cardiovae.indices.measure import QUANTITIES, SEGMENTS
from cardiovae.indices.names import INDICES
from cardiovae.indices.reference import Ranges, judge
from cardiovae.indices.view import Index, View
from cardiovae.io.tables import Kind
from cardiovae.sequence import SAX

AREAS = frozenset({"lv_area_mm2", "la_area_mm2"})
INDEX_COLUMNS: Mapping[str, Kind] = {
    **dict.fromkeys(("patient", "side", "index", "title"), "text"),
    "value": "number",
    **dict.fromkeys(("unit", "method", "flag", "range_side"), "text"),
    "low": "number",
    "high": "number",
    **dict.fromkeys(("source", "reason", "note"), "text"),
}  # fmt: skip
HEART_COLUMNS: Mapping[str, Kind] = {
    **dict.fromkeys(("patient", "side", "views", "sex"), "text"),
    "bsa_m2": "number",
    **dict.fromkeys(INDICES, "number"),
    "error": "text",
}
SEGMENT_COLUMNS: Mapping[str, Kind] = {
    **dict.fromkeys(("patient", "side", "view", "level", "wall"), "text"),
    **dict.fromkeys(("ed_mm", "es_mm", "thickening_percent"), "number"),
    "reason": "text",
}
FRAME_COLUMNS: Mapping[str, Kind] = {
    **dict.fromkeys(("patient", "side", "view"), "text"),
    "frame": "whole",
    "time_ms": "number",
    "instant": "text",
    **dict.fromkeys((*QUANTITIES, "volume_ml", "biplane_ml"), "number"),
    "reason": "text",
}


@dataclass(frozen=True)
class Patient:
    """A patient with the hearts of all sides, such as "before" and "after", and their files."""

    name: str
    hearts: Mapping[str, Heart]
    files: Mapping[str, Sequence[str]]


def known(value: float) -> float | None:
    """A number for tables and JSON, which have no NaN."""
    return float(value) if math.isfinite(value) else None


def index_rows(patients: Sequence[Patient], ranges: Ranges) -> Iterator[dict[str, Any]]:
    """One row per patient, side and index."""
    for p, side, heart in _all(patients):
        for name, index in heart.indices.items():
            yield {"patient": p.name, "side": side, **index_record(name, index, heart, ranges)}


def index_record(name: str, index: Index, heart: Heart, ranges: Ranges) -> dict[str, Any]:
    """An index with its place in the published ranges."""
    found = judge(name, index, heart.subject, ranges)
    return {
        "index": name,
        "title": INDICES[name].title,
        "value": known(index.value),
        "unit": INDICES[name].unit,
        "method": index.method,
        "flag": found.flag,
        "range_side": found.side,
        "low": found.low,
        "high": found.high,
        "source": found.source,
        "reason": index.reason or found.reason,
        "note": index.note,
    }


def heart_rows(
    patients: Sequence[Patient], errors: Sequence[tuple[str, str]] = ()
) -> Iterator[dict[str, Any]]:
    """One row per patient and side, then one per file that could not be read."""
    for p, side, heart in _all(patients):
        yield {
            "patient": p.name,
            "side": side,
            "views": _views(heart),
            "sex": heart.subject.sex,
            "bsa_m2": heart.subject.bsa_m2,
            **{name: known(index.value) for name, index in heart.indices.items()},
            "error": None,
        }
    for source, message in errors:
        yield {**dict.fromkeys(HEART_COLUMNS), "patient": source, "error": message}


def segment_rows(patients: Sequence[Patient]) -> Iterator[dict[str, Any]]:
    """One row per patient, side, view and segment of the wall."""
    for p, side, heart in _all(patients):
        for segment in segment_records(heart):
            yield {"patient": p.name, "side": side, **segment}


def segment_records(heart: Heart) -> list[dict[str, Any]]:
    """The segments of a heart as plain data."""
    return [
        {
            "view": s.view,
            "level": s.level,
            "wall": s.wall,
            "ed_mm": known(s.ed.value),
            "es_mm": known(s.es.value),
            "thickening_percent": known(s.thickening.value),
            "reason": s.ed.reason or s.es.reason or s.thickening.reason,
        }
        for s in heart.segments
    ]


def frame_rows(patients: Sequence[Patient]) -> Iterator[dict[str, Any]]:
    """One row per patient, side, view and frame; lengths and areas only where they mean mm."""
    for p, side, heart in _all(patients):
        for view in heart.views:
            yield from _frames({"patient": p.name, "side": side}, heart, view)


def _frames(who: Mapping[str, str], heart: Heart, view: View) -> Iterator[dict[str, Any]]:
    cine, step = view.cine, view.cine.frame_time_ms
    instants = {t: n for c in view.beats.cycles for n, t in zip(("ED", "ES"), c, strict=True)}
    single = volumes(view)
    both = heart.biplane_ml if view is heart.views[0] else None
    for t in range(cine.n_frames):
        values = {n: known(float(cine.values[n][t])) if cine.spaced else None for n in QUANTITIES}
        yield {
            **who,
            "view": view.name,
            "frame": t,
            "time_ms": None if step is None else t * step,
            "instant": instants.get(t),
            **values,
            "volume_ml": single[t],
            "biplane_ml": None if both is None else known(float(both[t])),
            "reason": cine.reasons[t],
        }


def volumes(view: View) -> list[float | None]:
    """Volume of the LV at every frame in ml, single-plane or of a stack; None where unknown."""
    if not view.cine.spaced:
        return [None] * view.cine.n_frames
    if view.name == SAX:
        return [known(float(ml)) for ml in view.cine.values["lv_disks_ml"]]
    return [known(volume_ml(view.disks("lv", t))) for t in range(view.cine.n_frames)]


def view_record(view: View) -> dict[str, Any]:
    """A view as plain data: its beats, and its curves."""
    cine, beats = view.cine, view.beats
    walls = dict(zip(SIDES, WALLS.get(view.name, SIDES), strict=True))
    return {
        "view": view.name,
        "n_frames": cine.n_frames,
        "n_files": cine.files,
        "frame_time_ms": cine.frame_time_ms,
        "spacing_known": cine.spaced,
        "beats": [{"ed": ed, "es": es} for ed, es in beats.cycles],
        "end_of_last_beat": beats.end,
        "heart_rate_bpm": known(beats.heart_rate_bpm),
        "volume_ml": volumes(view),
        "endocardium": [known(v) for v in cine.values["endocardium_mm"]],
        "lv_area": [known(v) for v in cine.values["lv_area_mm2"]],
        "wall_segments": [f"{level} {walls[side]}" for level, side in SEGMENTS],
        "reasons": {str(t): why for t, why in enumerate(cine.reasons) if why},
    }


def patient_record(patient: Patient, ranges: Ranges) -> dict[str, Any]:
    """All that is known of a patient, plain data: what its page is made of."""
    return {
        "patient": patient.name,
        "sides": [
            {
                "side": side,
                "files": list(patient.files[side]),
                "sex": heart.subject.sex,
                "bsa_m2": heart.subject.bsa_m2,
                "indices": [
                    index_record(name, index, heart, ranges)
                    for name, index in heart.indices.items()
                ],
                "segments": segment_records(heart),
                "views": [view_record(view) for view in heart.views],
                "biplane_ml": None
                if heart.biplane_ml is None
                else [known(float(v)) for v in heart.biplane_ml],
            }
            for side, heart in patient.hearts.items()
        ],
    }


def _all(patients: Sequence[Patient]) -> Iterator[tuple[Patient, str, Heart]]:
    for patient in patients:
        for side, heart in patient.hearts.items():
            yield patient, side, heart


def _views(heart: Heart) -> str:
    return " ".join(view.name for view in heart.views)
