"""Criteria as data: a metric, its limits, their unit and where they come from.

The sets live in `configs/criteria/*.yaml`. A new anatomical metric is one function in
`cardiovae.audit.anatomy`, one entry in `camus.yaml` and one drawn test.
"""

from __future__ import annotations

import difflib
import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from cardiovae.audit import anatomy, public, short_axis
from cardiovae.audit.heart import Heart
from cardiovae.config import build_settings, preset_names, read_preset
from cardiovae.errors import ConfigError
from cardiovae.labels import ALL, Label

Metric = Callable[[NDArray[np.uint8] | Heart, tuple[float, float]], float]

NAMES = {structure.name.lower(): structure for structure in ALL}
# Where a set of each kind finds its metrics; those of temporal sets are no functions of a frame.
SHORT_AXIS_KIND = "short-axis"
METRICS: dict[str, ModuleType] = {
    "anatomy": anatomy,
    "published": public,
    SHORT_AXIS_KIND: short_axis,
}
TEMPORAL_METRICS = ("deviation", "relative_deviation", "neighbor_hausdorff_mm")
# Metrics of a slice among the others of its stack; see `cardiovae.audit.stacks`.
STACK_METRICS = ("missing_between_slices", "slices_without")
KINDS = (*METRICS, "temporal")
# Metrics that take `enough`, a value above which it does not matter how far above.
STOPS_EARLY = ("myo_thickness_ratio", "erosion_ratio_before_myo_split")


@dataclass(frozen=True)
class Criterion:
    """A metric and the values of it that pass, both limits included.

    Args:
        name: Unique in its set; what reports call it.
        metric: Function that measures it, by name.
        unit: Unit of the limits: "mm2", "mm", "deg", "px", "slices", "ratio" or "flag".
        structures: It applies where all of these are annotated: "lv", "myo", "la", "rv".
        source: Where the limits come from.
        low: Smallest value that passes, None = no limit.
        high: Largest value that passes, None = no limit.
        without: It applies only where none of these is annotated.
        signal: Temporal sets: the attribute, or the structure ("myo", "heart"), that is followed.
        scale: Temporal sets: range by which `tolerance` is to be multiplied, in `unit`.
        tolerance: Temporal sets: largest deviation as a share of the width of `scale`; it takes
            the place of `low` and `high`.

    Raises:
        ConfigError: An unknown structure, no limit at all, or limits in the wrong order.
    """

    name: str
    metric: str
    unit: str
    structures: tuple[str, ...]
    source: str
    low: float | None = None
    high: float | None = None
    without: tuple[str, ...] = ()
    signal: str = ""
    scale: tuple[float, float] | None = None
    tolerance: float | None = None

    def __post_init__(self) -> None:
        unknown = [s for s in (*self.structures, *self.without) if s not in NAMES]
        if unknown or not self.structures:
            raise ConfigError(
                f"criterion '{self.name}': structures are some of {list(NAMES)}, "
                f"got {unknown or 'none'}"
            )
        if self.tolerance is not None and self.scale is not None:
            limit = self.tolerance * (self.scale[1] - self.scale[0])
            object.__setattr__(self, "low", -limit)
            object.__setattr__(self, "high", limit)
        if self.low is None and self.high is None:
            raise ConfigError(f"criterion '{self.name}': give low, high or both")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ConfigError(
                f"criterion '{self.name}': low must not exceed high, got {self.low} > {self.high}"
            )

    def applies_to(self, structures: tuple[Label, ...]) -> bool:
        """Whether the criterion makes sense where exactly `structures` are annotated."""
        return all(NAMES[s] in structures for s in self.structures) and not any(
            NAMES[s] in structures for s in self.without
        )

    def allows(self, value: float) -> bool:
        """Whether `value` lies within the limits; never for NaN."""
        return (
            (self.low is None or value >= self.low)
            and (self.high is None or value <= self.high)
            and value == value
        )


