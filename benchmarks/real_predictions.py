"""What `correct` does to real network predictions: the figures of docs/explanation/results.md.

    python benchmarks/real_predictions.py ../shared/data -o docs/explanation/results.md

(a) 480 predictions of a small U-Net at four quality levels on held-out CAMUS patients, single
frames on the 224 grid; (b) a real cine of Echo-Toolkit with its reference; (c) 798 ground-truth
masks at full resolution, which must come back as they are. Distances are in mm.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import platform
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import torch
from monai.metrics import compute_dice, compute_hausdorff_distance

from cardiovae.attributes import attribute_signals
from cardiovae.audit.audit import audit_sequence
from cardiovae.bank import load_bank
from cardiovae.correction.config import correct_config
from cardiovae.correction.correct import correct_sequence
from cardiovae.correction.record import Correction
from cardiovae.io import load_sequence
from cardiovae.labels import STRUCTURES
from cardiovae.prior.folder import load_prior
from cardiovae.sequence import EchoSequence

LEVELS = ("ep2", "ep4", "ep10", "shift")
PLAIN = dataclasses.replace(correct_config(), n_samples=0)


class Corrector:
    """A prior, its bank and the settings, as one function of a sequence."""

    def __init__(self, prior: str) -> None:
        self.prior = load_prior(prior)
        self.bank = load_bank(self.prior)

    def __call__(self, sequence: EchoSequence) -> Correction:
        """Correct one sequence."""
        rng = np.random.default_rng(0)
        return correct_sequence(sequence, self.prior, self.bank, PLAIN, rng=rng)


def scores(found: np.ndarray, truth: np.ndarray, spacing: tuple[float, float]) -> list[float]:
    """Dice, then Hausdorff distance in mm, of LV, MYO and LA in one frame; NaN where absent."""
    maps = [
        torch.from_numpy(np.stack([frame == s for s in STRUCTURES])[None])
        for frame in (found, truth)
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MONAI warns of absent structures; they come out as NaN
        overlap = compute_dice(*maps)[0]
        far = compute_hausdorff_distance(*maps, include_background=True, spacing=spacing)[0]
    far = torch.where(torch.isfinite(far), far, torch.nan)
    return [*overlap.tolist(), *far.tolist()]


def predictions(data: Path, correct: Corrector, lines: list[str]) -> None:
    """(a): every prediction, as a sequence of one frame."""
    truth, made = np.load(data / "camus224_dev.npz"), np.load(data / "unet_dev_preds.npz")
    masks, spacings, index = truth["masks"], truth["spacing_mm"], made["index"]
    lines += [
        "| level | valid before | valid after | also `camus-public` | valid frames bit-identical "
        "| | Dice LV / MYO / LA | Hausdorff mm |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for level in LEVELS:
        before, after = [], []
        valid = repaired = public = identical = 0
        for labels, i in zip(made[level], index, strict=True):
            spacing = (float(spacings[i, 0]), float(spacings[i, 1]))
            done = correct(EchoSequence(labels[:, :, None], spacing, source=level))
            out = done.sequence.frame(0)
            was_valid = done.before[0].frames[0].passed
            valid += was_valid
            repaired += done.after[0].frames[0].passed
            public += done.after[1].frames[0].passed
            if was_valid:
                identical += int(np.array_equal(out, labels))
            else:
                before.append(scores(labels, masks[i], spacing))
                after.append(scores(out, masks[i], spacing))
        n = len(index)
        row = f"| {level} | {valid}/{n} | {repaired}/{n} | {public}/{n} | {identical}/{valid} "
        lines.append(row + f"| {len(before)} invalid: before {_means(before)}")
        lines.append(f"| | | | | | after {_means(after)}")
        print(lines[-2], lines[-1], sep="\n", file=sys.stderr)


def _means(rows: list[list[float]]) -> str:
    mean = np.nanmean(rows, axis=0)
    dice = " / ".join(f"{v:.3f}" for v in mean[:3])
    return f"| {dice} | " + " / ".join(f"{v:.1f}" for v in mean[3:]) + " |"


def cine(data: Path, correct: Corrector, lines: list[str]) -> None:
    """(b): the Echo-Toolkit cine."""
    given = load_sequence(data / "echo_toolkit_candidate2.nii.gz")
    truth = load_sequence(data / "echo_toolkit_reference.nii.gz")
    correct(given)  # warm up, so that the time is that of the second cine
    began = time.process_time()
    done = correct(given)
    seconds = time.process_time() - began
    lines += [
        "| | invalid `camus` | invalid `camus-public` | `tmi2022` | `rl4seg3d` | Dice LV / MYO "
        "| Hausdorff LV / MYO mm | fractional area change |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, sequence in (("input", given), ("corrected", done.sequence), ("reference", truth)):
        audits = [
            audit_sequence(sequence, anatomy=a, temporal=t)
            for a, t in (("camus", "tmi2022"), ("camus-public", "rl4seg3d"))
        ]
        rows = [
            scores(sequence.frame(t), truth.frame(t), given.spacing_mm or (1.0, 1.0))
            for t in range(given.n_frames)
        ]
        mean = np.nanmean(rows, axis=0)
        area = attribute_signals(sequence.labels, given.spacing_mm or (1.0, 1.0))["lv_area"]
        change = (area.max() - area.min()) / area.max()
        lines.append(
            f"| {name} | {len(audits[0].invalid_frames)}/25 | {len(audits[1].invalid_frames)}/25 "
            f"| {audits[0].temporal_verdict} | {audits[1].temporal_verdict} "
            f"| {mean[0]:.3f} / {mean[1]:.3f} | {mean[3]:.1f} / {mean[4]:.1f} | {change:.3f} |"
        )
        print(lines[-1], file=sys.stderr)
    kept = sum(frame.action == "kept" for frame in done.frames)
    lines += ["", f"{kept} of 25 frames came back bit for bit; {seconds:.2f} s of one core."]


def ground_truth(data: Path, correct: Corrector, lines: list[str]) -> None:
    """(c): real masks at full resolution."""
    masks = np.load(data / "camus4CH_fullres_dev.npz")
    valid = identical = 0
    for name in masks.files:
        labels = masks[name][:, :, None]
        done = correct(EchoSequence(labels, (0.308, 0.308), source=name))
        valid += done.before[0].frames[0].passed
        identical += int(np.array_equal(done.sequence.labels, labels))
    n = len(masks.files)
    lines.append(f"{valid} of {n} pass `camus`; {identical} of {n} come back bit for bit.")
    print(lines[-1], file=sys.stderr)


def main() -> None:
    """Measure, print, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--prior", default="camus")
    parser.add_argument("-o", "--output", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    correct = Corrector(arguments.prior)
    lines = [
        "# What correction does to real predictions",
        "",
        f"Prior `{arguments.prior}`, default settings, seed 0; {platform.machine()}, one of "
        f"{os.cpu_count()} cores. Regenerate with `python benchmarks/real_predictions.py DATA "
        "-o docs/explanation/results.md`. None of these patients trained the prior.",
        "",
        "## Single frames: a U-Net at four levels of quality, 480 predictions each",
        "",
    ]
    predictions(arguments.data, correct, lines)
    lines += ["", "## A real cine: Echo-Toolkit, 25 frames, no atrium annotated", ""]
    cine(arguments.data, correct, lines)
    lines += ["", "## Good masks: CAMUS ground truth at full resolution", ""]
    ground_truth(arguments.data, correct, lines)
    text = "\n".join(lines) + "\n"
    if arguments.output:
        arguments.output.write_text(text, encoding="utf-8")
    else:
        print(text)


if __name__ == "__main__":
    main()
