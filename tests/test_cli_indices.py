from __future__ import annotations

import csv
import json
import math
import pickle
import re
from pathlib import Path

import numpy as np
import pyarrow.parquet as parquet
import pytest
from cli_cases import run, truncated, write
from evaluation_cases import half_ellipse, half_ellipsoid_ml
from test_house import run_python

from cardiovae.cli.auditing import Task
from cardiovae.cli.exits import ExitCode
from cardiovae.cli.indexing import Measurer
from cardiovae.indices.names import INDICES
from cardiovae.indices.rows import FRAME_COLUMNS, HEART_COLUMNS, INDEX_COLUMNS, SEGMENT_COLUMNS
from cardiovae.io import tables

SPACING = (1.2, 1.0)
HEARTS = {
    "patient0001_4CH": ((80, 22), (66, 16)),
    "patient0001_2CH": ((80, 20), (66, 15)),
    "patient0002_4CH": ((74, 20), (64, 17)),
}
TABLES = {"hearts": HEART_COLUMNS, "indices": INDEX_COLUMNS, "segments": SEGMENT_COLUMNS,
          "frames": FRAME_COLUMNS}  # fmt: skip
FILES = {
    "index.html",
    "indices.json",
    "pages",
    *(f"{name}.{suffix}" for name in TABLES for suffix in ("csv", "parquet")),
}


def beat(ed: tuple[float, float], es: tuple[float, float]) -> np.ndarray:
    """Three frames from ED to ES."""
    middle = tuple((a + b) / 2 for a, b in zip(ed, es, strict=True))
    return np.stack([half_ellipse(*heart, SPACING) for heart in (ed, middle, es)], axis=2)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hearts")
    for name, heart in HEARTS.items():
        write(folder / f"{name}.nii.gz", beat(*heart), SPACING)
    return folder


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def hearts(folder: Path) -> dict[tuple[str, str], dict[str, str]]:
    return {(r["patient"], r["side"]): r for r in read(folder / "hearts.csv")}


def test_a_folder_becomes_tables_a_page_per_patient_and_a_record(capsys, made, tmp_path):
    out = tmp_path / "out"
    done = run(capsys, "indices", made, "-o", out, "--sex", "male", "--bsa", "1.9")
    assert (done.code, done.err) == (ExitCode.OK, "")
    assert {p.name for p in out.iterdir()} == FILES
    assert sorted(p.name for p in (out / "pages").iterdir()) == [
        "patient0001.html", "patient0002.html",
    ]  # fmt: skip
    for name, columns in TABLES.items():
        assert list(read(out / f"{name}.csv")[0]) == list(columns)
    both, one = hearts(out)["patient0001", "labels"], hearts(out)["patient0002", "labels"]
    edv, esv = half_ellipsoid_ml(80, 22, 20), half_ellipsoid_ml(66, 16, 15)
    assert both["views"] == "A4C A2C"
    assert float(both["edv_ml"]) == pytest.approx(edv, rel=0.02)
    assert float(both["ef_percent"]) == pytest.approx(100 * (edv - esv) / edv, abs=1)
    assert float(both["edv_index_ml_m2"]) == pytest.approx(float(both["edv_ml"]) / 1.9)
    assert (one["views"], one["edv_a2c_ml"]) == ("A4C", "")
    rows = {(r["patient"], r["index"]): r for r in read(out / "indices.csv")}
    assert len(rows) == 2 * len(INDICES)
    ejected = rows["patient0001", "ef_percent"]
    assert (ejected["method"], ejected["low"], ejected["high"]) == ("biplane", "52.0", "72.0")
    assert ejected["flag"] == "normal"
    assert rows["patient0002", "edv_a2c_ml"]["reason"] == "no A2C view"
    frames = [r for r in read(out / "frames.csv") if r["patient"] == "patient0001"]
    assert [r["instant"] for r in frames] == ["ED", "", "ES", "ED", "", "ES"]
    assert frames[0]["biplane_ml"] == both["edv_ml"]
    assert "patient0001" in done.out


