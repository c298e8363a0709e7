from __future__ import annotations

import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
from cli_cases import run
from dicom_cases import (
    LABEL_MAP,
    at_indices,
    dicom,
    item,
    of_image_frame,
    region,
    segmentation,
    ultrasound,
)
from pydicom.data import get_testdata_file
from pydicom.encaps import encapsulate
from pydicom.uid import DeflatedExplicitVRLittleEndian, RLELossless

from cardiovae.cli.exits import ExitCode
from cardiovae.errors import FileError, LabelError
from cardiovae.io import (
    find_inputs,
    header_bytes,
    load_sequence,
    open_sequence,
    save_labels,
    save_map,
)
from cardiovae.labels import Label

FRAME = np.array([[0, 1, 1, 0], [2, 2, 2, 0], [3, 3, 0, 0]], np.uint8)
CINE = np.stack([FRAME, np.roll(FRAME, 1, axis=1)], axis=2)  # (3, 4, 2)
CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
NAMES = {1: "LV cavity", 2: "Myocardium", 3: "Left atrium"}


def test_pixels_of_an_image_are_label_values_and_its_region_the_spacing(tmp_path):
    path = ultrasound(
        tmp_path / "a.dcm",
        CINE,
        SequenceOfUltrasoundRegions=[region(0.0154, 0.0308)],
        FrameTime="20.0",
    )
    sequence, file = open_sequence(path)
    assert (sequence.labels == CINE).all()
    assert (sequence.spacing_mm, sequence.frame_time_ms) == ((0.154, 0.308), 20.0)
    assert (file.kind, file.extension, file.notes) == ("dicom", ".nii.gz", ())
    assert "Nobody" not in repr(file)


def test_runs_of_length_are_unpacked(tmp_path):
    path = ultrasound(tmp_path / "a.dcm", CINE)
    dataset = pydicom.dcmread(path)
    dataset.compress(RLELossless)
    dataset.save_as(path)
    assert (load_sequence(path).labels == CINE).all()


def test_a_single_gray_color_frame_is_read_a_color_is_not(tmp_path):
    gray = np.repeat(FRAME[:, :, None], 3, axis=2)
    color = {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 0}
    path = dicom(tmp_path / "a.dcm", CAPTURE, gray.tobytes(), (1, 3, 4), **color)
    assert (load_sequence(path).labels[:, :, 0] == FRAME).all()
    gray[0, 0, 0] = 200
    path = dicom(tmp_path / "b.dcm", CAPTURE, gray.tobytes(), (1, 3, 4), **color)
    with pytest.raises(FileError, match=r"color picture \(RGB, colors .*\(200, 0, 0\)"):
        load_sequence(path)


ECG = region(1, 1, RegionDataType=10)


@pytest.mark.parametrize(
    ("regions", "spacing_mm", "note"),
    [
        ([ECG, region(0.02, 0.03)], (0.2, 0.3), None),
        ([region(-0.02, 0.02)], (0.2, 0.2), None),
        ([region(0.02, 0.02), region(0.02, 0.0201)], (0.2, 0.2), None),
        (
            [region(0.02, 0.02), region(0.03, 0.02)],
            None,
            "differ, 0.2 x 0.2 and 0.3 x 0.2",
        ),
        ([ECG], None, "none of the ultrasound regions is tissue"),
        ([region(0.02, 0.02, PhysicalUnitsXDirection=4)], None, "not cm"),
        ([region(0.02, 0.02, RegionLocationMaxX1=600)], None, "image was resized"),
        ([region(0.0, 0.02)], None, "pixels of 0 x 0.2 mm"),
        ([region(float("nan"), 0.02)], None, "pixels of nan"),
    ],
)
def test_only_tissue_regions_in_cm_within_the_image_calibrate(tmp_path, regions, spacing_mm, note):
    path = ultrasound(tmp_path / "a.dcm", CINE, SequenceOfUltrasoundRegions=regions)
    sequence, file = open_sequence(path)
    assert sequence.spacing_mm == spacing_mm
    assert note is None or note in file.notes[0]


@pytest.mark.parametrize(
    ("elements", "step_ms", "note"),
    [
        ({"FrameTime": "33.3", "CineRate": 50}, 33.3, None),
        ({"FrameTimeVector": ["0", "20"]}, 20.0, None),
        ({"CineRate": 40}, 25.0, None),
        ({"RecommendedDisplayFrameRate": 50}, 20.0, "rate of display"),
        ({"FrameTime": "0", "CineRate": 40}, 25.0, None),
        ({}, None, None),
    ],
)
def test_the_frame_time_is_taken_from_the_first_element_that_has_one(
    tmp_path, elements, step_ms, note
):
    sequence, file = open_sequence(ultrasound(tmp_path / "a.dcm", CINE, **elements))
    assert sequence.frame_time_ms == step_ms
    assert [note] == [None] if note is None else note in file.notes[0]


