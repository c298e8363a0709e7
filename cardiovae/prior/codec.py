"""The only place where label map sequences (H, W, T) become maps (T, C, H, W), and back."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree
from torch import Tensor

from cardiovae.labels import Label
from cardiovae.prior.augment import network_input
from cardiovae.prior.grid import CANVAS_MM, Placement, knots_to_canvas
from cardiovae.prior.network import ShapeModel
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
SEPTAL_SLIT_MM = 2.5  # the septum is the wall of both ventricles: nothing lies between
NEAR_MM = 1.5  # pixels so close to a contour stand for it in the misfit
EXACT_MM = 6.0  # so close to a contour its distance is measured exactly


def to_canvas(labels: NDArray[np.uint8], placement: Placement) -> tuple[Floats, Floats]:
    """Class shares of a label map sequence (H, W, T) on the canonical grid.

    The classes are background, LV, MYO and the neighbor, LA or RV.

    Returns:
        Shares (T, 4, 128, 96), the image's border being repeated outside of it; and the share of
        each pixel inside the image, (128, 96).
    """
    rows, cols = placement.to_canvas()
    frames = placement.upright(np.moveaxis(labels, 2, 0))
    shares = np.empty((frames.shape[0], 4, rows.shape[0], cols.shape[0]), np.float32)
    masks = (frames == Label.LV, frames == Label.MYO, frames > Label.MYO)
    for channel, mask in enumerate(masks, start=1):
        shares[:, channel] = separable(rows, mask.astype(np.float32), cols)
    shares[:, 0] = 1 - shares[:, 1:].sum(1)
    return shares, placement.inside()


def encode(
    network: ShapeModel, shares: Floats, inside: Floats, structures: tuple[Label, ...]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Posterior means and standard deviations (T, D) of class shares (T, 4, 128, 96)."""
    device = next(network.parameters()).device
    maps = visible_input(shares, inside, structures).to(device)
    with torch.no_grad():
        mu, logvar = network.encode(maps)
    return mu.cpu().double().numpy(), torch.exp(0.5 * logvar).cpu().double().numpy()


def visible_input(shares: Floats, inside: Floats, structures: tuple[Label, ...]) -> Tensor:
    """Network input (T, 7, 128, 96) of class shares (T, 4, 128, 96): background alone outside."""
    visible = np.broadcast_to(inside, (shares.shape[0], 1, *inside.shape))
    seen = shares * visible
    seen[:, 0] += 1 - visible[:, 0]
    classes, shown = (torch.tensor(a, dtype=torch.float32) for a in (seen, visible))
    return network_input(classes, shown, structures)


def decode(network: ShapeModel, codes: NDArray[np.floating]) -> Floats:
    """Signed distances in mm to LV, LV + MYO and neighbor at the knots of codes (T, D).

    Shape (T, 3, 64, 48). Decoded in batches, so that a bank's worth of codes does not fill the
    memory.
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
    return placement.native(separable(rows, knots, cols))


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
    epicardium is not cavity. Beside an atrium walls thinner than `THINNEST_WALL_MM` and slits
    between cavity and atrium narrower than `NARROWEST_SLIT_MM` are closed; beside a right
    ventricle the wall is closed around the cavity, and so is what narrows to `SEPTAL_SLIT_MM`
    between the two.
    """
    lv, epi, beside = np.moveaxis(distances, 1, 0)
    labels = np.zeros(lv.shape, np.uint8)
    cavity = lv < 0
    # Between two contours the distances to both add up to the width of the slit.
    if Label.LA in structures:
        slit = np.maximum(beside, 0) + np.maximum(lv, 0) < NARROWEST_SLIT_MM
        labels[(beside < 0) | slit] = Label.LA
    elif Label.RV in structures:
        slit = np.maximum(beside, 0) + np.maximum(epi, 0) < SEPTAL_SLIT_MM
        labels[(beside < 0) | slit] = Label.RV
    if Label.MYO in structures:
        heart = (epi < 0) | cavity
        if Label.RV in structures:
            cavity &= ~ndimage.binary_dilation(~heart, np.ones((1, 3, 3), bool))
        else:
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

    The contour is the polygon through the points between pixel centers where coverage passes one
    half. Within `EXACT_MM` distances are those to the polygon (0.03 mm mean error, 0.15 mm at
    most on circles), farther off they are good to half a pixel. Clipped at `FAR_MM`; a region that
    is absent is that far away.
    """
    lv, myo, beside = shares[:, 1], shares[:, 2], shares[:, 3]
    regions = np.stack([lv, lv + myo, beside], 1)
    n = regions.shape[0] * regions.shape[1]
    flat = [_subpixel_distance(region) for region in regions.reshape(n, *regions.shape[2:])]
    return np.stack(flat).reshape(regions.shape)


def _subpixel_distance(share: Floats) -> Floats:
    """Signed distance in mm of one region's coverage, shape (128, 96)."""
    inner = share > 0.5
    if inner.all() or not inner.any():
        return np.full(share.shape, -FAR_MM if inner.all() else FAR_MM, np.float32)
    signed = np.where(
        inner,
        0.5 - ndimage.distance_transform_edt(inner),
        ndimage.distance_transform_edt(~inner) - 0.5,
    )
    near = np.abs(signed) < EXACT_MM / CANVAS_MM
    exact = _polygon_distance(np.argwhere(near), _crossings(share))
    signed[near] = np.where(inner[near], -exact, exact)
    return np.asarray(np.clip(signed * CANVAS_MM, -FAR_MM, FAR_MM), np.float32)


