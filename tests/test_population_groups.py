from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import linalg, stats
from sklearn.metrics.pairwise import rbf_kernel

from cardiovae.population.distances import distance, frechet
from cardiovae.population.groups import assignments, difference, hedges_g, holm, p_value


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def named(values, prefix: str = "") -> dict:
    return {f"{prefix}{i:04d}": v for i, v in enumerate(np.asarray(values))}


def test_hedges_g_of_two_small_groups_is_the_one_worked_out_by_hand():
    # Means 2 and 4, both variances 1, so d = -2; with 4 degrees of freedom the exact factor is
    # gamma(2) / (sqrt(2) gamma(1.5)) = 1 / (1.414214 * 0.886227) = 0.797885.
    g = hedges_g(named([1.0, 2, 3], "a"), named([3.0, 4, 5], "b"), rng=rng())
    assert g.value == pytest.approx(-2 * 0.797885, rel=1e-5)


def test_hedges_g_knows_neither_unit_nor_origin_and_changes_sign_with_the_order():
    a, b = rng(1).normal(size=30), rng(2).normal(0.7, 1, 25)
    g = hedges_g(named(a, "a"), named(b, "b"), rng=rng())
    other = hedges_g(named(1e6 + 7 * b, "b"), named(1e6 + 7 * a, "a"), rng=rng())
    assert other.value == pytest.approx(-g.value, rel=1e-6)
    assert g.low < g.value < g.high


def test_the_interval_of_g_holds_the_truth_about_as_often_as_it_says():
    hits = 0
    for seed in range(60):
        draw = rng(seed)
        g = hedges_g(
            named(draw.normal(0.5, 1, 25), "a"), named(draw.normal(0, 1, 25), "b"), rng=draw
        )
        hits += g.low <= 0.5 <= g.high
    assert 0.86 <= hits / 60 <= 1


def test_pairs_make_the_interval_narrow_where_patients_resemble_themselves():
    heart = rng(4).normal(size=40)
    after = heart + 0.3 + rng(5).normal(0, 0.05, 40)
    paired = hedges_g(named(after), named(heart), rng=rng())
    apart = hedges_g(named(after, "a"), named(heart, "b"), rng=rng())
    assert paired.value == pytest.approx(apart.value)
    assert paired.high - paired.low < 0.5 * (apart.high - apart.low)


def test_where_nothing_varies_there_is_no_g_and_no_comparison():
    same = named([2.0, 2, 2], "a"), named([2.0, 2, 2, 2], "b")
    assert math.isnan(hedges_g(*same, rng=rng()).value)
    assert difference(*same, rng=rng()) is None
    assert difference(named([1.0, 2], "a"), named([1.0, 2, 3], "b"), rng=rng()) is None


def test_different_patients_are_compared_by_the_tests_of_scipy():
    a, b = rng(6).normal(size=20), rng(7).normal(0.8, 1, 35)
    found = difference(named(a, "a"), named(b, "b"), rng=rng())
    assert found.ks_p == pytest.approx(stats.ks_2samp(a, b).pvalue)
    assert found.ks == pytest.approx(stats.ks_2samp(a, b).statistic)
    assert found.rank_p == pytest.approx(stats.mannwhitneyu(a, b).pvalue)
    assert found.above == pytest.approx(np.mean(a[:, None] > b[None]))
    assert not found.paired
    assert found.sd == pytest.approx((a.std(ddof=1), b.std(ddof=1)))


def test_the_same_patients_in_both_groups_are_swapped_within_themselves():
    heart = rng(8).normal(0, 10, 30)
    first, second = named(heart + 1 + rng(9).normal(0, 0.2, 30)), named(heart)
    found = difference(first, second, rng=rng())
    a, b = np.array(list(first.values())), np.array(list(second.values()))
    assert found.paired
    assert found.n_both == 30
    assert found.ks == pytest.approx(stats.ks_2samp(a, b).statistic)
    assert found.above == pytest.approx(np.mean(a[:, None] > b[None]))
    assert found.rank_p < 0.01 < 0.5 < stats.mannwhitneyu(a, b).pvalue


def test_holm_is_the_textbook_step_down():
    found = holm([0.01, math.nan, 0.04, 0.03, 0.5])
    assert np.nan_to_num(found, nan=-1).tolist() == pytest.approx([0.04, -1, 0.09, 0.09, 0.5])
    assert holm([]).size == 0


