"""A cohort: frames of all sequences, the instants of every patient's heart, and samples of both.

Files of one patient, view and group are taken together, so ED and ES may lie in files of their
own, as `cardiovae evaluate` takes them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiovae.attributes import ATTRIBUTES, UNITS
from cardiovae.indices.ejection import Ejection, ed_es, ejection_of_disks, not_ejecting
from cardiovae.population.measure import disks_of, number

Array = NDArray[np.float64]
QUANTITY_UNITS: Mapping[str, str] = MappingProxyType({**UNITS, "lv_volume": "ml", "ef": "percent"})
"""All that is measured of a heart: attributes of a frame, volume of ED and ES, their ratio."""
QUANTITIES = tuple(QUANTITY_UNITS)
VOLUME, EF = QUANTITIES.index("lv_volume"), QUANTITIES.index("ef")
INSTANTS = ("ED", "ES", "any", "cycle")
"""Of what a sample is: one frame of each heart, all its frames, or its whole cycle."""
UNKNOWN, BIPLANE = "unknown", "biplane"
VIEW = "view"
"""Grouping by view: the one that a patient's heart is in both groups of."""


@dataclass(frozen=True)
class Member:
    """One sequence of a cohort.

    Args:
        source: Its path, as in every result.
        name: Path below the folder, without suffix.
        patient: Whose heart it is.
        view: "A2C", "A4C" or "unknown".
        group: What it is compared as; empty where nothing is compared.
        record: What `measure_sequence` found, and "latent" where a prior looked at it.
    """

    source: str
    name: str
    patient: str
    view: str
    group: str
    record: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Beat:
    """A patient's heart in one view and group.

    Args:
        patient: Whose.
        view: "A2C", "A4C" or "unknown".
        group: See `Member`.
        frames: Rows of the cohort at (ED, ES); None where no two LV areas differ.
        ejection: Volumes and ejection fraction, single-plane.
        cut: Disks at (ED, ES), for both views together; empty where there are none.
    """

    patient: str
    view: str
    group: str
    frames: tuple[int, int] | None
    ejection: Ejection
    cut: tuple[Any, ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class Biplane:
    """A patient's ejection fraction from both apical views."""

    patient: str
    group: str
    ejection: Ejection


@dataclass(frozen=True, eq=False)
class Sample:
    """Observations of one view at one instant.

    Args:
        patients: Whose each is, N of them, sorted.
        groups: What each is compared as.
        values: Of `QUANTITIES`, NaN where unknown, shape (N, 10).
        rows: Row of the cohort of each, -1 where it is no frame, shape (N,).
    """

    patients: tuple[str, ...]
    groups: tuple[str, ...]
    values: Array
    rows: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Cohort:
    """All frames of all sequences.

    Args:
        members: Sequences, sorted by source.
        member: Sequence of each frame, shape (F,).
        frame: Index of each within its sequence, shape (F,).
        values: Of `ATTRIBUTES`, NaN where not measurable, shape (F, 8).
        beats: One per patient, view and group, sorted.
        biplanes: One per patient and group with both apical views, sorted.
        codes: Latent codes, NaN where none, shape (F, D); D = 0 without a prior.
        usual: Percentile of each among a prior's training shapes, NaN without, shape (F,).
    """

    members: tuple[Member, ...]
    member: NDArray[np.int64]
    frame: NDArray[np.int64]
    values: Array
    beats: tuple[Beat, ...]
    biplanes: tuple[Biplane, ...]
    codes: Array
    usual: Array

    @property
    def n_patients(self) -> int:
        """Number of patients."""
        return len({member.patient for member in self.members})

    def of(self, row: int) -> Member:
        """The sequence that a frame belongs to."""
        return self.members[int(self.member[row])]

    def instants(self) -> list[str]:
        """ED, ES or nothing, for every frame."""
        found = [""] * len(self.frame)
        for beat in self.beats:
            for row, instant in zip(beat.frames or (), INSTANTS[:2], strict=False):
                found[row] = instant
        return found


def cohort_of(members: Sequence[Member], *, grouping: str | None = None) -> Cohort:
    """Put sequences together; their order does not matter.

    Args:
        members: Each once.
        grouping: What `Member.group` means; by "view", both views of a heart still make one
            biplane ejection fraction.
    """
    ordered = tuple(sorted(members, key=lambda m: m.source))
    lengths = [m.record["n_frames"] for m in ordered]
    member = np.repeat(np.arange(len(ordered)), lengths).astype(np.int64)
    frame = np.concatenate([np.arange(n) for n in lengths] or [np.empty(0)]).astype(np.int64)
    values = np.array(
        [[number(v) for v in row] for m in ordered for row in m.record["values"]], np.float64
    ).reshape(-1, len(ATTRIBUTES))
    codes, usual = _latent(ordered)
    first = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    hearts: dict[tuple[str, str, str], list[int]] = {}
    for i, m in enumerate(ordered):
        hearts.setdefault((m.patient, m.group, m.view), []).append(i)
    beats = tuple(_beat(key, ordered, of, first, values) for key, of in sorted(hearts.items()))
    return Cohort(ordered, member, frame, values, beats, _biplanes(beats, grouping), codes, usual)


def samples(cohort: Cohort) -> dict[tuple[str, str], Sample]:
    """Every sample that there is, by view and instant; by view, then in the order of `INSTANTS`.

    ED, ES and cycle hold one observation per patient, unless a patient belongs to two groups.
    """
    found: dict[tuple[str, str], list[tuple[str, str, Array, int]]] = {}
    for row, i in enumerate(cohort.member.tolist()):
        m = cohort.members[i]
        values = _quantities(cohort.values[row])
        found.setdefault((m.view, "any"), []).append((m.patient, m.group, values, row))
    for beat in cohort.beats:
        own = found, beat.view, beat.patient, beat.group
        if beat.frames is not None:
            attributes = [cohort.values[row] for row in beat.frames]
            _add(*own, beat.ejection, attributes, beat.frames)
    for both in cohort.biplanes:
        nothing = [np.full(len(ATTRIBUTES), math.nan)] * 2
        _add(found, BIPLANE, both.patient, both.group, both.ejection, nothing, (-1, -1))
    order = sorted(found, key=lambda key: (key[0] == BIPLANE, key[0], INSTANTS.index(key[1])))
    return {key: _sample(found[key]) for key in order}


def _add(
    found: dict[tuple[str, str], list[tuple[str, str, Array, int]]],
    view: str,
    patient: str,
    group: str,
    ejection: Ejection,
    attributes: Sequence[Array],
    rows: tuple[int, int],
) -> None:
    """A heart at ED and ES, and its cycle."""
    volumes = (ejection.ed_ml, ejection.es_ml)
    for instant, values, volume, row in zip(INSTANTS[:2], attributes, volumes, rows, strict=True):
        own = _quantities(values, volume=volume)
        found.setdefault((view, instant), []).append((patient, group, own, row))
    cycle = _quantities(np.full(len(ATTRIBUTES), math.nan), ef=ejection.ef_percent)
    found.setdefault((view, "cycle"), []).append((patient, group, cycle, -1))


def _quantities(attributes: Array, *, volume: float = math.nan, ef: float = math.nan) -> Array:
    return np.concatenate([attributes, [volume, ef]])


def _sample(rows: list[tuple[str, str, Array, int]]) -> Sample:
    ordered = sorted(rows, key=lambda row: (row[0], row[1], row[3]))
    return Sample(
        tuple(row[0] for row in ordered),
        tuple(row[1] for row in ordered),
        np.stack([row[2] for row in ordered]),
        np.array([row[3] for row in ordered], np.int64),
    )


def _beat(
    key: tuple[str, str, str],
    members: Sequence[Member],
    of: Sequence[int],
    first: NDArray[np.int64],
    values: Array,
) -> Beat:
    patient, group, view = key
    rows = np.concatenate([np.arange(first[i], first[i + 1]) for i in of])
    instants = ed_es(np.nan_to_num(values[rows, ATTRIBUTES.index("lv_area")]))
    if instants is None:
        reason = "no two frames with different LV areas"
        return Beat(patient, view, group, None, not_ejecting(1, reason))
    ed, es = (int(rows[t]) for t in instants)
    cut = []
    for row in (ed, es):
        i = int(np.searchsorted(first, row, side="right")) - 1
        cut.append(disks_of(members[i].record["disks"][str(row - int(first[i]))]))
    ejection = ejection_of_disks([(cut[0], cut[1])])
    return Beat(patient, view, group, (ed, es), ejection, tuple(cut))


def _biplanes(beats: Sequence[Beat], grouping: str | None) -> tuple[Biplane, ...]:
    hearts: dict[tuple[str, str], dict[str, Beat]] = {}
    for beat in beats:
        group = "" if grouping == VIEW else beat.group
        hearts.setdefault((beat.patient, group), {})[beat.view] = beat
    found = []
    for (patient, group), views in sorted(hearts.items()):
        pair = [views[view] for view in ("A4C", "A2C") if view in views]
        if len(pair) == 2 and all(beat.cut for beat in pair):
            cuts = [(beat.cut[0], beat.cut[1]) for beat in pair]
            found.append(Biplane(patient, group, ejection_of_disks(cuts)))
    return tuple(found)


def _latent(members: Sequence[Member]) -> tuple[Array, Array]:
    """Codes and their percentiles of all frames; nothing where no prior looked at them."""
    codes = [code for m in members for code in m.record.get("latent", {}).get("codes", ())]
    n = sum(m.record["n_frames"] for m in members)
    if not codes:
        return np.empty((n, 0)), np.full(n, math.nan)
    size = next((len(code) for code in codes if code is not None), 0)
    missing = [math.nan] * size
    usual = [number(p) for m in members for p in m.record["latent"]["percentile"]]
    return np.array([missing if c is None else c for c in codes], np.float64), np.array(usual)
