"""The clinic's indices of a correction in words: a view of "indices" in `audit.json`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cardiovae.report import indices_text as text
from cardiovae.sequence import SAX

Record = Mapping[str, Any]
SIDES = ("before", "after")
STACK = "Slices of one instant, not known to be ED or ES. There are no normal ranges for it."
NOT_MISSED = frozenset({"the body surface area is unknown", "the frame time is unknown"})
"""Reasons that need no word: what takes them is not shown."""


@dataclass(frozen=True)
class Clinic:
    """What a clinic measures of a heart before and after its correction.

    Args:
        parts: Tables by part of the heart, as `indices_text.parts` gives them.
        instants: A sentence: at which frames each side was measured.
        who: A sentence: what is known of the patient, and what that leaves open.
        notes: What should be known of numbers, and the indices it is about.
        missing: Why something could not be measured, and what.
        sources: Where the normal ranges come from.
        stack: Whether it is a stack of short-axis slices.
    """

    parts: Sequence[Mapping[str, Any]]
    instants: str
    who: str
    notes: Sequence[tuple[str, str]]
    missing: Sequence[tuple[str, str]]
    sources: Sequence[str]
    stack: bool


def clinic_view(record: Record) -> Clinic | None:
    """The indices of a record; None where it has none, as one that an API caller made."""
    found = record.get("indices")
    if not found:
        return None
    sides = [{**found[side], "views": [{"view": record["view"]}]} for side in SIDES]
    both = {"sides": sides}
    stack = record["view"] == SAX
    return Clinic(
        text.parts(both),
        "" if stack else " ".join(_instants(side, found[side]["beats"]) for side in SIDES),
        STACK if stack else _who(found),
        text.notes(both),
        [(f"{side}: {why}", about) for side, why, about in _missing(sides)],
        text.sources(both),
        stack,
    )


def _instants(side: str, beats: Sequence[Mapping[str, int]]) -> str:
    """Which frames a side was measured at."""
    if not beats:
        return f"{side.capitalize()}: no ED and ES."
    pairs = ", ".join(f"{beat['ed']} and {beat['es']}" for beat in beats)
    beat = "" if len(beats) == 1 else f", the mean of {len(beats)} beats"
    return f"{side.capitalize()}: ED and ES in frames {pairs}{beat}."


def _who(found: Record) -> str:
    """What is known of the patient."""
    surface = found["bsa_m2"]
    known = [str(found["sex"])] if found["sex"] else []
    known += [f"body surface {surface:.2f} m²"] if surface else []
    if not found["sex"]:
        known.append("the sex is unknown, so most numbers are not judged; a manifest may say it")
    return f"{'; '.join(known).capitalize()}."


def _missing(sides: Sequence[Record]) -> list[tuple[str, str, str]]:
    """Why something could not be measured, by side."""
    return [
        (name, why, about)
        for name, side in zip(SIDES, sides, strict=True)
        for why, about in text.missing({"sides": [side]})
        if why not in NOT_MISSED
    ]
