"""What dimensions say about attributes: worked by hand, checked by scikit-learn, and its laws."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.special import digamma
from sklearn.feature_selection import mutual_info_regression
from sklearn.linear_model import LinearRegression

from cardiovae.errors import CardiovaeError
from cardiovae.latent.disentanglement import disentanglement, mutual_information


def drawn(n: int = 300, d: int = 6, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Codes, and attributes that follow dimensions 0, 1 and 2 more and more loosely."""
    rng = np.random.default_rng(seed)
    codes = rng.standard_normal((n, d))
    noise = np.array([0.05, 0.4, 1.0])
    return codes, codes[:, :3] * [2.0, -1.0, 0.5] + noise * rng.standard_normal((n, 3))


def by_scikit_learn(codes, attributes):
    """Information (D, A), as the public code of the AR-VAE asks for it."""
    columns = [
        mutual_info_regression(codes, attributes[:, i], random_state=0)
        for i in range(attributes.shape[1])
    ]
    return np.stack(columns, 1)


def test_the_information_is_scikit_learns():
    codes, attributes = drawn()
    found = disentanglement(codes, attributes)
    np.testing.assert_allclose(found.information, by_scikit_learn(codes, attributes), atol=1e-9)


def test_the_information_of_correlated_normals_is_the_closed_form():
    rng = np.random.default_rng(3)
    x, noise = rng.standard_normal((2, 20_000))
    for rho in (0.0, 0.6, 0.9):
        y = rho * x + np.sqrt(1 - rho**2) * noise
        assert mutual_information(x, y) == pytest.approx(-0.5 * np.log(1 - rho**2), abs=0.03)


def test_interpretability_is_r2_of_scikit_learns_regression_on_the_dimension_of_most_information():
    codes, attributes = drawn()
    found = disentanglement(codes, attributes)
    assert found.best.tolist() == [0, 1, 2]
    for i, best in enumerate(found.best):
        x, y = codes[:, [best]], attributes[:, i]
        expected = LinearRegression().fit(x, y).score(x, y)
        assert found.interpretability[i] == pytest.approx(expected)


def test_mig_is_the_gap_over_the_estimated_entropy():
    codes, attributes = drawn()
    found = disentanglement(codes, attributes)
    ordered = np.sort(by_scikit_learn(codes, attributes), axis=0)
    entropy = digamma(len(codes)) - digamma(4)
    np.testing.assert_allclose(found.mig, (ordered[-1] - ordered[-2]) / entropy, atol=1e-6)


def test_sap_and_scc_are_those_of_scipys_correlations():
    codes, attributes = drawn()
    found = disentanglement(codes, attributes)
    for i in range(3):
        squared = np.sort([np.corrcoef(z, attributes[:, i])[0, 1] ** 2 for z in codes.T])
        ranks = [abs(stats.spearmanr(z, attributes[:, i]).statistic) for z in codes.T]
        assert found.sap[i] == pytest.approx(squared[-1] - squared[-2])
        assert found.scc[i] == pytest.approx(max(ranks))


def test_modularity_by_hand():
    """Two attributes that are one and the same: no dimension tells only one of them."""
    rng = np.random.default_rng(0)
    codes = rng.standard_normal((200, 1))
    same = np.repeat(codes, 2, axis=1)
    np.testing.assert_allclose(disentanglement(codes, same).modularity, 0)
    # An attribute of its own: all information but a trace is about the other.
    other = np.stack([codes[:, 0], rng.standard_normal(200)], 1)
    found = disentanglement(codes, other)
    first, second = found.information[0]
    assert found.modularity[0] == pytest.approx(1 - (second / first) ** 2)
    assert found.modularity[0] > 0.98


def test_five_points_on_a_line_and_a_dimension_beside_it():
    """Squared correlations by hand: 1 for the line, (4 / 5)^2 for 1, 2, 4, 3, 5 against 1 to 5."""
    line = np.arange(1.0, 6.0)
    codes = np.stack([line, [1.0, 2.0, 4.0, 3.0, 5.0]], 1)
    found = disentanglement(codes, line[:, None], assigned=[1])
    assert found.sap[0] == pytest.approx(1 - 0.81)
    assert found.assigned_r2[0] == pytest.approx(0.81)
    assert found.assigned_scc[0] == pytest.approx(0.9)  # 1 - 6 * 2 / (5 * 24)


