from __future__ import annotations

import gzip
import tempfile
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardiovae.errors import CardiovaeError, FileError, LabelError
from cardiovae.io import header_bytes, load_sequence, open_sequence, save_labels, save_map
from cardiovae.io.nifti import read_map

SHARED = Path(__file__).parents[2] / "shared" / "data"
LPS = np.diag([-0.3, -0.4, 1.0, 1.0])


def written(
    path: Path,
    array: np.ndarray,
    *,
    zooms: tuple[float, ...] = (),
    units: tuple[str, str] = ("mm", "unknown"),
    scale: tuple[float, float] = (np.nan, np.nan),
    order: str = "<",
    version: int = 1,
    affine: np.ndarray = LPS,
    extension: bytes = b"",
) -> Path:
    """A file of nibabel's making, which shares no code with the reader and writer under test."""
    header_class, image_class = {
        1: (nib.Nifti1Header, nib.Nifti1Image),
        2: (nib.Nifti2Header, nib.Nifti2Image),
    }[version]
    header = header_class(endianness=order)
    header.set_data_dtype(array.dtype)
    if extension:
        header.extensions.append(nib.nifti1.Nifti1Extension("comment", extension))
    image = image_class(array, affine, header)
    image.header.set_data_dtype(array.dtype)
    image.set_qform(affine, code=1)
    image.set_sform(affine, code=2)
    image.header.set_zooms(zooms or (0.3, 0.4, 1.0, 1.0)[: array.ndim])
    image.header.set_xyzt_units(*units)
    image.header["descrip"] = b"echo"
    image.header["intent_code"] = 1002
    image.header["cal_max"] = 3
    image.header.set_slope_inter(*scale)
    image.to_filename(path)
    return path


def decompressed(path: Path) -> bytes:
    content = path.read_bytes()
    return gzip.decompress(content) if path.suffix == ".gz" else content


def labels_of(shape: tuple[int, ...], seed: int) -> np.ndarray:
    values = np.random.default_rng(seed).integers(0, 4, shape)
    values.flat[0] = 3  # an atrium, so that the scheme is always `camus`
    return values


files = st.fixed_dictionaries(
    {
        "dtype": st.sampled_from(["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"]),
        "shape": st.sampled_from([(5, 4), (5, 4, 1), (5, 4, 3), (5, 4, 1, 3), (5, 4, 3, 1)]),
        "units": st.sampled_from([("mm", "sec"), ("meter", "msec"), ("unknown", "unknown")]),
        "spacing": st.sampled_from([(0.308, 0.154), (0.4556355, 0.4556355), (1.0, 1.0)]),
        "order": st.sampled_from("<>"),
        "version": st.sampled_from([1, 2]),
        "suffix": st.sampled_from([".nii", ".nii.gz"]),
        "scale": st.sampled_from([(np.nan, np.nan), (1.0, 0.0), (0.5, 0.0), (2.0, -1.0)]),
        "extension": st.sampled_from([b"", b"names: lv myo la"]),
        "seed": st.integers(0, 9),
    }
)


def make(folder: Path, case: dict) -> tuple[Path, np.ndarray]:
    """A file after `case`, and the label values it stands for."""
    values = labels_of(case["shape"], case["seed"])
    slope, inter = np.nan_to_num(case["scale"], nan=1.0) * [1, not np.isnan(case["scale"][1])]
    if slope == 2.0:  # only odd values have a stored number
        values = values // 2 * 2 + 1
    path = written(
        folder / f"in{case['suffix']}",
        ((values - inter) / slope).astype(case["dtype"]),
        zooms=(*case["spacing"], 1.54, 20.0)[: len(case["shape"])],
        **{key: case[key] for key in ("units", "order", "version", "scale", "extension")},
    )
    return path, values


@settings(max_examples=80, deadline=None)
@given(case=files)
def test_unchanged_labels_come_back_byte_for_byte(case):
    with tempfile.TemporaryDirectory() as folder:
        path, values = make(Path(folder), case)
        sequence, file = open_sequence(path, labels="camus")
        planes = values.reshape(*case["shape"][:2], -1, order="F")
        assert np.array_equal(sequence.labels, planes.transpose(1, 0, 2))
        out = Path(folder) / f"out{case['suffix']}"
        save_labels(out, sequence, file)
        assert decompressed(out) == decompressed(path)


