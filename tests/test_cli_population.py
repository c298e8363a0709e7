from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as parquet
import pytest
from cli_cases import run, truncated, write
from test_house import run_python

from cardiovae.cli.exits import ExitCode
from cardiovae.io import tables
from cardiovae.phantom.cohort import cohort_seeds, phantom_cohort
from cardiovae.population.columns import FRAMES, PERCENTILES, SEQUENCES

N = 16  # two views each: as many files as one process takes on by default
ALWAYS = ("frames", "sequences", "hearts", "percentiles", "outliers")
OUTPUT = {
    *(f"{n}{s}" for n in ALWAYS for s in (".csv", ".parquet")),
    "report.html",
    "population.json",
}
SPACING = (1.0, 1.0)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """Phantoms of 16 patients, both views, four frames each."""
    folder = tmp_path_factory.mktemp("cohort") / "masks"
    hearts = phantom_cohort(N, 5, n_frames=4, spacing_mm=SPACING)
    for (phantom, _, _), (name, _, _) in zip(hearts, cohort_seeds(N, 5), strict=True):
        write(folder / f"{name}.nii.gz", phantom.sequence.labels, SPACING)
    return folder


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def record(folder: Path) -> dict:
    return json.loads((folder / "population.json").read_text(encoding="utf-8"))


def manifest(cohort: Path, *, split: bool = True) -> Path:
    """Half of the patients from one vendor."""
    path = cohort.parent / "cohort.csv"
    lines = ["sequence_id,labels_path,patient,view,vendor,split"]
    for file in sorted(cohort.iterdir()):
        name = file.name.removesuffix(".nii.gz")
        patient, _, view = name.partition("_")
        vendor = "north" if int(patient[-5:]) <= N // 2 else "south"
        lines.append(f"{name},masks/{file.name},{patient},{view},{vendor},all")
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_folder_becomes_tables_a_page_and_a_reference(capsys, cohort, tmp_path):
    done = run(capsys, "population", cohort, "-o", tmp_path / "out")
    assert (done.code, done.err) == (ExitCode.OK, "")
    assert f"{N} patients, {2 * N} sequences, {8 * N} frames" in done.out
    assert {p.name for p in (tmp_path / "out").iterdir()} == OUTPUT
    frames, sequences = (read(tmp_path / "out" / f"{n}.csv") for n in ("frames", "sequences"))
    assert (list(frames[0]), list(sequences[0])) == (list(FRAMES), list(SEQUENCES))
    assert (len(frames), len(sequences)) == (8 * N, 2 * N)
    assert [f["instant"] for f in frames[:4]] == ["ED", "", "", "ES"]  # half a cycle
    assert sequences[0]["ed_lv_area_mm2"] == frames[0]["lv_area_mm2"]
    assert {f["patient"] for f in frames} == {f"phantom{i:05d}" for i in range(1, N + 1)}


def test_attributes_and_ejection_fractions_are_those_of_the_phantoms(capsys, cohort, tmp_path):
    run(capsys, "population", cohort, "-o", tmp_path / "out")
    frames = {(f["name"], f["frame"]): f for f in read(tmp_path / "out" / "frames.csv")}
    hearts = {(h["patient"], h["view"]): h for h in read(tmp_path / "out" / "hearts.csv")}
    truths = phantom_cohort(N, 5, n_frames=4, spacing_mm=SPACING)
    for (truth, view, _), (name, _, _) in zip(truths, cohort_seeds(N, 5), strict=True):
        area = float(frames[name, "0"]["lv_area_mm2"])
        assert area == pytest.approx(truth.lv_area_mm2[0], rel=0.03)
        heart = hearts[name.partition("_")[0], view]
        assert heart["method"] == "single-plane"
        assert float(heart["ef_percent"]) == pytest.approx(100 * truth.ef, abs=8)
    assert hearts["phantom00001", "A2C + A4C"]["method"] == "biplane"
    areas = [float(frames[f"phantom{i:05d}_A4C", "0"]["lv_area_mm2"]) for i in range(1, N + 1)]
    (row,) = (
        r
        for r in read(tmp_path / "out" / "percentiles.csv")
        if (r["view"], r["instant"], r["quantity"], r["percentile"])
        == ("A4C", "ED", "lv_area", "25.0")
    )
    assert float(row["value"]) == pytest.approx(np.percentile(areas, 25, method="hazen"))
    assert list(row) == list(PERCENTILES)


def test_neither_order_nor_processes_nor_how_files_are_named_change_the_results(
    capsys, cohort, tmp_path
):
    files = sorted(cohort.iterdir())
    run(capsys, "population", cohort, "-o", tmp_path / "a", "--group-by", "view")
    run(capsys, "population", *files[::-1], "-o", tmp_path / "b", "--group-by", "view")
    run(capsys, "population", cohort, "-o", tmp_path / "c", "--group-by", "view", "--workers", 2)
    for name in (*ALWAYS, "differences", "distances"):
        texts = {(tmp_path / folder / f"{name}.csv").read_bytes() for folder in "abc"}
        assert len(texts) == 1, name
    records = [record(tmp_path / folder) for folder in "abc"]
    for each in records:
        del each["inputs"]
    assert records[0] == records[1] == records[2]
    page = (tmp_path / "a" / "report.html").read_bytes()
    assert page == (tmp_path / "c" / "report.html").read_bytes()


