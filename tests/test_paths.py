"""Ways between codes: they start and end where they should, and keep what they promise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial import geometric_slerp

from cardiovae.errors import CardiovaeError
from cardiovae.latent.paths import lerp, slerp

AT = np.linspace(0, 1, 7)
codes = arrays(np.float64, (3, 5), elements=st.floats(-4, 4, width=32))


@given(codes, codes)
@settings(max_examples=60, deadline=None)
def test_both_ways_lead_from_start_to_end(a, b):
    for way in (lerp, slerp):
        found = way(a, b, AT)
        assert found.shape == (3, 7, 5)
        np.testing.assert_allclose(found[:, 0], a, atol=1e-9)
        np.testing.assert_allclose(found[:, -1], b, atol=1e-9)


@given(codes, codes)
@settings(max_examples=60, deadline=None)
def test_the_way_back_is_the_way_there(a, b):
    for way in (lerp, slerp):
        np.testing.assert_allclose(way(a, b, AT), way(b, a, 1 - AT), atol=1e-9)


@given(codes, codes)
@settings(max_examples=60, deadline=None)
def test_the_spherical_way_never_leaves_the_range_of_both_distances(a, b):
    lengths = np.linalg.norm(slerp(a, b, AT), axis=-1)
    ends = np.linalg.norm(np.stack([a, b]), axis=-1)
    assert np.all(lengths <= ends.max(0)[:, None] + 1e-9)
    u, v = (x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-9) for x in (a, b))
    apart = (np.linalg.norm(u + v, axis=1) > 1e-3) & (ends.min(0) > 0)  # else it is straight
    assert np.all(lengths[apart] >= ends.min(0)[apart, None] - 1e-9)


def test_on_the_unit_sphere_the_way_is_scipys():
    rng = np.random.default_rng(0)
    u, v = (x / np.linalg.norm(x) for x in rng.standard_normal((2, 48)))
    np.testing.assert_allclose(slerp(u, v, AT), geometric_slerp(u, v, AT), atol=1e-12)


def test_the_direction_turns_at_a_constant_rate():
    way = slerp([2.0, 0.0], [0.0, 2.0], [0.0, 1 / 3, 2 / 3, 1.0])
    np.testing.assert_allclose(np.degrees(np.arctan2(*way.T[::-1])), [0, 30, 60, 90])


def test_around_a_center_the_way_is_that_around_the_origin_moved():
    rng = np.random.default_rng(1)
    a, b, center = rng.standard_normal((3, 6))
    expected = slerp(a - center, b - center, AT) + center
    np.testing.assert_allclose(slerp(a, b, AT, center=center), expected, atol=1e-12)


@pytest.mark.parametrize(
    ("a", "b"), [([1.0, 1.0], [3.0, 3.0]), ([1.0, 0.0], [-2.0, 0.0]), ([0.0, 0.0], [1.0, 2.0])]
)
def test_without_a_circle_to_follow_the_way_is_straight(a, b):
    np.testing.assert_allclose(slerp(a, b, AT), lerp(a, b, AT), atol=1e-12)


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(CardiovaeError, match="one shape"):
        lerp([0.0, 0.0], [1.0], AT)
    with pytest.raises(CardiovaeError, match="shape \\(S,\\)"):
        slerp([0.0, 0.0], [1.0, 1.0], 0.5)
    with pytest.raises(CardiovaeError, match="one number per dimension"):
        slerp([0.0, 0.0], [1.0, 1.0], AT, center=[0.0])
