from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from monai.metrics import compute_hausdorff_distance
from scipy.ndimage import gaussian_filter
from scipy.spatial.distance import cdist
from sklearn.metrics import f1_score

from cardiovae.errors import CardiovaeError
from cardiovae.evaluation.overlap import score_frames
from cardiovae.labels import STRUCTURES, Label

SPACING = (0.5, 2.0)
DISTANCES = ("hausdorff_mm", "hd95_mm", "mean_surface_mm")


def rectangle(rows: slice, cols: slice, label: int = Label.LV, size=(14, 16)) -> np.ndarray:
    labels = np.zeros((*size, 1), np.uint8)
    labels[rows, cols] = label
    return labels


def blobs(seed: int, n_frames: int = 4) -> np.ndarray:
    rng = np.random.default_rng(seed)
    noise = gaussian_filter(rng.normal(size=(40, 34, n_frames)), (3, 3, 0))
    return np.digitize(noise, (0.02, 0.06, 0.1)).astype(np.uint8)


def contour_mm(mask: np.ndarray, spacing: tuple[float, float]) -> np.ndarray:
    """Pixels of a mask with a 4-neighbor outside of it or of the frame, one by one."""
    points = []
    for r, c in np.argwhere(mask):
        for dr, dc in ((0, 1), (1, 0), (0, -1), (-1, 0)):
            y, x = r + dr, c + dc
            if not (0 <= y < mask.shape[0] and 0 <= x < mask.shape[1]) or not mask[y, x]:
                points.append((r * spacing[0], c * spacing[1]))
                break
    return np.array(points)


def test_a_shift_along_columns_has_the_dice_and_distance_counted_by_hand():
    truth = rectangle(slice(2, 6), slice(2, 8))  # 24 pixels
    found = rectangle(slice(2, 6), slice(4, 10))  # 16 of them shared
    scores = score_frames(found, truth, SPACING, (Label.LV,))
    assert scores.dice.shape == (1, 1)
    assert scores.dice.item() == pytest.approx(32 / 48)
    assert scores.hausdorff_mm.item() == pytest.approx(2 * 2.0)


def test_a_shift_along_rows_is_measured_with_the_spacing_of_rows():
    truth = rectangle(slice(2, 8), slice(2, 8))
    found = rectangle(slice(5, 11), slice(2, 8))
    assert score_frames(found, truth, SPACING, (Label.LV,)).hausdorff_mm.item() == 3 * 0.5


def test_the_mean_surface_distance_of_two_lines_is_their_distance():
    truth, found = rectangle(slice(3, 4), slice(2, 9)), rectangle(slice(7, 8), slice(2, 9))
    scores = score_frames(found, truth, SPACING, (Label.LV,))
    assert [getattr(scores, d).item() for d in DISTANCES] == [2.0, 2.0, 2.0]
    assert scores.dice.item() == 0


def test_a_far_speck_moves_the_hausdorff_distance_and_hardly_its_95th_percentile():
    truth = rectangle(slice(2, 12), slice(1, 11))
    found = truth.copy()
    found[6, 15] = Label.LV
    scores = score_frames(found, truth, (1.0, 1.0), (Label.LV,))
    assert scores.hausdorff_mm.item() == 5
    assert scores.hd95_mm.item() == 0
    assert scores.mean_surface_mm.item() == pytest.approx(5 / (36 + 37))


def test_a_structure_that_only_one_has_overlaps_by_zero_and_has_no_distance():
    truth = rectangle(slice(2, 6), slice(2, 8))
    for pair in ((truth, truth * 0), (truth * 0, truth)):
        scores = score_frames(*pair, SPACING, (Label.LV,))
        assert scores.dice.item() == 0
        assert all(math.isnan(getattr(scores, d).item()) for d in DISTANCES)


def test_a_structure_that_neither_has_is_not_scored():
    truth = rectangle(slice(2, 6), slice(2, 8))
    scores = score_frames(truth, truth, SPACING, (Label.LV, Label.LA))
    assert scores.dice[0].tolist()[0] == 1
    assert all(math.isnan(getattr(scores, d)[0, 1]) for d in ("dice", *DISTANCES))


