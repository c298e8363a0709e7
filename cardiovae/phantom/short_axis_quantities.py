"""The quantities that make a heart seen in short-axis slices, and its exact volumes.

Depth runs along the LV's axis, in mm, from the base plane (0) to the apex. The sections of one
depth lie in one slice; a tilted axis shears the heart, which changes no volume (Cavalieri).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Phase = Literal["ED", "ES"]
Values = NDArray[np.float64]
Depths = float | Values
# Relative amplitude and phase in radians of the harmonics 1, 2, 3, ... of a contour.
Waves = tuple[tuple[float, float], ...]

# Quadrature of the RV: around the wall, where its profile ends in a root, and along the axis.
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(64)
_DEPTHS, _DEPTH_WEIGHTS = np.polynomial.legendre.leggauss(16)


@dataclass(frozen=True)
class StackParameters:
    """A heart at one instant and the stack of slices it is seen in.

    Lengths in mm. Angles in degrees turn from the columns' direction towards that of the rows:
    0 is right in the picture, 90 is down. Endocardium and epicardium are prolate spheroids cut
    by the base plane, widest at the same depth; around the axis their radii wave.

    Args:
        group: The patients it was drawn from, a name of `short_axis_parameters.GROUPS`.
        phase: "ED" or "ES".
        length_mm: LV cavity, from the base plane to its apex.
        equator_mm: Depth at which it is widest.
        radius_mm: Mean radius of the cavity there.
        wall_mm: Mean wall across the axis there.
        wall_apex_mm: Wall below the cavity's apex, along the axis.
        endo_waves, epi_waves: Harmonics 1, 2, ... of the two radii, relative to the mean.
        twist_deg: How far waves and RV turn on the way from base to apex.
        rv_angle_deg: Direction of the RV as seen from the LV, at the base.
        rv_half_deg: Half of the angle over which the RV lies at the wall, at the base.
        rv_narrowing: Share of that angle lost on the way to the RV's end.
        rv_width_mm: Its widest across the septum, at the base.
        rv_end_mm: The same at its end.
        rv_share: Its length, a share of the LV's epicardial length.
        rv_roundness: Exponent of its profile over the angle: 0 ends square, 1 in wedges.
        rv_skew: How much wider it is on one side of its direction, -1 to 1.
        drift: Way of the axis within the slices (row, col), in mm per mm of depth.
        center_mm: The axis at the base plane, (row, col) from the middle of the image.
        field_mm: Height and width of the image.
        pixel_mm: Distance between pixel centers along (rows, columns).
        slice_mm: Distance between slices.
        first_mm: Depth of the first slice.
    """

    group: str
    phase: Phase
    length_mm: float
    equator_mm: float
    radius_mm: float
    wall_mm: float
    wall_apex_mm: float
    endo_waves: Waves
    epi_waves: Waves
    twist_deg: float
    rv_angle_deg: float
    rv_half_deg: float
    rv_narrowing: float
    rv_width_mm: float
    rv_end_mm: float
    rv_share: float
    rv_roundness: float
    rv_skew: float
    drift: tuple[float, float]
    center_mm: tuple[float, float]
    field_mm: tuple[float, float]
    pixel_mm: tuple[float, float]
    slice_mm: float
    first_mm: float

    @property
    def epi_length_mm(self) -> float:
        """From the base plane to the tip of the epicardium."""
        return self.length_mm + self.wall_apex_mm

    @property
    def rv_length_mm(self) -> float:
        """From the base plane to the end of the RV."""
        return self.rv_share * self.epi_length_mm

    @property
    def lv_volume_ml(self) -> float:
        """Volume of the LV cavity, closed form."""
        return _spheroid_ml(self.radius_mm, self.length_mm, self.equator_mm, self.endo_waves)

    @property
    def myo_volume_ml(self) -> float:
        """Volume of the myocardium, closed form: epicardium less cavity."""
        outer = self.radius_mm + self.wall_mm
        whole = _spheroid_ml(outer, self.epi_length_mm, self.equator_mm, self.epi_waves)
        return whole - self.lv_volume_ml

    @property
    def rv_volume_ml(self) -> float:
        """Volume of the RV cavity, by quadrature."""
        depths = self.rv_length_mm * (_DEPTHS + 1) / 2
        return float(_DEPTH_WEIGHTS @ rv_area_mm2(self, depths)) * self.rv_length_mm / 2000


def endo_radius_mm(parameters: StackParameters, depth_mm: Depths) -> Values:
    """Mean radius of the cavity at each depth; 0 outside it."""
    p = parameters
    return _radius(p.radius_mm, p.length_mm, p.equator_mm, depth_mm)


def epi_radius_mm(parameters: StackParameters, depth_mm: Depths) -> Values:
    """Mean radius of the epicardium at each depth; 0 outside it."""
    p = parameters
    return _radius(p.radius_mm + p.wall_mm, p.epi_length_mm, p.equator_mm, depth_mm)


def wave(parameters: StackParameters, waves: Waves, depth_mm: Depths, angles: Values) -> Values:
    """Radius over its mean in directions `angles` (radians), which broadcast with the depths."""
    turned = angles - _twist(parameters, depth_mm)
    ratio = np.ones_like(turned)
    for k, (amplitude, phase) in enumerate(waves, start=1):
        ratio += amplitude * np.cos(k * turned - phase)
    return ratio


def rv_width_mm(parameters: StackParameters, depth_mm: Depths) -> Values:
    """Widest of the RV across the septum at each depth; 0 beyond its ends."""
    p, way = parameters, np.asarray(depth_mm) / parameters.rv_length_mm
    inside = (way >= 0) & (way <= 1)
    square = np.where(inside, way, 0.0) ** 2
    width = np.sqrt(p.rv_width_mm**2 * (1 - square) + p.rv_end_mm**2 * square)
    return np.where(inside, width, 0.0)


def rv_profile(parameters: StackParameters, across: Values) -> Values:
    """Width of the RV over its widest, from one end of the septum (-1) to the other (1)."""
    profile: Values = (1 - across * across) ** parameters.rv_roundness
    return profile * (1 + parameters.rv_skew * across)


def rv_angles(parameters: StackParameters, depth_mm: Depths) -> tuple[Values, Values]:
    """Middle and half of the range of directions the RV lies in at each depth, radians."""
    p, way = parameters, np.asarray(depth_mm) / parameters.rv_length_mm
    half = math.radians(p.rv_half_deg) * (1 - p.rv_narrowing * way * way)
    return math.radians(p.rv_angle_deg) + _twist(p, depth_mm), half


def rv_area_mm2(parameters: StackParameters, depth_mm: Values) -> Values:
    """Area of the RV's section: integral of (outer^2 - inner^2) / 2 over the directions.

    Args:
        parameters: The heart.
        depth_mm: Depths, shape (D,).
    """
    depths = depth_mm[:, None]
    middle, half = rv_angles(parameters, depths)
    inner = epi_radius_mm(parameters, depths) * wave(
        parameters, parameters.epi_waves, depths, middle + half * _NODES
    )
    out = rv_width_mm(parameters, depths) * rv_profile(parameters, _NODES)
    areas: Values = ((inner * out + out * out / 2) @ _WEIGHTS) * half[:, 0]
    return areas


def thinnest_wall_mm(parameters: StackParameters) -> float:
    """Least distance of the two contours along a radius, over the length of the cavity."""
    p, angles = parameters, np.linspace(0, 2 * math.pi, 72, endpoint=False)
    depths = np.linspace(0, p.length_mm, 24)[:, None]
    inner = endo_radius_mm(p, depths) * wave(p, p.endo_waves, depths, angles)
    outer = epi_radius_mm(p, depths) * wave(p, p.epi_waves, depths, angles)
    return float((outer - inner).min())


def waves_area(waves: Waves) -> float:
    """Area within a waved circle over that of the circle: 1 + sum of amplitude^2 / 2."""
    return 1 + sum(amplitude**2 for amplitude, _ in waves) / 2


def spheroid_share(length_mm: float, equator_mm: float) -> float:
    """Volume of a cut spheroid over that of the cylinder around it.

    With the half axis c = length - equator, the integral of 1 - ((z - equator) / c)^2 from 0 to
    the length, over the length.

    Examples:
        >>> round(spheroid_share(10.0, 0.0), 4), round(spheroid_share(10.0, 5.0), 4)
        (0.6667, 0.6667)
    """
    half = length_mm - equator_mm
    return (length_mm - half / 3 - equator_mm**3 / (3 * half**2)) / length_mm


def _spheroid_ml(radius_mm: float, length_mm: float, equator_mm: float, waves: Waves) -> float:
    section = math.pi * radius_mm**2 * waves_area(waves)
    return section * length_mm * spheroid_share(length_mm, equator_mm) / 1000


def _radius(radius_mm: float, length_mm: float, equator_mm: float, depth_mm: Depths) -> Values:
    depths = np.asarray(depth_mm)
    way = (depths - equator_mm) / (length_mm - equator_mm)
    inside = (depths >= 0) & (depths <= length_mm)
    radius: Values = radius_mm * np.sqrt(np.where(inside, 1 - way * way, 0.0).clip(0))
    return radius


def _twist(parameters: StackParameters, depth_mm: Depths) -> Values:
    share: Values = np.asarray(depth_mm) / parameters.epi_length_mm
    return math.radians(parameters.twist_deg) * share
