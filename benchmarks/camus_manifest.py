"""Write the manifests of CAMUS in `data_manifests/` from names alone.

Run from the repository's root:

    python benchmarks/camus_manifest.py                  # camus_official.csv, from camus_folds.csv
    python benchmarks/camus_manifest.py ../shared/data   # camus.csv and camus_splits.csv as well

The second needs the folder that holds `camus224_dev.npz` and `unet_dev_preds.npz`. Only names are
read: no pixel of CAMUS reaches the manifests. A second run writes the same bytes.
"""

from __future__ import annotations

import csv
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from cardiovae.manifest import Entry, Manifest, write_manifest

MANIFESTS = Path(__file__).resolve().parent.parent / "data_manifests"
SOURCE = "CAMUS (Leclerc et al., IEEE TMI 38(9), 2019)"
LICENSE = "CC-BY-NC-SA-4.0"
VIEWS = {"2CH": "A2C", "4CH": "A4C"}
CONTENTS = ("ED", "ES", "half_sequence")
OFFICIAL = {5: "test", 6: "val"}  # by fold; the others train


def patients_of(names: Iterable[str]) -> list[str]:
    """Distinct patients, sorted, of names such as `patient0001_2CH_ED`."""
    return sorted({name.partition("_")[0] for name in names})


def split_patients(patients: list[str], tested: list[str]) -> dict[str, str]:
    """Split of each patient: `tested` are test, every tenth of the others is validation."""
    others = [patient for patient in patients if patient not in set(tested)]
    splits = dict.fromkeys(others, "train")
    splits |= dict.fromkeys(others[9::10], "val") | dict.fromkeys(tested, "test")
    return dict(sorted(splits.items()))


def entry(name: str, split: str, subgroups: dict[str, str]) -> Entry:
    """What a name such as `patient0001_2CH_ED` says; what only the file itself tells is empty."""
    patient, view, content = name.split("_", 2)
    return Entry(
        sequence_id=name,
        labels_path=f"{patient}/{name}_gt.nii.gz",
        image_path=f"{patient}/{name}.nii.gz",
        view=VIEWS[view],
        split=split,
        source=SOURCE,
        license=LICENSE,
        patient=patient,
        labels="camus",
        subgroups={"x_content": content, **subgroups},
    )


def write(name: str, entries: Iterable[Entry]) -> None:
    """Write a manifest and print how many patients each part has."""
    listed = tuple(entries)
    write_manifest(MANIFESTS / name, Manifest(listed, MANIFESTS), overwrite=True)
    splits = Counter({entry.patient: entry.split for entry in listed}.values())
    print(f"{name}: {len(listed)} label maps, patients {dict(splits)}")


def write_official() -> None:
    """The 3,000 label maps of the NIfTI edition, in the parts that it comes with."""
    with (MANIFESTS / "camus_folds.csv").open(encoding="utf-8", newline="") as stream:
        folds = {row["patient"]: int(row["fold"]) for row in csv.DictReader(stream)}
    write(
        "camus_official.csv",
        (
            entry(
                f"{patient}_{view}_{content}", OFFICIAL.get(fold, "train"), {"x_fold": str(fold)}
            )
            for patient, fold in folds.items()
            for view in VIEWS
            for content in CONTENTS
        ),
    )


def write_used(folder: Path) -> None:
    """The 1,600 frames that this project was made with, in the parts that it uses."""
    with (
        np.load(folder / "camus224_dev.npz") as dev,
        np.load(folder / "unet_dev_preds.npz") as net,
    ):
        names = [str(name) for name in dev["names"]]
        tested = patients_of(str(name) for name in net["names"])
    splits = split_patients(patients_of(names), tested)
    with (MANIFESTS / "camus_splits.csv").open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream, lineterminator="\n").writerows((("patient", "split"), *splits.items()))
    write("camus.csv", (entry(name, splits[name.partition("_")[0]], {}) for name in names))


if __name__ == "__main__":
    write_official()
    if len(sys.argv) > 1:
        write_used(Path(sys.argv[1]))
