"""The proof of quality: its rules, its bookkeeping, and a tiny run from images to the page."""

from __future__ import annotations

import dataclasses
import doctest
import importlib
import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest

from cardiovae.baselines.methods import correct_by
from cardiovae.correction.config import correct_config
from cardiovae.intervals.bootstrap import Interval
from cardiovae.phantom.heart import draw_heart, draw_parameters

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"
PARTS = (
    "cases",
    "figures",
    "page",
    "pools",
    "records",
    "tables",
    "text",
    "units",
    "unknown",
    "verdicts",
)
METHODS = ("full", "identity", "largest-component")


@pytest.fixture(scope="module")
def proof():
    """The benchmark's modules by name, found as when the script runs."""
    sys.path.insert(0, str(BENCHMARKS))
    try:
        parts = {name: importlib.import_module(f"proof.{name}") for name in PARTS}
        yield {**parts, "unet": importlib.import_module("phantom_unet")}
    finally:
        sys.path.remove(str(BENCHMARKS))


@pytest.mark.parametrize("name", PARTS)
def test_the_examples_of_the_benchmark_hold(proof, name):
    assert doctest.testmod(proof[name]).failed == 0


@pytest.mark.parametrize(
    ("differences", "sign", "strictly", "word"),
    [
        ([Interval(0.1, 0.05, 0.2)], 1, True, "held"),
        ([Interval(0.1, -0.05, 0.2)], 1, True, "held"),
        ([Interval(-0.1, -0.3, 0.2)], 1, True, "undecided"),
        ([Interval(-0.1, -0.3, -0.02)], 1, True, "missed"),
        ([Interval(-0.1, -0.3, -0.02)], -1, True, "held"),
        ([Interval(0.0, 0.0, 0.0)], 1, False, "held"),
        ([Interval(0.0, 0.0, 0.0)], 1, True, "missed"),
        ([Interval(0.1, 0.05, 0.2), Interval(-0.1, -0.2, -0.05)], 1, True, "missed"),
        ([Interval(math.nan), Interval(0.1, 0.05, 0.2)], 1, True, "held"),
        ([Interval(math.nan)], 1, True, "not measured"),
    ],
)
def test_a_comparison_is_judged_by_its_mean_and_its_interval(
    proof, differences, sign, strictly, word
):
    assert proof["verdicts"].judged(differences, sign, strictly=strictly) == word


def single(patient: str, *, valid: bool, same: bool, dice: float, distance: float) -> dict:
    """Record of a single frame."""
    return {
        "case": patient,
        "patient": patient,
        "seconds": 0.1,
        "status": "corrected",
        "valid": [[valid], [valid]],
        "steady": [],
        "sound": [valid],
        "same": [same],
        "changed_share": [0.0 if same else 0.2],
        "dice": [[dice] * 3],
        "hausdorff_mm": [[distance, distance, None]],
        "area_mm2": [100.0],
        "density": [50.0],
        "typicality": [50.0],
        "flagged": [False],
    }


def test_targets_follow_from_records_counted_by_hand(proof):
    given = [single(f"p{i}", valid=i > 3, same=True, dice=0.8, distance=10.0) for i in range(10)]
    found = [
        single(f"p{i}", valid=True, same=i > 3, dice=0.9 if i < 4 else 0.8, distance=5.0)
        for i in range(10)
    ]
    harmed = [single(f"p{i}", valid=True, same=i > 0, dice=1.0, distance=0.0) for i in range(100)]
    records = {("a/ep2", "identity"): given, ("a/ep2", "full"): found, ("harm", "full"): harmed}
    measured = proof["verdicts"].Measured(records, ("full", "identity"), 0)
    words = {v.target: (v.word, v.measured) for v in proof["verdicts"].verdicts(measured)}
    assert words["(a) 100.0 % of the frames valid under `camus`"] == ("held", "10 of 10, 100.00 %")
    # One mask in a hundred is altered, one in two hundred would do.
    assert words["Ground-truth masks altered: at most 0.5 %"] == ("missed", "1 of 100")
    # Sound are the six frames that were valid in the input; the pool reads it from its own rows.
    assert words["(a) invalid frames: mean Dice above the input's, each structure"][0] == "held"
    drop = words["(a) invalid frames: mean Hausdorff at least 40 % below the input's"]
    assert drop == ("held", "50.0 %")
    each = "(a) invalid frames: mean Hausdorff at least 40 % below the input's, each structure"
    assert words[each] == ("held", "50.0 / 50.0 / - %")


def test_a_record_of_a_perfect_result_says_so(proof):
    drawn = draw_heart(
        draw_parameters(np.random.default_rng(3), "A2C"), n_frames=6, spacing_mm=(0.7, 0.7)
    )
    sequence = drawn.sequence
    case = proof["cases"].Case("x", "x", sequence, sequence.labels, 100 * drawn.ef, (0, 5))
    done = correct_by("identity", sequence, None, None, correct_config())
    found = proof["records"].record(case, done, 0.25)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert np.allclose(found["dice"], 1)
    assert np.allclose(found["hausdorff_mm"], 0)
    assert found["same"] == [True] * 6
    assert found["ef"] == found["ef_reference"]
    assert found["ef"] == pytest.approx(100 * drawn.ef, abs=5)
    assert np.allclose(found["area_mm2"], drawn.lv_area_mm2, rtol=0.02)


