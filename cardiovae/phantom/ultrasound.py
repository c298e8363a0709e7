"""Simulated B-mode cines of label maps: what an ultrasound scanner would make of the hearts.

A phased array in the middle of the top edge looks down a sector. On its polar grid every tissue is
a field of random scatterers; the echo is their sum under a point-spread function of constant
length along the beam and constant angle across it, so that speckle grows wider with depth. The
envelope of such a sum is Rayleigh distributed (Wagner et al., "Statistics of speckle in ultrasound
B-scans", IEEE Trans Sonics Ultrason 30(3), 1983). Over time the scatterers of each place follow an
autoregressive process of first order: speckle stays for some frames in tissue, changes quickly in
blood, and never travels with the wall.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cardiovae.errors import CardiovaeError
from cardiovae.labels import Label

Values = NDArray[np.float64]
Echoes = NDArray[np.complex128]

SAMPLES_PER_SIGMA = 2  # samples of the polar grid per standard deviation of the PSF
WIDEST_DEG = 60.0
FLOOR = 1e-6  # -120 dB, so that no envelope has the logarithm of zero
INTERFACE_DB = 8.0  # of a border that the beam crosses, above the myocardium


@dataclass(frozen=True)
class Imaging:
    """How a scanner sees. Levels are in dB, 0 being the brightest gray at no gain.

    Args:
        gain_db: Added to everything.
        dynamic_range_db: From black to white.
        blood_db, myocardium_db, outside_db: Mean level of each tissue.
        texture_db: Standard deviation of its slow variation, such as drop-out of a wall.
        attenuation_db_per_cm: What the time gain compensation leaves of it.
        shadows: How many acoustic shadows (ribs, lung).
        shadow_db: Loss inside a shadow.
        haze_db: Level of reverberation at the transducer; it fades over `haze_reach_mm`.
        haze_reach_mm: See above.
        noise_db: Level of the receiver's noise.
        axial_mm: Standard deviation of the PSF along the beam.
        lateral_deg: The same across it.
        keep_tissue, keep_blood: Correlation of the scatterers from frame to frame.
    """

    gain_db: float = 0.0
    dynamic_range_db: float = 60.0
    blood_db: float = -48.0
    myocardium_db: float = -22.0
    outside_db: float = -29.0
    texture_db: float = 4.0
    attenuation_db_per_cm: float = 0.3
    shadows: int = 0
    shadow_db: float = 24.0
    haze_db: float = -30.0
    haze_reach_mm: float = 18.0
    noise_db: float = -54.0
    axial_mm: float = 0.5
    lateral_deg: float = 0.8
    keep_tissue: float = 0.95
    keep_blood: float = 0.4


def draw_imaging(rng: np.random.Generator, severity: float) -> Imaging:
    """A random scanner and patient, worse with growing severity.

    Args:
        rng: Source of randomness.
        severity: From 0 (a good window) to 1 (hardly any contrast, wide shadows, wrong gain).

    Raises:
        CardiovaeError: A severity outside 0 to 1.
    """
    if not 0 <= severity <= 1:
        raise CardiovaeError(f"severity is a number from 0 to 1, got {severity}")
    spread = rng.normal(size=5)
    return Imaging(
        gain_db=float((1 + 6 * severity) * spread[0]),
        dynamic_range_db=float(rng.uniform(54, 66)),
        blood_db=-48 + 12 * severity + float(2 * spread[1]),
        myocardium_db=-22 - 4 * severity + float(2 * spread[2]),
        outside_db=-29 + float(3 * spread[3]),
        texture_db=3 + 5 * severity,
        attenuation_db_per_cm=float(rng.uniform(0.1, 0.4 + 0.8 * severity)),
        shadows=int(rng.binomial(3, 0.1 + 0.7 * severity)),
        shadow_db=18 + 14 * severity,
        haze_db=-34 + 14 * severity + float(2 * spread[4]),
        haze_reach_mm=float(rng.uniform(12, 18 + 20 * severity)),
        axial_mm=float(rng.uniform(0.4, 0.6 + 0.3 * severity)),
        lateral_deg=float(rng.uniform(0.6, 0.9 + 0.6 * severity)),
    )


def simulate_bmode(
    labels: NDArray[np.uint8],
    spacing_mm: tuple[float, float],
    *,
    rng: np.random.Generator,
    imaging: Imaging | None = None,
) -> NDArray[np.uint8]:
    """B-mode cine of a label map sequence.

    Args:
        labels: Label map, shape (H, W, T), row 0 at the transducer. The sector is as wide as the
            image, and wider where the heart is, up to 120 degrees.
        spacing_mm: Distance between pixel centers along (rows, columns) in mm.
        rng: Source of randomness; the same state gives the same cine.
        imaging: Scanner and patient; None = a good window.

    Returns:
        Gray levels after log compression, shape (H, W, T), uint8, 0 outside the sector.

    Raises:
        CardiovaeError: Labels of another shape.
    """
    if labels.ndim != 3 or 0 in labels.shape:
        raise CardiovaeError(
            f"simulate_bmode: labels have shape (H, W, T), none of them zero; got {labels.shape}"
        )
    imaging = imaging or Imaging()
    sector = Sector.of((labels != Label.BACKGROUND).any(2), spacing_mm, imaging)
    texture = imaging.texture_db * _slow(sector, 12.0, 9.0, rng)
    loss = _amplitude(-_loss_db(sector, imaging, rng))
    haze = _amplitude(imaging.haze_db - 8.7 * sector.radius_mm / imaging.haze_reach_mm)[:, None]
    image = np.zeros(labels.shape, np.uint8)
    echoes = [_white(sector.shape, rng) for _ in range(2)]
    for t in range(labels.shape[2]):
        tissue = sector.sample(labels[:, :, t])
        blood = (tissue == Label.LV) | (tissue == Label.LA)
        keep = np.where(blood, imaging.keep_blood, imaging.keep_tissue)
        echoes[0] = keep * echoes[0] + np.sqrt(1 - keep**2) * _white(sector.shape, rng)
        strength = _amplitude(_level_db(tissue, blood, imaging) + texture)
        field = speckle(strength * echoes[0], sector.sigmas) * loss
        field += haze * speckle(echoes[1], sector.sigmas)
        field += _amplitude(imaging.noise_db) * _white(sector.shape, rng)
        level = 20 * np.log10(np.abs(field) + FLOOR) + imaging.gain_db
        gray = 255 * np.clip(1 + level / imaging.dynamic_range_db, 0, 1)
        image[:, :, t] = sector.scan_convert(gray)
    return image


def speckle(scatterers: Echoes, sigmas: tuple[float, float]) -> Echoes:
    """Echo of a field of scatterers: their convolution with a Gaussian PSF of unit energy.

    Args:
        scatterers: Complex amplitudes on the polar grid, shape (R, L).
        sigmas: Standard deviations of the PSF along both axes, in samples, 1 or more.

    Returns:
        Complex echoes, shape (R, L), of the mean power of the scatterers; where those are white
        and Gaussian, the magnitude is Rayleigh distributed.
    """
    blurred = ndimage.gaussian_filter(scatterers, sigmas, mode="mirror", truncate=3.0)
    # The squares of a Gaussian kernel sum to 1 / (2 sqrt(pi) sigma).
    return np.asarray(blurred * (2 * math.sqrt(math.pi) * math.sqrt(sigmas[0] * sigmas[1])))


@dataclass(frozen=True, eq=False)
class Sector:
    """The polar grid of a phased array and its image.

    Args:
        radius_mm: Distance of the samples from the transducer, shape (R,).
        angle_rad: Direction of the lines, 0 straight down, growing to the right, shape (L,).
        sigmas: Standard deviations of the PSF in samples and lines.
        at_samples: Row and column of every sample, shape (2, R, L).
        at_pixels: Sample and line of every pixel, shape (2, H, W).
        inside: Pixels in the sector, shape (H, W).
    """

    radius_mm: Values
    angle_rad: Values
    sigmas: tuple[float, float]
    at_samples: Values
    at_pixels: Values
    inside: NDArray[np.bool_]

    @classmethod
    def of(
        cls, heart: NDArray[np.bool_], spacing_mm: tuple[float, float], imaging: Imaging
    ) -> Sector:
        """The sector that fills an image (H, W), as deep and as wide, and holds the heart."""
        shape = heart.shape[0], heart.shape[1]
        depth, half = shape[0] * spacing_mm[0], shape[1] * spacing_mm[1] / 2
        widest = max(math.asin(min(half / depth, 1.0)), _half_angle(heart, spacing_mm))
        widest = min(widest, math.radians(WIDEST_DEG))
        steps = (imaging.axial_mm, math.radians(imaging.lateral_deg))
        counts = [
            max(2, math.ceil(SAMPLES_PER_SIGMA * span / step) + 1)
            for span, step in zip((depth, 2 * widest), steps, strict=True)
        ]
        radius = np.linspace(0, depth, counts[0])
        angle = np.linspace(-widest, widest, counts[1])
        sigmas = (steps[0] / float(radius[1]), steps[1] / float(angle[1] - angle[0]))
        y, x = radius[:, None] * np.cos(angle), radius[:, None] * np.sin(angle)
        middle = (shape[1] - 1) / 2
        at_samples = np.stack([y / spacing_mm[0], x / spacing_mm[1] + middle])
        y, x = np.meshgrid(
            np.arange(shape[0]) * spacing_mm[0],
            (np.arange(shape[1]) - middle) * spacing_mm[1],
            indexing="ij",
        )
        distance, direction = np.hypot(y, x), np.arctan2(x, y)
        inside = (distance <= depth) & (np.abs(direction) <= widest)
        at_pixels = np.stack([distance / radius[1], (direction + widest) / (angle[1] - angle[0])])
        return cls(radius, angle, sigmas, at_samples, at_pixels, inside)

    @property
    def shape(self) -> tuple[int, int]:
        """Number of samples and of lines."""
        return self.radius_mm.size, self.angle_rad.size

    def sample(self, frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Labels (H, W) on the polar grid, (R, L)."""
        sampled: NDArray[np.uint8] = ndimage.map_coordinates(
            frame, self.at_samples, order=0, mode="nearest"
        )
        return sampled

    def scan_convert(self, gray: Values) -> NDArray[np.uint8]:
        """Gray levels (R, L) as an image (H, W), 0 outside the sector."""
        image = ndimage.map_coordinates(gray, self.at_pixels, order=1, mode="nearest")
        return np.where(self.inside, np.rint(image), 0).astype(np.uint8)


