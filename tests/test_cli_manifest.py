from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from cli_cases import ISLAND_MM2, Terminal, broken, run, sound, truncated, write
from manifest_cases import cohort, frames, label_map

from cardiovae.manifest.files import read_manifest

BUILD = ("manifest", "build")
VERIFY = ("manifest", "verify")


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture
def data(tmp_path) -> Path:
    return cohort(tmp_path / "data")


@pytest.fixture
def built(data, capsys) -> Path:
    assert run(capsys, *BUILD, data).code == 0
    return data / "manifest.csv"


# build


def test_a_folder_becomes_a_manifest_that_its_own_verification_passes(data, capsys):
    made = run(capsys, *BUILD, data, "--source", "drawn", "--license", "CC0-1.0")
    assert (made.code, made.err) == (0, "")
    assert "6 label maps of 3 patients" in made.out
    listed = rows(data / "manifest.csv")
    assert [row["sequence_id"] for row in listed] == [
        f"patient{n:04d}_{v}CH_ED" for n in range(3) for v in (2, 4)
    ]
    assert {row["view"] for row in listed} == {"A2C", "A4C"}
    assert {(r["spacing_row_mm"], r["spacing_col_mm"]) for r in listed} == {("0.5", "0.25")}
    assert {(r["source"], r["license"], r["split"]) for r in listed} == {("drawn", "CC0-1.0", "")}
    for given in (data / "manifest.csv", data):
        checked = run(capsys, *VERIFY, given)
        assert (checked.code, checked.err) == (0, "")
        assert f"{data / 'manifest.csv'}: all 6 entries are as listed" in checked.out


def test_the_same_folder_gives_the_same_bytes_in_either_format(data, capsys):
    for name in ("a.csv", "b.csv", "a.json"):
        assert run(capsys, *BUILD, data, "-o", data / name).code == 0
    assert (data / "a.csv").read_bytes() == (data / "b.csv").read_bytes()
    assert read_manifest(data / "a.json") == read_manifest(data / "a.csv")


def test_several_processes_give_the_same_bytes_and_findings(data, capsys):
    truncated(data / "patient0007_4CH.nii.gz")
    made = []
    for name, workers in (("a.csv", 1), ("b.csv", 2)):
        run_ = run(capsys, *BUILD, data, "-o", data / name, "--workers", workers)
        made.append((run_.code, run_.err, (data / name).read_bytes()))
    assert made[0] == made[1]
    assert made[0][0] == 4
    label_map(data / "patient0001/patient0001_2CH_ED_gt.nii.gz", 60)
    checked = [run(capsys, *VERIFY, data / "a.csv", "--json", "-j", n) for n in (1, 2)]
    assert checked[0].out == checked[1].out
    assert checked[0].code == checked[1].code == 3


def test_patients_are_split_and_never_parted(tmp_path, capsys):
    data = cohort(tmp_path / "data", n_patients=5)
    words = (*BUILD, data, "--split", "train=0.6,test=0.4", "--json")
    made = run(capsys, *words)
    assert made.records[-1]["splits"] == {"train": 6, "test": 4}
    parts: dict[str, set[str]] = {}
    for row in rows(data / "manifest.csv"):
        parts.setdefault(row["patient"], set()).add(row["split"])
    assert all(len(found) == 1 for found in parts.values())
    splits = []
    for seed in (0, 1, 2, 3):
        assert run(capsys, *words, "--seed", seed, "--overwrite").code == 0
        splits.append(tuple(row["split"] for row in rows(data / "manifest.csv")))
    assert len(set(splits)) > 1


def test_what_cannot_be_read_is_reported_and_the_others_are_written(data, capsys):
    truncated(data / "patient0007_4CH.nii.gz")
    image = np.full((16, 16, 1), 200, np.uint8)
    write(data / "patient0008_4CH.nii.gz", image, (0.5, 0.5))
    made = run(capsys, *BUILD, data, "--json")
    assert made.code == 4
    failed = [record for record in made.records if "error" in record]
    assert [Path(record["source"]).name for record in failed] == [
        "patient0007_4CH.nii.gz",
        "patient0008_4CH.nii.gz",
    ]
    assert made.records[-1]["entries"] == 6
    assert len(made.err.splitlines()) == 2
    assert len(rows(data / "manifest.csv")) == 6