def test_without_sex_nothing_that_depends_on_it_is_judged(capsys, made, tmp_path):
    run(capsys, "indices", made, "-o", tmp_path / "out")
    rows = read(tmp_path / "out" / "indices.csv")
    (ejected,) = (r for r in rows if (r["patient"], r["index"]) == ("patient0001", "ef_percent"))
    assert (ejected["flag"], ejected["reason"]) == ("unknown", "the sex is unknown")
    assert {r["flag"] for r in rows} == {"unknown"}
    page = (tmp_path / "out" / "pages" / "patient0001.html").read_text(encoding="utf-8")
    assert "nothing is judged: the sex is unknown" in page


def test_a_table_of_patients_says_sex_and_size(capsys, made, tmp_path):
    table = tmp_path / "patients.csv"
    table.write_text("patient,sex,height_cm,weight_kg\npatient0002,F,180,80\nnobody,M,,\n")
    done = run(capsys, "indices", made, "-o", tmp_path / "out", "--patients", table)
    assert done.code == ExitCode.OK
    assert "'nobody' of --patients has no file" in done.err
    found = hearts(tmp_path / "out")
    assert found["patient0002", "labels"]["sex"] == "female"
    assert float(found["patient0002", "labels"]["bsa_m2"]) == pytest.approx(1.9964, abs=1e-4)
    assert found["patient0001", "labels"]["sex"] == ""


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--bsa", "190"), "0.1 to 4 m2"),
        (("--height", "180"), "one of them is missing"),
        (("--bsa", "1.9", "--height", "180", "--weight", "80"), "leave out one"),
        (("--patients", "gone.csv"), "cannot be read"),
        (("--ranges", "mine"), "shipped presets are ase2015"),
        (("--patient-pattern", "("), "no regular expression"),
    ],
)
def test_what_cannot_be_is_refused_before_any_file_is_read(capsys, made, tmp_path, words, why):
    done = run(capsys, "indices", made, "-o", tmp_path / "out", *words)
    assert done.code == ExitCode.USAGE
    assert why in done.err
    assert not (tmp_path / "out").exists()


def results(folder: Path, made: Path) -> Path:
    """A folder as `cardiovae correct` leaves it: hearts that beat a little less."""
    for name, (ed, es) in HEARTS.items():
        less = (es[0] + 4, es[1] + 2)
        write(folder / name / "labels.nii.gz", beat(ed, less), SPACING)
        (folder / name / "audit.json").write_text(
            json.dumps({"source": str(made / f"{name}.nii.gz")})
        )
    return folder


def test_results_of_a_correction_are_compared_with_their_originals(capsys, made, tmp_path):
    corrected = results(tmp_path / "corrected", made)
    done = run(capsys, "indices", corrected, "-o", tmp_path / "out")
    assert (done.code, done.err) == (ExitCode.OK, "")
    found = hearts(tmp_path / "out")
    assert set(found) == {(f"patient000{i}", s) for i in (1, 2) for s in ("before", "after")}
    before, after = (float(found["patient0001", s]["ef_percent"]) for s in ("before", "after"))
    truth = {
        side: 100 * (1 - half_ellipsoid_ml(a, b, c) / half_ellipsoid_ml(80, 22, 20))
        for side, (a, b, c) in {"before": (66, 16, 15), "after": (70, 18, 17)}.items()
    }
    assert before == pytest.approx(truth["before"], abs=1)
    assert after == pytest.approx(truth["after"], abs=1)
    page = (tmp_path / "out" / "pages" / "patient0001.html").read_text(encoding="utf-8")
    assert "before correction" in page
    assert '<th scope="col" class="num">before</th>' in page
    same = run(
        capsys, "indices", corrected, "-o", tmp_path / "named", "--before", made
    )  # fmt: skip
    assert same.code == ExitCode.OK
    named = hearts(tmp_path / "named")
    assert {k: v["ef_percent"] for k, v in named.items()} == {
        k: v["ef_percent"] for k, v in found.items()
    }


