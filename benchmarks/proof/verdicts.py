"""What was asked for, and what was measured: every target of the proof, judged by a rule.

A target of one number is held or missed. A comparison is held when the mean difference is on the
right side of zero, undecided when it is not but its 95 % interval reaches there, else missed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cardiovae.intervals.bootstrap import Interval
from proof.pools import (
    Pool,
    absolute_errors,
    difference,
    known_mean,
    pool,
    relative_drop,
    smoother,
)
from proof.records import Record
from proof.text import number, signed, with_interval
from proof.unknown import KINDS, STATES

FULL, INPUT = "full", "identity"
SETS = ("camus", "camus-public")
TEMPORAL = ("tmi2022", "rl4seg3d")
NAMES = ("LV", "MYO", "LA")
LEAST_DROP, LEAST_SMOOTHER, MOST_HARM = 0.40, 5.0, 0.005
REPLACED_SHARE = 0.5
HELD, UNDECIDED, MISSED = "held", "undecided", "missed"


@dataclass(frozen=True)
class Verdict:
    """One target: what it asks, what was measured, and whether that is enough."""

    target: str
    measured: str
    word: str


@dataclass(frozen=True, eq=False)
class Measured:
    """All records, by group and method.

    Args:
        records: Of each group and method.
        methods: Methods that ran, "full" and "identity" among them.
        seed: Of the resamples.
    """

    records: Mapping[tuple[str, str], Sequence[Record]]
    methods: tuple[str, ...]
    seed: int

    def groups(self, part: str) -> tuple[str, ...]:
        """Groups measured of "a", "b", "c", "c corrupted", "c network", "harm" or "unknown"."""
        name, _, kind = part.partition(" ")
        there = dict.fromkeys(g for g, _ in self.records if g.partition("/")[0] == name)
        wanted = {"": (True, False), "network": (True,), "corrupted": (False,)}[kind]
        return tuple(g for g in there if g.startswith("c/unet") in wanted)

    def pool(self, part: str, method: str) -> Pool:
        """Records of one method on a part, or on one group by its name."""
        names = self.groups(part) or (part,)
        return pool([r for name in names for r in self.records[name, method]])

    def rng(self) -> np.random.Generator:
        """The same resamples for every comparison."""
        return np.random.default_rng(self.seed)


def compared(
    m: Measured, part: str, method: str, other: str, *, invalid: bool
) -> tuple[list[Interval], list[Interval]]:
    """Differences of Dice and of Hausdorff distance, method minus other, per structure.

    On the frames that fail `camus` in the input, or on all.
    """
    found, against, given = (m.pool(part, name) for name in (method, other, INPUT))
    rows = ~given.valid[:, 0] if invalid else np.ones(len(given.valid), bool)
    patients = [p for p, row in zip(given.patients, rows.tolist(), strict=True) if row]

    def each(name: str) -> list[Interval]:
        a, b = getattr(found, name)[rows], getattr(against, name)[rows]
        return [difference(a[:, s], b[:, s], patients, m.rng()) for s in range(len(NAMES))]

    return each("dice"), each("hausdorff_mm")


def judged(differences: Sequence[Interval], sign: int, *, strictly: bool) -> str:
    """The word for differences that should be positive (sign 1) or negative (-1).

    Examples:
        >>> judged([Interval(0.2, 0.1, 0.3), Interval(-0.1, -0.2, 0.1)], 1, strictly=True)
        'undecided'
    """
    words = []
    for d in differences:
        if math.isnan(d.value):  # the structure is not there
            continue
        far = max(sign * d.low, sign * d.high)
        if sign * d.value > 0 or (d.value == 0 and not strictly):
            words.append(HELD)
        else:
            words.append(UNDECIDED if far > 0 or (far == 0 and not strictly) else MISSED)
    return max(words, key=(HELD, UNDECIDED, MISSED).index, default="not measured")


def worse(*words: str) -> str:
    """The worst of some words."""
    known = [w for w in words if w in (HELD, UNDECIDED, MISSED)]
    return max(known, key=(HELD, UNDECIDED, MISSED).index, default="not measured")


def verdicts(m: Measured) -> Iterator[Verdict]:
    """All targets of which there are records."""
    for judge, parts in (
        (_validity, ("a", "b", "c")),
        (_sound, ("a", "b", "c")),
        (_harm, ("harm",)),
        (_single_frames, ("a",)),
        (_cines, ("b", "c corrupted", "c network")),
        (_unknown, ("unknown",)),
    ):
        for part in parts:
            if m.groups(part):
                yield from judge(m, part)


def _validity(m: Measured, part: str) -> Iterator[Verdict]:
    found = m.pool(part, FULL)
    for k, name in enumerate(SETS):
        n, total = int(found.valid[:, k].sum()), len(found.valid)
        yield Verdict(
            f"({part}) 100.0 % of the frames valid under `{name}`",
            f"{n} of {total}, {100 * n / total:.2f} %",
            HELD if n == total else MISSED,
        )


def _sound(m: Measured, part: str) -> Iterator[Verdict]:
    found = m.pool(part, FULL)
    for rows, text in (
        (found.passing, "frames of input sequences that pass unchanged, bit for bit"),
        (found.sound, "single frames that pass, of any sequence, unchanged"),
    ):
        n, total = int((rows & found.same).sum()), int(rows.sum())
        yield Verdict(
            f"({part}) {text}",
            f"{n} of {total}" + (f", {100 * n / total:.2f} %" if total else ""),
            HELD if n == total else MISSED,
        )


def _harm(m: Measured, part: str) -> Iterator[Verdict]:
    found = m.pool(part, FULL)
    n, total = int((~found.same).sum()), len(found.same)
    yield Verdict(
        f"Ground-truth masks altered: at most {100 * MOST_HARM:.1f} %",
        f"{n} of {total}",
        HELD if n <= MOST_HARM * total else MISSED,
    )


def _single_frames(m: Measured, part: str) -> Iterator[Verdict]:
    dice, _ = compared(m, part, FULL, INPUT, invalid=True)
    yield Verdict(
        "(a) invalid frames: mean Dice above the input's, each structure",
        signed(dice, 4),
        judged(dice, 1, strictly=True),
    )
    given, found = m.pool(part, INPUT), m.pool(part, FULL)
    rows = ~given.valid[:, 0]
    pairs = found.hausdorff_mm[rows], given.hausdorff_mm[rows]
    drops = [relative_drop(pairs[0][:, s], pairs[1][:, s]) for s in range(len(NAMES))]
    together = relative_drop(*pairs)
    at_least = f"Hausdorff at least {100 * LEAST_DROP:.0f} % below the input's"
    yield Verdict(
        f"(a) invalid frames: mean {at_least}",
        f"{number(100 * together, 1)} %",
        HELD if together >= LEAST_DROP else MISSED,
    )
    yield Verdict(
        f"(a) invalid frames: mean {at_least}, each structure",
        " / ".join(number(100 * drop, 1) for drop in drops) + " %",
        HELD if all(d >= LEAST_DROP for d in drops if math.isfinite(d)) else MISSED,
    )
    for other in (name for name in m.methods if name not in (FULL, INPUT)):
        dice, distance = compared(m, part, FULL, other, invalid=True)
        yield Verdict(
            f"(a) invalid frames: Dice not below `{other}`, Hausdorff below",
            f"Dice {signed(dice, 4)}; Hausdorff {signed(distance, 2)} mm",
            worse(judged(dice, 1, strictly=False), judged(distance, -1, strictly=True)),
        )


def _cines(m: Measured, part: str) -> Iterator[Verdict]:
    found, given = m.pool(part, FULL), m.pool(part, INPUT)
    for k, name in enumerate(TEMPORAL):
        n, total = int((~found.steady[:, k]).sum()), len(found.steady)
        yield Verdict(
            f"({part}) sequences flagged under `{name}`: 0 %",
            f"{n} of {total}",
            MISSED if n else HELD,
        )
    for other in (name for name in m.methods if name != FULL):
        dice, distance = compared(m, part, FULL, other, invalid=False)
        yield Verdict(
            f"({part}) all frames: Dice and Hausdorff better than `{other}`",
            f"Dice {signed(dice, 4)}; Hausdorff {signed(distance, 2)} mm",
            worse(judged(dice, 1, strictly=True), judged(distance, -1, strictly=True)),
        )
    for name, when in (("ef", "own ED and ES"), ("ef_at", "true ED and ES")):
        if part != "b":
            yield _ejection(m, part, name, when)
    times, truth = (smoother(b, given.bending) for b in (found.bending, given.reference_bending))
    yield Verdict(
        f"({part}) LV area at least {LEAST_SMOOTHER:.0f} times smoother than the input's",
        f"{number(times, 1)} times; the truth itself {number(truth, 1)} times",
        HELD if times >= LEAST_SMOOTHER else MISSED,
    )


def _ejection(m: Measured, part: str, name: str, when: str) -> Verdict:
    found, given = m.pool(part, FULL), m.pool(part, INPUT)
    errors = [absolute_errors(getattr(p, name), p.ef_true) for p in (found, given)]
    change = difference(*errors, found.case_patients, m.rng())
    both = np.isfinite(errors[0]) & np.isfinite(errors[1])
    means = [known_mean(e[both]) for e in errors]
    return Verdict(
        f"({part}) EF MAE at {when} not above the input's",
        f"{number(means[0], 2)} against {number(means[1], 2)} points, {with_interval(change, 2)}",
        judged([change], -1, strictly=False),
    )


def _unknown(m: Measured, part: str) -> Iterator[Verdict]:
    """Flagged, kept, refused, or repaired into what it was: anything but silently replaced."""
    for kind, text in KINDS.items():
        measured, total = [], 0
        for state in STATES:
            found = m.pool(f"{part}/{kind}-{state}", FULL)
            silent = int((~found.flagged & (found.changed_share > REPLACED_SHARE)).sum())
            total += silent
            measured.append(
                f"{state}: {int(found.flagged.sum())} of {found.flagged.size} flagged, {silent} "
                "replaced without a flag"
            )
        yield Verdict(
            f"(unknown) {text}: flagged, or not replaced",
            "; ".join(measured),
            MISSED if total else HELD,
        )