def test_a_column_of_a_manifest_makes_groups(capsys, cohort, tmp_path):
    path = manifest(cohort)
    done = run(capsys, "population", path, "-o", tmp_path / "out", "--group-by", "vendor")
    assert done.code == ExitCode.OK
    rows = read(tmp_path / "out" / "differences.csv")
    assert {(r["group_a"], r["group_b"]) for r in rows} == {("north", "south")}
    assert {r["view"] for r in rows} == {"A2C", "A4C", "biplane"}
    assert {(r["n_a"], r["n_b"], r["n_both"]) for r in rows} == {("8", "8", "0")}
    for r in rows:  # corrected p-values are never smaller
        assert float(r["mann_whitney_p_holm"]) >= float(r["mann_whitney_p"])
    distances = read(tmp_path / "out" / "distances.csv")
    assert [(d["view"], d["instant"]) for d in distances] == [
        ("A2C", "ED"), ("A2C", "ES"), ("A4C", "ED"), ("A4C", "ES"),
    ]  # fmt: skip
    assert record(tmp_path / "out")["groups"]["patients"] == {"north": 8, "south": 8}
    refused = run(capsys, "population", path, "-o", tmp_path / "no", "--group-by", "split")
    assert refused.code == ExitCode.USAGE
    assert "--group-by split: two groups or more are needed, got only all" in refused.err
    assert not (tmp_path / "no").exists()


def test_a_table_of_groups_compares_patients(capsys, cohort, tmp_path):
    table = tmp_path / "groups.csv"
    lines = [f"phantom{i:05d},{'case' if i % 3 else 'control'}" for i in range(1, N)]
    table.write_text("patient,group\n" + "\n".join(lines) + "\n")
    run(capsys, "population", cohort, "-o", tmp_path / "out", "--group-by", table)
    groups = record(tmp_path / "out")["groups"]
    assert groups["patients"] == {"case": 10, "control": 5}
    assert groups["sequences_without"] == 2
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "2 sequences belong to no group" in page
    assert 'aria-label="A2C: case \N{EN DASH} control: standardized differences"' in page


def test_another_cohort_is_placed_in_a_reference(capsys, cohort, tmp_path):
    run(capsys, "population", cohort, "-o", tmp_path / "a")
    done = run(
        capsys, "population", cohort, "-o", tmp_path / "b", "--reference",
        tmp_path / "a" / "population.json",
    )  # fmt: skip
    assert done.code == ExitCode.OK
    frames = [f for f in read(tmp_path / "b" / "frames.csv") if f["view"] == "A4C"]
    ed = sorted(
        (float(f["lv_area_mm2"]), float(f["lv_area_reference_percentile"]))
        for f in frames
        if f["instant"] == "ED"
    )
    expected = [100 * (i + 0.5) / N for i in range(N)]
    assert [percent for _, percent in ed] == pytest.approx(expected, abs=0.3)
    (place,) = (
        r
        for r in read(tmp_path / "b" / "places.csv")
        if (r["view"], r["instant"], r["quantity"]) == ("A4C", "ED", "lv_area")
    )
    assert float(place["median_percentile"]) == pytest.approx(50, abs=0.5)
    page = (tmp_path / "b" / "report.html").read_text(encoding="utf-8")
    assert "Within the reference population.json" in page
    gone = run(capsys, "population", cohort, "-o", tmp_path / "c", "--reference", "gone.json")
    assert gone.code == ExitCode.USAGE


def test_an_unreadable_file_is_one_row_and_the_others_are_done(capsys, cohort, tmp_path):
    bad = truncated(tmp_path / "more" / "<b>patient9_4CH.nii.gz")
    done = run(capsys, "population", cohort, bad, "-o", tmp_path / "out")
    assert done.code == ExitCode.SOME_FAILED
    assert "patient9_4CH.nii.gz" in done.err
    (row,) = (r for r in read(tmp_path / "out" / "sequences.csv") if r["error"])
    assert row["name"].endswith("<b>patient9_4CH")
    assert row["n_frames"] == ""
    assert len(read(tmp_path / "out" / "frames.csv")) == 8 * N
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "<b>patient9" not in page
    assert "&lt;b&gt;patient9" in page


def test_nothing_readable_writes_nothing(capsys, tmp_path):
    bad = truncated(tmp_path / "x.nii.gz")
    assert run(capsys, "population", bad, "-o", tmp_path / "out").code == ExitCode.SOME_FAILED
    gone = run(capsys, "population", tmp_path / "gone", "-o", tmp_path / "out")
    assert gone.code == ExitCode.NOTHING_MATCHED
    assert not (tmp_path / "out").exists()


