"""Maps of codes in two dimensions: principal components, and UMAP with the extra `umap`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiovae.errors import CardiovaeError, ConfigError

Array = NDArray[np.float64]

NEIGHBORS = 15  # umap-learn's own default (McInnes et al., arXiv:1802.03426, 2018)
MIN_CODES = 4


@dataclass(frozen=True, eq=False)
class Components:
    """Principal components of codes.

    Args:
        mean: Shape (D,).
        directions: Unit vectors, most variance first, shape (K, D), K = min(N, D).
        shares: Share of the variance along each, shape (K,).
    """

    mean: Array
    directions: Array
    shares: Array

    def project(self, codes: Array) -> Array:
        """The first two coordinates of codes (N, D), shape (N, 2)."""
        return np.asarray((codes - self.mean) @ self.directions[:2].T)


def principal_components(codes: Array) -> Components:
    """Principal components of codes (N, D); each points where its largest entry is positive.

    Raises:
        CardiovaeError: Fewer than two codes or dimensions, or codes that are all the same.
    """
    if codes.ndim != 2 or min(codes.shape) < 2 or not np.ptp(codes, axis=0).any():
        raise CardiovaeError(
            f"codes: a map takes two different codes of two dimensions or more, got {codes.shape}"
        )
    mean = codes.mean(0)
    _, spreads, directions = np.linalg.svd(codes - mean, full_matrices=False)
    largest = directions[np.arange(len(directions)), np.abs(directions).argmax(1)]
    directions = directions * np.where(largest < 0, -1.0, 1.0)[:, None]
    return Components(mean, directions, spreads**2 / float(np.sum(spreads**2)))


def umap_module() -> Any:
    """The package umap-learn.

    Raises:
        ConfigError: It is not installed.
    """
    try:
        import umap
    except ImportError as error:
        raise ConfigError(
            "--umap: umap-learn is not installed; pip install 'cardiovae[umap]', or leave --umap "
            "out: the map of principal components is always there"
        ) from error
    return umap


def umap_plane(codes: Array, seed: int, others: Array | None = None) -> tuple[Array, Array]:
    """UMAP of codes (N, D), and where it puts other codes (M, D): shapes (N, 2) and (M, 2).

    Raises:
        ConfigError: umap-learn is not installed.
        CardiovaeError: Fewer than four codes.
    """
    umap = umap_module()
    if len(codes) < MIN_CODES:
        raise CardiovaeError(f"codes: UMAP takes {MIN_CODES} or more, got {len(codes)}")
    neighbors = min(NEIGHBORS, len(codes) - 1)
    # One job, or umap-learn warns that a seed makes it use one.
    reducer = umap.UMAP(n_neighbors=neighbors, random_state=seed % 2**32, n_jobs=1)
    plane = np.asarray(reducer.fit_transform(codes), np.float64)
    if others is None or not len(others):
        return plane, np.zeros((0, 2))
    return plane, np.asarray(reducer.transform(others), np.float64)
