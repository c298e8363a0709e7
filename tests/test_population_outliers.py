from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from sklearn.covariance import MinCovDet

from cardiovae.population.outliers import spread_of, unusual

COVARIANCE = np.array([[4.0, 1.5, 0.0], [1.5, 1.0, 0.3], [0.0, 0.3, 2.0]])
MEAN = np.array([10.0, -3.0, 0.5])


def names(n: int) -> list[str]:
    return [f"p{i:04d}" for i in range(n)]


def drawn(n: int = 400, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).multivariate_normal(MEAN, COVARIANCE, n)


def test_distances_of_a_normal_law_are_chi_squared():
    values = drawn(2000)
    found = unusual(values, spread_of(values, names(2000)))
    assert stats.kstest(found.squared, stats.chi2(3).cdf).pvalue > 0.01
    truth = MEAN, np.linalg.inv(COVARIANCE)
    exact = np.einsum("ni,ij,nj->n", values - truth[0], truth[1], values - truth[0])
    assert np.corrcoef(found.squared, exact)[0, 1] > 0.99


def test_planted_outliers_are_found_as_by_the_minimum_covariance_determinant():
    values = drawn(300)
    values[:25] += np.random.default_rng(9).normal([6, -6, 6], 0.3, (25, 3))
    found = unusual(values, spread_of(values, names(300)))
    oracle = MinCovDet(random_state=0).fit(values).mahalanobis(values)
    assert set(np.argsort(-found.squared)[:25]) == set(range(25)) == set(np.argsort(-oracle)[:25])
    assert (found.tail[:25] < 0.001).all()
    assert (found.tail[25:] < 0.001).mean() < 0.02
    # Few outliers hardly move center and scale, which they would by moments.
    spread = spread_of(values, names(300))
    assert spread.center == pytest.approx(MEAN, abs=0.5)
    assert spread.scale == pytest.approx(np.sqrt(np.diag(COVARIANCE)), rel=0.25)


def test_units_and_origins_do_not_matter():
    values = drawn(100)
    found = unusual(values, spread_of(values, names(100)))
    other = 1000 + values * [0.01, 100, 7]
    assert unusual(other, spread_of(other, names(100))).squared == pytest.approx(found.squared)


def test_more_frames_of_one_patient_do_not_move_what_is_usual():
    values = drawn(60)
    once = spread_of(values, names(60))
    many = spread_of(
        np.concatenate([values, np.tile(values[7], (200, 1))]), [*names(60), *["p0007"] * 200]
    )
    assert many.center == pytest.approx(once.center)
    assert many.scale == pytest.approx(once.scale)
    assert many.correlation == pytest.approx(once.correlation, abs=0.02)


def test_a_frame_with_an_unknown_attribute_is_judged_by_the_others():
    values = drawn(200)
    spread = spread_of(values, names(200))
    frame = values[:1].copy()
    frame[0, 1] = math.nan
    found = unusual(frame, spread)
    pair = np.ix_([0, 2], [0, 2])
    z = ((frame[0] - spread.center) / spread.scale)[[0, 2]]
    expected = z @ np.linalg.inv(spread.correlation[pair]) @ z
    assert found.squared[0] == pytest.approx(expected)
    assert found.tail[0] == pytest.approx(stats.chi2.sf(expected, 2))
    assert (found.n_known[0], math.isnan(found.scores[0, 1])) == (2, True)
    nothing = unusual(np.full((1, 3), math.nan), spread)
    assert math.isnan(nothing.squared[0])


def test_what_does_not_go_together_is_named_though_each_value_is_usual():
    values = np.random.default_rng(2).multivariate_normal([0, 0], [[1, 0.99], [0.99, 1]], 300)
    values[0] = 1.2, -1.2
    found = unusual(values, spread_of(values, names(300)))
    assert found.tail[0] < 1e-6
    assert np.abs(found.scores[0]).max() < 2
    # The residual given the other: z / sqrt(1 - r^2), both alike here.
    assert np.abs(found.given_others[0]).min() > 5


def test_an_attribute_that_never_varies_is_left_out_and_few_patients_are_too_few():
    values = np.column_stack([drawn(40), np.full(40, 7.0)])
    assert spread_of(values, names(40)).used.tolist() == [0, 1, 2]
    reason = spread_of(drawn(5), names(5))
    assert reason == "5 patients with all attributes known, 6 are needed"
    found = unusual(drawn(5), reason)
    assert found.reason == reason
    assert np.isnan(found.tail).all()
    assert isinstance(spread_of(np.empty((0, 3)), []), str)
