from __future__ import annotations

import tempfile
import zlib
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
from hypothesis import given, settings
from hypothesis import strategies as st

from cardiovae.errors import CardiovaeError, FileError, LabelError
from cardiovae.io import header_bytes, load_sequence, open_sequence, save_labels, save_map

CAMUS_SPACING = (0.308, 0.154, 1.54)  # of CAMUS as MHD: lateral, depth, and no time


def itk_array(path: Path) -> np.ndarray:
    """Pixels as SimpleITK reads them: axes (T, Y, X) or (Y, X)."""
    return SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(path))


def written(
    path: Path, array: np.ndarray, spacing: tuple[float, ...], *, compressed: bool = False
) -> Path:
    """A file of SimpleITK's making; axes of `array` are (T, Y, X) or (Y, X)."""
    image = SimpleITK.GetImageFromArray(array, isVector=False)
    image.SetSpacing(spacing)
    image.SetOrigin((1.5, -2.25, 3.0)[: len(spacing)])
    image.SetMetaData("PatientAge", "54")
    SimpleITK.WriteImage(image, path, useCompression=compressed)
    return path


HEADER = """ObjectType = Image
NDims = 3
Comment = annotated by hand, \xe9dition 2
BinaryData = True
BinaryDataByteOrderMSB = False
CompressedData = False
TransformMatrix = 1 0 0 0 1 0 0 0 1
Offset = 0 0 0
ElementSpacing = 0.308 0.154 1.54
DimSize = 4 3 2
ElementType = MET_UCHAR
ElementDataFile = LOCAL
"""
PIXELS = bytes([0, 1, 2, 3] * 6)


def by_hand(path: Path, *changes: tuple[str, str], pixels: bytes = PIXELS) -> Path:
    """A (4, 3, 2) file whose header text is `HEADER` with some parts replaced."""
    text = HEADER
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path.write_bytes(text.encode("latin-1") + pixels)
    return path


@settings(max_examples=60, deadline=None)
@given(
    dtype=st.sampled_from(["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"]),
    shape=st.sampled_from([(5, 4), (3, 5, 4), (1, 5, 4), (3, 1, 5, 4)]),
    compressed=st.booleans(),
    suffixes=st.tuples(st.sampled_from([".mha", ".mhd"]), st.sampled_from([".mha", ".mhd"])),
    seed=st.integers(0, 9),
)
def test_labels_geometry_and_metadata_survive_and_simpleitk_reads_them(
    dtype, shape, compressed, suffixes, seed
):
    values = np.random.default_rng(seed).integers(0, 4, shape).astype(dtype)
    spacing = (0.308, 0.154, 1.54, 1.0)[: len(shape)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        image = SimpleITK.GetImageFromArray(values, isVector=False)
        image.SetSpacing(spacing)
        image.SetMetaData("PatientAge", "54")
        SimpleITK.WriteImage(image, folder / f"in{suffixes[0]}", useCompression=compressed)
        sequence, file = open_sequence(folder / f"in{suffixes[0]}", labels="camus")
        assert np.array_equal(
            sequence.labels.transpose(2, 0, 1).reshape(shape), values.astype(np.uint8)
        )
        flipped = sequence.with_labels(sequence.labels[::-1].copy())
        save_labels(folder / f"out{suffixes[1]}", flipped, file)
        after = SimpleITK.ReadImage(folder / f"out{suffixes[1]}")
        assert np.array_equal(SimpleITK.GetArrayFromImage(after), np.flip(values, -2))
        assert after.GetPixelIDValue() == image.GetPixelIDValue()
        assert after.GetSpacing() == spacing
        assert after.GetMetaData("PatientAge") == "54"


@pytest.mark.parametrize("compressed", [False, True])
def test_unchanged_labels_of_one_file_come_back_byte_for_byte(tmp_path, compressed):
    array = np.arange(24, dtype=np.int16).reshape(2, 3, 4) % 4
    path = written(tmp_path / "a.mha", array, CAMUS_SPACING, compressed=compressed)
    sequence, file = open_sequence(path)
    save_labels(tmp_path / "b.mha", sequence, file)
    assert header_bytes(tmp_path / "b.mha") == header_bytes(path)
    if not compressed:  # the compressor may be another
        assert (tmp_path / "b.mha").read_bytes() == path.read_bytes()
    assert np.array_equal(itk_array(tmp_path / "b.mha"), array)


def test_camus_pixels_are_anisotropic_and_the_third_spacing_is_no_time(tmp_path):
    stored = np.zeros((2, 5, 7), np.uint8)
    stored[1, 3, 6] = 1  # t = 1, y = 3, x = 6
    sequence, file = open_sequence(written(tmp_path / "a.mhd", stored, CAMUS_SPACING))
    assert np.argwhere(sequence.labels).tolist() == [[3, 6, 1]]
    assert sequence.spacing_mm == (0.154, 0.308)
    assert sequence.frame_time_ms is None
    assert "0.154 x 0.308 taken as mm" in file.notes[0]
    assert (file.kind, file.extension, file.ndim) == ("metaimage", ".mhd", 3)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", None),
        ("ElementSpacing = 1 1 1\n", None),
        ("ElementSpacing = 0 0.3 1\n", None),
        ("ElementSpacing = wide narrow\n", None),
        ("ElementSpacing = 0.3\n", None),
        ("ElementSpacing = 308 154 1\n", None),
        ("ElementSize = 0.308 0.154 1\n", (0.154, 0.308)),
        ("ElementSpacing = -0.308 0.154 1\n", (0.154, 0.308)),
    ],
)
def test_a_spacing_that_is_not_stated_is_unknown(tmp_path, line, expected):
    path = by_hand(tmp_path / "a.mha", ("ElementSpacing = 0.308 0.154 1.54\n", line))
    assert load_sequence(path).spacing_mm == expected


