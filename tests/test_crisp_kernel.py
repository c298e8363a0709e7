"""Kernel widths and weights on the unit sphere, against numbers worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardiovae.crisp.kernel import (
    bandwidth,
    concentration,
    kernel_width,
    published_concentration,
    shares,
    weights,
)
from cardiovae.errors import CardiovaeError, ConfigError

# Two of three vectors along x, one along y: the mean is (2/3, 1/3), R^2 = 5/9.
THREE = np.array([[1.0, 0, 0], [1.0, 0, 0], [0, 1.0, 0]])
R = math.sqrt(5) / 3


def test_the_concentration_is_r_times_d_minus_r2_over_one_minus_r2():
    assert concentration(THREE) == pytest.approx(R * (3 - 5 / 9) / (4 / 9))


def test_the_published_concentration_divides_by_one_and_then_subtracts():
    assert published_concentration(THREE) == pytest.approx(R * (8 - 5 / 9) / 1 - 5 / 9)


def test_the_estimate_finds_the_concentration_that_was_drawn_from():
    # On the sphere of three dimensions the cosine with the mean direction has the density
    # kappa exp(kappa c) / (2 sinh kappa), whose inverse distribution is known.
    rng, kappa = np.random.default_rng(3), 20.0
    u = rng.random(200_000)
    c = 1 + np.log(u + (1 - u) * math.exp(-2 * kappa)) / kappa
    turn = rng.random(u.size) * 2 * math.pi
    s = np.sqrt(1 - c**2)
    drawn = np.stack([c, s * np.cos(turn), s * np.sin(turn)], 1)
    assert concentration(drawn) == pytest.approx(kappa, rel=0.03)
    assert published_concentration(drawn) < kappa / 2


def test_codes_that_cancel_have_no_concentration_and_an_endless_width():
    codes = np.array([[1.0, 0], [-1.0, 0]])
    assert concentration(codes) == 0
    assert bandwidth(0.0, 2) == math.inf
    assert np.allclose(weights(np.array([-1.0, 1.0]), math.inf), 1)


def test_codes_that_are_all_one_are_endlessly_concentrated():
    assert concentration(np.array([[0.0, 1.0], [0.0, 1.0]])) == math.inf


def test_the_width_is_that_of_the_formula():
    # 40 sqrt(pi) n = 32 for this n, whose fifth root is 2; kappa = 4 halves once more.
    assert bandwidth(4.0, 32 / (40 * math.sqrt(math.pi))) == pytest.approx(0.25)


def test_each_kernel_has_its_own_width():
    n = len(THREE)
    right, wrong = concentration(THREE), published_concentration(THREE)
    assert kernel_width("estimator", THREE, 20.0) == pytest.approx(bandwidth(right, n))
    assert kernel_width("published", THREE, 20.0) == pytest.approx(bandwidth(wrong, n))
    assert kernel_width("learned", THREE, 20.0) == pytest.approx(0.05)


def test_an_unknown_kernel_is_refused_by_name():
    with pytest.raises(ConfigError, match="gaussian"):
        kernel_width("gaussian", THREE, 20.0)


def test_codes_that_are_no_table_are_refused():
    with pytest.raises(CardiovaeError, match="shape"):
        concentration(np.zeros((0, 3)))


def test_weights_fall_by_e_for_each_width_of_cosine():
    assert weights(np.array([1.0, 0.9, 0.7]), 0.1) == pytest.approx([1, math.e**-1, math.e**-3])


@given(
    st.lists(st.floats(-1, 1), min_size=1, max_size=20),
    st.floats(0.001, 10),
)
def test_shares_sum_to_one_and_keep_the_order(cosines, width):
    found = shares(np.array(cosines), width)
    assert found.sum() == pytest.approx(1)
    assert (np.diff(found[np.argsort(cosines)]) >= 0).all()


def test_shares_are_weights_made_to_sum_to_one():
    cosines = np.array([[0.9, 0.8], [0.1, 0.3]])
    raw = weights(cosines, 0.2)
    assert shares(cosines, 0.2) == pytest.approx(raw / raw.sum(1, keepdims=True))
