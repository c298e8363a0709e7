from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cardiovae.errors import FileError, LabelError
from cardiovae.io import header_bytes, load_sequence, open_sequence, save_labels, save_map

FRAME = np.array([[0, 1, 1, 0], [2, 2, 2, 0], [3, 3, 0, 0]], np.uint8)  # 3 rows, 4 columns
CINE = np.stack([FRAME, np.roll(FRAME, 1, axis=1)], axis=2)  # (3, 4, 2)


def npy(path: Path, array: np.ndarray) -> Path:
    np.save(path, array)
    return path


def npz(path: Path, **members: object) -> Path:
    np.savez(path, **members)
    return path


def test_rows_columns_and_frames_are_taken_as_they_are_and_the_note_says_so(tmp_path):
    sequence, file = open_sequence(npy(tmp_path / "a.npy", CINE))
    assert (sequence.labels == CINE).all()
    assert (sequence.spacing_mm, sequence.frame_time_ms) == (None, None)
    assert file.notes == (
        "axes taken as rows 3, columns 4, frames 2: the file does not name them",
    )
    assert (file.kind, file.extension, file.dtype) == ("numpy", ".npy", np.uint8)
    single = load_sequence(npy(tmp_path / "b.npy", FRAME))
    assert (single.labels[:, :, 0] == FRAME).all()


@given(
    arrays(
        np.uint8,
        st.tuples(*[st.integers(5, 9)] * 2, st.integers(1, 4)),
        elements=st.integers(0, 3),
    ),
    st.sampled_from(["u1", "<i2", ">u4", "<f4", ">f8", "<f2"]),
    st.sampled_from("CF"),
)
def test_what_is_read_and_written_back_is_the_same_file(tmp_path_factory, array, dtype, order):
    folder = tmp_path_factory.mktemp("round")
    path = npy(folder / "a.npy", np.asarray(array, dtype, order=order))
    sequence, file = open_sequence(path, labels="camus")
    assert (sequence.labels == array).all()
    save_labels(folder / "b.npy", sequence, file)
    assert (folder / "b.npy").read_bytes() == path.read_bytes()


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_an_npz_keeps_its_names_spacing_time_and_order_of_axes(tmp_path, save):
    path = tmp_path / "a.npz"
    save(
        path,
        labels=CINE.transpose(2, 0, 1).astype(np.int16),
        spacing_mm=np.array([0.154, 0.308]),
        frame_time_ms=np.array(20.0),
        axes=np.array("THW"),
    )
    sequence, file = open_sequence(path)
    assert (sequence.labels == CINE).all()
    assert (sequence.spacing_mm, sequence.frame_time_ms) == ((0.154, 0.308), 20.0)
    assert file.notes == ()
    save_labels(tmp_path / "b.npz", sequence, file)
    assert (tmp_path / "b.npz").read_bytes() == path.read_bytes()


def test_the_only_map_of_whole_numbers_is_taken_whatever_its_name(tmp_path):
    scores = np.zeros((3, 4), np.float32)
    path = npz(tmp_path / "a.npz", mask=FRAME, scores=scores, ids=np.arange(5))
    sequence, file = open_sequence(path)
    assert (sequence.labels[:, :, 0] == FRAME).all()
    save_labels(tmp_path / "b.npz", sequence, file)
    with np.load(tmp_path / "b.npz") as written:
        assert set(written) == {"mask"}
        assert (written["mask"] == FRAME).all()


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"a": FRAME, "b": FRAME}, r"one has a \(3, 4\) uint8, b \(3, 4\) uint8; save the label"),
        ({"a": np.arange(4)}, "single array that could be one"),
        ({}, "has no array"),
        ({"labels": np.array("text")}, "holds <U4"),
    ],
)
def test_an_npz_in_which_nothing_or_several_could_be_meant_is_refused(tmp_path, members, message):
    with pytest.raises(FileError, match=message):
        load_sequence(npz(tmp_path / "a.npz", **members))


@pytest.mark.parametrize("shape", [(5, 8, 8), (1, 64, 48), (20, 549, 778), (9, 4, 4)])
def test_frames_first_is_refused_with_the_way_out_unless_the_file_says_so(tmp_path, shape):
    array = np.zeros(shape, np.uint8)
    with pytest.raises(FileError, match=r"looks like \(T, H, W\); .* np\.moveaxis"):
        load_sequence(npy(tmp_path / "a.npy", array))
    t, h, w = shape
    sequence = load_sequence(npz(tmp_path / "a.npz", labels=array, axes="THW"))
    assert sequence.labels.shape == (h, w, t)
    kept = load_sequence(npz(tmp_path / "b.npz", labels=array, axes="HWT"))
    assert kept.labels.shape == shape


@pytest.mark.parametrize("shape", [(112, 112, 250), (256, 256, 1), (64, 48, 3), (8, 8, 8)])
def test_rows_columns_frames_is_not_suspected(tmp_path, shape):
    assert load_sequence(npy(tmp_path / "a.npy", np.zeros(shape, np.uint8))).labels.shape == shape


