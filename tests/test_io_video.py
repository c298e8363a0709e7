"""Videos of label maps: read bit for bit where nothing can be lost, refused where it may be."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
from cli_cases import run
from video_cases import av, frame_of, video

from cardiovae.errors import FileError, LabelError
from cardiovae.io import load_sequence, open_sequence, save_labels, search_inputs

# Odd sizes: containers pad rows to whole words.
CINE = np.random.default_rng(3).integers(0, 4, (37, 51, 6), dtype=np.uint8)
STILL = CINE[:36, :50, :1]
COMBINATIONS = [
    ("a.avi", "ffv1", "gray"),
    ("a.mkv", "ffv1", "gray"),
    ("a.mp4", "ffv1", "gray"),
    ("a.MKV", "ffv1", "gray16le"),
    ("a.mkv", "ffv1", "bgr0"),
    ("a.avi", "huffyuv", "rgb24"),
    ("a.avi", "ffvhuff", "gray"),
    ("a.avi", "ffvhuff", "gbrp"),
    ("a.avi", "png", "gray"),
    ("a.avi", "png", "pal8"),
    ("a.mp4", "png", "pal8"),
    ("a.mp4", "png", "rgb24"),
    ("a.avi", "png", "rgba"),
    ("a.avi", "rawvideo", "gray"),
    ("a.avi", "rawvideo", "pal8"),
    ("a.mkv", "rawvideo", "gray"),
]


def frames(kind: str = "gray", cine: np.ndarray = CINE) -> list:
    return [frame_of(np.ascontiguousarray(cine[:, :, t]), kind) for t in range(cine.shape[2])]


@pytest.mark.parametrize(("name", "codec", "kind"), COMBINATIONS)
def test_a_lossless_video_gives_every_label_back(tmp_path, name, codec, kind):
    path = video(tmp_path / name, frames(kind), codec)
    sequence, file = open_sequence(path)
    np.testing.assert_array_equal(sequence.labels, CINE)
    assert sequence.spacing_mm is None
    assert sequence.frame_time_ms == 20.0
    assert (file.kind, file.extension) == ("video", ".nii.gz")
    assert "spacing unknown: a video has none" in file.notes


@pytest.mark.parametrize("name", ["a.avi", "a.mkv", "a.mp4"])
@pytest.mark.parametrize("rate", [30, Fraction(30000, 1001), Fraction(125, 2)])
def test_frame_time_is_that_of_the_frame_rate(tmp_path, name, rate):
    path = video(tmp_path / name, frames(), rate=rate)
    # Matroska stores the duration of a frame in whole nanoseconds.
    assert load_sequence(path).frame_time_ms == pytest.approx(float(1000 / rate), abs=1e-6)


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4"])
def test_no_frame_time_where_the_rate_changes(tmp_path, name):
    path = video(tmp_path / name, frames(), times=[0, 1, 2, 5, 6, 7])
    sequence, file = open_sequence(path)
    np.testing.assert_array_equal(sequence.labels, CINE)
    assert sequence.frame_time_ms is None
    assert any("not constant" in note for note in file.notes)


def test_what_is_given_wins_over_the_video(tmp_path):
    path = video(tmp_path / "a.avi", frames())
    sequence = load_sequence(path, spacing_mm=(0.3, 0.2), frame_time_ms=12.5)
    assert (sequence.spacing_mm, sequence.frame_time_ms) == ((0.3, 0.2), 12.5)


@pytest.mark.parametrize(
    ("name", "codec", "kind", "says"),
    [
        ("a.avi", "mpeg4", "yuv420p", "MPEG-4"),
        ("a.mp4", "mpeg4", "yuv420p", "MPEG-4"),
        ("a.mp4", "libx264", "yuv420p", "H.264"),
        ("a.mkv", "libx264", "gray", "H.264"),
        ("a.avi", "mjpeg", "yuvj420p", "JPEG"),
    ],
)
def test_a_lossy_video_is_refused_with_the_reason_and_the_way_out(
    tmp_path, name, codec, kind, says
):
    path = video(tmp_path / name, frames(kind, CINE[:36, :50]), codec)
    message = rf"{name}: is compressed with .*{says}.*lossy compression changes .*ffv1 masks.mkv"
    with pytest.raises(FileError, match=message):
        load_sequence(path)


def test_h264_without_loss_is_refused_too_since_nothing_proves_it(tmp_path):
    path = video(tmp_path / "a.mkv", frames("gray", CINE[:36, :50]), "libx264", qp="0")
    with pytest.raises(FileError, match=r"compressed with H\.264"):
        load_sequence(path)


def test_lossless_pixels_that_were_converted_before_are_refused(tmp_path):
    path = video(tmp_path / "a.mkv", frames("yuv420p", CINE[:36, :50]))
    with pytest.raises(FileError, match="its pixels are yuv420p, no label values"):
        load_sequence(path)


def test_colors_and_values_that_are_no_labels_are_refused(tmp_path):
    red = np.zeros((8, 10, 3), np.uint8)
    red[2:5, 2:5, 0] = 255
    with pytest.raises(FileError, match="color"):
        load_sequence(video(tmp_path / "a.avi", [frame_of(red, "rgb24")], "png"))
    deep = av.VideoFrame.from_ndarray(np.full((8, 10), 300, np.uint16), "gray16le")
    with pytest.raises(LabelError, match="found 300"):
        load_sequence(video(tmp_path / "b.mkv", [deep]))


def test_palettes_that_change_from_frame_to_frame_are_refused(tmp_path):
    other = np.full((256, 4), 255, np.uint8)
    other[:4, 1:] = [[0, 0, 0], [0, 0, 255], [0, 255, 0], [255, 0, 0]]
    both = [frame_of(CINE[:, :, 0], "pal8"), frame_of(CINE[:, :, 1], "pal8", other)]
    with pytest.raises(FileError, match="2 different palettes"):
        load_sequence(video(tmp_path / "a.avi", both, "png"))


@pytest.mark.parametrize("name", ["a.avi", "a.mkv", "a.mp4"])
@pytest.mark.parametrize("part", [0.2, 0.5, 0.7])
def test_a_video_cut_short_is_refused(tmp_path, name, part):
    path = video(tmp_path / name, frames())
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * part)])
    with pytest.raises(FileError, match=name):
        load_sequence(path)


def test_damaged_pixels_are_refused(tmp_path):
    path = video(tmp_path / "a.avi", frames(), slicecrc="1", level="3")
    content = bytearray(path.read_bytes())
    content[content.index(b"00dc", content.index(b"movi")) + 200] ^= 4  # of the first frame
    path.write_bytes(content)
    for _ in range(2):
        with pytest.raises(FileError, match=r"a.avi: is damaged \(slice CRC mismatch"):
            load_sequence(path)


@pytest.mark.parametrize("name", ["a.avi", "a.mkv", "a.mp4"])
def test_what_is_no_video_is_refused(tmp_path, name):
    (tmp_path / name).write_bytes(b"no video at all" * 40)
    with pytest.raises(FileError, match=r"is no .* video, or is damaged"):
        load_sequence(tmp_path / name)


def test_a_video_larger_than_a_label_map_may_be_is_refused(tmp_path, monkeypatch):
    path = video(tmp_path / "a.avi", frames())
    monkeypatch.setattr("cardiovae.io.limits.MAX_PIXELS", 37 * 51 * 5)
    with pytest.raises(FileError, match="claims 37 x 51 x 6 pixels"):
        load_sequence(path)
    path = video(tmp_path / "a.mkv", frames())  # states no number of frames
    with pytest.raises(FileError, match="claims 37 x 51 x 6 pixels"):
        load_sequence(path)


def test_without_the_extra_the_error_names_it(tmp_path, monkeypatch):
    path = video(tmp_path / "a.avi", frames())
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(FileError, match=r"pip install 'cardiovae\[video\]'"):
        load_sequence(path)


def test_the_file_is_never_given_to_the_library_by_name(tmp_path, monkeypatch):
    """A name may look like an address, and a file may name others."""
    path = video(tmp_path / "a.avi", frames())
    opened, real = [], av.open
    monkeypatch.setattr(av, "open", lambda file, **how: opened.append(file) or real(file, **how))
    load_sequence(path)
    assert not any(isinstance(file, (str, bytes)) or hasattr(file, "name") for file in opened)


def test_videos_in_a_folder_are_left_out_with_a_word_and_found_by_a_pattern(tmp_path):
    path = video(tmp_path / "a.mkv", frames())
    np.save(tmp_path / "b.npy", CINE)
    found = search_inputs([tmp_path])
    assert found.paths == (tmp_path / "b.npy",)
    assert any("1 video left out" in remark for remark in found.remarks)
    assert search_inputs([tmp_path / "*.mkv"]).paths == (path,)
    assert search_inputs([path]).paths == (path,)
    assert search_inputs([tmp_path / "*"]).paths == (tmp_path / "b.npy",)
    (tmp_path / "b.npy").unlink()
    with pytest.raises(FileError, match=r"matches no label map.*1 video left out"):
        search_inputs([tmp_path])


def test_labels_of_a_video_are_written_as_nifti(tmp_path):
    sequence, like = open_sequence(video(tmp_path / "a.mp4", frames()))
    save_labels(tmp_path / "a.nii.gz", sequence, like)
    np.testing.assert_array_equal(load_sequence(tmp_path / "a.nii.gz").labels, CINE)
    assert load_sequence(tmp_path / "a.nii.gz").spacing_mm is None
    with pytest.raises(FileError, match="a video is read, not written"):
        save_labels(tmp_path / "b.mp4", sequence, like)


def test_a_run_converts_a_video_and_refuses_a_lossy_one(tmp_path, capsys):
    path = video(tmp_path / "a.mkv", frames())
    done = run(capsys, "convert", path, "-o", tmp_path / "out", "--to", "npz")
    assert done.code == 0, done.err
    np.testing.assert_array_equal(load_sequence(tmp_path / "out" / "a.npz").labels, CINE)
    lossy = video(tmp_path / "b.mp4", frames("yuv420p", CINE[:36, :50]), "mpeg4")
    done = run(capsys, "audit", path, lossy, "--spacing", "0.3")
    assert done.code == 4, done.err
    assert "lossy compression changes labels" in done.err


def test_nothing_but_a_video_loads_the_library():
    code = "import sys, cardiovae.io.video, cardiovae.cli.app; print('av' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
