"""How usual a shape is among the training shapes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from cardiovae.errors import CardiovaeError
from cardiovae.latent.density import fit_parzen
from cardiovae.latent.typicality import Typicality, fit_typicality

N = 60
GROUPS = np.arange(N) // 2


@pytest.fixture(scope="module")
def shapes():
    rng = np.random.default_rng(2)
    return rng.normal(size=(N, 3)), rng.lognormal(-0.7, 0.2, N)


@pytest.fixture(scope="module")
def typical(shapes):
    codes, misfits = shapes
    return fit_typicality(fit_parzen(codes, groups=GROUPS), codes, GROUPS, misfits)


def test_leaving_a_group_out_equals_a_density_without_it(shapes):
    codes, _ = shapes
    density = fit_parzen(codes, groups=GROUPS)
    z = np.random.default_rng(0).normal(size=(5, 3))
    for group in (0, 7):
        kernels = codes[group != GROUPS]
        expected = np.log(
            np.mean(
                [
                    stats.multivariate_normal(c, np.diag(density.kernel_std**2)).pdf(z)
                    for c in kernels
                ],
                axis=0,
            )
        )
        found = density.log_prob(z, without=np.full(5, group))
        np.testing.assert_allclose(found, expected)


def test_training_shapes_are_as_usual_as_each_other(typical, shapes):
    codes, _ = shapes
    density = typical.density
    ranks = [
        100 * np.mean(typical.log_densities <= value)
        for value in density.log_prob(codes, without=GROUPS)
    ]
    assert sorted(ranks) == pytest.approx(100 * np.arange(1, N + 1) / N)
    np.testing.assert_allclose(typical.log_densities, np.sort(density.leave_one_out()))


def test_a_shape_is_the_less_usual_the_more_its_code_leaves_out(typical):
    found = typical.percentile(np.zeros((4, 3)), [0.5, 0.8, 1.5, 20.0])
    assert (np.diff(found) <= 0).all()
    assert found[0] > 50
    assert found[-1] == 0


def test_a_code_far_from_all_others_is_unusual_whatever_its_misfit(typical):
    assert typical.density_percentile([[30.0, 0, 0]]) == 0
    assert typical.percentile([[30.0, 0, 0]], [0.3]) == 0


def test_a_misfit_below_the_usual_is_no_surprise(typical):
    first, second = typical.percentile(np.zeros((2, 3)), [0.01, 0.4])
    assert first == second


def test_what_cannot_be_measured_has_no_percentile(typical):
    assert np.isnan(typical.percentile([[np.nan, 0, 0]], [0.4])).all()
    assert np.isnan(typical.percentile([[0.0, 0, 0]], [np.nan])).all()


def test_a_typicality_survives_storage(typical):
    again = Typicality.from_array(typical.density, typical.to_array())
    assert vars(again).keys() == vars(typical).keys()
    codes, misfits = np.random.default_rng(1).normal(size=(9, 3)), np.linspace(0.2, 1, 9)
    np.testing.assert_array_equal(
        again.percentile(codes, misfits), typical.percentile(codes, misfits)
    )


@pytest.mark.parametrize("misfits", [np.zeros(N), np.ones(N), np.full(N, np.nan)])
def test_misfits_that_say_nothing_are_refused(shapes, misfits):
    codes, _ = shapes
    with pytest.raises(CardiovaeError, match="misfit_mm"):
        fit_typicality(fit_parzen(codes, groups=GROUPS), codes, GROUPS, misfits)


@given(st.floats(0.05, 30), st.floats(-3, 3))
def test_percentiles_lie_between_0_and_100(misfit, at):
    codes = np.random.default_rng(0).normal(size=(20, 2))
    groups = np.arange(20)
    typical = fit_typicality(
        fit_parzen(codes, bandwidth=0.5, groups=groups), codes, groups, np.linspace(0.3, 0.6, 20)
    )
    assert 0 <= typical.percentile([[at, at]], [misfit])[0] <= 100
