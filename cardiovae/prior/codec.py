"""The only place where label map sequences (H, W, T) become maps (T, C, H, W), and back."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from cardiovae.labels import STRUCTURES, Label
from cardiovae.prior.augment import network_input
from cardiovae.prior.grid import CANVAS_MM, Placement, knots_to_canvas
from cardiovae.prior.network import ShapeVAE
from cardiovae.prior.shapes import FAR_MM

Floats = NDArray[np.float32]

# A wall thinner than this is no wall: it is given to the cavity. Far below the thinnest real one
# (1st percentile of CAMUS: 5 mm), far above what two decoded contours that coincide differ by.
THINNEST_WALL_MM = 1.2
# Likewise a slit this narrow between the cavity and the atrium belongs to the atrium, and so does
# a single pixel that heart and atrium shut in this close to the cavity. Slits beside the wall stay
# open: closing them too makes wall and atrium touch along more than they do in real hearts (of
# CAMUS masks decoded on the 224 grid, 37 % passed `camus-public` so, 81 % this way; `camus` 98 %).
NARROWEST_SLIT_MM = 1.2
PINHOLE_MM = 3.0


def to_canvas(labels: NDArray[np.uint8], placement: Placement) -> tuple[Floats, Floats]:
    """Class shares of a label map sequence (H, W, T) on the canonical grid.

    Returns:
        Shares (T, 4, 128, 96), the image's border being repeated outside of it; and the share of
        each pixel inside the image, (128, 96).
    """
    rows, cols = placement.to_canvas()
    frames = np.moveaxis(labels, 2, 0)
    shares = np.empty((frames.shape[0], 4, rows.shape[0], cols.shape[0]), np.float32)
    for structure in STRUCTURES:
        shares[:, structure] = separable(rows, (frames == structure).astype(np.float32), cols)
    shares[:, 0] = 1 - shares[:, 1:].sum(1)
    return shares, placement.inside()


def encode(
    network: ShapeVAE, shares: Floats, inside: Floats, structures: tuple[Label, ...]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Posterior means and standard deviations (T, D) of class shares (T, 4, 128, 96)."""
    visible = np.broadcast_to(inside, (shares.shape[0], 1, *inside.shape))
    seen = shares * visible  # outside the image the network knows background alone
    seen[:, 0] += 1 - visible[:, 0]
    classes, shown = tensors(network, seen, visible)
    with torch.no_grad():
        mu, logvar = network.encode(network_input(classes, shown, structures))
    return mu.cpu().double().numpy(), torch.exp(0.5 * logvar).cpu().double().numpy()


def decode(network: ShapeVAE, codes: NDArray[np.floating]) -> Floats:
    """Signed distances in mm to LV, LV + MYO and LA at the knots, (T, 3, 64, 48), of codes (T, D).

    Decoded in batches, so that a bank's worth of codes does not fill the memory.
    """
    device = next(network.parameters()).device
    z = torch.from_numpy(np.ascontiguousarray(codes, dtype=np.float32)).to(device)
    with torch.no_grad():
        parts = [network.decode(part).cpu() for part in torch.split(z, 256)]
    # The network works channels-last; matrix products of such strides would miss BLAS.
    return np.ascontiguousarray(torch.cat(parts).numpy(), np.float32)


def canvas_distances(knots: Floats) -> Floats:
    """Distances at the knots (T, 3, 64, 48) interpolated on the canvas, (T, 3, 128, 96)."""
    rows, cols = knots_to_canvas()
    return separable(rows, knots, cols)


def native_distances(knots: Floats, placement: Placement) -> Floats:
    """Distances at the knots (T, 3, 64, 48) interpolated on the native grid, (T, 3, H, W)."""
    rows, cols = placement.to_native()
    return separable(rows, knots, cols)


def separable(rows: Floats, maps: Floats, cols: Floats) -> Floats:
    """`rows @ map @ cols.T` for each of the maps (..., m, n), shape (..., len(rows), len(cols)).

    Torch multiplies stacks of small matrices without waking threads for each: on a busy machine
    numpy's threaded BLAS took a hundred times as long.
    """
    left, middle, right = (torch.from_numpy(np.ascontiguousarray(a)) for a in (rows, maps, cols))
    return np.asarray((left @ middle @ right.T).numpy(), np.float32)