@given(st.permutations(range(6)), st.permutations(range(3)))
@settings(max_examples=15, deadline=None)
def test_the_order_of_dimensions_and_attributes_does_not_matter(dims, order):
    codes, attributes = drawn(120)
    one = disentanglement(codes, attributes, assigned=[0, 1, 2])
    assigned = [list(dims).index(k) for k in order]
    other = disentanglement(codes[:, dims], attributes[:, order], assigned=assigned)
    for name, value in one.means().items():
        assert other.means()[name] == pytest.approx(value, abs=1e-9), name


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=15, deadline=None)
def test_scc_sees_order_alone_and_the_rest_no_unit(seed):
    codes, attributes = drawn(80, seed=seed)
    one = disentanglement(codes, attributes)
    bent = disentanglement(np.exp(codes), attributes**3)
    np.testing.assert_allclose(bent.scc, one.scc, atol=1e-9)
    scaled = disentanglement(codes * -7 + 3, attributes * 1e-3 - 2)
    for field in dataclasses.fields(one):
        before, after = getattr(one, field.name), getattr(scaled, field.name)
        np.testing.assert_allclose(after, before, atol=1e-6, err_msg=field.name)


def test_unknown_attributes_leave_out_their_frames_alone():
    codes, attributes = drawn()
    holes = attributes.copy()
    holes[::3, 1] = np.nan
    found, whole = disentanglement(codes, holes), disentanglement(codes, attributes)
    known = np.isfinite(holes[:, 1])
    part = disentanglement(codes[known], attributes[known][:, [1]])
    assert found.n_known.tolist() == [300, 200, 300]
    assert found.mig[1] == part.mig[0]
    assert found.mig[[0, 2]].tolist() == whole.mig[[0, 2]].tolist()


def test_an_attribute_that_says_nothing_is_nan_and_leaves_the_others():
    codes, attributes = drawn(60)
    attributes[:, 1] = 4.0
    attributes[5:, 2] = np.nan
    attributes[4, 2] = np.nan
    found = disentanglement(codes, attributes, assigned=[0, 1, 2])
    assert found.best.tolist() == [0, -1, -1]
    for name in ("interpretability", "assigned_r2", "mig", "sap", "scc", "assigned_scc"):
        assert np.isnan(getattr(found, name)).tolist() == [False, True, True]
    assert np.isnan(found.modularity).all()  # one attribute alone
    assert found.means()["interpretability"] == found.interpretability[0]


def test_a_dimension_that_never_changes_says_nothing():
    codes, attributes = drawn(60)
    codes[:, 4] = 1.0
    found = disentanglement(codes, attributes, assigned=[4, -1, 2])
    np.testing.assert_array_equal(found.information[4], 0)
    assert found.modularity[4] == 0
    assert found.assigned_r2[0] == found.assigned_scc[0] == 0
    assert np.isnan(found.assigned_r2[1])


def test_one_dimension_alone_has_no_gap():
    found = disentanglement(*(x[:, :1] for x in drawn(60)))
    assert np.isnan(found.mig).all()
    assert np.isnan(found.sap).all()
    assert found.interpretability[0] > 0.99


def test_a_rank_correlation_that_chance_explains_counts_as_none():
    rng = np.random.default_rng(8)
    found = disentanglement(rng.standard_normal((12, 1)), rng.standard_normal((12, 1)))
    assert found.scc[0] == 0


def test_whole_numbers_tie_and_still_get_an_answer():
    rng = np.random.default_rng(2)
    x = rng.integers(0, 4, 400).astype(float)
    y = rng.integers(0, 4, 400).astype(float)
    assert mutual_information(x, x) > 1.0  # about log 4
    assert mutual_information(x, y) < 0.1
    assert mutual_information(x, y) == mutual_information(x, y)


@pytest.mark.parametrize(
    ("codes", "attributes", "assigned", "message"),
    [
        (np.zeros((4, 2)), np.zeros((5, 1)), None, "same frames"),
        (np.zeros(4), np.zeros((4, 1)), None, "same frames"),
        (np.full((4, 2), np.nan), np.zeros((4, 1)), None, "finite"),
        (np.zeros((4, 2)), np.zeros((4, 1)), [2], "below 2"),
        (np.zeros((4, 2)), np.zeros((4, 1)), [0, 1], "for each of 1"),
    ],
)
def test_what_does_not_fit_is_refused(codes, attributes, assigned, message):
    with pytest.raises(CardiovaeError, match=message):
        disentanglement(codes, attributes, assigned=assigned)


def test_information_takes_pairs():
    with pytest.raises(CardiovaeError, match="more than 3"):
        mutual_information([1.0, 2.0, 3.0], [1.0, 2.0, 3.0])
    with pytest.raises(CardiovaeError, match="pairs of numbers"):
        mutual_information(np.zeros(9), np.zeros(8))
