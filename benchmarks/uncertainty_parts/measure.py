"""One case corrected and doubted, and compared with its truth: a plain record."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiovae.bank import LatentBank
from cardiovae.calibration.association import mutual_information
from cardiovae.calibration.reliability import pixel_sums
from cardiovae.correction.config import DoubtConfig, correct_config
from cardiovae.correction.correct import correct_sequence
from cardiovae.crisp.images import gray_levels
from cardiovae.indices.ejection import ejection
from cardiovae.labels import STRUCTURES, Label
from cardiovae.prior.fidelity import dice
from cardiovae.uncertainty.assess import assess
from cardiovae.uncertainty.experts import Experts
from uncertainty_parts.cases import Case

Labels = NDArray[np.uint8]
CONFIG = correct_config()
ASKED = DoubtConfig(method="both")


def measured(case: Case, experts: Experts, bank: LatentBank) -> dict[str, Any]:
    """The record of one case: Dice, ejection fraction and areas, signals, quality of the maps."""
    done = correct_sequence(case.sequence, experts.prior, bank, CONFIG)
    asked = dataclasses.replace(ASKED, method="both" if experts.crisp else "posterior")
    uncalibrated = dataclasses.replace(experts, calibration=None)
    images = gray_levels(case.images) if experts.crisp else None
    rng = np.random.default_rng(0)
    doubt = assess(done, uncalibrated, asked, rng=rng, images=images)
    before, after = case.sequence.labels, done.sequence.labels
    spacing = case.sequence.spacing_mm
    assert spacing is not None  # all cases have one
    true, found = (ejection(m, spacing, instants_4ch=case.instants) for m in (case.truth, after))
    content = doubt.to_json()
    pixel_mm2 = math.prod(spacing)
    return {
        "name": case.name,
        "patient": case.patient,
        "view": case.sequence.view,
        "level": case.sequence.source.split("/")[0],
        "status": done.status,
        "ef_true": number(true.ef_percent),
        "ef": content["ejection"]["ef_percent"],
        "ef_at_true_instants": number(found.ef_percent),
        "ef_sd": content["ejection"]["sd"],
        "dice_before": mean_dice(before, case.truth),
        "dice": mean_dice(after, case.truth),
        "area_true": [int(n) * pixel_mm2 for n in (case.truth == Label.LV).sum((0, 1))],
        "frames": content["frames"],
        "maps": {
            name: map_quality(found_map, after, case.truth)
            for name, found_map in (("entropy", doubt.posterior), ("opinion", doubt.image))
            if found_map is not None
        },
    }


def map_quality(doubt: NDArray[np.float32], labels: Labels, truth: Labels) -> dict[str, list[Any]]:
    """Of each frame: mutual information with the error map, its size, and sums for reliability."""
    error = labels != truth
    frames = range(labels.shape[2])
    known = [bool(np.isfinite(doubt[:, :, t]).all()) for t in frames]
    mi = [mutual_information(error[:, :, t], doubt[:, :, t]) if known[t] else None for t in frames]
    return {
        "mi": [number(v) for v in mi],
        "n_errors": [int(error[:, :, t].sum()) for t in frames],
        "sums": [
            pixel_sums(doubt[:, :, t], labels[:, :, t], truth[:, :, t]).tolist()
            if known[t]
            else None
            for t in frames
        ],
    }


def mean_dice(found: Labels, truth: Labels) -> list[float | None]:
    """Mean Dice of the three structures in each frame."""
    return [
        number(
            float(np.mean([dice(found[:, :, t] == s, truth[:, :, t] == s) for s in STRUCTURES]))
        )
        for t in range(found.shape[2])
    ]


def number(value: float | None) -> float | None:
    """A number for JSON: None for NaN and infinity."""
    return float(value) if value is not None and math.isfinite(value) else None
