"""Which image belongs to which label map."""

from __future__ import annotations

import pytest

from cardiovae.cli.images import find_images
from cardiovae.errors import ConfigError


def files(folder, *names):
    folder.mkdir(exist_ok=True, parents=True)
    for name in names:
        (folder / name).write_bytes(b"")
    return [folder / name for name in names]


def named(folder, *names):
    return {str(path): path for path in files(folder, *names)}


@pytest.mark.parametrize(
    ("label", "image"),
    [
        ("a.nii.gz", "a.nii.gz"),
        ("a.png", "a.nii.gz"),
        ("patient0001_2CH_half_sequence_gt.nii.gz", "patient0001_2CH_half_sequence.nii.gz"),
        ("case_007.nii.gz", "case_007_0000.nii.gz"),
        ("x_pred.mha", "x.mha"),
    ],
)
def test_an_image_has_the_name_of_its_label_map(tmp_path, label, image):
    sources = named(tmp_path / "labels", label, "other.nii.gz")
    files(tmp_path / "images", image, "other.nii.gz", "third.nii.gz")
    found = find_images(sources, tmp_path / "images")
    assert [path.name for path in found.values()] == [image, "other.nii.gz"]


def test_images_may_lie_beside_their_label_maps(tmp_path):
    sources = named(tmp_path, "a_gt.nii.gz", "b_gt.nii.gz")
    files(tmp_path, "a.nii.gz", "b.nii.gz")
    assert [p.name for p in find_images(sources, tmp_path).values()] == ["a.nii.gz", "b.nii.gz"]


def test_one_image_is_that_of_the_only_label_map(tmp_path):
    sources = named(tmp_path, "labels.nii.gz")
    (image,) = files(tmp_path / "b", "cine.nii.gz")
    assert list(find_images(sources, image).values()) == [image]


def test_a_folder_of_frames_is_one_cine(tmp_path):
    sources = named(tmp_path, "labels.nii.gz")
    files(tmp_path / "cine", "frame_00.png", "frame_01.png")
    assert list(find_images(sources, tmp_path / "cine").values()) == [tmp_path / "cine"]


def test_one_file_cannot_stand_for_several(tmp_path):
    (image,) = files(tmp_path / "b", "cine.nii.gz")
    with pytest.raises(ConfigError, match="is one file, and there are 2 inputs"):
        find_images(named(tmp_path, "a.nii.gz", "b.nii.gz"), image)


def test_a_label_map_without_image_is_named(tmp_path):
    files(tmp_path / "images", "a.nii.gz")
    with pytest.raises(ConfigError, match=r"no image for .*c\.nii\.gz and 1 others"):
        find_images(named(tmp_path, "a.nii.gz", "c.nii.gz", "d.nii.gz"), tmp_path / "images")


def test_two_images_of_one_name_are_refused(tmp_path):
    files(tmp_path / "images", "a.nii.gz", "a.png", "b.png")
    with pytest.raises(ConfigError, match="may both be the image"):
        find_images(named(tmp_path, "a.nii.gz", "b.nii.gz"), tmp_path / "images")
