"""The linear model against an independent library, and what it makes of partial masks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from prior_cases import small_table
from sklearn.decomposition import PCA

from cardiovae.errors import ModelError
from cardiovae.labels import STRUCTURES
from cardiovae.prior.augment import network_input, only
from cardiovae.prior.models.pca import PrincipalComponents
from cardiovae.prior.modes import knot_distances
from cardiovae.prior.seen import plain_batches


@pytest.fixture(scope="module")
def table():
    return small_table(12)


@pytest.fixture(scope="module")
def model(table):
    found = PrincipalComponents(6)
    found.fit(table)
    return found


@pytest.fixture(scope="module")
def maps(table):
    ((classes, inside),) = plain_batches(table)
    return classes, inside


def test_codes_decode_as_the_library_rebuilds_the_shapes(table, model):
    flat = np.clip(knot_distances(table), -16, 16).reshape(24, -1).astype(float)
    library = PCA(6, svd_solver="full").fit(flat)
    scores = library.transform(flat)
    rebuilt = library.inverse_transform(scores)
    spread = np.sqrt(library.explained_variance_)
    signs = np.sign((model.modes.detach().flatten(1).numpy() * library.components_).sum(1))
    codes = torch.from_numpy(scores * signs / spread).float()
    decoded = model.decode(codes).flatten(1).numpy()
    np.testing.assert_allclose(decoded, rebuilt, atol=2e-3)


def test_codes_of_the_training_shapes_have_unit_variance_or_less(model, maps):
    # Less, because distances measured on the canvas differ a little from those it was fitted to.
    codes = model.encode(network_input(*maps)).mu.numpy()
    np.testing.assert_allclose(codes.std(0, ddof=1), 1, atol=0.35)


def test_a_heart_without_its_atrium_or_wall_still_has_nearly_the_same_code(model, maps):
    classes, inside = maps
    whole = model.encode(network_input(classes, inside)).mu
    for n, within in ((2, 0.3), (1, 1.2)):
        part = STRUCTURES[:n]
        seen = network_input(only(classes, part), inside, part)
        assert float((model.encode(seen).mu - whole)[:, 0].abs().max()) < within


def test_what_the_border_cuts_off_is_not_taken_for_a_contour(model, maps):
    classes, _ = maps
    inside = torch.ones(24, 1, 128, 96)
    inside[:, :, 80:] = 0  # cuts the atrium
    cut = classes * inside
    cut[:, 0] += 1 - inside[:, 0]
    whole = model.encode(network_input(classes, torch.ones_like(inside))).mu
    seen = model.encode(network_input(cut, inside)).mu
    careless = model.encode(network_input(cut, torch.ones_like(inside))).mu
    assert float((seen - whole).abs().mean()) < 0.5 * float((careless - whole).abs().mean())


def test_fewer_shapes_than_modes_are_refused(table):
    with pytest.raises(ModelError, match="have fewer than 24 principal"):
        PrincipalComponents(24).fit(table)
