"""The audit of a stack of short-axis slices: what is missing, what does not apply, records."""

import json
import math

import numpy as np
import pytest
from audit_cases import heart
from hypothesis import given
from hypothesis import strategies as st
from short_axis_cases import SPACING, healthy, stack

from cardiovae.audit.audit import audit_sequence
from cardiovae.audit.record import (
    audit_of,
    audit_record,
    criteria_not_passed,
    implausible_frames,
    worst_frame,
)
from cardiovae.audit.rows import finding_rows, frame_columns, frame_rows
from cardiovae.audit.stacks import missing_between_slices, slices_without
from cardiovae.audit.temporal import Motion
from cardiovae.errors import ConfigError
from cardiovae.labels import SHORT_AXIS, STRUCTURES, Label
from cardiovae.sequence import EchoSequence


def without(sequence, structure, slices):
    """The stack with a structure taken out of some slices."""
    labels = sequence.labels.copy()
    for z in slices:
        labels[:, :, z][labels[:, :, z] == structure] = 0
    return sequence.with_labels(labels)


def failing(audit):
    return {(f.frame, f.criterion) for frame in audit.frames for f in frame.failures}


def recorded(sequence):
    motion = Motion(sequence.labels, sequence.spacing_mm, sequence.structures)
    found = audit_sequence(sequence, motion=motion)
    record = audit_record(sequence, found, motion)
    return found, {"source": sequence.source, "status": "ok", "notes": [], **record}


def test_a_healthy_stack_passes_by_default_and_has_no_motion():
    audit = audit_sequence(stack())
    assert audit.passed
    assert audit.anatomy == "acdc"
    assert audit.temporal_set is None
    assert audit.temporal == ()
    assert audit.to_json()["temporal_verdict"] is None


def test_slices_are_never_judged_as_motion_whatever_is_asked():
    for name in ("tmi2022", "rl4seg3d"):
        assert audit_sequence(stack(), temporal=name).temporal_set is None


def test_an_apical_sequence_keeps_its_default():
    labels = np.repeat(heart()[:, :, None], 3, axis=2)
    audit = audit_sequence(EchoSequence(labels, (0.5, 0.5), STRUCTURES))
    assert (audit.anatomy, audit.temporal_set) == ("camus", "tmi2022")


def test_the_last_slices_may_lack_what_the_others_have():
    audit = audit_sequence(without(stack(), Label.RV, [0, 4]))
    assert audit.passed


@pytest.mark.parametrize("structure", SHORT_AXIS)
def test_a_structure_taken_out_between_two_slices_is_missed(structure):
    audit = audit_sequence(without(stack(), structure, [2]))
    name = f"{structure.name.lower()}_missing"
    assert (2, name) in failing(audit)
    assert not {(z, n) for z, n in failing(audit) if n == name} - {(2, name)}
    finding = next(f for f in audit.frames[2].findings if f.criterion == name)
    assert finding.value == 1
    assert "both sides" in finding.reason


@pytest.mark.parametrize("structure", [Label.LV, Label.MYO])
def test_a_stack_without_a_left_ventricle_fails_everywhere_and_says_why(structure):
    audit = audit_sequence(without(stack(), structure, range(6)))
    name = f"{structure.name.lower()}_nowhere"
    assert {z for z, n in failing(audit) if n == name} == set(range(6))
    finding = next(f for f in audit.frames[0].findings if f.criterion == name)
    assert finding.reason == f"no {structure.name} pixel in any slice"


def test_an_empty_stack_does_not_pass():
    sequence = stack()
    assert not audit_sequence(sequence.with_labels(np.zeros_like(sequence.labels))).passed


def test_two_slices_may_lie_below_the_right_ventricle_and_three_may_not():
    for n, passes in ((1, True), (2, True), (3, False)):
        labels = np.stack([healthy(rv=False)] * n, axis=2)
        audit = audit_sequence(EchoSequence(labels, SPACING, SHORT_AXIS))
        assert audit.passed is passes


