"""What the first page of a batch says about all its rows together."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cardiovae.evaluation.agreement import agreement
from cardiovae.intervals.bootstrap import Interval
from cardiovae.intervals.proportion import wilson, wilson_by_cluster
from cardiovae.report.batch_rows import NOT_JUDGED, Change, Row, Rule
from cardiovae.report.batch_spool import Batch, Brief
from cardiovae.report.wording import count, is_number, with_unit

N_EXAMPLES = 5
MAX_GROUPS = 30  # values of one column: an age in years makes groups, a number of a file does not
AnyRow = Row | Brief
MINUS = "\N{MINUS SIGN}"


@dataclass(frozen=True)
class Tile:
    """A key figure; `good` colors it, None does not."""

    title: str
    value: str
    note: str
    good: bool | None = None


@dataclass(frozen=True)
class Example:
    """A sequence that breaks a rule, and where."""

    row: Row
    frame: int
    value: str


@dataclass(frozen=True)
class Finding:
    """One rule over the whole batch, by sequence and by frame."""

    index: int
    rule: Rule
    n_judged: int
    n_failed: int
    n_unmeasured: int
    n_frames: int
    share: Interval
    examples: tuple[Example, ...]


@dataclass(frozen=True)
class Group:
    """A part of the batch; shares are those of what passes."""

    name: str
    value: str
    n: int
    n_unreadable: int
    sequences: Interval
    frames: Interval


@dataclass(frozen=True)
class Fixes:
    """What a correction did under one rule, in frames."""

    rule: Rule
    n_open: int
    n_fixed: int
    n_broken: int


def readable_rows(rows: Iterable[AnyRow]) -> list[AnyRow]:
    """The rows of inputs that could be read."""
    return [row for row in rows if row.verdict != "E"]


def sequence_share(rows: Iterable[AnyRow]) -> Interval:
    """Share of readable sequences that pass; where patients are known, those of one are alike."""
    read = readable_rows(rows)
    return _share(read, [row.verdict == "P" for row in read])


def frame_share(rows: Iterable[AnyRow]) -> Interval:
    """Share of frames that pass; the interval knows that frames of a sequence are alike."""
    read = readable_rows(rows)
    hits = [row.n_frames - row.n_implausible for row in read]
    return wilson_by_cluster(*_by_patient(read, hits, [row.n_frames for row in read]))


def _share(rows: Sequence[AnyRow], hits: Sequence[bool]) -> Interval:
    """Share of rows that hit, with the interval that their patients allow."""
    if not any(row.patient for row in rows):
        return wilson(sum(hits), len(hits))
    return wilson_by_cluster(*_by_patient(rows, hits, [1] * len(rows)))


def _by_patient(
    rows: Sequence[AnyRow], hits: Sequence[int], cases: Sequence[int]
) -> tuple[list[int], list[int]]:
    """Hits and cases of each patient; a row without one stands for itself."""
    found: dict[str | int, tuple[int, int]] = {}
    for k, (row, hit, n) in enumerate(zip(rows, hits, cases, strict=True)):
        whose = row.patient or k
        before = found.get(whose, (0, 0))
        found[whose] = (before[0] + hit, before[1] + n)
    return [hit for hit, _ in found.values()], [n for _, n in found.values()]


def percent(share: float) -> str:
    """A share in words, never rounded to a bare 0 or 100 % that it is not.

    Examples:
        >>> percent(0.5), percent(0.99996), percent(1.0), percent(0.0)
        ('50.0 %', '> 99.9 %', '100 %', '0 %')
    """
    if not math.isfinite(share):
        return "unknown"
    if share in (0, 1):
        return f"{100 * share:.0f} %"
    text = f"{100 * share:.1f} %"
    return {"0.0 %": "< 0.1 %", "100.0 %": "> 99.9 %"}.get(text, text)


def span(share: Interval) -> str:
    """The bounds of a share in words; empty without."""
    if not math.isfinite(share.low):
        return ""
    return f"95 % interval {100 * share.low:.1f} to {100 * share.high:.1f} %"


def headline(rows: Sequence[AnyRow], findings: Sequence[Finding]) -> str:
    """What a reader in a hurry has to know."""
    read = readable_rows(rows)
    bad = sum(row.verdict != "P" for row in read)
    n_errors = len(rows) - len(read)
    if not read:
        words = "No sequence could be read"
    elif not bad:
        words = f"All {count(len(read), 'sequence')} pass" if len(read) > 1 else "It passes"
    else:
        words = f"{bad:,} of {count(len(read), 'sequence')} {_does(bad)} not pass"
        common = [f for f in findings if f.n_failed][:3]
        if common:
            words += ", most often: " + ", ".join(
                f"{f.rule.label} ({f.n_failed:,})" for f in common
            )
    if n_errors and read:
        words += f"; {count(n_errors, 'file')} could not be read"
    return words + "."


def _does(n: int) -> str:
    return "does" if n == 1 else "do"


def tiles(rows: Sequence[AnyRow], gates: Mapping[str, Any]) -> list[Tile]:
    """The strip of verdicts."""
    read = readable_rows(rows)
    n_errors = len(rows) - len(read)
    sequences, frames = sequence_share(rows), frame_share(rows)
    n_passed = sum(row.verdict == "P" for row in read)
    n_frames = sum(row.n_frames for row in read)
    n_good = n_frames - sum(row.n_implausible for row in read)
    unreadable = count(n_errors, "file") + " unreadable" if n_errors else "all readable"
    return [
        Tile("files", f"{len(rows):,}", unreadable, good=not n_errors),
        Tile(
            "plausible sequences",
            percent(sequences.value),
            f"{n_passed:,} of {len(read):,}; {span(sequences)}".rstrip("; "),
            good=n_passed == len(read) if read else None,
        ),
        Tile(
            "plausible frames",
            percent(frames.value),
            f"{n_good:,} of {n_frames:,}; {span(frames)}".rstrip("; "),
            good=n_good == n_frames if n_frames else None,
        ),
        _gate_tile(gates),
    ]


def _gate_tile(gates: Mapping[str, Any]) -> Tile:
    """Whether the batch may be used, as `--max-implausible` puts it."""
    if "max_implausible" not in gates:
        return Tile("gate", "none", "set one with --max-implausible")
    note = f"at most {100 * gates['max_implausible']:g} % of sequences may not pass"
    if is_number(gates.get("share")):
        note += f"; {percent(gates['share'])} do not"
    met = bool(gates["met"])
    return Tile("gate", "met" if met else "not met", note, good=met)


def findings_of(batch: Batch) -> list[Finding]:
    """One finding per rule that some sequence was judged by, the most frequent first."""
    found = [_finding(batch, rule, k) for k, rule in enumerate(batch.rules)]
    return sorted(
        (f for f in found if f.n_judged), key=lambda f: (-f.n_failed, -f.n_unmeasured, f.index)
    )


def _finding(batch: Batch, rule: Rule, k: int) -> Finding:
    read = readable_rows(batch.briefs)
    judged = [row for row in read if row.letters[k] != NOT_JUDGED]
    letters = [row.letters[k] for row in judged]
    n_failed, n_judged = letters.count("F"), len(letters)
    return Finding(
        index=k,
        rule=rule,
        n_judged=n_judged,
        n_failed=n_failed,
        n_unmeasured=letters.count("N"),
        n_frames=batch.n_failed_frames[k],
        share=_share(judged, [letter == "F" for letter in letters]),
        examples=tuple(
            Example(row, row.frames[k], with_unit(row.values[k], rule.unit, 3))
            for row in (batch.rows[i] for i in _worst(batch, rule, k))
        ),
    )


def _worst(batch: Batch, rule: Rule, k: int) -> list[int]:
    """Places of the rows that fail a rule by most; of equal ones the first sources."""
    places = zip(batch.order.tolist(), batch.briefs, strict=True)
    failed = (i for i, row in places if row.letters and row.letters[k] == "F")
    values = batch.values[:, k]
    return heapq.nsmallest(N_EXAMPLES, failed, key=lambda i: (-rule.excess(float(values[i])), i))


def group_names(rows: Sequence[AnyRow]) -> list[str]:
    """Names of the subgroups, but for those with about as many values as there are sequences."""
    values: dict[str, set[str]] = {}
    for row in rows:
        for name, value in row.subgroups:
            values.setdefault(name, set()).add(value)
    return sorted(name for name, found in values.items() if len(found) <= MAX_GROUPS)


def groups_of(rows: Sequence[AnyRow]) -> list[Group]:
    """The batch by view and by every subgroup, where there are several."""
    found = []
    for name in ["view", *group_names(rows)]:
        parts: dict[str, list[AnyRow]] = {}
        for row in rows:
            value = row.view if name == "view" else dict(row.subgroups).get(name, "")
            parts.setdefault(value, []).append(row)
        if len(parts) > 1:
            found += [_group(name, value, parts[value]) for value in sorted(parts)]
    return found


def _group(name: str, value: str, rows: Sequence[AnyRow]) -> Group:
    n_read = len(readable_rows(rows))
    return Group(name, value, n_read, len(rows) - n_read, sequence_share(rows), frame_share(rows))


def change_tiles(rows: Sequence[AnyRow]) -> list[Tile]:
    """Before and after in key figures; none where nothing was corrected."""
    changes = [row.change for row in rows if row.change is not None]
    if not changes:
        return []
    passed = [row.verdict for row in rows if row.change is not None].count("P")
    was = sum(change.verdict == "P" for change in changes)
    fixed, broken = (sum(sum(getattr(c, name)) for c in changes) for name in ("fixed", "broken"))
    return [
        Tile(
            "sequences that pass",
            f"{was:,} → {passed:,}",
            f"of {len(changes):,}; {_statuses(changes)}",
            good=passed >= was,
        ),
        Tile("findings fixed", f"{fixed:,}", "one per criterion and frame", good=None),
        Tile("newly broken", f"{broken:,}", "must be 0", good=not broken),
        _share_tile(changes),
        _ejection_tile(changes),
    ]


def _statuses(changes: Sequence[Change]) -> str:
    names = [change.status for change in changes]
    return ", ".join(f"{names.count(n):,} {n.replace('_', ' ')}" for n in sorted(set(names)))


def _share_tile(changes: Sequence[Change]) -> Tile:
    shares = np.array([c.share for c in changes if is_number(c.share)])
    title = "labeled pixels changed"
    if not shares.size:
        return Tile(title, "unknown", "in no record")
    middle, high = np.percentile(shares, (50, 95)).tolist()
    note = f"median; 95 % of sequences below {percent(high)}, at most {percent(shares.max())}"
    return Tile(title, percent(middle), note)


def _ejection_tile(changes: Sequence[Change]) -> Tile:
    pairs = [(c.ef_after, c.ef_before) for c in changes]
    known = np.array([p for p in pairs if is_number(p[0]) and is_number(p[1])]).reshape(-1, 2)
    title = "ejection fraction, after minus before"
    if not len(known):
        return Tile(title, "unknown", "measurable in no sequence before and after")
    found = agreement(
        known[:, 0], known[:, 1], range(len(known)), rng=np.random.default_rng(0), n_resamples=0
    )
    largest = float(np.abs(known[:, 0] - known[:, 1]).max())
    limits = ""
    if math.isfinite(found.lower_limit.value):
        bounds = (_signed(found.lower_limit.value), _signed(found.upper_limit.value))
        limits = f"95 % of shifts from {bounds[0]} to {bounds[1]}; "
    note = f"mean, in points, of {count(len(known), 'sequence')}; {limits}largest {largest:.1f}"
    return Tile(title, _signed(found.bias.value), note)


def _signed(value: float) -> str:
    return f"{value:+.1f}".replace("-", MINUS)


def fixes_of(rows: Sequence[AnyRow], rules: Sequence[Rule]) -> list[Fixes]:
    """What a correction did, rule by rule, where it did anything."""
    changes = [row.change for row in rows if row.change is not None]

    def total(of: Callable[[Change], Sequence[int]], k: int) -> int:
        return sum(of(change)[k] for change in changes)

    found = [
        Fixes(
            rule,
            total(lambda c: c.open, k),
            total(lambda c: c.fixed, k),
            total(lambda c: c.broken, k),
        )
        for k, rule in enumerate(rules)
    ]
    shown = [f for f in found if f.n_open or f.n_broken]
    return sorted(shown, key=lambda f: (-f.n_broken, -f.n_open))
