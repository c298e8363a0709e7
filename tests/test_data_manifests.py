"""The manifests that come with the source: valid, by patient, and made by their scripts."""

from __future__ import annotations

import csv
import importlib
import re
from collections import Counter
from pathlib import Path

import pytest

from cardiovae.manifest.files import read_manifest
from cardiovae.manifest.schema import Manifest
from cardiovae.manifest.splits import patients_in_two_parts
from cardiovae.manifest.verify import check_entry

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "data_manifests"
LISTS = {"camus_splits.csv": ("patient", "split"), "camus_folds.csv": ("patient", "fold")}
MANIFESTS = sorted(path.name for path in FOLDER.glob("*.csv") if path.name not in LISTS)
PERSONAL = re.compile(r"(^|_)(age|sex|name|weight|height|born|birth.*|date.*)(_|$)")


@pytest.fixture
def scripts(monkeypatch):
    """The scripts that write the manifests."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    names = ("camus_manifest", "phantom_manifest")
    return [importlib.import_module(name) for name in names]


def rows(name: str) -> list[dict[str, str]]:
    with (FOLDER / name).open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_the_manifests_of_three_cohorts_are_there():
    assert MANIFESTS == ["camus.csv", "camus_official.csv", "phantom_cohort.csv"]


@pytest.mark.parametrize("name", MANIFESTS)
def test_a_manifest_is_valid_and_no_patient_is_in_two_parts(name):
    manifest = read_manifest(FOLDER / name)
    assert manifest.entries
    for entry in manifest.entries:
        assert entry.patient is not None
        assert entry.split in ("train", "val", "test")
        assert entry.source is not None
        assert entry.license is not None
    assert patients_in_two_parts(manifest.entries) == {}


@pytest.mark.parametrize(("name", "columns"), LISTS.items())
def test_a_list_has_its_columns_and_each_patient_once(name, columns):
    found = rows(name)
    assert {tuple(row) for row in found} == {columns}
    names = [row["patient"] for row in found]
    assert len(set(names)) == len(names) > 0
    assert all(re.fullmatch(r"patient\d{4}", patient) for patient in names)


@pytest.mark.parametrize("name", [*MANIFESTS, *LISTS])
def test_no_column_says_anything_of_a_person(name):
    assert not [column for column in rows(name)[0] if PERSONAL.search(column)]


def test_the_ten_folds_of_camus_are_of_fifty_patients_each():
    folds = Counter(row["fold"] for row in rows("camus_folds.csv"))
    assert folds == {str(fold): 50 for fold in range(1, 11)}


def test_the_official_parts_of_camus_are_the_fifth_fold_the_sixth_and_the_rest():
    part = {"5": "test", "6": "val"}
    fold = {row["patient"]: row["fold"] for row in rows("camus_folds.csv")}
    entries = read_manifest(FOLDER / "camus_official.csv").entries
    assert len(entries) == 500 * 2 * 3
    for entry in entries:
        own = fold[entry.patient]
        assert entry.subgroups["x_fold"] == own
        assert entry.split == part.get(own, "train")
        assert entry.labels_path == f"{entry.patient}/{entry.sequence_id}_gt.nii.gz"


def test_this_project_has_seen_no_patient_of_the_official_test_and_validation():
    seen = {row["patient"] for row in rows("camus_splits.csv")}
    official = read_manifest(FOLDER / "camus_official.csv").entries
    assert seen == {entry.patient for entry in official if entry.split == "train"}


def test_the_scripts_write_the_same_bytes_again(tmp_path, monkeypatch, scripts):
    camus_manifest, phantom_manifest = scripts
    folds = tmp_path / "camus_folds.csv"
    folds.write_bytes((FOLDER / folds.name).read_bytes())
    for module in scripts:
        monkeypatch.setattr(module, "MANIFESTS", tmp_path)
    camus_manifest.write_official()
    phantom_manifest.main()
    for name in ("camus_official.csv", "phantom_cohort.csv"):
        assert (tmp_path / name).read_bytes() == (FOLDER / name).read_bytes()


def test_a_drawn_cohort_is_what_its_manifest_says(tmp_path, scripts):
    phantom_manifest = scripts[1]
    listed = list(phantom_manifest.entries())[:3]
    phantom_manifest.draw_all(tmp_path, listed)
    manifest = Manifest(tuple(entry for entry, _ in listed), tmp_path)
    for entry in manifest.entries:
        checked = check_entry(manifest.root, entry)
        assert checked.findings == ()
        assert checked.sha256 is not None
