"""The shipped priors, loaded once: the rest of the tests never sees torch for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from cardiovae.bank import LatentBank
    from cardiovae.prior.folder import ShapePrior


@pytest.fixture(scope="session")
def phantom_prior() -> ShapePrior:
    """The prior that was trained on phantoms alone."""
    from cardiovae.prior.folder import load_prior

    return load_prior("phantom")


@pytest.fixture(scope="session")
def phantom_bank(phantom_prior) -> LatentBank:
    """Its bank of valid codes."""
    from cardiovae.bank import load_bank

    return load_bank(phantom_prior)


@pytest.fixture(scope="session")
def default_prior() -> ShapePrior:
    """The prior that `cardiovae correct` takes unless told otherwise."""
    from cardiovae.prior.folder import load_prior

    return load_prior()


@pytest.fixture(scope="session")
def default_bank(default_prior) -> LatentBank:
    """Its bank of valid codes."""
    from cardiovae.bank import load_bank

    return load_bank(default_prior)
