"""Doubt in words and numbers: what a record says under "uncertainty".

Nothing here is judged anew: which frames to look at, and in which order, stands in the record.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from cardiovae.report.doubt_figures import doubt_bars, interval_bar
from cardiovae.report.doubt_reasons import frame_reasons, remarks, statements
from cardiovae.report.doubt_words import DASH, chance, out_of, outward, percent
from cardiovae.report.headline import Tile
from cardiovae.report.tables import Cell
from cardiovae.report.wording import MAX_RUNS, count, frames_text, is_number, number

Record = Mapping[str, Any]
MOST_FIRST = 6  # pictures in a row of the page
NO_SAMPLES = "needs samples of the prior: --uncertainty posterior or both"
NO_CALIBRATION = "not calibrated: nothing says how often such frames fail"


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
        statements=statements(doubt),
        remarks=remarks(doubt),
    )


def failed_words(doubt: Record) -> str:
    """What it means that a frame failed.

    Examples:
        >>> failed_words({"below": 0.85})
        'the Dice is below 0.85'
    """
    below = doubt["below"]
    return f"the Dice is below {below:g}" if is_number(below) else "the frame failed"


def _in_order(doubt: Record) -> list[int]:
    """Frames to look at, the first in front."""
    wanted = [(_rank(frame), frame["frame"]) for frame in doubt["frames"] if frame["look"]]
    return [t for _, t in sorted(wanted)]


def _rank(frame: Record) -> float:
    rank = frame.get("look_rank")
    return float(rank) if is_number(rank) else math.inf


def _judged(doubt: Record) -> bool:
    """Whether a calibration said which frames to look at."""
    return doubt["calibration"] is not None and is_number(doubt["below"])


def _ejection_tile(doubt: Record) -> Tile:
    title, found = "ejection fraction", doubt["ejection"]
    value, ends = found.get("ef_percent"), [found.get("low"), found.get("high")]
    why = doubt["reasons"].get("ejection", "")
    if not is_number(value):
        why = why or (NO_SAMPLES if not doubt["n_samples"] else "no reason in the record")
        return Tile(title, "", number(None), why)
    if not all(map(is_number, ends)):
        return Tile(title, "", f"{value:.0f} %", f"no interval: {why or 'none is known'}")
    calibrated = found.get("calibrated", doubt["calibration"] is not None)
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
    calibrated = _judged(doubt)
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
    if _judged(doubt):
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
        reasons=frame_reasons(record, doubt, t),
    )


def _no_chance(doubt: Record) -> str:
    return f"no probability: {_why_unknown(doubt)}"


def _why_unknown(doubt: Record) -> str:
    return "a signal it rests on is missing" if _judged(doubt) else "not calibrated"


def _cells(doubt: Record, frame: Record) -> dict[str, Cell]:
    """The doubt of one frame, a reason beside each number that is missing."""
    low = frame.get("dice_low")
    bound = f"at least {low:.2f} at the level {percent(doubt['level'])}" if is_number(low) else ""
    why = _why_unknown(doubt)
    return {
        "failure": _cell(frame.get("failure_probability"), why, percent),
        "expected": _cell(frame.get("dice_expected"), why, lambda v: f"{v:.2f}", bound),
        "band": _cell(frame.get("band_mm"), _no_band(doubt, frame), lambda v: f"{v:.1f}"),
        "look": _look_cell(doubt, frame),
    }


def _no_band(doubt: Record, frame: Record) -> str:
    """Why a frame has no contour band."""
    reasons = doubt["reasons"]
    if not doubt["n_samples"]:
        return NO_SAMPLES
    if reasons.get("band_mm"):
        return str(reasons["band_mm"])
    if is_number(frame.get("valid_share")):
        return "fewer than two valid samples"
    return reasons.get("posterior") or "not in the record"


def _cell(value: float | None, why: str, show: Any, tip: str = "") -> Cell:
    return Cell(show(value), tip) if is_number(value) else Cell(DASH, why)


def _look_cell(doubt: Record, frame: Record) -> Cell:
    rank = _rank(frame)
    place = f"place {rank:.0f} of {len(doubt['frames'])}" if math.isfinite(rank) else ""
    if frame["look"]:
        return Cell(f"yes ({rank:.0f})" if place else "yes", place)
    if not _judged(doubt):
        return Cell(DASH, ", ".join(filter(None, ("not calibrated", place))))
    return Cell("no", place)
