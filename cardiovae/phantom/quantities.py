"""The quantities that make a drawn heart."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

SLICES = (np.arange(20) + 0.5) / 20
LA_SLICES = (np.arange(12) + 0.5) / 12


@dataclass(frozen=True)
class HeartShape:
    """A heart at one instant, in an apical view.

    Lengths in mm, angles in degrees. The axis runs from the apex to the middle of the annulus;
    depth is along it, lateral across it, both in the picture, lateral growing to the right.

    Args:
        length_mm: LV length, apex to the middle of the annulus.
        width_mm: Unit of `width_profile`: largest LV width.
        base_width_mm: Distance between the hinge points.
        annulus_tilt_deg: Annulus against the perpendicular of the axis; positive: right hinge
            deeper.
        axis_tilt_deg: Axis against the vertical, positive when the base lies right of the apex.
        base_col_mm: Middle of the annulus, right of the image's middle.
        apex_row_mm: Depth of the apex below the image's top edge.
        wall_mm: Unit of the wall profiles: mean wall thickness.
        wall_apex_mm: Wall above the apex, along the axis.
        corner_depth_left_mm, corner_depth_right_mm: How far the outer corner of the wall's end
            lies deeper than its hinge.
        corner_lateral_left_mm, corner_lateral_right_mm: How far it lies out from its hinge.
        la_length_mm: Atrium, middle of the annulus to its bottom, along its own axis.
        la_width_mm: Unit of `la_width_profile`: largest width.
        la_angle_deg: Atrial axis against the LV axis, positive to the right.
        la_contact_mm: How far the atrium may lie along the end of each wall.
        width_profile: LV width over `width_mm` at 20 slices, apex to annulus.
        bend_mm: Middle between the two sides at those slices, right of the axis.
        wall_left, wall_right: Wall across the axis over `wall_mm` at those slices.
        la_width_profile: Atrial width over `la_width_mm` at 12 slices, annulus to bottom.
        la_bend_mm: Middle of the atrium at those slices, right of its axis.
    """

    length_mm: float
    width_mm: float
    base_width_mm: float
    annulus_tilt_deg: float
    axis_tilt_deg: float
    base_col_mm: float
    apex_row_mm: float
    wall_mm: float
    wall_apex_mm: float
    corner_depth_left_mm: float
    corner_depth_right_mm: float
    corner_lateral_left_mm: float
    corner_lateral_right_mm: float
    la_length_mm: float
    la_width_mm: float
    la_angle_deg: float
    la_contact_mm: float
    width_profile: tuple[float, ...]
    bend_mm: tuple[float, ...]
    wall_left: tuple[float, ...]
    wall_right: tuple[float, ...]
    la_width_profile: tuple[float, ...]
    la_bend_mm: tuple[float, ...]

    @property
    def lv_volume_ml(self) -> float:
        """Volume of the 20 discs of the slices' widths: pi / 4 * length / 20 * sum of w^2."""
        widths = self.width_mm * np.asarray(self.width_profile)
        return float(math.pi / 4 * self.length_mm / 20 * (widths @ widths)) / 1000


@dataclass(frozen=True)
class HeartParameters:
    """A beating heart in one apical view and the image it is seen in.

    Args:
        view: "A2C" or "A4C".
        ed, es: The heart at end diastole and end systole.
        image_depth_mm, image_width_mm: Size of the image; the transducer is in the middle of its
            top edge.
        systole_ms, diastole_ms: From ED to ES, and from ES to the next ED.
    """

    view: str
    ed: HeartShape
    es: HeartShape
    image_depth_mm: float
    image_width_mm: float
    systole_ms: float
    diastole_ms: float

    @property
    def ef(self) -> float:
        """Ejection fraction, a share of the ED volume."""
        return 1 - self.es.lv_volume_ml / self.ed.lv_volume_ml

    def shape_at(self, contraction: float) -> HeartShape:
        """The heart between ED (0) and ES (1)."""
        values: dict[str, Any] = {}
        for field in fields(HeartShape):
            first, last = getattr(self.ed, field.name), getattr(self.es, field.name)
            between = np.asarray(first) + contraction * (np.asarray(last) - np.asarray(first))
            values[field.name] = tuple(between.tolist()) if between.ndim else float(between)
        return HeartShape(**values)