def _crossings(share: Floats) -> NDArray[np.float64]:
    """Points (M, 2) in pixels between neighboring centers where the contour passes.

    Both pixels together say how far the region reaches into the pair, whatever its slope.
    """
    found = []
    for axis in (0, 1):
        across = np.moveaxis(share, axis, 0)
        i, j = np.nonzero((across[:-1] > 0.5) != (across[1:] > 0.5))
        first, second = across[i, j], across[i + 1, j]
        covered = np.clip(first + second - 0.5, 0, 1)
        points = np.stack([i + np.where(first > second, covered, 1 - covered), j], 1)
        found.append(points if axis == 0 else points[:, ::-1])
    return np.concatenate(found)


def _polygon_distance(at: NDArray[np.intp], corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distances of points (N, 2) to the sides that their nearest of corners (M, 2) may have."""
    rows = np.asarray(cKDTree(corners).query(at, k=range(1, 1 + min(3, len(corners))))[1])
    start = corners[rows[:, 0]]
    found = np.linalg.norm(at - start, axis=1)
    for other in rows.T[1:]:
        side = corners[other] - start
        squared = (side**2).sum(1)
        along = (((at - start) * side).sum(1) / np.maximum(squared, 1e-9)).clip(0, 1)
        distance = np.linalg.norm(at - start - along[:, None] * side, axis=1)
        # Corners of one side share a cell; two that are farther apart have none between them.
        found = np.where(squared < 2.1, np.minimum(found, distance), found)
    return np.asarray(found)


def misfit_mm(
    measured: Floats, decoded: Floats, inside: Floats, structures: tuple[Label, ...]
) -> NDArray[np.float64]:
    """How far decoded contours lie from measured ones, mean over the contours, shape (T,), mm.

    Over the annotated structures' contours inside the image (their pixels within `NEAR_MM`);
    NaN for a frame without any.

    Args:
        measured: Signed distances, shape (T, 3, 128, 96), mm.
        decoded: Those of the codes, same shape.
        inside: Share of each pixel inside the image, shape (128, 96) or (T, 128, 96).
        structures: Annotated structures.
    """
    used = list(range(len(structures)))
    seen = np.broadcast_to(inside, (measured.shape[0], *measured.shape[2:])) > 0.5
    near = (np.abs(measured[:, used]) < NEAR_MM) & seen[:, None]
    apart = np.abs(measured[:, used] - decoded[:, used].clip(-FAR_MM, FAR_MM))
    count = near.sum((1, 2, 3))
    total = np.where(near, apart, 0.0).sum((1, 2, 3), dtype=np.float64)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def knots_of(canvas: Floats) -> Floats:
    """Canvas maps (..., 128, 96) averaged over the pixels of each knot, (..., 64, 48)."""
    *lead, height, width = canvas.shape
    blocks = canvas.reshape(*lead, height // 2, 2, width // 2, 2)
    return np.asarray(blocks.mean((-3, -1)), np.float32)


def tensors(network: ShapeModel, *arrays: NDArray[np.floating]) -> tuple[Tensor, ...]:
    """Copies of arrays as float32 tensors on the network's device."""
    device = next(network.parameters()).device
    return tuple(torch.tensor(a, dtype=torch.float32, device=device) for a in arrays)