def test_steps_that_vary_are_no_frame_time(tmp_path):
    three = np.concatenate([CINE, CINE[:, :, :1]], axis=2)
    path = ultrasound(tmp_path / "a.dcm", three, FrameTimeVector=["0", "20", "30"], CineRate=40)
    sequence, file = open_sequence(path)
    assert sequence.frame_time_ms is None
    assert file.notes == ("frame time unknown: the steps between frames vary from 20 to 30 ms",)


def frames(labels: np.ndarray, place) -> list:
    """One mask per segment and instant, segment by segment."""
    return [
        (number, labels[:, :, t] == number, place(number, t))
        for number in (1, 2, 3)
        for t in range(labels.shape[2])
    ]


@pytest.mark.parametrize(
    "place",
    [
        lambda number, t: of_image_frame(10 - t),
        lambda number, t: at_indices(number, 7 - t),
        lambda number, t: {},
    ],
)
def test_the_masks_of_segments_are_put_together_instant_by_instant(tmp_path, place):
    dimensions = [item(DimensionIndexPointer=tag) for tag in (0x0062000B, 0x00209057)]
    path = segmentation(
        tmp_path / "a.dcm", frames(CINE, place), NAMES, DimensionIndexSequence=dimensions
    )
    reversed_in_time = bool(place(1, 0))  # the first two count backwards
    expected = CINE[:, :, ::-1] if reversed_in_time else CINE
    sequence, file = open_sequence(path)
    assert (sequence.labels == expected).all()
    assert file.scheme.name == "segments of the file"


def test_segments_are_known_by_their_names_and_codes_not_by_their_numbers(tmp_path):
    swapped = np.array([0, 2, 3, 1], np.uint8)[FRAME]  # segment 2 is the LV, 3 the MYO, 1 the LA
    coded = [item(CodeMeaning="Myocardium")]
    segments = [
        item(SegmentNumber=1, SegmentLabel="left_atrium"),
        item(SegmentNumber=2, SegmentLabel="LV"),
        item(SegmentNumber=3, SegmentLabel="wall, mine", SegmentedPropertyTypeCodeSequence=coded),
    ]
    masks = [(n, swapped == n, {}) for n in (1, 2, 3)]
    path = segmentation(tmp_path / "a.dcm", masks, {}, SegmentSequence=segments)
    sequence, file = open_sequence(path)
    assert (sequence.labels[:, :, 0] == FRAME).all()
    assert dict(file.scheme.values) == {Label.LV: 2, Label.MYO: 3, Label.LA: 1}
    assert (load_sequence(path, labels="camus").labels[:, :, 0] == swapped).all()


def test_segments_without_telling_names_go_by_number_others_are_refused(tmp_path):
    masks = [(n, n == FRAME, {}) for n in (1, 2, 3)]
    plain = segmentation(tmp_path / "a.dcm", masks, {n: f"Segment_{n}" for n in NAMES})
    assert (load_sequence(plain).labels[:, :, 0] == FRAME).all()
    other = segmentation(tmp_path / "b.dcm", masks, {1: "Liver", 2: "Spleen", 3: "Kidney"})
    with pytest.raises(LabelError, match=r"1: Liver, 2: Spleen, 3: Kidney\); say with --labels"):
        load_sequence(other)


def test_segments_that_overlap_are_refused(tmp_path):
    masks = [(1, FRAME > 0, {}), (2, FRAME == 2, {})]
    path = segmentation(tmp_path / "a.dcm", masks, NAMES)
    with pytest.raises(FileError, match="segments 1 and 2 overlap in 3 pixels"):
        load_sequence(path)


def test_frames_of_the_image_without_a_segment_are_left_out_and_counted(tmp_path):
    masks = [(1, FRAME == 1, of_image_frame(2)), (1, FRAME == 2, of_image_frame(6))]
    sequence, file = open_sequence(segmentation(tmp_path / "a.dcm", masks, NAMES))
    assert sequence.labels.shape == (3, 4, 2)
    assert file.notes == ("3 frames between the first and the last have no segment; left out",)


def test_slices_of_a_volume_are_no_sequence(tmp_path):
    places = [{"PlanePositionSequence": [item(ImagePositionPatient=[0, 0, z])]} for z in (0, 5)]
    masks = [(1, FRAME == 1, place) for place in places]
    with pytest.raises(FileError, match="volume of slices"):
        load_sequence(segmentation(tmp_path / "a.dcm", masks, NAMES))


