"""How probable held-out frames are under a model with a posterior: bounds in nats per frame.

The likelihood is that of the training objective (`cardiovae.prior.objective.cross_entropy`),
summed instead of averaged: on the canonical grid (128 x 96 pixels of 1.4 mm) each visible pixel
belongs to the LV, to the epicardium and to the LA, independently, with the probability
sigmoid(-d / 0.7 mm), d being the decoded signed distance to the region. Pixels count by the share
of them inside the image. A pixel that a contour cuts counts as inside for the share covered, so
even a perfect code costs the entropy of those shares: only differences between models mean
something, and only for models that are judged on this same grid.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from cardiovae.errors import CardiovaeError
from cardiovae.labels import Label
from cardiovae.prior.codec import canvas_distances
from cardiovae.prior.objective import EDGE_MM

Array = NDArray[np.float64]
Floats = NDArray[np.float32]
# Signed distances in mm at the knots (N, 3, 64, 48) of codes (N, D): `prior.codec.decode`.
Decode = Callable[[Array], Floats]
LogDensity = Callable[[Array], Array]

N_SAMPLES = 16
LOG_2PI = math.log(2 * math.pi)


@dataclass(frozen=True, eq=False)
class Bound:
    """Lower bounds of the log likelihood of N frames in nats, each of shape (N,).

    Args:
        reconstruction: Mean log likelihood of the frame given a code of its posterior.
        divergence: KL divergence of the posterior from the prior: exact where that is N(0, I), a
            mean over the codes drawn elsewhere.
        elbo: Their difference, the evidence lower bound (Kingma and Welling, ICLR 2014).
        importance_weighted: A tighter bound, from the same codes (Burda et al., ICLR 2016).
        reason: Why all are NaN; empty where they are not.
    """

    reconstruction: Array
    divergence: Array
    elbo: Array
    importance_weighted: Array
    reason: str = ""


def no_bound(n: int, reason: str) -> Bound:
    """What there is to say of `n` frames and a model without a posterior: NaN, and why."""
    unknown = np.full(n, np.nan)
    return Bound(unknown, unknown, unknown, unknown, reason)


def bound(
    mean: Array,
    std: Array,
    decode: Decode,
    shares: Floats,
    inside: Floats,
    structures: tuple[Label, ...],
    *,
    rng: np.random.Generator,
    n_samples: int = N_SAMPLES,
    log_prior: LogDensity | None = None,
) -> Bound:
    """Bounds of the log likelihood of frames under a model with a Gaussian posterior.

    Args:
        mean: Of the posterior of each frame, shape (N, D).
        std: Its standard deviations, positive, shape (N, D).
        decode: From codes to distances.
        shares: Class shares of the frames on the canonical grid, shape (N, 4, 128, 96).
        inside: Share of each pixel inside the image, shape (128, 96) or (N, 128, 96).
        structures: What is annotated; regions that are not count nothing.
        rng: Source of randomness.
        n_samples: Codes drawn from each posterior.
        log_prior: Log density in nats of codes (N, D) under the model's own prior; None = that of
            N(0, I).

    Raises:
        CardiovaeError: Shapes that do not fit, no sample, or a posterior without width.
    """
    if mean.shape != std.shape or mean.shape[:1] != shares.shape[:1] or n_samples < 1:
        raise CardiovaeError(
            "bound: mean and std (N, D) of N frames, at least one sample; got shapes "
            f"{mean.shape} and {std.shape} for {len(shares)} frames, {n_samples} samples"
        )
    if not np.all(std > 0):
        raise CardiovaeError(
            "bound: std is positive; a model that gives single codes has no posterior (`no_bound`)"
        )
    likelihood = np.empty((n_samples, len(mean)))
    ratio = np.empty_like(likelihood)
    for k in range(n_samples):
        noise = rng.standard_normal(mean.shape)
        z = mean + std * noise
        likelihood[k] = -region_nats(canvas_distances(decode(z)), shares, inside, structures)
        posterior = -(0.5 * (noise**2 + LOG_2PI) + np.log(std)).sum(1)
        prior = -0.5 * (z**2 + LOG_2PI).sum(1) if log_prior is None else log_prior(z)
        ratio[k] = prior - posterior
    reconstruction = likelihood.mean(0)
    if log_prior is None:
        divergence = (0.5 * (mean**2 + std**2 - 1) - np.log(std)).sum(1)
    else:
        divergence = -ratio.mean(0)
    weighted = np.logaddexp.reduce(likelihood + ratio, axis=0) - np.log(n_samples)
    return Bound(reconstruction, divergence, reconstruction - divergence, weighted)


def region_nats(
    distances: Floats, shares: Floats, inside: Floats, structures: tuple[Label, ...]
) -> Array:
    """Binary cross-entropy of the annotated regions, summed over the visible pixels, shape (N,).

    Args:
        distances: Decoded signed distances, shape (N, 3, 128, 96), mm.
        shares: Class shares, shape (N, 4, 128, 96).
        inside: Share of each pixel inside the image, shape (128, 96) or (N, 128, 96).
        structures: What is annotated.
    """
    lv = shares[:, Label.LV]
    regions = {Label.LV: lv, Label.MYO: lv + shares[:, Label.MYO], Label.LA: shares[:, Label.LA]}
    used = [i for i, s in enumerate(regions) if s in structures]
    truth = np.stack([r for s, r in regions.items() if s in structures], axis=1)
    loss = functional.binary_cross_entropy_with_logits(
        torch.from_numpy(-distances[:, used] / np.float32(EDGE_MM)),
        torch.from_numpy(truth.clip(0, 1)),
        reduction="none",
    )
    visible = torch.from_numpy(np.broadcast_to(inside, lv.shape).copy())[:, None]
    return np.asarray((loss * visible).sum((1, 2, 3), dtype=torch.float64).numpy())