@dataclass(frozen=True)
class CriteriaSet:
    """A named set of criteria of one kind.

    Args:
        name: What reports call it.
        kind: "anatomy" (metrics of `cardiovae.audit.anatomy`), "published" (of
            `cardiovae.audit.public`), "short-axis" (of `cardiovae.audit.short_axis`) or
            "temporal".
        description: One sentence.
        criteria: In the order of reports; fast checks go through them in the same order, so the
            cheap and telling ones come first.
        optional_structures: A criterion without a value, as on a slice that lacks its structure,
            is left out there; otherwise it is not measurable.

    Raises:
        ConfigError: An unknown kind or metric, or a name used twice.
    """

    name: str
    kind: str
    description: str
    criteria: tuple[Criterion, ...]
    optional_structures: bool = False

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ConfigError(
                f"criteria '{self.name}': kind is one of {list(KINDS)}, got '{self.kind}'"
            )
        names = [criterion.name for criterion in self.criteria]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ConfigError(f"criteria '{self.name}': names used twice: {twice}")
        known = self.metric_names()
        for criterion in self.criteria:
            if criterion.metric not in known:
                near = difflib.get_close_matches(criterion.metric, known, n=1)
                raise ConfigError(
                    f"criteria '{self.name}', '{criterion.name}': no metric "
                    f"'{criterion.metric}' of kind '{self.kind}'; "
                    + (f"did you mean '{near[0]}'?" if near else f"there are {sorted(known)}")
                )

    def metric_names(self) -> tuple[str, ...]:
        """Names of the metrics that criteria of this kind can use."""
        if self.kind == "temporal":
            return TEMPORAL_METRICS
        module = METRICS[self.kind]
        of_frames = tuple(
            name
            for name, value in vars(module).items()
            if not name.startswith("_")
            and callable(value)
            and getattr(value, "__module__", "") == module.__name__
        )
        return of_frames + (STACK_METRICS if self.judges_stacks else ())

    @property
    def judges_stacks(self) -> bool:
        """Whether it is about short-axis slices, not about apical views."""
        return self.kind == SHORT_AXIS_KIND

    def metric(self, criterion: Criterion, *, quick: bool = False) -> Metric:
        """The function that measures `criterion`; for anatomical sets.

        With `quick` it may stop where the value is known to pass.
        """
        function: Callable[..., float] = getattr(METRICS[self.kind], criterion.metric)
        if quick and criterion.high is None and criterion.metric in STOPS_EARLY:
            return functools.partial(function, enough=criterion.low)
        return function

    def applying_to(self, structures: tuple[Label, ...]) -> tuple[Criterion, ...]:
        """The criteria that make sense where exactly `structures` are annotated."""
        return tuple(c for c in self.criteria if c.applies_to(structures))

    def of_frame(self, structures: tuple[Label, ...]) -> tuple[Criterion, ...]:
        """Those of them that a single frame answers, without the others of its stack."""
        return tuple(c for c in self.applying_to(structures) if c.metric not in STACK_METRICS)

    def of_stack(self, structures: tuple[Label, ...]) -> tuple[Criterion, ...]:
        """Those of them that take all slices of a stack."""
        return tuple(c for c in self.applying_to(structures) if c.metric in STACK_METRICS)


def criteria(name: str) -> CriteriaSet:
    """A shipped set by its name, or one's own by the path of its YAML file.

    Raises:
        ConfigError: No such set or file, or a content that breaks a rule.

    Examples:
        >>> criteria("camus").kind
        'anatomy'
    """
    return _shipped(name) if name in preset_names("criteria") else _read(name)


def _read(name: str) -> CriteriaSet:
    content = read_preset("criteria", name)
    return build_settings(
        CriteriaSet, {"name": Path(name).stem, **content}, origin=f"criteria '{name}'"
    )


_shipped = functools.cache(_read)  # reading one takes as long as auditing ten frames


def criteria_names(*, temporal: bool) -> tuple[str, ...]:
    """Names of the shipped sets, temporal or anatomical."""
    return tuple(
        name
        for name in preset_names("criteria")
        if (read_preset("criteria", name).get("kind") == "temporal") == temporal
    )
