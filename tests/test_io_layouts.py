from __future__ import annotations

import json
import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from cardiovae.errors import FileError, LabelError
from cardiovae.io import find_inputs, load_sequence, open_sequence, search_inputs
from cardiovae.labels import Label, structure_named

FRAME = np.array([[0, 1, 1, 0], [2, 2, 2, 0], [3, 3, 0, 0]], np.uint8)


def nifti(path: Path, values: np.ndarray = FRAME, n_frames: int = 1) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    array = np.repeat(values.T[:, :, None], n_frames, axis=2)
    nib.Nifti1Image(array, np.diag([0.3, 0.3, 1, 1])).to_filename(path)
    return path


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return folder


def names(paths: object, folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in paths]


def test_in_the_layout_of_camus_only_labels_are_taken_and_the_rest_is_counted(tmp_path):
    touch(
        tmp_path,
        "patient0001/Info_4CH.cfg",
        "patient0001/patient0001_4CH_ED.nii.gz",
        "patient0001/patient0001_4CH_ED_gt.nii.gz",
        "patient0001/patient0001_4CH_half_sequence.nii.gz",
        "patient0001/patient0001_4CH_half_sequence_gt.nii.gz",
        "patient0002/patient0002_2CH_ES.mhd",
        "patient0002/patient0002_2CH_ES_gt.mhd",
    )
    found = search_inputs([tmp_path])
    assert names(found.paths, tmp_path) == [
        "patient0001/patient0001_4CH_ED_gt.nii.gz",
        "patient0001/patient0001_4CH_half_sequence_gt.nii.gz",
        "patient0002/patient0002_2CH_ES_gt.mhd",
    ]
    assert found.remarks == (f"{tmp_path}: 3 images beside their labels left out",)
    image = tmp_path / "patient0001" / "patient0001_4CH_ED.nii.gz"
    assert find_inputs([image]) == [image]


def test_in_the_layout_of_acdc_only_labels_are_taken(tmp_path):
    touch(
        tmp_path,
        "patient001/patient001_4d.nii.gz",
        "patient001/patient001_frame01.nii.gz",
        "patient001/patient001_frame01_gt.nii.gz",
        "patient001/patient001_frame12.nii.gz",
        "patient001/patient001_frame12_gt.nii.gz",
        "predictions/patient001_4d.nii.gz",
        "predictions/patient001_frame01.nii.gz",
    )
    assert names(search_inputs([tmp_path]).paths, tmp_path) == [
        "patient001/patient001_frame01_gt.nii.gz",
        "patient001/patient001_frame12_gt.nii.gz",
        "predictions/patient001_4d.nii.gz",
        "predictions/patient001_frame01.nii.gz",
    ]


def test_predictions_named_like_camus_images_are_taken(tmp_path):
    touch(tmp_path, "patient0001_4CH_ED.nii.gz", "patient0001_4CH_ES.nii.gz")
    assert len(find_inputs([tmp_path])) == 2


def test_the_info_file_of_camus_gives_the_frame_time_unless_something_else_does(tmp_path):
    path = nifti(tmp_path / "patient0001_4CH_half_sequence_gt.nii.gz", n_frames=3)
    assert load_sequence(path).frame_time_ms is None
    info = tmp_path / "Info_4CH.cfg"
    info.write_text("ED: 1\nES: 18\nNbFrame: 18\nSex: F\nFrameRate: 40.0\n")
    assert load_sequence(path).frame_time_ms == 25.0
    assert load_sequence(path, frame_time_ms=20.0).frame_time_ms == 20.0
    for text in ("FrameRate: 0\n", "FrameRate: 1.2.3\n", "FrameRate: fast\n", ""):
        info.write_text(text)
        assert load_sequence(path).frame_time_ms is None
    assert load_sequence(nifti(tmp_path / "other_4CH.nii.gz")).frame_time_ms is None


def dataset(folder: Path, labels: object) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "dataset.json").write_text(json.dumps({"labels": labels}))


def test_of_a_decathlon_folder_the_labels_are_taken(tmp_path):
    touch(
        tmp_path,
        "imagesTr/case_001_0000.nii.gz",
        "imagesTr/._case_001_0000.nii.gz",
        "imagesTs/case_002.nii.gz",
        "labelsTr/case_001.nii.gz",
        "labelsTr/._case_001.nii.gz",
    )
    assert len(find_inputs([tmp_path])) == 3  # without dataset.json: folders like any other
    dataset(tmp_path, {"background": 0, "LV": 1})
    found = search_inputs([tmp_path])
    assert names(found.paths, tmp_path) == ["labelsTr/case_001.nii.gz"]
    assert found.remarks == (f"{tmp_path}: 2 images beside their labels left out",)
    with pytest.raises(FileError, match=r"matches no label map; .*2 images"):
        find_inputs([tmp_path / "imagesT*"])


