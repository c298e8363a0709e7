"""Baselines: what each promises, judged by laws, drawn maps and slow oracles."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
from correct_cases import changed_frames, cine, config, correct, only, with_frame, with_leak
from hypothesis import given, settings
from hypothesis import strategies as st
from prior_cases import linear_prior, small_table
from scipy import ndimage

from cardiovae.audit.audit import audit_sequence, frame_is_valid
from cardiovae.audit.criteria import criteria
from cardiovae.baselines import masks
from cardiovae.baselines.denoise import NETWORKS, denoise, denoiser
from cardiovae.baselines.methods import METHODS, WITHOUT_PRIOR, correct_by
from cardiovae.baselines.models import load_modes, require_model
from cardiovae.baselines.train import DenoiseConfig, train_denoiser
from cardiovae.correction.scene import see
from cardiovae.errors import ConfigError, ModelError
from cardiovae.labels import Label
from cardiovae.prior.fidelity import REGULARIZED
from cardiovae.prior.modes import ShapeModes, principal_modes
from cardiovae.sequence import EchoSequence

ISSUE = {
    "identity", "largest-component", "morphological", "temporal-gaussian", "temporal-median",
    "pca", "robust-pca", "reconstruct", "denoise", "denoise-skip", "nearest", "dichotomic",
    "smooth", "smooth-attributes", "full",
}  # fmt: skip
BROKEN = (2, 7)
CAMUS = criteria("camus")
FRAMES = st.builds(
    lambda seed, rows, cols: np.random.default_rng(seed).integers(0, 4, (rows, cols), np.uint8),
    st.integers(0, 2**32 - 1),
    st.integers(1, 14),
    st.integers(1, 14),
)


@pytest.fixture(scope="module")
def damaged():
    """A beat with two leaking frames."""
    sequence = cine(spacing_mm=(1.0, 1.0))
    for t in BROKEN:
        sequence = with_frame(sequence, t, with_leak(sequence.frame(t)))
    assert audit_sequence(sequence).invalid_frames == BROKEN
    return sequence


def by(method, sequence, prior=None, bank=None, **changes):
    return correct_by(method, sequence, prior, bank, config(**changes))


def frames_by(remedy, frames):
    """A mask remedy on frames (H, W, T)."""
    return masks.by_frame(remedy)(frames)


def test_every_method_of_the_issue_has_a_name_and_a_line():
    assert set(METHODS) == ISSUE
    assert all(METHODS.values())
    assert set(WITHOUT_PRIOR) < ISSUE


# label maps


@settings(max_examples=60, deadline=None)
@given(FRAMES)
def test_the_largest_component_leaves_one_part_of_each_structure_without_holes(frame):
    found = masks.largest_component(frame)
    for s in (1, 2, 3):
        parts, count = ndimage.label(found == s, np.ones((3, 3)))
        assert count == int((frame == s).any())
        assert np.isin(frame[(found == s) & (frame != s)], range(4)).all()
        largest = np.bincount(parts.ravel())[1:].sum()
        sizes = np.bincount(ndimage.label(frame == s, np.ones((3, 3)))[0].ravel())[1:]
        assert largest >= max(sizes, default=0)
    background, _ = ndimage.label(found == 0)
    edge = set(
        np.unique(np.concatenate([background[[0, -1]].ravel(), background[:, [0, -1]].ravel()]))
    )
    for hole in set(np.unique(background)) - edge - {0}:
        around = ndimage.binary_dilation(background == hole) & (background != hole)
        assert len(np.unique(found[around])) > 1  # it lies between two structures


def test_islands_go_and_holes_are_filled():
    frame = np.zeros((9, 9), np.uint8)
    frame[1:6, 1:6] = Label.LV
    frame[3, 3] = 0
    frame[8, 8] = Label.LV
    frame[8, 0:3] = Label.LA
    expected = np.zeros((9, 9), np.uint8)
    expected[1:6, 1:6] = Label.LV
    expected[8, 0:3] = Label.LA
    assert np.array_equal(masks.largest_component(frame), expected)


def test_the_plain_repair_fills_holes_and_the_gap_between_cavity_and_wall():
    frame = np.full((11, 11), Label.MYO, np.uint8)
    frame[:, 0] = 0
    frame[2:9, 3:9] = 0  # a closed gap
    frame[3:8, 4:8] = Label.LV
    frame[5, 5] = 0  # a hole of the cavity
    frame[0, 0] = Label.LV  # an island
    expected = np.full((11, 11), Label.MYO, np.uint8)
    expected[:, 0] = 0
    expected[3:8, 4:8] = Label.LV
    assert np.array_equal(masks.morphological(frame), expected)


@settings(max_examples=40, deadline=None)
@given(FRAMES)
def test_the_plain_repair_never_touches_the_atrium(frame):
    found = masks.morphological(frame)
    assert np.array_equal(found == Label.LA, frame == Label.LA)
    for s in (Label.LV, Label.MYO):
        assert (found == s).any() <= (frame == s).any() or s == Label.MYO


@settings(max_examples=25, deadline=None)
@given(FRAMES, st.integers(1, 30))
def test_filters_along_time_leave_a_still_picture_alone(frame, n_frames):
    still = np.repeat(frame[:, :, None], n_frames, axis=2)
    for remedy in (masks.temporal_gaussian, masks.temporal_median, masks.identity):
        assert np.array_equal(remedy(still), still)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 12))
def test_the_median_is_that_of_the_one_hot_maps(seed, n_frames):
    labels = np.random.default_rng(seed).integers(0, 4, (3, 4, n_frames), np.uint8)
    index = np.clip(np.arange(n_frames)[:, None] + np.arange(-2, 3), 0, n_frames - 1)
    expected = labels.copy()
    for label in range(4):
        median = np.median((labels == label)[:, :, index], axis=3)
        expected[median == 1] = label
    assert np.array_equal(masks.temporal_median(labels), expected)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 60))
def test_the_gaussian_takes_the_label_of_most_weight(seed, n_frames):
    labels = np.random.default_rng(seed).integers(0, 3, (2, 3, n_frames), np.uint8)
    sigma = 0.05 * n_frames
    reach = int(4 * sigma + 0.5)
    offsets = np.arange(-reach, reach + 1)
    weight = np.exp(-0.5 * (offsets / sigma) ** 2)
    weight /= weight.sum()
    index = np.clip(np.arange(n_frames)[:, None] + offsets, 0, n_frames - 1)
    share = np.stack([(labels == s)[:, :, index] @ weight for s in range(3)])
    ordered = np.sort(share, axis=0)
    clear = ordered[-1] - ordered[-2] > 1e-5
    found = masks.temporal_gaussian(labels)
    assert np.array_equal(found[clear], share.argmax(0)[clear])


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_frame_by_frame_remedies_do_not_care_for_the_order(seed):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 4, (8, 9, 5), np.uint8)
    order = rng.permutation(5)
    for remedy in (masks.largest_component, masks.morphological):
        assert np.array_equal(
            frames_by(remedy, labels[:, :, order]), frames_by(remedy, labels)[:, :, order]
        )


# the record


@pytest.mark.parametrize("method", WITHOUT_PRIOR)
def test_methods_without_a_prior_name_themselves_and_no_license(method, damaged):
    done = by(method, damaged)
    record = done.to_json()
    assert (record["method"], record["prior"]["name"]) == (method, "none")
    passes = audit_sequence(done.sequence).passed
    assert (
        done.status
        == {
            (True, True): "corrected",
            (True, False): "unchanged",
            (False, True): "not_passed",
            (False, False): "not_corrected",
        }[passes, bool(changed_frames(damaged, done.sequence))]
    )
    assert (method in done.reason) is not passes
    assert [f.frame for f in done.frames if f.changed_px] == changed_frames(damaged, done.sequence)
    for change in done.frames:
        assert (change.action == "kept") is (change.changed_px == 0)
        if change.action == "repaired":
            assert change.frame in BROKEN
            assert frame_is_valid(done.sequence.frame(change.frame), (1.0, 1.0), CAMUS)


def test_identity_is_the_identity(damaged):
    done = by("identity", damaged)
    assert np.array_equal(done.sequence.labels, damaged.labels)
    assert done.status == "not_corrected"
    assert by("identity", cine()).status == "unchanged"


def test_full_is_the_correction_itself(damaged, phantom_prior, phantom_bank):
    done = by("full", damaged, phantom_prior, phantom_bank)
    same = correct(damaged, phantom_prior, phantom_bank)
    assert np.array_equal(done.sequence.labels, same.sequence.labels)
    assert done.method == same.method == "full"


def test_an_unknown_method_is_refused_with_the_nearest(damaged):
    with pytest.raises(ConfigError, match="did you mean 'dichotomic'"):
        by("dicotomic", damaged)
    with pytest.raises(ConfigError, match="Methods are full, identity"):
        by("xyz", damaged)


@pytest.mark.parametrize("method", sorted(ISSUE - set(WITHOUT_PRIOR)))
def test_the_others_say_that_they_need_a_prior(method, damaged):
    with pytest.raises(ConfigError, match=f"'{method}': needs a prior and its bank"):
        by(method, damaged)


@pytest.mark.parametrize("method", ["pca", "robust-pca", "denoise", "denoise-skip"])
def test_a_prior_without_the_model_says_how_to_train_it(method, tmp_path):
    with pytest.raises(ModelError, match=r"missing.*train_baselines\.py"):
        require_model(method, linear_prior(tmp_path))


@pytest.mark.parametrize("method", ["pca", "denoise"])
def test_a_damaged_model_says_so(method, tmp_path):
    prior = linear_prior(tmp_path)
    (tmp_path / "baselines").mkdir()
    (tmp_path / "baselines" / f"{method}.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0{}      ")
    with pytest.raises(ModelError, match="damaged or of another version"):
        require_model(method, prior)


# codes


@pytest.mark.parametrize("method", ["nearest", "dichotomic", "robust-pca"])
def test_remedies_of_invalid_frames_leave_the_others_and_give_valid_ones(
    method, damaged, default_prior, default_bank
):
    done = by(method, damaged, default_prior, default_bank)
    assert changed_frames(damaged, done.sequence) == list(BROKEN)
    assert not done.after[0].invalid_frames
    assert {f.frame for f in done.frames if f.action == "repaired"} == set(BROKEN)
    again = by(method, damaged, default_prior, default_bank)
    assert np.array_equal(again.sequence.labels, done.sequence.labels)


def test_the_dichotomic_search_moves_no_further_than_to_the_nearest_code(
    damaged, phantom_prior, phantom_bank
):
    near, part = (by(m, damaged, phantom_prior, phantom_bank) for m in ("nearest", "dichotomic"))
    for t in BROKEN:
        assert 0 <= part.frames[t].displacement <= near.frames[t].displacement
        ends, distances = phantom_bank.nearest(
            see(damaged, np.ones(12, bool), phantom_prior, config().fit).encoded[t], 32
        )
        assert np.abs(distances - near.frames[t].displacement).min() < 1e-9
        assert len(ends) == 32


def test_without_a_valid_code_a_frame_stays_and_the_record_says_so(
    damaged, phantom_prior, phantom_bank
):
    far = 40 * np.random.default_rng(0).standard_normal(phantom_bank.codes[:8].shape)
    done = by("nearest", damaged, phantom_prior, dataclasses.replace(phantom_bank, codes=far))
    assert np.array_equal(done.sequence.labels, damaged.labels)
    assert done.status == "not_corrected"


@pytest.mark.parametrize("method", ["smooth", "smooth-attributes"])
def test_smoothed_codes_keep_the_published_limits(method, damaged, phantom_prior, phantom_bank):
    from cardiovae.baselines.codes import smoothed

    scene = see(damaged, np.zeros(12, bool), phantom_prior, config().fit)
    found = smoothed(scene, phantom_prior, attributes_only=method == "smooth-attributes")
    limits = {c.name: c.tolerance for c in criteria("tmi2022").criteria}
    spans = np.ptp(phantom_prior.codes, axis=0)
    for i, name in enumerate(REGULARIZED):
        z = found.codes[:, i] / spans[i]
        bend = z[1:-1] - (z[:-2] + z[2:]) / 2
        assert np.abs(bend).max() <= limits[name] * (1 + 1e-9)
    free = (found.codes == scene.encoded)[:, len(REGULARIZED) :]
    assert free.all() if method == "smooth-attributes" else not free.any()


@pytest.mark.parametrize("method", ["pca", "reconstruct", "denoise", "denoise-skip"])
def test_encoding_every_frame_gives_back_a_heart_in_any_order(method, default_prior, default_bank):
    sequence = cine(n_frames=3, spacing_mm=(1.0, 1.0))
    done = by(method, sequence, default_prior, default_bank, temporal=None, also_temporal=None)
    order = [2, 0, 1]
    turned = by(
        method,
        sequence.with_labels(np.ascontiguousarray(sequence.labels[:, :, order])),
        default_prior,
        default_bank,
        temporal=None,
        also_temporal=None,
    )
    differing = turned.sequence.labels != done.sequence.labels[:, :, order]
    assert np.count_nonzero(differing) <= 2  # a batch of another order may round otherwise
    for s in (Label.LV, Label.MYO, Label.LA):
        a, b = done.sequence.labels == s, sequence.labels == s
        assert 2 * np.count_nonzero(a & b) > 0.85 * (np.count_nonzero(a) + np.count_nonzero(b))


@pytest.mark.parametrize("method", ["pca", "robust-pca", "denoise", "denoise-skip", "smooth"])
def test_what_is_not_annotated_does_not_appear(method, damaged, default_prior, default_bank):
    sequence = only(damaged, (Label.LV,))
    done = by(method, sequence, default_prior, default_bank, temporal=None, also_temporal=None)
    assert set(np.unique(done.sequence.labels)) <= {0, 1}


@pytest.mark.parametrize("method", ["pca", "nearest"])
def test_without_a_heart_nothing_can_be_done(method, default_prior, default_bank):
    empty = EchoSequence(np.zeros((40, 40, 3), np.uint8), (1.0, 1.0))
    done = by(method, empty, default_prior, default_bank)
    assert (done.status, np.count_nonzero(done.sequence.labels)) == ("not_corrected", 0)


# the linear model


def test_the_model_is_that_of_principal_components():
    from sklearn.decomposition import PCA

    rng = np.random.default_rng(0)
    shapes = rng.normal(0, 3, (30, 5)) @ rng.normal(0, 1, (5, 3 * 64 * 48)) / 10
    shapes = shapes.reshape(30, 3, 64, 48).astype(np.float32).clip(-16, 16)
    model = principal_modes(shapes, 4)
    oracle = PCA(4, svd_solver="full").fit(shapes.reshape(30, -1).astype(float))
    assert model.deviations == pytest.approx(np.sqrt(oracle.explained_variance_), rel=1e-4)
    ours = model.modes.reshape(4, -1)
    assert np.abs(ours @ oracle.components_.T) == pytest.approx(np.eye(4), abs=1e-4)


def simple_model():
    rng = np.random.default_rng(1)
    modes = np.linalg.qr(rng.normal(0, 1, (3 * 64 * 48, 5)))[0].T.reshape(5, 3, 64, 48)
    mean = rng.normal(0, 2, (3, 64, 48))
    return ShapeModes(
        mean.astype(np.float32), modes.astype(np.float32), np.full(5, 50.0, np.float32)
    )


def test_a_shape_of_the_model_is_fitted_exactly_whatever_the_weights():
    model, rng = simple_model(), np.random.default_rng(2)
    truth = rng.normal(0, 50, 5)
    target = model.decode(truth[None])[0]
    weights = rng.uniform(0.1, 1, target.shape).astype(np.float32)
    assert model.fit(target, weights, 1e-6) == pytest.approx(truth, abs=1e-2)


def test_more_weight_of_the_model_draws_the_fit_to_the_mean():
    model = simple_model()
    target = model.decode(np.full((1, 5), 80.0))[0]
    ones = np.ones_like(target)
    lengths = [np.linalg.norm(model.fit(target, ones, 10.0**k)) for k in range(8)]
    assert all(b < a for a, b in itertools.pairwise(lengths))
    # One coefficient of deviation 50 under unit weights: 80 / (1 + w / 50^2).
    assert model.fit(target, ones, 2500.0) == pytest.approx(np.full(5, 40.0), rel=1e-3)


def test_the_shipped_model_has_48_modes_of_length_one(default_prior):
    model = load_modes(default_prior)
    flat = model.modes.reshape(48, -1)
    assert flat @ flat.T == pytest.approx(np.eye(48), abs=5e-3)  # stored in float16
    assert (np.diff(model.deviations) <= 0).all()


# denoisers


@pytest.mark.parametrize("name", NETWORKS)
def test_training_a_denoiser_twice_gives_the_same_network(name):
    config_ = DenoiseConfig(n_steps=3, batch_size=4)
    losses: list[list[float]] = [[], []]
    first, second = (
        train_denoiser(
            small_table(), name, config_, progress=lambda _, v, seen=seen: seen.append(v)
        )
        for seen in losses
    )
    assert losses[0] == losses[1]
    assert len(losses[0]) == 3
    weights = first.state_dict()
    assert all((weights[k] == v).all() for k, v in second.state_dict().items())


@pytest.mark.parametrize("name", NETWORKS)
def test_an_untrained_denoiser_gives_label_maps_of_the_grid(name, damaged, phantom_prior):
    scene = see(damaged, np.zeros(12, bool), phantom_prior, config().fit)
    found = denoise(scene, denoiser(name).eval())
    assert (found.labels.shape, found.labels.dtype) == (damaged.labels.shape, np.uint8)
