"""Images that belong to label maps, from files of all kinds."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from PIL import Image

from cardiovae.crisp.files import load_image
from cardiovae.crisp.images import canvas_images, gray_levels
from cardiovae.errors import FileError
from cardiovae.prior.grid import CANVAS_MM, ORIGIN_MM, Placement
from cardiovae.sequence import EchoSequence

H, W, T = 6, 5, 7
PIXELS = np.random.default_rng(0).integers(0, 200, (H, W, T)).astype(np.uint8)
LIKE = EchoSequence(np.zeros((H, W, T), np.uint8))
FIRST = EchoSequence(np.zeros((H, W, 1), np.uint8))


def save(path, values):
    """Rows, columns, frames as each format stores them."""
    if path.suffix in (".npy", ".npz"):
        np.savez(path, images=values) if path.suffix == ".npz" else np.save(path, values)
    elif path.suffix == ".mha":
        sitk.WriteImage(sitk.GetImageFromArray(np.moveaxis(values, 2, 0)), str(path))
    else:
        nib.save(nib.Nifti1Image(values.transpose(1, 0, 2), np.eye(4)), path)
    return path


@pytest.mark.parametrize("name", ["i.nii.gz", "i.mha", "i.npy", "i.npz"])
def test_every_format_gives_rows_columns_frames(tmp_path, name):
    found = load_image(save(tmp_path / name, PIXELS), LIKE)
    assert np.array_equal(found, gray_levels(PIXELS))


def test_a_folder_of_png_files_is_a_cine_and_colors_are_averaged(tmp_path):
    for t in range(T):
        colors = np.stack([PIXELS[:, :, t] + more for more in (7, 10, 13)], -1)
        Image.fromarray(colors).save(tmp_path / f"frame_{t}.png")
    found = load_image(tmp_path, LIKE)
    assert found == pytest.approx(gray_levels(PIXELS), abs=1e-6)


def test_one_frame_may_lack_its_axis(tmp_path):
    np.save(tmp_path / "i.npy", PIXELS[:, :, 0])
    assert load_image(tmp_path / "i.npy", FIRST).shape == (H, W, 1)


def test_an_image_of_another_shape_is_refused_with_both_shapes(tmp_path):
    with pytest.raises(FileError, match=r"\(6, 5, 7\).*\(6, 5, 1\)"):
        load_image(save(tmp_path / "i.npy", PIXELS), FIRST)


@pytest.mark.parametrize("name", ["i.npy", "i.nii.gz", "i.png", "i.txt"])
def test_what_is_no_image_is_refused(tmp_path, name):
    (tmp_path / name).write_bytes(b"nothing")
    with pytest.raises(FileError, match=name.replace(".", r"\.")):
        load_image(tmp_path / name, LIKE)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(FileError, match="does not exist"):
        load_image(tmp_path / "absent.nii", LIKE)


def test_gray_levels_do_not_depend_on_number_type_and_scale():
    one = gray_levels(PIXELS)
    for other in (PIXELS.astype(np.int16) * 100 - 7, PIXELS / 255, PIXELS.astype(np.float32)):
        assert gray_levels(other) == pytest.approx(one, abs=1e-6)
    assert one.min() == 0
    assert one.max() == 1


def test_a_black_image_stays_black():
    assert not gray_levels(np.zeros((4, 4, 1))).any()


def test_gray_levels_that_are_not_finite_are_refused():
    with pytest.raises(FileError, match="finite"):
        gray_levels(np.array([[[np.nan]]]))


def test_an_image_keeps_its_mean_and_place_on_the_canvas_and_is_black_beyond():
    images = np.zeros((100, 100, 1), np.float32)
    images[40:44, 60:64] = 1  # 2.8 mm: two canvas pixels
    center = (41.5 - 7.0 / 0.7, 61.5 + 14.0 / 0.7)
    canvas = canvas_images(images, Placement((100, 100), center, (0.7, 0.7)))[0]
    rows, cols = np.mgrid[:128, :96]
    at = [(canvas * a).sum() / canvas.sum() * CANVAS_MM for a in (rows + 0.5, cols + 0.5)]
    assert at == pytest.approx([ORIGIN_MM[0] + 7.0, ORIGIN_MM[1] - 14.0], abs=0.01)
    assert canvas.sum() * CANVAS_MM**2 == pytest.approx(16 * 0.7**2, rel=1e-4)
    bright = canvas_images(images + 1, Placement((100, 100), center, (0.7, 0.7)))[0]
    assert bright[0, 0] == 0


@pytest.mark.parametrize("keep", [0, 9, 60, 0.5, 0.9])
@pytest.mark.parametrize("name", ["i.nii.gz", "i.nii", "i.mha", "i.npy", "i.npz"])
def test_a_torn_image_is_named_as_such(tmp_path, name, keep):
    path = save(tmp_path / name, PIXELS)
    whole = path.read_bytes()
    path.write_bytes(whole[: keep if isinstance(keep, int) else int(keep * len(whole))])
    with pytest.raises(FileError, match="cannot be read as an image"):
        load_image(path, LIKE)


def test_a_torn_frame_of_a_cine_is_an_error_too(tmp_path):
    for t in range(T):
        Image.fromarray(PIXELS[:, :, t]).save(tmp_path / f"frame_{t}.png")
    torn = tmp_path / "frame_3.png"
    torn.write_bytes(torn.read_bytes()[:40])
    with pytest.raises(FileError, match="cannot be read as an image"):
        load_image(tmp_path, LIKE)
