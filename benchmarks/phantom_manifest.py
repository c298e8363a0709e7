"""Write `data_manifests/phantom_cohort.csv`: the drawn hearts behind the synthetic prior.

Run from the repository's root:

    python benchmarks/phantom_manifest.py
"""

from __future__ import annotations

import csv
from pathlib import Path

from cardiovae.phantom.cohort import cohort_parameters, cohort_seeds
from cardiovae.prior.cohort import hashed_part

MANIFEST = Path(__file__).resolve().parent.parent / "data_manifests" / "phantom_cohort.csv"
N_PHANTOMS, SEED = 600, 0  # as in configs/train/phantom.yaml
COLUMNS = ("sequence_id", "view", "seed", "cycle", "split", "ef", "license")


def main() -> None:
    """One row per sequence; the same bytes every time."""
    with MANIFEST.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for name, view, seed in cohort_seeds(N_PHANTOMS, SEED):
            ef = cohort_parameters(view, seed).ef
            split = hashed_part(name.partition("_")[0])
            key = "-".join(map(str, seed))
            writer.writerow((name, view, key, "half", split, f"{ef:.4f}", "Apache-2.0"))


if __name__ == "__main__":
    main()
