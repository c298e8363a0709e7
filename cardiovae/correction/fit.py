"""Codes fitted to the sound part of a mask.

A broken mask's own code lies far from its heart, and moving from there costs accuracy. The encoder
was trained on damaged masks, so its code is a good start; from there a few gradient steps minimize
a robust distance between the decoded contours and the mask's: a Geman-McClure loss, in which what
is far off (a leak, an island, a missing wall) counts little, and a pull back to the start.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from cardiovae.correction.config import FitConfig
from cardiovae.labels import Label
from cardiovae.prior.codec import Floats, tensors
from cardiovae.prior.folder import ShapePrior


def fit_codes(
    prior: ShapePrior,
    start: NDArray[np.float64],
    measured: Floats,
    inside: Floats,
    structures: tuple[Label, ...],
    config: FitConfig,
) -> NDArray[np.float64]:
    """Codes (T, D) whose decoded contours follow the sound part of measured ones.

    Args:
        prior: The shape prior.
        start: Codes to start from, shape (T, D).
        measured: Signed distances of the input at the knots, shape (T, 3, 64, 48), mm.
        inside: Share of each knot inside the image, shape (64, 48).
        structures: Annotated structures; the others' regions are left out.
        config: Settings.
    """
    if start.shape[0] == 0 or config.n_steps == 0:
        return start
    center, spread = prior.codes.mean(0), prior.codes.std(0)
    used = list(range(len(structures)))
    network = prior.network
    target, visible, mean, scale, z0 = tensors(
        network, measured[:, used], inside, center, spread, start
    )
    clip = 4 * config.near_mm
    target = target.clamp(-clip, clip)
    first = (z0 - mean) / scale
    unit = first.clone().requires_grad_(True)
    optimizer = torch.optim.Adam([unit], lr=config.step, betas=(0.8, 0.95))
    for step in range(config.n_steps):
        for group in optimizer.param_groups:
            group["lr"] = config.step * (1 - step / config.n_steps)
        decoded = network.decode(mean + scale * unit)[:, used].clamp(-clip, clip)
        nearest = torch.minimum(decoded.detach().abs(), target.abs())
        weight = visible * torch.exp(-nearest / config.near_mm)
        error = (decoded - target) ** 2
        robust = error / (1 + error / config.scale_mm**2)
        loss = ((robust * weight).sum((1, 2, 3)) / weight.sum((1, 2, 3)).clamp_min(1e-6)).sum()
        loss = loss + config.anchor * ((unit - first) ** 2).mean(1).sum()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    fitted = (mean + scale * unit.detach()).cpu().double().numpy()
    return np.asarray(fitted, np.float64)
