"""Tables of the page, in Markdown."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from cardiovae.evaluation.agreement import agreement
from proof.pools import Pool, absolute_errors, difference, known_mean, smoother
from proof.text import interval, number, percent, with_interval
from proof.unknown import KINDS, STATES
from proof.verdicts import FULL, INPUT, Measured, Verdict, compared


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Lines of a table.

    Examples:
        >>> markdown(["a"], [["1"]])
        ['| a |', '|---|', '| 1 |', '']
    """
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return [*lines, *("| " + " | ".join(row) + " |" for row in rows), ""]


def verdict_table(found: Iterable[Verdict]) -> list[str]:
    """Targets, what was measured, and the word."""
    return markdown(
        ("target", "measured", "verdict"), ((v.target, v.measured, f"**{v.word}**") for v in found)
    )


def main_table(m: Measured, part: str) -> list[str]:
    """Validity, harm, overlap and distance of every method."""
    cine = bool(len(m.pool(part, FULL).steady))
    head = [
        "method",
        "valid % `camus` / `-public`",
        *(["flagged % `tmi2022` / `rl4seg3d`"] if cine else []),
        "sound frames kept %",
        "Dice, invalid frames",
        "Hausdorff mm, invalid",
        "Dice, all frames",
        "Hausdorff mm, all",
        "ms a frame",
    ]
    given = m.pool(part, INPUT)
    rows = [~given.valid[:, 0], np.ones(len(given.valid), bool)]
    return markdown(head, (_main_row(m.pool(part, name), name, rows) for name in m.methods))


def _main_row(found: Pool, name: str, rows: Sequence[NDArray[np.bool_]]) -> list[str]:
    cells = [f"`{name}`", " / ".join(percent(found.valid[:, k]) for k in (0, 1))]
    if len(found.steady):
        cells.append(" / ".join(percent(~found.steady[:, k]) for k in (0, 1)))
    cells.append(percent(found.same[found.sound]))
    for chosen in rows:
        for values, digits in ((found.dice, 3), (found.hausdorff_mm, 1)):
            means = [known_mean(values[chosen][:, s]) for s in range(3)]
            cells.append(" / ".join(number(mean, digits) for mean in means))
    cells.append(f"{1000 * float(np.median(found.seconds / found.lengths)):.0f}")
    return cells


def paired_table(m: Measured, part: str, *, invalid: bool) -> list[str]:
    """Differences from the input with intervals by patient."""
    head = [
        "method minus input",
        *(f"{q} {s}" for q in ("Dice", "mm") for s in ("LV", "MYO", "LA")),
    ]
    rows = []
    for name in m.methods:
        if name != INPUT:
            dice, distance = compared(m, part, name, INPUT, invalid=invalid)
            cells = [with_interval(d, 3) for d in dice] + [with_interval(d, 1) for d in distance]
            rows.append([f"`{name}`", *cells])
    return markdown(head, rows)


def ejection_table(m: Measured, part: str) -> list[str]:
    """Ejection fraction against that of the heart, and smoothness, of every method."""
    head = (
        "method",
        "EF MAE",
        "bias",
        "limits of agreement",
        "r",
        "not measurable",
        "MAE minus input's",
        "the same at true ED, ES",
        "area smoother than input's, times",
    )
    return markdown(head, (_ejection_row(m, part, name) for name in m.methods))


def _ejection_row(m: Measured, part: str, name: str) -> list[str]:
    found, given = m.pool(part, name), m.pool(part, INPUT)
    fit = agreement(found.ef, found.ef_true, found.case_patients, rng=m.rng())
    changes = []
    for of in ("ef", "ef_at"):
        errors = [absolute_errors(getattr(p, of), p.ef_true) for p in (found, given)]
        changes.append(with_interval(difference(*errors, found.case_patients, m.rng()), 2))
    return [
        f"`{name}`",
        interval(fit.mae, 2),
        interval(fit.bias, 2),
        f"{number(fit.lower_limit.value, 1)} to {number(fit.upper_limit.value, 1)}",
        number(fit.pearson_r.value, 3),
        f"{np.count_nonzero(~np.isfinite(found.ef))} of {found.ef.size}",
        *changes,
        number(smoother(found.bending, given.bending), 1),
    ]


