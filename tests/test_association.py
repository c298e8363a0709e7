"""Whether doubt follows error: cases by hand, and scipy and scikit-learn as oracles."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import mutual_info_score

from cardiovae.calibration.association import (
    GRID,
    absolute_pearson,
    best_threshold,
    mean_by_error,
    mutual_information,
    overlaps,
    pearson,
    spearman,
)
from cardiovae.errors import CardiovaeError

numbers = arrays(np.float64, 12, elements=st.integers(-50, 50).map(lambda i: i / 10))
maps = arrays(np.float64, (6, 7), elements=st.integers(0, 100).map(lambda i: i / 100))
errors = arrays(np.int64, (6, 7), elements=st.integers(0, 1))


def test_pearson_by_hand():
    # Deviations (-1, 0, 1) and (-1, -1, 2): 3 / sqrt(2 * 6).
    assert pearson([1, 2, 3], [0, 0, 3]) == pytest.approx(3 / math.sqrt(12))
    assert absolute_pearson([1, 2, 3], [0, 0, -3]) == pytest.approx(3 / math.sqrt(12))


def test_spearman_by_hand_with_ties():
    # Ranks 1, 2.5, 2.5, 4 and 1, 2, 3, 4: 4.5 / sqrt(4.5 * 5).
    assert spearman([1, 5, 5, 9], [10, 20, 30, 40]) == pytest.approx(4.5 / math.sqrt(22.5))


@settings(max_examples=40)
@given(numbers, numbers)
def test_correlations_are_those_of_scipy(x, y):
    assume(np.ptp(x) > 0)
    assume(np.ptp(y) > 0)
    assert pearson(x, y) == pytest.approx(pearsonr(x, y).statistic, abs=1e-9)
    assert spearman(x, y) == pytest.approx(spearmanr(x, y).statistic, abs=1e-9)


def test_where_nothing_varies_or_too_little_is_known_there_is_no_correlation():
    assert math.isnan(pearson([1, 1, 1], [1, 2, 3]))
    assert math.isnan(pearson([1, 2, np.nan], [1, 2, 3]))
    assert math.isnan(spearman([], []))


def test_mutual_information_by_hand():
    # Joint shares 3/8, 1/8, 1/8, 3/8 with even margins.
    wrong = [0] * 4 + [1] * 4
    doubt = [0.1, 0.1, 0.1, 0.9, 0.1, 0.9, 0.9, 0.9]
    by_hand = 2 * (3 / 8 * math.log(1.5) + 1 / 8 * math.log(0.5))
    assert mutual_information(wrong, doubt) == pytest.approx(by_hand)


def test_doubt_that_is_the_error_tells_all_of_it_and_constant_doubt_nothing():
    wrong = np.zeros(100)
    wrong[:10] = 1
    entropy = -(0.1 * math.log(0.1) + 0.9 * math.log(0.9))
    assert mutual_information(wrong, wrong * 0.3) == pytest.approx(entropy)
    assert mutual_information(wrong, np.full(100, 0.5)) == 0
    assert mutual_information(np.zeros(4), [0.1, 0.2, 0.3, 0.4]) == 0
    assert math.isnan(mutual_information([], []))


@settings(max_examples=40)
@given(errors, maps)
def test_mutual_information_is_that_of_scikit_learn_on_the_bins(wrong, doubt):
    assume(np.ptp(doubt) > 0)
    edges = np.histogram_bin_edges(doubt, 10)
    binned = np.clip(np.searchsorted(edges, doubt, side="right") - 1, 0, 9)
    expected = mutual_info_score(wrong.ravel(), binned.ravel())
    assert mutual_information(wrong, doubt) == pytest.approx(expected, abs=1e-9)


@settings(max_examples=40)
@given(errors, maps)
def test_neither_scale_nor_offset_of_the_doubt_matter(wrong, doubt):
    assume(np.ptp(doubt) > 0)
    # Powers of two, so that no value crosses an edge of a bin by rounding.
    moved = mutual_information(wrong, doubt * 4)
    assert moved == pytest.approx(mutual_information(wrong, doubt), abs=1e-12)


def test_frames_weigh_as_much_as_they_have_wrong_pixels():
    assert mean_by_error([0.1, 0.4, np.nan], [30, 10, 99]) == pytest.approx(0.175)
    assert math.isnan(mean_by_error([0.1], [0]))


def test_overlap_by_hand():
    wrong = [[1, 1, 0], [0, 0, 0]]
    doubt = [[0.9, 0.3, 0.3], [0.0, 0.5, 0.1]]
    # Above 0.05: 5 pixels, 2 hits; above 0.3: 2 pixels, 1 hit; above 0.9: none.
    assert overlaps(wrong, doubt, [0.05, 0.3, 0.9]) == pytest.approx([4 / 7, 2 / 4, 0])


@settings(max_examples=40)
@given(errors, maps)
def test_overlaps_are_those_of_each_threshold_alone(wrong, doubt):
    for level, found in zip(GRID, overlaps(wrong, doubt), strict=True):
        mask = doubt > level
        total = wrong.sum() + mask.sum()
        expected = 2 * (wrong * mask).sum() / total if total else math.nan
        assert found == pytest.approx(expected, nan_ok=True)


def test_the_threshold_is_the_best_on_average_over_the_errors():
    assert best_threshold([[0.2, 0.6, 0.1], [0.9, 0.1, 0.1]], [10, 1]) == 1
    assert best_threshold([[0.2, 0.6, 0.1], [0.9, 0.1, 0.1]], [1, 10]) == 0
    with pytest.raises(CardiovaeError, match="no frame has an error"):
        best_threshold([[0.2, 0.6]], [0])


def test_the_grid_is_the_published_one():
    assert (GRID[0], GRID[-1], len(GRID)) == (0.025, 1.0, 40)


def test_maps_of_two_shapes_are_refused():
    with pytest.raises(CardiovaeError, match="one shape"):
        mutual_information(np.zeros((2, 2)), np.zeros((2, 3)))
    with pytest.raises(CardiovaeError, match="ascend"):
        overlaps([1], [0.5], [0.5, 0.1])
