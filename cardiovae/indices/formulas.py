"""Closed formulas of echocardiography, lengths in mm; NaN where an argument is NaN.

ASE/EACVI 2015 is Lang et al., J Am Soc Echocardiogr 28(1):1-39, 2015; ASE 1989 is Schiller et al.,
J Am Soc Echocardiogr 2(5):358-367, 1989.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

MM3_PER_ML = 1000.0
MYOCARDIUM_G_PER_ML = 1.05
"""Density of the myocardium (ASE 1989)."""


def area_length_ml(area_mm2: float, other_mm2: float, length_mm: float) -> float:
    """Volume by the area-length method, 8 / (3 pi) A1 A2 / L (ASE/EACVI 2015, left atrium).

    Args:
        area_mm2: Area in one apical view.
        other_mm2: Area in the other; the same again where there is one view only.
        length_mm: The shorter of the two lengths.

    Returns:
        The volume; NaN for a length of zero.

    Examples:
        >>> sphere = math.pi * 20**2  # of radius 20 mm
        >>> round(area_length_ml(sphere, sphere, 40), 3) == round(4 / 3 * math.pi * 8, 3)
        True
    """
    if length_mm == 0:
        return math.nan
    return 8 / (3 * math.pi) * area_mm2 * other_mm2 / length_mm / MM3_PER_ML


def mass_area_length_g(endo_mm2: float, epi_mm2: float, length_mm: float) -> float:
    """LV mass by the area-length method: 1.05 (5/6 A1 (L + t) - 5/6 A2 L) (ASE 1989; 2015).

    The wall is as thick as the rings of the two areas say, t = sqrt(A1 / pi) - sqrt(A2 / pi).

    Args:
        endo_mm2: A2, cross section of the cavity half way up.
        epi_mm2: A1, cross section of cavity and wall there.
        length_mm: L, length of the cavity from the annulus to the apex.
    """
    wall_mm = (math.sqrt(epi_mm2) - math.sqrt(endo_mm2)) / math.sqrt(math.pi)
    shell_mm3 = 5 / 6 * (epi_mm2 * (length_mm + wall_mm) - endo_mm2 * length_mm)
    return MYOCARDIUM_G_PER_ML * shell_mm3 / MM3_PER_ML


def mass_truncated_ellipsoid_g(
    radius_mm: float, wall_mm: float, apical_mm: float, basal_mm: float
) -> float:
    """LV mass between two ellipsoids cut off at the annulus (ASE 1989; ASE/EACVI 2015).

    Args:
        radius_mm: b, of the cavity where it is widest.
        wall_mm: t, thickness of the wall.
        apical_mm: a, from the widest level to the apex.
        basal_mm: d, from the widest level to the annulus.
    """
    outer = _truncated_mm3(radius_mm + wall_mm, apical_mm + wall_mm, basal_mm)
    return MYOCARDIUM_G_PER_ML * (outer - _truncated_mm3(radius_mm, apical_mm, basal_mm)) / 1000


def _truncated_mm3(b: float, a: float, d: float) -> float:
    """Half an ellipsoid of half axes a, b, b and what follows it over a length d."""
    return math.pi * b**2 * (2 / 3 * a + d - d**3 / (3 * a**2))


def widest_level(widths_mm: NDArray[np.float64]) -> float:
    """Height above the annulus of the widest level, as a share of the length, 0 to 0.5.

    The square of an ellipsoid's width is a parabola along its axis, so the vertex of the parabola
    through the squared widths of the disks is exact for one, and steady for a ventricle. It is
    looked for between the annulus and half way up.

    Args:
        widths_mm: Width of each disk, base to apex, shape (20,); NaN makes the level NaN.

    Examples:
        >>> height = (np.arange(20) + 0.5) * 4  # half an ellipsoid of 80 by 25 mm
        >>> round(widest_level(50 * np.sqrt(1 - (height / 80) ** 2)), 6)
        0.0
    """
    if not np.isfinite(widths_mm).all():
        return math.nan
    bend, slope, _ = _parabola(widths_mm)
    return min(max(-slope / (2 * bend), 0.0), 0.5) if bend < 0 else 0.0


def width_at(widths_mm: NDArray[np.float64], share: float) -> float:
    """Width at a height above the annulus, by the same parabola; NaN where one is unknown."""
    if not (np.isfinite(widths_mm).all() and math.isfinite(share)):
        return math.nan
    bend, slope, at_base = _parabola(widths_mm)
    return math.sqrt(max(at_base + slope * share + bend * share**2, 0.0))


def _parabola(widths_mm: NDArray[np.float64]) -> tuple[float, float, float]:
    """Through squared widths over the share of the length: bend, slope, value at the base.

    The first and the last disk are left out: an annulus that is not square to the axis cuts them.
    """
    share = (np.arange(widths_mm.size) + 0.5) / widths_mm.size
    bend, slope, at_base = np.polyfit(share[1:-1], widths_mm[1:-1] ** 2, 2).tolist()
    return bend, slope, at_base


def body_surface_m2(height_cm: float, weight_kg: float) -> float:
    """Body surface area, 0.007184 height^0.725 weight^0.425.

    Du Bois and Du Bois, Arch Intern Med 17(6):863-871, 1916. It comes out up to a fifth too small
    for the very obese (Livingston and Lee, Am J Physiol Endocrinol Metab).

    Examples:
        >>> round(body_surface_m2(170, 70), 2)
        1.81
    """
    return float(0.007184 * height_cm**0.725 * weight_kg**0.425)


def fall_percent(first: float, last: float) -> float:
    """By how much of `first` it falls to `last`, in percent; NaN where `first` is not positive.

    Examples:
        >>> fall_percent(120.0, 48.0), fall_percent(0.0, 1.0)
        (60.0, nan)
    """
    return 100 * (first - last) / first if first > 0 else math.nan
