from __future__ import annotations

import json
import pickle

import nibabel
import numpy as np
import pytest
from cli_cases import run, write
from monai_cases import SPACING_MM, broken

from cardiovae.audit.audit import audit_sequence
from cardiovae.errors import ConfigError, FileError, LabelError
from cardiovae.nnunet import correct_segmentation, save_postprocessing


def as_nnunet(sequence) -> np.ndarray:
    """(z, y, x) float32, as its readers give a segmentation."""
    return np.ascontiguousarray(sequence.labels.transpose(2, 0, 1)).astype(np.float32)


def apply_postprocessing(segmentation, pp_fns, pp_fn_kwargs):
    """What nnU-Net 2 does with the content of the file."""
    for fn, kwargs in zip(pp_fns, pp_fn_kwargs, strict=True):
        segmentation = fn(segmentation, **kwargs)
    return segmentation


def test_the_file_does_its_work_the_way_nnunet_runs_it(tmp_path):
    path = tmp_path / "postprocessing.pkl"
    save_postprocessing(path, prior="phantom", spacing_mm=SPACING_MM)
    given = as_nnunet(broken())
    with path.open("rb") as stream:
        result = apply_postprocessing(given, *pickle.load(stream))
    assert result.shape == given.shape
    assert result.dtype == given.dtype
    labels = result.astype(np.uint8).transpose(1, 2, 0)
    assert audit_sequence(broken().with_labels(labels)).passed
    assert np.array_equal(given, as_nnunet(broken()))


def test_a_map_upside_down_is_corrected_alike():
    settings = {"prior": "phantom", "spacing_mm": SPACING_MM}
    up = correct_segmentation(as_nnunet(broken()), **settings)
    down = correct_segmentation(as_nnunet(broken())[:, ::-1], upside_down=True, **settings)
    assert np.array_equal(up, down[:, ::-1])


def test_what_would_fail_later_is_refused_when_the_file_is_made(tmp_path):
    path = tmp_path / "postprocessing.pkl"
    with pytest.raises(ConfigError, match="unknown arguments"):
        save_postprocessing(path, criterion="camus")
    with pytest.raises(ConfigError):
        save_postprocessing(path, criteria="camu")
    with pytest.raises(ConfigError):
        save_postprocessing(path, labels="la=3")
    save_postprocessing(path)
    with pytest.raises(FileError):
        save_postprocessing(path)


def test_scores_and_other_shapes_are_refused():
    with pytest.raises(LabelError, match="scores"):
        correct_segmentation(np.full((2, 8, 8), 0.5))
    with pytest.raises(ConfigError, match=r"\(T, H, W\)"):
        correct_segmentation(np.zeros((8, 8)))


def test_a_folder_of_predictions_is_corrected_by_the_names_in_its_dataset_json(tmp_path, capsys):
    folder = tmp_path / "predictions"
    values = np.array([0, 2, 1, 3], np.uint8)[broken().labels]  # MYO is 1 and LV is 2 there
    for case in ("heart_001", "heart_002"):
        write(folder / f"{case}.nii.gz", values, SPACING_MM)
    names = {"background": 0, "LV_myo": 1, "LV_endo": 2, "LA": 3}
    (folder / "dataset.json").write_text(json.dumps({"labels": names, "file_ending": ".nii.gz"}))
    done = run(
        capsys, "correct", folder, "-o", tmp_path / "out", "--prior", "phantom", "--no-report",
        "--uncertainty", "none", "--workers", "1",
    )  # fmt: skip
    assert done.code == 0, done.err
    for case in ("heart_001", "heart_002"):
        image = nibabel.load(tmp_path / "out" / case / "labels.nii.gz")
        stored = np.asarray(image.dataobj).transpose(1, 0, 2)
        labels = np.array([0, 2, 1, 3], np.uint8)[stored]
        assert audit_sequence(broken().with_labels(labels)).passed
        assert (stored[:, :, 0] == values[:, :, 0]).mean() > 0.98
