"""Damage to label maps: seeded, sized by severity, and within the labels of the frame."""

from __future__ import annotations

import numpy as np
import pytest

from cardiovae.errors import CardiovaeError
from cardiovae.labels import LV_MYO, LV_ONLY, STRUCTURES, Label
from cardiovae.phantom.corruption import DEFECTS, corrupt_frame, corrupt_sequence
from cardiovae.sequence import EchoSequence

SPACING = (1.4, 1.4)
NEEDS = {
    "annulus_leak": {Label.LV},
    "apex_cut": {Label.LV},
    "bridge": {Label.LV, Label.MYO},
    "gaps": {Label.LV, Label.MYO},
    "missing_wall": {Label.MYO},
    "shifted_base": {Label.LV},
    "wall_leak": {Label.LV, Label.MYO},
    "wrong_la": {Label.LA},
}


def drawn_heart(structures=STRUCTURES):
    """Half an ellipse in half an ellipse over a disc, on 112 x 96 pixels of 1.4 mm."""
    y = np.arange(112)[:, None] * SPACING[0]
    x = np.arange(96)[None, :] * SPACING[1] - 66
    labels = np.zeros((112, 96), np.uint8)
    if Label.LA in structures:
        labels[((y - 118) / 21) ** 2 + (x / 19) ** 2 <= 1] = Label.LA
    above = y <= 104
    if Label.MYO in structures:
        labels[(((y - 104) / 86) ** 2 + (x / 32) ** 2 <= 1) & above] = Label.MYO
    labels[(((y - 104) / 75) ** 2 + (x / 20) ** 2 <= 1) & above] = Label.LV
    return labels


