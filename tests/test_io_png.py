from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cardiovae.errors import FileError, LabelError
from cardiovae.io import (
    find_inputs,
    header_bytes,
    load_sequence,
    open_sequence,
    save_labels,
    save_map,
    search_inputs,
    stem,
    written_suffix,
)
from cardiovae.io.limits import DEFLATE_RATIO

FRAME = np.array([[0, 1, 1, 0], [2, 2, 2, 0], [3, 3, 0, 0]], np.uint8)
COLORS = bytes([0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255])  # black, red, green, blue


def gray(path: Path, values: np.ndarray = FRAME) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path)
    return path


def indexed(path: Path, values: np.ndarray = FRAME, colors: bytes = COLORS) -> Path:
    image = Image.fromarray(values)
    image.putpalette(colors)
    image.save(path)
    return path


def series(folder: Path, start: str, numbers: range | list[int], digits: int = 1) -> Path:
    """A file per number, each with as many pixels of LV as its number, at most twelve."""
    for n in numbers:
        values = (np.arange(12) < n).astype(np.uint8).reshape(3, 4)
        gray(folder / f"{start}{n:0{digits}d}.png", values)
    return folder


def areas(path: Path) -> list[int]:
    labels = load_sequence(path, labels="lv").labels
    return [int(labels[:, :, t].sum()) for t in range(labels.shape[2])]


def test_palette_indices_and_gray_levels_are_label_values(tmp_path):
    for path in (gray(tmp_path / "gray.png"), indexed(tmp_path / "palette.png")):
        sequence, file = open_sequence(path)
        assert (sequence.labels[:, :, 0] == FRAME).all()
        assert (sequence.spacing_mm, sequence.frame_time_ms) == (None, None)
        assert (file.kind, file.extension) == ("png", ".png")


def test_one_bit_and_sixteen_bits_per_pixel_are_read(tmp_path):
    Image.fromarray(FRAME == 1).save(tmp_path / "bit.png")
    assert (load_sequence(tmp_path / "bit.png").labels[:, :, 0] == (FRAME == 1)).all()
    Image.fromarray(FRAME.astype(np.uint16)).save(tmp_path / "deep.png")
    assert (load_sequence(tmp_path / "deep.png").labels[:, :, 0] == FRAME).all()
    Image.fromarray(FRAME.astype(np.uint16) * 100).save(tmp_path / "deep.png")
    with pytest.raises(LabelError, match="found 300"):
        load_sequence(tmp_path / "deep.png")


@pytest.mark.parametrize("mode", ["1", "L", "P", "I;16", "RGB", "RGBA", "LA"])
def test_mode_and_palette_are_written_back(tmp_path, mode):
    path = tmp_path / "a.png"
    values = (FRAME == 1).astype(np.uint8) if mode == "1" else FRAME
    if mode == "P":
        indexed(path)
    elif mode == "1":
        Image.fromarray(values.astype(bool)).save(path)
    elif mode == "I;16":
        Image.fromarray(values.astype(np.uint16)).save(path)
    else:
        Image.fromarray(values).convert(mode).save(path)
    sequence, file = open_sequence(path, labels="camus")
    assert (sequence.labels[:, :, 0] == values).all()
    emptied = sequence.with_labels(np.where(sequence.labels == 1, 0, sequence.labels))
    save_labels(tmp_path / "b.png", emptied, file)
    with Image.open(path) as before, Image.open(tmp_path / "b.png") as after:
        assert after.mode == before.mode
        if mode == "P":
            assert after.getpalette() == before.getpalette()
        changed = np.asarray(before) != np.asarray(after)
    assert (changed.reshape(3, 4, -1).any(axis=2) == (values == 1)).all()
    save_labels(tmp_path / "c.png", sequence, file)
    assert (tmp_path / "c.png").read_bytes() == path.read_bytes()


def test_a_color_mask_is_refused_with_its_colors_and_the_way_out(tmp_path):
    red = np.zeros((3, 4, 3), np.uint8)
    red[FRAME == 1] = (255, 0, 0)
    Image.fromarray(red).save(tmp_path / "a.png")
    message = r"\(RGB, colors \(0, 0, 0\), \(255, 0, 0\)\).* palette or gray"
    with pytest.raises(FileError, match=message):
        load_sequence(tmp_path / "a.png")
    faint = np.stack([FRAME, FRAME, FRAME, 50 * FRAME], axis=2)
    Image.fromarray(faint).save(tmp_path / "b.png")
    with pytest.raises(FileError, match=r"colors \(0, 0, 0, 0\), \(1, 1, 1, 50\)"):
        load_sequence(tmp_path / "b.png")