def test_a_folder_of_nothing_but_damage_gives_no_manifest(tmp_path, capsys):
    truncated(tmp_path / "data/x.nii.gz")
    assert run(capsys, *BUILD, tmp_path / "data").code == 4
    assert not (tmp_path / "data/manifest.csv").exists()
    (tmp_path / "empty").mkdir()
    nothing = run(capsys, *BUILD, tmp_path / "empty")
    assert nothing.code == 5
    assert "matches no label map" in nothing.err


def test_a_manifest_lies_above_its_files_unless_allowed(data, tmp_path, capsys):
    (tmp_path / "lists").mkdir()
    elsewhere = tmp_path / "lists/m.csv"
    refused = run(capsys, *BUILD, data, "-o", elsewhere)
    assert refused.code == 2
    assert "--allow-outside" in refused.err
    assert not elsewhere.exists()
    assert run(capsys, *BUILD, data, "-o", elsewhere, "--allow-outside").code == 0
    assert rows(elsewhere)[0]["labels_path"].startswith("../data/patient0000/")
    assert run(capsys, *VERIFY, elsewhere).code == 2
    assert run(capsys, *VERIFY, elsewhere, "--allow-outside").code == 0
    above = tmp_path / "m.csv"
    assert run(capsys, *BUILD, data, "-o", above).code == 0
    assert rows(above)[0]["labels_path"].startswith("data/patient0000/")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--split", "train=2"), "--split train=2"),
        (("--patient-pattern", "("), "--patient-pattern"),
        (("-o", "m.txt"), "ends in .csv or .json"),
        (("--labels", "x"), "expected one of"),
    ],
)
def test_options_that_cannot_be_are_refused_before_any_work(data, capsys, words, message):
    refused = run(capsys, *BUILD, data, *words)
    assert refused.code == 2
    assert message in refused.err


def test_a_manifest_is_not_replaced_without_being_asked(built, capsys):
    before = built.read_bytes()
    refused = run(capsys, *BUILD, built.parent)
    assert refused.code == 2
    assert "--overwrite" in refused.err
    assert built.read_bytes() == before
    assert run(capsys, *BUILD, built.parent / "gone").code == 2


# verify


def found(capsys, path: Path, *words: object) -> tuple[int, dict[str, list[str]]]:
    """Exit code, and the entries or paths of the findings by kind."""
    checked = run(capsys, *VERIFY, path, "--json", *words)
    kinds: dict[str, list[str]] = {}
    for record in checked.records[:-1]:
        kinds.setdefault(record["kind"], []).append(record["sequence_id"] or record["path"])
    summary = checked.records[-1]
    assert summary["found"] == {kind: len(names) for kind, names in kinds.items()}
    assert summary["passed"] == (checked.code == 0)
    return checked.code, kinds


def test_a_file_that_is_gone_is_missing(built, capsys):
    (built.parent / "patient0001/patient0001_2CH_ED_gt.nii.gz").unlink()
    assert found(capsys, built) == (3, {"missing": ["patient0001_2CH_ED"]})


def test_a_file_with_other_pixels_is_changed(built, capsys):
    label_map(built.parent / "patient0001/patient0001_2CH_ED_gt.nii.gz", 60)
    assert found(capsys, built) == (3, {"changed": ["patient0001_2CH_ED"]})


def test_a_file_that_was_cut_short_is_changed_and_unreadable(built, capsys):
    truncated(built.parent / "patient0001/patient0001_2CH_ED_gt.nii.gz")
    names = ["patient0001_2CH_ED"]
    assert found(capsys, built) == (3, {"changed": names, "unreadable": names})


