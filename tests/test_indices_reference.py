from __future__ import annotations

import math

import pytest
import yaml

from cardiovae.config import preset_folder
from cardiovae.errors import ConfigError, FileError
from cardiovae.indices.names import INDICES
from cardiovae.indices.reference import Range, Ranges, judge, reference
from cardiovae.indices.subjects import Subject, read_subjects, subject_of
from cardiovae.indices.view import Index

MAN, WOMAN = Subject("male"), Subject("female")


def flag(name: str, value: float, subject: Subject) -> tuple[str, str]:
    found = judge(name, Index(value), subject, reference())
    return found.flag, found.side


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (72.4, ("normal", "")), (72.6, ("outside", "high")), (52, ("normal", "")),
        (51.5, ("normal", "")), (51.4, ("mildly abnormal", "low")),
        (41, ("mildly abnormal", "low")), (40, ("moderately abnormal", "low")),
        (30, ("moderately abnormal", "low")), (29, ("severely abnormal", "low")),
    ],
)  # fmt: skip
def test_the_ejection_fraction_of_a_man_is_graded(value, expected):
    assert flag("ef_percent", value, MAN) == expected


@pytest.mark.parametrize(
    ("name", "value", "subject", "expected"),
    [
        ("ef_percent", 53, WOMAN, "mildly abnormal"), ("ef_percent", 53, MAN, "normal"),
        ("edv_ml", 150, MAN, "normal"), ("edv_ml", 151, MAN, "mildly abnormal"),
        ("edv_ml", 175, MAN, "moderately abnormal"), ("edv_ml", 201, MAN, "severely abnormal"),
        ("edv_ml", 61, MAN, "outside"), ("edv_ml", 106, WOMAN, "normal"),
        ("la_volume_index_ml_m2", 34, Subject(), "normal"),
        ("la_volume_index_ml_m2", 42, Subject(), "moderately abnormal"),
        ("la_volume_index_ml_m2", 49, Subject(), "severely abnormal"),
    ],
)  # fmt: skip
def test_ranges_depend_on_sex_where_they_are_published_so(name, value, subject, expected):
    assert flag(name, value, subject)[0] == expected


def test_what_is_not_known_is_not_judged():
    ranges = reference()
    unsexed = judge("edv_ml", Index(100.0), Subject(), ranges)
    assert (unsexed.flag, unsexed.low, unsexed.reason) == ("unknown", None, "the sex is unknown")
    missing = judge("edv_ml", Index(math.nan, reason="why"), MAN, ranges)
    assert (missing.flag, missing.low, missing.reason) == ("unknown", 62, "why")
    strain = judge("gls_percent", Index(-20.0), MAN, ranges)
    assert strain.reason == "no range is published for it"


def test_the_range_of_the_mass_is_shown_and_nothing_is_judged_by_it():
    found = judge("mass_area_length_g", Index(300.0), MAN, reference())
    assert (found.flag, found.low, found.high) == ("unknown", 96, 200)
    assert "short-axis" in found.reason


def test_every_range_names_its_source_and_whether_it_was_compared_with_print():
    content = yaml.safe_load((preset_folder() / "reference" / "ase2015.yaml").read_text())
    for entry in content["ranges"]:
        assert entry["source"] in content["sources"]
        assert entry["checked"] in ("page", "limits", "memory")
        assert entry["index"] in INDICES
    from_memory = judge("edv_ml", Index(100.0), WOMAN, reference()).source
    assert from_memory.endswith("(not compared with print)")
    assert "not compared" not in judge("edv_ml", Index(100.0), MAN, reference()).source


def test_a_range_that_cannot_be_is_refused():
    known = {"sex": "male", "source": "s", "checked": "page"}
    with pytest.raises(ConfigError, match="no such index"):
        Range("edv", low=1, high=2, **known)
    with pytest.raises(ConfigError, match="must rise"):
        Range("edv_ml", low=1, high=2, above=(5, 3), **known)
    with pytest.raises(ConfigError, match="sex is one of"):
        Range("edv_ml", low=1, high=2, **{**known, "sex": "man"})
    one = Range("edv_ml", low=1, high=2, **known)
    with pytest.raises(ConfigError, match=r"unknown sources \['s'\]"):
        Ranges("mine", "", {}, (one,))
    with pytest.raises(ConfigError, match="given twice"):
        Ranges("mine", "", {"s": "x"}, (one, one))


def test_subjects_come_from_texts():
    assert subject_of({"sex": " Male ", "bsa_m2": "1.9"}, "x") == Subject("male", 1.9)
    assert subject_of({}, "x") == Subject()
    for given, why in (
        ({"sex": "x"}, "female or male"), ({"bsa_m2": "-1"}, "positive number"),
        ({"bsa_m2": "190"}, "0.1 to 4"), ({"height_cm": "180"}, "one of them is missing"),
        ({"height_cm": "1.8", "weight_kg": "80"}, "0.1 to 4 m2"), ({"bsa_m2": "nan"}, "positive"),
    ):  # fmt: skip
        with pytest.raises(ConfigError, match=why):
            subject_of(given, "x")


def test_a_table_of_patients_is_read_strictly(tmp_path):
    table = tmp_path / "patients.csv"
    table.write_text("patient,sex,height_cm,weight_kg\na,f,180,80\nb,,,\n")
    found = read_subjects(table)
    assert (found["a"].sex, found["b"]) == ("female", Subject())
    assert found["a"].bsa_m2 == pytest.approx(1.9964, abs=1e-4)  # by logarithms, by hand
    table.write_text("patient,sex\na,f\na,m\n")
    with pytest.raises(ConfigError, match="'a' twice"):
        read_subjects(table)
    table.write_text("name,sex\na,f\n")
    with pytest.raises(ConfigError, match="needs the column patient"):
        read_subjects(table)
    with pytest.raises(FileError, match="cannot be read"):
        read_subjects(tmp_path / "gone.csv")
