"""Verdicts: what passes, what fails, what cannot be measured, and how an audit is written down."""

import dataclasses
import json
import math

import numpy as np
import pytest
from audit_cases import drawn, heart
from hypothesis import given, settings
from hypothesis import strategies as st

from cardiovae.audit.audit import audit_frame, audit_sequence, frame_is_valid
from cardiovae.audit.criteria import criteria
from cardiovae.audit.verdicts import Finding, FrameAudit, SequenceAudit, Verdict
from cardiovae.errors import ConfigError
from cardiovae.labels import CAMUS, LV_MYO, LV_ONLY, Label
from cardiovae.phantom.corruption import corrupt_frame
from cardiovae.sequence import EchoSequence

SPACING = (1.5, 1.6)
CAMUS_SET = criteria("camus")


def findings(labels, spacing_mm=SPACING, name="camus", structures=CAMUS.structures):
    audit = audit_frame(labels, spacing_mm, criteria(name), structures)
    return {finding.criterion: finding for finding in audit.findings}


def strict(text):
    """Parse JSON as the standard has it: no NaN, no Infinity."""

    def refuse(word):
        raise AssertionError(f"{word} is not JSON")

    return json.loads(text, parse_constant=refuse)


def test_a_sound_heart_passes_with_every_scheme():
    labels = heart()
    for scheme, keep in ((CAMUS, (1, 2, 3)), (LV_MYO, (1, 2)), (LV_ONLY, (1,))):
        seen = np.where(np.isin(labels, keep), labels, 0).astype(np.uint8)
        audit = audit_frame(seen, SPACING, CAMUS_SET, scheme.structures)
        assert audit.passed, audit.failures


def test_a_failing_criterion_carries_value_limits_and_unit():
    labels = heart()
    labels[40, 40] = 0
    found = findings(labels)["lv_hole_area_mm2"]
    assert found == Finding("lv_hole_area_mm2", Verdict.FAIL, 1.5 * 1.6, None, 0.0, "mm2")


def test_a_gap_between_ventricle_and_atrium_fails_camus_but_not_the_published_criteria():
    labels = heart()
    border = int(np.nonzero(labels[:, 40] == 3)[0].min())
    labels[border - 1 : border + 1, 38:42] = 0
    assert audit_frame(labels, SPACING, criteria("camus-public")).passed
    assert findings(labels)["lv_la_gap_area_mm2"].value == 8 * 1.5 * 1.6
    assert not audit_frame(labels, SPACING, CAMUS_SET).passed


def test_an_empty_frame_fails_presence_and_measures_nothing_else():
    found = findings(np.zeros((20, 30), np.uint8))
    assert {f.verdict for n, f in found.items() if n.endswith("present")} == {Verdict.FAIL}
    others = [f for n, f in found.items() if not n.endswith("present")]
    assert {f.verdict for f in others} == {Verdict.NOT_MEASURABLE}
    assert all(f.reason and math.isnan(f.value) for f in others)


def test_a_missing_structure_fails_its_presence_and_leaves_only_its_criteria_unmeasured():
    labels = heart()
    labels[labels == 3] = 0
    found = findings(labels)
    assert found["la_present"].verdict == "FAIL"
    assert found["la_hole_area_mm2"].verdict == "NOT_MEASURABLE"
    assert found["lv_la_gap_area_mm2"].reason == "no LA pixel"
    assert found["lv_hole_area_mm2"].verdict == "PASS"
    assert found["myo_thickness_ratio"].verdict == "PASS"


def test_two_missing_structures_are_both_named():
    labels = drawn("0330")
    assert findings(labels)["epi_hole_area_mm2"].reason == "no LV pixel and no MYO pixel"


def test_criteria_about_structures_that_were_not_annotated_are_left_out():
    names = set(findings(heart(), structures=LV_ONLY.structures))
    assert names == {"lv_present", "lv_disconnected_area_mm2", "lv_hole_area_mm2"}
    names = set(findings(heart(), structures=LV_MYO.structures))
    assert "lv_base_opening_ratio" in names
    assert not any("la" in name.split("_") for name in names)


def test_without_atrium_the_base_must_be_open():
    labels = heart()
    labels[labels == 3] = 0
    assert findings(labels, structures=LV_MYO.structures)["lv_base_opening_ratio"].value > 0.5
    closed = labels.copy()
    closed[:, :][(labels == 0) & (np.roll(labels, 1, 0) == 1)] = 2
    found = findings(closed, structures=LV_MYO.structures)["lv_base_opening_ratio"]
    assert found.verdict == "FAIL"


