from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from cardiovae.errors import CardiovaeError, ConfigError, FileError, LabelError
from cardiovae.io import header_bytes, load_sequence, open_sequence, save_labels, save_map
from cardiovae.io.content import view_from_name
from cardiovae.labels import CAMUS, Label, LabelScheme


def nifti(path: Path, values: list[list[int]], spacing: float = 0.3) -> Path:
    """A (X, Y, 1) file whose frame reads as `values`, rows first."""
    array = np.array(values, np.uint8).T[:, :, None]
    nib.Nifti1Image(array, np.diag([spacing, spacing, 1, 1])).to_filename(path)
    return path


@pytest.mark.parametrize(
    ("values", "scheme"),
    [
        ([[0, 1]], "lv"),
        ([[0, 2]], "lv-myo"),
        ([[1, 2]], "lv-myo"),
        ([[0, 3]], "camus"),
        ([[0, 0]], "camus"),
    ],
)
def test_the_smallest_scheme_that_fits_is_taken_and_camus_when_nothing_is_there(
    tmp_path, values, scheme
):
    sequence, file = open_sequence(nifti(tmp_path / "a.nii", values))
    assert file.scheme.name == scheme
    assert sequence.structures == file.scheme.structures
    assert sequence.labels[:, :, 0].tolist() == values


def test_a_given_scheme_wins_and_its_values_go_back(tmp_path):
    path = nifti(tmp_path / "a.nii", [[0, 255], [20, 7]])
    sequence, file = open_sequence(path, labels="lv=255,myo=20,la=7")
    assert sequence.labels[:, :, 0].tolist() == [[0, Label.LV], [Label.MYO, Label.LA]]
    save_labels(tmp_path / "b.nii", sequence, file)
    assert (tmp_path / "b.nii").read_bytes() == path.read_bytes()


def test_a_scheme_object_is_taken_as_it_is(tmp_path):
    scheme = LabelScheme("mine", {Label.LV: 9})
    sequence, file = open_sequence(nifti(tmp_path / "a.nii", [[0, 9]]), labels=scheme)
    assert (file.scheme, sequence.structures) == (scheme, (Label.LV,))


def test_values_outside_the_scheme_name_file_value_and_way_out(tmp_path):
    path = nifti(tmp_path / "a.nii", [[0, 1, 5]])
    with pytest.raises(LabelError, match=r"a\.nii: label values \[5\] .* --labels"):
        load_sequence(path, labels="camus")
    with pytest.raises(LabelError, match=r"a\.nii: label value 5 fits none .* --labels"):
        load_sequence(path)
    with pytest.raises(ConfigError, match="labels 'nonsense'"):
        load_sequence(path, labels="nonsense")


def test_what_is_given_wins_over_what_the_file_says(tmp_path):
    path = nifti(tmp_path / "p1_4CH.nii", [[0, 1]])
    assert load_sequence(path).spacing_mm == (0.3, 0.3)
    assert load_sequence(path).view == "A4C"
    given = load_sequence(path, spacing_mm=(0.154, 0.308), frame_time_ms=20.0, view="A2C")
    assert given.spacing_mm == (0.154, 0.308)
    assert (given.frame_time_ms, given.view, given.source) == (20.0, "A2C", str(path))
    with pytest.raises(CardiovaeError, match=r"4CH\.nii: spacing_mm is two positive"):
        load_sequence(path, spacing_mm=(0.0, 1.0))


@pytest.mark.parametrize(
    ("name", "view"),
    [
        ("patient0001_2CH_ED_gt.nii.gz", "A2C"),
        ("patient0001_4ch.mhd", "A4C"),
        ("A4C.nii", "A4C"),
        ("study-a2ch-1.nii", "A2C"),
        ("case12ch.nii", None),
        ("patient2C.nii", None),
        ("A3C.nii", None),
        ("both_2CH_4CH.nii", None),
        ("twice_2CH_A2C.nii", "A2C"),
    ],
)
def test_a_view_is_read_only_from_a_name_that_states_one(name, view):
    assert view_from_name(name) == view


