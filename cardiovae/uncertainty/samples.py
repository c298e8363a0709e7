"""Other hearts that the input could have meant: samples of its codes, valid ones alone.

An error of a code has two parts: what a network does to every frame of a sequence alike, and what
it does to a single one, of which neighbors tell (`uncertainty.motion`). Sampled codes are decoded,
given the contour detail of the result, and kept where they pass the anatomical audit.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from cardiovae.attributes import ATTRIBUTES, measure_attributes
from cardiovae.audit.audit import frame_is_valid
from cardiovae.audit.criteria import CriteriaSet
from cardiovae.bank import GRID
from cardiovae.correction.blend import canvas_to_native
from cardiovae.labels import Label
from cardiovae.prior.codec import (
    Floats,
    canvas_distances,
    compose,
    decode,
    measured_distances,
    to_canvas,
)
from cardiovae.prior.folder import ShapePrior
from cardiovae.prior.grid import Placement
from cardiovae.prior.objective import class_shares
from cardiovae.sequence import EchoSequence
from cardiovae.uncertainty.errors import CodeErrors
from cardiovae.uncertainty.motion import MotionPosterior, motion_posterior

Array = NDArray[np.float64]
Frames = NDArray[np.intp]

MOST_DRAWS = 3  # for each sample wanted, before a frame does with fewer
LEAST_TRUST = 0.05  # a ruined frame's own code says next to nothing, but not nothing
AT_A_TIME = 64  # hearts on the fine grid: 40 MB


@dataclass(frozen=True, eq=False)
class Hearts:
    """What samples are drawn around.

    Args:
        sequence: The label maps that are returned.
        codes: The codes behind them, shape (T, D).
        detail: What the codes do not explain of their signed distances, (T, 3, 128, 96), mm.
        placement: Where the sequence lies on the canvas.
    """

    sequence: EchoSequence
    codes: Array
    detail: Floats
    placement: Placement


def hearts(
    sequence: EchoSequence, codes: Array, placement: Placement, prior: ShapePrior
) -> Hearts:
    """The hearts of a sequence as samples are drawn around them."""
    measured = measured_distances(to_canvas(sequence.labels, placement)[0])
    decoded = canvas_distances(decode(prior.network, codes))
    return Hearts(sequence, codes, measured - decoded, placement)


@dataclass(frozen=True, eq=False)
class Drawn:
    """Samples of some frames.

    Args:
        frames: Which frames, shape (K,).
        distances: Signed distances on the canvas, shape (K, 3, 128, 96), mm.
        labels: Label maps on the fine canonical grid, shape (256, 192, K).
        valid: Which pass the anatomical audit, shape (K,).
    """

    frames: Frames
    distances: Floats
    labels: NDArray[np.uint8]
    valid: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Errors:
    """How the codes of one sequence may err.

    Args:
        codes: What they may err by, in the large.
        scale: Of what its frames share: that of its median frame.
        motion: What its frames tell of each other.
    """

    codes: CodeErrors
    scale: float
    motion: MotionPosterior

    def sample(self, codes: Array, n: int, rng: np.random.Generator) -> Array:
        """Whole sequences of codes around codes (T, D), shape (n, T, D)."""
        n_dims = codes.shape[1]
        shared = rng.standard_normal((n, 1, n_dims)) @ _root(self.codes.shared).T
        own = self.motion.sample(n, n_dims, rng) @ _root(self.codes.own).T
        return np.asarray(codes + self.scale * shared + own)


def errors_of(codes: Array, trust: Array, distances: Array, errors: CodeErrors) -> Errors:
    """How a sequence's codes may err.

    Args:
        codes: Codes as encoded, those of broken frames fitted, shape (T, D).
        trust: How much each frame is to be believed, 0 to 1, shape (T,).
        distances: Mahalanobis distances of the codes, shape (T,).
        errors: Of frames in general.
    """
    scale = errors.scale(distances)
    precision = np.clip(trust, LEAST_TRUST, 1.0) / scale**2
    return Errors(errors, float(np.median(scale)), motion_posterior(codes, errors.own, precision))


def drawn(
    found: Hearts, codes: Array, frames: Frames, prior: ShapePrior, criteria_set: CriteriaSet
) -> Iterator[Drawn]:
    """Codes (K, D) of the given frames as hearts, some at a time.

    Judged on the fine grid that banks are judged on: it costs a tenth of large native frames.
    """
    structures = found.sequence.structures
    for first in range(0, len(codes), AT_A_TIME):
        part = slice(first, first + AT_A_TIME)
        distances = canvas_distances(decode(prior.network, codes[part]))
        distances += found.detail[frames[part]]
        labels = compose(canvas_to_native(distances, GRID), structures)
        valid = np.array(
            [
                frame_is_valid(labels[:, :, k], GRID.pixel_mm, criteria_set, structures)
                for k in range(labels.shape[2])
            ]
        )
        yield Drawn(frames[part], distances, labels, valid)


@dataclass(frozen=True, eq=False)
class Spread:
    """What the valid samples of each frame look like together.

    Args:
        shares: Mean class shares on the canvas, shape (T, 4, 128, 96).
        band_mm: Half-width that holds 90 % of each frame's contours, mean over them, shape (T,),
            in canonical mm; NaN for a frame with fewer than two valid samples.
        lv_area_sd: Relative standard deviation of the LV area, shape (T,), likewise.
        attribute_sd: Standard deviation of each attribute, shape (T,), in canonical mm, mm2 or
            degrees; NaN where fewer than two samples have it.
        valid_share: Share of the draws that were valid, shape (T,).
        n_samples: Valid samples used, shape (T,).
    """

    shares: Floats
    band_mm: Array
    lv_area_sd: Array
    attribute_sd: Mapping[str, Array]
    valid_share: Array
    n_samples: Frames


def spread(
    found: Hearts,
    errors: Errors,
    prior: ShapePrior,
    criteria_set: CriteriaSet,
    n_samples: int,
    rng: np.random.Generator,
) -> Spread:
    """Draw until every frame has its valid samples, or `MOST_DRAWS` times as many were drawn."""
    n_frames = len(found.codes)
    sums = _Sums.zeros(n_frames)
    for _ in range(MOST_DRAWS):
        missing = np.flatnonzero(sums.n_valid < n_samples)
        if missing.size == 0:
            break
        codes = errors.sample(found.codes, n_samples, rng)[:, missing]
        frames = np.tile(missing, n_samples)
        flat = codes.reshape(-1, codes.shape[2])
        for part in drawn(found, flat, frames, prior, criteria_set):
            sums.add(part, found.sequence.structures, n_samples)
    return sums.spread()


@dataclass(frozen=True, eq=False)
class _Sums:
    """Running sums over the samples of each frame."""

    shares: Floats
    distance: Floats
    squared: Floats
    area: Array
    area_squared: Array
    n_valid: Frames
    n_drawn: Frames
    attributes: dict[int, list[list[float]]]

    @classmethod
    def zeros(cls, n_frames: int) -> _Sums:
        height, width = GRID.shape[0] // 2, GRID.shape[1] // 2
        shares, distance, squared = (
            np.zeros((n_frames, k, height, width), np.float32) for k in (4, 3, 3)
        )
        area, area_squared = np.zeros((2, n_frames))
        n_valid, n_drawn = np.zeros((2, n_frames), np.intp)
        return cls(shares, distance, squared, area, area_squared, n_valid, n_drawn, {})

    def add(self, part: Drawn, structures: tuple[Label, ...], most: int) -> None:
        shares = annotated(class_shares(torch.from_numpy(part.distances)).numpy(), structures)
        near = part.distances.clip(-CLIP_MM, CLIP_MM)
        areas = np.count_nonzero(part.labels == Label.LV, axis=(0, 1))
        for k, t in enumerate(part.frames.tolist()):
            if self.n_valid[t] == most:
                continue
            self.n_drawn[t] += 1
            if not part.valid[k]:
                continue
            self.n_valid[t] += 1
            self.shares[t] += shares[k]
            self.distance[t] += near[k]
            self.squared[t] += near[k] ** 2
            self.area[t] += areas[k]
            self.area_squared[t] += float(areas[k]) ** 2
            found = measure_attributes(part.labels[:, :, k], GRID.pixel_mm, structures)
            self.attributes.setdefault(t, []).append([found[name] for name in ATTRIBUTES])

    def spread(self) -> Spread:
        n = np.maximum(self.n_valid, 1).astype(np.float64)
        unbiased = n / np.maximum(self.n_valid - 1, 1)
        unknown = self.n_valid < 2
        each, corrected = (a.astype(np.float32)[:, None, None, None] for a in (n, unbiased))
        mean = self.distance / each
        variance = (self.squared / each - mean**2) * corrected
        contour = np.abs(mean) < CONTOUR_MM
        count = np.maximum(contour.sum((1, 2, 3)), 1)
        sd = np.sqrt(np.maximum(variance, 0.0))
        band = Z_90 * np.where(contour, sd, 0).sum((1, 2, 3), dtype=np.float64) / count
        area = self.area / n
        area_variance = np.maximum(self.area_squared / n - area**2, 0.0) * unbiased
        relative = np.sqrt(area_variance) / np.maximum(area, 1.0)
        return Spread(
            shares=self.shares / each,
            band_mm=np.where(unknown, math.nan, band),
            lv_area_sd=np.where(unknown, math.nan, relative),
            attribute_sd=self._attribute_sd(),
            valid_share=self.n_valid / np.maximum(self.n_drawn, 1),
            n_samples=self.n_valid,
        )

    def _attribute_sd(self) -> dict[str, Array]:
        found = np.full((len(ATTRIBUTES), len(self.n_valid)), math.nan)
        for t, rows in self.attributes.items():
            values = np.array(rows)
            several = np.isfinite(values).sum(0) > 1
            found[several, t] = np.nanstd(values[:, several], axis=0, ddof=1)
        return dict(zip(ATTRIBUTES, found, strict=True))


CLIP_MM = 25.0  # distances farther from a contour say nothing of it
CONTOUR_MM = 1.0  # canvas pixels so close to the mean contour stand for it
Z_90 = 1.6449  # standard deviations that hold 90 % of a Gaussian


def annotated(shares: Floats, structures: tuple[Label, ...]) -> Floats:
    """Class shares (T, 4, ...) with structures that are not annotated counted as background."""
    for channel in range(len(structures) + 1, 4):
        shares[:, Label.BACKGROUND] += shares[:, channel]
        shares[:, channel] = 0
    return shares


def _root(covariance: Array) -> Array:
    """A matrix whose product with its transpose is the covariance, (D, D), singular or not."""
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))