@settings(max_examples=60, deadline=None)
@given(case=files)
def test_changed_labels_leave_the_header_as_it_was_and_nibabel_reads_them(case):
    with tempfile.TemporaryDirectory() as folder:
        path, _ = make(Path(folder), case)
        sequence, file = open_sequence(path, labels="camus")
        flipped = sequence.with_labels(sequence.labels[::-1].copy())
        out = Path(folder) / f"out{case['suffix']}"
        save_labels(out, flipped, file)
        before, after = nib.load(path), nib.load(out)
        offset = before.dataobj.offset
        assert decompressed(out)[:offset] == decompressed(path)[:offset] == header_bytes(out)
        assert after.dataobj.offset == offset
        assert np.array_equal(np.asarray(after.dataobj), np.asarray(before.dataobj)[:, ::-1])
        assert after.get_data_dtype() == before.get_data_dtype()
        assert np.array_equal(after.affine, before.affine)


@settings(max_examples=30, deadline=None)
@given(case=files)
def test_a_map_lies_where_its_labels_lie(case):
    with tempfile.TemporaryDirectory() as folder:
        path, _ = make(Path(folder), case)
        sequence, file = open_sequence(path, labels="camus")
        values = np.random.default_rng(1).random(sequence.labels.shape, np.float32)
        save_map(Path(folder) / "map.nii.gz", values, file)
        before, after = nib.load(path), nib.load(Path(folder) / "map.nii.gz")
        assert after.shape == before.shape
        assert after.get_data_dtype() == np.dtype(np.float32).newbyteorder(case["order"])
        assert np.array_equal(after.affine, before.affine)
        assert after.header.get_zooms() == before.header.get_zooms()
        assert after.header.get_xyzt_units() == before.header.get_xyzt_units()
        assert int(after.header["intent_code"]) == int(after.header["cal_max"]) == 0
        assert not after.header.extensions
        stored = np.asarray(after.dataobj).reshape(*before.shape[:2], -1, order="F")
        assert np.array_equal(stored, values.transpose(1, 0, 2))
        assert np.array_equal(read_map(Path(folder) / "map.nii.gz"), values)


def test_rows_are_y_and_columns_are_x_as_stored_whatever_the_affine(tmp_path):
    stored = np.zeros((7, 5, 2), np.uint8)
    stored[6, 1, 0] = 1  # x = 6, y = 1
    for number, affine in enumerate((LPS, -LPS, np.diag([-0.3, 0.4, 1, 1]))):
        path = written(tmp_path / f"{number}.nii", stored, affine=affine)
        labels = load_sequence(path).labels
        assert labels.shape == (5, 7, 2)
        assert np.argwhere(labels).tolist() == [[1, 6, 0]]


@pytest.mark.parametrize(
    ("zooms", "unit", "expected", "note"),
    [
        ((0.308, 0.154), "mm", (0.154, 0.308), None),
        ((308.0, 154.0), "micron", (0.154, 0.308), None),
        ((0.000308, 0.000154), "meter", (0.154, 0.308), None),
        ((1.0, 1.0), "mm", (1.0, 1.0), "many writers put it unasked"),
        ((1.0, 1.0), "unknown", None, "spacing unknown: the header has no unit and the default"),
        ((0.308, 0.308), "unknown", (0.308, 0.308), "taken as mm"),
        ((1.0, 0.5), "unknown", (0.5, 1.0), "taken as mm"),
        ((308.0, 308.0), "unknown", None, "spacing unknown: the header has no unit and 308 x 308"),
        ((0.0, 0.3), "mm", None, "spacing unknown: the header has pixel sizes 0.3 x 0"),
    ],
)
def test_spacing_follows_the_unit_and_is_unknown_rather_than_invented(
    tmp_path, zooms, unit, expected, note
):
    path = written(
        tmp_path / "a.nii", np.ones((4, 3), np.uint8), zooms=zooms, units=(unit, "unknown")
    )
    sequence, file = open_sequence(path)
    assert sequence.spacing_mm == (expected if expected is None else pytest.approx(expected))
    assert (note is None) == (file.notes == ())
    assert note is None or note in file.notes[0]


def test_a_negative_pixel_size_is_a_length_all_the_same(tmp_path):
    path = written(tmp_path / "a.nii", np.ones((4, 3), np.uint8))
    pixel_sizes = [1, -0.308, -0.154, 1, 0, 0, 0, 0]
    path.write_bytes(patched(path.read_bytes(), pixdim=pixel_sizes))
    assert load_sequence(path).spacing_mm == pytest.approx((0.154, 0.308))


