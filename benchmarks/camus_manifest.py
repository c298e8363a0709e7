"""Write `data_manifests/camus.csv` and `camus_splits.csv` from the names in the dev data.

Run from the repository's root, with the folder that holds `camus224_dev.npz` and
`unet_dev_preds.npz`:

    python benchmarks/camus_manifest.py ../shared/data

Only names are read: no pixel of CAMUS reaches the manifests. The rule is deterministic, so that
a second run writes the same bytes.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np

MANIFESTS = Path(__file__).resolve().parent.parent / "data_manifests"
SOURCE = "CAMUS (Leclerc et al., IEEE TMI 38(9), 2019)"
LICENSE = "CC-BY-NC-SA-4.0"
COLUMNS = (
    "sequence_id",
    "view",
    "labels_path",
    "image_path",
    "spacing_row_mm",
    "spacing_col_mm",
    "frame_time_ms",
    "split",
    "source",
    "license",
    "sha256",
)


def patients_of(names: Iterable[str]) -> list[str]:
    """Distinct patients, sorted, of names such as `patient0001_2CH_ED`."""
    return sorted({name.partition("_")[0] for name in names})


def split_patients(patients: list[str], tested: list[str]) -> dict[str, str]:
    """Split of each patient: `tested` are test, every tenth of the others is validation."""
    others = [patient for patient in patients if patient not in set(tested)]
    splits = dict.fromkeys(others, "train")
    splits |= dict.fromkeys(others[9::10], "val") | dict.fromkeys(tested, "test")
    return dict(sorted(splits.items()))


def frame_row(name: str, split: str) -> dict[str, str]:
    """Manifest row of one annotated frame; what only the CAMUS file itself tells stays empty."""
    patient, view, _ = name.split("_")
    return dict.fromkeys(COLUMNS, "") | {
        "sequence_id": name,
        "view": {"2CH": "A2C", "4CH": "A4C"}[view],
        "labels_path": f"{patient}/{name}_gt.nii.gz",
        "image_path": f"{patient}/{name}.nii.gz",
        "split": split,
        "source": SOURCE,
        "license": LICENSE,
    }


def write_csv(path: Path, columns: tuple[str, ...], rows: Iterable[dict[str, str]]) -> None:
    """Write rows as CSV with Unix line ends."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def main(folder: Path) -> None:
    """Read the names in `folder`, write both manifests and print how many patients each has."""
    with (
        np.load(folder / "camus224_dev.npz") as dev,
        np.load(folder / "unet_dev_preds.npz") as net,
    ):
        names = [str(name) for name in dev["names"]]
        tested = patients_of(str(name) for name in net["names"])
    splits = split_patients(patients_of(names), tested)
    write_csv(
        MANIFESTS / "camus_splits.csv",
        ("patient", "split"),
        ({"patient": patient, "split": split} for patient, split in splits.items()),
    )
    rows = (frame_row(name, splits[name.partition("_")[0]]) for name in names)
    write_csv(MANIFESTS / "camus.csv", COLUMNS, rows)
    counts = {split: list(splits.values()).count(split) for split in ("train", "val", "test")}
    print(f"{len(names)} frames of {len(splits)} patients: {counts}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
