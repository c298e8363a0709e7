"""Write `data_manifests/phantom_cohort.csv`: the drawn hearts behind the synthetic prior.

Run from the repository's root:

    python benchmarks/phantom_manifest.py          # the manifest
    python benchmarks/phantom_manifest.py DIR      # as well, draw all that it lists into DIR

DIR then holds the 1,200 label maps and a copy of the manifest, to try anything on:

    cardiovae manifest verify DIR/phantom_cohort.csv
    cardiovae audit DIR/phantom_cohort.csv
"""

from __future__ import annotations

import gzip
import sys
from collections.abc import Iterator
from pathlib import Path

import nibabel as nib
import numpy as np

from cardiovae.io import write_bytes
from cardiovae.manifest import Entry, Manifest, write_manifest
from cardiovae.phantom.cohort import Seed, cohort_parameters, cohort_seeds
from cardiovae.phantom.heart import draw_heart
from cardiovae.prior.cohort import hashed_part
from cardiovae.sequence import EchoSequence

MANIFESTS = Path(__file__).resolve().parent.parent / "data_manifests"
NAME = "phantom_cohort.csv"
N_PHANTOMS, SEED = 600, 0  # as in configs/train/phantom.yaml
N_FRAMES, SPACING_MM = 20, (0.5, 0.5)  # of what is drawn into a folder


def entries() -> Iterator[tuple[Entry, Seed]]:
    """One entry per sequence, with its seed; the same every time."""
    for name, view, seed in cohort_seeds(N_PHANTOMS, SEED):
        patient = name.partition("_")[0]
        entry = Entry(
            sequence_id=name,
            labels_path=f"{name}.nii.gz",
            view=view,
            spacing_mm=SPACING_MM,
            split=hashed_part(patient),
            source="drawn by cardiovae.phantom",
            license="Apache-2.0",
            patient=patient,
            labels="camus",
            subgroups={
                "x_seed": "-".join(map(str, seed)),
                "x_cycle": "half",
                "x_ef": f"{cohort_parameters(view, seed).ef:.4f}",
            },
        )
        yield entry, seed


def write_sequence(path: Path, sequence: EchoSequence) -> None:
    """Write label maps as NIfTI of shape (X, Y, T) with their pixel size in mm."""
    row, col = SPACING_MM
    image = nib.Nifti1Image(sequence.labels.transpose(1, 0, 2), np.diag([col, row, 1.0, 1.0]))
    image.header.set_xyzt_units("mm")
    write_bytes(path, gzip.compress(image.to_bytes(), compresslevel=6, mtime=0), overwrite=True)


def draw_all(folder: Path, listed: list[tuple[Entry, Seed]]) -> None:
    """Draw every sequence that is listed."""
    for entry, seed in listed:
        heart = draw_heart(
            cohort_parameters(entry.view or "", seed), n_frames=N_FRAMES, spacing_mm=SPACING_MM
        )
        write_sequence(folder / entry.labels_path, heart.sequence)


def main(folder: Path | None = None) -> None:
    """Write the manifest, and draw what it lists where a folder is given."""
    listed = list(entries())
    for place in filter(None, (MANIFESTS, folder)):
        manifest = Manifest(tuple(entry for entry, _ in listed), place)
        write_manifest(place / NAME, manifest, overwrite=True)
    if folder is not None:
        draw_all(folder, listed)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
