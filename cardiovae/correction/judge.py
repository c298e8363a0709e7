"""The audit as the corrector asks it: does this frame, does this motion pass?"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cardiovae.audit.audit import audit_sequence, frame_is_valid
from cardiovae.audit.criteria import CriteriaSet
from cardiovae.audit.temporal import MIN_FRAMES, temporal_findings
from cardiovae.audit.verdicts import SequenceAudit, Verdict
from cardiovae.labels import Label
from cardiovae.sequence import EchoSequence


@dataclass(frozen=True)
class Judge:
    """Criteria sets bound to the geometry of one sequence, always on its native grid."""

    sequence: EchoSequence
    anatomy: tuple[CriteriaSet, ...]
    temporal: tuple[CriteriaSet, ...]
    needed: tuple[Label, ...] = ()  # what a frame must show, whatever the sets leave open

    def only_required(self) -> Judge:
        """The same judge with the first set of each kind alone."""
        return replace(self, anatomy=self.anatomy[:1], temporal=self.temporal[:1])

    def within(self, stack: NDArray[np.uint8], sound: NDArray[np.bool_], t: int) -> Judge:
        """The same judge for slice `t` of a stack, who asks for what slices around it show.

        Args:
            stack: Label maps, shape (H, W, Z).
            sound: Slices that can be relied on, shape (Z,).
            t: Index of the slice.
        """
        if not self.sequence.is_stack:
            return self
        present = {
            s: np.flatnonzero((stack == s).any((0, 1)) & sound) for s in self.sequence.structures
        }
        needed = (s for s, at in present.items() if at.size and at[0] < t < at[-1])
        return replace(self, needed=tuple(needed))

    def audits(self, sequence: EchoSequence) -> tuple[SequenceAudit, ...]:
        """Full audits: the sets in use, then the others."""
        n = max(len(self.anatomy), len(self.temporal))
        pairs = [
            (self.anatomy[min(i, len(self.anatomy) - 1)], self.temporal[i : i + 1])
            for i in range(n)
        ]
        return tuple(
            audit_sequence(sequence, anatomy=a, temporal=t[0] if t else None) for a, t in pairs
        )

    def frame_passes(self, labels: NDArray[np.uint8]) -> bool:
        """Whether one label map (H, W) passes every anatomical set."""
        return all((labels == s).any() for s in self.needed) and all(
            frame_is_valid(labels, self.sequence.spacing_mm, s, self.sequence.structures)
            for s in self.anatomy
        )

    def frames_pass(self, labels: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """Which frames of (H, W, T) pass every anatomical set, shape (T,)."""
        return np.array([self.frame_passes(labels[:, :, t]) for t in range(labels.shape[2])])

    def jumps(self, labels: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """Frames of (H, W, T) with a temporal violation, shape (T,); none with fewer than 3.

        What cannot be measured for want of the spacing is no violation; what cannot be measured
        because a structure is missing is one.
        """
        jumping = np.zeros(labels.shape[2], bool)
        if labels.shape[2] < MIN_FRAMES:
            return jumping
        for criteria_set in self.temporal:
            for finding in temporal_findings(
                labels, self.sequence.spacing_mm, criteria_set, self.sequence.structures
            ):
                if finding.frame is not None and finding.verdict is not Verdict.PASS:
                    jumping[finding.frame] = True
        return jumping


def plausible(audit: SequenceAudit) -> bool:
    """Whether every frame passes and no frame violates a temporal criterion.

    Temporal criteria that cannot be measured at all (fewer than 3 frames, unknown spacing) do not
    count against the sequence.
    """
    jumps = (f for f in audit.temporal if f.frame is not None and f.verdict is not Verdict.PASS)
    return all(frame.passed for frame in audit.frames) and not any(jumps)