def compose(distances: Floats, structures: tuple[Label, ...]) -> NDArray[np.uint8]:
    """Label maps (H, W, T) of signed distances (T, 3, H, W) in mm.

    The regions are nested, so no gap between cavity and wall can arise: the wall is what of the
    epicardium is not cavity. Walls thinner than `THINNEST_WALL_MM` and slits between cavity and
    atrium narrower than `NARROWEST_SLIT_MM` are closed.
    """
    lv, epi, la = np.moveaxis(distances, 1, 0)
    cavity = lv < 0
    labels = np.zeros(lv.shape, np.uint8)
    if Label.LA in structures:
        # Between two contours the distances to both add up to the width of the slit.
        slit = np.maximum(la, 0) + np.maximum(lv, 0) < NARROWEST_SLIT_MM
        labels[(la < 0) | slit] = Label.LA
    if Label.MYO in structures:
        heart = (epi < 0) | cavity
        cavity |= heart & (lv - epi < THINNEST_WALL_MM)
        labels[heart] = Label.MYO
    labels[cavity] = Label.LV
    if Label.LA in structures:
        labels[_pinholes(labels) & (lv < PINHOLE_MM)] = Label.LA
    return np.ascontiguousarray(np.moveaxis(labels, 0, 2))


def _pinholes(labels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Background pixels of (T, H, W) whose four neighbors are foreground."""
    heart = labels != Label.BACKGROUND
    shut_in = np.zeros_like(heart)
    shut_in[:, 1:-1, 1:-1] = (
        heart[:, 2:, 1:-1] & heart[:, :-2, 1:-1] & heart[:, 1:-1, 2:] & heart[:, 1:-1, :-2]
    )
    return np.asarray(shut_in & ~heart)


def measured_distances(shares: Floats) -> Floats:
    """Signed distances in mm of class shares (T, 4, 128, 96), sub-pixel, shape (T, 3, 128, 96).

    The contour inside a partly covered pixel lies (share - 1/2) pixels outwards of its center, so
    distances are taken to the nearest such pixel and corrected by that offset. Clipped at
    `FAR_MM`; a region that is absent is that far away.
    """
    lv = shares[:, Label.LV]
    regions = np.stack([lv, lv + shares[:, Label.MYO], shares[:, Label.LA]], 1)
    n = regions.shape[0] * regions.shape[1]
    flat = [_subpixel_distance(region) for region in regions.reshape(n, *regions.shape[2:])]
    return np.stack(flat).reshape(regions.shape)


def _subpixel_distance(share: Floats) -> Floats:
    """Signed distance in mm of one region's coverage, shape (128, 96)."""
    if not (share > 0.5).any():
        return np.full(share.shape, FAR_MM, np.float32)
    partly = (share > 0.02) & (share < 0.98)
    inner = share > 0.5
    full = ~partly
    edge = partly.copy()
    for axis in (0, 1):
        a, b = (np.moveaxis(x, axis, 0) for x in (inner, full))
        jump = (a[1:] != a[:-1]) & b[1:] & b[:-1]
        target = np.moveaxis(edge, axis, 0)
        target[1:] |= jump
        target[:-1] |= jump
    distance, nearest = ndimage.distance_transform_edt(~edge, return_indices=True)
    offset = 0.5 - share[nearest[0], nearest[1]]
    signed = np.where(inner, -distance, distance) + offset
    return np.asarray(np.clip(signed * CANVAS_MM, -FAR_MM, FAR_MM), np.float32)


def knots_of(canvas: Floats) -> Floats:
    """Canvas maps (..., 128, 96) averaged over the pixels of each knot, (..., 64, 48)."""
    *lead, height, width = canvas.shape
    blocks = canvas.reshape(*lead, height // 2, 2, width // 2, 2)
    return np.asarray(blocks.mean((-3, -1)), np.float32)


def tensors(network: ShapeVAE, *arrays: NDArray[np.floating]) -> tuple[Tensor, ...]:
    """Arrays as float32 tensors on the network's device."""
    device = next(network.parameters()).device
    return tuple(torch.from_numpy(np.ascontiguousarray(a, np.float32)).to(device) for a in arrays)
