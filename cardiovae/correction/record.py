"""What a correction did, frame by frame, and why; serializes itself to `audit.json`."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cardiovae import __version__
from cardiovae.attributes import ATTRIBUTES, ON_SLICES, UNITS, attribute_signals
from cardiovae.audit.record import RV_AREA
from cardiovae.audit.verdicts import SequenceAudit, Verdict
from cardiovae.correction.config import CorrectConfig
from cardiovae.labels import Label
from cardiovae.sequence import EchoSequence

if TYPE_CHECKING:  # a record can be read and made without a network
    from cardiovae.correction.scene import Scene
    from cardiovae.correction.usual import Usual

KEPT, REPAIRED, SMOOTHED, CHANGED = "kept", "repaired", "smoothed", "changed"
UNCHANGED, CORRECTED, NOT_CORRECTED = "unchanged", "corrected", "not_corrected"
NOT_PASSED = "not_passed"
FULL = "full"  # the method that guarantees what it returns


@dataclass(frozen=True)
class FrameChange:
    """What happened to one frame.

    Args:
        frame: Index.
        action: "kept" (bit for bit), "repaired" (it failed the anatomical audit), "smoothed"
            (the temporal audit needed it moved) or "changed" (by a baseline, without such need or
            without success).
        why: Criteria that it failed, "set.criterion".
        detail: Share of the input's contour detail carried over; NaN for kept frames.
        displacement: Distance between the encoder's code and the code used; NaN for kept frames.
        changed_px: Number of pixels whose label changed.
        changed_mm2: Their area; NaN where the spacing is unknown.
        density_before: Percentile of the input's code among the training codes, 0 to 100.
        density_after: Percentile of the code used.
        typicality: Percentile of the input's code and of what it leaves out, among the training
            shapes, 0 to 100; NaN where it was not asked for.
        out_of_distribution: Whether the input's shape is one that the prior does not know, or
            little of it was left.
    """

    frame: int
    action: str
    why: tuple[str, ...]
    detail: float
    displacement: float
    changed_px: int
    changed_mm2: float
    density_before: float
    density_after: float
    typicality: float = math.nan
    out_of_distribution: bool = False

    def to_json(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "frame": self.frame,
            "action": self.action,
            "why": list(self.why),
            "detail": number(self.detail),
            "displacement": number(self.displacement),
            "changed_px": self.changed_px,
            "changed_mm2": number(self.changed_mm2),
            "density_percentile_before": number(self.density_before),
            "density_percentile_after": number(self.density_after),
            "typicality_percentile": number(self.typicality),
            "out_of_distribution": self.out_of_distribution,
        }


@dataclass(frozen=True, eq=False)
class Correction:
    """A corrected sequence and everything to judge it by.

    Args:
        original: The input.
        sequence: The corrected sequence; equal to the input unless `status` is "corrected".
        status: "unchanged" (nothing to do), "corrected", "not_corrected" (returned unchanged) or
            "not_passed" (changed by a baseline, and does not pass).
        reason: Why it was not corrected, or does not pass; empty otherwise.
        before: Audits of the input: the sets in use, then the sets to satisfy too.
        after: The same of the result.
        frames: One change per frame.
        prior: Name, license and file hashes of the prior.
        config: Settings.
        seed: Seed of the random numbers; None where the caller's own generator was used.
        method: What made it: "full", or one of `cardiovae.baselines`.
        scene: The input as the prior saw it; None for baselines, and where no frame shows a heart.
        codes: The codes of the result, shape (T, D); None likewise.
    """

    original: EchoSequence
    sequence: EchoSequence
    status: str
    reason: str
    before: tuple[SequenceAudit, ...]
    after: tuple[SequenceAudit, ...]
    frames: tuple[FrameChange, ...]
    prior: Mapping[str, Any]
    config: CorrectConfig
    seed: int | None = None
    method: str = FULL
    scene: Scene | None = None
    codes: NDArray[np.float64] | None = None

    def to_json(self) -> dict[str, Any]:
        """The content of `audit.json`, plain data."""
        sequence = self.original
        return {
            "cardiovae": __version__,
            "source": sequence.source,
            "shape": list(sequence.labels.shape),
            "spacing_mm": None if sequence.spacing_mm is None else list(sequence.spacing_mm),
            "frame_time_ms": sequence.frame_time_ms,
            "view": sequence.view,
            "structures": [s.name for s in sequence.structures],
            "seed": self.seed,
            "method": self.method,
            "settings": dataclasses.asdict(self.config),
            "prior": dict(self.prior),
            "status": self.status,
            "reason": self.reason,
            "before": self.before[0].to_json(),
            "after": self.after[0].to_json(),
            "also": {
                "before": [audit.to_json() for audit in self.before[1:]],
                "after": [audit.to_json() for audit in self.after[1:]],
            },
            "frames": [frame.to_json() for frame in self.frames],
            "attributes": {
                "units": units(sequence),
                "before": _signals(sequence),
                "after": _signals(self.sequence),
            },
        }


def frame_changes(
    original: EchoSequence,
    labels: NDArray[np.uint8],
    before: SequenceAudit,
    *,
    actions: Sequence[str],
    detail: NDArray[np.float64],
    displacement: NDArray[np.float64],
    density: tuple[NDArray[np.float64], NDArray[np.float64]],
    usual: Usual | None = None,
) -> tuple[FrameChange, ...]:
    """What happened to each frame.

    Args:
        original: The input.
        labels: The result, shape (H, W, T).
        before: Audit of the input.
        actions: What was done to each frame.
        detail: Share of the input's detail carried over, shape (T,).
        displacement: Way from the encoder's code to the code used, shape (T,).
        density: Percentiles of both codes, shapes (T,).
        usual: How usual the input's shapes are; None = not asked for.
    """
    pixels = np.count_nonzero(labels != original.labels, axis=(0, 1))
    area = math.nan if original.spacing_mm is None else math.prod(original.spacing_mm)
    changes = []
    for t, action in enumerate(actions):
        failed = tuple(f"{before.anatomy}.{f.criterion}" for f in before.frames[t].failures)
        jumped = tuple(
            f"{before.temporal_set}.{f.criterion}"
            for f in before.temporal
            if f.frame == t and f.verdict is not Verdict.PASS
        )
        kept = action == KEPT
        changes.append(
            FrameChange(
                frame=t,
                action=action,
                why=failed + jumped,
                detail=math.nan if kept else float(detail[t]),
                displacement=math.nan if kept else float(displacement[t]),
                changed_px=int(pixels[t]),
                changed_mm2=float(pixels[t]) * area,
                density_before=float(density[0][t]),
                density_after=float(density[1][t]),
                typicality=math.nan if usual is None else float(usual.percentile[t]),
                out_of_distribution=usual is not None and bool(usual.unknown[t]),
            )
        )
    return tuple(changes)


def units(sequence: EchoSequence) -> dict[str, str]:
    """Unit of each attribute; pixels where the spacing is unknown."""
    named = {name: UNITS.get(name, "mm2") for name in _named(sequence)}
    if sequence.spacing_mm is not None:
        return named
    return {name: unit.replace("mm2", "px").replace("mm", "px") for name, unit in named.items()}


def number(value: float) -> float | None:
    """A number for JSON: None for NaN and infinity."""
    return float(value) if math.isfinite(value) else None


def _signals(sequence: EchoSequence) -> dict[str, list[float | None]]:
    spacing = sequence.spacing_mm or (1.0, 1.0)
    signals = attribute_signals(sequence.labels, spacing, sequence.structures)
    if sequence.is_stack:
        pixels = np.count_nonzero(sequence.labels == Label.RV, axis=(0, 1))
        signals[RV_AREA] = np.where(pixels > 0, pixels * math.prod(spacing), math.nan)
    return {name: [number(v) for v in signals[name].tolist()] for name in _named(sequence)}


def _named(sequence: EchoSequence) -> tuple[str, ...]:
    """Attributes that mean something in such a view."""
    return (*ON_SLICES, RV_AREA) if sequence.is_stack else ATTRIBUTES