def test_a_palette_too_small_for_a_label_is_refused(tmp_path):
    path = indexed(tmp_path / "a.png", np.minimum(FRAME, 1), COLORS[:6])
    sequence, file = open_sequence(path, labels="camus")
    with pytest.raises(FileError, match=r"mode P, 2 colors\) cannot hold the label value 3"):
        save_labels(tmp_path / "b.png", sequence.with_labels(FRAME[:, :, None]), file)


def test_a_folder_with_one_series_is_one_sequence_in_the_order_of_the_numbers(tmp_path):
    folder = series(tmp_path / "p1_4CH", "frame_", [10, 9, 2, 1])
    assert find_inputs([folder]) == find_inputs([tmp_path]) == [folder]
    assert search_inputs([folder]).remarks == ()
    assert "1 sequence;" in search_inputs([tmp_path]).remarks[0]
    assert areas(folder) == [1, 2, 9, 10]
    sequence, file = open_sequence(folder)
    assert sequence.view == "A4C"
    assert file.extension == written_suffix(folder) == ""
    assert file.notes == (
        "4 PNG files read as one sequence, frame_1.png to frame_10.png",
        "frame numbers absent: 3 to 8; the frames around them count as neighbors",
    )


def test_several_series_in_a_folder_are_one_sequence_each(tmp_path):
    series(tmp_path, "a_2CH_", range(1, 4), digits=3)
    series(tmp_path, "b_4CH_", range(5, 7))
    gray(tmp_path / "lone.png")
    found = search_inputs([tmp_path])
    assert [p.name for p in found.paths] == ["a_2CH_*.png", "b_4CH_*.png", "lone.png"]
    assert [stem(p) for p in found.paths] == ["a_2CH", "b_4CH", "lone"]
    assert found.remarks == (
        f"{tmp_path}: numbered PNG files read as 2 sequences; to read each as a frame of its own, "
        "name the files in full",
    )
    assert areas(found.paths[0]) == [1, 2, 3]
    assert areas(found.paths[1]) == [5, 6]
    assert find_inputs([found.paths[0]]) == [found.paths[0]]
    with pytest.raises(FileError, match=r"holds 3 sequences .* one of them: a_2CH_\*\.png, "):
        load_sequence(tmp_path)


def test_a_file_named_in_full_is_one_frame_and_a_pattern_for_some_frames_is_those(tmp_path):
    folder = series(tmp_path / "x", "f", range(1, 12))
    assert find_inputs([folder / "f3.png"]) == [folder / "f3.png"]
    assert areas(folder / "f3.png") == [3]
    assert find_inputs([f"{folder}/f1*.png"]) == [folder / f"f{n}.png" for n in (1, 10, 11)]
    assert find_inputs([f"{tmp_path}/*/f*.png"]) == [folder]


def test_masks_without_a_number_at_the_end_are_a_case_each(tmp_path):
    for name in ("p1_4CH_ED", "p2_4CH_ED"):
        gray(tmp_path / f"{name}.png")
    assert [stem(p) for p in find_inputs([tmp_path])] == ["p1_4CH_ED", "p2_4CH_ED"]


def test_a_series_in_the_working_folder_still_has_a_name(tmp_path, monkeypatch):
    series(tmp_path / "p7", "f_", range(1, 3))
    monkeypatch.chdir(tmp_path / "p7")
    assert find_inputs(["."]) == [Path("f_*.png")]
    assert areas(Path("f_*.png")) == [1, 2]


def test_a_series_is_written_back_as_a_folder_of_the_same_names(tmp_path):
    folder = series(tmp_path / "in", "f_", [3, 7, 11], digits=4)
    sequence, file = open_sequence(folder)
    save_labels(tmp_path / "out", sequence, file)
    for path in folder.iterdir():
        assert (tmp_path / "out" / path.name).read_bytes() == path.read_bytes()
    assert len(list((tmp_path / "out").iterdir())) == 3
    with pytest.raises(FileError, match=r"exists already .* --overwrite"):
        save_labels(tmp_path / "out", sequence, file)
    gray(tmp_path / "out" / "f_9999.png")
    save_labels(tmp_path / "out", sequence, file, overwrite=True)
    assert not (tmp_path / "out" / "f_9999.png").exists()
    (tmp_path / "out" / "notes.txt").write_text("mine")
    with pytest.raises(FileError, match=r"holds 'notes\.txt' as well"):
        save_labels(tmp_path / "out", sequence, file, overwrite=True)
    with pytest.raises(FileError, match=r"a\.png: several frames of PNG are written as a folder"):
        save_labels(tmp_path / "a.png", sequence, file)
    save_map(tmp_path / "u.nii.gz", np.zeros((3, 4, 3), np.float32), file)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in", "out", "u.nii.gz"]