def test_without_spacing_nothing_is_nothing_and_something_cannot_be_judged():
    labels = heart()
    assert audit_frame(labels, None, CAMUS_SET).passed
    labels[40, 40] = 0
    found = findings(labels, None)
    assert found["lv_hole_area_mm2"].verdict == "NOT_MEASURABLE"
    assert "1 pixels" in found["lv_hole_area_mm2"].reason
    assert found["la_hole_area_mm2"].value == 0.0
    assert found["lv_myo_width_ratio"].reason == "spacing unknown: square pixels assumed"


def test_published_criteria_do_not_care_for_the_spacing():
    labels = heart()
    labels[40, 40] = 0
    known, unknown = (findings(labels, s, "camus-public") for s in (SPACING, None))
    values = {name: (f.verdict, f.value) for name, f in known.items()}
    assert values == {name: (f.verdict, f.value) for name, f in unknown.items()}


def test_a_temporal_set_cannot_judge_a_frame():
    with pytest.raises(ConfigError, match="takes an anatomical set"):
        audit_frame(heart(), SPACING, criteria("rl4seg3d"))
    with pytest.raises(ConfigError, match="takes an anatomical set"):
        frame_is_valid(heart(), SPACING, criteria("tmi2022"))


def test_a_metric_that_raises_makes_the_audit_fail_not_the_frame(monkeypatch):
    def broken(labels, spacing_mm):
        raise RuntimeError("a bug")

    monkeypatch.setattr("cardiovae.audit.anatomy.lv_hole_area_mm2", broken)
    with pytest.raises(RuntimeError, match="a bug"):
        audit_frame(heart(), SPACING, CAMUS_SET)


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from(["camus", "camus-public"]),
    st.sampled_from([CAMUS, LV_MYO, LV_ONLY]),
    st.sampled_from([SPACING, (0.3, 0.15), None]),
)
def test_the_fast_verdict_is_that_of_the_audit(seed, name, scheme, spacing_mm):
    rng = np.random.default_rng(seed)
    labels = corrupt_frame(heart(), SPACING, severity=rng.random() / 2, rng=rng)[0]
    labels = np.where(labels <= max(scheme.values), labels, 0).astype(np.uint8)
    expected = audit_frame(labels, spacing_mm, criteria(name), scheme.structures).passed
    assert frame_is_valid(labels, spacing_mm, criteria(name), scheme.structures) == expected


def sequence(frames, spacing_mm=SPACING, structures=CAMUS.structures):
    return EchoSequence(np.stack(frames, axis=-1), spacing_mm, structures, source="drawn")


def test_frames_are_audited_one_by_one_and_the_invalid_ones_named():
    broken = heart()
    broken[5, 5] = 1
    audit = audit_sequence(sequence([heart(), broken, heart()]), temporal=None)
    assert len(audit.frames) == 3
    assert audit.invalid_frames == (1,)
    assert [f.frame for f in audit.frames[1].findings] == [1] * len(audit.frames[1].findings)
    assert not audit.passed


def test_a_constant_sequence_passes_both_temporal_sets():
    for name in ("tmi2022", "rl4seg3d"):
        audit = audit_sequence(sequence([heart()] * 4), temporal=name)
        assert audit.passed
        assert audit.temporal_verdict is Verdict.PASS


@pytest.mark.parametrize("n_frames", [1, 2])
def test_fewer_than_three_frames_are_judged_by_their_anatomy(n_frames):
    audit = audit_sequence(sequence([heart()] * n_frames))
    assert len(audit.frames) == n_frames
    assert audit.temporal_verdict is Verdict.NOT_MEASURABLE
    assert audit.passed


@pytest.mark.parametrize("scheme", [CAMUS, LV_MYO, LV_ONLY])
@pytest.mark.parametrize("spacing_mm", [SPACING, None])
@pytest.mark.parametrize("temporal", ["tmi2022", "rl4seg3d", None])
def test_empty_sequences_are_audited_without_an_exception(scheme, spacing_mm, temporal):
    empty = EchoSequence(np.zeros((9, 8, 4), np.uint8), spacing_mm, scheme.structures)
    for anatomy in ("camus", "camus-public"):
        audit = audit_sequence(empty, anatomy=anatomy, temporal=temporal)
        assert audit.invalid_frames == (0, 1, 2, 3)
        assert not audit.passed
        strict(audit.json_text())
        assert "4 of 4 frames invalid" in audit.table()


