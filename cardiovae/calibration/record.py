"""All that was learned of a prior's doubt from a cohort with references: `calibration.json`."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cardiovae.calibration.columns import Array, Flags, columns
from cardiovae.calibration.conformal import EVERYBODY, Conformal, bounds
from cardiovae.calibration.failure import FailureModel, Table, first_known
from cardiovae.calibration.risk import MissThreshold
from cardiovae.config import build_settings
from cardiovae.errors import ConfigError, FileError

FILE = "calibration.json"
FORMAT = 1
DICE_RESIDUAL = "lower"


@dataclass(frozen=True)
class FrameJudge:
    """How frames are judged by one set of signals.

    Args:
        failure: Probability that a frame failed, and the Dice to be expected.
        dice: Lower bounds of the Dice; learned from patients that `failure` did not see.
        thresholds: Of the probability: which frames to look at for a promised miss rate.
    """

    failure: FailureModel
    dice: Conformal
    thresholds: tuple[MissThreshold, ...] = ()

    def __post_init__(self) -> None:
        if self.dice.residual != DICE_RESIDUAL:
            raise ConfigError(
                f"dice: bounds the Dice from below, so its residual is '{DICE_RESIDUAL}'; got "
                f"'{self.dice.residual}'"
            )


@dataclass(frozen=True)
class Calibration:
    """What a prior's doubt is worth, learned from patients with references.

    Args:
        name: Such as that of the prior.
        source: The cohort: data, license, who predicted, which release of the reference.
        n_patients: Patients it rests on.
        ef: Intervals of the ejection fraction, in points; None = not calibrated.
        lv_area: Intervals of the LV area of a frame; None = not calibrated.
        judges: Of single frames, the one with the most signals first; none = not calibrated.
        notes: What a user should know, such as why something is missing.
    """

    name: str
    source: str
    n_patients: int
    ef: Conformal | None = None
    lv_area: Conformal | None = None
    judges: tuple[FrameJudge, ...] = ()
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain data, strictly valid JSON: a number that is infinite or unknown is None."""
        content: dict[str, Any] = _plain(dataclasses.asdict(self))
        return {"format": FORMAT, **content}

    @classmethod
    def from_json(cls, content: Mapping[str, Any], *, origin: str = "calibration") -> Calibration:
        """The calibration that `to_json` gave.

        Raises:
            ConfigError: A key that is unknown or missing, or a value that cannot be.
        """
        rest = dict(content)
        if rest.pop("format", None) != FORMAT:
            raise ConfigError(
                f"{origin}: format {content.get('format')!r} is not known, this version reads "
                f"{FORMAT}; calibrate again with 'cardiovae uncertainty evaluate --calibrate'"
            )
        return build_settings(cls, _infinite(rest), origin=origin)

    def ef_interval(
        self, ef_percent: float, sd: float = math.nan, *, level: float, group: str = EVERYBODY
    ) -> tuple[float, float]:
        """Interval of an ejection fraction in percent, not cut to 0 to 100.

        NaN where it is not calibrated, or `sd` is needed and unknown; infinite where too few
        patients were there.

        Raises:
            ConfigError: A level or group that was not calibrated.
        """
        low, high = self._interval(self.ef, [ef_percent], [sd], level, group)
        return float(low[0]), float(high[0])

    def area_interval(
        self, area_mm2: ArrayLike, *, level: float, group: str = EVERYBODY
    ) -> tuple[Array, Array]:
        """Interval of the LV area of each frame in mm2; see `ef_interval`."""
        return self._interval(self.lv_area, area_mm2, None, level, group)

    def judge(self, table: Table, *, level: float, group: str = EVERYBODY) -> FrameJudgement:
        """Judge frames by their signals, each by the richest judge that knows all its inputs.

        Args:
            table: A column of shape (N,) per signal; NaN where a signal is unknown.
            level: Of the lower bound of the Dice.
            group: Of the patients, if groups were told apart.

        Raises:
            ConfigError: A level or group that was not calibrated.
        """
        which = first_known([judge.failure for judge in self.judges], table)
        failure, dice, low = (np.full(which.shape, np.nan) for _ in range(3))
        look = np.ones(which.shape, bool)
        for i, judge in enumerate(self.judges):
            rows = which == i
            if not rows.any():
                continue
            own = {n: np.asarray(table[n], np.float64)[rows] for n in judge.failure.inputs}
            failure[rows] = judge.failure.probability(own)
            dice[rows] = judge.failure.expected_dice(own)
            names = [group] * int(rows.sum())
            low[rows] = bounds(judge.dice, dice[rows], level=level, groups=names)[0]
            if judge.thresholds:
                look[rows] = failure[rows] >= judge.thresholds[0].threshold
        return FrameJudgement(which, failure, dice, low, look)

    @staticmethod
    def _interval(
        conformal: Conformal | None,
        values: ArrayLike,
        sd: ArrayLike | None,
        level: float,
        group: str,
    ) -> tuple[Array, Array]:
        (found,) = columns(values=values)
        if conformal is None:
            return np.full(found.shape, np.nan), np.full(found.shape, np.nan)
        names = [group] * found.size
        return bounds(conformal, found, level=level, sd=sd, groups=names)


@dataclass(frozen=True, eq=False)
class FrameJudgement:
    """What a calibration says of frames: arrays of shape (N,), NaN where no judge knows enough.

    Args:
        judge: Index of the judge; -1 = none.
        failure_probability: Probability that the Dice is below the judge's limit.
        dice_expected: Dice to be expected.
        dice_low: Its lower bound; -inf where there were too few patients for the level.
        look: Whether a person should look, by the judge's first threshold; true without a judge
            or without a threshold.
    """

    judge: NDArray[np.int64]
    failure_probability: Array
    dice_expected: Array
    dice_low: Array
    look: Flags


def load_calibration(path: Path) -> Calibration:
    """Read a calibration from a JSON file, or from the folder of a prior that holds one.

    Raises:
        FileError: There is none, or it is no JSON.
        ConfigError: Its content is not that of a calibration.
    """
    file = path / FILE if path.is_dir() else path
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise FileError(
            f"{file}: cannot be read ({error.strerror or error}); make one with 'cardiovae "
            "uncertainty evaluate RESULTS --reference DIR --calibrate FILE.json'"
        ) from error
    except ValueError as error:
        raise FileError(f"{file}: is no JSON ({error}); calibrate again") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{file}: a calibration is an object, got {type(content).__name__}")
    return Calibration.from_json(content, origin=str(file))


def calibration_text(calibration: Calibration) -> str:
    """The content of `calibration.json`."""
    return json.dumps(calibration.to_json(), indent=2, allow_nan=False) + "\n"


def _plain(value: Any) -> Any:
    """Tuples as lists and unknown or infinite numbers as None."""
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


UNKNOWN: Mapping[str, float] = {"value": math.inf, "threshold": -math.inf, "bound": math.nan}
"""What None means, by the name of the field."""


def _infinite(value: Any, key: str = "") -> Any:
    """The reverse of `_plain` for the fields that may be infinite or unknown."""
    if isinstance(value, Mapping):
        return {name: _infinite(inner, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [_infinite(inner) for inner in value]
    return UNKNOWN[key] if value is None and key in UNKNOWN else value
