"""Signals, chances and intervals in plain words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from cardiovae.report.wording import is_number, number

DASH = "\N{EN DASH}"


@dataclass(frozen=True)
class Signal:
    """A signal for readers: what it says when it is high in doubt.

    Args:
        words: What is the matter where the signal stands out.
        about: What it looks at, so that a frame is not said to be doubtful twice for one thing.
        worse: 1 where larger values are doubtful, -1 where smaller ones are.
        unit: "%" for a share that is shown in percent, "mm", or empty.
    """

    words: str
    about: str
    worse: int
    unit: str = ""

    def show(self, value: float | None) -> str:
        """A value of it, short."""
        if not is_number(value):
            return DASH
        if self.unit == "%":
            return percent(value)
        return f"{number(value, 2)} {self.unit}".rstrip()


# The signals of `cardiovae.uncertainty.record`, which may not be imported for its torch.
SIGNAL_WORDS: Mapping[str, Signal] = MappingProxyType(
    {
        "opinion": Signal("a second look at the image labels it otherwise", "image", 1, "%"),
        "opinion_dice": Signal("low Dice with a second look at the image", "image", -1),
        "crisp": Signal("masks that fit the image differ", "image", 1, "%"),
        "crisp_cosine": Signal("image and labels do not go together", "image", -1),
        "crisp_dice": Signal("low Dice with masks that fit the image", "image", -1),
        "disagreement": Signal(
            "input and result differ (1 \N{MINUS SIGN} Dice)", "change", 1, "%"
        ),
        "misfit_mm": Signal("the input fits no shape the prior knows", "input", 1, "mm"),
        "mahalanobis": Signal("the input is far from the training shapes", "input", 1),
        "density_percentile": Signal("the input's shape is rare (percentile)", "input", -1),
        "typicality_percentile": Signal("shape or details are rare (percentile)", "input", -1),
        "entropy": Signal("sampled shapes differ near the contours", "samples", 1),
        "band_mm": Signal("sampled contours lie far apart", "samples", 1, "mm"),
        "valid_share": Signal("few sampled shapes could be hearts", "samples", -1, "%"),
        "lv_area_sd": Signal("the LV area varies over the samples", "samples", 1, "%"),
        "motion_sd": Signal("its neighbors do not settle its shape", "motion", 1),
    }
)


def percent(share: float) -> str:
    """A share in whole percent, never rounded to certainty.

    Examples:
        >>> percent(0.291), percent(0.002), percent(0.998), percent(0.0)
        ('29 %', '< 1 %', '> 99 %', '0 %')
    """
    if 0 < share < 0.005:
        return "< 1 %"
    if 0.995 < share < 1:
        return "> 99 %"
    return f"{100 * share:.0f} %"


def chance(probability: float) -> str:
    """A probability as people say it: in 10, near the ends in 100.

    Examples:
        >>> chance(0.29), chance(0.04), chance(0.97), chance(0.001), chance(0.999)
        ('3 in 10', '4 in 100', '97 in 100', 'less than 1 in 100', 'more than 99 in 100')
    """
    if probability < 0.005:
        return "less than 1 in 100"
    if probability > 0.995:
        return "more than 99 in 100"
    if 0.095 <= probability < 0.95:
        return f"{10 * probability:.0f} in 10"
    return f"{100 * probability:.0f} in 100"


def out_of(level: float) -> str:
    """A level of confidence as a share of people.

    Examples:
        >>> out_of(0.9), out_of(0.95), out_of(0.8)
        ('9 of 10', '95 of 100', '8 of 10')
    """
    tenths = round(10 * level, 9)
    return f"{tenths:.0f} of 10" if tenths == round(tenths) else f"{100 * level:g} of 100"


def outward(low: float, high: float) -> str:
    """An interval of a percentage, rounded so that it never gets narrower, within 0 to 100.

    Examples:
        >>> outward(47.0, 60.5), outward(-2.4, 31.1)
        ('47 to 61', '0 to 32')
    """
    ends = max(math.floor(round(low, 6)), 0), min(math.ceil(round(high, 6)), 100)
    return f"{ends[0]} to {ends[1]}"
