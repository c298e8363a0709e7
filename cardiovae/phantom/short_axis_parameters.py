"""The random draw of the hearts that are seen in short-axis slices."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from scipy.optimize import brentq

from cardiovae.errors import CardiovaeError
from cardiovae.phantom.short_axis_quantities import (
    Phase,
    StackParameters,
    Waves,
    spheroid_share,
    thinnest_wall_mm,
    waves_area,
)

MOST_SD = 2.5


@dataclass(frozen=True)
class Group:
    """Mean and SD of what is drawn for one kind of patients.

    Args:
        lv_ml, ef: LV volume at ED, and ejection fraction.
        slenderness: Length of the cavity over its diameter, at ED.
        wall_mm: Mean wall at ED.
        septum_mm: How much thicker than that the wall is towards the septum.
        rv_ml, rv_ef: RV volume at ED, and ejection fraction.
        rv_half_deg: Half of the angle over which the RV lies at the wall.
    """

    lv_ml: tuple[float, float]
    ef: tuple[float, float]
    slenderness: tuple[float, float]
    wall_mm: tuple[float, float]
    septum_mm: tuple[float, float]
    rv_ml: tuple[float, float]
    rv_ef: tuple[float, float]
    rv_half_deg: tuple[float, float]


# Healthy: LV volume, ejection fraction (61 +- 5 % in women, 58 +- 5 % in men) and RV volume of
# Petersen et al., JCMR 19:18 (2017), women and men together; the wall gives that paper's LV mass
# of about 90 g. The others: the five groups of ACDC, of 30 patients each, by their definition
# (Bernard et al., IEEE TMI 37(11), 2018, section III), for a body surface of 1.9 m2 (from
# memory): dilated > 100 ml/m2 and EF < 40 %; hypertrophic: wall > 15 mm at ED and a normal EF;
# infarction: EF < 40 %; abnormal RV: > 110 ml/m2 or RV EF < 40 %. Where a definition says
# nothing, and for RV EF, slenderness and angles: from memory, with wide spreads.
GROUPS: Mapping[str, Group] = MappingProxyType(
    {
        "normal": Group(
            lv_ml=(143, 34),
            ef=(0.595, 0.055),
            slenderness=(1.70, 0.14),
            wall_mm=(6.9, 1.0),
            septum_mm=(0.5, 0.5),
            rv_ml=(154, 40),
            rv_ef=(0.56, 0.06),
            rv_half_deg=(66, 6),
        ),
        "dilated": Group(
            lv_ml=(260, 60),
            ef=(0.26, 0.07),
            slenderness=(1.40, 0.12),
            wall_mm=(7.2, 1.1),
            septum_mm=(0.0, 0.6),
            rv_ml=(185, 55),
            rv_ef=(0.40, 0.11),
            rv_half_deg=(60, 6),
        ),
        "hypertrophic": Group(
            lv_ml=(140, 32),
            ef=(0.66, 0.06),
            slenderness=(1.70, 0.16),
            wall_mm=(12.0, 2.0),
            septum_mm=(3.5, 1.5),
            rv_ml=(140, 32),
            rv_ef=(0.60, 0.07),
            rv_half_deg=(60, 6),
        ),
        "infarction": Group(
            lv_ml=(190, 50),
            ef=(0.31, 0.06),
            slenderness=(1.55, 0.14),
            wall_mm=(7.4, 1.2),
            septum_mm=(0.0, 1.0),
            rv_ml=(145, 38),
            rv_ef=(0.52, 0.09),
            rv_half_deg=(63, 6),
        ),
        "abnormal_rv": Group(
            lv_ml=(130, 36),
            ef=(0.56, 0.08),
            slenderness=(1.65, 0.15),
            wall_mm=(7.0, 1.1),
            septum_mm=(0.5, 0.6),
            rv_ml=(245, 60),
            rv_ef=(0.38, 0.09),
            rv_half_deg=(74, 7),
        ),
    }
)

# A ring of pixels up to 1.8 mm wide stays closed around the cavity; thinner walls are scars.
THINNEST_WALL_MM = 4.4
RV_WIDTH_MM = (14.0, 58.0)
SHORTENING = 0.25  # of the LV's length, over the ejection fraction: 15 % at 60 % (from memory)
MARGIN_MM = 8.0  # between the heart and the edge of the image


def draw_stack_parameters(rng: np.random.Generator, *, phase: Phase = "ED") -> StackParameters:
    """A random heart of one of the `GROUPS`, all alike in number, and a scan of it.

    Args:
        rng: Source of randomness; the same state gives the same heart, at ED and at ES alike.
        phase: "ED" or "ES".

    Raises:
        CardiovaeError: Another phase.
    """
    if phase not in ("ED", "ES"):
        raise CardiovaeError(f"a stack's phase is 'ED' or 'ES', got {phase!r}")
    while True:
        ed, lv_ef, rv_ef = _draw(rng)
        if not _plausible(ed):
            continue
        es = _contracted(ed, lv_ef, rv_ef)
        if es is not None and _plausible(es):
            return ed if phase == "ED" else es


def _normal(rng: np.random.Generator, mean_sd: tuple[float, float]) -> float:
    return mean_sd[0] + mean_sd[1] * float(np.clip(rng.standard_normal(), -MOST_SD, MOST_SD))


def _draw(rng: np.random.Generator) -> tuple[StackParameters, float, float]:
    """A heart at ED, not yet checked, and the ejection fractions of LV and RV."""
    name = list(GROUPS)[rng.integers(len(GROUPS))]
    group = GROUPS[name]
    lv_ml, lv_ef = max(_normal(rng, group.lv_ml), 60.0), max(_normal(rng, group.ef), 0.1)
    rv_ml, rv_ef = max(_normal(rng, group.rv_ml), 60.0), max(_normal(rng, group.rv_ef), 0.1)
    equator = rng.uniform(0.05, 0.3)
    endo = _waves(rng, (0.0, 0.035, 0.015, 0.006))
    slenderness = max(_normal(rng, group.slenderness), 1.1)
    share = 2 * math.pi * slenderness * waves_area(endo) * spheroid_share(1.0, equator)
    radius = (lv_ml * 1000 / share) ** (1 / 3)
    wall = max(_normal(rng, group.wall_mm), 5.0)
    angle = rng.uniform(0, 360)
    septum = _normal(rng, group.septum_mm) / 2
    pixel = rng.uniform(1.2, 1.8)
    slice_mm = rng.uniform(5, 10)  # Bernard et al. 2018, section III: 5 to 10 mm
    tilts = np.tan(np.radians([_normal(rng, (0, 4)), _normal(rng, (0, 4))]))
    heart = StackParameters(
        group=name,
        phase="ED",
        length_mm=2 * slenderness * radius,
        equator_mm=2 * slenderness * radius * equator,
        radius_mm=radius,
        wall_mm=wall,
        wall_apex_mm=wall * rng.uniform(0.4, 0.8),
        endo_waves=endo,
        epi_waves=_outer_waves(rng, endo, radius, wall, (septum, math.radians(angle))),
        twist_deg=rng.uniform(-25, 25),
        rv_angle_deg=angle,
        rv_half_deg=_normal(rng, group.rv_half_deg),
        rv_narrowing=rng.uniform(0.1, 0.4),
        rv_width_mm=30.0,
        rv_end_mm=rng.uniform(7, 10),
        rv_share=rng.uniform(0.6, 0.85),
        rv_roundness=rng.uniform(0.5, 0.95),
        rv_skew=rng.uniform(-0.3, 0.3),
        drift=(float(tilts[0]), float(tilts[1])),
        center_mm=(0.0, 0.0),
        field_mm=(rng.uniform(200, 380), rng.uniform(200, 380)),
        pixel_mm=(pixel, pixel),
        slice_mm=slice_mm,
        first_mm=slice_mm * rng.uniform(0.1, 0.9),
    )
    heart = _with_rv_volume(heart, rv_ml)
    return _placed(rng, heart), lv_ef, rv_ef


def _waves(rng: np.random.Generator, sizes: tuple[float, ...]) -> Waves:
    return tuple((_normal(rng, (0, s)), rng.uniform(0, 2 * math.pi)) for s in sizes)


def _outer_waves(
    rng: np.random.Generator,
    endo: Waves,
    radius_mm: float,
    wall_mm: float,
    septum: tuple[float, float],
) -> Waves:
    """The epicardium follows the cavity, with less of it, and is thicker at the septum."""
    own = _waves(rng, (0.0, 0.01, 0.006, 0.003))
    kept = radius_mm / (radius_mm + wall_mm)
    waves = [(septum[0] / (radius_mm + wall_mm), septum[1])]
    for inner, other in zip(endo[1:], own[1:], strict=True):
        total = kept * inner[0] * np.exp(1j * inner[1]) + other[0] * np.exp(1j * other[1])
        waves.append((float(abs(total)), float(np.angle(total))))
    return tuple(waves)


def _contracted(ed: StackParameters, lv_ef: float, rv_ef: float) -> StackParameters | None:
    """The heart at ES: shorter, narrower, the volume of its wall kept; None where it cannot."""
    shorter = 1 - SHORTENING * lv_ef
    length, equator = ed.length_mm * shorter, ed.equator_mm * shorter
    narrower = math.sqrt((1 - lv_ef) / shorter)
    es = dataclasses.replace(
        ed,
        phase="ES",
        length_mm=length,
        equator_mm=equator,
        radius_mm=ed.radius_mm * narrower,
    )

    def thicker(factor: float) -> StackParameters:
        # The septum's excess grows with the rest of the wall.
        outer = (ed.radius_mm + ed.wall_mm) / (es.radius_mm + factor * ed.wall_mm)
        first = (ed.epi_waves[0][0] * factor * outer, ed.epi_waves[0][1])
        return dataclasses.replace(
            es,
            wall_mm=ed.wall_mm * factor,
            wall_apex_mm=ed.wall_apex_mm * factor,
            epi_waves=(first, *ed.epi_waves[1:]),
        )

    def excess(factor: float) -> float:
        return thicker(factor).myo_volume_ml - ed.myo_volume_ml

    if excess(0.5) > 0 or excess(3.0) < 0:
        return None
    es = thicker(float(brentq(excess, 0.5, 3.0)))
    return _with_rv_volume(es, ed.rv_volume_ml * (1 - rv_ef))


def _with_rv_volume(heart: StackParameters, rv_ml: float) -> StackParameters:
    """The heart with an RV as wide as that volume needs, or nearly."""

    def wide(width: float) -> StackParameters:
        end = min(heart.rv_end_mm, 0.6 * width)
        return dataclasses.replace(heart, rv_width_mm=width, rv_end_mm=end)

    def excess(width: float) -> float:
        return wide(width).rv_volume_ml - rv_ml

    low, high = RV_WIDTH_MM
    if excess(low) >= 0:
        return wide(low)
    return wide(high if excess(high) <= 0 else float(brentq(excess, low, high, xtol=0.01)))


def _placed(rng: np.random.Generator, heart: StackParameters) -> StackParameters:
    """The heart near the middle of its image, wholly inside with room to spare."""
    outer = 1.15 * (heart.radius_mm + heart.wall_mm)
    center = []
    for axis, towards in enumerate((math.sin, math.cos)):
        rv = heart.rv_width_mm * towards(math.radians(heart.rv_angle_deg)) / 2
        drift = heart.drift[axis] * heart.epi_length_mm / 2
        reach = outer + heart.rv_width_mm + abs(drift) + MARGIN_MM - abs(rv)
        room = max(heart.field_mm[axis] / 2 - reach, 0.0)
        shift = float(np.clip(_normal(rng, (0, 12)), -room, room))
        center.append(shift - rv - drift)
    return dataclasses.replace(heart, center_mm=(center[0], center[1]))


def _plausible(heart: StackParameters) -> bool:
    """Whether a draw is a heart whose pixels can be told apart."""
    return (
        thinnest_wall_mm(heart) >= THINNEST_WALL_MM
        and heart.radius_mm >= 9
        and RV_WIDTH_MM[0] < heart.rv_width_mm < RV_WIDTH_MM[1]
    )