def test_a_label_map_segmentation_and_its_pixel_measures_are_read(tmp_path):
    measures = item(PixelMeasuresSequence=[item(PixelSpacing=[0.154, 0.308])])
    stored = np.moveaxis(CINE, 2, 0)
    path = dicom(
        tmp_path / "a.dcm",
        LABEL_MAP,
        stored.tobytes(),
        stored.shape,
        SegmentationType="LABELMAP",
        SegmentSequence=[item(SegmentNumber=n, SegmentLabel=name) for n, name in NAMES.items()],
        PerFrameFunctionalGroupsSequence=[item(**at_indices(2)), item(**at_indices(1))],
        DimensionIndexSequence=[item(DimensionIndexPointer=0x00209057)],
        SharedFunctionalGroupsSequence=[measures],
    )
    sequence = load_sequence(path)
    assert (sequence.labels == CINE[:, :, ::-1]).all()
    assert sequence.spacing_mm == (0.154, 0.308)


def test_a_fractional_segmentation_is_refused(tmp_path):
    path = segmentation(tmp_path / "a.dcm", [(1, FRAME == 1, {})], NAMES)
    dataset = pydicom.dcmread(path)
    dataset.SegmentationType = "FRACTIONAL"
    dataset.save_as(path)
    with pytest.raises(FileError, match="are fractions, not labels"):
        load_sequence(path)


def test_a_segmentation_that_others_made_is_understood(tmp_path):
    dataset = pydicom.dcmread(get_testdata_file("liver_1frame.dcm"))
    with pytest.raises(FileError, match="describes 3 frames and holds 1"):
        load_sequence(dataset.filename)
    dataset.PerFrameFunctionalGroupsSequence = dataset.PerFrameFunctionalGroupsSequence[:1]
    path = tmp_path / "a.dcm"
    dataset.save_as(path)
    with pytest.raises(LabelError, match=r"1: Liver\); say with --labels"):
        load_sequence(path)
    sequence = load_sequence(path, labels="lv")
    assert sequence.labels.shape == (512, 512, 1)
    # Counted in the file itself: one bit per pixel, padded with zeros.
    assert (
        sequence.labels.sum() == int.from_bytes(pydicom.dcmread(path).PixelData, "big").bit_count()
    )


def test_a_cine_compressed_with_loss_is_refused_with_the_reason():
    with pytest.raises(FileError, match=r"\(JPEG Baseline .*\) with loss, which changes labels"):
        load_sequence(get_testdata_file("examples_ybr_color.dcm"))
    with pytest.raises(FileError, match="not read; decompress it, as with gdcmconv"):
        load_sequence(get_testdata_file("MR_small_jp2klossless.dcm"))


def test_a_region_that_others_wrote_for_a_larger_image_is_not_believed(tmp_path):
    dataset = pydicom.dcmread(get_testdata_file("examples_ybr_color.dcm"))
    assert (dataset.Rows, dataset.Columns) == (240, 320)
    path = ultrasound(
        tmp_path / "a.dcm",
        np.zeros((240, 320, 2), np.uint8),
        SequenceOfUltrasoundRegions=dataset.SequenceOfUltrasoundRegions,
        FrameTime=dataset.FrameTime,
    )
    sequence, file = open_sequence(path)
    assert (sequence.spacing_mm, sequence.frame_time_ms) == (None, 33.333)
    assert "resized after it was calibrated" in file.notes[0]
    whole = ultrasound(
        tmp_path / "b.dcm",
        np.zeros((480, 640, 2), np.uint8),
        SequenceOfUltrasoundRegions=dataset.SequenceOfUltrasoundRegions,
    )
    assert load_sequence(whole).spacing_mm == (0.510497055948, 0.510497055948)


def damaged(path: Path, **elements: object) -> Path:
    dataset = pydicom.dcmread(ultrasound(path, CINE))
    for name, value in elements.items():
        setattr(dataset, name, value)
    dataset.save_as(path)
    return path


