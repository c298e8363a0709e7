"""Textbook rejection sampling of a Parzen density from one Gaussian.

The published way to densify the latent space (Painchaud et al., IEEE TMI 39(11), 2020): draw z
from a Gaussian Q and u uniform in [0, 1], keep z where u <= P(z) / (k Q(z)). It is right in any
dimension but hopeless beyond a few, since the share it keeps is 1 / k; `ParzenDensity.sample`
draws from the same density and keeps everything. What is here serves as its check, and to measure
the published scheme (docs/decisions/0002-exact-parzen-sampling.md).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cardiovae.errors import CardiovaeError
from cardiovae.latent.density import ParzenDensity

Array = NDArray[np.float64]

N_PROBES = 2000  # draws of the proposal among which the ratio is searched for its maximum
N_CLIMBS = 64  # of the best probes and training codes, climbs to a local maximum
CLIMB_STEPS = 500
MARGIN = 0.01  # added to the logarithm of the largest ratio found
BATCH = 2**16
HOPELESS = 100  # times `max_proposals`: beyond, no proposal is drawn at all


@dataclass(frozen=True, eq=False)
class RejectionResult:
    """Codes (n, D) drawn by rejection, and what it took.

    `acceptance` is the share of the `n_proposed` proposals that were kept, and `log_k` the
    logarithm of the bound. `violations` counts proposals where the density exceeds k times the
    proposal: the sample has too few codes there.
    """

    codes: Array
    acceptance: float
    log_k: float
    n_proposed: int
    violations: int


@dataclass(frozen=True, eq=False)
class GaussianProposal:
    """A Gaussian with full covariance: mean (D,), lower Cholesky factor (D, D)."""

    mean: Array
    factor: Array

    def log_prob(self, z: ArrayLike) -> Array:
        """Log density at codes (n, D), shape (n,)."""
        standard = np.linalg.solve(self.factor, (np.asarray(z, np.float64) - self.mean).T)
        log_peak = -np.log(np.diag(self.factor)).sum() - len(self.mean) / 2 * math.log(2 * math.pi)
        return np.asarray(log_peak - 0.5 * np.sum(standard**2, axis=0))

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        """Draw `n` codes, shape (n, D)."""
        drawn: Array = self.mean + rng.standard_normal((n, len(self.mean))) @ self.factor.T
        return drawn


def gaussian_proposal(density: ParzenDensity) -> GaussianProposal:
    """The Gaussian with the mean and covariance of the density itself.

    Its covariance is that of the codes plus that of a kernel. The published scheme takes that of
    the codes alone; but wherever it is narrower than a kernel in some direction, the ratio of
    density and proposal grows without limit that way, and no k bounds it.

    Raises:
        CardiovaeError: The codes span less than their D dimensions, so that the ratio has no
            bound either.
    """
    spread = np.atleast_2d(np.cov(density.codes.T, bias=True))
    if np.linalg.matrix_rank(spread, hermitian=True) < density.latent_dim:
        raise CardiovaeError(
            f"{density.n_codes} codes span less than their {density.latent_dim} dimensions, so "
            "no Gaussian bounds their density; use density.sample, which needs none"
        )
    covariance = spread + np.diag(density.kernel_std**2)
    factor = np.asarray(np.linalg.cholesky(covariance), np.float64)
    return GaussianProposal(density.codes.mean(axis=0), factor)


def log_bound(
    density: ParzenDensity,
    proposal: GaussianProposal,
    rng: np.random.Generator,
    *,
    k: Literal["bound", "third-quartile"] = "bound",
) -> float:
    """Logarithm of k, so that density <= k * proposal.

    "bound" climbs from the training codes and the proposal's draws of largest ratio to local
    maxima of the ratio, and takes the largest with a margin of one percent. It is never above
    the mean over kernels of each kernel's own largest ratio to the proposal, which is known in
    closed form and is a bound for certain.
    "third-quartile" takes the 75th percentile of the ratio at the training codes, the published
    remedy against outlying codes; it is no bound.
    """
    ratio_at_codes = density.log_prob(density.codes) - proposal.log_prob(density.codes)
    if k == "third-quartile":
        return float(np.percentile(ratio_at_codes, 75))
    if k != "bound":
        raise CardiovaeError(f'k is "bound" or "third-quartile", got {k!r}')
    starts = np.concatenate([density.codes, proposal.sample(N_PROBES, rng)])
    ratio = density.log_prob(starts) - proposal.log_prob(starts)
    best = np.argsort(ratio)[-N_CLIMBS:]
    largest = _climb(density, proposal, starts[best])
    return min(largest + MARGIN, _certain_bound(density, proposal))


def rejection_sample(
    density: ParzenDensity,
    n: int,
    rng: np.random.Generator,
    *,
    max_proposals: int = 1_000_000,
    k: Literal["bound", "third-quartile"] = "bound",
) -> RejectionResult:
    """Draw `n` codes from `density` by rejection.

    Args:
        density: Density to draw from.
        n: Number of codes.
        rng: Source of randomness.
        max_proposals: Proposals to draw at most.
        k: How the bound is chosen, see `log_bound`.

    Raises:
        CardiovaeError: `max_proposals` do not yield `n` codes, or could not by far.
    """
    proposal = gaussian_proposal(density)
    log_k = log_bound(density, proposal, rng, k=k)
    if log_k + math.log(max(n, 1)) > math.log(HOPELESS * max_proposals):
        raise CardiovaeError(_exhausted(n, 0, 0, max_proposals, log_k))
    cost = math.exp(max(log_k, 0.0))  # proposals per code, on average
    kept: list[Array] = []
    n_kept = n_proposed = violations = 0
    while n_kept < n:
        size = min(BATCH, max_proposals - n_proposed, math.ceil(1.2 * (n - n_kept) * cost))
        if size == 0:
            raise CardiovaeError(_exhausted(n, n_kept, n_proposed, max_proposals, log_k))
        drawn = proposal.sample(size, rng)
        log_share = density.log_prob(drawn) - proposal.log_prob(drawn) - log_k
        accepted = np.log(1.0 - rng.random(size)) <= log_share  # 1 - u is never 0
        kept.append(drawn[accepted])
        n_kept += int(np.count_nonzero(accepted))
        n_proposed += size
        violations += int(np.count_nonzero(log_share > 0))
    codes = np.concatenate([np.empty((0, density.latent_dim)), *kept])[:n]
    acceptance = n_kept / n_proposed if n_proposed else math.nan
    return RejectionResult(codes, acceptance, log_k, n_proposed, violations)


def _exhausted(n: int, n_kept: int, n_proposed: int, max_proposals: int, log_k: float) -> str:
    seen = f"{n_kept} of {n_proposed} proposals were accepted; " if n_proposed else ""
    return (
        f"max_proposals = {max_proposals} cannot yield {n} codes: {seen}the expected share is "
        f"{math.exp(-log_k):.1e}. Use density.sample, which is exact and accepts everything"
    )


def _climb(density: ParzenDensity, proposal: GaussianProposal, z: Array) -> float:
    """Largest log ratio of density and proposal found uphill from codes `z` (m, D).

    Each step maximizes a quadratic below the log ratio that touches it at z (Jensen's inequality
    on the mixture), so the ratio never falls; the quadratic is concave because the proposal is
    wider than a kernel in every direction.
    """
    kernel_precision = density.kernel_std**-2.0
    precision = np.linalg.inv(proposal.factor @ proposal.factor.T)
    curvature = np.diag(kernel_precision) - precision
    height = density.log_prob(z) - proposal.log_prob(z)
    for _ in range(CLIMB_STEPS):
        pull = density.mean_shift(z) * kernel_precision - proposal.mean @ precision
        z = np.asarray(np.linalg.solve(curvature, pull.T).T, np.float64)
        before, height = height, density.log_prob(z) - proposal.log_prob(z)
        if np.max(height - before) < 1e-6:
            break
    return float(height.max())


def _certain_bound(density: ParzenDensity, proposal: GaussianProposal) -> float:
    """A bound of the log ratio for certain: the mean of what each kernel reaches by itself.

    The ratio of Gaussians N(c, K) and N(m, C) with C > K is largest where its quadratic exponent
    is, and is sqrt(|C| / |K|) exp(1/2 (c - m)^T (C - K)^-1 (c - m)) there.
    """
    covariance = proposal.factor @ proposal.factor.T
    apart = density.codes - proposal.mean
    wider = covariance - np.diag(density.kernel_std**2)
    exponent = 0.5 * np.einsum("nd,dn->n", apart, np.linalg.solve(wider, apart.T))
    log_volume = np.log(np.diag(proposal.factor)).sum() - np.log(density.kernel_std).sum()
    top = float(exponent.max())
    return float(log_volume + top + np.log(np.mean(np.exp(exponent - top))))
