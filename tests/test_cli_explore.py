"""`cardiovae explore` from end to end: what it writes, says and refuses."""

from __future__ import annotations

import io
import json
import re
import sys

import numpy as np
import pytest
from cli_cases import run, truncated, write
from PIL import Image

from cardiovae.cli.exits import ExitCode
from cardiovae.phantom.cohort import phantom_cohort

FEW = ("--prior", "phantom", "--codes", "60", "--samples", "24")


@pytest.fixture(scope="module")
def masks(tmp_path_factory):
    """Both views of one phantom, and a file that is cut off."""
    folder = tmp_path_factory.mktemp("masks")
    for phantom, view, seed in phantom_cohort(1, 11, n_frames=4):
        name = f"heart{seed[1]}_{view}.nii"
        write(folder / name, np.array(phantom.sequence.labels), phantom.sequence.spacing_mm)
    return folder


@pytest.fixture(scope="module")
def done(masks, tmp_path_factory):
    """One run with masks, two of which can be read."""
    out = tmp_path_factory.mktemp("done")
    folder = tmp_path_factory.mktemp("with_torn")
    for path in masks.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    truncated(folder / "torn.nii")
    from cardiovae.cli import main

    code = main([*("explore", str(folder)), *FEW, "-o", str(out)])
    return out, code


def test_all_that_is_promised_is_written_and_a_torn_file_is_counted(done):
    out, code = done
    assert code == ExitCode.SOME_FAILED
    record = json.loads((out / "explore.json").read_text(encoding="utf-8"))
    assert record["prior"]["name"] == "phantom"
    assert record["n_decoded"] == 60
    assert len(record["walks"]) == 8
    masks = record["populations"]["masks"]
    assert masks["names"][0] == "heart1_A2C, frame 0"
    assert masks["views"] == ["A2C"] * 4 + ["A4C"] * 4
    assert all(0 < ef < 100 for ef in masks["ef_percent"])
    assert len(record["maps"][0]["masks"]) == 8
    names = sorted(path.name for path in (out / "figures").iterdir())
    films = [f"film-{i}.png" for i in range(len(record["films"]))]
    assert names == sorted(
        ["traversals.png", "directions.png", "samples.png", "map-pca.png", *films]
    )
    for name in names:
        with Image.open(out / "figures" / name) as picture:
            assert getattr(picture, "n_frames", 1) == (40 if name in films else 1)
            assert min(picture.size) > 200


def test_the_page_is_whole_and_runs_nothing_from_elsewhere(done):
    page = (done[0] / "index.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert not re.search(r"""(src|href)=["'](?!data:)""", page)
    assert "@import" not in page
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', page).group(1)
    assert json.loads(data)["criteria"] == "camus"


def test_sheets_hold_the_hearts_of_the_record(done):
    import base64

    page = (done[0] / "index.html").read_text(encoding="utf-8")
    data = json.loads(
        re.search(r'<script type="application/json" id="data">(.*?)</script>', page).group(1)
    )
    sheet = data["sheets"]["walk-0"]
    content = base64.b64decode(sheet["src"].partition(",")[2])
    with Image.open(io.BytesIO(content)) as picture:
        labels = np.asarray(picture)
    pixel_mm2 = json.loads((done[0] / "explore.json").read_text())["spacing_mm"] ** 2
    areas = data["walks"][0]["hearts"]["attributes"]["lv_area"]
    for i in (0, 7, 24):
        row, col = divmod(i, sheet["columns"])
        tile = labels[
            row * sheet["tall"] : (row + 1) * sheet["tall"],
            col * sheet["wide"] : (col + 1) * sheet["wide"],
        ]
        assert np.count_nonzero(tile == 1) * pixel_mm2 == pytest.approx(areas[i], rel=1e-4)


def test_nothing_is_replaced_unless_allowed(capsys, tmp_path):
    (tmp_path / "index.html").write_text("mine")
    found = run(capsys, "explore", *FEW, "-o", tmp_path)
    assert found.code == ExitCode.USAGE
    assert "never replaced by default" in found.err
    assert (tmp_path / "index.html").read_text() == "mine"


def test_umap_without_its_package_names_the_extra(capsys, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "umap", None)
    found = run(capsys, "explore", *FEW, "--umap", "-o", tmp_path / "out")
    assert found.code == ExitCode.USAGE
    assert "pip install 'cardiovae[umap]'" in found.err
    assert not (tmp_path / "out").exists()


def test_what_cannot_be_meant_is_refused_before_any_work(capsys, tmp_path):
    for words, says in (
        (("--at", "99999"), "training codes 0 to 4769"),
        (("--criteria", "tmi2022"), "judges motion"),
        (("--prior", "nosuch"), "nosuch"),
    ):
        found = run(capsys, "explore", *FEW, *words, "-o", tmp_path / "out")
        assert found.code == ExitCode.USAGE
        assert says in found.err
        assert not (tmp_path / "out").exists()


def test_masks_that_are_none_make_no_page(capsys, tmp_path):
    found = run(capsys, "explore", tmp_path / "*.nii", *FEW, "-o", tmp_path / "out")
    assert found.code == ExitCode.NOTHING_MATCHED
    assert not (tmp_path / "out").exists()
