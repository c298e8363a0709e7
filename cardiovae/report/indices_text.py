"""The indices of hearts in words: headline, tiles and tables of the record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cardiovae.indices.names import INDICES, NO_NEWS
from cardiovae.report.evaluation_text import NONE
from cardiovae.report.headline import Tile
from cardiovae.report.wording import count, is_number
from cardiovae.sequence import SAX

Record = Mapping[str, Any]
Row = Mapping[str, Any]
UNITS = {
    "percent": "%", "ml/m2": "ml/m²", "g/m2": "g/m²", "ratio": "", "beats": "", "bpm": "/min",
    "l/min": "l/min", "mm2": "cm²",
}  # fmt: skip
MM2_PER_CM2 = 100.0
TILES = (
    "ef_percent", "edv_ml", "esv_ml", "gls_percent", "la_volume_ml", "rv_ef_percent",
    "lv_volume_ml", "rv_volume_ml", "mass_disks_g",
)  # fmt: skip
LISTED = ("edv_ml", "esv_ml", "ef_percent", "gls_percent", "mass_area_length_g", "la_volume_ml")
STACK_LISTED = (
    "edv_ml", "esv_ml", "ef_percent", "rv_edv_ml", "rv_esv_ml", "rv_ef_percent", "mass_disks_g",
)  # fmt: skip
FLAGS = {
    "normal": "fine", "mildly abnormal": "mild", "moderately abnormal": "moderate",
    "severely abnormal": "severe", "outside": "mild", "unknown": "",
}  # fmt: skip
JUDGED = tuple(flag for flag in FLAGS if flag != "unknown")
MINUS = "\N{MINUS SIGN}"


def plain_value(row: Row) -> str:
    """The value of an index with its unit; a dash where there is none."""
    if not is_number(row["value"]):
        return NONE
    unit = UNITS.get(row["unit"], row["unit"])
    return f"{_number(row['value'], row)} {unit}".rstrip()


def _number(value: float, row: Row) -> str:
    digits = INDICES[row["index"]].digits
    if row["unit"] == "mm2":
        value, digits = value / MM2_PER_CM2, 1
    text = f"{value:,.{digits}f}"
    return text.replace("-", MINUS)


def range_text(row: Row) -> str:
    """The normal range of an index; empty where none is published.

    Examples:
        >>> range_text({"low": 52.0, "high": 72.0})
        '52\N{EN DASH}72'
    """
    if not is_number(row["low"]):
        return ""
    return f"{row['low']:g}{NONE}{row['high']:g}"


def flag_text(row: Row) -> str:
    """Where an index lies; empty where nothing is judged.

    Examples:
        >>> flag_text({"flag": "outside", "range_side": "low"})
        'below normal'
        >>> flag_text({"flag": "mildly abnormal", "range_side": "high"})
        'mildly abnormal, high'
    """
    if row["flag"] == "unknown":
        return ""
    if row["flag"] == "outside":
        return "below normal" if row["range_side"] == "low" else "above normal"
    return f"{row['flag']}, {row['range_side']}" if row["range_side"] else str(row["flag"])


def headline(record: Record) -> str:
    """How many hearts were measured, in a sentence."""
    patients = record["patients"]
    last = [patient["sides"][-1] for patient in patients]
    measured = sum(is_number(by_name(side)["ef_percent"]["value"]) for side in last)
    text = f"{count(len(patients), 'patient')}; ejection fraction of {measured}"
    if record["errors"]:
        text += f"; {count(len(record['errors']), 'file')} could not be read"
    return text + "."


def of_stacks(side: Record) -> bool:
    """Whether a side was measured in stacks of short-axis slices."""
    return bool(side["views"][0]["view"] == SAX)


def listed(record: Record, apical: Sequence[str] = LISTED) -> list[str]:
    """The indices that a list of hearts has as columns.

    Args:
        record: Content of `indices.json`.
        apical: Those of hearts in apical views.
    """
    kinds = {of_stacks(side) for patient in record["patients"] for side in patient["sides"]}
    names = [*(apical if False in kinds else ()), *(STACK_LISTED if True in kinds else ())]
    return list(dict.fromkeys(names))


def by_name(side: Record) -> dict[str, Row]:
    """The indices of a side by their names."""
    return {row["index"]: row for row in side["indices"]}


def patient_headline(patient: Record) -> str:
    """The ejection fraction, and how much is out of range, in a sentence."""
    rows = by_name(patient["sides"][-1])
    ejected = rows["ef_percent"]
    text = f"Ejection fraction {plain_value(ejected)}"
    if is_number(ejected["value"]):
        text += f" ({ejected['method']})"
    else:
        text = f"Ejection fraction not measurable: {ejected['reason']}"
    judged = [row for row in rows.values() if row["flag"] in JUDGED]
    out = [row for row in judged if row["flag"] != "normal"]
    if judged:
        return f"{text}; {len(out)} of {len(judged)} judged indices out of the normal range."
    why = ("the sex is unknown", "the ranges are for")
    unknown = next((r["reason"] for r in rows.values() if r["reason"].startswith(why)), "")
    return f"{text}; nothing is judged{': ' + unknown if unknown else ''}."


def out_of_range(patient: Record) -> bool:
    """Whether an index lies outside of its normal range, or the main one is missing."""
    rows = by_name(patient["sides"][-1])
    flags = {row["flag"] for row in rows.values()}
    return bool(flags & set(JUDGED[1:])) or not is_number(rows["ef_percent"]["value"])


def tiles(patient: Record) -> list[Tile]:
    """The main indices, before and after where there are both."""
    sides = patient["sides"]
    after = by_name(sides[-1])
    before = by_name(sides[0]) if len(sides) > 1 else {}
    found = []
    for name in TILES:
        row = after[name]
        note = flag_text(row) or row["method"] or row["reason"]
        good = {"": None, "fine": True}.get(FLAGS[row["flag"]], False)
        was = plain_value(before[name]) if before else ""
        if not is_number(row["value"]) and was in ("", NONE) and name != TILES[0]:
            continue
        found.append(Tile(INDICES[name].title, was, plain_value(row), note, good))
    return found


def parts(patient: Record) -> list[dict[str, Any]]:
    """The indices by the part of the heart; of single views only where there are both."""
    sides = patient["sides"]
    alone = len(sides[-1]["views"]) == 1
    after = by_name(sides[-1])
    before = by_name(sides[0]) if len(sides) > 1 else {}
    found: dict[str, list[dict[str, Any]]] = {}
    for name in after:
        meaning, row, was = INDICES[name], after[name], before.get(name)
        rows = [row, was] if was else [row]
        shown = meaning.unit != "beats" or row["value"] != 1
        if alone and ("_a4c_" in name or "_a2c_" in name):
            shown = False
        if shown and any(is_number(r["value"]) for r in rows):
            found.setdefault(meaning.part, []).append(
                {
                    "title": meaning.title,
                    "before": plain_value(was) if was else "",
                    "value": plain_value(row),
                    "method": row["method"],
                    "range": range_text(row),
                    "flag": flag_text(row),
                    "kind": FLAGS[row["flag"]],
                    "note": row["note"] or (row["reason"] if is_number(row["low"]) else ""),
                }
            )
    return [{"title": title, "rows": rows} for title, rows in found.items()]


def missing(patient: Record) -> list[tuple[str, str]]:
    """What could not be measured, by its reason: the reason, and the indices.

    Views that are not there, and numbers that take several beats, are no news.
    """
    reasons: dict[str, list[str]] = {}
    for row in patient["sides"][-1]["indices"]:
        if not is_number(row["value"]) and not row["reason"].startswith(NO_NEWS):
            reasons.setdefault(row["reason"], []).append(INDICES[row["index"]].title)
    return [(reason, ", ".join(titles)) for reason, titles in reasons.items()]


def notes(patient: Record) -> list[tuple[str, str]]:
    """What should be known about numbers: the note, and the indices it is about."""
    found: dict[str, list[str]] = {}
    for row in patient["sides"][-1]["indices"]:
        shown = row["reason"] if is_number(row["value"]) and is_number(row["low"]) else ""
        for text in filter(None, (row["note"], shown)):
            if is_number(row["value"]):
                found.setdefault(text, []).append(INDICES[row["index"]].title)
    return [(text, ", ".join(titles)) for text, titles in found.items()]


def sources(patient: Record) -> list[str]:
    """Where the ranges that are shown come from."""
    rows = patient["sides"][-1]["indices"]
    return list(dict.fromkeys(r["source"] for r in rows if r["source"] and is_number(r["value"])))


def segment_tables(patient: Record) -> list[dict[str, Any]]:
    """Wall thickness by segment, one table per view: rows of level and wall."""
    tables: dict[str, list[tuple[str, ...]]] = {}
    sides = patient["sides"]
    earlier = {(s["view"], s["level"], s["wall"]): s for s in sides[0]["segments"]}
    for segment in sides[-1]["segments"]:
        was = earlier.get((segment["view"], segment["level"], segment["wall"]))
        cells = []
        for key, digits in (("ed_mm", 1), ("es_mm", 1), ("thickening_percent", 0)):
            text = _plain(segment[key], digits)
            if len(sides) > 1 and was is not None:
                text = f"{_plain(was[key], digits)} → {text}"
            cells.append(text)
        name = f"{segment['level']} {segment['wall']}"
        tables.setdefault(segment["view"], []).append((name, *cells))
    shown = {view: rows for view, rows in tables.items() if any(_told(r) for r in rows)}
    return [{"view": view, "rows": rows} for view, rows in shown.items()]


def _told(row: Sequence[str]) -> bool:
    return any(cell.strip(f"{NONE}→ ") for cell in row[1:])


def _plain(value: float | None, digits: int) -> str:
    return f"{value:.{digits}f}".replace("-", MINUS) if is_number(value) else NONE