def test_every_line_of_the_header_is_kept_comments_included(tmp_path):
    path = by_hand(tmp_path / "a.mha")
    sequence, file = open_sequence(path)
    save_labels(tmp_path / "b.mhd", sequence, file)
    expected = HEADER.replace("LOCAL", "b.raw").encode("latin-1")
    assert (tmp_path / "b.mhd").read_bytes() == expected
    assert (tmp_path / "b.raw").read_bytes() == PIXELS


def test_lines_that_end_as_on_windows_are_read(tmp_path):
    path = tmp_path / "a.mha"
    path.write_bytes(HEADER.replace("\n", "\r\n").encode("latin-1") + PIXELS)
    assert load_sequence(path).frame(0).tolist() == [[0, 1, 2, 3]] * 3


def test_pixels_with_the_high_byte_first_are_read_and_written_so(tmp_path):
    wide = np.frombuffer(PIXELS, np.uint8).astype(">i2").tobytes()
    changes = (("MSB = False", "MSB = True"), ("MET_UCHAR", "MET_SHORT"))
    path = by_hand(tmp_path / "a.mha", *changes, pixels=wide)
    sequence, file = open_sequence(path)
    assert sequence.frame(1).tolist() == [[0, 1, 2, 3]] * 3
    save_labels(tmp_path / "b.mha", sequence, file)
    assert (tmp_path / "b.mha").read_bytes() == path.read_bytes()


def test_a_long_has_four_bytes_on_every_platform(tmp_path):
    wide = np.frombuffer(PIXELS, np.uint8).astype("<i4").tobytes()
    path = by_hand(tmp_path / "a.mha", ("MET_UCHAR", "MET_LONG"), pixels=wide)
    assert load_sequence(path).frame(1).tolist() == [[0, 1, 2, 3]] * 3
    assert itk_array(path).tobytes() == wide


@pytest.mark.parametrize("stated", ["", "CompressedDataSize = 9\n", "CompressedDataSize = 999\n"])
def test_a_wrong_compressed_size_does_no_harm_and_is_not_passed_on(tmp_path, stated):
    # SimpleITK 2.5.7 returns uninitialized memory, or nothing, for such files.
    path = by_hand(
        tmp_path / "a.mha",
        ("CompressedData = False\n", f"CompressedData = True\n{stated}"),
        pixels=zlib.compress(PIXELS),
    )
    sequence, file = open_sequence(path)
    assert sequence.frame(0).tolist() == [[0, 1, 2, 3]] * 3
    save_labels(tmp_path / "b.mha", sequence, file)
    assert itk_array(tmp_path / "b.mha").tobytes() == PIXELS