@pytest.mark.parametrize(
    ("shape", "unit", "step", "expected"),
    [
        ((4, 3, 1, 5), "sec", 0.02, 20.0),
        ((4, 3, 1, 5), "msec", 20.0, 20.0),
        ((4, 3, 1, 5), "usec", 20000.0, 20.0),
        ((4, 3, 1, 5), "sec", 1.0, 1000.0),
        ((4, 3, 1, 5), "unknown", 20.0, None),
        ((4, 3, 1, 5), "hz", 50.0, None),
        ((4, 3, 1, 5), "msec", 0.0, None),
        ((4, 3, 5), "sec", 0.02, None),
        ((4, 3, 5), "unknown", 1.54, None),
        ((4, 3, 5, 1), "msec", 20.0, None),
    ],
)
def test_only_a_fourth_axis_with_a_unit_of_time_is_time(tmp_path, shape, unit, step, expected):
    zooms = (0.3, 0.3, step) if len(shape) == 3 else (0.3, 0.3, 1.54, step)
    path = written(tmp_path / "a.nii", np.ones(shape, np.uint8), zooms=zooms, units=("mm", unit))
    sequence, file = open_sequence(path)
    assert sequence.frame_time_ms == (expected if expected is None else pytest.approx(expected))
    assert sequence.n_frames == 5
    assert bool(file.notes) == (expected == 1000.0)


def test_a_fractional_slope_in_float32_is_rounding_and_not_interpolation(tmp_path):
    stored = np.array([[0, 10], [20, 30]], np.int16)
    path = written(tmp_path / "a.nii", stored, scale=(0.1, 0.0))
    assert load_sequence(path).labels[:, :, 0].tolist() == [[0, 2], [1, 3]]


def test_a_label_that_the_scaling_cannot_express_resets_the_scaling_alone(tmp_path):
    # Stored 1, 2 mean 1 and 3; the atrium's 3 is there, a background of 0 is not expressible.
    path = written(tmp_path / "a.nii", np.array([[1, 2]], np.uint8), scale=(2.0, -1.0))
    sequence, file = open_sequence(path)
    assert sequence.labels[:, 0, 0].tolist() == [1, 3]
    save_labels(tmp_path / "b.nii", sequence.with_labels(sequence.labels * 0), file)
    assert np.asarray(nib.load(tmp_path / "b.nii").dataobj).tolist() == [[0, 0]]
    before, after = header_bytes(path), header_bytes(tmp_path / "b.nii")
    changed = [n for n, (a, b) in enumerate(zip(before, after, strict=True)) if a != b]
    # scl_slope and scl_inter are bytes 112 to 119 of nifti1.h
    assert changed
    assert all(112 <= n < 120 for n in changed)


def test_a_number_type_that_cannot_hold_a_label_is_refused(tmp_path):
    path = written(tmp_path / "a.nii", np.array([[0, 100]], np.int8))
    sequence, file = open_sequence(path, labels="lv=100,myo=200")
    both = sequence.with_labels(np.array([[[1]], [[2]]], np.uint8))
    with pytest.raises(FileError, match=r"b\.nii: pixels of type int8 .* \[100, 200\]"):
        save_labels(tmp_path / "b.nii", both, file)
    assert [p.name for p in tmp_path.iterdir()] == ["a.nii"]


def test_the_same_labels_give_the_same_compressed_bytes(tmp_path):
    sequence, file = open_sequence(written(tmp_path / "a.nii", np.ones((4, 3), np.uint8)))
    save_labels(tmp_path / "b.nii.gz", sequence, file)
    save_labels(tmp_path / "c.nii.gz", sequence, file)
    assert (tmp_path / "b.nii.gz").read_bytes() == (tmp_path / "c.nii.gz").read_bytes()
    assert (tmp_path / "b.nii.gz").read_bytes()[4:8] == bytes(4)  # no time of day: RFC 1952, MTIME
    assert decompressed(tmp_path / "b.nii.gz") == (tmp_path / "a.nii").read_bytes()


def patched(content: bytes, **fields: object) -> bytes:
    """`content` with header fields set through nibabel, unchecked."""
    header = nib.Nifti1Header(content[:348], check=False)
    for name, value in fields.items():
        header[name] = value
    return header.binaryblock + content[348:]


