"""Connected pieces of runs by union-find: what is in one piece, what is enclosed, by whom.

Structures are 8-connected. Galler and Fischer, "An improved equivalence algorithm", CACM 7(5),
1964, on runs instead of pixels.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cardiovae.kernels.compiled import inner, kernel
from cardiovae.kernels.runs import OTHER, Ints

Counts = NDArray[np.int64]
BORDERS = 1 << (OTHER + 1)  # how many sets of labels there are


@inner
def alone(n: int) -> Ints:
    """Parents of `n` nodes, each a piece of its own."""
    parent = np.empty(n, np.int32)
    for node in range(n):
        parent[node] = node
    return parent


@inner
def find(parent: Ints, node: int) -> int:
    """The root of `node`; shortens the way there."""
    while parent[node] != node:
        parent[node] = parent[parent[node]]
        node = parent[node]
    return node


@inner
def unite(parent: Ints, one: int, other: int) -> None:
    """Make one piece of the pieces of two nodes; its root is the first node of both."""
    one, other = find(parent, one), find(parent, other)
    if one < other:
        parent[other] = one
    else:
        parent[one] = other


@kernel
def largest_pieces(
    start: Ints, stop: Ints, label: NDArray[np.uint8], edges: Ints, corners: Ints
) -> Counts:
    """Pixels, those of the largest 8-connected piece, pieces and holes of every label.

    Holes are 4-connected regions around which one piece closes; their number is that of the
    pieces less the Euler number, which is runs less touching pairs of runs (Gray, "Local
    properties of binary images in two dimensions", IEEE Trans. Computers C-20(5), 1971).

    Returns:
        Shape (5, 4); holes are those of labels up to 3 only.
    """
    parent = alone(start.size)
    found = np.zeros((OTHER + 1, 4), np.int64)
    for k in range(len(edges)):
        if label[edges[k, 0]] == label[edges[k, 1]]:
            found[label[edges[k, 0]], 3] += 1
            unite(parent, edges[k, 0], edges[k, 1])
    for k in range(len(corners)):
        if label[corners[k, 0]] == label[corners[k, 1]]:
            found[label[corners[k, 0]], 3] += 1
            unite(parent, corners[k, 0], corners[k, 1])
    size = np.zeros(start.size, np.int64)
    for run in range(start.size):
        size[find(parent, run)] += stop[run] - start[run]
        found[label[run], 3] -= 1
    for run in range(start.size):
        if parent[run] == run:
            found[label[run], 3] += 1
            found[label[run], 0] += size[run]
            found[label[run], 1] = max(found[label[run], 1], size[run])
            found[label[run], 2] += 1
    return found


@kernel
def enclosed(
    start: Ints,
    stop: Ints,
    label: NDArray[np.uint8],
    edges: Ints,
    corners: Ints,
    walls: int,
    around_corners: bool,
) -> Counts:
    """Pixels that `walls` keep from the region of run 0, by what borders their region.

    Args:
        start: As the next four, a field of `Runs`.
        stop: See there.
        label: See there.
        edges: See there.
        corners: See there.
        walls: The labels that enclose, each as one bit.
        around_corners: Whether the outside is 8-connected, else 4-connected.

    Returns:
        Number of pixels for every set of labels, as bits, that share an edge with the region;
        shape (32,).
    """
    parent, borders = _regions(label, edges, walls)
    if around_corners:
        for k in range(len(corners)):
            one, other = corners[k, 0], corners[k, 1]
            if not (1 << label[one] | 1 << label[other]) & walls:
                unite(parent, one, other)
    found = np.zeros(BORDERS, np.int64)
    for run in range(start.size):  # roots come first, so what borders a region gathers there
        borders[find(parent, run)] |= borders[run]
    for run in range(start.size):
        root = find(parent, run)
        if root != 0 and not 1 << label[run] & walls:
            found[borders[root]] += stop[run] - start[run]
    return found


@inner
def _regions(label: NDArray[np.uint8], edges: Ints, walls: int) -> tuple[Ints, Ints]:
    """4-connected regions outside `walls`, as parents, and the labels that border each run."""
    parent = alone(label.size)
    borders = np.zeros(label.size, np.int32)
    for k in range(len(edges)):
        one, other = edges[k, 0], edges[k, 1]
        one_bit, other_bit = 1 << label[one], 1 << label[other]
        if not (one_bit | other_bit) & walls:
            unite(parent, one, other)
        elif not one_bit & walls:
            borders[one] |= other_bit
        elif not other_bit & walls:
            borders[other] |= one_bit
    return parent, borders


@inner
def join(row: Ints, start: Ints, stop: Ints, n: int, reach: int) -> Ints:
    """Pieces of `n` disjoint runs in raster order, as parents of a union-find.

    Args:
        row: Row of every run.
        start: Its first column.
        stop: The column after its last.
        n: How many of them there are.
        reach: 0 for 4-connected pieces, 1 for 8-connected ones.
    """
    parent = alone(n)
    above = 0  # first run of the row above that may touch
    for run in range(n):
        while row[above] < row[run] - 1:
            above += 1
        while row[above] < row[run] and stop[above] + reach <= start[run]:
            above += 1
        other = above
        while row[other] < row[run] and start[other] < stop[run] + reach:
            unite(parent, other, run)
            other += 1
    return parent
