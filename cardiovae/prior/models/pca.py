"""Principal components of signed distances (Cootes et al., CVIU 61, 1995; Leventon, CVPR 2000).

A heart's code is its coefficients in standard deviations: a linear model, learned in seconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from cardiovae.errors import ModelError
from cardiovae.prior.codec import Floats, knots_of, measured_distances
from cardiovae.prior.grid import CANVAS_MM, KNOT_SHAPE
from cardiovae.prior.modes import CLIP_MM, ShapeModes, knot_distances, principal_modes
from cardiovae.prior.network import LEAST_LOGVAR, N_CLASSES, N_REGIONS, Posterior, ShapeModel

if TYPE_CHECKING:
    from cardiovae.prior.shapes import ShapeTable


class PrincipalComponents(ShapeModel):
    """A mean heart and `latent_dim` modes; `width` is of no concern to it."""

    is_variational = False
    learns_by_steps = False

    def __init__(self, latent_dim: int = 48, width: int = 24) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        # Parameters, so that the model is found where its weights are; nothing learns them.
        shape = (N_REGIONS, *KNOT_SHAPE)
        self.mean = torch.nn.Parameter(torch.zeros(shape), requires_grad=False)
        self.modes = torch.nn.Parameter(torch.zeros(latent_dim, *shape), requires_grad=False)
        self.deviations = torch.nn.Parameter(torch.ones(latent_dim), requires_grad=False)

    def fit(self, shapes: ShapeTable) -> None:
        """Find mean and modes of the training shapes.

        Raises:
            ModelError: Fewer shapes than modes.
        """
        if len(shapes.sequence) <= self.latent_dim:
            raise ModelError(
                f"{len(shapes.sequence)} training shapes have fewer than {self.latent_dim} "
                "principal components; give more, or a smaller train.latent_dim"
            )
        found = principal_modes(knot_distances(shapes), self.latent_dim)
        for name in ("mean", "modes", "deviations"):
            getattr(self, name).copy_(torch.from_numpy(getattr(found, name)))

    def encode(self, maps: Tensor, known: Tensor | None = None) -> Posterior:
        """The least-squares coefficients of inputs (N, 7, 128, 96), by what can be seen."""
        modes = ShapeModes(*(p.detach().cpu().numpy() for p in self.parameters()))
        values = maps.detach().cpu().numpy()
        measured = measured_distances(values[:, :N_CLASSES])
        weights = _known_distances(measured, values[:, N_CLASSES])
        weights[:, 1:] *= values[:, N_CLASSES + 1 :, :1, :1]  # MYO, LA annotated
        target, seen = knots_of(measured).clip(-CLIP_MM, CLIP_MM), knots_of(weights)
        fitted = np.stack([modes.fit(t, w) for t, w in zip(target, seen, strict=True)])
        mu = torch.from_numpy(fitted / modes.deviations).to(maps)
        return Posterior(mu, torch.full_like(mu, LEAST_LOGVAR))

    def decode(self, z: Tensor, known: Tensor | None = None) -> Tensor:
        """Signed distances in mm of codes (N, D), shape (N, 3, 64, 48)."""
        distances: Tensor = self.mean + torch.tensordot(z * self.deviations, self.modes, 1)
        return distances


def _known_distances(measured: Floats, inside: Floats) -> Floats:
    """1 where a distance is known: inside the image, and nearer than the image's border, else 0.

    What the border cuts off may go on, so a contour that is no nearer than it tells nothing.
    """
    weights = np.repeat(inside[:, None], measured.shape[1], 1).astype(np.float32)
    for weight, found, visible in zip(weights, measured, inside > 0.5, strict=True):
        if not visible.all():
            to_border = CANVAS_MM * ndimage.distance_transform_edt(visible)
            weight *= np.minimum(np.abs(found), CLIP_MM) <= to_border
    return weights


MODEL = PrincipalComponents
