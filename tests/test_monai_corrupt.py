from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from monai.data import DataLoader, Dataset
from monai.transforms import AsDiscrete
from monai.utils import set_determinism
from monai_cases import meta_tensor, sound

from cardiovae.errors import ConfigError
from cardiovae.monai import (
    AuditSegmentation,
    RandCorruptSegmentation,
    RandCorruptSegmentationd,
)


def told(tensor) -> dict:
    return tensor.meta["cardiovae"]["corruption"]


def test_the_same_state_gives_the_same_damage_and_another_state_another():
    image = meta_tensor(sound())

    def damaged(seed: int) -> torch.Tensor:
        return RandCorruptSegmentation(0.7).set_random_state(seed)(image).as_tensor()

    assert torch.equal(damaged(1), damaged(1))
    assert not torch.equal(damaged(1), damaged(2))
    assert not torch.equal(damaged(1), image.as_tensor())


def test_set_determinism_repeats_a_loader():
    items = [{"label": meta_tensor(sound())} for _ in range(3)]

    def epoch() -> list[torch.Tensor]:
        set_determinism(5)
        try:
            chain = RandCorruptSegmentationd("label", 0.6)
            loader = DataLoader(Dataset(items, chain), batch_size=3)
            return [batch["label"].as_tensor() for batch in loader]
        finally:
            set_determinism(None)

    state = np.random.get_state()  # noqa: NPY002
    assert all(torch.equal(a, b) for a, b in zip(epoch(), epoch(), strict=True))
    np.random.set_state(state)  # noqa: NPY002


def test_two_keys_of_a_dictionary_are_damaged_alike():
    image = meta_tensor(sound())
    chain = RandCorruptSegmentationd(("a", "b"), 0.6).set_random_state(4)
    result = chain({"a": image, "b": image})
    assert torch.equal(result["a"].as_tensor(), result["b"].as_tensor())
    assert told(result["a"]) == told(result["b"])


def test_the_damage_is_told_frame_by_frame_and_an_older_audit_no_longer_holds():
    image = AuditSegmentation()(meta_tensor(sound()))
    result = RandCorruptSegmentation((0.5, 0.9)).set_random_state(0)(image)
    assert "audit" not in result.meta["cardiovae"]
    assert 0.5 <= told(result)["severity"] <= 0.9
    defects = told(result)["defects"].split(",")
    assert len(defects) == 3
    changed = (result.as_tensor() != image.as_tensor()).flatten(0, 2).any(0).tolist()
    assert all(bool(names) for names, touched in zip(defects, changed, strict=True) if touched)


def test_with_probability_zero_nothing_happens():
    image = meta_tensor(sound())
    result = RandCorruptSegmentation(prob=0.0)(image)
    assert torch.equal(result.as_tensor(), image.as_tensor())
    assert math.isnan(told(result)["severity"])


def test_a_frame_alone_is_damaged_too():
    frame = meta_tensor(sound())[..., 0]
    result = RandCorruptSegmentation(0.8).set_random_state(0)(frame)
    assert result.shape == frame.shape
    assert not torch.equal(result.as_tensor(), frame.as_tensor())


@pytest.mark.parametrize("severity", [-0.1, 1.2, (0.5, 0.2)])
def test_a_severity_outside_its_range_is_refused(severity):
    with pytest.raises(ConfigError, match="severity"):
        RandCorruptSegmentation(severity)


def test_one_hot_maps_stay_one_hot():
    image = AsDiscrete(to_onehot=4)(meta_tensor(sound()))
    result = RandCorruptSegmentation(0.8).set_random_state(0)(image)
    assert result.shape == image.shape
    assert (result.as_tensor().sum(0) == 1).all()
    assert not torch.equal(result.as_tensor(), image.as_tensor())
