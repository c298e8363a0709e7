from __future__ import annotations

import json
import math

import numpy as np
import pytest
from evaluation_cases import half_ellipse, half_ellipsoid_ml

from cardiovae.attributes import ATTRIBUTES
from cardiovae.errors import ConfigError, FileError
from cardiovae.indices.ejection import ejection
from cardiovae.population.cohort import QUANTITIES, Member, cohort_of, samples
from cardiovae.population.compare import compare
from cardiovae.population.grouping import grouping_of
from cardiovae.population.measure import measure_sequence
from cardiovae.population.outliers import UNUSUAL
from cardiovae.population.quantiles import curve_of
from cardiovae.population.record import Origin, describe, population_record, unmeasured
from cardiovae.population.reference import GRID, percentiles_of, places, read_reference, stored
from cardiovae.sequence import EchoSequence

SPACING = (1.2, 1.0)
ORIGIN = Origin("0", ("x",), 0)


def cine(*hearts: tuple[float, float], spacing: tuple[float, float] | None = SPACING):
    labels = np.stack([half_ellipse(*heart, SPACING) for heart in hearts], axis=2)
    return EchoSequence(labels, spacing)


def member(name: str, sequence: EchoSequence, patient: str, view: str, group: str = "") -> Member:
    record = json.loads(json.dumps(measure_sequence(sequence)))  # as it comes from a worker
    return Member(f"{name}.nii", name, patient, view, group, record)


def area(length_mm: float, radius_mm: float) -> float:
    return math.pi * length_mm * radius_mm / 2


def some(n: int = 20, *, group: str = "", start: int = 0, wider: float = 0.0) -> list[Member]:
    """Patients of one view whose hearts differ."""
    found = []
    for i in range(start, start + n):
        draw = np.random.default_rng(i)
        length, radius = 80 + 6 * draw.normal(), 20 + wider + 2 * draw.normal()
        sequence = cine((length, radius), (0.85 * length, 0.75 * radius))
        found.append(member(f"p{i:03d}_4CH", sequence, f"p{i:03d}", "A4C", group))
    return found


def test_ed_and_es_are_the_largest_and_smallest_of_all_files_of_a_patient_and_view():
    cohort = cohort_of(
        [
            member("b", cine((66, 16)), "x", "A4C"),
            member("a", cine((74, 20), (80, 22)), "x", "A4C"),
            member("c", cine((90, 25)), "y", "A4C"),
        ]
    )
    assert [m.name for m in cohort.members] == ["a", "b", "c"]
    assert cohort.instants() == ["", "ED", "ES", ""]
    first, second = cohort.beats
    assert (first.patient, first.frames) == ("x", (1, 2))
    expected = 100 * (1 - half_ellipsoid_ml(66, 16) / half_ellipsoid_ml(80, 22))
    assert first.ejection.ef_percent == pytest.approx(expected, abs=1.5)
    assert (second.frames, second.ejection.reason) == (
        None,
        "no two frames with different LV areas",
    )
    found = samples(cohort)
    assert list(found) == [("A4C", "ED"), ("A4C", "ES"), ("A4C", "any"), ("A4C", "cycle")]
    lv = QUANTITIES.index("lv_area")
    assert found["A4C", "ED"].values[0, lv] == pytest.approx(area(80, 22), rel=0.02)
    assert found["A4C", "ES"].values[0, lv] == pytest.approx(area(66, 16), rel=0.02)
    assert found["A4C", "any"].patients == ("x", "x", "x", "y")