@pytest.mark.parametrize("kind", ["flip", "rot180"])
def test_a_mirror_and_half_a_turn_undo_themselves(proof, kind):
    frame = np.random.default_rng(0).integers(0, 4, (5, 7)).astype(np.uint8)
    once = proof["unknown"].as_unknown(kind, (frame,), (0.5, 0.8))
    (twice,), spacing = proof["unknown"].as_unknown(kind, *once)
    assert not np.array_equal(once[0][0], frame)
    assert np.array_equal(twice, frame)
    assert spacing == (0.5, 0.8)


@pytest.mark.parametrize("n_hearts", [1, 4, 25])
def test_every_cine_is_imaged_once(proof, n_hearts):
    cases = proof["cases"]
    settings = cases.Settings("", n_hearts=n_hearts)
    found = [
        cases.cine_index(level, i)
        for level in cases.IMAGES
        for i in range(cases.n_cases(f"c/{level}", settings))
    ]
    assert sorted(found) == list(range(2 * n_hearts))


def test_units_hold_every_case_once_and_more_cines_keep_what_was_measured(proof):
    units, settings = proof["units"], proof["cases"].Settings("data", n_hearts=25)
    found = units.cut(["a/ep2", "b", "c/light", "unknown/flip-sound"], METHODS, settings)
    for group, n_methods, n in (("a/ep2", 3, 480), ("b", 3, 1), ("c/light", 3, 50)):
        counted = [i for u in found if u.group == group for i in range(u.start, u.stop)]
        assert sorted(counted) == sorted(n_methods * list(range(n)))
    assert {u.method for u in found if u.group.startswith("unknown")} == {"full", "identity"}
    assert len({u.file for u in found}) == len(found)
    more = dataclasses.replace(settings, n_hearts=30)
    kept = {u.file for u in units.cut(["c/light"], METHODS, more)}
    whole = {u.file for u in found if u.group == "c/light" and u.stop - u.start == 8}
    assert whole <= kept
    other = dataclasses.replace(settings, version="another")
    assert not kept & {u.file for u in units.cut(["c/light"], METHODS, other)}


def test_the_network_is_small_and_answers_on_the_grid_of_the_image(proof):
    network = proof["unet"].build_network().eval()
    assert 300_000 < sum(p.numel() for p in network.parameters()) < 500_000
    images = np.random.default_rng(0).integers(0, 256, (90, 110, 2), dtype=np.uint8)
    labels = proof["unet"].predict(network, images)
    assert labels.shape == images.shape
    assert labels.dtype == np.uint8
    assert labels.max() <= 3


@pytest.fixture(scope="module")
def tiny(proof, tmp_path_factory):
    """A run on four short cines with a network of two steps: its records and settings."""
    folder = tmp_path_factory.mktemp("quality")
    unet = proof["unet"].Training(n_hearts=1, n_frames=2, n_steps=2, batch=2)
    settings = proof["cases"].Settings(
        "", "phantom", n_hearts=2, n_frames=3, unet=unet, scratch=str(folder)
    )
    cache, proof["unet"].FOLDER = proof["unet"].FOLDER, folder
    groups = ("c/light", "c/unet-bad")
    units = proof["units"].cut(groups, METHODS[:2], settings)
    records: dict = {}
    for i in range(4):
        proof["cases"].write_cine(i, settings)
    proof["unet"].FOLDER = cache
    for unit in units:
        proof["units"].run_unit(unit)
        records.setdefault((unit.group, unit.method), []).extend(proof["units"].read_unit(unit))
    return proof["verdicts"].Measured(records, METHODS[:2], 0), settings, units


@pytest.mark.slow
def test_a_run_measures_every_method_on_the_same_cines(tiny):
    measured, _, _ = tiny
    drawn = tuple(f"phantom0000{n}_{view}" for n in (1, 2) for view in ("A2C", "A4C"))
    for group, expected in (("c/light", drawn), ("c/unet-bad", drawn[2:3])):
        cases = {tuple(r["case"] for r in measured.records[group, m]) for m in METHODS[:2]}
        assert cases == {expected}
        truths = {tuple(r["ef_true"] for r in measured.records[group, m]) for m in METHODS[:2]}
        assert len(truths) == 1
    kept = measured.records["c/light", "identity"]
    assert all(all(r["same"]) for r in kept)
    fixed = measured.records["c/light", "full"]
    assert all(all(r["valid"][0]) for r in fixed)


@pytest.mark.slow
def test_an_interrupted_run_repeats_nothing(proof, tiny, monkeypatch):
    _, settings, units = tiny

    def fail(*_: object) -> None:
        raise AssertionError("something is run again")

    monkeypatch.setattr(proof["units"], "ProcessPoolExecutor", fail)
    proof["units"].run_all(units, settings, 2)


@pytest.mark.slow
def test_the_page_and_its_figures_are_made_from_the_records(proof, tiny, tmp_path):
    measured, settings, _ = tiny
    drawn = list(proof["figures"].figures(measured, settings, tmp_path))
    page = proof["page"].page(measured, settings, drawn, {"pca": "no model"}, "quality.py")
    assert "(c corrupted)" in page
    assert "## (c) Phantom cines segmented by a network" in page
    assert "`pca`: not measured, no model" in page
    assert " nan" not in page
    for name, _ in drawn:
        assert f"../images/{name}" in page
        assert (tmp_path / name).stat().st_size > 5000
