from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK
from cli_cases import run, write
from dicom_cases import region, ultrasound
from PIL import Image

from cardiovae.cli.exits import ExitCode
from cardiovae.io import load_sequence

FRAME = np.array([[0, 1, 1, 0], [2, 2, 2, 0], [3, 3, 0, 0]], np.uint8)
CINE = np.stack([FRAME, np.roll(FRAME, 1, axis=1)], axis=2)  # (3, 4, 2)


def converted(capsys, path: Path, out: Path, to: str, *words: object) -> Path:
    """The one result of a conversion."""
    done = run(capsys, "convert", path, "-o", out, "--to", to, *words)
    assert (done.code, done.err) == (ExitCode.OK, "")
    (result,) = (p for p in out.iterdir() if p.suffix != ".raw" and p.suffix != ".zraw")
    return result


def test_labels_and_spacing_survive_every_format_in_a_row(capsys, tmp_path):
    path = tmp_path / "seq.npz"
    np.savez(path, labels=CINE, axes="HWT", spacing_mm=[0.154, 0.308], frame_time_ms=20.0)
    formats = ["npz", "nii.gz", "nii", "npz", "mha", "mhd", "nii.gz"]
    for number, (before, to) in enumerate(pairwise(formats)):
        path = converted(capsys, path, tmp_path / str(number), to)
        assert path.name == f"seq.{to}"
        sequence = load_sequence(path)
        assert (sequence.labels == CINE).all(), (before, to)
        assert sequence.spacing_mm == (0.154, 0.308)
        timeless = number >= formats.index("mha") - 1  # MetaImage knows no time
        assert sequence.frame_time_ms == (None if timeless else 20.0)


def test_values_stay_what_they_were(capsys, tmp_path):
    path = write(tmp_path / "a.nii", CINE * np.uint8(7), (0.5, 0.5))
    result = converted(capsys, path, tmp_path / "out", "mha", "--labels", "lv=7,myo=14,la=21")
    pixels = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(result))
    assert (pixels.transpose(1, 2, 0) == CINE * 7).all()
    assert SimpleITK.ReadImage(result).GetSpacing()[:2] == (0.5, 0.5)


def test_frames_become_a_folder_of_png_and_one_frame_a_file(capsys, tmp_path):
    result = converted(capsys, write(tmp_path / "a.nii", CINE, None), tmp_path / "out", "png")
    assert sorted(p.name for p in result.iterdir()) == ["a_0000.png", "a_0001.png"]
    assert (load_sequence(result).labels == CINE).all()
    single = write(tmp_path / "b.nii", FRAME[:, :, None], None)
    result = converted(capsys, single, tmp_path / "one", "png")
    assert result.name == "b.png"
    with Image.open(result) as image:
        assert (np.asarray(image) == FRAME).all()


def test_dicom_and_png_become_nifti(capsys, tmp_path):
    path = ultrasound(tmp_path / "a.dcm", CINE, SequenceOfUltrasoundRegions=[region(0.02, 0.03)])
    result = converted(capsys, path, tmp_path / "out", "nii.gz")
    assert (np.asarray(nib.load(result).dataobj).transpose(1, 0, 2) == CINE).all()
    frames = converted(capsys, result, tmp_path / "png", "png")
    back = converted(capsys, frames, tmp_path / "back", "nii", "--spacing", "0.2,0.3")
    again = load_sequence(back)
    assert (again.labels == CINE).all()
    assert again.spacing_mm == (0.2, 0.3)


def test_within_a_format_the_header_is_kept_unless_something_is_said(capsys, tmp_path):
    path = write(tmp_path / "a.nii", CINE.astype(np.int16), (0.5, 0.25))
    same = converted(capsys, path, tmp_path / "out", "nii")
    assert same.read_bytes() == path.read_bytes()
    other = converted(capsys, path, tmp_path / "new", "nii", "--frame-time", "20")
    assert load_sequence(other).spacing_mm == (0.5, 0.25)
    assert load_sequence(other).frame_time_ms == 20.0


def test_what_a_manifest_says_goes_into_the_new_file(capsys, tmp_path):
    path = write(tmp_path / "a.nii", CINE, None)
    content = "sequence_id,labels_path,spacing_row_mm,spacing_col_mm,frame_time_ms\n"
    (tmp_path / "cohort.csv").write_text(f"one,{path.name},0.2,0.3,40\n".join([content, ""]))
    result = converted(capsys, tmp_path / "cohort.csv", tmp_path / "out", "nii")
    sequence = load_sequence(result)
    assert (sequence.spacing_mm, sequence.frame_time_ms) == ((0.2, 0.3), 40.0)


def test_nothing_is_replaced_unless_asked_and_one_failure_stops_nothing(capsys, tmp_path):
    write(tmp_path / "in" / "a.nii", CINE, None)
    write(tmp_path / "in" / "b.nii", CINE, None)
    (tmp_path / "in" / "c.nii").write_bytes(b"no")
    words = ("convert", tmp_path / "in", "-o", tmp_path / "out", "--to", "npz")
    done = run(capsys, *words)
    assert done.code == ExitCode.SOME_FAILED
    assert done.out.endswith(f"2 of 3 sequences written to {tmp_path}/out\n")
    again = run(capsys, *words)
    assert again.err.count("exists already") == 2
    assert run(capsys, *words, "--overwrite").err.count("error") == 1


@pytest.mark.parametrize("to", ["dcm", "npy", "avi"])
def test_a_format_that_is_not_written_is_a_usage_error(capsys, tmp_path, to):
    write(tmp_path / "a.nii", CINE, None)
    done = run(capsys, "convert", tmp_path / "a.nii", "-o", tmp_path / "out", "--to", to)
    assert done.code == ExitCode.USAGE
