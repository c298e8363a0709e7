"""How faithfully the shipped priors give held-out real masks back, next to linear modes.

    python benchmarks/prior_fidelity.py ../shared/data

Prints Dice by structure, by view and instant, and the rank correlation of each attribute with its
latent dimension, on the test patients of data_manifests/camus_splits.csv. Every mask is judged on
its own grid of 224 x 224 pixels. The linear modes are principal components of signed distance
maps, as many as the priors have dimensions, fitted on the training patients of the same split.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cardiovae.baselines.modes import project
from cardiovae.correction.fit import FitConfig, fit_codes
from cardiovae.labels import STRUCTURES, Label
from cardiovae.prior.codec import (
    Floats,
    compose,
    knots_of,
    measured_distances,
    native_distances,
)
from cardiovae.prior.cohort import DataConfig, Named, read_frames, split_parts
from cardiovae.prior.evaluate import NativeFidelity, Refine, evaluate_fidelity
from cardiovae.prior.fidelity import REGULARIZED, dice
from cardiovae.prior.folder import ShapePrior, load_prior
from cardiovae.prior.grid import place
from cardiovae.prior.modes import knot_distances, principal_modes
from cardiovae.prior.shapes import build_shapes

SPLIT = DataConfig(split="data_manifests/camus_splits.csv")
GROUPS = [(view, instant) for view in ("A2C", "A4C") for instant in (0, 1)]
REFINED = dataclasses.replace(FitConfig(), n_steps=15, anchor=0.0)


def linear_modes(training: Sequence[Named], test: Sequence[Named], n_modes: int) -> Floats:
    """Dice (N, 3) of test frames rebuilt from `n_modes` principal components."""
    modes = principal_modes(knot_distances(build_shapes(training)), n_modes)
    rows = []
    for _, sequence in test:
        placement = place(sequence.labels, sequence.spacing_mm)
        assert placement is not None
        fitted = project(modes, sequence.labels, placement, sequence.structures)
        found = compose(native_distances(modes.decode(fitted), placement), sequence.structures)
        for t in range(sequence.n_frames):
            truth = sequence.frame(t)
            rows.append([dice(truth == s, found[:, :, t] == s) for s in STRUCTURES])
    return np.array(rows)


def refinement(prior: ShapePrior) -> Refine:
    """A few gradient steps from the encoder's code towards the mask's own contours."""

    def refine(
        codes: NDArray[np.float64],
        shares: Floats,
        inside: Floats,
        structures: tuple[Label, ...],
    ) -> NDArray[np.float64]:
        target = knots_of(measured_distances(shares))
        return fit_codes(prior, codes, target, knots_of(inside), structures, REFINED)

    return refine


def print_dice(name: str, overlap: Floats, where: NativeFidelity) -> None:
    """One row: LV, MYO and LA of all frames, then of each view and instant."""
    masks = [np.ones(len(overlap), bool)]
    masks += [
        (np.array(where.views) == view) & (where.frames == instant) for view, instant in GROUPS
    ]
    cells = [" / ".join(f"{v:.3f}" for v in np.nanmean(overlap[m], axis=0)) for m in masks]
    print(f"| {name} | {' | '.join(cells)} |", flush=True)


def main() -> None:
    """Read, judge, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder with camus224_dev.npz")
    parser.add_argument("--priors", nargs="+", default=["camus", "phantom"])
    arguments = parser.parse_args()

    parts = split_parts(read_frames(arguments.data / "camus224_dev.npz"), SPLIT)
    test = parts["test"]
    names = " | ".join(f"{view} {('ED', 'ES')[instant]}" for view, instant in GROUPS)
    print(f"{sum(s.n_frames for _, s in test)} masks of patients that were not trained on.\n")
    print(f"| mean Dice LV / MYO / LA | all | {names} |\n|---|---|---|---|---|---|")
    follow = {}
    for name in arguments.priors:
        prior = load_prior(name)
        for label, refine in ((name, None), (f"{name}, refined", refinement(prior))):
            began = time.perf_counter()
            found = evaluate_fidelity(prior.network, test, refine=refine)
            seconds = (time.perf_counter() - began) / len(found.frames)
            print_dice(f"{label} ({1000 * seconds:.0f} ms a frame)", found.dice, found)
            if refine is None:
                follow[name] = found.summary().spearman
        n_modes = prior.codes.shape[1]
    print_dice(f"{n_modes} linear modes", linear_modes(parts["train"], test, n_modes), found)
    print(f"\n| rank correlation | {' | '.join(REGULARIZED)} |\n|{'---|' * 8}")
    for name, values in follow.items():
        print(f"| {name} | {' | '.join(f'{values[key]:.3f}' for key in REGULARIZED)} |")


if __name__ == "__main__":
    main()
