"""Doubt in words and numbers: what a record says under "uncertainty".

Nothing here is judged anew: which frames to look at, and in which order, stands in the record.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Any

from markupsafe import Markup

from cardiovae.report.doubt_figures import doubt_bars, interval_bar
from cardiovae.report.doubt_words import DASH, SIGNAL_WORDS, chance, out_of, outward, percent
from cardiovae.report.headline import Tile
from cardiovae.report.tables import Cell
from cardiovae.report.wording import MAX_RUNS, count, frames_text, is_number, number

Record = Mapping[str, Any]
MOST_FIRST = 6  # pictures in a row of the page
MOST_REASONS = 2
STANDS_OUT = 3.5  # B. Iglewicz, D. Hoaglin, "How to detect and handle outliers", ASQC, 1993
NO_SAMPLES = "needs samples of the prior: --uncertainty posterior or both"
NO_CALIBRATION = "not calibrated: nothing says how often such frames fail"
BLIND = (
    "Doubt of the shape comes from the prior alone, which does not see the image: a common shape "
    "in the wrong place is not doubted."
)


@dataclass(frozen=True)
class FirstFrame:
    """A frame to look at: its index, how likely it failed in words and in percent, and why."""

    index: int
    chance: str
    percent: str
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class DoubtView:
    """The doubt of a sequence as the page shows it.

    Args:
        tiles: Ejection fraction; number of frames to look at.
        ejection_bar: The ejection fraction and its interval as a figure; empty without one.
        bars: Doubt of each frame as a figure; empty for a single frame.
        first: Frames to look at, those to look at first in front.
        first_note: What else is to be said of them.
        looks: All frames to look at.
        cells: Numbers of each frame for tables, by name.
        failed: Words for a frame that failed, as in "the Dice is below 0.85".
        statements: What the numbers rest on, and what they do not see.
        remarks: Why something is missing or weaker than it might be: what, and why.
    """

    tiles: tuple[Tile, ...]
    ejection_bar: Markup
    bars: Markup
    first: tuple[FirstFrame, ...]
    first_note: str
    looks: frozenset[int]
    cells: tuple[Mapping[str, Cell], ...]
    failed: str
    statements: tuple[str, ...]
    remarks: tuple[tuple[str, str], ...]


def doubt_view(record: Record) -> DoubtView | None:
    """What the record says about doubt; None where none was asked for."""
    doubt = record.get("uncertainty")
    if not doubt:
        return None
    looks = _in_order(doubt)
    ejection = doubt["ejection"]
    return DoubtView(
        tiles=(_ejection_tile(doubt), _look_tile(doubt, looks)),
        ejection_bar=Markup(  # a figure escapes what it prints
            interval_bar(ejection.get("ef_percent"), ejection.get("low"), ejection.get("high"))
        ),
        bars=doubt_bars(doubt, failed_words(doubt)),
        first=tuple(_first(record, doubt, t) for t in looks[:MOST_FIRST]),
        first_note=_first_note(doubt, looks),
        looks=frozenset(looks),
        cells=tuple(_cells(doubt, frame) for frame in doubt["frames"]),
        failed=failed_words(doubt),
        statements=_statements(doubt),
        remarks=_remarks(doubt["reasons"]),
    )


def failed_words(doubt: Record) -> str:
    """What it means that a frame failed.

    Examples:
        >>> failed_words({"below": 0.85})
        'the Dice is below 0.85'
    """
    below = doubt["below"]
    return f"the Dice is below {below:g}" if is_number(below) else "the frame failed"


def standing_out(values: Sequence[float | None], worse: int) -> list[float]:
    """How far each value is from the others towards the worse side, in robust deviations.

    The modified z-score of Iglewicz and Hoaglin: the median absolute deviation as the unit, the
    mean absolute one where more than half of the values are equal.

    Args:
        values: One per frame; None or NaN where unknown.
        worse: 1 where larger values are worse, -1 where smaller ones are.

    Returns:
        One per frame, 0 where unknown and where all values are equal.

    Examples:
        >>> standing_out([1.0, 2.0, 3.0, None, 9.0], 1)[4]
        4.38425
    """
    known = [v for v in values if is_number(v)]
    if not known:
        return [0.0] * len(values)
    middle = median(known)
    away = [abs(v - middle) for v in known]
    unit = median(away) / 0.6745 or fmean(away) * 1.253314
    if not unit:
        return [0.0] * len(values)
    return [worse * (v - middle) / unit if is_number(v) else 0.0 for v in values]


def _in_order(doubt: Record) -> list[int]:
    """Frames to look at, the first in front."""
    wanted = [(_rank(frame), frame["frame"]) for frame in doubt["frames"] if frame["look"]]
    return [t for _, t in sorted(wanted)]


def _rank(frame: Record) -> float:
    rank = frame.get("look_rank")
    return float(rank) if is_number(rank) else math.inf


def _ejection_tile(doubt: Record) -> Tile:
    title, found = "ejection fraction", doubt["ejection"]
    value, ends = found.get("ef_percent"), [found.get("low"), found.get("high")]
    why = doubt["reasons"].get("ejection", "")
    if not is_number(value):
        why = why or (NO_SAMPLES if not doubt["n_samples"] else "no reason in the record")
        return Tile(title, "", number(None), why)
    if not all(map(is_number, ends)):
        return Tile(title, "", f"{value:.0f} %", f"no interval: {why or 'none is known'}")
    calibrated = doubt["calibration"] is not None
    note = (
        f"{out_of(doubt['level'])} patients like those of the calibration lie in the interval"
        if calibrated
        else f"not calibrated: spread of {count(found.get('n_samples') or 0, 'sample')}"
    )
    return Tile(title, "", f"{value:.0f} % ({outward(*ends)})", f"{note}{_volumes(found)}")


def _volumes(found: Record) -> str:
    """What the ejection fraction was computed from, where it is known."""
    ed, es = found.get("ed_ml"), found.get("es_ml")
    if not (is_number(ed) and is_number(es)):
        return ""
    how = f" ({found['method']})" if found.get("method") else ""
    return f"; ED {ed:.0f} ml, ES {es:.0f} ml{how}"


def _look_tile(doubt: Record, looks: Sequence[int]) -> Tile:
    n = len(doubt["frames"])
    title = "look at these frames first"
    calibrated = doubt["calibration"] is not None
    if not looks:
        note = "none is above the limit of the calibration" if calibrated else NO_CALIBRATION
        value = f"0 of {n}" if calibrated else "not known"
        return Tile(title, "", value, note, calibrated or None)
    shown = [str(t) for t in looks[:MAX_RUNS]] + ["..."] * (len(looks) > MAX_RUNS)
    note = f"most doubtful in front: {', '.join(shown)}" if len(looks) > 1 else f"frame {looks[0]}"
    if not calibrated:
        note += "; not calibrated: only frames that the prior does not know are named"
    return Tile(title, "", f"{len(looks)} of {n}", note)


def _first_note(doubt: Record, looks: Sequence[int]) -> str:
    more = looks[MOST_FIRST:]
    if more:
        words = "1 more frame" if len(more) == 1 else f"{len(more)} more frames"
        return f"And {words}, in the table below: {frames_text(sorted(more))}."
    if looks:
        return ""
    if doubt["calibration"] is not None:
        return (
            "No frame has to be looked at before the others: none is above the limit of the "
            "calibration."
        )
    order = sorted(doubt["frames"], key=_rank)[:3]
    return (
        "Not calibrated: nothing says how often such frames fail. The most doubtful by the "
        f"signals alone: {', '.join(str(frame['frame']) for frame in order)}."
    )


def _first(record: Record, doubt: Record, t: int) -> FirstFrame:
    frame = doubt["frames"][t]
    share = frame.get("failure_probability")
    known = is_number(share)
    return FirstFrame(
        index=t,
        chance=f"{chance(share)} that {failed_words(doubt)}" if known else _no_chance(doubt),
        percent=percent(share) if known else "",
        reasons=_reasons(record, doubt, t),
    )


def _no_chance(doubt: Record) -> str:
    return f"no probability: {_why_unknown(doubt)}"


def _why_unknown(doubt: Record) -> str:
    known = doubt["calibration"] is not None
    return "a signal it rests on is missing" if known else "not calibrated"


def _reasons(record: Record, doubt: Record, t: int) -> tuple[str, ...]:
    """The signals that stand out from the other frames, the strongest first."""
    strongest: dict[str, tuple[float, str]] = {}
    for name, signal in SIGNAL_WORDS.items():
        values = [frame.get(name) for frame in doubt["frames"]]
        score = standing_out(values, signal.worse)[t]
        if score > max(STANDS_OUT, strongest.get(signal.about, (0.0, ""))[0]):
            middle = signal.show(median(v for v in values if is_number(v)))
            text = f"{signal.words}: {signal.show(values[t])} (median {middle})"
            strongest[signal.about] = (score, text)
    told = ["unlike the training shapes, or more than half of it changed"]
    told *= bool(record["frames"][t].get("out_of_distribution"))
    told += [text for _, text in sorted(strongest.values(), reverse=True)]
    return tuple(told[:MOST_REASONS]) or ("no single signal stands out",)


def _cells(doubt: Record, frame: Record) -> dict[str, Cell]:
    """The doubt of one frame, a reason beside each number that is missing."""
    low = frame.get("dice_low")
    bound = f"at least {low:.2f} at the level {percent(doubt['level'])}" if is_number(low) else ""
    why = _why_unknown(doubt)
    no_band = doubt["reasons"].get("band_mm") or doubt["reasons"].get("posterior") or NO_SAMPLES
    return {
        "failure": _cell(frame.get("failure_probability"), why, percent),
        "expected": _cell(frame.get("dice_expected"), why, lambda v: f"{v:.2f}", bound),
        "band": _cell(frame.get("band_mm"), no_band, lambda v: f"{v:.1f}"),
        "look": _look_cell(doubt, frame),
    }


def _cell(value: float | None, why: str, show: Any, tip: str = "") -> Cell:
    return Cell(show(value), tip) if is_number(value) else Cell(DASH, why)


def _look_cell(doubt: Record, frame: Record) -> Cell:
    rank = _rank(frame)
    place = f"place {rank:.0f} of {len(doubt['frames'])}" if math.isfinite(rank) else ""
    if frame["look"]:
        return Cell(f"yes ({rank:.0f})" if place else "yes", place)
    if doubt["calibration"] is None:
        return Cell(DASH, ", ".join(filter(None, ("not calibrated", place))))
    return Cell("no", place)


def _statements(doubt: Record) -> tuple[str, ...]:
    known = doubt["calibration"]
    told = []
    if known is None:
        told.append(
            "Not calibrated: intervals are the spread of samples, and signals only put the frames "
            "in an order; neither says how often the result is wrong."
        )
    else:
        people = known.get("n_patients")
        who = f"{count(int(people), 'patient')} of " if is_number(people) else ""
        told.append(
            f"Calibrated on {who}{known.get('source') or 'a source that the record does not name'}"
            f" (calibration '{known.get('name')}'). Intervals are meant to hold for "
            f"{out_of(doubt['level'])} patients like those; for others that is not checked."
        )
    if doubt["method"] != "crisp":
        told.append(BLIND + (" No image was looked at." * (doubt["method"] == "posterior")))
    if doubt["method"] in ("crisp", "both"):
        told.append(
            "Doubt of the image is how much of what the image suggests speaks against the label."
        )
    return tuple(told)


def _remarks(reasons: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Reasons by what they are about; frames with the same reason are drawn together."""
    told: list[tuple[str, str]] = []
    frames: dict[str, list[int]] = {}
    for name, why in reasons.items():
        found = re.fullmatch(r"frame (\d+)", name)
        if found:
            frames.setdefault(why, []).append(int(found[1]))
        else:
            told.append((_ABOUT.get(name, name.replace("_", " ")), why))
    for why, which in frames.items():
        named = "Frame" if len(which) == 1 else "Frames"
        told.append((f"{named} {frames_text(sorted(which))}", why))
    return tuple(told)


_ABOUT = {
    "band_mm": "Contour band in mm",
    "posterior": "Doubt of the shape",
    "ejection": "Ejection fraction",
    "crisp": "Doubt of the image",
    "failure_probability": "Failure probability",
}
