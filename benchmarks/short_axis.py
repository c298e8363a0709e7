"""Corrupted short-axis stacks corrected: how many slices are valid after it, and how true.

    python benchmarks/short_axis.py [--stacks N] [-o docs/explanation/short-axis.json]

Hearts are drawn (cohort seed 2026; the prior was trained on seed 0), damaged at three severities
as networks damage slices, corrected with the prior and judged: share of valid slices before and
after, stacks that came back unchanged with a reason, Dice against the drawn truth of the slices
that were broken, and how many of those that were not were left alone; and how well the prior's
neuron tells where a slice lies. Without the RV, and with the
LV alone, a third of the stacks each is corrected again.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import spearmanr

from cardiovae.audit.audit import audit_sequence
from cardiovae.bank import load_bank
from cardiovae.correction.config import CorrectConfig
from cardiovae.correction.correct import correct_sequence
from cardiovae.correction.record import NOT_CORRECTED
from cardiovae.evaluation.overlap import score_frames
from cardiovae.explore.axes import instant_neuron
from cardiovae.intervals.bootstrap import mean_by_patient
from cardiovae.labels import SHORT_AXIS, Label
from cardiovae.phantom.short_axis import stack_cohort
from cardiovae.phantom.slice_defects import corrupt_stack
from cardiovae.prior.evaluate import evaluate_fidelity
from cardiovae.prior.folder import load_prior
from cardiovae.prior.shapes import slice_positions
from cardiovae.sequence import EchoSequence

COHORT_SEED = 2026
SEVERITIES = (0.25, 0.5, 0.9)


def only(sequence: EchoSequence, structures: tuple[Label, ...]) -> EchoSequence:
    """The stack as if nothing but `structures` had been annotated."""
    labels = np.where(np.isin(sequence.labels, structures), sequence.labels, 0).astype(np.uint8)
    return dataclasses.replace(sequence, labels=labels, structures=structures)


def measure(n_stacks: int, prior_name: str, structures: tuple[Label, ...]) -> dict[str, Any]:
    """Figures over a cohort, by severity."""
    prior = load_prior(prior_name)
    bank, settings = load_bank(prior), CorrectConfig()
    found: dict[str, Any] = {}
    for severity in SEVERITIES:
        rows: list[dict[str, float]] = []
        patients: list[str] = []
        began = time.perf_counter()
        for number, (stack, name, own) in enumerate(stack_cohort(n_stacks // 2, COHORT_SEED)):
            truth = only(stack.sequence, structures)
            rng = np.random.default_rng([*own, number, int(1000 * severity)])
            damaged, _ = corrupt_stack(stack.sequence, severity=severity, rng=rng)
            damaged = only(damaged, structures)
            result = correct_sequence(damaged, prior, bank, settings)
            rows.append(figures(truth, damaged, result.sequence))
            patients.append(name.split("_")[0])
            if result.status == NOT_CORRECTED:
                print(f"{name} at severity {severity}: {result.reason}", flush=True)
        seconds = (time.perf_counter() - began) / len(rows)
        found[f"{severity}"] = {**summary(rows, patients), "seconds_per_stack": round(seconds, 2)}
        print(severity, json.dumps(found[f"{severity}"]), flush=True)
    return found


def figures(
    truth: EchoSequence, damaged: EchoSequence, corrected: EchoSequence
) -> dict[str, float]:
    """What one stack came to."""
    before, after = (
        np.array(
            [frame.passed for frame in audit_sequence(s, anatomy="acdc", temporal=None).frames]
        )
        for s in (damaged, corrected)
    )
    broken = ~before
    row = {
        "slices": float(before.size),
        "valid_before": float(before.sum()),
        "valid_after": float(after.sum()),
        "stacks_valid_before": float(before.all()),
        "stacks_valid_after": float(after.all()),
        "untouched": float((damaged.labels == corrected.labels).all((0, 1))[before].sum()),
    }
    for when, sequence in (("before", damaged), ("after", corrected)):
        for structure, value in dice(truth, sequence, broken).items():
            row[f"dice_{structure}_{when}"] = value
    return row


def dice(
    truth: EchoSequence, sequence: EchoSequence, which: NDArray[np.bool_]
) -> dict[str, float]:
    """Mean Dice of each structure over some slices; NaN where neither has it in any."""
    if not which.any():
        return {s.name.lower(): math.nan for s in truth.structures}
    spacing = truth.spacing_mm
    scores = score_frames(
        sequence.labels[:, :, which], truth.labels[:, :, which], spacing, truth.structures
    )
    return {
        s.name.lower(): float(np.nanmean(column)) if np.isfinite(column).any() else math.nan
        for s, column in zip(scores.structures, scores.dice.T, strict=True)
    }


def summary(rows: list[dict[str, float]], patients: list[str]) -> dict[str, Any]:
    """Shares over slices and stacks, means over stacks with 95 % intervals by patient."""
    total = {
        key: sum(row[key] for row in rows) for key in ("slices", "valid_before", "valid_after")
    }
    sums: dict[str, Any] = {
        "stacks": len(rows),
        "slices": int(total["slices"]),
        "slices_valid_before": total["valid_before"] / total["slices"],
        "slices_valid_after": total["valid_after"] / total["slices"],
        "stacks_valid_after": sum(row["stacks_valid_after"] for row in rows) / len(rows),
        "valid_slices_untouched": sum(row["untouched"] for row in rows) / total["valid_before"],
    }
    rng = np.random.default_rng(0)
    for key in (key for key in rows[0] if key.startswith("dice")):
        found = mean_by_patient([row[key] for row in rows], patients, rng=rng)
        sums[key] = [round(v, 4) for v in (found.value, found.low, found.high)]
    return sums


def positions(n_stacks: int, prior_name: str) -> dict[str, float]:
    """How well the neuron tells where a slice lies: rank correlation, mean error of 0 to 1."""
    prior = load_prior(prior_name)
    neuron = instant_neuron(prior.network)
    assert neuron is not None  # the preset has one
    told, true = [], []
    for stack, _, _ in stack_cohort(n_stacks // 2, COHORT_SEED):
        area = np.count_nonzero(stack.sequence.labels == Label.LV, axis=(0, 1)).astype(float)
        shown = np.flatnonzero(area)
        part = dataclasses.replace(stack.sequence, labels=stack.sequence.labels[:, :, shown])
        codes = evaluate_fidelity(prior.network, [("heart", part)]).codes
        told.append(codes @ neuron[0] + neuron[1])
        true.append(slice_positions(area[shown]))
    found, expected = np.concatenate(told), np.concatenate(true)
    return {
        "slices": float(found.size),
        "rank_correlation": round(float(spearmanr(found, expected).statistic), 4),
        "mean_error": round(float(np.abs(found - expected).mean()), 4),
    }


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--stacks", type=int, default=200)
    parser.add_argument("--prior", default="short-axis")
    parser.add_argument("-o", "--output", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    found: dict[str, Any] = {
        "position": positions(arguments.stacks, arguments.prior),
        "all": measure(arguments.stacks, arguments.prior, SHORT_AXIS),
        "without_rv": measure(arguments.stacks // 3, arguments.prior, SHORT_AXIS[:2]),
        "lv_alone": measure(arguments.stacks // 3, arguments.prior, SHORT_AXIS[:1]),
    }
    if arguments.output is not None:
        arguments.output.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
