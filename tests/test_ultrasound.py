"""Simulated B-mode cines: the statistics of speckle, the sector, the tissues, and time."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from cardiovae.errors import CardiovaeError
from cardiovae.labels import Label
from cardiovae.phantom.heart import draw_heart, draw_parameters
from cardiovae.phantom.ultrasound import Imaging, draw_imaging, simulate_bmode, speckle

SPACING = (1.0, 1.0)


def heart(seed: int, n_frames: int = 2) -> np.ndarray:
    """A drawn heart at 1 mm, shape (H, W, T)."""
    parameters = draw_parameters(np.random.default_rng(seed), "A4C")
    return draw_heart(parameters, n_frames=n_frames, spacing_mm=SPACING).sequence.labels


def white(shape: tuple[int, int], seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)) / math.sqrt(2)


@pytest.mark.parametrize("sigmas", [(1.0, 1.0), (2.0, 2.0), (2.0, 3.5)])
def test_the_envelope_of_uniform_tissue_is_rayleigh_distributed(sigmas):
    power = [np.abs(speckle(white((300, 300), seed), sigmas)) for seed in range(3)]
    envelope = np.stack(power)[:, 20:-20, 20:-20]
    # Rayleigh: mean / sd = sqrt(pi / (4 - pi)) = 1.913; mean square = mean scatterer power = 1.
    assert envelope.mean() / envelope.std() == pytest.approx(1.913, abs=0.03)
    assert (envelope**2).mean() == pytest.approx(1, abs=0.05)
    # A third property of its own: the median is sqrt(ln 4) / sqrt(pi) of the mean.
    ratio = math.sqrt(math.log(4)) / math.sqrt(math.pi / 2)
    assert np.median(envelope) / envelope.mean() == pytest.approx(ratio, abs=0.01)


def test_speckle_is_as_long_as_the_point_spread_function():
    echo = speckle(white((400, 400), 0), (2.0, 4.0))
    power = (np.abs(echo) ** 2).mean()
    for axis, sigma in enumerate((2, 4)):
        shifted = np.roll(echo, 2 * sigma, axis)
        # Autocorrelation of a Gaussian at lag d: exp(-d^2 / (4 sigma^2)), exp(-1) at 2 sigma.
        found = np.abs((echo * shifted.conj()).mean()) / power
        assert found == pytest.approx(math.exp(-1), abs=0.06)


def outside(shape: tuple[int, int], half_angle: float) -> np.ndarray:
    """Pixels of 1 mm beyond the depth of the image or beyond an angle from the top's middle."""
    rows, cols = np.mgrid[: shape[0], : shape[1]].astype(float)
    lateral = cols - (shape[1] - 1) / 2
    beyond = np.abs(np.arctan2(lateral, rows)) > half_angle + 1e-9
    return beyond | (np.hypot(rows, lateral) > shape[0])


def test_a_pixel_outside_the_sector_is_black():
    labels = np.zeros((120, 130, 1), np.uint8)
    labels[40:80, 55:75] = Label.LV
    loud = Imaging(gain_db=40)
    image = simulate_bmode(labels, SPACING, rng=np.random.default_rng(0), imaging=loud)
    # As wide as the image at its full depth: the sine is half the width over the depth.
    beyond = outside((120, 130), math.asin(65 / 120))
    assert 0.2 < beyond.mean() < 0.7
    assert not image[beyond].any()
    assert (image[~beyond] > 0).mean() > 0.99


def test_the_sector_widens_for_a_heart_at_its_side():
    labels = np.zeros((120, 130, 1), np.uint8)
    labels[50:60, 110:116] = Label.LV  # up to 50.5 mm beside the axis, from 50 mm deep
    loud = Imaging(gain_db=40)
    image = simulate_bmode(labels, SPACING, rng=np.random.default_rng(0), imaging=loud)
    beyond = outside((120, 130), math.atan2(50.5, 50))
    assert not image[beyond].any()
    assert (image[labels > 0] > 0).mean() > 0.95


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 10**6), severity=st.floats(0, 0.5))
def test_muscle_is_brighter_than_blood_and_the_image_has_the_shape_of_the_labels(seed, severity):
    labels = heart(seed)
    rng = np.random.default_rng(seed)
    clear = dataclasses.replace(draw_imaging(rng, severity), shadows=0, texture_db=2.0)
    image = simulate_bmode(labels, SPACING, rng=rng, imaging=clear)
    assert image.shape == labels.shape
    assert image.dtype == np.uint8
    assert image[labels == Label.MYO].mean() > image[labels == Label.LV].mean() + 10


def test_the_same_generator_gives_the_same_cine_and_another_one_another():
    labels = heart(1)
    first, again, other = (
        simulate_bmode(labels, SPACING, rng=np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_speckle_stays_for_a_frame_in_muscle_and_not_in_blood():
    still = np.repeat(heart(2)[:, :, :1], 2, axis=2)
    even = Imaging(haze_db=-90.0, texture_db=0.0, attenuation_db_per_cm=0.0)
    cine = simulate_bmode(still, SPACING, rng=np.random.default_rng(0), imaging=even)
    alike = {}
    for name in (Label.MYO, Label.LV):
        # Away from borders, which stay where they are.
        inner = ndimage.binary_erosion(still[:, :, 0] == name, iterations=3)
        alike[name] = np.corrcoef(*cine[inner].astype(float).T)[0, 1]
    assert alike[Label.MYO] > 0.7
    assert alike[Label.LV] < 0.5


def test_more_gain_is_brighter_and_a_shadow_is_darker():
    labels = heart(3, 2)

    def mean(**knobs: float) -> float:
        imaging = dataclasses.replace(Imaging(), **knobs)
        image = simulate_bmode(labels, SPACING, rng=np.random.default_rng(0), imaging=imaging)
        return float(image.mean())

    assert mean(gain_db=6) > mean() + 5
    assert mean(shadows=3) < mean() - 1
    assert mean(attenuation_db_per_cm=1.0) < mean(attenuation_db_per_cm=0.0) - 5


def test_what_cannot_be_simulated_is_refused():
    with pytest.raises(CardiovaeError, match="shape"):
        simulate_bmode(np.zeros((4, 4), np.uint8), SPACING, rng=np.random.default_rng(0))
    with pytest.raises(CardiovaeError, match="severity"):
        draw_imaging(np.random.default_rng(0), 1.5)
