"""A sequence is valid from birth and cannot be changed behind one's back."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cardiovae.errors import CardiovaeError
from cardiovae.labels import SHORT_AXIS, Label
from cardiovae.sequence import EchoSequence

LABELS = np.array([[[0, 1], [2, 3]]], np.uint8)


def test_a_sequence_knows_its_size_and_frames():
    sequence = EchoSequence(LABELS, (0.5, 0.25), frame_time_ms=20, view="A4C")
    assert sequence.shape == (1, 2)
    assert sequence.n_frames == 2
    np.testing.assert_array_equal(sequence.frame(1), [[1, 3]])


def test_its_array_is_a_read_only_copy():
    labels = LABELS.copy()
    sequence = EchoSequence(labels)
    labels[:] = 0
    assert sequence.labels.max() == 3
    with pytest.raises(ValueError, match="read-only"):
        sequence.labels[0, 0, 0] = 1


def test_new_labels_keep_the_place():
    sequence = EchoSequence(LABELS, (0.5, 0.25), view="A2C")
    other = sequence.with_labels(np.zeros_like(LABELS))
    assert other.spacing_mm == (0.5, 0.25)
    assert other.view == "A2C"
    assert sequence.labels.max() == 3
    with pytest.raises(CardiovaeError, match="shape"):
        sequence.with_labels(np.zeros((2, 2, 2), np.uint8))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": LABELS[0]}, "shape"),
        ({"labels": np.zeros((0, 2, 2), np.uint8)}, "none of them zero"),
        ({"labels": LABELS.astype(float)}, "uint8"),
        ({"labels": LABELS + 1}, "values"),
        ({"structures": (Label.LV,)}, "annotated"),
        ({"spacing_mm": (0.0, 1.0)}, "positive"),
        ({"spacing_mm": (math.nan, 1.0)}, "positive"),
        ({"frame_time_ms": 0.0}, "frame_time_ms"),
        ({"view": "2CH"}, "view"),
    ],
)
def test_what_cannot_be_is_refused_by_name(change, message):
    with pytest.raises(CardiovaeError, match=message):
        EchoSequence(**{"labels": LABELS, "source": "here"} | change)


def test_a_right_ventricle_makes_a_stack():
    labels = np.array([[[0, 1], [2, 4]]], np.uint8)
    sequence = EchoSequence(labels, (1.5, 1.5), SHORT_AXIS)
    assert sequence.view == "SAX"
    assert sequence.is_stack
    assert not EchoSequence(LABELS).is_stack


def test_no_view_shows_both_neighbors():
    labels = np.zeros((2, 2, 1), np.uint8)
    with pytest.raises(CardiovaeError, match="SAX shows no LA"):
        EchoSequence(labels, None, view="SAX")
    with pytest.raises(CardiovaeError, match="A4C shows no RV"):
        EchoSequence(labels, None, SHORT_AXIS, view="A4C")
