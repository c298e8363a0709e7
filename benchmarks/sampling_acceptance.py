"""What share of its proposals rejection sampling of a Parzen density keeps; exact sampling: all.

Prints the table of docs/decisions/0002-exact-parzen-sampling.md; with files that hold an array
`codes` (N, D), and perhaps `groups` (N,), also the line of each:

    python benchmarks/sampling_acceptance.py [latent.npz ...]

The share kept is 1 / k, so it is computed from the bound and not waited for. "published" takes k
as the largest ratio at the training codes, and the covariance of the codes alone; "fails" is the
mass of the density where that k is too small.
"""

from __future__ import annotations

import math
import sys

import numpy as np
from numpy.typing import NDArray

from cardiovae.latent.density import ParzenDensity, fit_parzen
from cardiovae.latent.rejection import GaussianProposal, gaussian_proposal, log_bound

N_CODES, SEEDS = 1000, range(5)
DIMENSIONS, BANDWIDTHS = (2, 8, 16, 32, 48), (0.2, 0.5)
N_CHECKS = 20_000


def log10_acceptance(
    density: ParzenDensity, rng: np.random.Generator
) -> tuple[float, float, float]:
    """Decimal logarithms of the share kept, ours and published, and where the latter fails."""
    ours = -log_bound(density, gaussian_proposal(density), rng)
    covariance = np.atleast_2d(np.cov(density.codes.T))
    published = GaussianProposal(density.codes.mean(axis=0), np.linalg.cholesky(covariance))
    log_k = float((density.log_prob(density.codes) - published.log_prob(density.codes)).max())
    drawn = density.sample(N_CHECKS, rng)
    fails = float(np.mean(density.log_prob(drawn) - published.log_prob(drawn) > log_k))
    return ours / math.log(10), -log_k / math.log(10), fails


def line(name: str, results: list[tuple[float, float, float]]) -> str:
    """One line of the table: medians over `results`."""
    ours, published, fails = np.median(np.array(results), axis=0)
    return f"| {name} | 1e{ours:.1f} | 1e{published:.1f} | {100 * fails:.2f} % |"


def of_normal_codes(d: int, bandwidth: float, seed: int) -> tuple[float, float, float]:
    """Results for codes drawn from N(0, I), the friendliest case there is."""
    rng = np.random.default_rng(seed)
    codes: NDArray[np.float64] = rng.standard_normal((N_CODES, d))
    return log10_acceptance(fit_parzen(codes, bandwidth=bandwidth, whiten=False), rng)


def main(paths: list[str]) -> None:
    """Print the table."""
    print("| codes | share kept | published | fails |\n|---|---|---|---|")
    for d in DIMENSIONS:
        for bandwidth in BANDWIDTHS:
            results = [of_normal_codes(d, bandwidth, seed) for seed in SEEDS]
            print(line(f"N(0, I), D = {d}, bandwidth {bandwidth}", results))
    for path in paths:
        with np.load(path, allow_pickle=False) as arrays:
            groups = arrays.get("groups")
            density = fit_parzen(arrays["codes"], groups=groups)
        name = f"{path}: N = {density.n_codes}, D = {density.latent_dim}"
        name += f", bandwidth {density.bandwidth:.2f}"
        print(line(name, [log10_acceptance(density, np.random.default_rng(0))]))


if __name__ == "__main__":
    main(sys.argv[1:])
