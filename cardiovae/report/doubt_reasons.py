"""Why a frame is doubtful, what the doubt rests on, and what is missing."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from statistics import fmean, median
from typing import Any

from cardiovae.report.doubt_words import SIGNAL_WORDS, out_of
from cardiovae.report.wording import count, frames_text, is_number

Record = Mapping[str, Any]
MOST_REASONS = 2
STANDS_OUT = 3.5  # B. Iglewicz, D. Hoaglin, "How to detect and handle outliers", ASQC, 1993
NO_HEARTS = "no sampled shape could be a heart: doubt of the shape not known"
BLIND = (
    "Doubt of the shape comes from the prior alone, which does not see the image: a common shape "
    "in the wrong place is not doubted."
)


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


def frame_reasons(record: Record, doubt: Record, t: int) -> tuple[str, ...]:
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
    told += [NO_HEARTS] * (doubt["frames"][t].get("valid_share") == 0)
    told += [text for _, text in sorted(strongest.values(), reverse=True)]
    return tuple(told[:MOST_REASONS]) or ("no single signal stands out",)


def statements(doubt: Record) -> tuple[str, ...]:
    """What the numbers rest on, and what they do not see."""
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


def remarks(doubt: Record) -> tuple[tuple[str, str], ...]:
    """Reasons by what they are about; frames with the same reason are drawn together."""
    told: list[tuple[str, str]] = []
    frames: dict[str, list[int]] = {}
    for name, why in doubt["reasons"].items():
        found = re.fullmatch(r"frame (\d+)", name)
        if found:
            frames.setdefault(why, []).append(int(found[1]))
        else:
            told.append((_ABOUT.get(name, name.replace("_", " ")), why))
    for why, which in frames.items():
        named = "Frame" if len(which) == 1 else "Frames"
        told.append((f"{named} {frames_text(sorted(which))}", why))
    return (*told, *_unsampled(doubt))


def _unsampled(doubt: Record) -> tuple[tuple[str, str], ...]:
    """The frames whose layer is empty for want of samples, not of doubt."""
    frames = [frame["frame"] for frame in doubt["frames"] if frame.get("valid_share") == 0]
    named = "Frame" if len(frames) == 1 else "Frames"
    return ((f"{named} {frames_text(frames)}", NO_HEARTS),) if frames else ()


_ABOUT = {
    "band_mm": "Contour band in mm",
    "posterior": "Doubt of the shape",
    "ejection": "Ejection fraction",
    "crisp": "Doubt of the image",
    "failure_probability": "Failure probability",
}
