"""Means, spreads and correlations that the drawn hearts follow, per view and instant.

Aggregate figures measured on the ground truth of CAMUS (Leclerc et al., IEEE TMI 38(9), 2019; 400
patients), lengths in mm and angles in degrees, in a frame of the heart: depth runs from the apex
to the middle of the annulus, lateral to the right of the picture. No contour of a patient is kept.
A few means are off the measured ones by what measuring on pixels changes (an apex on a pixel
center lies half a pixel below the tip): what must agree is what the same code measures on both.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

# fmt: off
# Rows of numbers are tables: one value a line would hide them.

# Quantity: mean and SD at ED, mean and SD at ES, correlation between ED and ES.
Row = tuple[float, float, float, float, float]

SCALARS: Mapping[str, Mapping[str, Row]] = MappingProxyType(
    {
        "A2C": {
            "length": (77.5, 9.6, 65.6, 9.4, 0.88),
            "width": (45.9, 8.2, 34.7, 8.9, 0.86),
            "base_width": (30.8, 5.6, 27.3, 5.9, 0.75),
            "annulus_tilt": (4.1, 7.4, 4.1, 6.7, 0.65),
            "axis_tilt": (15.2, 9.1, 11.3, 9.0, 0.89),
            "base_col": (9.8, 10.0, 7.4, 9.2, 0.94),
            "apex_row": (30.3, 7.4, 33.2, 7.9, 0.92),
            "wall": (14.2, 2.3, 16.6, 2.7, 0.80),
            "wall_apex": (11.5, 2.7, 14.3, 3.4, 0.67),
            "corner_depth_left": (6.4, 2.2, 4.4, 2.6, 0.46),
            "corner_depth_right": (7.1, 2.4, 4.6, 2.4, 0.53),
            "corner_lateral_left": (11.1, 3.0, 13.6, 3.6, 0.46),
            "corner_lateral_right": (11.7, 2.7, 13.7, 2.7, 0.51),
            "la_length": (39.0, 13.0, 47.2, 12.4, 0.93),
            "la_width": (36.4, 8.4, 41.2, 8.7, 0.82),
            "la_angle": (-1.6, 10.8, -0.4, 9.4, 0.63),
        },
        "A4C": {
            "length": (77.0, 8.8, 65.6, 9.0, 0.89),
            "width": (45.3, 7.9, 35.7, 8.7, 0.88),
            "base_width": (31.7, 6.1, 28.3, 5.9, 0.85),
            "annulus_tilt": (8.7, 7.6, 4.4, 7.4, 0.67),
            "axis_tilt": (11.8, 7.2, 9.0, 7.0, 0.84),
            "base_col": (10.8, 7.6, 8.5, 7.1, 0.91),
            "apex_row": (31.0, 7.3, 33.2, 7.3, 0.95),
            "wall": (11.35, 1.75, 13.2, 2.1, 0.84),
            "wall_apex": (10.8, 2.4, 12.7, 2.8, 0.80),
            "corner_depth_left": (4.0, 1.8, 3.4, 2.0, 0.58),
            "corner_depth_right": (5.9, 2.1, 3.4, 2.2, 0.60),
            "corner_lateral_left": (9.2, 2.1, 10.1, 2.3, 0.58),
            "corner_lateral_right": (9.8, 2.2, 11.9, 2.3, 0.48),
            "la_length": (42.4, 12.0, 50.3, 11.4, 0.94),
            "la_width": (38.0, 8.3, 43.4, 8.3, 0.78),
            "la_angle": (-20.0, 8.6, -13.3, 8.6, 0.61),
        },
    }
)

# Of these the logarithm is normal, the rest is itself.
LOG_NORMAL = frozenset({"width", "base_width", "wall", "wall_apex"})

# Correlations at ED, means of the two views; pairs that are not named correlate below 0.15.
ED_CORRELATIONS: Mapping[tuple[str, str], float] = MappingProxyType(
    {
        ("length", "width"): 0.57,
        ("length", "base_width"): 0.37,
        ("width", "base_width"): 0.73,
        ("length", "la_width"): 0.16,
        ("width", "la_width"): 0.45,
        ("base_width", "la_width"): 0.57,
        ("width", "annulus_tilt"): 0.15,
        ("wall", "wall_apex"): 0.78,
        ("wall", "apex_row"): 0.45,
        ("wall_apex", "apex_row"): 0.55,
        ("length", "apex_row"): 0.15,
        ("wall", "corner_lateral_left"): 0.52,
        ("wall", "corner_lateral_right"): 0.57,
        ("wall_apex", "corner_lateral_left"): 0.30,
        ("wall_apex", "corner_lateral_right"): 0.36,
        ("corner_lateral_left", "corner_lateral_right"): 0.30,
        ("apex_row", "corner_lateral_left"): 0.25,
        ("apex_row", "corner_lateral_right"): 0.25,
        ("width", "corner_depth_left"): 0.25,
        ("width", "corner_depth_right"): 0.38,
        ("length", "corner_depth_left"): 0.18,
        ("length", "corner_depth_right"): 0.22,
        ("wall", "corner_depth_left"): 0.20,
        ("wall", "corner_depth_right"): 0.22,
        ("annulus_tilt", "axis_tilt"): 0.30,
        ("annulus_tilt", "base_col"): 0.18,
        ("annulus_tilt", "la_angle"): -0.55,
        ("annulus_tilt", "corner_depth_left"): -0.20,
        ("annulus_tilt", "corner_depth_right"): 0.16,
        ("axis_tilt", "base_col"): 0.74,
        ("axis_tilt", "la_angle"): -0.13,
        ("la_length", "la_width"): 0.67,
        ("width", "la_length"): 0.17,
        ("base_width", "la_length"): 0.22,
    }
)

# Correlations of what ES adds to what ED foretells; pairs that are not named are near zero.
ES_CORRELATIONS: Mapping[tuple[str, str], float] = MappingProxyType(
    {
        ("length", "width"): 0.50,
        ("width", "base_width"): 0.50,
        ("length", "base_width"): 0.14,
        ("length", "wall"): -0.38,
        ("width", "wall"): -0.37,
        ("wall", "wall_apex"): 0.60,
        ("length", "wall_apex"): -0.25,
        ("width", "wall_apex"): -0.25,
        ("length", "apex_row"): -0.60,
        ("wall", "apex_row"): 0.35,
        ("wall_apex", "apex_row"): 0.35,
        ("length", "la_length"): -0.28,
        ("width", "la_length"): -0.20,
        ("la_length", "la_width"): 0.40,
        ("axis_tilt", "base_col"): 0.50,
        ("annulus_tilt", "la_angle"): -0.50,
        ("wall", "corner_lateral_left"): 0.35,
        ("wall", "corner_lateral_right"): 0.35,
    }
)

# The image: depth below the ED annulus (mean, SD, correlation with the atrium's length; mm), and
# width over depth (mean, SD; a sector of 74.7 degrees, METHODS of the GE scanner: radius = depth).
ROOM_MM = (46.8, 20.5, 0.42)
IMAGE_RATIO = (1.22, 0.06)
# From ED to ES, ms (mean, SD) and diastole, ms; 500 patients, frame rate 55.6 Hz.
SYSTOLE_MS = (316.0, 56.0)
DIASTOLE_MS = (511.0, 90.0)

# Profiles: 20 slices from the apex (0.025) to the annulus (0.975) of each side's own depth.
# LV width over its largest width: mean and SD; the last value is the annulus itself.
Profile = tuple[float, ...]

WIDTH_MEAN: Mapping[str, tuple[Profile, Profile]] = MappingProxyType(
    {
        "A2C": (
            (0.31, 0.50, 0.61, 0.69, 0.75, 0.80, 0.83, 0.86, 0.89, 0.91,
             0.93, 0.95, 0.97, 0.98, 0.99, 0.98, 0.96, 0.91, 0.84, 0.73, 0.66),
            (0.30, 0.47, 0.57, 0.64, 0.69, 0.74, 0.78, 0.81, 0.84, 0.87,
             0.89, 0.92, 0.94, 0.96, 0.98, 0.98, 0.97, 0.94, 0.89, 0.83, 0.77),
        ),
        "A4C": (
            (0.33, 0.53, 0.64, 0.73, 0.79, 0.84, 0.88, 0.90, 0.92, 0.93,
             0.94, 0.95, 0.96, 0.97, 0.98, 0.98, 0.96, 0.92, 0.85, 0.75, 0.69),
            (0.31, 0.49, 0.59, 0.66, 0.72, 0.76, 0.79, 0.82, 0.84, 0.86,
             0.87, 0.90, 0.92, 0.95, 0.97, 0.98, 0.98, 0.95, 0.91, 0.84, 0.79),
        ),
    }
)
WIDTH_SD: tuple[Profile, Profile] = (
    (0.05, 0.07, 0.075, 0.075, 0.075, 0.075, 0.07, 0.07, 0.06, 0.055,
     0.055, 0.05, 0.045, 0.035, 0.035, 0.04, 0.045, 0.055, 0.065, 0.08, 0.09),
    (0.06, 0.08, 0.095, 0.10, 0.105, 0.105, 0.105, 0.10, 0.095, 0.09,
     0.085, 0.075, 0.065, 0.045, 0.03, 0.025, 0.04, 0.055, 0.07, 0.09, 0.11),
)
# Middle of the two walls against the straight axis, mm; zero at the annulus.
BEND_MEAN: Mapping[str, tuple[Profile, Profile]] = MappingProxyType(
    {
        "A2C": (
            (0.7, 1.7, 2.4, 3.1, 3.5, 3.8, 4.0, 4.1, 4.0, 3.9,
             3.6, 3.2, 2.7, 2.1, 1.5, 1.0, 0.5, 0.2, 0.1, 0.0),
            (0.5, 1.0, 1.5, 1.9, 2.3, 2.5, 2.7, 2.8, 2.7, 2.6,
             2.4, 2.1, 1.7, 1.3, 0.9, 0.5, 0.3, 0.1, 0.0, 0.0),
        ),
        "A4C": (
            (0.7, 1.4, 1.8, 2.1, 2.4, 2.7, 3.0, 3.3, 3.6, 3.8,
             4.0, 4.0, 3.7, 3.3, 2.6, 1.9, 1.3, 0.8, 0.5, 0.1),
            (0.6, 0.9, 1.1, 1.3, 1.6, 1.8, 2.1, 2.3, 2.5, 2.6,
             2.6, 2.4, 1.9, 1.4, 0.8, 0.3, -0.1, -0.3, -0.3, -0.1),
        ),
    }
)
BEND_SD: tuple[Profile, Profile] = (
    (0.9, 1.3, 1.7, 2.0, 2.2, 2.4, 2.5, 2.6, 2.6, 2.7,
     2.7, 2.7, 2.6, 2.5, 2.3, 2.1, 1.8, 1.6, 1.3, 0.7),
    (0.8, 1.1, 1.5, 1.7, 1.9, 2.0, 2.2, 2.2, 2.3, 2.3,
     2.3, 2.2, 2.1, 2.0, 1.9, 1.7, 1.5, 1.2, 0.9, 0.4),
)
# Wall, measured across the axis, over the mean wall thickness: left and right side.
WALL_LEFT: Mapping[str, tuple[Profile, Profile]] = MappingProxyType(
    {
        "A2C": (
            (1.20, 1.11, 1.09, 1.09, 1.11, 1.13, 1.15, 1.17, 1.18, 1.19,
             1.19, 1.17, 1.15, 1.12, 1.10, 1.07, 1.06, 1.06, 1.08, 1.13),
            (1.17, 1.10, 1.09, 1.10, 1.12, 1.14, 1.15, 1.16, 1.17, 1.16,
             1.16, 1.14, 1.12, 1.09, 1.06, 1.04, 1.02, 1.02, 1.02, 1.03),
        ),
        "A4C": (
            (1.29, 1.11, 1.05, 1.01, 0.99, 0.99, 1.00, 1.03, 1.06, 1.09,
             1.12, 1.13, 1.12, 1.09, 1.04, 0.99, 0.96, 0.94, 0.96, 1.01),
            (1.18, 1.06, 1.02, 1.01, 1.01, 1.02, 1.04, 1.07, 1.10, 1.11,
             1.12, 1.10, 1.06, 1.02, 0.97, 0.93, 0.90, 0.88, 0.89, 0.92),
        ),
    }
)
WALL_RIGHT: Mapping[str, tuple[Profile, Profile]] = MappingProxyType(
    {
        "A2C": (
            (1.44, 1.27, 1.19, 1.14, 1.10, 1.08, 1.07, 1.05, 1.05, 1.04,
             1.03, 1.02, 1.02, 1.02, 1.03, 1.04, 1.06, 1.09, 1.12, 1.19),
            (1.28, 1.17, 1.13, 1.09, 1.06, 1.04, 1.03, 1.01, 1.01, 1.00,
             0.99, 0.99, 0.98, 0.98, 0.98, 0.98, 0.98, 0.99, 1.00, 1.01),
        ),
        "A4C": (
            (1.49, 1.28, 1.20, 1.17, 1.14, 1.13, 1.11, 1.10, 1.09, 1.08,
             1.07, 1.06, 1.06, 1.06, 1.06, 1.08, 1.10, 1.13, 1.18, 1.25),
            (1.31, 1.19, 1.14, 1.11, 1.10, 1.09, 1.08, 1.07, 1.06, 1.05,
             1.05, 1.05, 1.05, 1.05, 1.05, 1.06, 1.07, 1.07, 1.09, 1.10),
        ),
    }
)
WALL_SD: Profile = (
    (0.19, 0.15, 0.13, 0.125, 0.12, 0.12, 0.12, 0.125, 0.13, 0.135,
     0.14, 0.14, 0.14, 0.135, 0.135, 0.13, 0.13, 0.14, 0.15, 0.17)
)
# Atrium: 12 slices from the annulus to the bottom; width over its largest width, and middle in mm.
LA_WIDTH_MEAN: tuple[Profile, Profile] = (
    (0.84, 0.89, 0.93, 0.95, 0.97, 0.97, 0.96, 0.93, 0.88, 0.80, 0.67, 0.43),
    (0.70, 0.80, 0.88, 0.94, 0.97, 0.98, 0.98, 0.96, 0.91, 0.84, 0.70, 0.45),
)
LA_WIDTH_SD: Profile = (0.12, 0.09, 0.07, 0.05, 0.035, 0.035, 0.04, 0.05, 0.07, 0.09, 0.10, 0.10)
LA_BEND_MEAN: Mapping[str, tuple[Profile, Profile]] = MappingProxyType(
    {
        "A2C": (
            (0.0, 0.0, 0.0, 0.0, -0.1, -0.1, -0.1, -0.1, 0.1, 0.4, 0.8, 1.5),
            (-0.1, -0.2, -0.3, -0.3, -0.3, -0.2, -0.1, 0.1, 0.3, 0.7, 1.3, 2.3),
        ),
        "A4C": (
            (0.1, 0.1, 0.2, 0.2, 0.2, 0.1, 0.0, -0.3, -0.7, -1.5, -2.5, -3.9),
            (0.2, 0.3, 0.5, 0.5, 0.5, 0.3, 0.1, -0.2, -0.8, -1.5, -2.6, -4.1),
        ),
    }
)
LA_BEND_SD: Profile = (0.4, 0.7, 0.8, 0.8, 0.75, 0.7, 0.7, 0.8, 1.0, 1.4, 2.0, 3.0)

# How far along a contour its deviations stay alike (Gaussian kernel, share of the length), and
# how much of a deviation at ED is still there at ES (correlation).
WIDTH_REACH, BEND_REACH, WALL_REACH, LA_REACH = 0.17, 0.40, 0.35, 0.17
PROFILE_KEPT = 0.48
# Bumps of the cavity are carved into the wall: of what varies over less than `SMOOTH` of the
# length this share is missing from the wall, so the epicardium is smooth (second differences of
# wall and cavity correlate at -0.8 left, -0.73 right). Bumps are this much larger on the left
# (septum, inferior wall) and smaller on the right than their mean.
SMOOTH = 0.13
CARVED = 0.9
BUMPS_LEFT = 0.22
# The rest of the wall's variation is smooth, with this share of its SD.
WALL_SMOOTH_SHARE = 0.85
# Contact of atrium and wall on each side: gamma distribution, shape and scale in mm (the median of
# the contact is .04 of the heart's width, in one heart of fifteen it is above .11).
LA_CONTACT_MM = (1.3, 3.0)
# fmt: on
