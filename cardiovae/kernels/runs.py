"""A label map as runs: maximal stretches of one label within a row.

An anatomical label map of 256 x 256 pixels has about a thousand runs. What asks for connectivity
(pieces, holes, gaps, frontiers) needs the runs and which of them touch, never the pixels.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cardiovae.kernels.compiled import inner, kernel

Ints = NDArray[np.int32]
OTHER = 4  # stands for every label above 3


class Runs(NamedTuple):
    """The runs of a frame, in raster order, and which of them touch.

    Attributes:
        first: Index of the first run of every row, and the number of runs; shape (rows + 1,).
        start: First column of every run, shape (N,).
        stop: The column after its last, shape (N,).
        label: Its label, 4 for all labels above 3; shape (N,), uint8.
        edges: Pairs of runs that share a pixel edge, within a row and across two, shape (E, 2);
            the earlier run of a pair comes first.
        corners: Pairs of runs that only share a pixel corner, shape (C, 2).
    """

    first: Ints
    start: Ints
    stop: Ints
    label: NDArray[np.uint8]
    edges: Ints
    corners: Ints


def plain(labels: NDArray[np.generic]) -> NDArray[np.uint8]:
    """A label map, shape (H, W), of any type and layout, as kernels take it; copies if it must.

    C-contiguous and read-only, so that kernels are compiled for one type only; what is none of
    the labels 0 to 3 becomes 4 where it is not uint8 already.
    """
    if labels.dtype != np.uint8:
        known = [labels == value for value in range(OTHER)]
        labels = np.select(known, range(OTHER), OTHER).astype(np.uint8)
    contiguous = np.ascontiguousarray(labels, np.uint8).view()
    contiguous.flags.writeable = False
    return contiguous


def encode(labels: NDArray[np.uint8], *, framed: bool = True) -> Runs:
    """The runs of a label map.

    Args:
        labels: The label map, shape (H, W), as `plain` returns it.
        framed: Add one row and column of background on every side. Rows and columns of the
            result then count from there: pixel (0, 0) is at (1, 1), and run 0 is outside.
    """
    first, start, stop, label = _scan(labels, framed)
    return Runs(first, start, stop, label, *_touching(first, start, stop))


@kernel
def _scan(labels: NDArray[np.uint8], framed: bool) -> tuple[Ints, Ints, Ints, NDArray[np.uint8]]:
    """Runs of every row: (first, start, stop, label) of `Runs`."""
    height, width = labels.shape
    pad = 1 if framed else 0
    changes = _count_changes(labels, pad)
    capacity = height + 2 * pad
    for row in range(height):
        capacity += changes[row]
    first = np.empty(height + 2 * pad + 1, np.int32)
    start = np.empty(capacity, np.int32)
    stop = np.empty(capacity, np.int32)
    label = np.empty(capacity, np.uint8)
    n = 0
    for row in range(height + 2 * pad):
        first[row] = n
        start[n], label[n] = 0, 0
        if pad <= row < height + pad:
            pixels = labels[row - pad]
            label[n] = 0 if framed else min(pixels[0], OTHER)
            if changes[row - pad] > 0:
                n = _scan_row(pixels, pad, start, stop, label, n)
        stop[n] = width + 2 * pad
        n += 1
    first[height + 2 * pad] = n
    return first, start[:n], stop[:n], label[:n]


@inner
def _count_changes(labels: NDArray[np.uint8], pad: int) -> NDArray[np.int64]:
    """How often the label changes along each row, the frame around it included."""
    height, width = labels.shape
    changes = np.zeros(height, np.int64)
    for row in range(height):
        pixels = labels[row]
        count = 0
        for col in range(1, width):
            count += pixels[col] != pixels[col - 1]
        if pad:
            count += (pixels[0] != 0) + (pixels[width - 1] != 0)
        changes[row] = count
    return changes


@inner
def _scan_row(
    pixels: NDArray[np.uint8],
    pad: int,
    start: Ints,
    stop: Ints,
    label: NDArray[np.uint8],
    n: int,
) -> int:
    """Close run `n` and open the next wherever the label changes; index of the last run."""
    last = pixels[0]
    if pad:
        last = np.uint8(0)
    for col in range(pixels.size):
        if pixels[col] != last:
            last = pixels[col]
            stop[n] = col + pad
            n += 1
            start[n], label[n] = col + pad, min(last, OTHER)
    if pad and last != 0:
        stop[n] = pixels.size + pad
        n += 1
        start[n], label[n] = pixels.size + pad, 0
    return n


@kernel
def _touching(first: Ints, start: Ints, stop: Ints) -> tuple[Ints, Ints]:
    """Pairs of runs that share an edge, and those that only share a corner."""
    edges = np.empty((3 * start.size, 2), np.int32)
    corners = np.empty((2 * start.size, 2), np.int32)
    n_edges = n_corners = 0
    for row in range(first.size - 1):
        for run in range(first[row] + 1, first[row + 1]):
            edges[n_edges, 0], edges[n_edges, 1] = run - 1, run
            n_edges += 1
    for row in range(first.size - 2):
        upper, lower = first[row], first[row + 1]
        last_upper, last_lower = first[row + 1] - 1, first[row + 2] - 1
        edges[n_edges, 0], edges[n_edges, 1] = upper, lower
        n_edges += 1
        while upper < last_upper or lower < last_lower:
            ahead = stop[upper] - stop[lower]
            if ahead == 0:  # both end here: the two that follow touch the other at a corner
                corners[n_corners, 0], corners[n_corners, 1] = upper, lower + 1
                corners[n_corners + 1, 0], corners[n_corners + 1, 1] = upper + 1, lower
                n_corners += 2
            upper += ahead <= 0
            lower += ahead >= 0
            edges[n_edges, 0], edges[n_edges, 1] = upper, lower
            n_edges += 1
    return edges[:n_edges], corners[:n_corners]
