"""The random draw of the quantities that make a heart."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiovae.errors import CardiovaeError
from cardiovae.phantom import measured
from cardiovae.phantom.quantities import LA_SLICES, SLICES, HeartParameters, HeartShape
from cardiovae.sequence import APICAL

Values = NDArray[np.float64]

# Draws beyond this many SDs are pulled back: no patient of CAMUS lies farther out in most.
MOST_SD = 2.6
EF_RANGE = (0.12, 0.80)  # METHODS 7.3: p1 .153, p99 .757


def draw_parameters(rng: np.random.Generator, view: str) -> HeartParameters:
    """A random heart with the statistics of CAMUS (`cardiovae.phantom.measured`).

    Args:
        rng: Source of randomness; the same state gives the same heart.
        view: "A2C" or "A4C".

    Raises:
        CardiovaeError: Another view.
    """
    if view not in APICAL:
        raise CardiovaeError(f"a phantom's view is one of {APICAL}, got {view!r}")
    while True:  # about one draw in thirty is no heart
        parameters = _draw(rng, view)
        if _plausible(parameters):
            return parameters


def _draw(rng: np.random.Generator, view: str) -> HeartParameters:
    scalars = _scalars(rng, measured.SCALARS[view])
    la_z = scalars.pop("la_z")[0]
    shapes = _shapes(rng, view, scalars)
    mean, sd, correlation = measured.ROOM_MM
    room = mean + sd * (correlation * la_z + math.sqrt(1 - correlation**2) * _normal(rng))
    ed, es = shapes
    lowest = max(_lowest_wall(ed), _lowest_wall(es))
    base = ed.apex_row_mm + ed.length_mm * math.cos(math.radians(ed.axis_tilt_deg))
    depth = min(max(base + room, lowest + 3, 85.0), 220.0)
    ratio = measured.IMAGE_RATIO[0] + measured.IMAGE_RATIO[1] * _normal(rng)
    times = [mean + sd * _normal(rng) for mean, sd in (measured.SYSTOLE_MS, measured.DIASTOLE_MS)]
    return HeartParameters(view, ed, es, depth, depth * ratio, times[0], times[1])


def _normal(rng: np.random.Generator) -> float:
    return float(np.clip(rng.standard_normal(), -MOST_SD, MOST_SD))


def _scalars(
    rng: np.random.Generator, table: Mapping[str, measured.Row]
) -> dict[str, tuple[float, float]]:
    """Every scalar at ED and ES; `la_z` is the standardized atrial length."""
    names = list(table)
    first = _correlated(rng, names, measured.ED_CORRELATIONS)
    added = _correlated(rng, names, measured.ES_CORRELATIONS)
    values = {"la_z": (float(first[names.index("la_length")]), 0.0)}
    for i, name in enumerate(names):
        ed_mean, ed_sd, es_mean, es_sd, kept = table[name]
        second = kept * first[i] + math.sqrt(1 - kept * kept) * added[i]
        log = name in measured.LOG_NORMAL
        values[name] = (
            _scaled(ed_mean, ed_sd, float(first[i]), log),
            _scaled(es_mean, es_sd, float(second), log),
        )
    return values


def _scaled(mean: float, sd: float, z: float, log: bool) -> float:
    """A value `z` SDs from its mean, or from that of its logarithm."""
    if not log:
        return mean + sd * z
    spread = math.sqrt(math.log(1 + (sd / mean) ** 2))
    return mean * math.exp(spread * z - spread**2 / 2)


def _correlated(
    rng: np.random.Generator, names: list[str], correlations: Mapping[tuple[str, str], float]
) -> Values:
    """Standard normal values with these correlations, the nearest that can be had."""
    matrix = np.eye(len(names))
    for (first, second), value in correlations.items():
        i, j = names.index(first), names.index(second)
        matrix[i, j] = matrix[j, i] = value
    variances, axes = np.linalg.eigh(matrix)
    factor = axes * np.sqrt(variances.clip(0.02))
    factor /= np.linalg.norm(factor, axis=1, keepdims=True)
    drawn: Values = factor @ rng.standard_normal(len(names))
    return drawn.clip(-MOST_SD, MOST_SD)


def _wave(rng: np.random.Generator, at: Values, reach: float) -> tuple[Values, Values]:
    """A smooth standard normal function at ED and ES: values at `at`, alike over `reach`."""
    factor = np.linalg.cholesky(_alike(at, at, reach) + 1e-6 * np.eye(at.size))
    first, other = factor @ rng.standard_normal(at.size), factor @ rng.standard_normal(at.size)
    kept = measured.PROFILE_KEPT
    second = kept * first + math.sqrt(1 - kept * kept) * other
    return first.clip(-MOST_SD, MOST_SD), second.clip(-MOST_SD, MOST_SD)


def _alike(first: Values, second: Values, reach: float) -> Values:
    alike: Values = np.exp(-0.5 * ((first[:, None] - second[None, :]) / reach) ** 2)
    return alike


def _shapes(
    rng: np.random.Generator, view: str, scalars: Mapping[str, tuple[float, float]]
) -> tuple[HeartShape, HeartShape]:
    at = np.append(SLICES, 1.0)
    width = _wave(rng, at, measured.WIDTH_REACH)
    bend = _wave(rng, SLICES, measured.BEND_REACH)
    walls = [_wave(rng, SLICES, measured.WALL_REACH) for _ in range(2)]
    la_width, la_bend = (_wave(rng, LA_SLICES, measured.LA_REACH) for _ in range(2))
    contact = float(rng.gamma(*measured.LA_CONTACT_MM))
    shapes = []
    for i in (0, 1):
        value = {name: pair[i] for name, pair in scalars.items()}
        mean, sd = np.array(measured.WIDTH_MEAN[view][i]), np.array(measured.WIDTH_SD[i])
        # The drawn wave, given that at the annulus it must be the drawn base width.
        base = (value["base_width"] / value["width"] - mean[-1]) / sd[-1]
        pull = _alike(at, at[-1:], measured.WIDTH_REACH)[:, 0] * (base - width[i][-1])
        wider = (sd * (width[i] + pull).clip(-3, 3))[:-1]
        widened = value["width"] * wider / 2
        shifted = np.array(measured.BEND_SD[i]) * bend[i] - measured.BUMPS_LEFT * _bumps(widened)
        left, right = _walls(
            (walls[0][i], walls[1][i]), (widened - shifted, widened + shifted), value["wall"]
        )
        profiles = {
            "width_profile": mean[:-1] + wider,
            "bend_mm": np.asarray(measured.BEND_MEAN[view][i]) + shifted,
            "wall_left": np.asarray(measured.WALL_LEFT[view][i]) + left,
            "wall_right": np.asarray(measured.WALL_RIGHT[view][i]) + right,
            "la_width_profile": np.asarray(measured.LA_WIDTH_MEAN[i])
            + np.asarray(measured.LA_WIDTH_SD) * la_width[i],
            "la_bend_mm": np.asarray(measured.LA_BEND_MEAN[view][i])
            + np.asarray(measured.LA_BEND_SD) * la_bend[i],
        }
        shapes.append(_shape(value, contact, profiles))
    return shapes[0], shapes[1]


def _bumps(deviation: Values) -> Values:
    """What of a deviation along the LV varies over a short way."""
    kernel = _alike(SLICES, SLICES, measured.SMOOTH)
    bumps: Values = deviation - kernel @ deviation / kernel.sum(1)
    return bumps


def _walls(
    waves: tuple[Values, Values], deviations: tuple[Values, Values], wall_mm: float
) -> tuple[Values, Values]:
    """How the left and right wall deviate from their means, over `wall_mm`.

    A smooth wave of its own, without a mean (the mean thickness has its own draw), less the bumps
    of the cavity.
    """
    level = (waves[0].mean() + waves[1].mean()) / 2
    sd = np.asarray(measured.WALL_SD) * measured.WALL_SMOOTH_SHARE
    left, right = (
        sd * (wave - level) - measured.CARVED * _bumps(deviation) / wall_mm
        for wave, deviation in zip(waves, deviations, strict=True)
    )
    return left, right


def _shape(
    scalars: Mapping[str, float], contact_mm: float, profiles: Mapping[str, Values]
) -> HeartShape:
    quantities: dict[str, Any] = {_with_unit(name): value for name, value in scalars.items()}
    half = scalars["base_width"] / 2
    for side, sign in (("left", -1), ("right", 1)):
        # A corner farther out than the wall above it would be a spur.
        wide = scalars["width"] * profiles["width_profile"][-2] / 2
        wall = scalars["wall"] * profiles[f"wall_{side}"][-2]
        outer = wide + sign * profiles["bend_mm"][-2] + wall - half
        name = f"corner_lateral_{side}_mm"
        quantities[name] = min(quantities[name], float(outer))
    quantities |= {name: tuple(values.tolist()) for name, values in profiles.items()}
    return HeartShape(la_contact_mm=contact_mm, **quantities)


def _with_unit(name: str) -> str:
    return name + ("_deg" if name.endswith(("_tilt", "_angle")) else "_mm")


def _lowest_wall(shape: HeartShape) -> float:
    """Depth in the image of the lowest corner of the wall, mm."""
    tilt, lean = math.radians(shape.annulus_tilt_deg), math.radians(shape.axis_tilt_deg)
    rows = []
    for side, corner, out in (
        (-1, shape.corner_depth_left_mm, shape.corner_lateral_left_mm),
        (1, shape.corner_depth_right_mm, shape.corner_lateral_right_mm),
    ):
        depth = shape.length_mm + side * shape.base_width_mm / 2 * math.sin(tilt) + corner
        lateral = side * (shape.base_width_mm / 2 * math.cos(tilt) + out)
        rows.append(shape.apex_row_mm + depth * math.cos(lean) - lateral * math.sin(lean))
    return max(rows)


def _plausible(parameters: HeartParameters) -> bool:
    """Whether a draw is a heart: contracting, walled, and inside its image."""
    ed, es = parameters.ed, parameters.es
    walls = [min(s.wall_mm * min(*s.wall_left, *s.wall_right), s.wall_apex_mm) for s in (ed, es)]
    narrow = min(min(s.width_profile) * s.width_mm for s in (ed, es))
    return (
        EF_RANGE[0] <= parameters.ef <= EF_RANGE[1]
        and es.length_mm < ed.length_mm
        and min(walls) >= 5
        and narrow >= 4
        and min(s.base_width_mm / s.width_mm for s in (ed, es)) >= 0.45
        and min(s.base_width_mm for s in (ed, es)) >= 13
        and min(s.apex_row_mm - s.wall_apex_mm for s in (ed, es)) >= 3
        and min(s.la_length_mm for s in (ed, es)) >= 14
        and min(s.la_width_mm for s in (ed, es)) >= 16
        and min(min(s.corner_depth_left_mm, s.corner_depth_right_mm) for s in (ed, es)) >= -1
        and min(min(s.corner_lateral_left_mm, s.corner_lateral_right_mm) for s in (ed, es)) >= 4
        and parameters.systole_ms > 150
        and parameters.diastole_ms > 200
    )