def damaged(name: str, content: bytes) -> tuple[str, bytes]:
    """File name and bytes of one kind of damage to a (4, 3, 2) uint8 file."""
    cases = {
        "empty": ("x.nii", b""),
        "empty gz": ("x.nii.gz", b""),
        "text": ("x.nii", b"hello"),
        "gz of text": ("x.nii.gz", gzip.compress(b"hello")),
        "gz of nothing": ("x.nii.gz", gzip.compress(b"")),
        "not gz": ("x.nii.gz", content),
        "gz unnamed": ("x.nii", gzip.compress(content)),
        "gz cut": ("x.nii.gz", gzip.compress(content)[:-12]),
        "gz cut early": ("x.nii.gz", gzip.compress(content)[:5]),
        "gz damaged": ("x.nii.gz", gzip.compress(content)[:-8] + b"\0" * 8),
        "gz garbled": ("x.nii.gz", gzip.compress(content)[:20] + b"\xff" * 200),
        "header cut": ("x.nii", content[:200]),
        "pixels cut": ("x.nii", content[:-1]),
        "no pixels": ("x.nii", content[:352]),
        "pair": ("x.nii", patched(content, magic=b"ni1")),
        "analyze": ("x.nii", patched(content, magic=b"")),
        "no axes": ("x.nii", patched(content, dim=[0] * 8)),
        "one axis": ("x.nii", patched(content, dim=[1, 24, 1, 1, 1, 1, 1, 1])),
        "volumes": ("x.nii", patched(content, dim=[4, 2, 2, 2, 3, 1, 1, 1])),
        "vectors": ("x.nii", patched(content, dim=[5, 4, 3, 1, 1, 2, 1, 1])),
        "no pixels stated": ("x.nii", patched(content, dim=[3, 4, 0, 2, 1, 1, 1, 1])),
        "negative axis": ("x.nii", patched(content, dim=[3, 4, -3, 2, 1, 1, 1, 1])),
        "huge": ("x.nii", patched(content, dim=[3, 32767, 32767, 32767, 1, 1, 1, 1])),
        "unknown type": ("x.nii", patched(content, datatype=9999)),
        "color": ("x.nii", patched(content, datatype=128)),
        "complex": ("x.nii", patched(content, datatype=32)),
        "offset": ("x.nii", patched(content, vox_offset=100)),
        "offset nan": ("x.nii", patched(content, vox_offset=np.nan)),
        "offset far": ("x.nii", patched(content, vox_offset=1e9)),
        "intercept": ("x.nii", patched(content, scl_slope=2, scl_inter=np.inf)),
    }
    return cases[name]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("empty", "is empty"),
        ("empty gz", "is empty"),
        ("text", "not a NIfTI"),
        ("gz of text", "not a NIfTI"),
        ("gz of nothing", "not a NIfTI"),
        ("not gz", "rename it to .nii"),
        ("gz unnamed", "rename it to .nii.gz"),
        ("gz cut", "damaged or cut short"),
        ("gz cut early", "damaged or cut short"),
        ("gz damaged", "damaged or cut short"),
        ("gz garbled", "damaged or cut short"),
        ("header cut", "cut short within its header"),
        ("pixels cut", "promises 24 bytes of pixels, 23 are there"),
        ("no pixels", "promises 24 bytes of pixels, 0 are there"),
        ("pair", "half of an .hdr/.img pair"),
        ("analyze", "not a NIfTI"),
        ("no axes", "states 0 axes"),
        ("one axis", r"\(24,\)"),
        ("volumes", r"\(2, 2, 2, 3\)"),
        ("vectors", r"\(4, 3, 1, 1, 2\)"),
        ("no pixels stated", r"\(4, 0, 2\)"),
        ("negative axis", r"\(4, -3, 2\)"),
        ("huge", "claims 32767 x 32767 x 32767 pixels, more than"),
        ("unknown type", "unknown pixel type 9999"),
        ("color", "RGB"),
        ("complex", "complex64"),
        ("offset", "byte 100"),
        ("offset nan", "byte nan"),
        ("offset far", r"byte 1e\+09"),
        ("intercept", "adds inf"),
    ],
)
def test_every_kind_of_damage_is_a_file_error_that_names_the_file(tmp_path, name, message):
    good = written(tmp_path / "good.nii", np.ones((4, 3, 2), np.uint8))
    file_name, content = damaged(name, good.read_bytes())
    path = tmp_path / file_name
    path.write_bytes(content)
    with pytest.raises(FileError, match=message) as caught:
        load_sequence(path)
    assert str(path) in str(caught.value)


