from __future__ import annotations

import json

import numpy as np
import pytest
from audit_cases import heart
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from cardiovae.audit.audit import audit_sequence
from cardiovae.audit.record import audit_of, audit_record, implausible_frames, worst_frame
from cardiovae.audit.rows import FINDING_COLUMNS, finding_rows, frame_columns, frame_rows
from cardiovae.audit.temporal import Motion
from cardiovae.labels import CAMUS, LV_MYO, LV_ONLY, Label
from cardiovae.sequence import EchoSequence

HEAD = {"source": "array", "sha256": "0", "status": "ok", "error": "", "notes": []}
SHAPES = st.tuples(st.integers(1, 12), st.integers(1, 12), st.integers(1, 5))


@st.composite
def anything(draw) -> EchoSequence:
    """A label map sequence of any size and content, as no heart ever was."""
    scheme = draw(st.sampled_from([CAMUS, LV_MYO, LV_ONLY]))
    values = st.sampled_from([0, *scheme.structures])
    labels = draw(arrays.arrays(np.uint8, SHAPES, elements=values.map(int)))
    spacing = draw(st.none() | st.tuples(st.floats(0.01, 10), st.floats(0.01, 10)))
    return EchoSequence(labels, spacing, structures=scheme.structures)


def _recorded(sequence: EchoSequence, anatomy: str, temporal: str | None):
    motion = Motion(sequence.labels, sequence.spacing_mm, sequence.structures)
    found = audit_sequence(sequence, anatomy=anatomy, temporal=temporal, motion=motion)
    text = json.dumps({**HEAD, **audit_record(sequence, found, motion)}, allow_nan=False)
    return found, json.loads(text)


@settings(max_examples=150, deadline=None)
@given(
    sequence=anything(),
    anatomy=st.sampled_from(["camus", "camus-public"]),
    temporal=st.sampled_from(["tmi2022", "rl4seg3d", None]),
)
def test_whatever_is_audited_its_record_holds_the_whole_audit(sequence, anatomy, temporal):
    found, record = _recorded(sequence, anatomy, temporal)
    again = audit_of(record)
    assert again.to_json() == found.to_json()  # equal but for NaN, which equals nothing
    assert again.passed == found.passed == record["passed"]
    columns = frame_columns([])
    rows = list(frame_rows(record, columns))
    assert len(rows) == sequence.n_frames
    assert [row["valid"] for row in rows] == [frame.passed for frame in found.frames]
    findings = list(finding_rows(record, everything=True))
    assert all(set(row) == set(FINDING_COLUMNS) for row in findings)
    n_findings = sum(len(frame.findings) for frame in found.frames) + len(found.temporal)
    assert len(findings) == n_findings


def test_the_worst_frame_is_the_one_with_most_failures():
    labels = np.repeat(heart()[:, :, None], 4, axis=2)
    labels[2:5, 2:5, 1] = Label.LV
    labels[2:5, 2:5, 3] = Label.LV
    labels[2:5, 8:11, 3] = Label.MYO
    _, record = _recorded(EchoSequence(labels, (0.5, 0.5)), "camus", None)
    assert (implausible_frames(record), worst_frame(record)) == ([1, 3], 3)


@pytest.mark.parametrize("temporal", [None, "tmi2022"])
def test_a_sound_still_heart_has_no_worst_frame(temporal):
    labels = np.repeat(heart()[:, :, None], 4, axis=2)
    _, record = _recorded(EchoSequence(labels, (0.5, 0.5)), "camus", temporal)
    assert worst_frame(record) is None
    assert list(finding_rows(record)) == []
