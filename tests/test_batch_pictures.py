"""Pictures for batches: every pixel of a frame, and marks where the audit counts pixels."""

from __future__ import annotations

import io

import numpy as np
import pytest
from batch_report_cases import as_record, audit_of, corrected, phantoms
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageColor

from cardiovae.audit import anatomy
from cardiovae.errors import CardiovaeError
from cardiovae.labels import STRUCTURES, Label
from cardiovae.report import batch_pictures
from cardiovae.report.batch_pictures import SHEET_PIXELS, identifier, pictures_of, sheet_columns
from cardiovae.report.marks import marked
from cardiovae.report.palette import BACKDROP, STRUCTURE_COLORS
from cardiovae.sequence import EchoSequence

SPACING = (0.5, 2.0)
COUNTED = (
    "lv_hole_area_mm2", "epi_hole_area_mm2", "la_hole_area_mm2", "lv_disconnected_area_mm2",
    "myo_disconnected_area_mm2", "la_disconnected_area_mm2", "lv_myo_gap_area_mm2",
    "lv_la_gap_area_mm2",
)  # fmt: skip


@pytest.fixture(scope="module")
def pairs():
    return list(phantoms(1))


def tiles(content: bytes, n_frames: int, n_parts: int) -> np.ndarray:
    """Tiles of a sheet as RGBA, shape (parts, T, h, w, 4)."""
    sheet = np.asarray(Image.open(io.BytesIO(content)).convert("RGBA"))
    n_cols = sheet_columns(n_frames)
    n_rows = -(-n_frames // n_cols)
    height, width = sheet.shape[0] // (n_rows * n_parts), sheet.shape[1] // n_cols
    grid = sheet.reshape(n_parts, n_rows, height, n_cols, width, 4).swapaxes(2, 3)
    return grid.reshape(n_parts, n_rows * n_cols, height, width, 4)[:, :n_frames]


def cine(files: dict[str, bytes]) -> bytes:
    return next(content for name, content in files.items() if name.startswith("cines/"))


def labels_of(tile: np.ndarray) -> np.ndarray:
    """Labels by their colors; an unknown color raises."""
    colors = [BACKDROP, *(STRUCTURE_COLORS[s] for s in STRUCTURES)]
    table = {ImageColor.getrgb(color): value for value, color in enumerate(colors)}
    return np.array([[table[tuple(pixel)] for pixel in row] for row in tile[..., :3].tolist()])


@st.composite
def frames(draw):
    """Small label maps of any kind."""
    shape = draw(st.tuples(st.integers(3, 14), st.integers(3, 14)))
    cells = draw(
        st.lists(st.integers(0, 3), min_size=shape[0] * shape[1], max_size=shape[0] * shape[1])
    )
    return np.array(cells, np.uint8).reshape(shape)


@settings(max_examples=60, deadline=None)
@given(frames())
def test_as_many_pixels_are_marked_as_the_audit_counts(frame):
    for name in COUNTED:
        pixels = getattr(anatomy, name)(frame, (1.0, 1.0))
        if pixels:
            assert marked(frame, (), [name]).sum() == pixels, name


@settings(max_examples=60, deadline=None)
@given(frames())
def test_a_gap_at_the_annulus_is_marked_as_it_is_counted(frame):
    share = anatomy.annulus_gap_ratio(frame, (1.0, 1.0))
    if share > 0:
        assert marked(frame, (), ["annulus_gap_ratio"]).sum() == round(share * (frame == 1).sum())


def test_motion_is_marked_where_a_frame_differs_from_neighbors_that_agree():
    quiet = np.zeros((20, 20), np.uint8)
    quiet[5:10, 5:15] = Label.LV
    jump = quiet.copy()
    jump[10:14, 5:15] = Label.LV
    jump[0, 0] = Label.LA  # grain, and of another structure
    found = marked(jump, (quiet, quiet), ["lv_area"])
    expected = np.zeros((20, 20), bool)
    expected[10:14, 5:15] = True
    assert np.array_equal(found, expected)
    assert np.array_equal(marked(quiet, (quiet, jump), ["lv_area"]), contour(quiet))


def contour(labels: np.ndarray) -> np.ndarray:
    """Pixels of the LV with another label among their 8 neighbors, pixel by pixel."""
    found = np.zeros(labels.shape, bool)
    for r, c in np.argwhere(labels == Label.LV):
        found[r, c] = (labels[r - 1 : r + 2, c - 1 : c + 2] != Label.LV).any()
    return found


def test_the_thin_part_of_a_wall_is_marked_and_the_thick_part_is_not():
    frame = np.zeros((60, 40), np.uint8)
    frame[5:25, 5:25] = Label.MYO
    frame[25:45, 14:16] = Label.MYO
    found = marked(frame, (), ["myo_thickness_ratio"])
    assert found[28:45, 14:16].all()
    assert not found[8:22, 8:22].any()


def test_a_contact_that_is_too_long_is_marked_on_the_first_structure():
    frame = np.zeros((12, 12), np.uint8)
    frame[2:6, 2:10] = Label.MYO
    frame[6:10, 2:10] = Label.LA
    found = marked(frame, (), ["myo_la_frontier_ratio"])
    assert np.array_equal(np.argwhere(found), [(5, c) for c in range(2, 10)])


def test_a_missing_structure_is_marked_where_the_neighbors_have_it():
    whole = np.zeros((12, 12), np.uint8)
    whole[3:9, 3:9] = Label.LA
    found = marked(np.zeros_like(whole), (whole, whole), ["la_present"])
    assert np.array_equal(found, whole == Label.LA)


def test_every_frame_is_in_the_sheet_pixel_by_pixel():
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 4, (30, 20, 5)).astype(np.uint8)
    labels[[0, -1]] = labels[:, [0, -1]] = Label.MYO  # the box is the frame
    sequence = EchoSequence(labels, (1.0, 1.0), source="noise")
    files = pictures_of(sequence, as_record("noise", audit_of(sequence)))
    shown = tiles(cine(files), 5, 2)
    for t in range(5):
        assert np.array_equal(labels_of(shown[0, t]), labels[:, :, t])
        assert (shown[0, t, :, :, 3] == 255).all()


