"""The compiled audit against the slow oracle: the same values, bit for bit, and verdicts.

A few thousand frames; `CARDIOVAE_ORACLE_FRAMES=100000` asks for more.
"""

import math
import os
from functools import lru_cache

import numpy as np
import pytest
import slow_audit
from audit_cases import drawn, heart, noise

from cardiovae.audit import anatomy, public
from cardiovae.audit.audit import audit_frame, frame_is_valid
from cardiovae.audit.criteria import criteria
from cardiovae.audit.heart import Heart
from cardiovae.labels import CAMUS, LV_MYO, LV_ONLY
from cardiovae.phantom.corruption import corrupt_frame

N_FRAMES = int(os.environ.get("CARDIOVAE_ORACLE_FRAMES", "1500"))
SETS = (criteria("camus"), criteria("camus-public"))
SPACINGS = ((1.5, 1.6), (0.154, 0.308), (0.3, 0.3), (1.0, 1.0), None)
SHAPES = ((48, 40), (64, 64), (72, 90), (96, 80), (128, 112))


@lru_cache(maxsize=64)
def sound(shape, wall):
    return heart(*shape, wall=wall / 100)


def random_frame(rng):
    """A heart with errors of all kinds, now and then at the border or without a structure."""
    shape = SHAPES[rng.integers(len(SHAPES))]
    mm = (140 / shape[0], 130 / shape[1])
    labels = sound(shape, int(rng.integers(9, 20)))
    if rng.random() < 0.8:
        labels = corrupt_frame(labels, mm, severity=rng.random(), rng=rng)[0]
    labels = labels.copy()
    kind = rng.random()
    if kind < 0.2:  # salt and pepper
        where = rng.random(shape) < rng.choice([0.001, 0.01, 0.1])
        labels[where] = rng.integers(0, 4, int(where.sum()))
    elif kind < 0.35:  # cut by the border of the frame
        top, left = (int(rng.integers(0, n // 2)) for n in shape)
        labels = labels[top : top + shape[0] - 7, left : left + shape[1] - 5]
    elif kind < 0.45:
        labels[labels == rng.integers(1, 4)] = rng.integers(0, 4)
    return np.ascontiguousarray(labels)


def same(found, expected):
    return found == expected or (math.isnan(found) and math.isnan(expected))


def check(labels, spacing_mm, structures=CAMUS.structures):
    for limits in SETS:
        audit = audit_frame(labels, spacing_mm, limits, structures)
        expected = slow_audit.audit_frame(labels, spacing_mm, limits, structures)
        assert [f.criterion for f in audit.findings] == list(expected)
        for finding in audit.findings:
            value, verdict = expected[finding.criterion]
            assert same(finding.value, value), (finding, value, labels.tolist())
            assert finding.verdict == verdict, (finding, value)
        passed = all(verdict == "PASS" for _, verdict in expected.values())
        assert audit.passed == passed
        assert frame_is_valid(labels, spacing_mm, limits, structures) == passed


def test_values_and_verdicts_equal_the_oracle_on_corrupted_hearts():
    rng = np.random.default_rng(20)
    for i in range(N_FRAMES):
        scheme = (CAMUS, CAMUS, CAMUS, LV_MYO, LV_ONLY)[i % 5]
        labels = random_frame(rng)
        labels = np.where(labels <= max(scheme.values), labels, 0).astype(np.uint8)
        check(labels, SPACINGS[rng.integers(len(SPACINGS))], scheme.structures)


def test_values_and_verdicts_equal_the_oracle_on_noise_of_all_sizes():
    rng = np.random.default_rng(21)
    for i in range(N_FRAMES):
        shape = (int(rng.integers(1, 16)), int(rng.integers(1, 16)))
        labels = noise(shape, rng, background=[0.0, 0.2, 0.5, 0.8, 0.97][i % 5])
        check(labels, SPACINGS[rng.integers(len(SPACINGS))])


def test_values_and_verdicts_equal_the_oracle_on_smooth_noise():
    # Blobs: splits, bridges, and holes in holes, larger than in noise of pixels.
    rng = np.random.default_rng(22)
    for _ in range(N_FRAMES // 3):
        coarse = noise((int(rng.integers(2, 9)), int(rng.integers(2, 9))), rng)
        factor = int(rng.integers(2, 8))
        labels = np.kron(coarse, np.ones((factor, factor), np.uint8))
        where = rng.random(labels.shape) < rng.choice([0.0, 0.01, 0.05])
        labels[where] = rng.integers(0, 4, int(where.sum()))
        check(labels, SPACINGS[rng.integers(len(SPACINGS))])


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (2, 2), (30, 20)])
@pytest.mark.parametrize("value", range(4))
def test_frames_of_one_label_and_of_one_pixel_equal_the_oracle(shape, value):
    check(np.full(shape, value, np.uint8), (0.5, 2.0))
    labels = np.zeros(shape, np.uint8)
    labels[shape[0] // 2, shape[1] // 2] = value
    check(labels, (0.5, 2.0))


@pytest.mark.parametrize("name", ["anatomy", "public"])
def test_every_metric_takes_any_layout_and_type_of_labels(name):
    module = {"anatomy": anatomy, "public": public}[name]
    limits = next(s for s in SETS if s.kind == {"anatomy": "anatomy", "public": "published"}[name])
    labels = corrupt_frame(heart(), (1.5, 1.6), severity=0.8, rng=np.random.default_rng(3))[0]
    movie = np.stack([labels] * 3, axis=-1)
    views = [
        np.asfortranarray(labels),
        movie[:, :, 1],
        labels.astype(np.int64),
        labels.astype(float),
        np.pad(labels, 2)[2:-2, 2:-2],
    ]
    for criterion in limits.criteria:
        metric = getattr(module, criterion.metric)
        expected = metric(labels, (1.5, 1.6))
        assert all(same(metric(view, (1.5, 1.6)), expected) for view in views)


def test_labels_above_three_are_neither_background_nor_a_structure():
    labels = drawn(
        """
        2222222
        2111112
        2155512
        2333332
        """
    )
    assert anatomy.lv_la_gap_area_mm2(labels, (1.0, 1.0)) == 3.0
    assert anatomy.annulus_gap_ratio(labels, (1.0, 1.0)) == 0.0
    check(labels, (1.0, 1.0))
    check(np.where(labels == 5, 255, labels).astype(np.uint8), (1.0, 1.0))


def test_a_heart_is_measured_once():
    seen = Heart.of(heart())
    assert Heart.of(seen) is seen
    assert seen.runs is seen.runs