def test_a_missing_original_is_said_and_an_unmatched_one_is_an_error(capsys, made, tmp_path):
    corrected = results(tmp_path / "corrected", tmp_path / "gone")
    done = run(capsys, "indices", corrected, "-o", tmp_path / "out")
    assert done.code == ExitCode.OK
    assert done.err.count("its original") == 3
    assert {side for _, side in hearts(tmp_path / "out")} == {"labels"}
    write(tmp_path / "more" / "patient0009_4CH.nii.gz", beat((80, 22), (66, 16)), SPACING)
    lost = run(capsys, "indices", corrected, "-o", tmp_path / "b", "--before", tmp_path / "more")
    assert lost.code == ExitCode.SOME_FAILED
    assert "patient0009_4CH.nii.gz: before, no" in lost.err


def test_without_a_spacing_there_are_ratios_alone(capsys, tmp_path):
    write(tmp_path / "a_4CH.nii", beat((80, 22), (66, 16)), None)
    done = run(capsys, "indices", tmp_path / "a_4CH.nii", "-o", tmp_path / "out")
    assert done.code == ExitCode.OK
    row = hearts(tmp_path / "out")["a", "labels"]
    assert row["edv_ml"] == ""
    assert float(row["ef_percent"]) > 40
    (frame, *_) = read(tmp_path / "out" / "frames.csv")
    assert (frame["lv_area_mm2"], frame["volume_ml"]) == ("", "")
    page = (tmp_path / "out" / "pages" / "a.html").read_text(encoding="utf-8")
    assert "taken for square" in page
    assert "LV area, A4C (px²)" in page


def test_several_beats_give_a_rate_and_a_spread(capsys, tmp_path):
    sizes = [(80, 22), (76, 20), (68, 16.5), (64, 15), (68, 16.5), (76, 20)]
    frames = [half_ellipse(a, b, SPACING) for a, b in [*sizes, *sizes, *sizes, sizes[0]]]
    write(tmp_path / "a_4CH.nii", np.stack(frames, axis=2), SPACING)
    run(capsys, "indices", tmp_path / "a_4CH.nii", "-o", tmp_path / "out", "--frame-time", "150")
    row = hearts(tmp_path / "out")["a", "labels"]
    assert float(row["n_beats"]) == 3
    assert float(row["heart_rate_bpm"]) == pytest.approx(60_000 / (6 * 150))
    assert float(row["ef_sd_percent"]) == pytest.approx(0, abs=1e-9)
    output = float(row["stroke_volume_ml"]) * float(row["heart_rate_bpm"]) / 1000
    assert float(row["cardiac_output_l_min"]) == pytest.approx(output)
    page = (tmp_path / "out" / "pages" / "a.html").read_text(encoding="utf-8")
    assert "ED 3" in page


def test_ed_and_es_may_lie_in_files_of_their_own_and_a_view_may_be_given(capsys, tmp_path):
    for name, size in (("x_ED", (80, 22)), ("x_ES", (66, 16))):
        write(tmp_path / "in" / f"{name}.nii", half_ellipse(*size, SPACING)[:, :, None], SPACING)
    pattern = r"(?P<patient>[a-z]+)_"
    done = run(
        capsys, "indices", tmp_path / "in", "-o", tmp_path / "out", "--view", "A2C",
        "--patient-pattern", pattern,
    )  # fmt: skip
    assert done.code == ExitCode.OK
    row = hearts(tmp_path / "out")["x", "labels"]
    assert row["views"] == "A2C"
    expected = 100 * (1 - half_ellipsoid_ml(66, 16) / half_ellipsoid_ml(80, 22))
    assert float(row["ef_a2c_percent"]) == pytest.approx(expected, abs=1)
    walls = {r["wall"] for r in read(tmp_path / "out" / "segments.csv")}
    assert walls == {"inferior", "anterior"}


def test_a_file_of_unknown_view_is_left_out_with_a_word(capsys, tmp_path):
    for name in ("x_4CH", "x_other"):
        write(tmp_path / "in" / f"{name}.nii", beat((80, 22), (66, 16)), SPACING)
    pattern = r"(?P<patient>[a-z]+)_"
    done = run(
        capsys, "indices", tmp_path / "in", "-o", tmp_path / "out", "--patient-pattern", pattern
    )
    assert "x: files of unknown view are left out" in done.err
    assert hearts(tmp_path / "out")["x", "labels"]["views"] == "A4C"