def test_frames_that_pass_have_no_marks_and_others_have(pairs):
    _, broken = pairs[0]
    record = as_record("x", audit_of(broken))
    shown = tiles(cine(pictures_of(broken, record)), broken.n_frames, 2)
    for t in range(broken.n_frames):
        fails = any(c["verdicts"][t] == "F" for c in record["criteria"] if not c["whole"])
        assert (shown[1, t, :, :, 3] > 0).any() == fails


def test_a_single_pixel_is_marked_however_small_the_picture():
    labels = np.zeros((2000, 1500, 1), np.uint8)
    labels[100:1900, 100:1400] = Label.LV
    labels[1001, 701] = Label.BACKGROUND
    sequence = EchoSequence(labels, (0.1, 0.1), source="large")
    files = pictures_of(sequence, as_record("large", audit_of(sequence)))
    marks = tiles(cine(files), 1, 2)[1, 0]
    rows, cols = np.nonzero(marks[:, :, 3])
    inside = (rows > 20) & (rows < marks.shape[0] - 20)
    assert inside.any()
    near = np.abs(rows / marks.shape[0] - 0.5).min(), np.abs(cols / marks.shape[1] - 0.466).min()
    assert max(near) < 0.02


def test_a_correction_shows_both_sides_and_the_marks_of_both(pairs):
    sound, broken = pairs[0]
    record = corrected(sound, broken, "study/a.nii.gz")
    files = pictures_of(sound, record, before=broken.labels)
    after, after_marks, before, before_marks = tiles(cine(files), sound.n_frames, 4)
    assert not after_marks[..., 3].any()
    assert before_marks[..., 3].any()
    changed = [t for t in range(sound.n_frames) if not np.array_equal(after[t], before[t])]
    expected = np.flatnonzero((sound.labels != broken.labels).any((0, 1)))
    assert changed == expected.tolist()


def test_names_are_digits_and_the_same_input_gives_the_same_bytes(pairs):
    _, broken = pairs[0]
    record = as_record("../../<img src=x>.nii.gz", audit_of(broken))
    files = pictures_of(broken, record)
    assert files == pictures_of(broken, record)
    identity = identifier("../../<img src=x>.nii.gz")
    assert set(files) == {f"thumbs/{identity}.webp", f"cines/{identity}.png"}
    assert set(identity) <= set("0123456789abcdef")
    thumbnail = Image.open(io.BytesIO(files[f"thumbs/{identity}.webp"]))
    assert thumbnail.format == "WEBP"
    assert max(thumbnail.size) <= batch_pictures.THUMB_SIDE


def test_a_name_with_bytes_that_are_no_text_has_an_identifier():
    assert len(identifier(b"a\xff.nii".decode("utf-8", "surrogateescape"))) == 16


def test_a_long_loop_stays_a_small_picture():
    labels = np.zeros((100, 75, 400), np.uint8)
    labels[10:90, 10:65] = Label.LV
    sequence = EchoSequence(labels, (1.0, 1.0), source="long")
    with Image.open(
        io.BytesIO(cine(pictures_of(sequence, as_record("long", audit_of(sequence)))))
    ) as sheet:
        assert sheet.width * sheet.height <= 2 * 1.2 * SHEET_PIXELS
        assert max(sheet.size) < 16384


def test_a_before_of_another_shape_is_refused(pairs):
    sound, broken = pairs[0]
    with pytest.raises(CardiovaeError, match="before: must have the shape"):
        pictures_of(sound, corrected(sound, broken, "x"), before=broken.labels[:, :, 1:])


def test_without_webp_the_error_says_what_to_do(pairs, monkeypatch):
    monkeypatch.setattr(batch_pictures.features, "check", lambda _: False)
    with pytest.raises(CardiovaeError, match="cannot write WebP; install"):
        pictures_of(pairs[0][0], {})
