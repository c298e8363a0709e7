from __future__ import annotations

import os
from pathlib import Path

import pytest

from cardiovae.errors import FileError
from cardiovae.io import find_inputs, is_supported, search_inputs, stem, suffix
from cardiovae.manifest.inputs import gather_inputs


@pytest.fixture
def cohort(tmp_path) -> Path:
    for name in [
        "p2/p2_4CH_gt.nii.gz",
        "p1/p1_4CH_gt.nii.gz",
        "p1/p1_2CH_gt.nii",
        "p1/Info_4CH.cfg",
        "p1/pixels.raw",
        "deep/er/x.MHD",
        "deep/er/y.mha",
        ".cache/z.nii.gz",
        "p1/._p1_4CH_gt.nii.gz",
        "odd[1].nii.gz",
    ]:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return tmp_path


def names(paths: list[Path], folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in paths]


def test_a_folder_gives_every_label_map_in_it_sorted_and_nothing_hidden(cohort):
    assert names(find_inputs([str(cohort)]), cohort) == [
        "deep/er/x.MHD",
        "deep/er/y.mha",
        "odd[1].nii.gz",
        "p1/p1_2CH_gt.nii",
        "p1/p1_4CH_gt.nii.gz",
        "p2/p2_4CH_gt.nii.gz",
    ]


def test_a_file_named_twice_is_given_once(cohort):
    path = str(cohort / "p1" / "p1_2CH_gt.nii")
    assert find_inputs([path, str(cohort / "p1"), path]) == [
        cohort / "p1/p1_2CH_gt.nii",
        cohort / "p1/p1_4CH_gt.nii.gz",
    ]


def test_patterns_cross_folders_and_skip_what_is_no_label_map(cohort):
    assert names(find_inputs([f"{cohort}/**/*4CH_gt*"]), cohort) == [
        "p1/p1_4CH_gt.nii.gz",
        "p2/p2_4CH_gt.nii.gz",
    ]
    assert names(find_inputs([f"{cohort}/p1/*"]), cohort) == [
        "p1/p1_2CH_gt.nii",
        "p1/p1_4CH_gt.nii.gz",
    ]
    assert names(find_inputs([f"{cohort}/p[2-9]"]), cohort) == ["p2/p2_4CH_gt.nii.gz"]


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(cohort):
    assert names(find_inputs([cohort / "odd[1].nii.gz"]), cohort) == ["odd[1].nii.gz"]


def test_a_folder_that_may_not_be_searched_is_named_and_the_others_are(cohort, monkeypatch):
    scan = os.scandir

    def refuse(path):
        if os.fspath(path).endswith("p2"):
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    found = search_inputs([cohort])
    assert len(found.paths) == 5
    ((folder, message),) = found.unread
    assert folder == str(cohort / "p2")
    assert message.startswith(f"{folder}: cannot be searched (Permission denied)")
    alone = search_inputs([cohort / "p2"])
    assert (alone.paths, len(alone.unread)) == ((), 1)
    gathered = gather_inputs([str(cohort)], results=True)
    assert (len(gathered.inputs), len(gathered.unmatched)) == (5, 1)


def test_relative_arguments_stay_relative(cohort, monkeypatch):
    monkeypatch.chdir(cohort)
    assert find_inputs(["p2"]) == [Path("p2/p2_4CH_gt.nii.gz")]


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("p1/*.png", "matches no label map"),
        ("empty", "matches no label map"),
        ("absent.nii", "does not exist"),
        ("p1/Info_4CH.cfg", "unknown format"),
    ],
)
def test_an_argument_that_gives_nothing_is_named(cohort, argument, message):
    (cohort / "empty").mkdir()
    with pytest.raises(FileError, match=message) as caught:
        find_inputs([cohort / "p2", cohort / argument])
    assert str(cohort / argument) in str(caught.value)


@pytest.mark.parametrize(
    ("name", "expected", "ending"),
    [
        ("a.b.nii.gz", "a.b", ".nii.gz"),
        ("A.NII.GZ", "A", ".nii.gz"),
        ("x/y.mhd", "y", ".mhd"),
        ("y.gz", "y.gz", ""),
        ("nii", "nii", ""),
        (".nii", ".nii", ""),
        ("scores.csv", "scores.csv", ""),
        ("scores.npy", "scores", ".npy"),
    ],
)
def test_names_are_taken_apart(name, expected, ending):
    assert (stem(name), suffix(name), is_supported(name)) == (expected, ending, bool(ending))