@pytest.mark.parametrize("severity", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("name", sorted(DEFECTS))
def test_a_defect_changes_a_whole_heart_and_keeps_to_its_labels(name, severity):
    heart = drawn_heart()
    before = heart.copy()
    for seed in range(8):
        rng = np.random.default_rng(seed)
        damaged = DEFECTS[name](heart, SPACING, severity, rng)
        assert damaged.shape == heart.shape
        assert damaged.dtype == np.uint8
        assert not np.array_equal(damaged, heart)
        assert damaged.max() <= Label.LA
    assert np.array_equal(heart, before)


@pytest.mark.parametrize("structures", [LV_MYO.structures, LV_ONLY.structures, ()])
@pytest.mark.parametrize("name", sorted(DEFECTS))
def test_a_defect_never_draws_a_structure_that_is_absent(name, structures):
    heart = drawn_heart(structures) if structures else np.zeros((60, 50), np.uint8)
    allowed = {0, *structures}
    for seed in range(6):
        damaged = DEFECTS[name](heart, SPACING, 1.0, np.random.default_rng(seed))
        assert set(np.unique(damaged)) <= allowed
        if not NEEDS.get(name, {Label.LV}) <= set(structures):
            assert np.array_equal(damaged, heart)


@pytest.mark.parametrize("name", sorted(DEFECTS))
def test_a_defect_grows_with_severity(name):
    heart = drawn_heart()
    changed = []
    for severity in (0.0, 1.0):
        rng = np.random.default_rng(7)
        maps = [DEFECTS[name](heart, SPACING, severity, rng) for _ in range(60)]
        changed.append(np.mean([np.count_nonzero(m != heart) for m in maps]))
    assert changed[1] > 1.2 * changed[0]


def test_frames_are_damaged_more_on_average_with_growing_severity():
    heart = drawn_heart()
    changed, numbers = [], []
    for severity in (0.0, 0.33, 0.66, 1.0):
        rng = np.random.default_rng(3)
        drawn = [corrupt_frame(heart, SPACING, severity=severity, rng=rng) for _ in range(80)]
        changed.append(np.mean([np.count_nonzero(m != heart) for m, _ in drawn]))
        numbers.append(np.mean([len(names) for _, names in drawn]))
    assert changed == sorted(changed)
    assert numbers[0] == 1
    assert numbers == sorted(numbers)
    assert numbers[-1] > 3.5


def test_a_frame_names_exactly_the_defects_that_changed_it():
    lv_only = drawn_heart(LV_ONLY.structures)
    for seed in range(20):
        rng = np.random.default_rng(seed)
        damaged, names = corrupt_frame(lv_only, SPACING, severity=0.7, rng=rng)
        assert 1 <= len(names) <= 4
        assert len(set(names)) == len(names)
        assert not {"wrong_la", "missing_wall", "bridge", "gaps", "wall_leak"} & set(names)
        assert set(np.unique(damaged)) <= {0, 1}
    empty = np.zeros((40, 40), np.uint8)
    damaged, names = corrupt_frame(empty, SPACING, severity=1.0, rng=np.random.default_rng(0))
    assert names == ()
    assert not damaged.any()


def test_given_defects_are_applied_in_their_order():
    rng = np.random.default_rng(0)
    wanted = ("holes", "wrong_la", "islands")
    _, names = corrupt_frame(drawn_heart(), SPACING, severity=0.2, rng=rng, defects=wanted)
    assert names == wanted


def test_the_same_seed_gives_the_same_damage():
    heart = drawn_heart()
    sequence = EchoSequence(np.stack([heart] * 6, 2), SPACING)
    runs = []
    for _ in range(2):
        rng = np.random.default_rng(11)
        frame, names = corrupt_frame(heart, SPACING, severity=0.6, rng=rng)
        damaged, per_frame = corrupt_sequence(sequence, severity=0.6, rng=rng)
        runs.append((frame, names, damaged.labels, per_frame))
    assert np.array_equal(runs[0][0], runs[1][0])
    assert np.array_equal(runs[0][2], runs[1][2])
    assert runs[0][1] == runs[1][1]
    assert runs[0][3] == runs[1][3]


@pytest.mark.parametrize("structures", [STRUCTURES, LV_MYO.structures, LV_ONLY.structures])
def test_a_damaged_sequence_keeps_geometry_and_structures(structures):
    heart = drawn_heart(structures)
    sequence = EchoSequence(np.stack([heart] * 8, 2), SPACING, structures, 20.0, "A4C", "drawn")
    for seed in range(10):
        rng = np.random.default_rng(seed)
        damaged, names = corrupt_sequence(sequence, severity=1.0, rng=rng)
        assert damaged.spacing_mm == SPACING
        assert damaged.structures == structures
        assert damaged.view == "A4C"
        assert len(names) == 8
        assert any(names)
        for t, done in enumerate(names):
            if not done:
                assert np.array_equal(damaged.frame(t), heart)
            if done == ("empty",):
                assert not damaged.frame(t).any()


def test_more_frames_are_damaged_with_growing_severity():
    heart = drawn_heart()
    sequence = EchoSequence(np.stack([heart] * 10, 2))
    shares = []
    for severity in (0.0, 0.5, 1.0):
        rng = np.random.default_rng(5)
        runs = [corrupt_sequence(sequence, severity=severity, rng=rng)[0] for _ in range(12)]
        shares.append(np.mean([(r.labels != heart[:, :, None]).any((0, 1)).mean() for r in runs]))
    assert shares[0] < 0.4
    assert shares == sorted(shares)
    assert shares[-1] > 0.8


def test_dropped_frames_are_empty_or_earlier_frames():
    frames = [np.roll(drawn_heart(), t, axis=0) for t in range(10)]
    sequence = EchoSequence(np.stack(frames, 2), SPACING)
    kinds = set()
    for seed in range(25):
        rng = np.random.default_rng(seed)
        damaged, names = corrupt_sequence(sequence, severity=1.0, rng=rng)
        for t, done in enumerate(names):
            if done and done[-1] == "frozen":
                kinds.add("frozen")
                earlier = range(max(0, t - 4), t)
                assert any(np.array_equal(damaged.frame(t), damaged.frame(k)) for k in earlier)
            elif done == ("empty",):
                kinds.add("empty")
    assert kinds == {"empty", "frozen"}


@pytest.mark.parametrize("severity", [-0.1, 1.5, float("nan")])
def test_a_severity_outside_0_to_1_is_refused(severity):
    with pytest.raises(CardiovaeError, match="severity"):
        corrupt_frame(drawn_heart(), SPACING, severity=severity, rng=np.random.default_rng(0))


def test_an_unknown_defect_is_refused_by_name():
    rng = np.random.default_rng(0)
    with pytest.raises(CardiovaeError, match="melting"):
        corrupt_frame(drawn_heart(), SPACING, severity=0.5, rng=rng, defects=("melting",))
