"""The tables of a judgement of doubt: rows of CSV files and what their columns hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cardiovae.evaluation.doubt import Doubt
from cardiovae.evaluation.doubt_frames import number
from cardiovae.io.tables import Kind

TEXT = ("name", "patient", "view", "signal", "more_is", "map", "quantity", "unit", "of", "reason")
WHOLE = ("frame", "count", "n")
AREAS = ("lv_area_mm2", "lv_area_low_mm2", "lv_area_high_mm2", "lv_area_reference_mm2")


def kinds(columns: Sequence[str]) -> dict[str, Kind]:
    """The columns with what they hold.

    Examples:
        >>> kinds(["signal", "n_missing", "auroc", "calibrated"])
        {'signal': 'text', 'n_missing': 'whole', 'auroc': 'number', 'calibrated': 'flag'}
    """
    return {name: _kind(name) for name in columns}


def _kind(name: str) -> Kind:
    if name in TEXT:
        return "text"
    if name == "calibrated":
        return "flag"
    return "whole" if name in WHOLE or name.startswith("n_") else "number"


def frame_columns(doubts: Sequence[Doubt]) -> tuple[str, ...]:
    """Columns of `frames.csv`: who, Dice, every signal that any sequence has, LV areas."""
    signals = dict.fromkeys(name for doubt in doubts for name in doubt.signals)
    return ("name", "patient", "view", "frame", "dice", *signals, *AREAS)


def frame_rows(doubts: Sequence[Doubt]) -> Iterator[dict[str, Any]]:
    """One row per frame with `frame_columns`; what is unknown is None."""
    columns = frame_columns(doubts)
    for doubt in doubts:
        pair = doubt.pair
        for t, dice in enumerate(doubt.dice.tolist()):
            row = dict.fromkeys(columns)
            row |= {"name": pair.name, "patient": pair.patient, "view": pair.view, "frame": t}
            row |= {name: number(column[t]) for name, column in doubt.signals.items()}
            row |= {name: number(doubt.area[i, t]) for i, name in enumerate(AREAS)}
            yield row | {"dice": number(dice)}


def sequence_rows(doubts: Sequence[Doubt]) -> Iterator[dict[str, Any]]:
    """One row per sequence: its ejection fraction as stated, and that of the reference."""
    for doubt in doubts:
        pair, ef = doubt.pair, doubt.ef
        yield {
            "name": pair.name,
            "patient": pair.patient,
            "view": pair.view,
            "n_frames": int(doubt.dice.size),
            "ef_percent": number(ef.value),
            "ef_low_percent": number(ef.low),
            "ef_high_percent": number(ef.high),
            "ef_sd_percent": number(ef.sd),
            "ef_reference_percent": number(ef.truth),
            "reason": ef.reason,
        }


def record_tables(record: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """The tables that are made of the record, by the names of their files."""
    left_out = ("reliability", "thresholds")
    maps = [{k: v for k, v in row.items() if k not in left_out} for row in record["maps"]]
    bins = [{"of": of["map"], **row} for of in record["maps"] for row in of["reliability"]]
    if record["probability"] is not None:
        bins += [{"of": "failure_probability", **r} for r in record["probability"]["reliability"]]
    return {
        "signals.csv": list(record["signals"]),
        "thresholds.csv": list(record["thresholds"]),
        "maps.csv": maps,
        "reliability.csv": bins,
        "intervals.csv": list(record["intervals"]),
        "verified.csv": list(record["verified"]),
    }
