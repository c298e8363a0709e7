"""The Parzen density against integrals, brute force and closed forms."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest, multivariate_normal, norm

from cardiovae.errors import CardiovaeError
from cardiovae.latent import distances
from cardiovae.latent.density import ParzenDensity, fit_parzen


def codes_of(n, d, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, d)) * rng.uniform(0.2, 3, d) + rng.uniform(-5, 5, d)


def brute_log_prob(codes, kernel_std, z):
    kernels = [multivariate_normal(c, np.diag(kernel_std**2)).pdf(z) for c in codes]
    return np.log(np.mean(kernels, axis=0))


def brute_leave_one_out(codes, kernel_std, groups):
    return np.array(
        [
            brute_log_prob(codes[groups != groups[i]], kernel_std, codes[i])
            for i in range(len(codes))
        ]
    )


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 12), st.integers(1, 4), st.floats(0.3, 2.0), st.integers(0, 2**32 - 1))
def test_log_prob_is_the_mean_of_the_gaussians_on_the_codes(n, d, bandwidth, seed):
    codes = codes_of(n, d, seed)
    density = fit_parzen(codes, bandwidth=bandwidth)
    z = codes[:2] + density.kernel_std
    expected = brute_log_prob(codes, bandwidth * codes.std(axis=0), z)
    assert density.log_prob(z) == pytest.approx(expected, abs=1e-9)


def test_the_density_integrates_to_one():
    density = fit_parzen(codes_of(30, 2))
    low, high = density.codes.min(0) - 8 * density.kernel_std, density.codes.max(0)
    high = high + 8 * density.kernel_std
    axes = [np.linspace(low[i], high[i], 400) for i in range(2)]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    cell = (axes[0][1] - axes[0][0]) * (axes[1][1] - axes[1][0])
    assert np.exp(density.log_prob(grid)).sum() * cell == pytest.approx(1.0, abs=1e-6)


def test_log_prob_keeps_leading_shapes_and_survives_far_and_undefined_codes():
    density = fit_parzen(codes_of(20, 3))
    z = np.zeros((2, 5, 3))
    z[1, 4] = 1e6
    z[0, 0, 1] = np.nan
    z[0, 1, 2] = np.inf
    log_p = density.log_prob(z)
    assert log_p.shape == (2, 5)
    assert np.isnan(log_p[0, :2]).all()
    assert np.isfinite(np.delete(log_p.ravel(), [0, 1])).all()
    assert log_p[1, 4] < -1e9
    assert density.log_prob(np.zeros(3)).shape == ()


def test_blocks_do_not_change_the_result(monkeypatch):
    codes, z = codes_of(50, 3), codes_of(31, 3, seed=1)
    whole = fit_parzen(codes)
    expected = whole.log_prob(z), whole.leave_one_out(), whole.mean_shift(z)
    monkeypatch.setattr(distances, "BLOCK_ELEMENTS", 70)
    blocked = fit_parzen(codes)
    assert blocked.bandwidth == pytest.approx(whole.bandwidth, rel=1e-4)
    blocked = ParzenDensity(codes, whole.bandwidth, whole.scale, whole.groups)
    found = blocked.log_prob(z), blocked.leave_one_out(), blocked.mean_shift(z)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-12)


def test_samples_follow_the_mixture_of_gaussians():
    codes = np.array([[-2.0], [0.0], [0.5], [4.0]])
    density = fit_parzen(codes, bandwidth=0.3, whiten=False)
    drawn = density.sample(4000, np.random.default_rng(3))[:, 0]
    test = kstest(drawn, lambda x: norm.cdf(x[:, None], codes[:, 0], 0.3).mean(axis=1))
    assert test.pvalue > 0.01


def test_samples_have_the_moments_of_codes_plus_kernel():
    density = fit_parzen(codes_of(40, 2))
    drawn = density.sample(40_000, np.random.default_rng(1))
    covariance = np.cov(density.codes.T, bias=True) + np.diag(density.kernel_std**2)
    spread = np.sqrt(np.diag(covariance))
    assert np.all(np.abs(drawn.mean(0) - density.codes.mean(0)) < 4 * spread / 200)
    error = (np.cov(drawn.T) - covariance) / np.outer(spread, spread)
    assert np.abs(error).max() < 0.03


def test_the_same_generator_state_draws_the_same_codes():
    density = fit_parzen(codes_of(10, 4))
    first, second = (density.sample(7, np.random.default_rng(5)) for _ in range(2))
    assert np.array_equal(first, second)
    assert density.sample(0, np.random.default_rng(5)).shape == (0, 4)


def test_leave_one_out_drops_the_code_or_its_whole_group():
    codes = codes_of(12, 2)
    groups = np.array([0, 0, 0, 1, 1, 2, 3, 3, 3, 3, 4, 5])
    for labels, given_groups in ((np.arange(12), None), (groups, groups * 7)):
        density = fit_parzen(codes, bandwidth=0.5, groups=given_groups)
        expected = brute_leave_one_out(codes, density.kernel_std, labels)
        np.testing.assert_allclose(density.leave_one_out(), expected, atol=1e-10)


@pytest.mark.parametrize("grouped", [False, True])
def test_the_bandwidth_maximizes_the_leave_one_out_likelihood(grouped):
    codes = codes_of(60, 2)
    groups = np.arange(60) // 3 if grouped else np.arange(60)
    codes[::3] = codes[1::3] + 0.01  # neighbors in time look alike
    found = fit_parzen(codes, groups=groups if grouped else None).bandwidth
    widths = np.geomspace(found / 30, found * 30, 2001)
    likelihood = [
        fit_parzen(codes, bandwidth=float(h), groups=groups).leave_one_out().mean()
        for h in widths[::40]
    ]
    coarse = widths[::40][int(np.argmax(likelihood))]
    fine = widths[(widths > coarse / 1.2) & (widths < coarse * 1.2)]
    likelihood = [
        fit_parzen(codes, bandwidth=float(h), groups=groups).leave_one_out().mean() for h in fine
    ]
    assert found == pytest.approx(fine[int(np.argmax(likelihood))], rel=0.005)


def test_groups_keep_look_alikes_from_shrinking_the_bandwidth():
    codes = np.repeat(codes_of(50, 3), 2, axis=0)
    codes[1::2] += 1e-3
    patients = np.repeat([f"patient{i}" for i in range(50)], 2)
    alone, together = fit_parzen(codes), fit_parzen(codes, groups=patients)
    assert alone.bandwidth < 0.01 < together.bandwidth


def test_exact_copies_of_the_codes_change_nothing():
    codes = codes_of(40, 2)
    once, twice = fit_parzen(codes), fit_parzen(np.concatenate([codes, codes]))
    assert twice.bandwidth == pytest.approx(once.bandwidth, rel=1e-3)


def test_units_of_a_dimension_do_not_matter_when_whitened():
    codes, z = codes_of(30, 3), codes_of(5, 3, seed=2)
    units = np.array([1e-3, 1.0, 250.0])
    plain, scaled = fit_parzen(codes), fit_parzen(codes * units)
    assert scaled.bandwidth == pytest.approx(plain.bandwidth, rel=1e-4)
    np.testing.assert_allclose(scaled.percentile(z * units), plain.percentile(z), atol=1e-9)
    same = ParzenDensity(codes * units, plain.bandwidth, plain.scale * units, plain.groups)
    np.testing.assert_allclose(
        same.log_prob(z * units), plain.log_prob(z) - np.log(units).sum(), atol=1e-9
    )


def test_percentiles_are_uniform_for_codes_alike_and_zero_for_codes_unlike():
    rng = np.random.default_rng(0)
    density = fit_parzen(rng.standard_normal((800, 6)))
    alike = density.percentile(rng.standard_normal((800, 6)))
    assert kstest(alike / 100, "uniform").statistic < 0.08
    assert density.percentile(np.full(6, 30.0)) == 0.0
    assert density.percentile(np.zeros(6)) > 95
    assert np.isnan(density.percentile(np.full(6, np.nan)))


def test_percentile_counts_training_codes_of_lower_leave_one_out_density():
    density = fit_parzen(codes_of(25, 2))
    z = codes_of(8, 2, seed=4)
    expected = [100 * np.mean(density.leave_one_out() <= p) for p in density.log_prob(z)]
    assert density.percentile(z).tolist() == pytest.approx(expected)


def test_mean_shift_points_along_the_gradient_of_log_prob():
    density = fit_parzen(codes_of(15, 3))
    z = codes_of(1, 3, seed=9)[0]
    slope = (density.mean_shift(z) - z) / density.kernel_std**2
    h = 1e-5 * density.kernel_std
    numeric = [
        (density.log_prob(z + h * e) - density.log_prob(z - h * e)) / (2 * h @ e)
        for e in np.eye(3)
    ]
    np.testing.assert_allclose(slope, numeric, rtol=1e-5)


def test_a_density_survives_storage():
    density = fit_parzen(codes_of(20, 3), groups=np.arange(20) // 2)
    file = io.BytesIO()
    np.savez(file, **density.to_arrays())
    file.seek(0)
    with np.load(file, allow_pickle=False) as arrays:
        loaded = ParzenDensity.from_arrays(arrays)
    z = codes_of(6, 3, seed=1)
    assert np.array_equal(loaded.log_prob(z), density.log_prob(z))
    assert np.array_equal(loaded.percentile(z), density.percentile(z))
    assert np.array_equal(loaded.groups, density.groups)


def test_stored_arrays_that_are_missing_or_do_not_fit_are_named():
    arrays = fit_parzen(codes_of(20, 3)).to_arrays()
    with pytest.raises(CardiovaeError, match=r"missing \['scale'\]"):
        ParzenDensity.from_arrays({k: v for k, v in arrays.items() if k != "scale"})
    with pytest.raises(CardiovaeError, match="one number per code"):
        ParzenDensity.from_arrays(arrays | {"leave_one_out": np.zeros(3)})
    half = ParzenDensity.from_arrays(arrays | {"codes": arrays["codes"].astype(np.float16)})
    assert half.codes.dtype == np.float64


def test_the_arrays_of_a_density_are_its_own_and_read_only():
    codes = codes_of(10, 2)
    density = fit_parzen(codes)
    codes[0] = 99.0
    assert not (density.codes == 99.0).any()
    for array in (density.codes, density.scale, density.groups, density.leave_one_out()):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


@pytest.mark.parametrize(
    ("codes", "options", "message"),
    [
        (np.zeros(5), {}, r"shape \(N, D\)"),
        (np.zeros((1, 3)), {}, "N >= 2"),
        (np.array([[0.0], [np.nan], [1.0]]), {}, "1 of 3 are not"),
        (np.array([[0.0, 1.0], [1.0, 1.0]]), {}, r"dimensions \[1\] never change"),
        (np.array([[0.0], [1.0]]), {"groups": [4, 4]}, "two groups or more"),
        (np.array([[0.0], [1.0]]), {"groups": [1, 2, 3]}, "one number >= 0 per code"),
        (np.array([[0.0], [1.0]]), {"bandwidth": 0.0}, "positive number, got 0"),
        (np.array([[0.0], [0.0], [1.0], [1.0]]), {"groups": [0, 1, 2, 3]}, "occurs again"),
    ],
)
def test_unusable_codes_are_refused_with_the_reason(codes, options, message):
    with pytest.raises(CardiovaeError, match=message):
        fit_parzen(codes, **options)


def test_a_query_of_another_dimension_is_refused():
    with pytest.raises(CardiovaeError, match=r"shape \(\.\.\., 2\)"):
        fit_parzen(codes_of(5, 2)).log_prob(np.zeros((4, 3)))
