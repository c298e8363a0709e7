"""Everything that is measured of one pair: the only module here that needs MONAI, by `overlap`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from cardiovae.audit.audit import audit_frames
from cardiovae.audit.criteria import criteria
from cardiovae.audit.temporal import MIN_FRAMES, Motion, temporal_findings
from cardiovae.audit.verdicts import SequenceAudit, Verdict
from cardiovae.evaluation.indices import cine_at
from cardiovae.evaluation.overlap import score_frames
from cardiovae.evaluation.pairing import Pair
from cardiovae.evaluation.results import (
    ANATOMY,
    MOTION,
    SHORT_AXIS_ANATOMY,
    PairResult,
    Side,
)
from cardiovae.indices.ejection import Disks, ed_es, lv_disks
from cardiovae.labels import ALL, Label
from cardiovae.sequence import EchoSequence


def measure_pair(pair: Pair, sequences: Mapping[str, EchoSequence]) -> PairResult:
    """Scores, audits and left ventricular disks of the label maps of `read_pair`.

    Scores are those of the structures that the reference annotates. All sides are audited for
    the structures that any of them annotates, so a structure that a prediction never found is
    missing and not unasked for. ED and ES are the reference's frames of largest and smallest LV
    area, for every side: volumes are compared at the same instants.
    Slices of a stack have neither.
    """
    reference = sequences["reference"]
    annotated = {s for sequence in sequences.values() for s in sequence.structures}
    structures = tuple(s for s in ALL if s in annotated)
    instants = () if reference.is_stack else _instants(reference)
    sides = {}
    for name, sequence in sequences.items():
        scores = None
        if name != "reference":
            scores = score_frames(
                sequence.labels, reference.labels, reference.spacing_mm, reference.structures
            )
        disks = _disks(sequence, instants, structures)
        cine = cine_at(sequence, instants, structures, pair.view)
        sides[name] = Side(scores, **_judged(sequence, structures), disks=disks, cine=cine)
    return PairResult(
        pair,
        reference.n_frames,
        reference.spacing_mm,
        reference.structures,
        instants,
        MappingProxyType(sides),
        reference.is_stack,
    )


def _instants(reference: EchoSequence) -> tuple[int, ...]:
    """Frames at ED and ES; the first with an LV where no two areas differ, none without LV."""
    areas = np.count_nonzero(reference.labels == Label.LV, axis=(0, 1))
    found = ed_es(areas)
    return found if found is not None else tuple(np.flatnonzero(areas).tolist()[:1])


def _disks(
    sequence: EchoSequence, instants: tuple[int, ...], structures: tuple[Label, ...]
) -> tuple[Disks, ...]:
    """The LV at the instants; nothing where the spacing is unknown."""
    if sequence.spacing_mm is None:
        return ()
    return tuple(lv_disks(sequence.frame(t), sequence.spacing_mm, structures) for t in instants)


def _judged(sequence: EchoSequence, structures: tuple[Label, ...]) -> dict[str, Any]:
    """What every criteria set says of one label map sequence: `valid` and `motion` of a `Side`."""
    followed = Motion(sequence.labels, sequence.spacing_mm, structures)
    valid = {}
    for name in SHORT_AXIS_ANATOMY if sequence.is_stack else ANATOMY:
        audits = audit_frames(followed, criteria(name))
        valid[name] = tuple(audit.passed for audit in audits)
    motion: dict[str, Verdict | None] = dict.fromkeys(MOTION)
    moves = sequence.n_frames >= MIN_FRAMES and not sequence.is_stack
    for name in MOTION if moves else ():
        found = temporal_findings(
            sequence.labels, sequence.spacing_mm, criteria(name), structures, motion=followed
        )
        motion[name] = SequenceAudit(sequence.source, "", name, (), found).temporal_verdict
    return {"valid": MappingProxyType(valid), "motion": MappingProxyType(motion)}
