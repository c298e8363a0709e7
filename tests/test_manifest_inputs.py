from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from manifest_cases import label_map

from cardiovae.errors import ConfigError, LabelError
from cardiovae.labels import Label, label_scheme
from cardiovae.manifest import inputs
from cardiovae.manifest.inputs import Input, is_manifest, open_input


def gather_inputs(arguments, **options):
    found = inputs.gather_inputs(arguments, **options)
    return found.inputs, found.unmatched


@pytest.fixture
def data(tmp_path) -> Path:
    for number, name in enumerate(("a.nii.gz", "b.nii.gz", "deep/c.nii.gz")):
        label_map(tmp_path / name, number)
    (tmp_path / "m.csv").write_text(
        "sequence_id,labels_path,view,spacing_row_mm,spacing_col_mm,frame_time_ms,split,patient,"
        "labels,vendor,x_device\n"
        'second,b.nii.gz,A2C,0.3,0.2,25,test,P7,"lv=1,myo=2,la=3",v,d\n'
        "gone,gone.nii.gz,,,,,,,,,\n",
        encoding="utf-8",
    )
    return tmp_path


def test_a_manifest_gives_its_entries_with_all_that_it_says(data):
    found, unmatched = gather_inputs([str(data / "m.csv")], results=True)
    assert unmatched == ()
    assert found == (
        Input(
            data / "b.nii.gz",
            sequence_id="second",
            spacing_mm=(0.3, 0.2),
            frame_time_ms=25.0,
            view="A2C",
            labels="lv=1,myo=2,la=3",
            patient="P7",
            subgroups={"vendor": "v", "x_device": "d", "split": "test"},
        ),
        Input(data / "gone.nii.gz", sequence_id="gone"),
    )


def test_files_folders_and_manifests_mix_and_the_manifest_wins(data):
    words = [str(data), str(data / "m.csv"), str(data / "b.nii.gz")]
    for order in (words, words[::-1]):
        found, _ = gather_inputs(order, results=True)
        assert [item.path.name for item in found] == [
            "a.nii.gz",
            "b.nii.gz",
            "c.nii.gz",
            "gone.nii.gz",
        ]
        assert [item.sequence_id for item in found] == [None, "second", None, "gone"]


def test_what_names_nothing_is_listed_with_the_reason(data):
    (data / "empty.csv").write_text("sequence_id,labels_path\n", encoding="utf-8")
    words = [str(data / "empty.csv"), str(data / "nothing.nii"), str(data / "a.nii.gz")]
    found, unmatched = gather_inputs(words, results=True)
    assert [item.path for item in found] == [data / "a.nii.gz"]
    assert [argument for argument, _ in unmatched] == words[:2]
    assert "no entry" in unmatched[0][1]
    assert "does not exist" in unmatched[1][1]


def test_a_manifest_that_breaks_a_rule_stops_before_anything_is_done(data):
    (data / "bad.csv").write_text("sequence_id,labels_path\nx,../y.nii\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="--allow-outside"):
        gather_inputs([str(data / "bad.csv")], results=True)
    found, _ = gather_inputs([str(data / "bad.csv")], results=True, allow_outside=True)
    assert [item.sequence_id for item in found] == ["x"]


def test_one_file_listed_twice_and_one_name_for_two_files_are_refused(data):
    for name, rows in (("p.csv", "x,a.nii.gz\ny,a.nii.gz"), ("q.csv", "SECOND,a.nii.gz")):
        (data / name).write_text(f"sequence_id,labels_path\n{rows}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="listed as 'x' and as 'y'"):
        gather_inputs([str(data / "p.csv")], results=True)
    with pytest.raises(ConfigError, match="'SECOND' stands for"):
        gather_inputs([str(data / "m.csv"), str(data / "q.csv")], results=True)


def test_paths_may_be_relative_to_another_folder(data, tmp_path_factory):
    list_alone = tmp_path_factory.mktemp("lists") / "m.csv"
    list_alone.write_bytes((data / "m.csv").read_bytes())
    found, _ = gather_inputs([str(list_alone)], results=True, root=data)
    assert found[0].path == data / "b.nii.gz"


def test_verbs_that_take_no_manifest_say_that_its_format_is_unknown(data):
    found, unmatched = gather_inputs([str(data / "m.csv")], results=True, manifests=False)
    assert found == ()
    assert "unknown format" in unmatched[0][1]
    assert [is_manifest(data / name) for name in ("m.csv", "a.nii.gz", "gone.csv", "")] == [
        True,
        False,
        False,
        False,
    ]


def test_results_of_a_correction_are_no_inputs_unless_asked_for(data):
    for name in ("out/labels.nii.gz", "out/uncertainty.nii.gz"):
        label_map(data / name)
    (data / "out" / inputs.RECORD).touch()
    for results, expected in ((True, {"a", "b", "c", "labels"}), (False, {"a", "b", "c"})):
        found, _ = gather_inputs([str(data)], results=results)
        assert {item.path.name.partition(".")[0] for item in found} == expected
    _, unmatched = gather_inputs([str(data / "out")], results=False)
    assert "nothing but results" in unmatched[0][1]


def test_the_command_line_wins_over_the_manifest_and_the_manifest_over_the_file(data):
    plain = Input(data / "b.nii.gz")
    stated = gather_inputs([str(data / "m.csv")], results=True)[0][0]
    assert open_input(plain)[0].spacing_mm == (0.5, 0.25)
    sequence, like = open_input(stated)
    assert (sequence.spacing_mm, sequence.frame_time_ms, sequence.view) == (
        (0.3, 0.2),
        25.0,
        "A2C",
    )
    assert like.scheme.name == "lv=1,myo=2,la=3"
    sequence, like = open_input(stated, spacing_mm=(1.5, 1.5), frame_time_ms=5.0, labels="camus")
    assert (sequence.spacing_mm, sequence.frame_time_ms) == ((1.5, 1.5), 5.0)
    assert like.scheme.name == "camus"
    with pytest.raises(LabelError, match="not in the scheme"):
        open_input(stated, labels=label_scheme("lv"))
    assert Label.LA in sequence.structures


def test_an_input_can_be_sent_to_another_process_and_put_into_a_set(data):
    found, _ = gather_inputs([str(data), str(data / "m.csv")], results=True)
    assert pickle.loads(pickle.dumps(found)) == found
    assert len(set(found)) == len(found)
