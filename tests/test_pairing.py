from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardiovae.errors import ConfigError, FileError
from cardiovae.evaluation.manifest import read_manifest
from cardiovae.evaluation.pairing import names_below, pair_files
from cardiovae.manifest.names import DEFAULT_PATTERN, compile_pattern, patient_and_view

PATTERN = compile_pattern(DEFAULT_PATTERN)


def named(folder: str, *files: str) -> dict[Path, str]:
    return names_below([Path(folder) / file for file in files], Path(folder))


def paired(predictions, references, before=None):
    pairing = pair_files(predictions, references, before, pattern=PATTERN)
    return {(str(p.prediction), str(p.reference)) for p in pairing.pairs}, pairing.unmatched


def test_files_of_one_name_are_a_pair_whatever_their_format():
    pairs, left = paired(named("p", "x.nii.gz", "sub/y.mha"), named("r", "x.mhd", "sub/y.nii"))
    assert pairs == {("p/x.nii.gz", "r/x.mhd"), ("p/sub/y.mha", "r/sub/y.nii")}
    assert left == ()


def test_results_of_correct_are_called_after_their_folder():
    names = named("out", "x/labels.nii.gz", "a/y/labels.mha", "labels.nii")
    assert sorted(names.values()) == ["a/y", "labels", "x"]
    pairs, _ = paired(names, named("r", "x.nii.gz", "a/y.mha"))
    assert pairs == {("out/x/labels.nii.gz", "r/x.nii.gz"), ("out/a/y/labels.mha", "r/a/y.mha")}


def test_the_same_name_in_several_folders_is_told_apart_by_the_folder():
    pairs, left = paired(named("p", "a/x.nii", "b/x.nii"), named("r", "b/x.nii", "a/x.nii"))
    assert pairs == {("p/a/x.nii", "r/a/x.nii"), ("p/b/x.nii", "r/b/x.nii")}
    assert left == ()


def test_marks_of_labels_and_predictions_do_not_count():
    pairs, left = paired(named("p", "x.nii", "b/y_pred.nii"), named("r", "x_gt.nii", "y_gt.nii"))
    assert pairs == {("p/x.nii", "r/x_gt.nii"), ("p/b/y_pred.nii", "r/y_gt.nii")}
    assert left == ()


def test_two_files_of_one_name_are_not_guessed_between():
    pairs, left = paired(named("p", "x.nii"), named("r", "a/x.nii", "b/x.nii"))
    assert pairs == set()
    assert {u.side for u in left} == {"prediction", "reference"}
    assert all("several files are called 'x'" in u.reason for u in left)
    assert all("--manifest" in u.reason for u in left)


def test_a_file_without_partner_is_listed_with_its_side():
    before = named("b", "x.nii", "w.nii")
    pairs, left = paired(named("p", "x.nii", "y.nii"), named("r", "x.nii", "z.nii"), before)
    assert pairs == {("p/x.nii", "r/x.nii")}
    assert [(str(u.path), u.side, u.reason) for u in left] == [
        ("p/y.nii", "prediction", "no reference of this name"),
        ("r/z.nii", "reference", "no prediction of this name"),
        ("b/w.nii", "before", "no reference of this name"),
    ]


names = st.lists(st.sampled_from(["x", "y", "x_gt", "a/x", "b/x", "b/y_gt"]), unique=True)


@given(names, names, names)
def test_every_file_is_in_one_pair_or_listed(left, right, earlier):
    sides = [
        {Path(folder) / f"{name}.nii": name for name in own}
        for folder, own in (("p", left), ("r", right), ("b", earlier))
    ]
    pairing = pair_files(*sides, pattern=PATTERN)
    used = itertools.chain.from_iterable(
        (p.prediction, p.reference, p.before) for p in pairing.pairs
    )
    listed = [*filter(None, used), *(u.path for u in pairing.unmatched)]
    assert sorted(listed) == sorted(itertools.chain.from_iterable(sides))


def test_files_of_a_pattern_are_named_below_their_common_folder():
    files = [Path("data/a/x_gt.nii"), Path("data/b/y_gt.nii")]
    assert list(names_below(files, None).values()) == ["a/x_gt", "b/y_gt"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("patient0001_4CH_ED", ("patient0001", "A4C")),
        ("patient0001_2CH", ("patient0001", "A2C")),
        ("phantom00012_A2C", ("phantom00012", "A2C")),
        ("site1/patient7/4ch", ("site1/patient7", "A4C")),
        ("scan_a4c_x", ("scan", "A4C")),
        ("patient24channel", ("patient24channel", None)),
        ("x", ("x", None)),
    ],
)
def test_patient_and_view_come_from_the_name(name, expected):
    assert patient_and_view(name, PATTERN) == expected


def test_an_own_pattern_may_leave_the_view_to_the_name():
    pattern = compile_pattern(r"^(?P<patient>\w{4})")
    assert patient_and_view("ABCD-9_2CH", pattern) == ("ABCD", "A2C")


@pytest.mark.parametrize("text", ["(", r"(?P<view>4CH)"])
def test_a_pattern_that_names_no_patient_is_refused(text):
    with pytest.raises(ConfigError, match="--patient-pattern"):
        compile_pattern(text)


def test_a_view_that_is_none_is_refused():
    with pytest.raises(ConfigError, match="names neither"):
        patient_and_view("p1_PLAX", compile_pattern(r"(?P<patient>\w+)_(?P<view>\w+)"))


def manifest(tmp_path: Path, *lines: str) -> Path:
    for name in ("p.nii", "q.nii", "r_2CH.nii", "b.nii"):
        (tmp_path / name).touch()
    path = tmp_path / "pairs.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_a_manifest_names_pairs_patients_and_views(tmp_path):
    path = manifest(
        tmp_path,
        "prediction,reference,before,patient,view",
        "p.nii,r_2CH.nii,b.nii,P7,A4C",
        "q.nii,r_2CH.nii,,,",
    )
    found = read_manifest(path, pattern=PATTERN)
    told, guessed = found.pairs
    assert (told.patient, told.view, told.before) == ("P7", "A4C", tmp_path / "b.nii")
    assert (guessed.patient, guessed.view, guessed.before) == ("r", "A2C", None)
    assert told.prediction == tmp_path / "p.nii"


def test_a_manifest_row_without_its_files_is_listed(tmp_path):
    path = manifest(
        tmp_path,
        "prediction,reference,before",
        "gone.nii,r_2CH.nii,",
        "p.nii,r_2CH.nii,lost.nii",
    )
    found = read_manifest(path, pattern=PATTERN)
    (pair,) = found.pairs
    assert pair.before is None
    assert [(u.path.name, u.side) for u in found.unmatched] == [
        ("gone.nii", "prediction"),
        ("lost.nii", "before"),
    ]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (("prediction;reference", "p.nii;r.nii"), "columns are prediction, reference"),
        (("prediction,reference,age", "p.nii,r.nii,7"), "columns are prediction, reference"),
        (("prediction,reference", "p.nii,"), "line 2: the column reference is empty"),
        (("prediction,reference,view", "p.nii,r.nii,4CH"), "view is one of A2C, A4C"),
        (("prediction,reference", "p.nii,r_2CH.nii", "p.nii,b.nii"), "of two rows"),
        (("",), "columns are prediction, reference"),
    ],
)
def test_a_manifest_that_cannot_be_used_says_why(tmp_path, lines, message):
    with pytest.raises(ConfigError, match=message):
        read_manifest(manifest(tmp_path, *lines), pattern=PATTERN)


def test_a_manifest_that_is_no_text_says_so(tmp_path):
    (tmp_path / "m.csv").write_bytes(b"prediction\xff\xfe")
    with pytest.raises(FileError, match="UTF-8"):
        read_manifest(tmp_path / "m.csv", pattern=PATTERN)