def test_without_a_spacing_only_the_overlap_is_known():
    truth, found = blobs(0), blobs(1)
    scores = score_frames(found, truth, None, STRUCTURES)
    with_spacing = score_frames(found, truth, SPACING, STRUCTURES)
    np.testing.assert_array_equal(scores.dice, with_spacing.dice)
    assert all(np.isnan(getattr(scores, d)).all() for d in DISTANCES)


@pytest.mark.parametrize("seed", range(3))
def test_every_score_agrees_with_a_slow_one_over_all_pairs_of_contour_pixels(seed):
    found, truth = blobs(2 * seed), blobs(2 * seed + 1)
    scores = score_frames(found, truth, (0.7, 0.31), STRUCTURES)
    for t in range(truth.shape[2]):
        for s, structure in enumerate(STRUCTURES):
            a, b = found[:, :, t] == structure, truth[:, :, t] == structure
            away = cdist(contour_mm(a, (0.7, 0.31)), contour_mm(b, (0.7, 0.31)))
            there, back = away.min(1), away.min(0)
            assert scores.dice[t, s] == pytest.approx(f1_score(b.ravel(), a.ravel()))
            assert scores.hausdorff_mm[t, s] == pytest.approx(max(there.max(), back.max()))
            hd95 = max(np.percentile(there, 95), np.percentile(back, 95))
            assert scores.hd95_mm[t, s] == pytest.approx(hd95, rel=1e-5)
            mean = np.concatenate((there, back)).mean()
            assert scores.mean_surface_mm[t, s] == pytest.approx(mean, rel=1e-5)


# MONAI 1.6 warns about the way it calls itself.
@pytest.mark.filterwarnings("ignore:monai.metrics.utils get_mask_edges:FutureWarning")
def test_the_hausdorff_distance_is_that_of_monai():
    found, truth = blobs(5), blobs(6)
    one_hot = [
        torch.from_numpy(np.stack([m == s for s in STRUCTURES])).permute(3, 0, 1, 2)
        for m in (found, truth)
    ]
    expected = compute_hausdorff_distance(*one_hot, include_background=True, spacing=SPACING)
    scores = score_frames(found, truth, SPACING, STRUCTURES)
    np.testing.assert_allclose(scores.hausdorff_mm, expected.numpy(), rtol=1e-6)


def test_frames_do_not_know_each_other():
    found, truth = blobs(7), blobs(8)
    together = score_frames(found, truth, SPACING, STRUCTURES)
    for t in range(4):
        alone = score_frames(found[:, :, [t]], truth[:, :, [t]], SPACING, STRUCTURES)
        for name in ("dice", *DISTANCES):
            np.testing.assert_array_equal(getattr(alone, name)[0], getattr(together, name)[t])


masks = arrays(np.uint8, (9, 11, 1), elements=st.integers(0, 1))


@settings(max_examples=60, deadline=None)
@given(masks, masks)
def test_scores_are_symmetric_and_do_not_depend_on_the_empty_space_around(found, truth):
    wide = [np.pad(m, ((3, 7), (5, 2), (0, 0))) for m in (found, truth)]
    inner = [np.pad(m, ((1, 1), (1, 1), (0, 0))) for m in (found, truth)]
    scores = score_frames(*inner, SPACING, (Label.LV,))
    for other in (
        score_frames(*inner[::-1], SPACING, (Label.LV,)),
        score_frames(*wide, SPACING, (Label.LV,)),
    ):
        for name in ("dice", *DISTANCES):
            np.testing.assert_allclose(getattr(scores, name), getattr(other, name), rtol=1e-6)


@settings(max_examples=30, deadline=None)
@given(masks)
def test_a_mask_agrees_with_itself(mask):
    scores = score_frames(mask, mask, SPACING, (Label.LV,))
    if mask.any():
        assert scores.dice.item() == 1
        assert [getattr(scores, d).item() for d in DISTANCES] == [0, 0, 0]


def test_label_maps_of_different_shape_are_refused():
    with pytest.raises(CardiovaeError, match=r"\(14, 16, 1\) and \(14, 15, 1\)"):
        score_frames(np.zeros((14, 16, 1), np.uint8), np.zeros((14, 15, 1), np.uint8), None, ())