def test_both_views_make_a_biplane_ejection_fraction_as_evaluate_has_it():
    four, two = cine((80, 22), (66, 16)), cine((80, 20), (66, 15))
    cohort = cohort_of([member("4", four, "x", "A4C"), member("2", two, "x", "A2C")])
    (both,) = cohort.biplanes
    expected = ejection(four.labels, SPACING, two.labels, SPACING)
    assert both.ejection == expected
    assert expected.method == "biplane"
    assert [b.ejection.method for b in cohort.beats] == ["single-plane"] * 2
    by_view = [member("4", four, "x", "A4C", "A4C"), member("2", two, "x", "A2C", "A2C")]
    assert len(cohort_of(by_view, grouping="view").biplanes) == 1
    assert len(cohort_of(by_view, grouping="x_site").biplanes) == 0


def test_without_a_spacing_nothing_is_measured_and_the_reason_is_said():
    cohort = cohort_of([member("a", cine((80, 22), (66, 16), spacing=None), "x", "A4C")])
    assert np.isnan(cohort.values).all()
    assert cohort.beats[0].frames is None
    found = unmeasured(cohort)
    assert {row["reason"] for row in found} == {"the pixel spacing is unknown"}
    assert [row["n_frames"] for row in found] == [2] * len(ATTRIBUTES)


def test_the_order_of_sequences_does_not_matter():
    members = some(20)
    records = [
        population_record(describe(each, seed=3), ORIGIN) for each in (members, members[::-1])
    ]
    assert records[0] == records[1]
    json.dumps(records[0], allow_nan=False)


def test_a_heart_unlike_the_others_comes_first_with_what_is_unusual():
    members = some(30)
    odd = cine((80, 33), (68, 29))
    found = describe([*members, member("odd_4CH", odd, "odd", "A4C")])
    first = found.outliers[0]
    assert found.cohort.of(first.row).name == "odd_4CH"
    assert first.flagged
    assert first.tail < UNUSUAL
    assert first.attribute in ("lv_area", "lv_base_width", "la_area", "myo_area")
    assert first.percent > 97
    assert found.outliers[1].tail > 1e4 * first.tail
    assert len(found.outliers) == 31


def test_groups_that_differ_in_width_alone_do_so_in_width():
    members = some(20, group="a") + some(20, group="b", start=100, wider=4)
    found = describe(members, grouping="x_site").comparison
    rows = {(r.instant, r.quantity): r for r in found.differences}
    width = rows["ED", "lv_base_width"]
    assert width.groups == ("a", "b")
    assert width.found.n == (20, 20)
    assert width.found.mean[0] - width.found.mean[1] == pytest.approx(-8, abs=2.5)
    assert width.found.g.high < 0
    assert width.rank_p_holm < 0.01
    assert rows["ED", "lv_length"].rank_p_holm > 0.05
    assert rows["cycle", "ef"].rank_p_holm > 0.05
    assert {(d.instant, d.energy_p_holm < 0.01) for d in found.distances} == {
        ("ED", True),
        ("ES", True),
    }
    assert "lv_area" in found.distances[0].attributes


def test_a_patient_with_many_frames_counts_once_in_a_comparison():
    members = some(6, group="a") + some(6, group="b", start=50)
    once = describe(members, grouping="g").comparison
    more = [member(f"more{i}", cine((79, 20), (75, 19)), "p000", "A4C", "a") for i in range(5)]
    often = describe([*members, *more], grouping="g").comparison
    pick = [
        {(r.instant, r.quantity): r.found.n for r in c.differences}["ED", "lv_area"]
        for c in (once, often)
    ]
    assert pick == [(6, 6), (6, 6)]


def test_views_are_compared_within_patients():
    members = []
    for i in range(12):
        radius = 18 + i
        for view, factor in (("A2C", 1.0), ("A4C", 1.05)):
            sequence = cine((80, factor * radius), (68, 0.75 * factor * radius))
            members.append(member(f"p{i}_{view}", sequence, f"p{i}", view, view))
    found = describe(members, grouping="view").comparison
    rows = {(r.instant, r.quantity): r.found for r in found.differences}
    area_ed = rows["ED", "lv_area"]
    assert (area_ed.paired, area_ed.n_both) == (True, 12)
    assert area_ed.rank_p < 0.01  # though far less than patients differ among themselves
    assert abs(area_ed.g.value) < 0.4
    assert {r.view for r in found.differences} == {"A2C + A4C"}