def test_a_copy_is_a_duplicate(data, capsys):
    name = data / "patient0000/patient0000_2CH_ED_gt.nii.gz"
    shutil.copy(name, data / "zzz_2CH.nii.gz")
    assert run(capsys, *BUILD, data).code == 0
    assert found(capsys, data / "manifest.csv") == (3, {"duplicate": ["zzz_2CH"]})


def test_a_path_that_is_listed_twice_is_a_duplicate_however_it_is_reached(built, capsys):
    folder = built.parent
    (folder / "link").symlink_to(folder / "patient0000")
    with built.open("a", encoding="utf-8") as stream:
        stream.write("again,,patient0000/patient0000_2CH_ED_gt.nii.gz" + "," * 9 + "\n")
        stream.write("door,,link/patient0000_4CH_ED_gt.nii.gz" + "," * 9 + "\n")
    code, kinds = found(capsys, built)
    assert (code, kinds["duplicate"]) == (3, ["again", "door"])


def test_a_patient_in_two_parts_is_found(data, capsys):
    (data / "m.csv").write_text(
        "sequence_id,labels_path,patient,split\n"
        "a,patient0000/patient0000_2CH_ED_gt.nii.gz,p,train\n"
        "b,patient0000/patient0000_4CH_ED_gt.nii.gz,p,test\n",
        encoding="utf-8",
    )
    checked = run(capsys, *VERIFY, data / "m.csv")
    assert checked.code == 3
    assert "patient p is in train and test" in checked.out
    assert "2 have no sha256" in checked.out


def test_a_missing_image_and_a_label_scheme_that_does_not_fit_are_found(data, capsys):
    (data / "m.csv").write_text(
        "sequence_id,labels_path,image_path,labels\n"
        "a,patient0000/patient0000_2CH_ED_gt.nii.gz,i.nii.gz,camus\n"
        "b,patient0000/patient0000_4CH_ED_gt.nii.gz,,lv\n",
        encoding="utf-8",
    )
    code, kinds = found(capsys, data / "m.csv")
    assert code == 3
    assert (kinds["missing"], kinds["unreadable"]) == (["a"], ["b"])


def test_a_file_that_is_not_listed_is_a_note(built, capsys):
    label_map(built.parent / "new_4CH.nii.gz", 50)
    assert found(capsys, built) == (0, {"unlisted": ["new_4CH.nii.gz"]})
    assert "unlisted (1)" in run(capsys, *VERIFY, built).out


def test_a_series_of_png_files_is_one_entry_and_each_of_its_frames_counts(tmp_path, capsys):
    one = frames(tmp_path / "data/one", "p1_4CH_")
    two = [*frames(tmp_path / "data/two", "p2_2CH_"), *frames(tmp_path / "data/two", "p2_4CH_")]
    assert run(capsys, *BUILD, tmp_path / "data").code == 0
    path = tmp_path / "data/manifest.csv"
    assert [(row["labels_path"], row["view"]) for row in rows(path)] == [
        ("one", ""),
        ("two/p2_2CH_*.png", "A2C"),
        ("two/p2_4CH_*.png", "A4C"),
    ]
    names = [row["sequence_id"] for row in rows(path)]
    assert names == ["one", "p2_2CH", "p2_4CH"]
    assert found(capsys, path) == (0, {})
    one[2].unlink()
    shutil.copy(two[1], two[2])
    for file in two[3:]:
        file.unlink()
    code, kinds = found(capsys, path)
    assert code == 3
    assert kinds.pop("unlisted") == ["two"]  # what is left there now goes by that name
    assert kinds == {"changed": ["one", "p2_2CH"], "missing": ["p2_4CH"]}