def test_numbered_png_files_of_nnunet_are_a_case_each(tmp_path):
    dataset(tmp_path, {"background": 0, "LV": 1})
    for folder in ("labelsTr", "predictions"):
        for n in (1, 2):
            (tmp_path / folder).mkdir(exist_ok=True)
            Image.fromarray(FRAME).save(tmp_path / folder / f"case_{n:03d}.png")
    dataset(tmp_path / "predictions", {"background": 0, "LV": 1})
    assert names(find_inputs([tmp_path]), tmp_path) == [
        "labelsTr/case_001.png",
        "labelsTr/case_002.png",
        "predictions/case_001.png",
        "predictions/case_002.png",
    ]


@pytest.mark.parametrize(
    "labels",
    [
        {"background": 0, "Myocardium": 1, "LV cavity": 2, "left_atrium": 3},
        {"0": "background", "1": "LV_epi", "2": "LV_endo", "3": "LA"},
    ],
)
@pytest.mark.parametrize("folder", ["labelsTr", "predictions"])
def test_the_values_of_a_dataset_json_are_taken(tmp_path, labels, folder):
    dataset(tmp_path if folder == "labelsTr" else tmp_path / folder, labels)
    sequence, file = open_sequence(nifti(tmp_path / folder / "a.nii"))
    expected = np.array([0, Label.MYO, Label.LV, Label.LA])[FRAME]
    assert (sequence.labels[:, :, 0] == expected).all()
    assert file.scheme.name == "dataset.json"
    plain, _ = open_sequence(tmp_path / folder / "a.nii", labels="camus")
    assert (plain.labels[:, :, 0] == FRAME).all()


def test_a_structure_that_is_not_ours_is_named_when_it_occurs(tmp_path):
    dataset(tmp_path, {"background": 0, "LV": 1, "RA": 2, "MYO": 3})
    path = nifti(tmp_path / "labelsTr" / "a.nii")
    with pytest.raises(LabelError, match=r"values \[2\] are not in the scheme 'dataset\.json'"):
        load_sequence(path)
    only = nifti(tmp_path / "labelsTr" / "b.nii", np.where(FRAME == 2, 0, FRAME))
    assert load_sequence(only).structures == (Label.LV, Label.MYO)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"labels": 3}',
        '{"labels": {"x": "LV"}}',
        '{"labels": {"1": "class 1", "2": "label_2"}}',
        '{"labels": {"whole": [1, 2]}}',
        "[" * 100_000,
    ],
)
def test_a_dataset_json_that_says_nothing_is_as_good_as_none(tmp_path, text):
    (tmp_path / "dataset.json").write_text(text)
    _, file = open_sequence(nifti(tmp_path / "a.nii"))
    assert file.scheme.name == "camus"


@pytest.mark.parametrize(
    "labels",
    [{"background": 0, "RV": 1}, {"LV": 1, "left ventricle": 2}, {"LV": 0, "LA": 1}, {"LV": 999}],
)
def test_names_without_one_left_ventricle_are_refused_and_not_taken_by_number(tmp_path, labels):
    dataset(tmp_path, labels)
    path = nifti(tmp_path / "a.nii")
    with pytest.raises(LabelError, match=r"a\.nii: labels 'dataset\.json': .* with --labels"):
        load_sequence(path)
    assert load_sequence(path, labels="camus").labels[0, 1, 0] == Label.LV


def test_a_dataset_json_that_changes_is_read_again(tmp_path):
    path = nifti(tmp_path / "a.nii", np.minimum(FRAME, 2))
    dataset(tmp_path, {"LV": 1, "MYO": 2})
    assert load_sequence(path).labels[0, 1, 0] == Label.LV
    dataset(tmp_path, {"LV": 2, "MYO": 1})
    os.utime(tmp_path / "dataset.json", ns=(10**18, 10**18))
    assert load_sequence(path).labels[0, 1, 0] == Label.MYO


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("LV", Label.LV),
        ("Left Ventricle", Label.LV),
        ("left-ventricular cavity", Label.LV),
        ("LVendo", Label.LV),
        ("1_LV_blood_pool", Label.LV),
        ("MYO", Label.MYO),
        ("LV myocardium", Label.MYO),
        ("left_ventricular_myocardium", Label.MYO),
        ("LVM", Label.MYO),
        ("LA", Label.LA),
        ("left atrium", Label.LA),
        ("background", None),
        ("RV", Label.RV),
        ("right ventricle", Label.RV),
        ("RA", None),
        ("aorta", None),
        ("", None),
    ],
)
def test_structures_are_known_by_their_usual_names(name, expected):
    assert structure_named(name) == expected


@pytest.mark.parametrize("name", ["masks.MOV", "masks.webm", "mask.jpg"])
def test_lossy_pictures_are_refused_with_the_reason_and_the_way_out(tmp_path, name):
    (tmp_path / name).write_bytes(b"x")
    message = r"lossy compression changes labels .* MPEG-4.* PNG or with ffmpeg .*ffv1"
    for use in (find_inputs, lambda paths: load_sequence(paths[0])):
        with pytest.raises(FileError, match=message):
            use([tmp_path / name])