def reference_lines(m: Measured, part: str) -> list[str]:
    """What the true label maps themselves would score."""
    given = m.pool(part, INPUT)
    fit = agreement(given.ef_reference, given.ef_true, given.case_patients, rng=m.rng())
    times = smoother(given.reference_bending, given.bending)
    return [
        f"The true label maps themselves: EF MAE {number(fit.mae.value, 2)}, bias "
        f"{fit.bias.value:+.2f} points (the heart's EF is that of its shape, the measured one "
        f"that of pixels), area {number(times, 1)} times smoother than the input's.",
        "",
    ]


def levels_table(m: Measured, part: str) -> list[str]:
    """Input and result at every level."""
    head = (
        "level",
        "invalid before",
        "invalid after",
        "Dice, invalid frames",
        "Hausdorff mm, invalid",
        "flagged before",
        "flagged after",
    )
    rows = []
    for group in m.groups(part):
        given, found = m.pool(group, INPUT), m.pool(group, FULL)
        bad = ~given.valid[:, 0]
        cells = [
            group,
            *(f"{np.count_nonzero(~p.valid[:, 0])} of {bad.size}" for p in (given, found)),
        ]
        for values, digits in (("dice", 3), ("hausdorff_mm", 1)):
            means = [
                " / ".join(
                    number(known_mean(getattr(p, values)[bad][:, s]), digits) for s in range(3)
                )
                for p in (given, found)
            ]
            cells.append(" to ".join(means))
        for p in (given, found):
            flagged = ~p.steady[:, 0] if len(p.steady) else np.array([], bool)
            cells.append(f"{np.count_nonzero(flagged)} of {flagged.size}" if flagged.size else "-")
        rows.append(cells)
    return markdown(head, rows)


def harm_table(m: Measured) -> list[str]:
    """Ground-truth masks that every method alters."""
    rows = []
    for name in m.methods:
        found = m.pool("harm", name)
        rows.append(
            [
                f"`{name}`",
                f"{np.count_nonzero(~found.same)} of {found.same.size}",
                f"{100 * known_mean(found.changed_share):.2f}",
                percent(found.valid[:, 0]),
            ]
        )
    return markdown(("method", "masks altered", "labels changed %", "valid after %"), rows)


def unknown_table(m: Measured) -> list[str]:
    """What becomes of masks that the prior never saw."""
    head = (
        "mask",
        "state",
        "valid before %",
        "valid after %",
        "density percentile, median",
        "typicality percentile, median",
        "flagged %",
        "frames changed %",
        "labels changed %",
        "Dice to its truth, before",
        "after",
        "not corrected %",
    )
    rows = []
    for kind, text in KINDS.items():
        for state in STATES:
            group = f"unknown/{kind}-{state}"
            if m.groups("unknown"):
                rows.append([text, state, *_unknown_cells(m, group)])
    return markdown(head, rows)


def _unknown_cells(m: Measured, group: str) -> list[str]:
    found, given = m.pool(group, FULL), m.pool(group, INPUT)
    dice = (
        " / ".join(number(known_mean(p.dice[:, s]), 2) for s in range(3)) for p in (given, found)
    )
    percentiles = (values[np.isfinite(values)] for values in (found.density, found.typicality))
    return [
        percent(given.valid[:, 0]),
        percent(found.valid[:, 0]),
        *(number(float(np.median(p)) if p.size else math.nan, 1) for p in percentiles),
        percent(found.flagged),
        percent(~found.same),
        f"{100 * known_mean(found.changed_share):.1f}",
        *dice,
        percent(np.array([s == "not_corrected" for s in found.status])),
    ]