def test_people_see_the_first_findings_of_a_kind_or_all(tmp_path, capsys):
    data = cohort(tmp_path / "data", n_patients=6)
    assert run(capsys, *BUILD, data).code == 0
    for path in data.rglob("*.nii.gz"):
        path.unlink()
    checked = run(capsys, *VERIFY, data / "manifest.csv")
    assert checked.out.count("does not exist") == 10
    assert "and 2 more" in checked.out
    everything = run(capsys, *VERIFY, data / "manifest.csv", "-v")
    assert everything.out.count("does not exist") == 12


def test_the_files_may_lie_elsewhere(built, tmp_path, capsys):
    alone = tmp_path / "lists/m.csv"
    alone.parent.mkdir()
    shutil.move(built, alone)
    assert found(capsys, alone)[0] == 3
    assert found(capsys, alone, "--root", built.parent) == (0, {})


@pytest.mark.parametrize(
    "text", ["", "sequence_id\nx\n", "sequence_id,labels_path\nx,../y.nii\n", "\xff"]
)
def test_a_bad_manifest_is_a_usage_error(tmp_path, capsys, text):
    path = tmp_path / "m.csv"
    path.write_bytes(text.encode("latin-1"))
    refused = run(capsys, *VERIFY, path)
    assert refused.code == 2
    assert str(path) in refused.err
    assert "internal" not in refused.err


def test_a_manifest_without_entries_matches_nothing(tmp_path, capsys):
    (tmp_path / "m.csv").write_text("sequence_id,labels_path\n", encoding="utf-8")
    assert run(capsys, *VERIFY, tmp_path / "m.csv").code == 5


def test_records_are_one_json_object_a_line(built, capsys):
    checked = run(capsys, *VERIFY, built, "--json")
    assert checked.records == [
        {
            "manifest": str(built),
            "entries": 6,
            "without_sha256": 0,
            "found": {},
            "passed": True,
        }
    ]
    assert json.loads(checked.out)["passed"] is True


def test_a_terminal_sees_progress_and_a_pipe_does_not(built, capsys, monkeypatch):
    stream = Terminal()
    monkeypatch.setattr("sys.stderr", stream)
    assert run(capsys, *VERIFY, built).code == 0
    assert "verifying" in stream.getvalue()


# as input of a verb


def listed(folder: Path, *lines: str, columns: str = "") -> Path:
    path = folder / "m.csv"
    heading = f"sequence_id,labels_path{columns}"
    path.write_text("\n".join([heading, *lines]) + "\n", encoding="utf-8")
    return path


SPACING = ",spacing_row_mm,spacing_col_mm"


def island(record: dict) -> float | None:
    """Area in mm2 of the island that `broken` draws, None = not measurable."""
    (finding,) = [
        finding
        for finding in record["frames"][2]["findings"]
        if finding["criterion"] == "lv_disconnected_area_mm2"
    ]
    return finding["value"]


def test_an_audit_takes_the_spacing_of_the_manifest_unless_told_otherwise(tmp_path, capsys):
    words = (broken(tmp_path / "x.nii.gz", spacing_mm=None), "--json")
    assert [island(r) for r in run(capsys, "audit", *words).records] == [None]
    path = listed(tmp_path, "x,x.nii.gz,0.5,0.5", columns=SPACING)
    assert [island(r) for r in run(capsys, "audit", path, "--json").records] == [ISLAND_MM2]
    wins = run(capsys, "audit", path, "--json", "--spacing", "2,1.5")
    assert [island(r) for r in wins.records] == [9 * 2 * 1.5]


def test_a_manifest_of_several_files_is_no_gate_and_of_one_file_is(tmp_path, capsys):
    for name in ("x", "y"):
        broken(tmp_path / f"{name}.nii.gz")
    assert run(capsys, "audit", listed(tmp_path, "x,x.nii.gz", "y,y.nii.gz")).code == 0
    assert run(capsys, "audit", listed(tmp_path, "x,x.nii.gz")).code == 3


