"""One frame, encoded once and measured on demand, for all the metrics that look at it."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cardiovae.kernels.erosion import chessboard_erosions, euclidean_erosions
from cardiovae.kernels.frontiers import contact_pixels, longest_contact
from cardiovae.kernels.pieces import enclosed, largest_pieces
from cardiovae.kernels.runs import OTHER, Runs, encode, plain
from cardiovae.kernels.survey import boxes, pixels_at_center
from cardiovae.labels import ALL, Label
from cardiovae.morphology import Mask

Spacing = tuple[float, float]

LV, MYO, LA = (1 << label for label in (Label.LV, Label.MYO, Label.LA))
RV = 1 << OTHER  # `Label.RV` is the one label above 3
EPI = LV | MYO
ANY = LV | MYO | LA | RV


@dataclass(frozen=True, eq=False)
class Heart:
    """A label map and what has been found out about it.

    Structures are 8-connected. Everything beyond the frame is background, unless said otherwise.
    Masks are given as labels, each as one bit: `LV | MYO` is the epicardium.

    Args:
        labels: The label map, shape (H, W), as `plain` returns it.
    """

    labels: NDArray[np.uint8]
    _enclosed: dict[tuple[int, bool, bool], list[int]] = field(default_factory=dict, repr=False)
    _solid: dict[Label, Mask] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, labels: NDArray[np.uint8] | Heart) -> Heart:
        """The heart on a label map, shape (H, W), of any layout; a heart is returned as it is."""
        if isinstance(labels, Heart):
            return labels
        return cls(plain(labels))

    @functools.cached_property
    def runs(self) -> Runs:
        """The runs of the frame, with background around it."""
        return encode(self.labels)

    @functools.cached_property
    def _pieces(self) -> list[list[int]]:
        found: list[list[int]] = largest_pieces(*self.runs[1:]).tolist()
        return found

    @functools.cached_property
    def _boxes(self) -> list[list[int]]:
        found: list[list[int]] = boxes(*self.runs[:4]).tolist()
        return found

    @functools.cached_property
    def absent(self) -> tuple[Label, ...]:
        """Structures without a pixel."""
        return tuple(s for s in ALL if not self.pixels(s))

    @property
    def n_pixels(self) -> int:
        """Pixels of the frame."""
        return self.labels.size

    def pixels(self, label: Label) -> int:
        """Pixels of a structure."""
        return self._pieces[label][0]

    def detached(self, label: Label) -> int:
        """Pixels of a structure outside its largest piece."""
        return self._pieces[label][0] - self._pieces[label][1]

    def in_one_piece(self, label: Label) -> bool:
        """Whether a structure is one piece, neither several nor none."""
        return self._pieces[label][2] == 1

    def width(self, label: Label) -> int:
        """Columns that the box around a structure spans."""
        _, left, _, right = self._boxes[label]
        return right - left

    def solid(self, label: Label) -> Mask:
        """A structure with its 4-connected holes filled, in the box around it and one pixel more.

        What lies beyond the frame is outside. Shape (0, 0) without a pixel.
        """
        if label not in self._solid:
            top, left, bottom, right = self._boxes[label]  # of the framed runs: one pixel further
            crop = self.labels[max(top - 1, 0) : bottom - 1, max(left - 1, 0) : right - 1]
            wide = np.pad(crop == label, 1) if self.pixels(label) else np.zeros((0, 0), bool)
            self._solid[label] = np.asarray(ndimage.binary_fill_holes(wide), bool)
        return self._solid[label]

    def holes(self, walls: int, *, around_corners: bool = False) -> int:
        """Pixels that cannot reach the surroundings without crossing `walls`.

        Args:
            walls: Labels, each as one bit.
            around_corners: The outside is 8-connected: a closed contour that is diagonal somewhere
                encloses nothing, as in the published code. Otherwise it is 4-connected.
        """
        label = walls.bit_length() - 1
        if walls == 1 << label and not self._pieces[label][3]:
            return 0
        # What can be reached along edges can be reached around corners all the more.
        pixels = sum(self._regions(walls))
        return (
            sum(self._regions(walls, around_corners=True)) if pixels and around_corners else pixels
        )

    def pockets(self, walls: int, one: int, other: int, *, framed: bool = True) -> int:
        """Pixels of the 4-connected regions within `walls` that share an edge with two labels.

        Args:
            walls: Labels that enclose, each as one bit.
            one: A label, as one bit.
            other: Another label, as one bit.
            framed: Regions that reach the frame's border are not enclosed. Otherwise all regions
                count but that of pixel (0, 0), as in the published code.
        """
        regions = self._regions(walls, framed=framed)
        return sum(
            size for borders, size in enumerate(regions) if borders & one and borders & other
        )

    def _regions(
        self, walls: int, *, around_corners: bool = False, framed: bool = True
    ) -> list[int]:
        """Pixels of the regions within `walls`, by the labels that border them, as bits."""
        key = walls, around_corners, framed
        if key not in self._enclosed:
            runs = self.runs if framed else encode(self.labels, framed=False)
            self._enclosed[key] = enclosed(*runs[1:], walls, around_corners).tolist()
        return self._enclosed[key]

    def touches_border(self, label: Label) -> bool:
        """Whether a structure reaches the border of the frame."""
        (height, width), (top, left, bottom, right) = self.labels.shape, self._boxes[label]
        return 1 in (top, left) or bottom == height + 1 or right == width + 1

    def contact(self, one: Label, other: Label) -> int:
        """Pixels of `one` with `other` among their 8 neighbors within the frame."""
        return contact_pixels(*self.runs[:4], int(one), int(other))

    def longest_contact(self, one: Label, other: Label, spacing_mm: Spacing) -> tuple[int, int]:
        """Steps along rows and columns over which `one` touches `other` without interruption.

        Of the 8-connected sets of pixels of `one` that have `other` among their 8 neighbors, that
        with the longest diagonal in mm of the box around its pixel centers; a single contact has
        length 0, and the two sides of a corner do not add up.
        """
        row_mm, col_mm = spacing_mm
        return longest_contact(*self.runs[:4], int(one), int(other), float(row_mm), float(col_mm))

    def widths_at_center(self, one: Label, other: Label) -> tuple[int, int]:
        """Pixels of two structures on the row of the center of mass of both; (0, 0) without."""
        return pixels_at_center(*self.runs[:4], int(one), int(other))

    def erosions(
        self, label: Label, spacing_mm: Spacing, levels: int, smallest: float, enough: float
    ) -> int:
        """Erosions, each by 1 / `levels` of the largest depth in mm, until a structure splits.

        Eroding `n` times leaves the pixels deeper than `n` steps, so no erosion is carried out.
        After each, 4-connected fragments below `smallest` pixels are dropped; the count ends at
        the first erosion that leaves several 8-connected pieces, or none, or after `enough`.
        """
        if not self.in_one_piece(label):
            return 0
        row_mm, col_mm = spacing_mm
        return euclidean_erosions(
            *self.runs[:4],
            int(label),
            float(row_mm),
            float(col_mm),
            levels,
            float(smallest),
            float(enough),
        )

    def square_erosions(self, label: Label, smallest: float, enough: float) -> tuple[int, int]:
        """3 x 3 erosions until a structure splits, and the square of its largest depth in pixels.

        As `erosions`, but what lies beyond the frame belongs to the structure, which must have a
        pixel and not fill the frame. `enough` is a share of the largest depth.
        """
        return chessboard_erosions(
            *self.runs[:4],
            int(label),
            self.in_one_piece(label),
            float(smallest),
            float(enough),
        )
