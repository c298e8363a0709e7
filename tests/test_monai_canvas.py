"""Label maps on the prior's grid, the loss there, and images as networks take them."""

from __future__ import annotations

import math

import nibabel
import numpy as np
import pytest
import torch
from monai.transforms import LoadImage
from monai_cases import broken, meta_tensor, sound

from cardiovae.errors import CardiovaeError, FileError
from cardiovae.monai import CanvasSharesd, EchoImageReader, GrayLevelsd, ShareLoss, hard_labels

pytestmark = pytest.mark.filterwarnings("ignore:NvImgCodecPydicomReader:UserWarning")


def test_shares_add_up_to_one_and_keep_the_area_of_the_heart():
    heart = sound()
    shares = CanvasSharesd("label")({"label": meta_tensor(heart)})["label"]
    assert shares.shape == (4, 128, 96, 3)
    torch.testing.assert_close(shares.sum(0), torch.ones(128, 96, 3))
    row, col = heart.spacing_mm
    for label in (1, 2):  # both lie within the canvas, whose pixels are 1.4 mm wide
        area = (heart.labels == label).sum((0, 1)) * row * col
        found = shares[label].sum((0, 1)).numpy() * 1.4**2
        np.testing.assert_allclose(found, area, rtol=1e-4)


def test_all_maps_are_placed_by_the_heart_of_the_first():
    """The island of the second lies far from its heart and would pull its center away."""
    item = {"label": meta_tensor(sound()), "image": meta_tensor(broken())}
    found = CanvasSharesd(("label", "image"))(item)
    apart = (found["label"] - found["image"]).abs().sum((0, 1, 2))
    assert torch.equal(apart[[0, 2]], torch.zeros(2))  # sound frames of both are the same pixels
    alone = CanvasSharesd("label")({"label": meta_tensor(sound())})["label"]
    assert torch.equal(found["label"], alone)


def test_a_map_without_a_heart_has_no_place_on_the_canvas():
    with pytest.raises(CardiovaeError, match="no LV and no myocardium"):
        CanvasSharesd("label")({"label": torch.zeros(1, 8, 8, 2)})


def test_the_loss_of_shares_is_what_it_is_on_paper():
    """One pixel for sure and one in doubt, among two classes of four.

    Cross-entropy: (0 + log 2) / 2. Dice of the class beside the background: prediction 1 and 0.5,
    truth 1 and 0: 2 * 1 / 2.5; the two empty classes count as perfect in MONAI.
    """
    told = torch.zeros(1, 4, 1, 2)
    told[0, 1, 0] = torch.tensor([1.0, 0.5])
    told[0, 0, 0, 1] = 0.5
    truth = torch.zeros(1, 4, 1, 2)
    truth[0, 1, 0, 0] = truth[0, 0, 0, 1] = 1
    expected = math.log(2) / 2 + (1 - 2 / 2.5) / 3
    assert float(ShareLoss()(told, truth)) == pytest.approx(expected, abs=1e-4)


def test_hard_labels_are_one_hot_maps_of_the_largest_share():
    shares = torch.tensor([[0.2, 0.6], [0.5, 0.3], [0.3, 0.1]])[:, None]
    (found,) = hard_labels([{"pred": shares}], "pred")
    assert found.tolist() == [[[0, 1]], [[1, 0]], [[0, 0]]]


def test_an_image_comes_with_spacing_time_and_the_lateral_axis_first(tmp_path):
    gray = np.arange(24, dtype=np.uint8).reshape(4, 3, 1, 2) * 10  # (X, Y, 1, T)
    image = nibabel.Nifti1Image(gray, np.diag([-0.5, -0.25, 1, 1]))
    image.header.set_zooms((0.5, 0.25, 1.0, 0.04))
    image.header.set_xyzt_units("mm", "sec")
    nibabel.save(image, tmp_path / "patient1_2CH.nii.gz")
    found = LoadImage(reader=EchoImageReader(), image_only=True)(tmp_path / "patient1_2CH.nii.gz")
    np.testing.assert_array_equal(found.numpy(), gray[:, :, 0])
    np.testing.assert_allclose(np.diag(found.affine), [0.5, 0.25, 1, 1])
    assert found.meta["frame_time_ms"] == pytest.approx(40)
    assert found.meta["view"] == "A2C"


@pytest.mark.parametrize("level", [300, 0.5])
def test_gray_levels_that_are_no_bytes_are_refused(tmp_path, level):
    path = tmp_path / "cine.nii.gz"
    nibabel.save(nibabel.Nifti1Image(np.full((4, 4, 2), level, np.float32), np.eye(4)), path)
    with pytest.raises(FileError, match="whole gray levels of 0 to 255"):
        EchoImageReader().read(path)
    image = LoadImage(reader=EchoImageReader(), image_only=True)(path)  # by another reader
    with pytest.raises(FileError, match=f"cine.nii.gz: an image .* got {level:g} to {level:g}"):
        GrayLevelsd("image")({"image": image[None]})


def test_gray_levels_become_shares_of_white_and_keep_their_place():
    image = meta_tensor(sound()) * 85
    scaled = GrayLevelsd("image")({"image": image})["image"]
    assert sorted(scaled.unique().tolist()) == pytest.approx([0, 1 / 3, 2 / 3, 1])
    assert torch.equal(scaled.affine, image.affine)
