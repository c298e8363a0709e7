"""The file that keeps a calibration: nothing lost, nothing strange accepted."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from cardiovae.calibration.conformal import Conformal, Quantile
from cardiovae.calibration.failure import FailureModel
from cardiovae.calibration.monotone import Knots
from cardiovae.calibration.record import (
    Calibration,
    FrameJudge,
    calibration_text,
    load_calibration,
)
from cardiovae.calibration.risk import MissThreshold
from cardiovae.errors import ConfigError, FileError

EF_QUANTILES = (Quantile(0.9, 2.0, 119), Quantile(0.99, math.inf, 50))


def judge(*inputs: str) -> FrameJudge:
    n = len(inputs)
    failure = FailureModel(
        inputs, (0.0,) * n, (1.0,) * n, (1.0,) * n, 0.0, 0.85, 60, 900, 70,
        dice=Knots((-1.0, 1.0), (0.95, 0.75)),
    )  # fmt: skip
    dice = Conformal("lower", (Quantile(0.9, 0.05, 60),))
    return FrameJudge(failure, dice, (MissThreshold(0.4, 0.1, 0.1, None, 30),))


@pytest.fixture
def calibration():
    return Calibration(
        name="camus",
        source="CAMUS test part",
        n_patients=120,
        ef=Conformal("normalized", EF_QUANTILES, "any", 1.5),
        lv_area=Conformal("relative", (Quantile(0.9, 0.2, 120),)),
        judges=(judge("entropy", "crisp"), judge("entropy")),
        notes=("no cine was long",),
    )


def test_nothing_is_lost_on_the_way_to_a_file_and_back(calibration, tmp_path):
    path = tmp_path / "calibration.json"
    path.write_text(calibration_text(calibration), encoding="utf-8")
    assert load_calibration(path) == calibration
    assert load_calibration(tmp_path) == calibration


def test_the_file_is_strict_json_with_none_for_infinite(calibration):
    def refuse(name):
        raise AssertionError(name)

    content = json.loads(calibration_text(calibration), parse_constant=refuse)
    assert content["ef"]["quantiles"][1]["value"] is None
    assert content["format"] == 1


def test_intervals_by_hand(calibration):
    assert calibration.ef_interval(50, 3, level=0.9) == (44, 56)
    assert calibration.ef_interval(50, 0.1, level=0.9) == (47, 53)
    assert calibration.ef_interval(50, 3, level=0.99) == (-math.inf, math.inf)
    assert all(math.isnan(v) for v in calibration.ef_interval(50, level=0.9))
    low, high = calibration.area_interval([1000, np.nan], level=0.9)
    assert (low[0], high[0]) == (800, 1200)
    assert np.isnan(low[1])


def test_what_is_not_calibrated_is_unknown_or_refused(calibration):
    empty = Calibration("x", "none", 0)
    assert math.isnan(empty.ef_interval(50, level=0.9)[0])
    assert np.isnan(empty.area_interval([1], level=0.9)[0]).all()
    assert empty.judge({"entropy": [0.1]}, level=0.9).judge.tolist() == [-1]
    with pytest.raises(ConfigError, match=r"level 0\.5: is not calibrated; there are 0\.9, 0\.99"):
        calibration.ef_interval(50, 3, level=0.5)


def test_each_frame_is_judged_by_the_richest_judge_that_knows_its_signals(calibration):
    table = {"entropy": [0.0, 0.5, np.nan], "crisp": [0.0, np.nan, 1.0]}
    found = calibration.judge(table, level=0.9)
    assert found.judge.tolist() == [0, 1, -1]
    assert found.failure_probability[:2] == pytest.approx([0.5, 1 / (1 + math.exp(-0.5))])
    assert found.dice_expected[:2] == pytest.approx([0.85, 0.80])
    assert found.dice_low[:2] == pytest.approx([0.80, 0.75])
    assert np.isnan(found.dice_low[2])
    assert found.look.tolist() == [True, True, True]
    calm = calibration.judge({"entropy": [-3.0]}, level=0.9)
    assert calm.judge.tolist() == [1]
    assert calm.look.tolist() == [False]


def changed(calibration, **keys):
    return {**calibration.to_json(), **keys}


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"format": 2}, "format 2 is not known"),
        ({"nmae": "x"}, "unknown key 'nmae'; did you mean 'name'"),
        ({"n_patients": "many"}, "n_patients: expected int"),
        ({"ef": {"residual": "squared", "quantiles": []}}, "residual: is one of"),
        ({"ef": {"quantiles": []}}, r"missing \['residual'\]"),
    ],
)
def test_strange_content_is_refused(calibration, keys, message):
    with pytest.raises(ConfigError, match=message):
        Calibration.from_json(changed(calibration, **keys))


def test_a_file_that_is_missing_or_none_is_refused_with_the_way_out(tmp_path):
    with pytest.raises(FileError, match="--calibrate"):
        load_calibration(tmp_path)
    (tmp_path / "calibration.json").write_text("{", encoding="utf-8")
    with pytest.raises(FileError, match="is no JSON"):
        load_calibration(tmp_path)
    (tmp_path / "calibration.json").write_text("[]", encoding="utf-8")
    with pytest.raises(ConfigError, match="is an object, got list"):
        load_calibration(tmp_path)


def test_a_two_sided_interval_is_no_lower_bound():
    with pytest.raises(ConfigError, match="its residual is 'lower'; got 'absolute'"):
        FrameJudge(judge("a").failure, Conformal("absolute", ()))