@pytest.mark.parametrize("name", ["a.tif", "a.nii.zip", "a", "a.nrrd"])
def test_an_unknown_suffix_is_named_with_those_that_are_known(tmp_path, name):
    (tmp_path / name).write_bytes(b"x")
    for use in (load_sequence, header_bytes):
        with pytest.raises(FileError, match=r"unknown format; .* \.nii, \.nii\.gz, \.mha, \.mhd"):
            use(tmp_path / name)


@pytest.mark.parametrize("name", ["folder", "folder.nii.gz", "folder.mha"])
def test_a_folder_given_as_a_file_is_said_to_be_one(tmp_path, name):
    (tmp_path / name).mkdir()
    with pytest.raises(FileError, match=r"folder.*: is a folder"):
        load_sequence(tmp_path / name)


@pytest.mark.parametrize("suffix", [".nii", ".mhd"])
def test_an_absent_or_forbidden_file_is_named(tmp_path, monkeypatch, suffix):
    path = tmp_path / f"a{suffix}"
    with pytest.raises(FileError, match=r"a\..*: does not exist"):
        load_sequence(path)
    path.write_bytes(b"x")

    def refuse(self):  # chmod would not stop a test that runs as root
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(FileError, match=r"a\..*: cannot be read \(Permission denied\)"):
        load_sequence(path)


def test_labels_without_a_value_in_the_file_are_never_dropped_silently(tmp_path):
    _, file = open_sequence(nifti(tmp_path / "a.nii", [[1, 2]]))
    atrium = load_sequence(nifti(tmp_path / "b.nii", [[1, 3]]))
    with pytest.raises(LabelError, match=r"'lv-myo' has no value for \['LA'\]"):
        save_labels(tmp_path / "c.nii", atrium, file)
    no_atrium = atrium.with_labels(np.minimum(atrium.labels, 2))
    save_labels(tmp_path / "c.nii", no_atrium, file)
    assert load_sequence(tmp_path / "c.nii").labels[:, :, 0].tolist() == [[1, 2]]


def test_another_shape_or_format_is_refused_before_anything_is_written(tmp_path):
    sequence, file = open_sequence(nifti(tmp_path / "a.nii", [[0, 1], [1, 1], [0, 0]]))
    other = load_sequence(nifti(tmp_path / "b.nii", [[0, 1]]))
    scores = np.zeros((3, 2, 4), np.float32)
    with pytest.raises(FileError, match=r"\(H, W, T\) = \(3, 2, 1\), .* has \(1, 2, 1\)"):
        save_labels(tmp_path / "c.nii", other, file)
    with pytest.raises(FileError, match=r"has \(3, 2, 4\)"):
        save_map(tmp_path / "c.nii", scores, file)
    with pytest.raises(FileError, match=r"c\.mha: .* ending in \.nii or \.nii\.gz"):
        save_labels(tmp_path / "c.mha", sequence, file)
    with pytest.raises(FileError, match=r"c\.txt: .* ending in"):
        save_map(tmp_path / "c.txt", scores[:, :, :1], file)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.nii", "b.nii"]


def test_the_input_is_not_overwritten_by_default(tmp_path):
    path = nifti(tmp_path / "a.nii", [[0, 1]])
    before = path.read_bytes()
    sequence, file = open_sequence(path)
    empty = sequence.with_labels(sequence.labels * np.uint8(0))
    with pytest.raises(FileError, match="--overwrite"):
        save_labels(path, empty, file)
    with pytest.raises(FileError, match="--overwrite"):
        save_map(path, empty.labels.astype(np.float32), file)
    assert path.read_bytes() == before
    save_labels(path, empty, file, overwrite=True)
    assert not load_sequence(path, labels=CAMUS).labels.any()


def test_importing_io_loads_no_imaging_library_and_no_torch():
    code = (
        "import sys, cardiovae.io; "
        "print([m for m in ('nibabel', 'SimpleITK', 'torch', 'monai') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