def test_too_few_and_too_many_groups_are_refused():
    cohort = cohort_of(some(3, group="a"))
    with pytest.raises(ConfigError, match="only a"):
        compare(cohort, samples(cohort), grouping="x_site", seed=0)
    members = [m for i in range(13) for m in some(1, group=f"g{i:02d}", start=i)]
    cohort = cohort_of(members)
    with pytest.raises(ConfigError, match="at most 12 groups are compared, got 13"):
        compare(cohort, samples(cohort), grouping="x_site", seed=0)


def test_a_table_of_groups_names_patients_or_sequences(tmp_path):
    table = tmp_path / "groups.csv"
    known = {"name": "n", "view": "A4C", "sequence_id": None, "subgroups": {"x_site": "here"}}
    table.write_text("patient,group\np1,case\np2,control\n")
    grouping = grouping_of(str(table))
    assert [grouping.group(patient=p, **known) for p in ("p1", "p2", "p3")] == [
        "case",
        "control",
        "",
    ]
    for column in ("x_site", "site"):
        assert grouping_of(column).group(patient="p", **known) == "here"
    assert grouping_of("view").group(patient="p", **known) == "A4C"
    table.write_text("who,group\np1,case\n")
    with pytest.raises(ConfigError, match="one of patient, name, sequence_id"):
        grouping_of(str(table))
    table.write_text("patient,group\np1,case\np1,control\n")
    with pytest.raises(ConfigError, match="'case' and in 'control'"):
        grouping_of(str(table))
    with pytest.raises(FileError, match="cannot be read"):
        grouping_of(str(tmp_path / "gone.csv"))


def test_a_cohort_lies_in_the_middle_of_itself(tmp_path):
    population = describe(some(40))
    path = tmp_path / "population.json"
    path.write_text(json.dumps(population_record(population, ORIGIN)))
    reference = read_reference(path)
    assert reference.n_patients == 40
    for place in places(population.samples, reference):
        assert place.median_percent == pytest.approx(50, abs=3)
        assert place.below.value <= 0.05
        assert place.above.value <= 0.05
        assert place.below.low <= 0.025 <= place.below.high
    entry = next(
        p for p in percentiles_of(population.samples) if p.key == ("A4C", "ED", "lv_area")
    )
    there = reference.percentile("A4C", "ED", "lv_area", entry.curve.values)
    assert there == pytest.approx(entry.curve.percentiles, abs=1.3)
    assert math.isnan(reference.percentile("A2C", "ED", "lv_area", 3000.0))
    # A frame that is neither ED nor ES is compared with all frames.
    assert reference.percentile("A4C", "", "lv_area", 1.0) == 0


def test_a_reference_stores_half_percents_and_no_more_whatever_its_size():
    content = stored(curve_of(np.random.default_rng(0).normal(size=5000)))
    assert content["percentiles"] == GRID.tolist()
    assert np.all(np.diff(content["values"]) > 0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nonsense", "is no JSON"),
        ('{"format": "other"}', "format is 'other'"),
        ('{"format": "cardiovae population 1"}', "KeyError"),
        (
            '{"format": "cardiovae population 1", "n_patients": 1, "percentiles": [{"view": "A4C",'
            '"instant": "ED", "quantity": "ef", "distribution": {"values": [2, 1],'
            '"percentiles": [25, 75]}}]}',
            "values of a distribution rise",
        ),
    ],
)
def test_what_is_no_reference_is_refused(tmp_path, text, message):
    path = tmp_path / "population.json"
    path.write_text(text)
    with pytest.raises(FileError, match=message):
        read_reference(path)
    with pytest.raises(FileError, match="cannot be read"):
        read_reference(tmp_path / "gone.json")
