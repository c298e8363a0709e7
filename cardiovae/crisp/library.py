"""The library: whole hearts in many places and sizes, each with its place in the joint space.

Few hearts are kept as maps; an entry is one of them moved, so that ten thousand take little room.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from cardiovae.crisp.network import CrispNetwork
from cardiovae.prior.augment import network_input
from cardiovae.prior.grid import CANVAS_MM, CANVAS_SHAPE, ORIGIN_MM

Floats = NDArray[np.float32]
CHUNK = 256


@dataclass(frozen=True)
class LibraryConfig:
    """What a library holds.

    Args:
        prior: Name or folder of the prior whose valid codes are the hearts; empty takes the valid
            references of training and validation patients, which then lie in the folder.
        n_hearts: Different hearts.
        n_entries: Entries in all (CRISP on CAMUS: 9000).
        rotation_deg, log_scale, shift_mm: Standard deviations of how a heart is moved.
        seed: Of the moves.
    """

    prior: str = ""
    n_hearts: int = 1200
    n_entries: int = 9000
    rotation_deg: float = 6.0
    log_scale: float = 0.06
    shift_mm: float = 5.0
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Library:
    """Valid masks with their places in the joint space.

    Args:
        codes: Unit vectors, shape (n, J).
        hearts: Label maps on the canonical grid, shape (B, 128, 96), uint8.
        heart: Which of them each entry is, shape (n,).
        moves: Where each entry takes its pixels from, shape (n, 2, 3), in the units of
            `torch.nn.functional.affine_grid`.
    """

    codes: Floats
    hearts: NDArray[np.uint8]
    heart: NDArray[np.int64]
    moves: Floats

    def __len__(self) -> int:
        return len(self.codes)

    def masks(self, entries: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Label maps of entries, shape (len(entries), 128, 96)."""
        maps = torch.from_numpy(self.hearts[self.heart[entries]])
        moved = _moved(maps[:, None].float(), torch.from_numpy(self.moves[entries]), "nearest")
        return np.asarray(moved[:, 0].to(torch.uint8).numpy())


def build_library(
    network: CrispNetwork, hearts: NDArray[np.uint8], config: LibraryConfig
) -> Library:
    """A library of label maps (B, 128, 96) of whole hearts on the canonical grid.

    Every heart is in it once as it is; the other entries are drawn and moved at random.
    """
    rng = np.random.default_rng(config.seed)
    hearts = hearts[: config.n_hearts]
    n = max(config.n_entries, len(hearts))
    heart = np.concatenate([np.arange(len(hearts)), rng.choice(len(hearts), n - len(hearts))])
    moves = draw_moves(n, config, rng)
    moves[: len(hearts)] = np.eye(2, 3)
    codes = np.concatenate(
        [
            embed_moved(network, hearts[heart[rows]], moves[rows])
            for rows in (slice(a, a + CHUNK) for a in range(0, n, CHUNK))
        ]
    )
    return Library(codes, hearts, heart, moves)


def embed_moved(network: CrispNetwork, labels: NDArray[np.uint8], moves: Floats) -> Floats:
    """Unit vectors (n, J) of label maps (n, 128, 96), each moved."""
    one_hot = functional.one_hot(torch.from_numpy(labels).long(), 4).permute(0, 3, 1, 2).float()
    moved = _moved(one_hot, torch.from_numpy(moves), "bilinear")
    device = next(network.parameters()).device
    with torch.no_grad():
        found = network.embed_masks(network_input(moved, torch.ones_like(moved[:, :1])).to(device))
    return np.asarray(found.cpu().numpy(), np.float32)


def draw_moves(n: int, config: LibraryConfig, rng: np.random.Generator) -> Floats:
    """Random rotations, scales and shifts around the heart's center, shape (n, 2, 3)."""
    angle = np.deg2rad(rng.normal(0, config.rotation_deg, n))
    scale = np.exp(rng.normal(0, config.log_scale, n))
    shift = rng.normal(0, config.shift_mm, (n, 2))  # (row, col) in mm
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    back = np.moveaxis(turn, 2, 0) / scale[:, None, None]  # from moved to original, (row, col)
    half = np.array(CANVAS_SHAPE) * CANVAS_MM / 2
    center = np.array(ORIGIN_MM) - half
    offset = center - np.einsum("nij,nj->ni", back, center + shift)
    # affine_grid wants (col, row), in half extents.
    linear = (back / half[:, None] * half[None, :])[:, ::-1, ::-1]
    found = np.concatenate([linear, (offset / half)[:, ::-1, None]], axis=2)
    return np.ascontiguousarray(found, np.float32)


def _moved(maps: Tensor, moves: Tensor, mode: str) -> Tensor:
    grid = functional.affine_grid(moves, list(maps.shape), align_corners=False)
    return functional.grid_sample(
        maps, grid, mode=mode, padding_mode="border", align_corners=False
    )