@pytest.mark.parametrize(
    ("array", "error", "message"),
    [
        (np.array([[0.0, 1.0037]]), LabelError, r"whole numbers; found 1\.0037 in 1 of 2"),
        (np.array([[0.0, np.nan]]), LabelError, "are finite"),
        (np.array([[0, 300]]), LabelError, "0 to 255; found 300"),
        (np.zeros((2, 2), complex), FileError, "complex128"),
        (np.zeros(4, np.uint8), FileError, r"this array has \(4,\)"),
        (np.zeros((2, 2, 2, 2), np.uint8), FileError, r"has \(2, 2, 2, 2\)"),
        (np.zeros((0, 2), np.uint8), FileError, r"has \(0, 2\)"),
        (np.zeros(3, [("a", "u1")]), FileError, "no numbers"),
    ],
)
def test_what_is_no_label_map_is_refused(tmp_path, array, error, message):
    with pytest.raises(error, match=message):
        load_sequence(npy(tmp_path / "a.npy", array))


class Bomb:
    """Code that a pickle would run."""

    def __reduce__(self):
        return (Path.touch, (Path("pickle-was-run"),))


def test_a_pickle_is_refused_and_never_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    objects = np.empty((2, 2), object)
    objects[:] = Bomb()
    np.save(tmp_path / "a.npy", objects, allow_pickle=True)
    np.savez(tmp_path / "b.npz", allow_pickle=True, labels=objects)
    (tmp_path / "c.npy").write_bytes(pickle.dumps(Bomb()))
    (tmp_path / "d.npz").write_bytes(pickle.dumps(Bomb()))
    for name in ("a.npy", "b.npz", "c.npy", "d.npz"):
        with pytest.raises(FileError, match=r"pickle|no numpy file"):
            load_sequence(name)
    assert not (tmp_path / "pickle-was-run").exists()


def test_a_header_that_claims_too_much_is_refused_before_memory_is_taken(tmp_path):
    buffer = io.BytesIO()
    header = {"descr": "|u1", "fortran_order": False, "shape": (60000, 60000, 60000)}
    np.lib.format.write_array_header_1_0(buffer, header)
    (tmp_path / "a.npy").write_bytes(buffer.getvalue())
    with zipfile.ZipFile(tmp_path / "b.npz", "w") as archive:
        archive.writestr("labels.npy", buffer.getvalue())
    for name in ("a.npy", "b.npz"):
        with pytest.raises(FileError, match="claims 60000 x 60000 x 60000 pixels"):
            load_sequence(tmp_path / name)


def test_a_file_that_is_cut_short_is_refused(tmp_path):
    content = npy(tmp_path / "a.npy", CINE).read_bytes()
    (tmp_path / "a.npy").write_bytes(content[:-1])
    with pytest.raises(FileError, match="promises 24 bytes of numbers, 23 are there"):
        load_sequence(tmp_path / "a.npy")


def test_a_damaged_member_is_found_by_its_checksum(tmp_path):
    content = bytearray(npz(tmp_path / "a.npz", labels=FRAME).read_bytes())
    content[content.index(FRAME.tobytes()) + 1] ^= 1
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(FileError, match=r"damaged .*CRC"):
        load_sequence(tmp_path / "a.npz")


@pytest.mark.parametrize("given", [[0.0, 1.0], [np.nan, 1.0], ["a", "b"], []])
def test_a_spacing_that_cannot_be_is_unknown(tmp_path, given):
    _, file = open_sequence(npz(tmp_path / "a.npz", labels=FRAME, spacing_mm=np.array(given)))
    assert file.template.spacing_mm is None
    assert "spacing unknown" in file.notes[0]


def test_a_value_that_the_number_type_cannot_hold_is_refused(tmp_path):
    sequence, file = open_sequence(npy(tmp_path / "a.npy", FRAME == 1), labels="camus")
    atrium = sequence.with_labels(sequence.labels * np.uint8(3))
    with pytest.raises(FileError, match="type bool cannot hold the label value 3"):
        save_labels(tmp_path / "b.npy", atrium, file)
    save_labels(tmp_path / "b.npy", sequence, file)
    assert np.load(tmp_path / "b.npy").dtype == bool


def test_a_map_beside_an_array_is_nifti_with_its_spacing_and_time(tmp_path):
    path = npz(
        tmp_path / "a.npz",
        labels=CINE,
        axes="HWT",
        spacing_mm=np.array([0.2, 0.3]),
        frame_time_ms=np.array(25.0),
    )
    _, file = open_sequence(path)
    spread = np.arange(24, dtype=np.float32).reshape(3, 4, 2)
    save_map(tmp_path / "u.nii.gz", spread, file)
    image = nib.load(tmp_path / "u.nii.gz")
    assert image.shape == (4, 3, 1, 2)
    assert np.allclose(image.header.get_zooms(), (0.3, 0.2, 1.0, 25.0))
    assert image.header.get_xyzt_units() == ("mm", "msec")
    assert (np.asarray(image.dataobj)[:, :, 0].transpose(1, 0, 2) == spread).all()
    with pytest.raises(FileError, match=r"written as NIfTI"):
        save_map(tmp_path / "u.npz", spread, file)


def test_the_header_of_an_array_can_be_compared_that_of_an_archive_not(tmp_path):
    path = npy(tmp_path / "a.npy", FRAME)
    assert header_bytes(path) + FRAME.tobytes() == path.read_bytes()
    with pytest.raises(FileError, match="no header of its own"):
        header_bytes(npz(tmp_path / "a.npz", labels=FRAME))


def test_another_format_is_refused_with_the_verb_that_makes_it(tmp_path):
    sequence, file = open_sequence(npy(tmp_path / "a.npy", FRAME))
    with pytest.raises(FileError, match=r"ending in \.npy, or .* 'cardiovae convert'"):
        save_labels(tmp_path / "b.npz", sequence, file)
