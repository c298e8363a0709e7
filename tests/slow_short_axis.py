"""The metrics of short-axis slices once more: sets of pixels, loops and brute force."""

from __future__ import annotations

import math

import numpy as np
from scipy.spatial import ConvexHull
from slow_pixels import EIGHT, FOUR, flood

# Border pixels of a 4-connected contour by their edge and corner neighbors on it, and what they
# add to the perimeter (Benkrid et al., 2000): 1 along, sqrt(2) across, the mean where it turns.
STEPS = {
    **dict.fromkeys([(2, 0), (3, 0), (2, 1), (3, 1), (2, 2), (3, 2)], 1.0),
    **dict.fromkeys([(0, 2), (1, 3)], math.sqrt(2)),
    **dict.fromkeys([(1, 1), (1, 2)], (1 + math.sqrt(2)) / 2),
}


def around(pixels):
    return {(r + dr, c + dc) for r, c in pixels for dr, dc in EIGHT} | set(pixels)


class Slice:
    """Every published metric of one small slice; NaN without a structure it is about."""

    def __init__(self, labels, spacing_mm):
        (height, width), self.spacing_mm = labels.shape, spacing_mm
        self.inside = {(r, c) for r in range(height) for c in range(width)}
        self.frame = {(r, c) for r in range(-1, height + 1) for c in range(-1, width + 1)}
        values = {"bg": 0, "lv": 1, "myo": 2, "rv": 4}
        self.of = {
            name: {(int(r), int(c)) for r, c in np.argwhere(labels == value)}
            for name, value in values.items()
        }

    def has(self, *names):
        return all(self.of[name] for name in names)

    def enclosed(self, walls, steps):
        return [p for p in flood(self.frame - walls, steps) if (-1, -1) not in p]

    def solid(self, name):
        return self.of[name].union(*self.enclosed(self.of[name], FOUR))

    def disconnectivity(self, name):
        if not self.has(name):
            return math.nan
        sizes = [len(piece) for piece in flood(self.of[name], EIGHT)]
        return sum(sizes) - max(sizes)

    def holes(self, name):
        if not self.has(name):
            return math.nan
        holes = sum(map(len, self.enclosed(self.of[name], EIGHT)))
        return holes - len(self.of["lv"]) if name == "myo" and holes else holes

    def frontier(self, first, second):
        needed = [first] if second == "bg" else [first, second]
        if not self.has(*needed):
            return math.nan
        n = len(self.of[first] & around(self.of[second]))
        return n if n > 1 else 0

    def between(self, first, second):
        if not self.has(first, second):
            return math.nan
        one, other = self.of[first], self.of[second]

        def beside(piece, pixels):
            return any((r + dr, c + dc) in pixels for r, c in piece for dr, dc in FOUR)

        pockets = [p for p in self.enclosed(one | other, FOUR) if beside(p, one)]
        n = sum(len(p) for p in pockets if beside(p, other))
        return n if n > len(self.inside) / 2**14 else 0

    def mm(self, p, q):
        return math.dist(*(np.multiply(x, self.spacing_mm) for x in (p, q)))

    def rv_gap_mm(self):
        if not self.has("rv", "myo"):
            return math.nan
        near = around(self.of["rv"]) & self.inside
        return min(self.mm(p, q) for p in near for q in self.of["myo"])

    def circularity(self, name):
        solid = self.solid(name)
        border = {(r, c) for r, c in solid if any((r + a, c + b) not in solid for a, b in FOUR)}
        length = 0.0
        for r, c in border:
            edges = sum((r + a, c + b) in border for a, b in FOUR)
            corners = sum((r + a, c + b) in border for a in (-1, 1) for b in (-1, 1))
            length += STEPS.get((edges, corners), 0.0)
        return 4 * math.pi * len(solid) / length**2 if length else math.nan

    def concavity_mm(self, name):
        solid = self.solid(name)
        if not solid:
            return math.nan
        points = [(r + a / 2, c + b / 2) for r, c in solid for a, b in FOUR]
        planes = ConvexHull(points).equations
        grid = np.array(sorted(self.frame))
        inside = (grid @ planes[:, :2].T + planes[:, 2] <= 1e-9).all(1)
        hull = set(map(tuple, grid[inside].tolist()))
        outside = set(map(tuple, grid[~inside].tolist()))
        dents = [p for p in hull - solid if around([p]) <= hull - solid]
        return max((min(self.mm(p, q) for q in outside) for p in dents), default=0.0)

    def values(self):
        found = {}
        for name in ("lv", "rv", "myo"):
            found[f"disconnectivity_in_{name}"] = self.disconnectivity(name)
            found[f"holes_in_{name}"] = self.holes(name)
            found[f"{name}_concavity"] = self.concavity_mm(name)
        return found | {
            "lv_circularity": self.circularity("lv"),
            "myo_circularity": self.circularity("myo"),
            "frontier_between_lv_and_background": self.frontier("lv", "bg"),
            "frontier_between_lv_and_rv": self.frontier("lv", "rv"),
            "holes_between_lv_and_myo": self.between("lv", "myo"),
            "holes_between_rv_and_myo": self.between("rv", "myo"),
            "rv_disconnected_from_myo": self.rv_gap_mm(),
        }
