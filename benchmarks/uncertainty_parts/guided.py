"""Whether a correction that heeds the image is a better one: the same cases both ways."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from cardiovae.bank import LatentBank
from cardiovae.correction.correct import correct_sequence
from cardiovae.crisp.images import gray_levels
from cardiovae.indices.ejection import ejection
from cardiovae.intervals.bootstrap import mean_by_patient
from cardiovae.io.atomic import write_text
from cardiovae.uncertainty.experts import Experts
from cardiovae.uncertainty.guide import image_distrust
from uncertainty_parts.analysis import column
from uncertainty_parts.cases import LEVELS, Case, phantom_cases, real_cases
from uncertainty_parts.measure import CONFIG, mean_dice, number

WAYS = ("plain", "guided")


def measured(
    cases: Iterable[Case], experts: Experts, bank: LatentBank, path: Path
) -> list[dict[str, Any]]:
    """Dice and ejection fraction of every case, corrected both ways; kept in `path`."""
    if path.exists():
        found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
        return found
    records = []
    for case in cases:
        distrust = image_distrust(case.sequence, experts, gray_levels(case.images))
        spacing = case.sequence.spacing_mm
        assert spacing is not None  # all cases have one
        true = ejection(case.truth, spacing, instants_4ch=case.instants)
        record: dict[str, Any] = {"patient": case.patient, "ef_true": number(true.ef_percent)}
        for way, doubt in zip(WAYS, (None, distrust), strict=True):
            done = correct_sequence(case.sequence, experts.prior, bank, CONFIG, distrust=doubt)
            labels = done.sequence.labels
            ef = ejection(labels, spacing, instants_4ch=case.instants)
            record[way] = {
                "dice": mean_dice(labels, case.truth),
                "ef": number(ef.ef_percent),
                "changed": bool((labels != case.sequence.labels).any()),
            }
        records.append(record)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(records, allow_nan=False), overwrite=True)
    return records


def real(data: Path, n_each: int) -> Iterable[Case]:
    """Some sequences of every level."""
    return itertools.chain.from_iterable(
        itertools.islice(real_cases(data, level), n_each) for level in LEVELS
    )


def phantoms(n: int) -> Iterable[Case]:
    """Cines of drawn patients."""
    return phantom_cases(0, n)


def differences(records: list[dict[str, Any]]) -> dict[str, Any]:
    """Guided less plain, over the sequences that were changed: Dice, and error of the EF."""
    changed = [r for r in records if r["plain"]["changed"] or r["guided"]["changed"]]
    patients = [r["patient"] for r in changed]
    dice = [
        float(np.nanmean(column(r["guided"]["dice"])) - np.nanmean(column(r["plain"]["dice"])))
        for r in changed
    ]
    ef = [_off(r, "guided") - _off(r, "plain") for r in changed]
    rng = np.random.default_rng(0)
    return {
        "n": len(changed),
        "dice": mean_by_patient(dice, patients, rng=rng),
        "ef": mean_by_patient(ef, patients, rng=rng),
    }


def _off(record: dict[str, Any], way: str) -> float:
    """Absolute error of the ejection fraction in points; NaN where it is not known."""
    found, true = record[way]["ef"], record["ef_true"]
    return float("nan") if None in (found, true) else abs(found - true)
