"""How far codes of networks' masks lie from the truth: `errors.npz` of a shipped prior.

    python benchmarks/code_errors.py camus ../shared/data/camus224_dev.npz out/network_errors.npz
    python benchmarks/code_errors.py phantom out/phantom_errors/images.npz \
        out/phantom_errors/predictions.npz

Predictions are those of benchmarks/network_errors.py (training patients alone) and of
benchmarks/phantom_errors.py. Writes into the prior's folder.
"""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path

import numpy as np
import torch

from cardiovae.prior.cohort import DataConfig
from cardiovae.prior.folder import load_prior
from cardiovae.uncertainty.errors import ERRORS, save_errors
from cardiovae.uncertainty.measure import measure_errors

SPLIT = Path("data_manifests/camus_splits.csv")
PATTERNS = {"camus": r"patient\d+", "phantom": r"phantom\d+"}


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("prior", choices=sorted(PATTERNS))
    parser.add_argument("data")
    parser.add_argument("predictions")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    prior = load_prior(arguments.prior)
    patients = None
    if arguments.prior == "camus":
        with SPLIT.open(newline="", encoding="utf-8") as lines:
            patients = {row["patient"] for row in csv.DictReader(lines) if row["split"] == "train"}

    def say(done: int, wanted: int) -> None:
        if done % 500 == 0:
            print(f"{done} of {wanted}", file=sys.stderr, flush=True)

    errors = measure_errors(
        prior,
        arguments.data,
        arguments.predictions,
        DataConfig(patient=PATTERNS[arguments.prior]),
        patients,
        rng=np.random.default_rng(0),
        progress=say,
    )
    save_errors(prior.folder / ERRORS, errors, overwrite=True)
    shared = float(np.trace(errors.shared) / np.trace(errors.shared + errors.own))
    print(
        f"{arguments.prior}: {errors.n_patients} patients, {100 * shared:.0f} % of the variance "
        f"shared within a sequence, growth {errors.growth[1]:.2f}"
    )


if __name__ == "__main__":
    main()