def test_json_is_strict_and_says_what_the_audit_says():
    broken = heart()
    broken[broken == 3] = 0
    audit = audit_sequence(sequence([heart(), broken, heart(), heart()]))
    data = strict(audit.json_text())
    assert data["invalid_frames"] == [1]
    assert data["passed"] is False
    assert data["n_frames"] == len(data["frames"]) == 4
    assert data["anatomy"] == "camus"
    found = {f["criterion"]: f for f in data["frames"][1]["findings"]}
    assert found["la_hole_area_mm2"]["value"] is None
    assert found["la_hole_area_mm2"]["verdict"] == "NOT_MEASURABLE"
    assert data["temporal_verdict"] == audit.temporal_verdict.value


def test_the_table_shows_the_worst_frame_of_each_criterion():
    small, large = heart(), heart()
    small[40, 40] = 0
    large[38:40, 40] = 0
    table = audit_sequence(sequence([heart(), small, large]), temporal=None).table()
    line = next(line for line in table.splitlines() if "lv_hole_area_mm2" in line)
    assert line.split() == ["lv_hole_area_mm2", "1/3", "2", "4.8", "<=", "0", "mm2", "FAIL"]


def test_a_sequence_passes_only_if_every_temporal_finding_does():
    good = Finding("a", Verdict.PASS, 0.0, None, 1.0, "mm")
    unknown = Finding("b", Verdict.NOT_MEASURABLE, math.nan, None, 1.0, "mm", "why")
    bad = Finding("c", Verdict.FAIL, 2.0, None, 1.0, "mm")
    frames = (FrameAudit((good,)),) * 3
    audit = SequenceAudit("x", "camus", "tmi2022", frames, (good,))
    assert audit.passed
    for temporal, verdict in (((good, unknown), "NOT_MEASURABLE"), ((unknown, bad), "FAIL")):
        audit = dataclasses.replace(audit, temporal=temporal)
        assert audit.temporal_verdict == verdict
        assert not audit.passed


def test_own_criteria_files_are_read_and_their_mistakes_explained(tmp_path):
    path = tmp_path / "mine.yaml"
    entry = "{name: n, metric: %s, high: 0, unit: mm2, structures: [lv], source: test}"
    text = "kind: anatomy\ndescription: mine\ncriteria:\n  - " + entry
    path.write_text(text % "lv_hole_area_mm2")
    own = criteria(str(path))
    assert own.name == "mine"
    assert audit_frame(heart(), SPACING, own).passed
    path.write_text(text % "lv_hole_aera_mm2")
    with pytest.raises(ConfigError, match="did you mean 'lv_hole_area_mm2'"):
        criteria(str(path))
    path.write_text((text % "lv_hole_area_mm2").replace("high: 0, ", ""))
    with pytest.raises(ConfigError, match="give low, high or both"):
        criteria(str(path))
    path.write_text((text % "lv_hole_area_mm2").replace("[lv]", "[ra]"))
    with pytest.raises(ConfigError, match="got \\['ra'\\]"):
        criteria(str(path))
    path.write_text((text % "lv_hole_area_mm2").replace("anatomy", "guess", 1))
    with pytest.raises(ConfigError, match="kind is one of"):
        criteria(str(path))
    path.write_text((text % "lv_hole_area_mm2") + "\n  - " + entry % "lv_hole_area_mm2")
    with pytest.raises(ConfigError, match="names used twice"):
        criteria(str(path))
    path.write_text((text % "lv_hole_area_mm2").replace("high: 0", "low: 2, high: 1"))
    with pytest.raises(ConfigError, match="low must not exceed high"):
        criteria(str(path))


def test_every_anatomical_metric_is_used_by_a_criterion():
    for name in ("camus", "camus-public"):
        shipped = criteria(name)
        assert set(shipped.metric_names()) == {c.metric for c in shipped.criteria}


def test_limits_are_inclusive_and_never_allow_nan():
    criterion = next(c for c in CAMUS_SET.criteria if c.name == "lv_myo_width_ratio")
    assert criterion.allows(criterion.low)
    assert criterion.allows(criterion.high)
    assert not criterion.allows(math.nan)
    assert not criterion.allows(np.nextafter(criterion.high, math.inf))


def test_structures_are_matched_exactly():
    opening = next(c for c in CAMUS_SET.criteria if c.name == "lv_base_opening_ratio")
    assert opening.applies_to((Label.LV, Label.MYO))
    assert not opening.applies_to((Label.LV, Label.MYO, Label.LA))
    assert not opening.applies_to((Label.LV,))
