"""Conditional VAE (Sohn et al., NeurIPS 2015): told the view, the instant and what is annotated.

What is told need not be coded, so the code is what is left: the patient. Each fact is withheld at
random in training, so that a model that is told nothing still works.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from cardiovae.prior.network import Learned, Posterior, ShapeNetwork, gaussian
from cardiovae.prior.objective import kl_divergence

if TYPE_CHECKING:
    from cardiovae.prior.augment import Batch
    from cardiovae.prior.state import ObjectiveConfig

WITHHELD = 0.3  # share of the items that are not told the view, and likewise the instant
N_KNOWN = 6


class ConditionalVAE(ShapeNetwork):
    """Encoder and decoder are told what `facts` says of each item."""

    n_known = N_KNOWN

    def encode(self, maps: Tensor, known: Tensor | None = None) -> Posterior:
        """Posterior of inputs (N, 7, 128, 96) and facts (N, 6); None: nothing is known."""
        features = self.encoder(maps)
        told = torch.cat([features, _or_nothing(known, features)], 1)
        return gaussian(self.to_posterior(told))

    def decode(self, z: Tensor, known: Tensor | None = None) -> Tensor:
        """Signed distances (N, 3, 64, 48) in mm of codes (N, D) and facts (N, 6)."""
        return super().decode(torch.cat([z, _or_nothing(known, z)], 1))

    def learn(self, batch: Batch, weights: ObjectiveConfig, generator: torch.Generator) -> Learned:
        """Decode a draw of each posterior, the facts being told to both halves."""
        told = torch.rand((len(batch.instant), 2), generator=generator) >= WITHHELD
        told = told.to(batch.instant.device)
        view = torch.where(told[:, 0], batch.view, torch.nan)
        instant = torch.where(told[:, 1], batch.instant, torch.nan)
        known = facts(view, instant, batch.inputs[:, 5:, 0, 0])
        posterior = self.encode(batch.inputs, known)
        decoded = self.decode(posterior.sample(generator), known)
        return Learned(decoded, {"beta": kl_divergence(posterior)})


def facts(view: Tensor, instant: Tensor, annotated: Tensor) -> Tensor:
    """What the model is told of N items, shape (N, 6).

    Args:
        view: 0 for A2C, 1 for A4C, NaN where unknown, shape (N,).
        instant: Cardiac instant, ED 0 to ES 1, NaN where unknown, shape (N,).
        annotated: Whether MYO and LA are annotated, shape (N, 2).

    Examples:
        >>> nothing = torch.tensor([torch.nan])
        >>> facts(torch.tensor([1.0]), nothing, torch.ones(1, 2)).tolist()
        [[1.0, 1.0, 0.0, 0.0, 1.0, 1.0]]
    """
    parts = []
    for value in (view, instant):
        is_known = torch.isfinite(value)
        parts += [is_known.to(annotated.dtype), torch.where(is_known, value, 0.0)]
    return torch.cat([torch.stack(parts, 1).to(annotated.dtype), annotated], 1)


def _or_nothing(known: Tensor | None, like: Tensor) -> Tensor:
    """The facts, or those of whole hearts of unknown view and instant."""
    if known is not None:
        return known
    nothing = like.new_zeros((len(like), N_KNOWN))
    nothing[:, 4:] = 1
    return nothing


MODEL = ConditionalVAE
