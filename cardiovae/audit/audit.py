"""The audit: criteria applied to frames and sequences."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cardiovae.audit.criteria import NAMES, CriteriaSet, Criterion, criteria
from cardiovae.audit.heart import Heart
from cardiovae.audit.stacks import stack_findings
from cardiovae.audit.temporal import Motion, temporal_findings
from cardiovae.audit.verdicts import Finding, FrameAudit, SequenceAudit, Verdict
from cardiovae.errors import ConfigError
from cardiovae.labels import STRUCTURES, Label
from cardiovae.sequence import EchoSequence

PIXELS: tuple[float, float] = (1.0, 1.0)
LENGTHS = ("mm", "mm2")
APICAL_SET, SHORT_AXIS_SET = "camus", "acdc"
SQUARE_PIXELS = "spacing unknown: square pixels assumed"


def audit_frame(
    labels: NDArray[np.uint8] | Heart,
    spacing_mm: tuple[float, float] | None,
    criteria_set: CriteriaSet,
    structures: tuple[Label, ...] = STRUCTURES,
    *,
    frame: int | None = None,
) -> FrameAudit:
    """Apply an anatomical criteria set to one frame.

    Args:
        labels: Label map of one frame, shape (H, W), or the heart on it.
        spacing_mm: Distance between pixel centers along (rows, columns) in mm, None = unknown.
            Areas of 0 pixels are then 0 mm2, other areas are NOT_MEASURABLE, and ratios are
            measured with square pixels, which their reason says.
        criteria_set: Set of kind "anatomy", "published" or "short-axis".
        structures: Annotated structures; criteria that need others are left out.
        frame: Index to note in the findings.

    Returns:
        One finding per criterion that applies. A criterion of the "anatomy" kind about an absent
        structure is NOT_MEASURABLE; the absence itself fails the criterion on its presence. In a
        set of optional structures what has no value is left out, and so is what takes a stack.

    Raises:
        ConfigError: A temporal criteria set.
    """
    _check_anatomical(criteria_set)
    heart = Heart.of(labels)
    findings = (
        _finding(heart, spacing_mm, criteria_set, criterion, frame=frame)
        for criterion in criteria_set.of_frame(structures)
    )
    return FrameAudit(tuple(f for f in findings if f is not None), frame)


def frame_is_valid(
    labels: NDArray[np.uint8] | Heart,
    spacing_mm: tuple[float, float] | None,
    criteria_set: CriteriaSet,
    structures: tuple[Label, ...] = STRUCTURES,
) -> bool:
    """Whether `audit_frame` would pass, from the first criteria only as far as it takes.

    Args and errors as for `audit_frame`.
    """
    _check_anatomical(criteria_set)
    heart = Heart.of(labels)
    findings = (
        _finding(heart, spacing_mm, criteria_set, criterion, quick=True)
        for criterion in criteria_set.of_frame(structures)
    )
    return all(finding is None or finding.verdict is Verdict.PASS for finding in findings)


def anatomy_for(sequence: EchoSequence) -> CriteriaSet:
    """The anatomical set that suits a sequence where none is asked for: `camus`, `acdc` if SAX."""
    return criteria(SHORT_AXIS_SET if sequence.is_stack else APICAL_SET)


def audit_sequence(
    sequence: EchoSequence,
    *,
    anatomy: CriteriaSet | str | None = None,
    temporal: CriteriaSet | str | None = "tmi2022",
    motion: Motion | None = None,
) -> SequenceAudit:
    """Audit every frame of a sequence, and its motion; every slice of a stack, and their order.

    Args:
        sequence: The sequence.
        anatomy: Anatomical criteria set, or its name or path; None = that of `anatomy_for`.
        temporal: Temporal criteria set, or its name or path; None = frames only. Slices are no
            motion: of a stack there is never any.
        motion: That of this very sequence, where it is asked for more than this audit.

    Raises:
        ConfigError: An unknown criteria set, one of the wrong kind, or one for other views.
    """
    anatomy = criteria(anatomy) if isinstance(anatomy, str) else anatomy or anatomy_for(sequence)
    temporal = criteria(temporal) if isinstance(temporal, str) else temporal
    temporal = None if sequence.is_stack else temporal
    _check_view(anatomy, sequence)
    spacing_mm, structures = sequence.spacing_mm, sequence.structures
    motion = motion or Motion(sequence.labels, spacing_mm, structures)
    frames = tuple(
        audit_frame(heart, spacing_mm, anatomy, structures, frame=t)
        for t, heart in enumerate(motion.hearts)
    )
    if sequence.is_stack:
        along = stack_findings(motion.hearts, anatomy, structures)
        frames = tuple(
            replace(frame, findings=frame.findings + more)
            for frame, more in zip(frames, along, strict=True)
        )
    findings: tuple[Finding, ...] = ()
    if temporal is not None:
        findings = temporal_findings(
            sequence.labels, spacing_mm, temporal, structures, motion=motion
        )
    return SequenceAudit(
        source=sequence.source,
        anatomy=anatomy.name,
        temporal_set=None if temporal is None else temporal.name,
        frames=frames,
        temporal=findings,
    )


def _check_anatomical(criteria_set: CriteriaSet) -> None:
    if criteria_set.kind == "temporal":
        raise ConfigError(
            f"criteria '{criteria_set.name}' judges sequences; a frame takes an anatomical set, "
            "such as camus"
        )


def _check_view(anatomy: CriteriaSet, sequence: EchoSequence) -> None:
    """Refuse criteria for another view than that of the sequence."""
    _check_anatomical(anatomy)
    if anatomy.judges_stacks == sequence.is_stack:
        return
    wrong, shown, way_out = (
        ("apical views", "a stack of short-axis slices", f"take a set such as {SHORT_AXIS_SET}")
        if sequence.is_stack
        else (
            "short-axis slices",
            "no stack of them as far as is known",
            f"take a set such as {APICAL_SET}, or say that it is one: view SAX, or labels that "
            "name the right ventricle",
        )
    )
    raise ConfigError(
        f"{sequence.source}: criteria '{anatomy.name}' judge {wrong}, and this is {shown}; "
        f"{way_out}"
    )


def _finding(
    heart: Heart,
    spacing_mm: tuple[float, float] | None,
    criteria_set: CriteriaSet,
    criterion: Criterion,
    *,
    frame: int | None = None,
    quick: bool = False,
) -> Finding | None:
    """Measure and judge one criterion; None where it may be left out for want of a structure."""
    value, reason = math.nan, ""
    # A presence is measurable without the structure; published metrics have their own rules.
    absent = heart.absent if criteria_set.kind == "anatomy" and criterion.unit != "flag" else ()
    missing = [s for s in criterion.structures if NAMES[s] in absent] if absent else []
    if missing:
        reason = "no " + " and no ".join(f"{s.upper()} pixel" for s in missing)
    else:
        value = criteria_set.metric(criterion, quick=quick)(heart, spacing_mm or PIXELS)
        if math.isnan(value) and criteria_set.optional_structures:
            return None
        if math.isnan(value):
            reason = "undefined on this frame"
        elif spacing_mm is None:
            value, reason = _without_spacing(criterion, value)
    return Finding(
        criterion.name,
        _verdict(criterion, value),
        value,
        criterion.low,
        criterion.high,
        criterion.unit,
        reason,
        frame,
    )


def _verdict(criterion: Criterion, value: float) -> Verdict:
    if math.isnan(value):
        return Verdict.NOT_MEASURABLE
    return Verdict.PASS if criterion.allows(value) else Verdict.FAIL


def _without_spacing(criterion: Criterion, value: float) -> tuple[float, str]:
    """What a value measured in pixels says when their size is not known: (value, reason)."""
    if criterion.unit in LENGTHS and value != 0:
        return (
            math.nan,
            f"spacing unknown: {value:g} pixels cannot be compared with {criterion.unit}",
        )
    return value, SQUARE_PIXELS if criterion.unit == "ratio" else ""