def test_a_file_that_is_missing_or_not_the_listed_one_is_an_error_of_its_own(tmp_path, capsys):
    sound(tmp_path / "x.nii.gz")
    sound(tmp_path / "y.nii.gz")
    lines = ("x,x.nii.gz,", f"y,y.nii.gz,{'0' * 64}", "z,z.nii.gz,")
    path = listed(tmp_path, *lines, columns=",sha256")
    audited = run(capsys, "audit", path, "--json", "--temporal", "none")
    assert audited.code == 4
    errors = {Path(r["source"]).name: r["error"] for r in audited.records if "error" in r}
    assert list(errors) == ["y.nii.gz", "z.nii.gz"]
    assert "manifest" in errors["y.nii.gz"]
    assert "cannot be read" in errors["z.nii.gz"]
    assert [r["passed"] for r in audited.records if "passed" in r] == [True]


@pytest.mark.parametrize("verb", ["audit", "correct"])
def test_a_manifest_that_leads_out_stops_a_verb_unless_allowed(tmp_path, capsys, verb):
    sound(tmp_path / "outside/x.nii.gz")
    (tmp_path / "data").mkdir()
    path = listed(tmp_path / "data", "x,../outside/x.nii.gz")
    words = (verb, path, *(("--dry-run",) if verb == "correct" else ("--temporal", "none")))
    refused = run(capsys, *words)
    assert refused.code == 2
    assert "--allow-outside" in refused.err
    assert run(capsys, *words, "--allow-outside").code == 0


@pytest.mark.parametrize("verb", ["audit", "correct"])
def test_the_files_of_a_manifest_may_lie_elsewhere(tmp_path, capsys, verb):
    sound(tmp_path / "data/x.nii.gz")
    path = listed(tmp_path, "x,x.nii.gz")
    words = (verb, path, *(("--dry-run",) if verb == "correct" else ("--temporal", "none")))
    assert run(capsys, *words).code == 4
    assert run(capsys, *words, "--root", tmp_path / "data").code == 0


def test_what_a_manifest_says_anew_is_audited_anew_and_the_rest_is_not(tmp_path, capsys):
    for name in ("x", "y"):
        sound(tmp_path / f"{name}.nii.gz", spacing_mm=None)

    def audited(*lines: str) -> list[str]:
        """The files that an audit works on when the manifest says so."""
        path = listed(tmp_path, *lines, columns=f"{SPACING},view,site")
        words = ("--temporal", "none", "--no-report", "--json")
        done = run(capsys, "audit", path, "-o", tmp_path / "out", *words)
        assert done.code == 0
        return [Path(record["source"]).name for record in done.records]

    def kept(key: str) -> list[object]:
        lines = (tmp_path / "out/records.jsonl").read_text(encoding="utf-8").splitlines()
        return [json.loads(line)[key] for line in lines]

    assert audited("x,x.nii.gz,,,,", "y,y.nii.gz,,,,A") == ["x.nii.gz", "y.nii.gz"]
    assert audited("x,x.nii.gz,,,,", "y,y.nii.gz,,,,A") == []
    assert audited("x,x.nii.gz,0.5,0.5,,", "y,y.nii.gz,,,,A") == ["x.nii.gz"]
    assert kept("spacing_mm") == [[0.5, 0.5], None]
    assert audited("x,x.nii.gz,0.5,0.5,,", "y,y.nii.gz,,,A2C,A") == ["y.nii.gz"]
    assert kept("view") == [None, "A2C"]
    assert audited("x,x.nii.gz,0.5,0.5,,", "y,y.nii.gz,,,A2C,B") == ["y.nii.gz"]
    assert kept("subgroups") == [{}, {"site": "B"}]


# help


def test_the_group_alone_shows_its_verbs_and_an_error_names_the_right_help(tmp_path, capsys):
    shown = run(capsys, "manifest")
    assert shown.code == 2
    assert "verify" in shown.out
    assert "'cardiovae manifest build --help'" in run(capsys, *BUILD, "--bad").err
    assert "'cardiovae manifest --help'" in run(capsys, "manifest", "bild").err
    assert "'cardiovae --help'" in run(capsys, "manifst").err