@pytest.mark.parametrize(
    ("elements", "message"),
    [
        ({"Rows": 60000, "Columns": 60000}, "claims 2 x 60000 x 60000 pixels"),
        ({"Rows": 300}, r"cut short: .* 2 x 300 x 4 pixels, which 24 bytes"),
        ({"NumberOfFrames": -1}, "cut short|or is damaged"),
        ({"PixelData": b""}, "cut short"),
        ({"RescaleSlope": 2}, r"scaled \(RescaleSlope\)"),
        ({"PhotometricInterpretation": "YBR_FULL", "SamplesPerPixel": 3, "Columns": 1}, "colors"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.66.4"}, "or is damaged"),
    ],
)
def test_a_header_that_does_not_fit_is_a_file_error(tmp_path, elements, message):
    path = damaged(tmp_path / "a.dcm", **elements)
    with pytest.raises(FileError, match=rf"a\.dcm: .*({message})"):
        load_sequence(path)


def test_what_is_no_dicom_is_a_file_error(tmp_path):
    content = ultrasound(tmp_path / "a.dcm", CINE).read_bytes()
    for other in (b"text", content[:300], content[128:], b"\0" * 128 + b"DICM"):
        (tmp_path / "a.dcm").write_bytes(other)
        with pytest.raises(FileError, match=r"a\.dcm: "):
            load_sequence(tmp_path / "a.dcm")


def test_a_bomb_of_run_lengths_or_deflate_is_not_unpacked(tmp_path):
    path = damaged(tmp_path / "a.dcm", Rows=16000, Columns=16000, NumberOfFrames=1)
    dataset = pydicom.dcmread(path)
    dataset.file_meta.TransferSyntaxUID = RLELossless
    dataset.PixelData = encapsulate([bytes(100)])
    dataset["PixelData"].is_undefined_length = True
    dataset.save_as(path)
    with pytest.raises(FileError, match=r"16000 pixels, which .* cannot hold"):
        load_sequence(path)
    dataset = pydicom.dcmread(ultrasound(tmp_path / "b.dcm", CINE))
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    dataset.save_as(tmp_path / "b.dcm")
    with pytest.raises(FileError, match="deflated DICOM file; save it uncompressed"):
        load_sequence(tmp_path / "b.dcm")


def test_run_lengths_of_fewer_frames_than_promised_are_a_file_error(tmp_path):
    path = ultrasound(tmp_path / "a.dcm", CINE[:, :, :1])
    dataset = pydicom.dcmread(path)
    dataset.compress(RLELossless)
    dataset.NumberOfFrames = 3
    dataset.save_as(path)
    with pytest.raises(FileError, match="or is damaged"):
        load_sequence(path)


def test_without_pydicom_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pydicom", None)
    (tmp_path / "a.dcm").write_bytes(b"x")
    with pytest.raises(FileError, match=r"pip install 'cardiovae\[dicom\]'"):
        load_sequence(tmp_path / "a.dcm")


def test_a_file_without_its_suffix_is_recognized_by_its_mark(tmp_path):
    path = ultrasound(tmp_path / "IM_0001", CINE)
    with pytest.raises(FileError, match=r"without its suffix; name it IM_0001\.dcm"):
        find_inputs([path])


def test_a_correction_is_written_as_nifti_with_spacing_and_time(tmp_path):
    path = ultrasound(
        tmp_path / "a.dcm",
        CINE,
        SequenceOfUltrasoundRegions=[region(0.02, 0.03)],
        FrameTime="25",
    )
    sequence, file = open_sequence(path)
    save_labels(tmp_path / "b.nii.gz", sequence, file)
    image = nib.load(tmp_path / "b.nii.gz")
    assert image.shape == (4, 3, 1, 2)
    assert image.get_data_dtype() == np.uint8
    assert np.allclose(image.header.get_zooms(), (0.3, 0.2, 1.0, 25.0))
    assert image.header.get_xyzt_units() == ("mm", "msec")
    again = load_sequence(tmp_path / "b.nii.gz")
    assert (again.labels == CINE).all()
    assert (again.spacing_mm, again.frame_time_ms) == ((0.2, 0.3), 25.0)
    save_map(tmp_path / "u.nii", np.zeros((3, 4, 2), np.float32), file)
    with pytest.raises(FileError, match="DICOM is read, not written"):
        save_labels(tmp_path / "b.dcm", sequence, file)
    with pytest.raises(FileError, match="not compared as bytes"):
        header_bytes(path)


def test_what_is_unknown_stays_unknown_in_the_nifti(tmp_path):
    sequence, file = open_sequence(ultrasound(tmp_path / "a.dcm", CINE))
    save_labels(tmp_path / "b.nii", sequence, file)
    image = nib.load(tmp_path / "b.nii")
    assert image.shape == (4, 3, 2)
    assert image.header.get_xyzt_units() == ("unknown", "unknown")
    again = load_sequence(tmp_path / "b.nii")
    assert (again.spacing_mm, again.frame_time_ms) == (None, None)


def test_dicom_goes_in_and_nifti_comes_out_of_the_command_line(capsys, tmp_path):
    path = ultrasound(tmp_path / "a.dcm", CINE, SequenceOfUltrasoundRegions=[region(0.05, 0.05)])
    words = ("--method", "identity", "--no-report", "-o", tmp_path / "out")
    run(capsys, "correct", path, *words)
    assert (load_sequence(tmp_path / "out" / "a" / "labels.nii.gz").labels == CINE).all()
    refused = run(capsys, "correct", path, "-o", tmp_path / "fixed.dcm")
    assert refused.code == ExitCode.USAGE
    assert "DICOM is read, not written" in refused.err