@pytest.mark.parametrize("size", ["4", "-1"])
def test_pixels_behind_a_header_of_their_own_are_found(tmp_path, size):
    changes = ("ElementDataFile = LOCAL\n", f"HeaderSize = {size}\nElementDataFile = a.raw\n")
    path = by_hand(tmp_path / "a.mhd", changes, pixels=b"")
    (tmp_path / "a.raw").write_bytes(b"abcd" + PIXELS)
    sequence, file = open_sequence(path)
    assert sequence.frame(0).tolist() == [[0, 1, 2, 3]] * 3
    save_labels(tmp_path / "b.mha", sequence, file)
    assert itk_array(tmp_path / "b.mha").tobytes() == PIXELS


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("name", ["map.mha", "map.mhd", "map.nii.gz"])
def test_a_map_lies_where_its_labels_lie(tmp_path, name, compressed):
    array = np.ones((2, 5, 7), np.uint8)
    path = written(tmp_path / "a.mha", array, CAMUS_SPACING, compressed=compressed)
    sequence, file = open_sequence(path)
    values = np.random.default_rng(0).random(sequence.labels.shape, np.float32)
    save_map(tmp_path / name, values, file)
    labels, after = SimpleITK.ReadImage(path), SimpleITK.ReadImage(tmp_path / name)
    assert np.array_equal(SimpleITK.GetArrayFromImage(after), values.transpose(2, 0, 1))
    assert after.GetPixelIDValue() == SimpleITK.sitkFloat32
    for read in ("GetSpacing", "GetOrigin", "GetDirection"):
        assert getattr(after, read)() == pytest.approx(getattr(labels, read)(), abs=1e-6)
    leftovers = {p.name for p in tmp_path.iterdir()} - {"a.mha", "map.raw", "map.zraw"}
    assert leftovers == {name}


def test_a_geometry_that_nifti_cannot_hold_is_refused_and_labels_are_written_still(tmp_path):
    changes = ("TransformMatrix = 1 0 0 0 1 0 0 0 1", "TransformMatrix = 0 0 0 0 0 0 0 0 0")
    sequence, file = open_sequence(by_hand(tmp_path / "a.mha", changes))
    with pytest.raises(FileError, match=r"map\.nii: its geometry cannot be written as NIfTI"):
        save_map(tmp_path / "map.nii", sequence.labels.astype(np.float32), file)
    save_labels(tmp_path / "b.mha", sequence, file)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.mha", "b.mha"]


@pytest.mark.parametrize(
    ("changes", "pixels", "message"),
    [
        ([], PIXELS[:-1], "promises 24 bytes of pixels, 23 are there"),
        ([], b"", "0 are there"),
        ([("ElementDataFile", "Elephant")], PIXELS, "no ElementDataFile line"),
        ([("ElementDataFile = LOCAL\n", "")], b"", "no ElementDataFile line"),
        ([("NDims = 3", "NDims = 2")], PIXELS, "DimSize = 4 3 2 and NDims = 2"),
        ([("DimSize = 4 3 2\n", "")], PIXELS, "DimSize = missing"),
        ([("4 3 2", "4 -3 2")], PIXELS, "DimSize = 4 -3 2"),
        ([("4 3 2", "4 0 2")], PIXELS, r"\(4, 0, 2\)"),
        ([("NDims = 3", "NDims = 4"), ("4 3 2", "2 2 2 3")], PIXELS, r"\(2, 2, 2, 3\)"),
        ([("NDims = 3", "NDims = 1"), ("4 3 2", "24")], PIXELS, r"\(24,\)"),
        ([("4 3 2", "40000 30000 20000")], PIXELS, "claims 40000 x 30000 x 20000 pixels"),
        ([("MET_UCHAR", "MET_OTHER")], PIXELS, "MET_OTHER"),
        ([("ElementType = MET_UCHAR\n", "")], PIXELS, "ElementType missing"),
        (
            [("4 3 2", "2 2 2"), ("DimSize", "ElementNumberOfChannels = 3\nDimSize")],
            PIXELS,
            "3 channel",
        ),
        ([("LOCAL", "absent.raw")], b"", r"pixel file .*absent\.raw: does not exist"),
        ([("LOCAL", "null\0.raw")], b"", "embedded null byte"),
        ([("LOCAL", "x" * 300)], b"", "File name too long"),
        ([("4 3 2", "4 3 " + "2" * 5000)], b"", "do not fit"),
        ([("LOCAL", "LIST")], PIXELS, "several files"),
        ([("LOCAL", "f%03d.raw 1 2 1")], PIXELS, "several files"),
        ([("BinaryData = True", "BinaryData = False")], PIXELS, "written as text"),
        ([("CompressedData = False", "CompressedData = True")], PIXELS, "damaged"),
        (
            [("CompressedData = False", "CompressedData = True")],
            zlib.compress(PIXELS)[:-6],
            "cut short",
        ),
    ],
)
def test_every_kind_of_damage_is_a_file_error_that_names_the_file(
    tmp_path, capfd, changes, pixels, message
):
    path = by_hand(tmp_path / "x.mha", *changes, pixels=pixels)
    with pytest.raises(FileError, match=message) as caught:
        load_sequence(path)
    assert str(path) in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_a_truncated_pixel_file_is_seen_beside_its_header(tmp_path):
    path = written(tmp_path / "a.mhd", np.ones((2, 3, 4), np.uint8), CAMUS_SPACING)
    (tmp_path / "a.raw").write_bytes(b"\1" * 10)
    with pytest.raises(FileError, match=r"a\.mhd: is cut short.* 24 bytes of pixels, 10"):
        load_sequence(path)
    (tmp_path / "a.raw").write_bytes(b"")
    with pytest.raises(FileError, match=r"a\.raw: is empty"):
        load_sequence(path)
    (tmp_path / "a.raw").unlink()
    (tmp_path / "a.raw").mkdir()
    with pytest.raises(FileError, match=r"a\.raw: is a folder"):
        load_sequence(path)


