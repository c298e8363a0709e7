"""Training shapes as a network sees them, unchanged: their codes, and what the codes leave out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cardiovae.labels import STRUCTURES, Label
from cardiovae.prior.augment import network_input, only, shares
from cardiovae.prior.codec import misfit_mm
from cardiovae.prior.grid import knots_to_canvas
from cardiovae.prior.network import ShapeModel
from cardiovae.prior.shapes import MARGIN_PX, ShapeTable


def schemes(whole: tuple[Label, ...] = STRUCTURES) -> tuple[tuple[Label, ...], ...]:
    """What may be annotated of a heart: LV alone, LV and MYO, all."""
    return whole[:1], whole[:2], whole


@dataclass(frozen=True, eq=False)
class Seen:
    """Shapes as a network sees them: codes (N, D), and their misfits in mm, (N,)."""

    codes: NDArray[np.floating]
    misfit_mm: NDArray[np.floating]


def seen_with(
    network: ShapeModel, shapes: ShapeTable, structures: tuple[Label, ...] = STRUCTURES
) -> Seen:
    """Unchanged shapes as the network sees them when only `structures` are annotated."""
    network.eval()
    codes, misfits = [], []
    rows, cols = (torch.from_numpy(m) for m in knots_to_canvas())
    measured = shapes.distances[:, :3, MARGIN_PX:-MARGIN_PX, MARGIN_PX:-MARGIN_PX]
    first = 0
    with torch.no_grad():
        for classes, inside in plain_batches(shapes):
            z = network.encode(network_input(only(classes, structures), inside, structures)).mu
            decoded = (rows @ network.decode(z) @ cols.T).numpy()
            truth = measured[first : first + len(z)].astype(np.float32)
            misfits.append(misfit_mm(truth, decoded, inside[:, 0].numpy(), structures))
            codes.append(z.numpy())
            first += len(z)
    return Seen(np.concatenate(codes), np.concatenate(misfits))


def plain_batches(shapes: ShapeTable, size: int = 100) -> Iterator[tuple[Tensor, Tensor]]:
    """Class shares on the canvas, cut at the image, and the share inside it; no augmentation."""
    m = MARGIN_PX
    for first in range(0, shapes.sequence.size, size):
        part = shapes.distances[first : first + size, :, m:-m, m:-m].astype(np.float32)
        classes, inside = shares(torch.from_numpy(part))
        classes = classes * inside
        classes[:, 0] += 1 - inside[:, 0]
        yield classes, inside
