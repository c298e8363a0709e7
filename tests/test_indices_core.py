from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from indices_cases import cine, cylinder, drawn, ellipsoid, truncated_ml

from cardiovae.errors import ConfigError
from cardiovae.indices.beats import Beats
from cardiovae.indices.columns import CORE, STACK_CORE, core_columns, core_row
from cardiovae.indices.core import core_record, core_values, sequence_heart
from cardiovae.indices.formulas import body_surface_m2
from cardiovae.indices.heart import heart_of
from cardiovae.indices.measure import measure_cine
from cardiovae.indices.names import INDICES, RATIOS
from cardiovae.indices.reference import reference
from cardiovae.indices.subjects import Subject, agreed, surface_of
from cardiovae.labels import Label
from cardiovae.phantom.cohort import phantom_cohort
from cardiovae.phantom.corruption import corrupt_sequence

SPACING = (0.6, 0.6)


def half(a: float, b: float, **where):
    """Half an ellipsoid in a wall over an atrium that is a cylinder of 40 by 18 mm."""
    epi, la = ellipsoid(a + 9, b + 9), cylinder(40, 18)
    return drawn(ellipsoid(a, b), epi, la, spacing=SPACING, **where)


def beating(**about):
    return cine(half(76, 22), half(70, 19), half(62, 15), **{"spacing": SPACING, **about})


def same(one: float, other: float) -> bool:
    return one == other or (math.isnan(one) and math.isnan(other))


@pytest.mark.parametrize("cycle", ["half", "full"])
def test_measuring_ed_and_es_alone_gives_the_numbers_of_measuring_every_frame(cycle):
    rng = np.random.default_rng(1)
    for phantom, _, _ in phantom_cohort(1, 8, n_frames=10, cycle=cycle, spacing_mm=(0.9, 0.8)):
        damaged, _ = corrupt_sequence(phantom.sequence, severity=0.5, rng=rng)
        for sequence in (phantom.sequence, damaged):
            brief, whole = sequence_heart(sequence), heart_of([measure_cine(sequence)])
            for name in INDICES:
                one, other = brief.indices[name], whole.indices[name]
                assert same(one.value, other.value), name
                assert (one.reason, one.note) == (other.reason, other.note)


def test_values_are_those_of_the_solid_and_fill_the_columns():
    found = sequence_heart(beating(), Subject("female", 2.0))
    values = core_values(found)
    edv, esv = truncated_ml(76, 22), truncated_ml(62, 15)
    assert values["edv_ml"] == pytest.approx(edv, rel=0.02)
    assert values["esv_index_ml_m2"] == pytest.approx(esv / 2, rel=0.02)
    assert values["ef_percent"] == pytest.approx(100 * (1 - esv / edv), abs=1)
    assert values["shortening_percent"] == pytest.approx(100 * 14 / 76, abs=1)
    assert (values["ed_frame"], values["es_frame"], values["n_beats"]) == (0, 2, 1)
    assert (values["heart_rate_bpm"], values["indices_reason"]) == (None, "")
    row = core_row({"before": values, "after": values})
    assert list(row) == list(core_columns(["before", "after"]))
    assert row["edv_ml_before"] == row["edv_ml_after"] == values["edv_ml"]


def test_without_a_spacing_ratios_are_given_and_all_else_says_why_not():
    known, unknown = (
        core_values(sequence_heart(beating(spacing=spacing))) for spacing in (SPACING, None)
    )
    ratios = {name for name in CORE if unknown[name] is not None}
    assert ratios == set(CORE) & RATIOS - {"heart_rate_bpm"}
    for name in ratios:
        assert unknown[name] == pytest.approx(known[name], rel=1e-3), name
    assert unknown["indices_reason"] == "the pixel spacing is unknown"


def test_a_sequence_without_a_beat_has_no_number_and_a_reason():
    still = core_values(sequence_heart(cine(half(76, 22), half(76, 22), spacing=SPACING)))
    assert {still[name] for name in CORE} == {None}
    assert (still["ed_frame"], still["es_frame"]) == (None, None)
    assert "no two frames with different LV areas" in still["indices_reason"]


def test_a_stack_of_slices_has_no_index_of_apical_views():
    frame = np.where(half(76, 22) == Label.LA, 0, half(76, 22)).astype(np.uint8)
    stack = cine(frame, frame, spacing=SPACING, view="SAX", structures=(Label.LV, Label.MYO))
    values = core_values(sequence_heart(stack))
    assert list(values) == list(core_columns())
    assert {values[name] for name in (*CORE, *STACK_CORE)} == {None}
    assert values["indices_reason"] == "the distance between slices is unknown"


def test_the_record_is_json_with_units_ranges_and_flags():
    found = core_record(sequence_heart(beating(), Subject("female", 1.0)), reference())
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    rows = {row["index"]: row for row in found["indices"]}
    assert tuple(rows) == CORE
    assert found["beats"] == [{"ed": 0, "es": 2}]
    edv = rows["edv_index_ml_m2"]  # 77 ml/m2, above the 70 that end the mild degree
    assert (edv["unit"], edv["low"], edv["high"]) == ("ml/m2", 29, 61)
    assert (edv["flag"], edv["range_side"]) == ("moderately abnormal", "high")
    assert rows["heart_rate_bpm"]["value"] is None
    assert rows["heart_rate_bpm"]["reason"]


def test_a_heart_can_be_measured_at_the_instants_of_another():
    whole = measure_cine(beating())
    backwards = heart_of([whole], beats={"A4C": Beats(((2, 0),), None, math.nan)})
    own = heart_of([whole])
    assert backwards["edv_ml"] == own["esv_ml"]
    assert backwards["stroke_volume_ml"] == -own["stroke_volume_ml"]


def test_body_surface_is_that_of_du_bois():
    # exp(ln 0.007184 + 0.725 ln 180 + 0.425 ln 80) = exp(-4.9359 + 3.7649 + 1.8624)
    assert body_surface_m2(180, 80) == pytest.approx(math.exp(0.6914), rel=1e-3)
    assert surface_of(1.5, 180, 80) == 1.5
    with pytest.raises(ConfigError, match="one of them is missing"):
        surface_of(None, 180, None)


subjects = st.builds(
    Subject, st.sampled_from([None, "female", "male"]), st.sampled_from([None, 1.5, 2.0])
)


@given(st.lists(subjects, max_size=4))
def test_what_is_said_of_a_patient_in_any_order_is_one_and_never_a_guess(stated):
    found = agreed(stated)
    assert found == agreed(stated[::-1])
    for name in ("sex", "bsa_m2"):
        said = {getattr(one, name) for one in stated} - {None}
        assert getattr(found, name) == (said.pop() if len(said) == 1 else None)