def test_a_folder_that_cannot_be_moved_leaves_the_old_one(tmp_path, monkeypatch):
    folder = series(tmp_path / "in", "f_", [1, 2])
    sequence, file = open_sequence(folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    move = Path.replace

    def refuse_new(self, target):
        if self.parent.name.startswith(".cardiovae-") and self.name == "in":
            raise OSError(5, "Input/output error")
        return move(self, target)

    monkeypatch.setattr(Path, "replace", refuse_new)
    with pytest.raises(FileError, match="Input/output error"):
        save_labels(
            folder, sequence.with_labels(sequence.labels * np.uint8(0)), file, overwrite=True
        )
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert [p.name for p in tmp_path.iterdir()] == ["in"]


def test_frames_that_do_not_belong_together_are_refused(tmp_path):
    folder = series(tmp_path / "a", "f_", [1, 2])
    gray(folder / "f_3.png", FRAME[:2])
    with pytest.raises(FileError, match=r"differ in size: f_1\.png .* f_3\.png .*one by one"):
        load_sequence(folder)
    indexed(folder / "f_3.png")
    with pytest.raises(FileError, match="differ in mode"):
        load_sequence(folder)
    (folder / "f_3.png").unlink()
    gray(folder / "f_02.png")
    with pytest.raises(FileError, match=r"f_02\.png and f_2\.png have the same number"):
        load_sequence(folder)


def test_an_index_that_changes_its_color_within_a_series_is_refused(tmp_path):
    indexed(tmp_path / "f_1.png", np.minimum(FRAME, 2), COLORS[:9])
    indexed(tmp_path / "f_2.png", FRAME, COLORS)
    _, file = open_sequence(tmp_path)
    assert file.template.palette == COLORS
    indexed(tmp_path / "f_3.png", FRAME, COLORS[:3] + COLORS[6:] + COLORS[3:6])
    with pytest.raises(FileError, match="different colors, so an index may mean different"):
        load_sequence(tmp_path)


def chunk(name: bytes, content: bytes) -> bytes:
    return (
        struct.pack(">I", len(content))
        + name
        + content
        + struct.pack(">I", zlib.crc32(name + content))
    )


def handmade(
    width: int, height: int, depth: int = 8, color: int = 0, pixels: bytes = b""
) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(pixels))
        + chunk(b"IEND", b"")
    )


def test_a_file_made_by_hand_after_the_specification_is_read(tmp_path):
    rows = b"".join(b"\0" + row.tobytes() for row in FRAME)
    (tmp_path / "a.png").write_bytes(handmade(4, 3, pixels=rows))
    assert (load_sequence(tmp_path / "a.png").labels[:, :, 0] == FRAME).all()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"not a picture at all, by any means", "is not a PNG file"),
        (handmade(60000, 60000), "claims 60000 x 60000 pixels, more than"),
        (handmade(15000, 15000), r"promises 15000 x 15000 pixels, which \d+ bytes cannot hold"),
        (handmade(4, 3, depth=16, color=2), "colors of 16 bits"),
        (handmade(0, 3), "header is damaged"),
        (handmade(4, 3, color=1), "header is damaged"),
        (handmade(4, 3, pixels=b"\0\1"), "or is damaged"),
        (handmade(4, 3, pixels=b"\0" * 15)[:-30], "or is damaged"),
    ],
)
def test_damage_is_a_file_error_that_names_the_file(tmp_path, content, message):
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(FileError, match=rf"a\.png: .*{message}"):
        load_sequence(tmp_path / "a.png")


def test_what_deflate_can_hold_is_not_underestimated():
    zeros = 10**7
    assert zeros / len(zlib.compress(bytes(zeros), 9)) < DEFLATE_RATIO


def test_an_animated_file_is_refused(tmp_path):
    frames = [Image.fromarray(FRAME), Image.fromarray(FRAME[::-1])]
    frames[0].save(tmp_path / "a.png", save_all=True, append_images=frames[1:])
    with pytest.raises(FileError, match="is animated"):
        load_sequence(tmp_path / "a.png")


def test_the_header_of_a_file_can_be_compared_that_of_a_series_not(tmp_path):
    folder = series(tmp_path / "in", "f_", [1, 2])
    one, other = header_bytes(folder / "f_1.png"), header_bytes(folder / "f_2.png")
    assert one == other
    assert one.startswith(b"\x89PNG")
    assert b"IDAT" not in one
    with pytest.raises(FileError, match=r"unknown format"):
        header_bytes(folder)