def test_dealings_keep_sizes_and_patients():
    first, second = ["a", "b", "c", "d"], ["c", "d", "e"]
    dealt = assignments(first, second, rng=rng(), n=500)
    assert dealt[0].tolist() == [True] * 4 + [False] * 3
    assert (dealt.sum(axis=1) == 4).all()
    for i, j in ((2, 4), (3, 5)):  # one observation of a pair is in each group
        assert (dealt[:, i] != dealt[:, j]).all()
        assert 0.4 < dealt[1:, i].mean() < 0.6
    assert 0.55 < dealt[1:, [0, 1, 6]].mean() < 0.78  # two of three


def p_values(paired: bool) -> np.ndarray:
    """p-values of the energy distance where the groups are alike."""
    found = []
    for seed in range(60):
        draw = rng(seed)
        if paired:
            hearts = draw.normal(size=(14, 2))
            a, b = (named(hearts + draw.normal(0, 0.5, (14, 2))) for _ in range(2))
        else:
            a, b = (named(draw.normal(size=(n, 2)), p) for n, p in ((12, "a"), (17, "b")))
        found.append(distance(a, b, rng=draw).energy_p)
    return np.array(found)


@pytest.mark.parametrize("paired", [False, True])
def test_p_values_are_uniform_where_the_groups_are_alike(paired):
    assert stats.kstest(p_values(paired), "uniform").pvalue > 0.01


def test_the_energy_distance_of_one_dimension_is_that_of_scipy():
    a, b = rng(1).normal(size=20), rng(2).exponential(size=31)
    found = distance(named(a[:, None], "a"), named(b[:, None], "b"), rng=rng())
    sd = np.concatenate([a, b]).std()
    assert found.energy == pytest.approx(stats.energy_distance(a / sd, b / sd) ** 2)


def test_mmd_is_that_of_the_kernel_of_scikit_learn():
    a, b = rng(1).normal(size=(20, 3)), rng(2).normal(0.5, 1, (15, 3))
    both = np.concatenate([a, b])
    x, y = a / both.std(axis=0), b / both.std(axis=0)
    z = np.concatenate([x, y])
    apart = np.sqrt(((z[:, None] - z[None]) ** 2).sum(axis=2))
    gamma = 1 / (2 * np.median(apart[np.triu_indices(35, 1)]) ** 2)
    expected = (
        rbf_kernel(x, x, gamma).mean() + rbf_kernel(y, y, gamma).mean()
        - 2 * rbf_kernel(x, y, gamma).mean()
    )  # fmt: skip
    assert distance(named(a, "a"), named(b, "b"), rng=rng()).mmd == pytest.approx(expected)


def test_distances_see_a_shift_and_do_not_depend_on_units():
    a, b = rng(3).normal(size=(30, 4)), rng(4).normal(1, 1, (30, 4))
    found = distance(named(a, "a"), named(b, "b"), rng=rng())
    scaled = distance(named(5 + 3 * a, "a"), named(5 + 3 * b, "b"), rng=rng())
    assert found.energy_p == found.mmd_p == 0.001
    assert scaled.energy == pytest.approx(found.energy)
    assert distance(named(a[:2], "a"), named(b, "b"), rng=rng()) is None


def test_the_frechet_distance_is_its_formula():
    a, b = rng(5).normal(size=(40, 3)), rng(6).normal(0.5, 2, (30, 3))
    c, d = np.cov(a.T), np.cov(b.T)
    expected = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(
        c + d - 2 * linalg.sqrtm(c @ d).real
    )
    value, p = frechet(named(a, "a"), named(b, "b"), rng=rng())
    assert value == pytest.approx(math.sqrt(expected))
    assert p == 0.001
    # In one dimension: the difference of the means and that of the standard deviations.
    value, _ = frechet(named(a[:, :1], "a"), named(b[:, :1], "b"), rng=rng())
    expected = math.hypot(
        a[:, 0].mean() - b[:, 0].mean(), a[:, 0].std(ddof=1) - b[:, 0].std(ddof=1)
    )
    assert value == pytest.approx(expected)


def test_an_observed_statistic_counts_among_those_it_is_compared_with():
    assert p_value(np.array([5.0, 1, 2, 3])) == 0.25
