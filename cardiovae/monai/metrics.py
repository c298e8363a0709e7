"""Metrics without a reference: which share of a prediction could be a beating heart.

Values go into MONAI's buffers as tensors (B, K), so they are gathered over ranks as those of any
`CumulativeIterationMetric`. What cannot be measured is NaN and left out of reductions; where
nothing was measured the reduction is NaN too (MONAI's own metrics say 0 there).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from monai.metrics.metric import CumulativeIterationMetric
from monai.metrics.utils import do_metric_reduction
from monai.utils.enums import MetricReduction
from torch import Tensor

from cardiovae.audit.audit import audit_frame
from cardiovae.audit.criteria import CriteriaSet
from cardiovae.audit.criteria import criteria as criteria_set
from cardiovae.audit.temporal import temporal_findings
from cardiovae.audit.verdicts import Finding, Verdict
from cardiovae.errors import ConfigError
from cardiovae.monai.layout import Layout, read
from cardiovae.sequence import EchoSequence

Shares = Callable[[EchoSequence], list[float]]


class _ShareMetric(CumulativeIterationMetric):
    """A metric of each sample by itself, made of an audit.

    Args:
        criteria: The criteria set.
        temporal: Whether it has to be one of the motion.
        reduction: As in MONAI: "none", "mean", "sum", "mean_batch", ...
        get_not_nans: Whether `aggregate` also gives the number of measured values.
        per_criterion: Whether there is a column per criterion in place of one for all.
        labels: Label scheme or mapping; None = the smallest that fits.
        spacing_mm: (row, col) in mm; None = as the affine says.
        axes: Axes after the channel; None = "xyt", as MONAI loads them.
    """

    def __init__(
        self,
        criteria: str,
        *,
        temporal: bool,
        reduction: MetricReduction | str,
        get_not_nans: bool,
        per_criterion: bool,
        labels: str | None,
        spacing_mm: tuple[float, float] | None,
        axes: str | None,
    ) -> None:
        super().__init__()
        self.criteria: CriteriaSet = criteria_set(criteria)
        if (self.criteria.kind == "temporal") is not temporal:
            kind = "motion, such as tmi2022" if temporal else "anatomy, such as camus"
            raise ConfigError(f"criteria '{criteria}': this metric takes a set of the {kind}")
        self.reduction, self.get_not_nans = reduction, get_not_nans
        self.per_criterion = per_criterion
        self.layout = Layout(axes, labels, spacing_mm)

    @property
    def columns(self) -> tuple[str, ...]:
        """What the values of a sample are about."""
        if not self.per_criterion:
            return (self.criteria.name,)
        return tuple(criterion.name for criterion in self.criteria.criteria)

    def shares(self, sequence: EchoSequence) -> list[float]:
        """Share of the frames that pass, one for each of `columns`; NaN = not measurable."""
        raise TypeError(f"{type(self).__name__} does not say what it measures")

    def _compute_tensor(self, y_pred: Tensor, y: Tensor | None = None, **kwargs: Any) -> Tensor:
        """Values (B, K) of predictions (B, C, X, Y[, T]); a reference is ignored."""
        rows = [self.shares(read(item, self.layout).sequence) for item in y_pred]
        return torch.tensor(rows, dtype=torch.float32, device=y_pred.device)

    def aggregate(
        self, reduction: MetricReduction | str | None = None
    ) -> Tensor | tuple[Tensor, Tensor]:
        """The values of all samples so far, reduced; NaN where nothing was measured.

        Args:
            reduction: In place of that of the constructor.

        Raises:
            ConfigError: There are no values yet.
        """
        data = self.get_buffer()  # type: ignore[no-untyped-call]
        if not isinstance(data, Tensor):
            raise ConfigError(f"{type(self).__name__}: no predictions to aggregate yet")
        reduced, not_nans = do_metric_reduction(data, reduction or self.reduction)
        if reduced.numel() == not_nans.numel():
            reduced = torch.where(not_nans.reshape(reduced.shape) > 0, reduced, math.nan)
        return (reduced, not_nans) if self.get_not_nans else reduced


class AnatomicalPlausibilityMetric(_ShareMetric):
    """Share of the frames of a predicted sequence that pass the anatomical criteria.

    Predictions are labels (B, 1, X, Y[, T]) or one-hot (B, C, X, Y[, T]), or lists of decollated
    ones; no reference is needed. A frame that fails nothing, but in which something could not be
    measured (areas without spacing), counts neither way.

    Args:
        criteria: Anatomical criteria set, by name or path.
        reduction: As in MONAI.
        get_not_nans: Whether `aggregate` also gives the number of measured values.
        per_criterion: Whether there is a column per criterion (`columns`) in place of one for all.
        labels: Label scheme or mapping; None = the smallest that fits.
        spacing_mm: (row, col) in mm; None = as the affine says.
        axes: Axes after the channel; None = "xyt", as MONAI loads them.

    Raises:
        ConfigError: A criteria set that is unknown or judges motion.
    """

    def __init__(
        self,
        criteria: str = "camus",
        reduction: MetricReduction | str = MetricReduction.MEAN,
        get_not_nans: bool = False,
        *,
        per_criterion: bool = False,
        labels: str | None = None,
        spacing_mm: tuple[float, float] | None = None,
        axes: str | None = None,
    ) -> None:
        super().__init__(
            criteria,
            temporal=False,
            reduction=reduction,
            get_not_nans=get_not_nans,
            per_criterion=per_criterion,
            labels=labels,
            spacing_mm=spacing_mm,
            axes=axes,
        )

    def shares(self, sequence: EchoSequence) -> list[float]:
        """Share of the frames that pass, one for each of `columns`; NaN = not measurable."""
        frames = [
            audit_frame(
                sequence.frame(t), sequence.spacing_mm, self.criteria, sequence.structures
            ).findings
            for t in range(sequence.n_frames)
        ]
        if not self.per_criterion:
            return [_share(map(_all_pass, frames))]
        return [
            _share(_all_pass(f for f in frame if f.criterion == name) for frame in frames)
            for name in self.columns
        ]


class TemporalConsistencyMetric(_ShareMetric):
    """Share of the frames of a predicted sequence whose motion passes the temporal criteria.

    NaN with fewer than 3 frames, and where the spacing is unknown and nothing fails. Predictions
    as of `AnatomicalPlausibilityMetric`.

    Args:
        criteria: Temporal criteria set, by name or path.
        reduction: As in MONAI.
        get_not_nans: Whether `aggregate` also gives the number of measured values.
        per_criterion: Whether there is a column per criterion (`columns`) in place of one for all.
        labels: Label scheme or mapping; None = the smallest that fits.
        spacing_mm: (row, col) in mm; None = as the affine says.
        axes: Axes after the channel; None = "xyt", as MONAI loads them.

    Raises:
        ConfigError: A criteria set that is unknown or judges frames.
    """

    def __init__(
        self,
        criteria: str = "tmi2022",
        reduction: MetricReduction | str = MetricReduction.MEAN,
        get_not_nans: bool = False,
        *,
        per_criterion: bool = False,
        labels: str | None = None,
        spacing_mm: tuple[float, float] | None = None,
        axes: str | None = None,
    ) -> None:
        super().__init__(
            criteria,
            temporal=True,
            reduction=reduction,
            get_not_nans=get_not_nans,
            per_criterion=per_criterion,
            labels=labels,
            spacing_mm=spacing_mm,
            axes=axes,
        )

    def shares(self, sequence: EchoSequence) -> list[float]:
        """Share of the frames that pass, one for each of `columns`; NaN = not measurable."""
        found = temporal_findings(
            sequence.labels, sequence.spacing_mm, self.criteria, sequence.structures
        )
        names = [None] if not self.per_criterion else list(self.columns)
        return [
            _share(
                _all_pass(f for f in found if f.frame in (t, None) and name in (f.criterion, None))
                for t in range(sequence.n_frames)
            )
            for name in names
        ]


def _all_pass(findings: Iterable[Finding]) -> float:
    """1 if all pass, 0 if one fails, else NaN: one could not be measured, or there is none."""
    verdicts = {finding.verdict for finding in findings}
    if Verdict.FAIL in verdicts:
        return 0.0
    return 1.0 if verdicts == {Verdict.PASS} else math.nan


def _share(frames: Iterable[float]) -> float:
    """Mean of what is known; NaN where nothing is."""
    known = [value for value in frames if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan
