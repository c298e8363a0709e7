from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from manifest_cases import frames

from cardiovae.errors import ConfigError, FileError
from cardiovae.manifest.files import read_manifest, write_manifest
from cardiovae.manifest.paths import is_absolute
from cardiovae.manifest.schema import COLUMNS, Entry, Manifest, check_sequence_id, name_key

HEADING = "sequence_id,labels_path,view,spacing_row_mm,spacing_col_mm,sha256,patient,split"
DIGEST = "0123456789abcdef" * 4


def lines(folder: Path, *rows: str, name: str = "m.csv") -> Path:
    path = folder / name
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


# One entry


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sequence_id": ""}, "1 to 150 characters"),
        ({"sequence_id": "x" * 151}, "1 to 150 characters, got 151"),
        ({"sequence_id": "a/b"}, "holds one of"),
        ({"sequence_id": "a\\b"}, "holds one of"),
        ({"sequence_id": "a:b"}, "holds one of"),
        ({"sequence_id": ".."}, "starts with a dot"),
        ({"sequence_id": "-o"}, "starts with a dot or dash"),
        ({"sequence_id": "x."}, "ends in a dot"),
        ({"sequence_id": "nul.x"}, "kept by Windows"),
        ({"sequence_id": "COM1"}, "kept by Windows"),
        ({"sequence_id": "a\nb"}, "one line"),
        ({"sequence_id": "a\x00b"}, "control characters"),
        ({"sequence_id": " a"}, "without spaces around"),
        ({"labels_path": "a\\b.nii"}, "labels_path is written with single slashes"),
        ({"labels_path": "./b.nii"}, "without '.' folders"),
        ({"labels_path": "a//b.nii"}, "single slashes"),
        ({"labels_path": "a/"}, "single slashes"),
        ({"image_path": "a\udc80.nii"}, "image_path is one line"),
        ({"view": "4CH"}, "view is one of A2C, A4C, SAX or empty, got '4CH'"),
        ({"spacing_mm": (0.3, 0.0)}, "spacing_col_mm is a positive number"),
        ({"spacing_mm": (float("inf"), 0.3)}, "spacing_row_mm is a positive number"),
        ({"frame_time_ms": float("nan")}, "frame_time_ms is a positive number"),
        ({"sha256": DIGEST.upper()}, "64 hexadecimal digits in lower case"),
        ({"sha256": "abc"}, "64 hexadecimal digits"),
        ({"labels": "lv=1,lv=2"}, "expected one of"),
        ({"patient": "a\u2028b"}, "patient is one line"),
        ({"subgroups": {"age": "7"}}, "column 'age' is unknown; columns are site, vendor"),
        ({"subgroups": {"x_Device": "7"}}, "lower case letters"),
        ({"subgroups": {"site": ""}}, "site has 1 to"),
        ({"sex": "x"}, "sex is female or male or empty, got 'x'"),
        ({"height_cm": 180.0}, "one of them is missing"),
        ({"height_cm": 180.0, "weight_kg": -1.0}, "weight_kg is a positive number"),
        ({"bsa_m2": 19.0}, "0.1 to 4 m2"),
    ],
)
def test_an_entry_that_breaks_a_rule_cannot_be_made(changes, message):
    sound = {"sequence_id": "x", "labels_path": "x.nii"}
    with pytest.raises(ConfigError, match=message):
        Entry(**{**sound, **changes})


@pytest.mark.parametrize("name", ["patient0001_4CH_ED", "heart 7", "écho_(2)", "a.b", "console"])
def test_ordinary_names_are_safe(name):
    check_sequence_id(name)


def test_names_that_differ_by_case_or_by_how_an_accent_is_composed_are_one_name():
    assert name_key("Heart_É") == name_key("heart_e\u0301")
    with pytest.raises(ConfigError, match="'HEART' is taken by 'heart'"):
        Manifest((Entry("heart", "a.nii"), Entry("HEART", "b.nii")), Path())


# Reading


def test_a_manifest_needs_two_columns_and_an_empty_cell_is_unknown(tmp_path):
    path = lines(tmp_path, "labels_path,sequence_id,view", " a/x.nii , x ,", "", "y.nii,y,A2C")
    found = read_manifest(path)
    assert found.root == tmp_path
    assert found.entries == (Entry("x", "a/x.nii"), Entry("y", "y.nii", view="A2C"))
    assert found.labels_of(found.entries[0]) == tmp_path / "a/x.nii"


def test_every_column_reaches_its_field(tmp_path):
    row = {
        "sequence_id": "x",
        "view": "A4C",
        "labels_path": "x.nii",
        "image_path": "i.nii",
        "spacing_row_mm": "0.308",
        "spacing_col_mm": "0.154",
        "frame_time_ms": "20",
        "split": "train",
        "source": '"Leclerc et al., 2019"',
        "license": "CC0-1.0",
        "sha256": DIGEST,
        "patient": "p",
        "sex": "F",
        "height_cm": "180",
        "weight_kg": "80",
        "bsa_m2": "1.9",
        "labels": '"lv=1,myo=2"',
        "site": "s",
        "vendor": "v",
        "quality": "good",
        "x_device": "d",
    }
    (entry,) = read_manifest(lines(tmp_path, ",".join(row), ",".join(row.values()))).entries
    assert entry == Entry(
        sequence_id="x",
        labels_path="x.nii",
        image_path="i.nii",
        view="A4C",
        spacing_mm=(0.308, 0.154),
        frame_time_ms=20.0,
        split="train",
        source="Leclerc et al., 2019",
        license="CC0-1.0",
        sha256=DIGEST,
        patient="p",
        labels="lv=1,myo=2",
        sex="female",
        height_cm=180.0,
        weight_kg=80.0,
        bsa_m2=1.9,
        subgroups={"site": "s", "vendor": "v", "quality": "good", "x_device": "d"},
    )


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (("labels_path", "x.nii"), "line 1: column sequence_id is missing"),
        (("sequence_id;labels_path", "x;x.nii"), "line 1: column sequence_id is missing"),
        (("sequence_id,labels_path,age", "x,x.nii,7"), "line 1: column 'age' is unknown"),
        (("sequence_id,labels_path,view,view", "x,x.nii,,"), "'view' is there twice"),
        ((HEADING, "x,x.nii"), "line 2: has 2 cells and the heading 8"),
        ((HEADING, ",x.nii,,,,,,"), "line 2: sequence_id is empty"),
        ((HEADING, "x,,,,,,,"), "line 2: labels_path is empty"),
        (
            (HEADING, "x,x.nii,,0.3,,,,"),
            "line 2: spacing_row_mm and spacing_col_mm are given both",
        ),
        ((HEADING, "x,x.nii,,a,b,,,"), "line 2: spacing_row_mm is a positive number or empty"),
        ((HEADING, "x,x.nii,,nan,nan,,,"), "line 2: spacing_row_mm is a positive number"),
        (
            (HEADING, "a,x.nii,,,,,,", "A,y.nii,,,,,,"),
            r"line 3: sequence_id 'A' is taken by line 2;",
        ),
        ((HEADING, 'x,"x.nii'), "line 2: is no CSV"),
    ],
)
def test_a_manifest_that_cannot_be_used_says_where_and_why(tmp_path, rows, message):
    with pytest.raises(ConfigError, match=message):
        read_manifest(lines(tmp_path, *rows))


def test_the_first_faulty_lines_are_named_and_the_others_counted(tmp_path):
    bad = [f"x{i},x.nii,PLAX,,,,," for i in range(7)]
    with pytest.raises(ConfigError) as caught:
        read_manifest(lines(tmp_path, HEADING, "y,y.nii,,,,,,", *bad))
    text = str(caught.value)
    assert [f"line {n}:" in text for n in (2, 3, 7, 8)] == [False, True, True, False]
    assert text.endswith("and 2 more of 8 entries")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "is a list of objects"),
        ("[1]", "entry 1: is an object of columns"),
        ("[", "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ('[{"sequence_id": "x"}]', "entry 1: column labels_path is missing"),
        ('[{"sequence_id": 7, "labels_path": "x.nii"}]', "sequence_id is a text in quotes"),
        ('[{"sequence_id": "x", "labels_path": "x", "split": true}]', "split is a text"),
        (
            '[{"sequence_id": "x", "labels_path": "x", "frame_time_ms": "2"}]',
            "is a number or null",
        ),
        ('[{"sequence_id": "x", "labels_path": "x", "frame_time_ms": NaN}]', "is no JSON"),
        ('[{"sequence_id": "x", "labels_path": "x", "view": null, "view": null}]', "there twice"),
        ('[{"sequence_id": "x", "labels_path": "x", "age": null}]', "'age' is unknown"),
    ],
)
def test_json_that_cannot_be_used_says_where_and_why(tmp_path, text, message):
    with pytest.raises(ConfigError, match=message):
        read_manifest(lines(tmp_path, text, name="m.json"))


def test_a_manifest_that_is_no_text_or_not_there_says_so(tmp_path):
    (tmp_path / "m.csv").write_bytes(b"sequence_id\xff\xfe")
    with pytest.raises(FileError, match="UTF-8"):
        read_manifest(tmp_path / "m.csv")
    with pytest.raises(FileError, match="does not exist"):
        read_manifest(tmp_path / "gone.csv")
    with pytest.raises(ConfigError, match=r"ends in \.csv or \.json"):
        read_manifest(tmp_path / "m.txt")


# Writing and reading back

texts = (
    st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1, max_size=12)
    .map(str.strip)
    .filter(bool)
)
segments = st.text(
    st.characters(exclude_categories=["Cc", "Cs", "Z"], exclude_characters="/\\:"),
    min_size=1,
    max_size=8,
).filter(lambda part: part not in (".", ".."))
paths = st.lists(segments, min_size=1, max_size=3).map("/".join)
ids = st.from_regex(r"[A-Za-z0-9é][A-Za-z0-9é _]{0,8}[a-z0-9]", fullmatch=True)
lengths = st.floats(min_value=1e-9, max_value=1e9)
subgroups = st.dictionaries(st.sampled_from(["site", "vendor", "quality", "x_a", "x_b1"]), texts)
entries = st.builds(
    Entry,
    ids,
    paths,
    st.none() | paths,
    st.sampled_from([None, "A2C", "A4C"]),
    st.none() | st.tuples(lengths, lengths),
    st.none() | lengths,
    *(st.none() | texts for _ in range(3)),
    st.none() | st.from_regex(r"[0-9a-f]{64}", fullmatch=True),
    st.none() | texts,
    st.sampled_from([None, "camus", "lv=1,myo=2"]),
    subgroups,
    st.sampled_from([None, "female", "male"]),
    *(st.just(value) for value in (171.5, 70.25)),
    st.none() | st.floats(min_value=0.1, max_value=4),
)
many = st.lists(entries, max_size=4, unique_by=lambda entry: name_key(entry.sequence_id))


@given(many, st.sampled_from([".csv", ".json"]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_what_is_written_reads_back_the_same(tmp_path, listed, suffix):
    manifest = Manifest(tuple(listed), tmp_path)
    path = tmp_path / f"m{suffix}"
    write_manifest(path, manifest, overwrite=True)
    first = path.read_bytes()
    again = read_manifest(path)
    assert again == manifest
    write_manifest(path, again, overwrite=True)
    assert path.read_bytes() == first


def test_a_written_table_has_the_columns_of_the_format_and_those_that_are_filled(tmp_path):
    manifest = Manifest((Entry("x", "x.nii", subgroups={"x_a": "1", "site": "s"}),), tmp_path)
    write_manifest(tmp_path / "m.csv", manifest)
    heading, row = (tmp_path / "m.csv").read_text(encoding="utf-8").splitlines()
    assert heading == ",".join([*COLUMNS, "site", "x_a"])
    assert row == "x,,x.nii,,,,,,,,,s,1"
    write_manifest(tmp_path / "m.json", manifest)
    expected = [{"sequence_id": "x", "labels_path": "x.nii", "site": "s", "x_a": "1"}]
    assert json.loads((tmp_path / "m.json").read_text(encoding="utf-8")) == expected


def test_a_manifest_never_replaces_another_by_accident(tmp_path):
    write_manifest(tmp_path / "m.csv", Manifest((), tmp_path))
    with pytest.raises(FileError, match="exists already"):
        write_manifest(tmp_path / "m.csv", Manifest((), tmp_path))


# Where paths lead


@pytest.fixture
def data(tmp_path) -> Path:
    """A data set beside a folder that is none of its business."""
    for name in ("data/a/x.nii", "outside/secret.nii"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    links = tmp_path / "data"
    (links / "file_out.nii").symlink_to(tmp_path / "outside/secret.nii")
    (links / "folder_out").symlink_to(tmp_path / "outside")
    (links / "chain.nii").symlink_to(links / "folder_out/secret.nii")
    (links / "file_in.nii").symlink_to("a/x.nii")
    (links / "folder_in").symlink_to(links / "a")
    (links / "loop.nii").symlink_to(links / "loop.nii")
    return links


OUTSIDE = [
    "../outside/secret.nii",
    "a/../../outside/secret.nii",
    "a/../a/x.nii",
    "/etc/hostname",
    "C:/secret.nii",
    "file_out.nii",
    "folder_out/secret.nii",
    "folder_out/deeper/secret.nii",
    "chain.nii",
]


@pytest.mark.parametrize("name", OUTSIDE)
@pytest.mark.parametrize("column", ["labels_path", "image_path"])
def test_a_path_that_leads_out_of_the_data_set_is_refused_unless_allowed(data, column, name):
    row = {"sequence_id": "x", "labels_path": "a/x.nii", column: name}
    path = lines(data, ",".join(row), ",".join(row.values()))
    with pytest.raises(ConfigError, match=f"line 2: {column} .*--allow-outside"):
        read_manifest(path)
    (entry,) = read_manifest(path, allow_outside=True).entries
    assert getattr(entry, column) == name


@pytest.mark.parametrize(
    "name", ["a/x.nii", "file_in.nii", "folder_in/x.nii", "loop.nii", "gone/x.nii", "..a/x.nii"]
)
def test_links_within_the_data_set_and_files_that_are_not_there_are_no_matter(data, name):
    path = lines(data, "sequence_id,labels_path", f"x,{name}")
    assert read_manifest(path).entries == (Entry("x", name),)


@pytest.mark.parametrize("name", ["series", "series/a_*.png"])
def test_a_frame_that_leads_out_of_the_data_set_is_refused(data, name):
    frames(data / "series", "a_", 2)
    path = lines(data, "sequence_id,labels_path", f"x,{name}")
    assert len(read_manifest(path).entries) == 1
    (data / "series/a_2.png").symlink_to(data.parent / "outside/secret.nii")
    with pytest.raises(ConfigError, match="--allow-outside"):
        read_manifest(path)
    assert len(read_manifest(path, allow_outside=True).entries) == 1


def test_a_data_set_that_is_reached_through_a_link_is_as_good_as_any(data):
    lines(data, "sequence_id,labels_path", "x,folder_in/x.nii")
    door = data.parent / "door"
    door.symlink_to(data)
    found = read_manifest(door / "m.csv")
    assert found.labels_of(found.entries[0]).is_file()


def test_the_folder_that_paths_are_relative_to_can_be_given(data):
    elsewhere = lines(data.parent, "sequence_id,labels_path", "x,x.nii")
    found = read_manifest(elsewhere, root=data / "a")
    assert found.labels_of(found.entries[0]) == data / "a/x.nii"
    refused = lines(data.parent, "sequence_id,labels_path", "x,a/x.nii", "y,file_out.nii")
    with pytest.raises(ConfigError, match="line 3"):
        read_manifest(refused, root=data)


@given(st.lists(st.sampled_from(["a", "..", "b", "folder_out", "folder_in"]), min_size=1))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_path_that_is_accepted_leads_out(data, parts):
    path = lines(data, "sequence_id,labels_path", f"x,{'/'.join([*parts, 'x.nii'])}")
    try:
        found = read_manifest(path)
    except ConfigError:
        return
    real = found.labels_of(found.entries[0]).resolve()
    assert real.is_relative_to(data.resolve())


def test_absolute_is_absolute_on_any_system():
    assert [is_absolute(n) for n in ("/a", "C:/a", "C:a", "a", "a/b", "..")] == [
        *(True,) * 3,
        *(False,) * 3,
    ]
