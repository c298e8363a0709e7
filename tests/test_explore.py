"""The latent space in numbers: laws of paths, axes, directions and maps, and the shipped prior."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prior_cases import LinearShapes, linear_prior
from sklearn.decomposition import PCA
from torch import nn

from cardiovae.attributes import ATTRIBUTES
from cardiovae.audit.criteria import criteria
from cardiovae.bank import GRID, judged
from cardiovae.errors import CardiovaeError, ConfigError
from cardiovae.explore.axes import component_axes, instant_axis, instant_neuron, regularized_axes
from cardiovae.explore.directions import excess, group_direction, named_directions
from cardiovae.explore.explore import explore
from cardiovae.explore.found import STRENGTHS, Exploration, Settings
from cardiovae.explore.hearts import decode_hearts
from cardiovae.explore.maps import principal_components
from cardiovae.explore.population import (
    Mask,
    chosen_rows,
    cines,
    encode_mask,
    mask_ejections,
    mask_population,
)
from cardiovae.explore.record import exploration_record, label_maps
from cardiovae.labels import Label
from cardiovae.prior.fidelity import REGULARIZED
from cardiovae.sequence import EchoSequence

CAMUS = criteria("camus")


def test_principal_components_agree_with_an_independent_implementation():
    rng = np.random.default_rng(1)
    found = rng.normal(size=(60, 5)) * (5, 3, 2, 1, 0.5) + 4
    own, other = principal_components(found), PCA(5).fit(found)
    np.testing.assert_allclose(own.shares, other.explained_variance_ratio_)
    np.testing.assert_allclose(np.abs(own.project(found)), np.abs(other.transform(found)[:, :2]))
    with pytest.raises(CardiovaeError, match="two different codes"):
        principal_components(np.ones((4, 3)))


@settings(max_examples=20)
@given(st.integers(0, 1000))
def test_moving_along_an_axis_arrives_where_it_says(seed):
    rng = np.random.default_rng(seed)
    training, start = rng.normal(size=(40, 6)), rng.normal(size=6)
    neuron = rng.normal(size=6), 0.3
    instants = training @ neuron[0] + neuron[1]
    axis = instant_axis(training, instants, neuron)
    for each in (axis, *component_axes(training, 3)):
        steps = each.steps(5)
        np.testing.assert_allclose(each.position(each.through(start, steps)), steps, atol=1e-9)
        inside = (training @ each.read + each.offset >= each.low).mean()
        assert inside == pytest.approx(0.975, abs=0.026)
    assert axis.spearman == pytest.approx(1.0)


def test_only_dimensions_that_follow_their_attribute_are_axes():
    rng = np.random.default_rng(3)
    found = rng.normal(size=(50, 9))
    attributes = rng.normal(size=(50, len(ATTRIBUTES)))
    attributes[:, 1] = np.exp(found[:, 1])
    attributes[:, 4] = -found[:, 4]
    axes = regularized_axes(found, found, attributes)
    assert [axis.name for axis in axes] == [REGULARIZED[1], REGULARIZED[4]]
    assert [axis.spearman for axis in axes] == pytest.approx([1.0, -1.0])
    few = regularized_axes(found[:, :2], found[:, :2], attributes)
    assert [axis.name for axis in few] == [REGULARIZED[1]]


def test_a_network_without_the_neuron_has_no_axis_for_the_instant():
    assert instant_neuron(LinearShapes()) is None
    assert instant_axis(np.ones((3, 2)), np.zeros(3), None) is None
    network = nn.Module()
    network.instant = nn.Linear(4, 1)
    weights, bias = instant_neuron(network)
    np.testing.assert_allclose(weights, network.instant.weight[0].detach())
    assert bias == pytest.approx(network.instant.bias.item())


def test_a_direction_is_the_difference_of_two_means():
    found = np.array([[0.0, 0.0], [2.0, 0.0], [4.0, 6.0], [6.0, 8.0]])
    low = np.array([True, True, False, False])
    assert group_direction(found, low, ~low).tolist() == [4.0, 7.0]


def test_what_exceeds_a_line_is_what_the_line_leaves():
    x = np.array([1.0, 2.0, 3.0, 100.0])
    y = np.array([3.0, 5.0, 7.0, 0.0])  # 2 x + 1, but for the last
    used = np.array([True, True, True, False])
    np.testing.assert_allclose(excess(x, y, used), [0, 0, 0, -201], atol=1e-9)


def test_directions_are_those_that_the_codes_can_tell():
    rng = np.random.default_rng(4)
    found = rng.normal(size=(80, 3))
    attributes = np.tile(rng.normal(size=(80, 1)), (1, len(ATTRIBUTES)))
    attributes[:, 0] = 1000 + 100 * found[:, 0]  # LV area
    attributes[:, 4] = 2000 + 100 * found[:, 0] + 50 * found[:, 1]  # MYO area
    unknown = named_directions(found, attributes, np.full(80, np.nan))
    assert [d.name for d in unknown] == ["thicker wall", "dilated"]
    assert "end-diastole" not in unknown[0].meaning
    for direction, along in zip(unknown, (1, 0), strict=True):
        assert np.argmax(np.abs(direction.vector)) == along
        assert direction.vector[along] > 1
    known = named_directions(found, attributes, np.tile([0.0, 1.0], 40))
    assert [d.name for d in known] == ["thicker wall", "dilated", "end-systole"]
    assert known[2].sizes == (40, 40)
    assert named_directions(found[:6], attributes[:6], np.zeros(6)) == ()


def test_a_cine_ends_with_its_patient_and_where_the_instant_does_not_grow():
    patients = np.array([0, 0, 0, 0, 1, 1, 1])
    instants = np.array([0, 0.5, 1, 0, 0.2, np.nan, 1.0])
    found = [(c.start, c.stop) for c in cines(patients, instants)]
    assert found == [(0, 3), (3, 4), (4, 5), (5, 6), (6, 7)]


@settings(max_examples=30)
@given(st.integers(1, 60), st.integers(0, 1000))
def test_codes_are_chosen_by_whole_patients(n, seed):
    patients = np.repeat(np.arange(12), 4)
    rows = chosen_rows(patients, n, np.random.default_rng(seed))
    assert np.all(np.diff(rows) > 0)
    numbers, counts = np.unique(patients[rows], return_counts=True)
    assert np.all(counts == 4)
    assert 2 <= len(numbers) <= max(n // 4, 2)


def test_hearts_are_judged_as_the_bank_judges(phantom_prior):
    found = phantom_prior.codes[::400] * 1.5
    hearts = decode_hearts(phantom_prior, found, CAMUS)
    np.testing.assert_array_equal(hearts.valid, judged(phantom_prior, found, (CAMUS,))[:, 0, 0])
    lv = np.count_nonzero(hearts.labels == Label.LV, axis=(1, 2)) * np.prod(GRID.pixel_mm)
    np.testing.assert_allclose(hearts.attributes[:, 0], lv)


def framed(labels: np.ndarray, view: str | None = None) -> EchoSequence:
    return EchoSequence(np.ascontiguousarray(labels), GRID.pixel_mm, view=view)


@pytest.fixture(scope="module")
def beat(phantom_prior):
    """An ED and an ES frame that the prior itself decodes, valid both."""
    hearts = decode_hearts(phantom_prior, phantom_prior.codes[:5], CAMUS)
    assert hearts.valid.all()
    return np.moveaxis(hearts.labels[[0, 4]], 0, 2)


def test_a_mask_is_measured_as_it_is_and_encoded_near_where_it_came_from(phantom_prior, beat):
    encoded = encode_mask(phantom_prior, Mask(framed(beat), "m", "p"), CAMUS)
    assert encoded.valid.all()
    assert encoded.instants == (0, 1)
    spread = phantom_prior.codes.std(0)
    apart = np.abs(encoded.codes - phantom_prior.codes[[0, 4]])[:, :5] / spread[:5]
    assert apart.max() < 0.5
    decoded = decode_hearts(phantom_prior, encoded.codes, CAMUS)
    areas = [ATTRIBUTES.index(name) for name in ("lv_area", "lv_length", "myo_area")]
    np.testing.assert_allclose(
        encoded.attributes[:, areas], decoded.attributes[:, areas], rtol=0.06
    )
    np.testing.assert_allclose(encoded.attributes[:, 5:7], decoded.attributes[:, 5:7], atol=1.5)


def test_an_ejection_fraction_takes_ed_and_es_from_files_of_one_patient_and_view(
    phantom_prior, beat
):
    def encoded(labels, patient, view):
        return encode_mask(phantom_prior, Mask(framed(labels, view), "m", patient), CAMUS)

    whole = encoded(beat, "p", "A4C")
    halves = [encoded(beat[:, :, t : t + 1], "q", "A2C") for t in (0, 1)]
    alone = encoded(beat[:, :, :1], "r", None)
    found = mask_ejections([whole, *halves, alone])
    assert found["p", "A4C"] == found["q", "A2C"]
    assert 10 < found["p", "A4C"] < 90
    assert math.isnan(found["r", None])
    people = mask_population([whole, *halves, alone])
    assert people.views == ("A4C", "A4C", "A2C", "A2C", None)
    assert np.isfinite(people.ef_percent).tolist() == [True, True, True, True, False]


def test_a_mask_without_spacing_has_a_code_but_no_measures(phantom_prior, beat):
    sequence = EchoSequence(np.ascontiguousarray(beat))
    encoded = encode_mask(phantom_prior, Mask(sequence, "m", "p"), CAMUS)
    assert np.isfinite(encoded.codes).all()
    assert np.isnan(encoded.attributes).all()
    empty = Mask(EchoSequence(np.zeros((9, 9, 1), np.uint8)), "m", "p")
    with pytest.raises(CardiovaeError, match="no frame has an LV"):
        encode_mask(phantom_prior, empty, CAMUS)


@pytest.fixture(scope="module")
def explored(phantom_prior) -> Exploration:
    return explore(phantom_prior, Settings(CAMUS, n_codes=300, n_samples=40))


def test_each_dimension_of_the_shipped_prior_moves_its_attribute_all_the_way(explored):
    assert explored.regularized
    assert [w.axis.name for w in explored.walks] == [*REGULARIZED, "instant"]
    for walk in explored.walks[:-1]:
        values = walk.hearts.attributes[:, ATTRIBUTES.index(walk.axis.name)]
        steps = np.diff(values)
        # Landmarks are pixels of 0.7 mm, so a step may stand still, and even err by one.
        assert np.mean(steps >= 0) > 0.8, walk.axis.name
        assert values[-1] - values[0] > 10 * abs(steps.min()), walk.axis.name
    areas = explored.walks[-1].hearts.attributes[:, 0]
    assert np.all(np.diff(areas) < 0)  # from ED to ES the ventricle empties


def test_directions_change_the_mean_heart_as_they_are_called(explored):
    assert [c.direction.name for c in explored.changes] == [
        "thicker wall",
        "dilated",
        "end-systole",
    ]
    for change in explored.changes:
        values = change.hearts.attributes[:, ATTRIBUTES.index(change.direction.attribute)]
        assert np.all(np.diff(values) * change.direction.sign > 0), change.direction.name
    wall = explored.changes[0].hearts.attributes
    share = wall[:, ATTRIBUTES.index("myo_area")] / wall[:, ATTRIBUTES.index("lv_area")]
    assert share[-1] > share[0]


def test_films_begin_and_end_at_the_hearts_they_name(explored, phantom_prior):
    for film in explored.films:
        rows = [int(name.split()[2].rstrip(",")) for name in (film.start, film.end)]
        for hearts in (film.linear, film.spherical):
            np.testing.assert_allclose(hearts.codes[[0, -1]], phantom_prior.codes[rows])
    beat = explored.films[0]
    assert beat.start.split(",")[1] == beat.end.split(",")[1]  # one patient
    assert beat.linear.attributes[-1, 0] < beat.linear.attributes[0, 0]


def test_the_interval_of_the_valid_share_holds_what_more_draws_find(phantom_prior, explored):
    share = explored.samples.share
    assert share.value == explored.samples.hearts.valid.mean()
    assert share.low < 0.888 < share.high  # of 400 draws with this seed, 355 pass


def test_the_same_seed_gives_the_same_record_and_another_seed_another(tmp_path):
    prior = linear_prior(tmp_path / "p", spread=0.5)

    def record(seed):
        found = explore(prior, Settings(CAMUS, seed, n_codes=20, n_samples=24))
        return exploration_record(found, "0"), label_maps(found)

    one, maps = record(5)
    again, same = record(5)
    assert one == again
    assert all(np.array_equal(maps[name], same[name]) for name in maps)
    assert record(6)[0]["samples"] != one["samples"]


def test_a_prior_without_regularized_dimensions_is_shown_along_its_components(tmp_path):
    prior = linear_prior(tmp_path / "p", spread=0.5)
    found = explore(prior, Settings(CAMUS, n_samples=24))
    assert not found.regularized
    names = [walk.axis.name for walk in found.walks]
    assert names == [f"component {i}" for i in (1, 2, 3, 4)]
    assert [[a.name for a in p.axes] for p in found.planes] == [names[:2]]
    assert [c.direction.name for c in found.changes] == ["thicker wall", "dilated"]
    record = exploration_record(found, "0")
    assert record["changes"][0]["strengths"] == list(STRENGTHS)


def test_a_training_code_to_start_from_must_exist(phantom_prior):
    with pytest.raises(ConfigError, match="training codes 0 to 4769"):
        explore(phantom_prior, Settings(CAMUS, at=4770))
    with pytest.raises(ConfigError, match="--at -1"):
        explore(phantom_prior, Settings(CAMUS, at=-1))


def test_progress_counts_up_to_the_end(tmp_path):
    seen = []
    prior = linear_prior(tmp_path / "p", spread=0.5)
    explore(prior, Settings(CAMUS, n_samples=24), progress=lambda *step: seen.append(step))
    assert [done for done, _, _ in seen] == list(range(6))
    assert {total for _, total, _ in seen} == {5}