def _half_angle(heart: NDArray[np.bool_], spacing_mm: tuple[float, float]) -> float:
    """Half the angle under which the transducer sees the heart (H, W), radians."""
    rows, cols = np.nonzero(heart)
    lateral = np.abs(cols - (heart.shape[1] - 1) / 2) * spacing_mm[1]
    angles = np.arctan2(lateral, rows * spacing_mm[0])
    return float(angles.max()) if angles.size else 0.0


def _level_db(tissue: NDArray[np.uint8], blood: NDArray[np.bool_], imaging: Imaging) -> Values:
    """Level of every sample; borders that the beam crosses, valves among them, are brighter."""
    level = np.where(blood, imaging.blood_db, imaging.outside_db)
    level[tissue == Label.MYO] = imaging.myocardium_db
    crossed = np.zeros(tissue.shape, bool)
    crossed[1:] = tissue[1:] != tissue[:-1]
    return np.where(crossed, imaging.myocardium_db + INTERFACE_DB, level)


def _loss_db(sector: Sector, imaging: Imaging, rng: np.random.Generator) -> Values:
    """What attenuation and shadows take from every sample."""
    loss = np.broadcast_to(
        imaging.attenuation_db_per_cm * sector.radius_mm[:, None] / 10, sector.shape
    ).copy()
    widest = float(sector.angle_rad[-1])
    for _ in range(imaging.shadows):
        # Most shadows come from the sides, where ribs and lung reach into the window.
        middle = widest * rng.choice((-1, 1)) * math.sqrt(rng.uniform(0.05, 1))
        width = math.radians(rng.uniform(3, 9))
        begin, soft = rng.uniform(5, 0.5 * sector.radius_mm[-1]), 4.0
        across = np.exp(-0.5 * ((sector.angle_rad - middle) / width) ** 2)
        along = 1 / (1 + np.exp(np.clip((begin - sector.radius_mm) / soft, -50, 50)))
        loss += imaging.shadow_db * along[:, None] * across
    return loss


def _slow(sector: Sector, along_mm: float, across_deg: float, rng: np.random.Generator) -> Values:
    """A smooth standard normal field on the polar grid."""
    sigmas = (
        along_mm / float(sector.radius_mm[1]),
        math.radians(across_deg) / float(sector.angle_rad[1] - sector.angle_rad[0]),
    )
    field = ndimage.gaussian_filter(rng.standard_normal(sector.shape), sigmas, mode="mirror")
    return np.asarray(field * (2 * math.sqrt(math.pi) * math.sqrt(sigmas[0] * sigmas[1])))


def _white(shape: tuple[int, int], rng: np.random.Generator) -> Echoes:
    """White complex Gaussian noise of unit power."""
    parts = rng.standard_normal((2, *shape)) / math.sqrt(2)
    return np.asarray(parts[0] + 1j * parts[1])


def _amplitude(level_db: Values | float) -> Values:
    return np.asarray(10 ** (np.asarray(level_db) / 20), np.float64)
