from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from cli_cases import write
from monai.data import MetaTensor
from monai.transforms import Compose, EnsureChannelFirstd, LoadImaged, Orientationd, SaveImaged
from monai_cases import SPACING_MM, broken, sound, stored

from cardiovae.errors import CardiovaeError, FileError
from cardiovae.io.files import header_bytes, load_sequence, save_labels_as
from cardiovae.labels import CAMUS
from cardiovae.monai import CorrectSegmentationd, EchoReader, EchoWriter
from cardiovae.sequence import EchoSequence

# Of MONAI where pydicom is installed without nvImageCodec: about DICOM, which nothing here reads.
pytestmark = pytest.mark.filterwarnings("ignore:NvImgCodecPydicomReader:UserWarning")


def timed() -> EchoSequence:
    sequence = broken()
    return EchoSequence(sequence.labels, SPACING_MM, frame_time_ms=40.0, view="A4C")


def load(path) -> dict:
    chain = Compose([LoadImaged("pred", reader=EchoReader()), EnsureChannelFirstd("pred")])
    return chain({"pred": str(path)})


def save(folder, **options) -> SaveImaged:
    return SaveImaged(
        "pred", output_dir=folder, writer=EchoWriter, output_ext=".nii.gz",
        output_postfix="fixed", separate_folder=False, print_log=False, **options,
    )  # fmt: skip


def test_a_file_comes_with_spacing_time_and_view_and_goes_with_its_own_header(tmp_path):
    path = tmp_path / "heart_4CH.nii.gz"
    save_labels_as(path, timed(), CAMUS)
    sample = load(path)
    image = sample["pred"]
    assert np.array_equal(np.asarray(image), stored(timed())[None])
    assert image.pixdim[:2].tolist() == [SPACING_MM[1], SPACING_MM[0]]
    assert (image.meta["frame_time_ms"], image.meta["view"]) == (40.0, "A4C")
    done = save(tmp_path / "out")(CorrectSegmentationd("pred", prior="phantom")(sample))
    facts = done["pred"].meta["cardiovae"]
    assert facts["correction"]["status"] == "corrected"
    written = tmp_path / "out" / "heart_4CH_fixed.nii.gz"
    assert header_bytes(written) == header_bytes(path)
    back = load_sequence(written)
    assert (back.spacing_mm, back.frame_time_ms) == (SPACING_MM, 40.0)
    assert np.array_equal(back.labels.transpose(1, 0, 2), np.asarray(done["pred"][0]))


def test_a_format_that_monai_does_not_know_is_read_and_an_unknown_spacing_stays_unknown(tmp_path):
    path = tmp_path / "heart.npz"
    np.savez(path, sound().labels)
    image = load(path)["pred"]
    assert np.array_equal(np.asarray(image[0]), stored(sound()))
    assert math.isnan(image.meta["frame_time_ms"])
    assert image.meta["view"] == ""
    from cardiovae.monai import AuditSegmentation

    assert math.isnan(AuditSegmentation()(image).meta["cardiovae"]["audit"]["row_mm"])


def test_values_are_those_of_the_file(tmp_path):
    values = np.array([0, 30, 20, 10], np.uint8)[sound().labels]
    path = write(tmp_path / "heart.nii.gz", values, SPACING_MM)
    reader = EchoReader(labels="lv=30,myo=20,la=10")
    array, meta = reader.get_data(reader.read(str(path)))
    assert np.array_equal(array, values.transpose(1, 0, 2))
    assert meta["labels"] == "lv=30,myo=20,la=10"
    assert reader.verify_suffix("a.mkv")
    assert not reader.verify_suffix(["a.nii", "b.txt"])
    with pytest.raises(FileError, match="one file is one sequence"):
        reader.read([path, path])


def test_nothing_is_overwritten_and_turned_labels_are_refused(tmp_path):
    path = write(tmp_path / "heart.nii.gz", sound().labels, SPACING_MM)
    image = load(path)["pred"]
    writer = EchoWriter()
    writer.set_data_array(image)
    writer.set_metadata(image.meta)
    writer.write(tmp_path / "again.nii.gz")
    with pytest.raises(FileError, match=r"again\.nii\.gz"):
        writer.write(tmp_path / "again.nii.gz")
    writer.write(tmp_path / "again.nii.gz", overwrite=True)
    turned = Orientationd("pred", "LPS", labels=None)({"pred": image})["pred"]
    writer.set_data_array(turned)
    with pytest.raises(CardiovaeError, match="turned"):
        writer.write(tmp_path / "turned.nii.gz")


def test_labels_from_nowhere_are_refused():
    writer = EchoWriter()
    writer.set_data_array(MetaTensor(torch.from_numpy(stored(sound())[None])))
    writer.set_metadata({})
    with pytest.raises(FileError, match="NibabelWriter"):
        writer.write("x.nii.gz")