def test_interpolated_values_are_a_label_error(tmp_path):
    array = np.array([[0, 1, 0.25]], np.float32)
    path = written(tmp_path / "a.mha", array, (0.3, 0.3))
    with pytest.raises(LabelError, match=r"a\.mha: .* found 0\.25 in 1 of 3 pixels"):
        load_sequence(path)


def test_a_number_type_that_cannot_hold_a_label_is_refused(tmp_path):
    path = written(tmp_path / "a.mha", np.array([[0, 100]], np.int8), (0.3, 0.3))
    sequence, file = open_sequence(path, labels="lv=100,myo=200")
    both = sequence.with_labels(np.array([[[1], [2]]], np.uint8))
    with pytest.raises(FileError, match=r"type int8 cannot hold the label value 200"):
        save_labels(tmp_path / "b.mha", both, file)


@settings(max_examples=150, deadline=None)
@given(place=st.integers(0, len(HEADER) - 1), bits=st.integers(1, 255), cut=st.integers(0, 400))
def test_no_damage_to_a_header_escapes_as_a_foreign_error(place, bits, cut):
    content = bytearray(HEADER.encode("latin-1") + PIXELS)
    content[place] ^= bits
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.mha"
        path.write_bytes(content[: cut or None])
        try:
            load_sequence(path)
        except CardiovaeError as error:
            assert str(path) in str(error)  # noqa: PT017 (most damage is harmless)


@pytest.mark.parametrize(
    "name", ["../secret.raw", "{outside}/secret.raw", "link.raw", "sub/../../secret.raw"]
)
def test_a_header_never_leads_outside_its_own_folder(tmp_path, name):
    (tmp_path / "secret.raw").write_bytes(bytes(24))
    folder = tmp_path / "in"
    (folder / "sub").mkdir(parents=True)
    (folder / "link.raw").symlink_to(tmp_path / "secret.raw")
    name = name.format(outside=tmp_path)
    by_hand(folder / "a.mhd", ("LOCAL", name), pixels=b"")
    with pytest.raises(FileError, match=r"a\.mhd: its pixel file .* is outside the folder"):
        load_sequence(folder / "a.mhd")


@pytest.mark.parametrize("name", ["sub/a.raw", "./a.raw", "inside.raw"])
def test_a_pixel_file_in_the_folder_or_below_it_is_read(tmp_path, name):
    (tmp_path / "sub").mkdir()
    for place in (tmp_path / "sub" / "a.raw", tmp_path / "a.raw"):
        place.write_bytes(bytes(24))
    (tmp_path / "inside.raw").symlink_to(tmp_path / "a.raw")
    by_hand(tmp_path / "a.mhd", ("LOCAL", name), pixels=b"")
    assert load_sequence(tmp_path / "a.mhd").labels.shape == (3, 4, 2)


@pytest.mark.parametrize("name", ["loop.raw", "a\0b.raw"])
def test_a_pixel_file_that_cannot_be_found_is_a_file_error(tmp_path, name):
    (tmp_path / "loop.raw").symlink_to(tmp_path / "loop.raw")
    by_hand(tmp_path / "a.mhd", ("LOCAL", name), pixels=b"")
    with pytest.raises(FileError, match=r"a\.mhd: its pixel file"):
        load_sequence(tmp_path / "a.mhd")
