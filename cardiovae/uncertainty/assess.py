"""`assess`: from a correction to what is in doubt about it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from cardiovae.attributes import UNITS
from cardiovae.audit.criteria import criteria
from cardiovae.calibration.record import FrameJudgement
from cardiovae.calibration.risk import look_rank
from cardiovae.correction.blend import canvas_to_native
from cardiovae.correction.config import DoubtConfig
from cardiovae.correction.record import FULL, Correction
from cardiovae.crisp.infer import crisp_doubt
from cardiovae.errors import CardiovaeError
from cardiovae.labels import Label
from cardiovae.latent.mahalanobis import mahalanobis
from cardiovae.opinion.infer import opinion_doubt
from cardiovae.prior.grid import Placement
from cardiovae.uncertainty.ejection import ejection_doubt
from cardiovae.uncertainty.errors import encoder_errors
from cardiovae.uncertainty.experts import Experts
from cardiovae.uncertainty.record import (
    SIGNALS,
    Doubt,
    EjectionDoubt,
    Floats,
    Interval,
    Values,
)
from cardiovae.uncertainty.samples import Spread, errors_of, hearts, spread
from cardiovae.uncertainty.signals import per_pixel_of_heart, shape_signals

Progress = Callable[[str], None]

_POWERS = {"mm": 1, "mm2": 2}  # of a length that a unit is
ORDER = ("opinion", "crisp", "misfit_mm", "disagreement")
"""Signals that say which frame to look at first, where nothing is calibrated: the first known."""


def assess(
    correction: Correction,
    experts: Experts,
    config: DoubtConfig,
    *,
    rng: np.random.Generator,
    images: Floats | None = None,
    progress: Progress | None = None,
) -> Doubt:
    """Say what is in doubt about a corrected sequence: pixels, frames, ejection fraction.

    Args:
        correction: What `correct_sequence` gave, or a baseline.
        experts: Whom to ask.
        config: What to ask, and how thoroughly.
        rng: Source of randomness, of the samples alone.
        images: Gray levels 0 to 1, shape (H, W, T), for the methods "crisp" and "both".
        progress: Called with the name of each step.

    Raises:
        CardiovaeError: Method "none", a method of images without images, or images of another
            shape than the label maps.
        ConfigError: The calibration does not know the level.
    """
    say = progress or (lambda step: None)
    _check(config, images, experts)
    known = _Known(shape_signals(correction, experts.prior))
    if config.by_prior:
        say("sample")
        known = _by_prior(known, correction, experts, config, rng)
    if config.by_image and images is not None:
        say("compare with the image")
        known = _by_image(known, correction, experts, images)
    return _doubt(known, correction, experts, config)


@dataclass(frozen=True, eq=False)
class _Known:
    """What is known so far."""

    signals: dict[str, Values]
    posterior: Floats | None = None
    image: Floats | None = None
    ejection: EjectionDoubt | None = None
    attribute_sd: dict[str, Values] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)


def _check(config: DoubtConfig, images: Floats | None, experts: Experts) -> None:
    if config.method == "none":
        raise CardiovaeError("uncertainty.method: is 'none', there is nothing to assess")
    if config.by_image and (images is None or experts.crisp is None):
        raise CardiovaeError(
            f"uncertainty.method: '{config.method}' needs images and a model of them; give both, "
            "or ask for 'posterior'"
        )


def _by_prior(
    known: _Known,
    correction: Correction,
    experts: Experts,
    config: DoubtConfig,
    rng: np.random.Generator,
) -> _Known:
    scene = correction.scene
    if scene is None or correction.codes is None:
        why = "no frame shows a heart" if correction.method == FULL else "a baseline has no code"
        nothing = np.full(correction.original.labels.shape, np.nan, np.float32)
        return _Known(known.signals, nothing, reasons={"posterior": why})
    errors = experts.errors or encoder_errors(scene.spread)
    found = hearts(correction.sequence, correction.codes, scene.placement, experts.prior)
    distances = mahalanobis(scene.codes, experts.prior.codes)
    spreading = errors_of(scene.codes, scene.trust, distances, errors)
    rest = (spreading, experts.prior, criteria(correction.config.criteria))
    seen = spread(found, *rest, config.n_samples, rng)
    entropy = _entropy(seen, scene.placement)
    entropy[:, :, seen.n_samples == 0] = np.nan  # no valid sample says nothing, not certainty
    true_mm = scene.placement.scale  # canonical mm per true mm; NaN where the spacing is unknown
    signals = {
        "entropy": per_pixel_of_heart(entropy, correction.sequence.labels),
        "band_mm": seen.band_mm / true_mm,
        "valid_share": seen.valid_share,
        "lv_area_sd": seen.lv_area_sd,
        "motion_sd": spreading.motion.sd,
    }
    reasons = {}
    if not math.isfinite(true_mm):
        reasons["band_mm"] = "the pixel spacing is unknown"
    if not errors.measured:
        reasons["posterior"] = (
            f"prior '{experts.prior.name}' carries no errors of networks: samples spread as its "
            "encoder does, which is too little"
        )
    beat = None
    if correction.sequence.is_stack:
        reasons["ejection"] = "a stack of slices shows one instant, no beat"
    else:
        beat = ejection_doubt(found, *rest, config.n_ejection, rng)
    if beat is not None and (beat.reason or beat.ejection.reason):
        reasons["ejection"] = beat.reason or beat.ejection.reason
    spreads = {
        name: sd / true_mm ** _POWERS.get(UNITS[name], 0) for name, sd in seen.attribute_sd.items()
    }
    return _Known({**known.signals, **signals}, entropy, None, beat, spreads, reasons)


def _by_image(known: _Known, correction: Correction, experts: Experts, images: Floats) -> _Known:
    assert experts.crisp is not None  # checked first of all
    first = crisp_doubt(experts.crisp, images, correction.sequence)
    signals = {
        "crisp": first.score,
        "crisp_cosine": first.cosine,
        "crisp_dice": first.expected_dice,
    }
    image = first.pixel
    if experts.opinion is not None:
        second = opinion_doubt(experts.opinion, images, correction.sequence)
        signals |= {"opinion": second.score, "opinion_dice": second.expected_dice}
        image = second.pixel
    reasons = {f"frame {t}": why for t, why in enumerate(first.reasons) if why}
    return _Known(
        {**known.signals, **signals},
        known.posterior,
        image,
        known.ejection,
        known.attribute_sd,
        {**known.reasons, **reasons},
    )


def _entropy(seen: Spread, placement: Placement) -> Floats:
    """Entropy of the label at each native pixel, 0 to 1, shape (H, W, T)."""
    shares = np.clip(seen.shares, 1e-7, 1)
    entropy = -(shares * np.log(shares)).sum(1, keepdims=True) / math.log(shares.shape[1])
    native = canvas_to_native(entropy.astype(np.float32), placement)[:, 0]
    # Three digits say all that a few samples can; the zeros make the file small.
    return np.ascontiguousarray(np.moveaxis(native.clip(0, 1).round(3), 0, 2))


def _doubt(known: _Known, correction: Correction, experts: Experts, config: DoubtConfig) -> Doubt:
    """Signals turned into probabilities, intervals and an order to look at frames."""
    n_frames = correction.original.n_frames
    table = {name: known.signals.get(name, np.full(n_frames, math.nan)) for name in SIGNALS}
    judged = _judged(table, experts, config)
    look = np.array([f.out_of_distribution for f in correction.frames])
    if experts.calibration is not None and experts.calibration.judges:
        look |= judged.look
    return Doubt(
        method=config.method,
        level=config.level,
        n_samples=config.n_samples if config.by_prior else 0,
        signals={name: table[name] for name in known.signals},
        failure_probability=judged.failure_probability,
        dice_expected=judged.dice_expected,
        dice_low=judged.dice_low,
        look=look,
        look_rank=look_rank(_worst(judged, table)),
        below=_below(experts),
        lv_area_mm2=_areas(correction, table["lv_area_sd"], experts, config),
        attribute_sd=known.attribute_sd,
        ef=_ejection(known.ejection, experts, config),
        ejection=known.ejection,
        calibrated=_calibrated(known, experts),
        posterior=known.posterior,
        image=known.image,
        calibration=experts.to_json(),
        reasons=known.reasons,
    )


def _judged(table: dict[str, Values], experts: Experts, config: DoubtConfig) -> FrameJudgement:
    found = experts.calibration
    if found is None:
        unknown = np.full(len(table["crisp"]), math.nan)
        nobody = np.full(len(unknown), -1, np.int64)
        return FrameJudgement(nobody, unknown, unknown, unknown, np.zeros(len(unknown), bool))
    return found.judge(table, level=config.level)


def _worst(judged: FrameJudgement, table: dict[str, Values]) -> Values:
    """One number per frame, larger for those to look at first; a frame without any comes first."""
    columns = [judged.failure_probability, *(table[name] for name in ORDER)]
    column = next((c for c in columns if np.isfinite(c).any()), columns[-1])
    return np.where(np.isfinite(column), column, np.inf)


def _below(experts: Experts) -> float:
    judges = () if experts.calibration is None else experts.calibration.judges
    return judges[0].failure.below if judges else math.nan


def _calibrated(known: _Known, experts: Experts) -> tuple[str, ...]:
    """What is calibrated of the intervals that are stated."""
    found = experts.calibration
    if found is None:
        return ()
    there = {
        "ejection": found.ef is not None and known.ejection is not None,
        "lv_area": found.lv_area is not None,
        "frames": bool(found.judges),
    }
    return tuple(name for name, held in there.items() if held)


def _areas(
    correction: Correction, relative_sd: Values, experts: Experts, config: DoubtConfig
) -> Values:
    """LV area of each frame with its interval in mm2, shape (3, T); NaN where unknown."""
    sequence = correction.sequence
    if sequence.spacing_mm is None:
        return np.full((3, sequence.n_frames), math.nan)
    pixels: NDArray[np.intp] = np.count_nonzero(sequence.labels == Label.LV, axis=(0, 1))
    area = np.where(pixels > 0, pixels * math.prod(sequence.spacing_mm), math.nan)
    if experts.calibration is not None and experts.calibration.lv_area is not None:
        low, high = experts.calibration.area_interval(area, level=config.level)
    else:
        half = norm.ppf((1 + config.level) / 2) * relative_sd * area
        low, high = area - half, area + half
    return np.stack([area, np.maximum(low, 0.0), high])


def _ejection(found: EjectionDoubt | None, experts: Experts, config: DoubtConfig) -> Interval:
    """The ejection fraction with its interval: calibrated where that is known how."""
    if found is None:
        return Interval()
    value, sd = found.ejection.ef_percent, found.ef_sd
    if experts.calibration is not None and experts.calibration.ef is not None:
        low, high = experts.calibration.ef_interval(value, sd, level=config.level)
    else:
        half = float(norm.ppf((1 + config.level) / 2)) * sd
        low, high = value - half, value + half
    return Interval(value, low, high, sd)
