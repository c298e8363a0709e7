"""Frames of one heart that belong together, as a label map with its geometry.

A loop of an apical view, whose frames follow each other in time; or a stack of short-axis slices,
whose frames lie below each other.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardiovae.errors import CardiovaeError
from cardiovae.labels import SHORT_AXIS, STRUCTURES, Label, values_present

APICAL = ("A2C", "A4C")
SAX = "SAX"
VIEWS = (*APICAL, SAX)


@dataclass(frozen=True, eq=False)
class EchoSequence:
    """A validated label map sequence; its array is read-only.

    In an apical view row 0 is the transducer: rows are depth, columns are lateral. A short-axis
    stack has no such rule.

    Args:
        labels: Label map, values of `Label`, shape (H, W, T), uint8.
        spacing_mm: Distance between pixel centers along (rows, columns) in mm; None = unknown.
        structures: The structures that were annotated; others must not occur in `labels`.
        frame_time_ms: Time between frames in ms; None = unknown. A stack has none.
        view: "A2C", "A4C", "SAX" for a stack of short-axis slices, or None = an apical view,
            unknown which. With a right ventricle among the structures it is "SAX".
        source: Where the labels come from, for messages and reports.
        slice_mm: Distance between the middles of neighboring slices of a stack in mm; None =
            unknown. An apical view has none.

    Raises:
        CardiovaeError: A wrong shape, type, value, spacing, frame time, view or slice distance.
    """

    labels: NDArray[np.uint8]
    spacing_mm: tuple[float, float] | None = None
    structures: tuple[Label, ...] = STRUCTURES
    frame_time_ms: float | None = None
    view: str | None = None
    source: str = "array"
    slice_mm: float | None = None

    def __post_init__(self) -> None:
        labels = self.labels
        if labels.ndim != 3 or 0 in labels.shape:
            raise CardiovaeError(
                f"{self.source}: labels have shape (H, W, T), none of them zero; "
                f"got {labels.shape}"
            )
        if labels.dtype != np.uint8:
            raise CardiovaeError(f"{self.source}: labels are uint8, got {labels.dtype}")
        allowed = {Label.BACKGROUND, *self.structures}
        unknown = [v for v in values_present(labels) if v not in allowed]
        if unknown:
            raise CardiovaeError(
                f"{self.source}: label values {unknown} are not among the annotated structures "
                f"{[s.name for s in self.structures]}"
            )
        if self.spacing_mm is not None:
            row, col = self.spacing_mm
            if not (math.isfinite(row) and math.isfinite(col) and row > 0 and col > 0):
                raise CardiovaeError(
                    f"{self.source}: spacing_mm is two positive lengths (row, col) or None, "
                    f"got {self.spacing_mm}"
                )
            object.__setattr__(self, "spacing_mm", (float(row), float(col)))
        if self.frame_time_ms is not None and not self.frame_time_ms > 0:
            raise CardiovaeError(
                f"{self.source}: frame_time_ms is positive or None, got {self.frame_time_ms}"
            )
        self._check_view()
        self._check_slices()
        frozen = labels.copy(order="K")  # of a file whose frames lie one after another
        frozen.flags.writeable = False
        object.__setattr__(self, "labels", frozen)

    def _check_view(self) -> None:
        """Refuse a view that is none, or that does not show what is annotated."""
        if self.view is None and Label.RV in self.structures:
            object.__setattr__(self, "view", SAX)
        if self.view is not None and self.view not in VIEWS:
            raise CardiovaeError(f"{self.source}: view is one of {VIEWS} or None, got {self.view}")
        amiss = Label.LA if self.view == SAX else Label.RV
        if amiss in self.structures:
            raise CardiovaeError(
                f"{self.source}: a view {self.view} shows no {amiss.name}; got the structures "
                f"{[s.name for s in self.structures]}"
            )

    def _check_slices(self) -> None:
        """Refuse a distance between slices that cannot be, or where there are none."""
        if self.slice_mm is None:
            return
        if not self.is_stack:
            raise CardiovaeError(
                f"{self.source}: slice_mm is for a stack of short-axis slices (view {SAX}), got "
                f"{self.slice_mm} for view {self.view}"
            )
        if not (math.isfinite(self.slice_mm) and self.slice_mm > 0):
            raise CardiovaeError(
                f"{self.source}: slice_mm is a positive length or None, got {self.slice_mm}"
            )
        object.__setattr__(self, "slice_mm", float(self.slice_mm))

    @property
    def is_stack(self) -> bool:
        """Whether the frames are short-axis slices of one instant, not instants of one view."""
        return self.view == SAX

    @property
    def anatomy(self) -> tuple[Label, ...]:
        """All structures that such a view shows, annotated or not."""
        return SHORT_AXIS if self.is_stack else STRUCTURES

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of a frame in pixels."""
        return self.labels.shape[0], self.labels.shape[1]

    @property
    def n_frames(self) -> int:
        """Number of frames T."""
        return int(self.labels.shape[2])

    def frame(self, t: int) -> NDArray[np.uint8]:
        """Label map of frame `t`, shape (H, W), read-only."""
        return self.labels[:, :, t]

    def with_labels(self, labels: NDArray[np.uint8]) -> EchoSequence:
        """The same place and time with other labels, shape (H, W, T)."""
        if labels.shape != self.labels.shape:
            raise CardiovaeError(
                f"{self.source}: new labels must keep the shape {self.labels.shape}, "
                f"got {labels.shape}"
            )
        return dataclasses.replace(self, labels=labels)