@settings(max_examples=150, deadline=None)
@given(
    place=st.integers(0, 351), bits=st.integers(1, 255), cut=st.integers(0, 376), gz=st.booleans()
)
def test_no_damage_to_a_header_escapes_as_a_foreign_error(place, bits, cut, gz):
    with tempfile.TemporaryDirectory() as folder:
        good = written(Path(folder) / "good.nii", np.ones((4, 3, 2), np.uint8))
        content = bytearray(good.read_bytes())
        content[place] ^= bits
        content = content[: cut or None]
        path = Path(folder) / ("x.nii.gz" if gz else "x.nii")
        path.write_bytes(gzip.compress(content) if gz else content)
        try:
            load_sequence(path)
        except CardiovaeError as error:
            assert str(path) in str(error)  # noqa: PT017 (most damage is harmless)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([0.0, 1.0, 0.033, 2.016], r"whole numbers; found 0.033, 2.016 in 2 of 4 .* nearest"),
        ([0.0, 1.0, np.nan, 2.0], r"finite; found nan in 1 of 4 pixels"),
        ([0.0, -np.inf, np.inf, 2.0], r"finite; found (-inf|inf), -?inf in 2 of 4 pixels"),
        ([0.0, -1.0, 1.0, 2.0], r"0 to 255; found -1 in 1 of 4 pixels"),
        ([0.0, 1e6, 1.0, 2.0], r"0 to 255; found 1e\+06 in 1 of 4 pixels"),
        ([0.0, 0.99999, 1.0, 2.0], r"whole numbers"),
        ([0.0, 7.0, 1.0, 2.0], r"7 fits none of the shipped schemes"),
    ],
)
def test_values_that_are_no_labels_are_counted_shown_and_named(tmp_path, values, message):
    array = np.array(values).reshape(2, 2, order="F")
    path = written(tmp_path / "a.nii.gz", array)
    with pytest.raises(LabelError, match=message) as caught:
        load_sequence(path)
    assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize("name", ["candidate2", "reference"])
def test_real_sequences_have_the_transducer_at_row_zero_and_come_back_whole(name, tmp_path):
    path = SHARED / f"echo_toolkit_{name}.nii.gz"
    if not path.exists():
        pytest.skip(f"{path.name} is shared outside the repository and is not here")
    sequence, file = open_sequence(path)
    assert sequence.labels.shape == (416, 513, 25)
    assert sequence.spacing_mm == pytest.approx((0.4556355, 0.4556355))
    assert (sequence.frame_time_ms, file.scheme.name) == (None, "lv-myo")
    # The apex points at the transducer: the upper fifth of the cavity is narrower than its middle.
    for t in range(0, 25, 6):
        rows = np.flatnonzero((sequence.frame(t) == 1).any(axis=1))
        widths = (sequence.frame(t)[rows[0] : rows[-1]] == 1).sum(axis=1)
        fifth = len(widths) // 5
        assert widths[:fifth].mean() < widths[2 * fifth : 3 * fifth].mean()
        assert np.flatnonzero((sequence.frame(t) == 2).any(axis=1))[0] < rows[0]
    save_labels(tmp_path / "copy.nii.gz", sequence, file)
    assert decompressed(tmp_path / "copy.nii.gz") == decompressed(path)


def test_a_scale_beyond_all_numbers_is_an_error_and_no_warning(tmp_path):
    path = tmp_path / "a.nii"
    image = nib.Nifti2Image(np.full((4, 3, 2), 200, np.uint8), np.eye(4))
    path.write_bytes(image.to_bytes())
    content = bytearray(path.read_bytes())
    content[176:184] = np.array(1e308, "<f8").tobytes()  # scl_slope of NIfTI-2
    content[184:192] = np.array(-1e308, "<f8").tobytes()
    path.write_bytes(content)
    with pytest.raises(LabelError, match="are finite; found inf"):
        load_sequence(path)


@pytest.mark.parametrize("bits", [0x7F800001, 0x7FC00000, 0xFFFFFFFF])
def test_every_kind_of_nan_is_an_error_and_no_warning(tmp_path, bits):
    path = written(tmp_path / "a.nii", np.zeros((4, 3, 2), np.float32))
    content = bytearray(path.read_bytes())
    content[-4:] = bits.to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(LabelError, match="are finite; found nan"):
        load_sequence(path)
