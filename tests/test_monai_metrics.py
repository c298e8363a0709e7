from __future__ import annotations

import math
import os
import sys

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from ignite.engine import Engine
from monai.data import DataLoader, Dataset, MetaTensor, decollate_batch
from monai.transforms import AsDiscrete
from monai_cases import SPACING_MM, broken, meta_tensor, sound, stored

from cardiovae.errors import ConfigError
from cardiovae.monai import (
    AnatomicalPlausibilityHandler,
    AnatomicalPlausibilityMetric,
    TemporalConsistencyHandler,
    TemporalConsistencyMetric,
)


def batch_of(*sequences) -> MetaTensor:
    items = [{"pred": meta_tensor(sequence)} for sequence in sequences]
    (batch,) = DataLoader(Dataset(items), batch_size=len(items))
    return batch["pred"]


def test_the_share_of_sound_frames_is_counted_without_a_reference():
    metric = AnatomicalPlausibilityMetric()
    values = metric(batch_of(sound(), broken()))
    assert values.tolist() == [[1.0], [pytest.approx(2 / 3)]]
    assert metric.aggregate().item() == pytest.approx(5 / 6)
    assert metric.aggregate("none").shape == (2, 1)


def test_a_batch_its_decollated_samples_and_one_hot_maps_give_the_same():
    batch = batch_of(sound(), broken())
    metric = AnatomicalPlausibilityMetric()
    expected = metric(batch)
    apart = decollate_batch(batch)
    assert torch.equal(metric(apart), expected)
    hot = [AsDiscrete(to_onehot=4)(item) for item in apart]
    assert torch.equal(metric(hot, hot), expected)
    plain = torch.stack([item.as_tensor() for item in apart])
    assert torch.equal(AnatomicalPlausibilityMetric(spacing_mm=SPACING_MM)(plain), expected)
    assert type(expected) is torch.Tensor  # what ranks can gather


def test_what_cannot_be_measured_is_nan_and_left_out():
    without = torch.from_numpy(stored(sound())[None, None])
    # An island of a pixel: its area says nothing in pixels, and no ratio minds it.
    without[:, :, 2, 2] = 1
    metric = AnatomicalPlausibilityMetric(get_not_nans=True)
    assert math.isnan(metric(without).item())
    value, count = metric.aggregate()
    assert math.isnan(value.item())
    assert count.item() == 0
    metric(batch_of(sound()))
    value, count = metric.aggregate()
    assert (value.item(), count.item()) == (1.0, 1.0)


def gather(rank: int, store: str, found: mp.Queue) -> None:
    """One of two ranks: the first sees one sample, the second two."""
    torch.set_num_threads(1)
    os.environ["LOCAL_RANK"] = str(rank)  # as torchrun does; in the child alone
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    metric = AnatomicalPlausibilityMetric(spacing_mm=SPACING_MM)
    for sequence in (broken(), sound()) if rank else (broken(),):
        metric(torch.from_numpy(stored(sequence)[None, None]))
    found.put((rank, metric.aggregate().item(), metric.aggregate("none").flatten().tolist()))
    dist.destroy_process_group()


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
@pytest.mark.skipif(not dist.is_available() or sys.platform == "win32", reason="needs gloo, fork")
def test_ranks_gather_the_values_of_all_samples(tmp_path):
    context = mp.get_context("fork")
    found = context.Queue()
    ranks = [
        context.Process(target=gather, args=(rank, str(tmp_path / "store"), found))
        for rank in (0, 1)
    ]
    for process in ranks:
        process.start()
    results = [found.get(timeout=60) for _ in ranks]
    for process in ranks:
        process.join(timeout=60)
    for _, mean, values in results:
        assert sorted(values) == pytest.approx([2 / 3, 2 / 3, 1.0])
        assert mean == pytest.approx(7 / 9)


def test_each_criterion_has_its_column():
    metric = AnatomicalPlausibilityMetric(reduction="mean_batch", per_criterion=True)
    values = metric(batch_of(broken()))
    row = dict(zip(metric.columns, values[0].tolist(), strict=True))
    assert row["lv_disconnected_area_mm2"] == pytest.approx(2 / 3)
    assert row["lv_present"] == 1.0
    assert metric.aggregate().shape == (len(metric.columns),)


def test_motion_is_judged_from_three_frames_on():
    metric = TemporalConsistencyMetric()
    steady = sound(12)
    flicker = steady.labels.copy()
    flicker[:, :, 6] = np.roll(flicker[:, :, 6], 15, axis=0)
    values = metric(
        [meta_tensor(steady), meta_tensor(steady.with_labels(flicker)),
         meta_tensor(steady)[..., :2]]
    ).flatten().tolist()  # fmt: skip
    assert values[0] == 1.0
    assert 0 < values[1] < 1.0
    assert math.isnan(values[2])
    assert metric.aggregate().item() == pytest.approx((1 + values[1]) / 2)
    columns = TemporalConsistencyMetric(per_criterion=True)
    assert columns([meta_tensor(steady)]).tolist() == [[1.0] * len(columns.columns)]


def test_a_set_of_the_other_kind_and_an_empty_metric_are_refused():
    with pytest.raises(ConfigError, match="anatomy"):
        AnatomicalPlausibilityMetric("tmi2022")
    with pytest.raises(ConfigError, match="motion"):
        TemporalConsistencyMetric("camus")
    with pytest.raises(ConfigError, match="no predictions"):
        AnatomicalPlausibilityMetric().aggregate()


def test_handlers_put_the_metrics_into_the_state_of_an_engine():
    engine = Engine(lambda _, batch: [{"pred": item} for item in batch])
    AnatomicalPlausibilityHandler().attach(engine, "plausible")
    TemporalConsistencyHandler(save_details=False).attach(engine, "consistent")
    state = engine.run([[meta_tensor(sound()), meta_tensor(broken())]])
    assert state.metrics["plausible"] == pytest.approx(5 / 6)
    assert 0 <= state.metrics["consistent"] <= 1
    assert state.metric_details["plausible"].shape == (2, 1)


def test_without_ignite_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ignite", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"cardiovae\[bundle\]"):
        AnatomicalPlausibilityHandler()