def test_nothing_is_replaced_without_being_asked(capsys, cohort, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "hearts.csv").write_text("mine")
    done = run(capsys, "population", cohort, "-o", tmp_path / "out")
    assert done.code == ExitCode.USAGE
    assert "hearts.csv: exists already" in done.err
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["hearts.csv"]
    again = run(capsys, "population", cohort, "-o", tmp_path / "out", "--overwrite")
    assert again.code == ExitCode.OK


def test_the_page_stands_alone_and_draws_the_outliers(capsys, cohort, tmp_path):
    run(capsys, "population", cohort, "-o", tmp_path / "out", "--group-by", "view")
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "default-src 'none'" in page
    assert not re.search(r"(src|href)=\"(?!data:)", page)
    first = record(tmp_path / "out")["outliers"]["sequences"][0]
    assert page.count('alt="Label map of ') == 8
    assert page.index(f"Label map of {first['name']}") < page.index("Distances, all attributes")
    for title in ("LV area", "Ejection fraction"):
        assert f'aria-label="{title}: distributions"' in page
    assert "nan" not in re.sub(r"data:image/png;base64,[^\"]+", "", page).lower().split()


def test_files_without_spacing_are_described_as_not_measurable(capsys, tmp_path):
    labels = np.zeros((20, 20, 2), np.uint8)
    labels[4:10, 6:12] = 1
    write(tmp_path / "x.nii", labels, None)
    done = run(capsys, "population", tmp_path / "x.nii", "-o", tmp_path / "out")
    assert done.code == ExitCode.OK
    (first, _) = read(tmp_path / "out" / "frames.csv")
    assert (first["lv_area_mm2"], first["reason"]) == ("", "the pixel spacing is unknown")
    assert record(tmp_path / "out")["percentiles"] == []
    assert run(
        capsys, "population", tmp_path / "x.nii", "-o", tmp_path / "b", "--spacing", "1"
    ).code == ExitCode.OK  # fmt: skip


def test_json_is_the_record_and_parquet_holds_the_same_rows(capsys, cohort, tmp_path):
    done = run(capsys, "population", cohort, "-o", tmp_path / "out", "--json")
    (last,) = done.records
    assert last.pop("output") == str(tmp_path / "out")
    assert last == record(tmp_path / "out")
    for name in ALWAYS:
        rows = parquet.read_table(tmp_path / "out" / f"{name}.parquet").to_pylist()
        text = read(tmp_path / "out" / f"{name}.csv")
        assert [{k: "" if v is None else str(v) for k, v in r.items()} for r in rows] == text


def test_without_pyarrow_there_are_csv_tables_and_a_word_about_it(
    capsys, cohort, tmp_path, monkeypatch
):
    monkeypatch.setattr(tables, "find_spec", lambda name: None)
    done = run(capsys, "population", cohort, "-o", tmp_path / "out")
    assert done.out.count("cardiovae[tables]") == 1
    assert not list((tmp_path / "out").glob("*.parquet"))


def test_without_a_prior_no_network_is_loaded(cohort, tmp_path):
    code = (
        "import sys\nfrom cardiovae.cli import main\n"
        "code = main(['population', sys.argv[1], '-o', sys.argv[2], '--group-by', 'view'])\n"
        "print(code, sorted({'torch', 'monai', 'matplotlib', 'sklearn'} & set(sys.modules)))"
    )
    assert run_python(code, str(cohort), str(tmp_path / "out")).splitlines()[-1] == "0 []"


def test_a_prior_says_how_usual_frames_are_and_how_far_groups_are_apart(capsys, cohort, tmp_path):
    odd = np.zeros((140, 140, 1), np.uint8)
    odd[30:110, 40:100] = 2
    odd[40:50, 45:95] = 1
    odd[60:104, 48:60] = 1  # a ventricle in two pieces
    write(tmp_path / "odd" / "odd_A4C.nii.gz", odd, SPACING)
    done = run(
        capsys, "population", cohort, tmp_path / "odd", "-o", tmp_path / "out",
        "--prior", "phantom", "--group-by", "view", "--engine", "serial",
    )  # fmt: skip
    assert done.code == ExitCode.OK
    frames = read(tmp_path / "out" / "frames.csv")
    usual = {f["name"]: float(f["latent_percentile"]) for f in frames}
    strange = next(name for name in usual if "odd" in name)
    assert usual.pop(strange) < 0.5  # what the prior does not know
    assert 20 < np.mean(list(usual.values())) < 80  # they are drawn as the training shapes are
    content = record(tmp_path / "out")
    assert content["outliers"]["latent"][0]["name"] == strange
    for row in content["groups"]["distances"]:
        assert row["latent_frechet"] > 0
        assert 0.001 <= row["latent_frechet_p"] <= 1
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "Least usual to the prior" in page


def test_a_prior_that_is_none_is_said_before_files_are_read(capsys, cohort, tmp_path):
    done = run(capsys, "population", cohort, "-o", tmp_path / "out", "--prior", "gone")
    assert done.code == ExitCode.USAGE
    assert "shipped priors are" in done.err


def test_help_names_the_outputs():
    done = subprocess.run(
        [sys.executable, "-m", "cardiovae", "population", "--help"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "population.json" in done.stdout