def test_a_file_that_cannot_be_read_is_a_row_and_nothing_at_all_writes_nothing(
    capsys, made, tmp_path
):
    bad = truncated(tmp_path / "<b>bad_4CH.nii.gz")
    done = run(capsys, "indices", made, bad, "-o", tmp_path / "out")
    assert done.code == ExitCode.SOME_FAILED
    (row,) = (r for r in read(tmp_path / "out" / "hearts.csv") if r["error"])
    assert "bad_4CH" in row["patient"]
    index = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert "&lt;b&gt;bad" in index
    assert "<b>bad" not in index
    assert run(capsys, "indices", bad, "-o", tmp_path / "no").code == ExitCode.SOME_FAILED
    gone = run(capsys, "indices", tmp_path / "gone", "-o", tmp_path / "no")
    assert gone.code == ExitCode.NOTHING_MATCHED
    assert not (tmp_path / "no").exists()


def test_nothing_is_replaced_without_being_asked(capsys, made, tmp_path):
    out = tmp_path / "out"
    run(capsys, "indices", made, "-o", out)
    refused = run(capsys, "indices", made, "-o", out)
    assert refused.code == ExitCode.USAGE
    assert "exists already" in refused.err
    one = made / "patient0002_4CH.nii.gz"
    assert run(capsys, "indices", one, "-o", out, "--overwrite").code == ExitCode.OK
    assert [p.name for p in (out / "pages").iterdir()] == ["patient0002.html"]
    assert [r["patient"] for r in read(out / "hearts.csv")] == ["patient0002"]


def test_pages_that_are_not_ours_stay(capsys, made, tmp_path):
    mine = tmp_path / "out" / "pages" / "mine.html"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    assert run(capsys, "indices", made, "-o", tmp_path / "out", "--overwrite").code == ExitCode.OK
    assert mine.read_text() == "mine"


def test_json_is_the_record_and_parquet_holds_the_same_rows(capsys, made, tmp_path):
    out = tmp_path / "out"
    done = run(capsys, "indices", made, "-o", out, "--json", "--sex", "female")
    (last,) = done.records
    assert last.pop("output") == str(out)
    assert last == json.loads((out / "indices.json").read_text(encoding="utf-8"))
    for name in TABLES:
        rows = parquet.read_table(out / f"{name}.parquet").to_pylist()
        text = read(out / f"{name}.csv")
        assert [{k: "" if v is None else str(v) for k, v in r.items()} for r in rows] == text


def test_without_pyarrow_there_are_csv_tables_and_a_word_about_it(
    capsys, made, tmp_path, monkeypatch
):
    monkeypatch.setattr(tables, "find_spec", lambda name: None)
    done = run(capsys, "indices", made, "-o", tmp_path / "out")
    assert done.out.count("cardiovae[tables]") == 1
    assert not list((tmp_path / "out").glob("*.parquet"))


def test_the_pages_stand_alone(capsys, made, tmp_path):
    run(capsys, "indices", made, "-o", tmp_path / "out", "--sex", "male")
    pages = [tmp_path / "out" / "index.html", *(tmp_path / "out" / "pages").iterdir()]
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert "default-src 'none'" in text
        links = re.findall(r"(?:src|href)=\"([^\"]+)\"", text)
        assert all((page.parent / link).is_file() for link in links)
        assert not re.search(r"\b(nan|None)\b", text)
    first = (tmp_path / "out" / "pages" / "patient0001.html").read_text(encoding="utf-8")
    assert 'aria-label="LV volume, A4C over the frames"' in first


def test_what_workers_do_can_be_sent_to_them(made):
    path = made / "patient0001_4CH.nii.gz"
    sent = pickle.loads(pickle.dumps(Measurer()))
    task = Task(str(path), path)
    assert sent(task).record["values"] == Measurer()(task).record["values"]


def test_no_network_is_loaded(made, tmp_path):
    code = (
        "import sys\nfrom cardiovae.cli import main\n"
        "code = main(['indices', sys.argv[1], '-o', sys.argv[2]])\n"
        "print(code, sorted({'torch', 'monai', 'matplotlib'} & set(sys.modules)))"
    )
    assert run_python(code, str(made), str(tmp_path / "out")).splitlines()[-1] == "0 []"
    assert math.isfinite(float(hearts(tmp_path / "out")["patient0001", "labels"]["edv_ml"]))
