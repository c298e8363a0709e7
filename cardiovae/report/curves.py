"""The attributes of the record as figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

from markupsafe import Markup

from cardiovae.attributes import ON_SLICES
from cardiovae.audit.record import RV_AREA
from cardiovae.labels import ALL, Label
from cardiovae.report.figures import SMALL, Curve, Values, line_chart, percentile_chart
from cardiovae.report.palette import INK_BLUE, MUTED, STRUCTURE_COLORS
from cardiovae.report.wording import is_number, readable, unit_text, with_unit
from cardiovae.sequence import SAX

AREAS = {
    "lv_area": Label.LV,
    "myo_area": Label.MYO,
    "la_area": Label.LA,
    RV_AREA: Label.RV,
}


@dataclass(frozen=True)
class Figures:
    """The figures of a page, as markup that needs no escaping.

    `single` holds name, value before and value after of each attribute in place of curves, where
    there is only one frame. `extremes` are the largest and smallest LV area in words; `missing`
    says which attributes have no figure and why, `interval` what the shaded band is.
    """

    single: tuple[tuple[str, str, str], ...]
    areas: Markup
    others: tuple[Markup, ...]
    plausibility: Markup
    extremes: tuple[tuple[str, str], ...]
    missing: tuple[str, ...]
    interval: str = ""


def figures(record: Mapping[str, Any], *, columns: bool = True) -> Figures:
    """Curves of every attribute that the annotated structures have, and the plausibility.

    Args:
        record: That of a correction; the values before may be empty, and frames without a
            percentile have no figure of the plausibility.
        columns: As for `line_chart`.
    """
    names = list(record["attributes"]["after"])
    if _is_stack(record):
        names = [name for name in names if name in (*ON_SLICES, RV_AREA)]
    drawn = [name for name in names if not _unmeasured(record, name)]
    missing = [f"{readable(n)}: {_why_missing(record, n)}" for n in names if n not in drawn]
    if len(record["frames"]) == 1:
        single = tuple(_values(record, name) for name in drawn)
        return Figures(single, Markup(), (), Markup(), (), tuple(missing))
    return Figures(
        single=(),
        areas=_areas(record, [name for name in AREAS if name in drawn], columns),
        others=tuple(_small(record, name, columns) for name in drawn if name not in AREAS),
        plausibility=_plausibility(record),
        extremes=_extremes(record),
        missing=tuple(missing),
        interval=_interval_words(record),
    )


def heart_phases(area: Values) -> dict[str, int]:
    """Frames of end-diastole (largest LV area) and end-systole (smallest), where they differ.

    Examples:
        >>> heart_phases([30.0, 20.0, None, 25.0])
        {'ED': 0, 'ES': 1}
        >>> heart_phases([30.0])
        {}
    """
    known = [(value, t) for t, value in enumerate(area) if value is not None and is_number(value)]
    if not known or min(known)[0] == max(known)[0]:
        return {}
    largest, smallest = max(v for v, _ in known), min(v for v, _ in known)
    first = dict(reversed(known))
    return {"ED": first[largest], "ES": first[smallest]}


def _is_stack(record: Mapping[str, Any]) -> bool:
    return bool(record.get("view") == SAX)


def _areas(record: Mapping[str, Any], names: Sequence[str], columns: bool) -> Markup:
    if not names:
        return Markup()
    phased = "lv_area" in names and not _is_stack(record)
    lv = record["attributes"]["after"]["lv_area"] if phased else []
    return Markup(  # figures escape what they print
        line_chart(
            [_curve(record, name, AREAS[name].name) for name in names],
            title="Area",
            unit=unit_text(record["attributes"]["units"][names[0]]),
            actions=_actions(record),
            marks=heart_phases(lv),
            columns=columns,
        )
    )


def _small(record: Mapping[str, Any], name: str, columns: bool) -> Markup:
    return Markup(
        line_chart(
            [_curve(record, name, readable(name))],
            title=readable(name),
            unit=unit_text(record["attributes"]["units"][name]),
            actions=_actions(record),
            frame=SMALL,
            columns=columns,
        )
    )


def _plausibility(record: Mapping[str, Any]) -> Markup:
    if "density_percentile_after" not in record["frames"][0]:
        return Markup()
    return Markup(
        percentile_chart(
            [frame["density_percentile_before"] for frame in record["frames"]],
            [frame["density_percentile_after"] for frame in record["frames"]],
            title="Plausibility",
            actions=_actions(record),
        )
    )


def _actions(record: Mapping[str, Any]) -> list[str]:
    return [frame["action"] for frame in record["frames"]]


def _values(record: Mapping[str, Any], name: str) -> tuple[str, str, str]:
    unit = record["attributes"]["units"][name]
    before, after = (record["attributes"][side][name] for side in ("before", "after"))
    return readable(name), with_unit(before[0], unit) if before else "", with_unit(after[0], unit)


def _curve(record: Mapping[str, Any], name: str, label: str) -> Curve:
    before, after = (record["attributes"][side][name] for side in ("before", "after"))
    owner = next((s for s in ALL if name.startswith(s.name.lower() + "_")), None)
    color = STRUCTURE_COLORS[owner] if owner else INK_BLUE
    ends = interval(record) if name == "lv_area" else spread(record, name)
    return Curve(label, color or MUTED, before, after, _reasons(record, name), *ends)


def interval(record: Mapping[str, Any]) -> tuple[Values, Values]:
    """Lower and upper ends of the LV area of each frame in mm2; empty where nothing is doubted."""
    doubt = record.get("uncertainty")
    if not doubt:
        return (), ()
    ends = ("lv_area_low_mm2", "lv_area_high_mm2")
    low, high = ([frame.get(name) for frame in doubt["frames"]] for name in ends)
    return (low, high) if any(map(is_number, low)) else ((), ())


def spread(record: Mapping[str, Any], name: str) -> tuple[Values, Values]:
    """The same of any attribute, by the spread of its samples; empty where there are none."""
    doubt = record.get("uncertainty") or {}
    sd = doubt.get("attribute_sd", {}).get(name, [])
    if not any(map(is_number, sd)):
        return (), ()
    wide = NormalDist().inv_cdf((1 + doubt["level"]) / 2)
    after = record["attributes"]["after"][name]
    known = [is_number(v) and is_number(s) for v, s in zip(after, sd, strict=True)]
    low, high = (
        [v + side * wide * s if k else None for v, s, k in zip(after, sd, known, strict=True)]
        for side in (-1, 1)
    )
    return low, high


def _interval_words(record: Mapping[str, Any]) -> str:
    if not interval(record)[0]:
        return ""
    doubt = record["uncertainty"]
    known = (
        "calibrated" if "lv_area" in doubt["calibrated"] else "not calibrated: spread of samples"
    )
    rest = " Of the others: the spread of samples." if doubt.get("attribute_sd") else ""
    return f"Shaded: {100 * doubt['level']:g} % interval of the LV area after, {known}.{rest}"


def _reasons(record: Mapping[str, Any], name: str) -> dict[int, str]:
    """Why an attribute is missing in a frame, where the audits of the motion say so."""
    return {
        finding["frame"]: finding["reason"]
        for side in ("after", "before")
        for finding in record[side]["temporal_findings"]
        if finding["criterion"] == name and finding["frame"] is not None and finding["reason"]
    }


def _unmeasured(record: Mapping[str, Any], name: str) -> bool:
    sides = (record["attributes"][side][name] for side in ("before", "after"))
    return not any(is_number(value) for values in sides for value in values)


def _why_missing(record: Mapping[str, Any], name: str) -> str:
    owners = [s.name for s in ALL if name.startswith(s.name.lower() + "_")]
    if owners and owners[0] not in record["structures"]:
        return f"{owners[0]} is not annotated"
    return "not measurable in any frame"


def _extremes(record: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """LV area at ED and ES in words, before and after; slices of a stack are of one instant."""
    lines: list[tuple[str, str]] = []
    if _is_stack(record):
        return ()
    for side in ("before", "after"):
        area = record["attributes"][side].get("lv_area", [])
        unit = record["attributes"]["units"].get("lv_area", "")
        words = [
            f"{with_unit(area[t], unit)} at {phase} (frame {t})"
            for phase, t in heart_phases(area).items()
        ]
        if words:
            lines.append((side, ", ".join(words)))
    return tuple(lines)