def test_a_stack_without_an_annotated_rv_is_not_asked_for_one():
    labels = np.stack([healthy(rv=False)] * 4, axis=2)
    audit = audit_sequence(EchoSequence(labels, SPACING, SHORT_AXIS[:2], view="SAX"))
    assert audit.passed
    assert not any("rv" in f.criterion.split("_") for f in audit.frames[0].findings)


@given(st.lists(st.booleans(), min_size=1, max_size=12))
def test_missing_is_what_lies_between_the_first_and_the_last(present):
    found = missing_between_slices(np.array(present)).tolist()
    expected = [
        float(not here and any(present[:z]) and any(present[z + 1 :]))
        for z, here in enumerate(present)
    ]
    assert found == expected
    assert missing_between_slices(np.array(present[::-1])).tolist() == expected[::-1]
    assert set(slices_without(np.array(present))) == {0.0 if any(present) else len(present)}


def test_criteria_for_other_views_are_refused_with_the_way_out():
    for name in ("camus", "camus-public"):
        with pytest.raises(ConfigError, match=r"a stack of short-axis slices; take .* acdc"):
            audit_sequence(stack(), anatomy=name)
    apical = EchoSequence(heart()[:, :, None], (0.5, 0.5), STRUCTURES, source="mine")
    with pytest.raises(ConfigError, match=r"mine: criteria 'acdc' .* camus, or say .* SAX"):
        audit_sequence(apical, anatomy="acdc")
    with pytest.raises(ConfigError, match="an anatomical set"):
        audit_sequence(stack(), anatomy="tmi2022")


def test_a_record_says_the_same_as_the_audit_it_was_made_of():
    changed = [(Label.RV, [2]), (Label.RV, [0, 5]), (Label.LV, [1]), (Label.MYO, [3])]
    for sequence in (stack(), *(without(stack(), *change) for change in changed)):
        found, record = recorded(sequence)
        assert audit_of(json.loads(json.dumps(record, allow_nan=False))) == found
        assert {len(c["verdicts"]) for c in record["criteria"]} == {sequence.n_frames}


def test_what_a_slice_lacks_is_neither_failed_nor_passed_in_the_record():
    _, record = recorded(without(stack(), Label.RV, [2]))
    by_name = {c["name"]: c for c in record["criteria"]}
    assert by_name["holes_in_rv"]["verdicts"] == "PP-PP-"
    assert by_name["holes_in_rv"]["values"][2] is None
    assert by_name["rv_missing"]["verdicts"] == "PPFPPP"
    assert implausible_frames(record) == [2]
    assert worst_frame(record) == 2
    assert criteria_not_passed(record, 2) == ["rv_missing"]
    assert criteria_not_passed(record, 5) == []


def test_tables_leave_blank_what_was_not_asked():
    _, record = recorded(without(stack(), Label.RV, [2]))
    criteria = [{"set": "acdc", "structures": ["rv"], **c} for c in record["criteria"]]
    columns = frame_columns(criteria)
    rows = list(frame_rows(record, columns))
    assert all(row.keys() == columns.keys() for row in rows)
    assert rows[2]["acdc:holes_in_rv"] is None
    assert rows[1]["acdc:holes_in_rv"] == 0
    assert rows[2]["rv_area"] is None
    assert rows[2]["not_passed"] == "rv_missing"
    findings = list(finding_rows(record, everything=True))
    assert not any(f["frame"] == 2 and f["criterion"] == "holes_in_rv" for f in findings)


def test_attributes_of_slices_are_areas_and_centers_alone():
    _, record = recorded(stack())
    found = record["attributes"]
    pixels = np.count_nonzero(stack().labels == Label.RV, axis=(0, 1))
    expected = [n * 1.5 * 1.5 if n else None for n in pixels.tolist()]
    assert found["rv_area"] == expected
    assert math.isfinite(found["lv_area"][0])
    for name in ("lv_length", "lv_base_width", "lv_orientation", "la_area"):
        assert found[name] == [None] * 6


def test_the_table_of_a_stack_counts_the_slices_that_were_asked():
    text = audit_sequence(without(stack(), Label.RV, [2])).table()
    row = next(line for line in text.splitlines() if "holes_in_rv" in line)
    assert "4/4" in row
    assert "motion" not in text
    assert "temporal" not in text
