"""The published metrics against a slow, literal oracle and against hand-counted maps."""

import math

import numpy as np
import pytest
from audit_cases import drawn, heart, noise
from published_code import published_metrics

from cardiovae.audit import public
from cardiovae.audit.audit import audit_frame
from cardiovae.audit.criteria import criteria
from cardiovae.labels import LV_MYO, LV_ONLY
from cardiovae.phantom.corruption import corrupt_frame

PIXELS = (1.0, 1.0)


def oracle_is_valid(values):
    """NaN is invalid, counts must be 0, ratios within the published thresholds."""
    limits = {
        "frontier_ratio_between_lv_and_bg": (0, 0.4),
        "frontier_ratio_between_myo_and_atrium": (0, 0.11),
        "width_ratio_between_lv_and_myo": (0, 4.15),
        "erosion_ratio_before_myo_split": (0.12, math.inf),
    }
    return all(
        limits.get(name, (0, 0))[0] <= value <= limits.get(name, (0, 0))[1]
        for name, value in values.items()
    )


def check_against_oracle(labels):
    expected = published_metrics(labels)
    found = {name: getattr(public, name)(labels, PIXELS) for name in expected}
    assert found == pytest.approx(expected, nan_ok=True, abs=1e-12)
    passed = audit_frame(labels, PIXELS, criteria("camus-public")).passed
    assert passed == oracle_is_valid(expected)
    return passed


def test_metrics_and_verdicts_equal_the_oracle_on_corrupted_hearts():
    rng = np.random.default_rng(1)
    sound = [heart(96, 80), heart(128, 128, wall=0.11), heart(60, 90, wall=0.2)]
    passed = [
        check_against_oracle(
            corrupt_frame(sound[i % 3], (1.4, 1.7), severity=rng.random(), rng=rng)[0]
        )
        for i in range(150)
    ]
    assert 0 < sum(passed) < len(passed)  # both verdicts were compared


def test_metrics_equal_the_oracle_on_noise_with_all_border_contacts():
    rng = np.random.default_rng(2)
    for i in range(250):
        shape = (int(rng.integers(3, 15)), int(rng.integers(3, 15)))
        check_against_oracle(noise(shape, rng, background=[0.0, 0.2, 0.5, 0.8][i % 4]))


def test_metrics_equal_the_oracle_where_the_noise_floor_is_above_one_pixel():
    rng = np.random.default_rng(3)
    for _ in range(6):
        small = corrupt_frame(heart(64, 56), (1.5, 1.5), severity=0.8, rng=rng)[0]
        large = np.kron(small, np.ones((4, 4), np.uint8))
        large[rng.random(large.shape) < 0.002] = 0
        check_against_oracle(large)


@pytest.mark.parametrize("value", range(4))
def test_metrics_equal_the_oracle_on_a_frame_of_one_label(value):
    check_against_oracle(np.full((9, 7), value, np.uint8))


def test_metric_eight_is_blind_to_a_gap_between_lv_and_la():
    labels = drawn(
        """
        .........
        .2222222.
        .2111112.
        .2100012.
        .2100012.
        .3333333.
        .3333333.
        .........
        """
    )
    assert public.holes_between_lv_and_atrium(labels, PIXELS) == 0


def test_a_closed_diagonal_contour_has_no_hole_for_the_published_code():
    labels = drawn(
        """
        .....
        ..1..
        .1.1.
        ..1..
        .....
        """
    )
    assert public.holes_in_lv(labels, PIXELS) == 0


def test_a_structure_on_the_corner_pixel_turns_the_surroundings_into_a_gap():
    labels = drawn(
        """
        1222
        2...
        ....
        """
    )
    assert public.holes_between_lv_and_myo(labels, PIXELS) == 0  # borders MYO only
    labels[1, 0] = 1
    assert public.holes_between_lv_and_myo(labels, PIXELS) == 7


def test_width_ratio_without_myocardium_on_the_row_is_invalid():
    labels = heart()
    labels[labels == 2] = 0
    audit = audit_frame(labels, PIXELS, criteria("camus-public"))
    found = {f.criterion: f for f in audit.findings}["width_ratio_between_lv_and_myo"]
    assert math.isnan(found.value)
    assert found.reason
    assert not audit.passed


def test_an_absent_atrium_passes_the_published_criteria():
    labels = heart()
    labels[labels == 3] = 1
    labels[60:, :] = np.where(labels[60:, :] == 1, 0, labels[60:, :])
    found = {
        f.criterion: f.verdict
        for f in audit_frame(labels, PIXELS, criteria("camus-public")).findings
    }
    assert found["holes_in_atrium"] == found["disconnectivity_in_atrium"] == "PASS"


def names(structures):
    return {criterion.name for criterion in criteria("camus-public").applying_to(structures)}


def test_without_atrium_the_seven_that_apply_remain_with_the_two_of_echo_toolkit():
    assert names(LV_MYO.structures) == {
        "holes_in_lv",
        "holes_in_epi",
        "disconnectivity_in_lv",
        "disconnectivity_in_myo",
        "holes_between_lv_and_myo",
        "erosion_ratio_before_myo_split",
        "width_ratio_between_lv_and_myo",
        "lv_absent",
        "frontier_ratio_between_lv_and_bg_no_atrium",
    }


def test_with_the_ventricle_alone_only_its_own_criteria_remain():
    assert names(LV_ONLY.structures) == {"lv_absent", "holes_in_lv", "disconnectivity_in_lv"}
    empty = np.zeros((8, 8), np.uint8)
    assert not audit_frame(empty, None, criteria("camus-public"), LV_ONLY.structures).passed
