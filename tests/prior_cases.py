"""Drawn hearts, small shape tables and a linear decoder, shared by the tests of the prior."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from cardiovae.labels import Label
from cardiovae.prior.folder import ShapePrior
from cardiovae.prior.grid import KNOT_SHAPE, ORIGIN_MM
from cardiovae.prior.seen import Seen
from cardiovae.prior.shapes import ShapeTable, build_shapes
from cardiovae.prior.state import TrainConfig
from cardiovae.sequence import EchoSequence

torch.set_num_threads(1)  # on networks this small, waking threads takes longer than the work

TINY = TrainConfig(
    latent_dim=8, width=8, batch_size=4, n_steps=4, warmup_steps=2, validate_every=2
)


def ellipse(y, x, center, radii):
    """Below 1 inside the ellipse."""
    return np.hypot((y - center[0]) / radii[0], (x - center[1]) / radii[1])


def drawn_heart(
    size: float = 1.0,
    *,
    spacing: tuple[float, float] = (0.8, 1.1),
    extent_mm: tuple[float, float] = (150.0, 140.0),
    center_mm: tuple[float, float] = (60.0, 70.0),
    wall_mm: float = 11.0,
) -> np.ndarray:
    """Half ellipses of LV and wall, open below, on an atrium as wide as the annulus."""
    shape = tuple(round(e / s) for e, s in zip(extent_mm, spacing, strict=True))
    y = (np.arange(shape[0]) * spacing[0])[:, None]
    x = (np.arange(shape[1]) * spacing[1])[None, :]
    base = center_mm[0] + 30 * size
    half = 20 * size
    lv = (ellipse(y, x, (base, center_mm[1]), (70 * size, half)) < 1) & (y < base)
    outer = (70 * size + wall_mm, half + wall_mm)
    epi = (ellipse(y, x, (base, center_mm[1]), outer) < 1) & (y < base)
    atrium = (ellipse(y, x, (base, center_mm[1]), (36.0, half - 2)) < 1) & (y >= base)
    labels = np.zeros(shape, np.uint8)
    labels[atrium] = Label.LA
    labels[epi] = Label.MYO
    labels[lv] = Label.LV
    return labels


def drawn_sequence(size: float = 1.0, **how) -> EchoSequence:
    """An ED and an ES frame."""
    spacing = how.pop("spacing", (0.8, 1.1))
    frames = [drawn_heart(size * s, spacing=spacing, **how) for s in (1.0, 0.8)]
    return EchoSequence(np.stack(frames, 2), spacing)


def small_table(n: int = 5) -> ShapeTable:
    """Hearts of several sizes, ED and ES."""
    sizes = np.linspace(0.85, 1.15, n)
    return build_shapes((f"patient{i}_A4C", drawn_sequence(s)) for i, s in enumerate(sizes))


class LinearShapes(nn.Module):
    """Distances at the knots that are linear in the code: size, width, shift, tilt, ...

    A heart with three smooth contours that stays valid for small codes, without any training.
    """

    latent_dim = 4
    follows_attributes = False

    def __init__(self) -> None:
        super().__init__()
        y, x = (
            torch.from_numpy((np.arange(n) + 0.5) * 2.8 - origin).float()
            for n, origin in zip(KNOT_SHAPE, ORIGIN_MM, strict=True)
        )
        y, x = torch.meshgrid(y, x, indexing="ij")
        dome = (torch.sqrt((y.clamp(max=30.0) - 30) ** 2 * 0.09 + x**2) - 20) * 0.9
        lv = torch.maximum(dome, y - 30)
        epi = torch.maximum(dome - 11, y - 30)
        la = torch.maximum(torch.sqrt((y - 28) ** 2 * 0.3 + x**2) - 18, 30 - y)
        self.mean = nn.Parameter(torch.stack([lv, epi, la]), requires_grad=False)
        thick = torch.stack([torch.zeros_like(x), torch.ones_like(x), torch.zeros_like(x)])
        modes = [-torch.ones(3, *KNOT_SHAPE), (x / 20).expand(3, -1, -1), thick]
        modes.append((y / 60).expand(3, -1, -1))
        self.modes = nn.Parameter(torch.stack(modes), requires_grad=False)

    def decode(self, z: Tensor) -> Tensor:
        return self.mean + torch.einsum("nd,dchw->nchw", z, self.modes)


def linear_prior(folder, spread: float = 1.5, n: int = 40) -> ShapePrior:
    """A prior whose decoder is linear; `folder` gets a weights file, so that it has a hash."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "weights.safetensors").write_bytes(b"weights")
    rng = np.random.default_rng(5)
    codes = rng.normal(0, spread, (n, LinearShapes.latent_dim))
    seen = Seen(codes, rng.uniform(0.3, 0.6, n))
    network = LinearShapes()
    return ShapePrior(
        network,
        network,
        (seen, seen, seen),
        np.full(n, np.nan),
        np.arange(n) // 2,
        {"name": "linear"},
        folder,
    )
