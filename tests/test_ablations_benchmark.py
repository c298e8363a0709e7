"""The ablations: each leaves out what it says, and the page is made from what was measured."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from cardiovae.correction import motion, repair
from cardiovae.correction.config import correct_config

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"
PARTS = ("ablation_figures", "ablation_page", "cases", "trials", "variants")


@pytest.fixture(scope="module")
def proof():
    """The benchmark's modules by name, found as when the script runs."""
    sys.path.insert(0, str(BENCHMARKS))
    try:
        yield {name: importlib.import_module(f"proof.{name}") for name in PARTS}
    finally:
        sys.path.remove(str(BENCHMARKS))


def test_every_variant_differs_in_settings_that_exist_from_one_that_exists(proof):
    variants = proof["variants"].VARIANTS
    names = [v.name for v in variants]
    assert len(set(names)) == len(names)
    for v in variants:
        assert v.against in names
        made = correct_config("default", v.overrides)
        assert (made != correct_config()) == bool(v.overrides)
        known = {"camus", "phantom", proof["variants"].PER_VIEW, *proof["variants"].TRAINED}
        assert v.prior in known
    changed = [v for v in variants if v.name != "default"]
    assert all(v.overrides or v.without or v.prior != "camus" for v in changed)


@pytest.mark.parametrize(
    ("name", "module", "function"),
    [
        ("no-robust-weights", motion, "robust_weights"),
        ("no-robust-weights", repair, "robust_weights"),
        ("no-context", repair, "in_context"),
        ("with-outliers", motion, "without_outliers"),
    ],
)
def test_a_part_is_left_out_while_it_lasts_and_no_longer(proof, name, module, function):
    variant = next(v for v in proof["variants"].VARIANTS if v.name == name)
    whole = getattr(module, function)
    with proof["variants"].left_out(variant):
        assert getattr(module, function) is not whole
    assert getattr(module, function) is whole


def test_without_robust_weights_all_frames_weigh_the_same(proof):
    spoiled = np.r_[np.arange(8.0), 99.0, np.arange(9.0, 14)]
    variant = next(v for v in proof["variants"].VARIANTS if v.name == "no-robust-weights")
    assert motion.robust_weights(spoiled)[8] < 0.1
    with proof["variants"].left_out(variant):
        assert (motion.robust_weights(spoiled, spoiled > 50) == 1).all()


def test_trainings_come_first_and_results_depend_on_code_and_cases(proof, tmp_path):
    settings = proof["cases"].Settings("data", version="a", n_hearts=2)
    found = proof["trials"].trials(tmp_path, settings)
    kinds = [t.what.partition("/")[0] for t in found]
    assert kinds == sorted(kinds, key=("train", "variant", "bank", "strict").index)
    assert len({t.file for t in found}) == len(found)
    other = proof["cases"].Settings("data", version="b", n_hearts=2)
    assert not {t.file for t in found} & {t.file for t in proof["trials"].trials(tmp_path, other)}
    assert not any(proof["trials"].done(t) for t in found)


def record(patient: str, dice: float, distance: float, n_frames: int = 1) -> dict:
    """What the trials write of one sequence."""
    return {
        "case": patient,
        "patient": patient,
        "seconds": 0.1 * n_frames,
        "status": "corrected",
        "valid": [[True] * n_frames, [True] * n_frames],
        "steady": [True, True] if n_frames > 2 else [],
        "sound": [False] * n_frames,
        "same": [False] * n_frames,
        "changed_share": [0.2] * n_frames,
        "dice": [[dice, dice, None]] * n_frames,
        "hausdorff_mm": [[distance, distance, None]] * n_frames,
        "area_mm2": [100.0] * n_frames,
        "density": [50.0] * n_frames,
        "typicality": [50.0] * n_frames,
        "flagged": [False] * n_frames,
        "ef": 50.0,
        "ef_at": 50.0,
        "ef_reference": 50.0,
        "ef_true": 52.0,
        "displacement": 1.5,
    }


@pytest.fixture
def results(proof):
    """Every variant two hundredths below the default."""
    found = {}
    for v in proof["variants"].VARIANTS:
        dice = 0.9 if v.name in ("default", "latent-48") else 0.88
        found[f"variant/{v.name}"] = {
            "a": [record(f"p{i}", dice + 0.01 * i, 5.0) for i in range(4)],
            "corrupted": [record(f"c{i}", dice, 3.0, 4) for i in range(3)],
            "network": [record(f"c{i}", dice, 3.0, 4) for i in range(3)],
        }
    for size in proof["trials"].BANK_SIZES:
        rows = [record(f"p{i}", 0.8, 4.0) for i in range(3)]
        found[f"bank/{size}"] = dict.fromkeys(proof["trials"].SIZED, rows)
    rows = [record(f"p{i}", 0.8, 4.0) for i in range(5)]
    found["strict/camus-public"] = {"a": rows, "harm": rows}
    return json.loads(json.dumps(found))


def test_page_and_figures_say_what_was_measured(proof, results, tmp_path, monkeypatch):
    fake = dict.fromkeys(("dice_lv", "dice_myo", "dice_la", "spearman_lv_area"), 0.95), 0.8
    for module in ("ablation_page", "ablation_figures"):
        monkeypatch.setattr(proof[module], "prior_figures", lambda folder: fake)
    drawn = list(proof["ablation_figures"].figures(results, tmp_path, tmp_path / "images"))
    settings = proof["cases"].Settings("data")
    page = proof["ablation_page"].page(results, tmp_path, drawn, settings)
    rows = [line for line in page.splitlines() if line.startswith("| `no-detail`")]
    assert len(rows) == 3
    assert all("-2.00 [-2.00, -2.00]" in row for row in rows)
    assert "5 of 5 do, 5 of them both sets" in page
    assert "5 of 5 are altered (100 %)" in page
    assert " nan" not in page
    for name, _ in drawn:
        assert (tmp_path / "images" / name).stat().st_size > 5000
