"""`correct_sequence`: from a label map sequence to one that passes the audit, changed least."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardiovae.audit.verdicts import SequenceAudit
from cardiovae.bank import LatentBank
from cardiovae.correction.config import CorrectConfig
from cardiovae.correction.distrust import Distrust
from cardiovae.correction.judge import Judge, plausible
from cardiovae.correction.motion import smooth_motion
from cardiovae.correction.record import (
    CORRECTED,
    KEPT,
    NOT_CORRECTED,
    REPAIRED,
    SMOOTHED,
    UNCHANGED,
    Correction,
    FrameChange,
    frame_changes,
)
from cardiovae.correction.repair import as_input, repair
from cardiovae.correction.scene import Scene, see
from cardiovae.correction.usual import replaced, usual
from cardiovae.errors import ConfigError
from cardiovae.prior.folder import ShapePrior
from cardiovae.prior.shipped import default_prior
from cardiovae.sequence import EchoSequence

Progress = Callable[[str], None]

MOST_ROUNDS = 3  # of repairing what repairs left incomplete


def correct_sequence(
    sequence: EchoSequence,
    prior: ShapePrior,
    bank: LatentBank,
    config: CorrectConfig,
    *,
    seed: int | None = None,
    distrust: Distrust | None = None,
    progress: Progress | None = None,
) -> Correction:
    """Correct one sequence; what passes the audit comes back bit for bit.

    The result passes the criteria sets in use, anatomical and (from 3 frames on) temporal, or it
    is the input unchanged, with the reason. See docs/explanation/architecture.md for the steps.

    Args:
        sequence: Label map sequence, shape (H, W, T).
        prior: The shape prior.
        bank: Its bank of valid codes.
        config: What is asked for, and how it is reached.
        seed: Of what is drawn to judge the result, for the record; nothing is drawn here.
        distrust: What is doubtful about the input: frames that weigh less, and pixels whose
            contours are not carried over.
        progress: Called with the name of each step.

    Raises:
        ConfigError: An unknown criteria set, or a prior of another anatomy.
    """
    say = progress or (lambda step: None)
    config = config.of(sequence)
    check_anatomy(sequence, prior)
    judge = Judge(sequence, config.anatomy_sets(), config.temporal_sets())
    say("audit")
    before = judge.audits(sequence)
    broken = np.array([not frame.passed for frame in before[0].frames])
    say("encode")
    scene = see(sequence, broken, prior, config.fit, distrust)
    if scene is None:
        work = _Work.untouched(sequence, prior, "no frame shows an LV or a myocardium")
    else:
        work = _Work.start(scene)
        if broken.any():
            say("repair")
            work = _repaired(work, scene, prior, bank, judge, config)
            work = _completed(work, prior, bank, judge, config)
        if not work.reason and (
            broken.any() or judge.only_required().jumps(sequence.labels).any()
        ):
            say("smooth")
            work = _smoothed(work, prior, judge, config)
    say("audit again")
    changed = (work.sequence.labels != sequence.labels).any((0, 1))
    after = judge.audits(work.sequence) if changed.any() else before
    if not work.reason and not plausible(after[0]):
        work = dataclasses.replace(work, reason="the result does not pass the audit")
    if work.reason:
        work, after = dataclasses.replace(work, sequence=sequence), before
        changed[:] = False
    status = NOT_CORRECTED if work.reason else CORRECTED if changed.any() else UNCHANGED
    return Correction(
        original=sequence,
        sequence=work.sequence,
        status=status,
        reason=work.reason,
        before=before,
        after=after,
        frames=_changes(work, scene, before, changed, bank, sequence),
        prior=prior.identity(),
        config=config,
        seed=seed,
        scene=scene,
        codes=None if scene is None else scene.encoded if work.reason else work.codes,
    )


def check_anatomy(sequence: EchoSequence, prior: ShapePrior) -> None:
    """Refuse slices for a prior of apical views, and the other way round.

    Raises:
        ConfigError: The prior knows another anatomy.
    """
    if prior.structures != sequence.anatomy:
        shown, known = ("-".join(s.name for s in a) for a in (sequence.anatomy, prior.structures))
        fitting = default_prior(stack=sequence.is_stack)
        raise ConfigError(
            f"{sequence.source}: prior '{prior.name}' knows hearts of {known}, this is one of "
            f"{shown}; take the prior {fitting}"
        )


@dataclass(frozen=True, eq=False)
class _Work:
    """The sequence in the making.

    `sequence` as it is now; `scene` what the prior sees of it; `codes` (T, D) in use, those of
    kept frames being the encoder's own; `detail` (T,) carried over, NaN where kept; `reason` why
    it cannot be corrected, empty while it can.
    """

    sequence: EchoSequence
    scene: Scene | None
    codes: NDArray[np.float64]
    detail: NDArray[np.float64]
    reason: str = ""

    @classmethod
    def start(cls, scene: Scene) -> _Work:
        kept = np.full(scene.sequence.n_frames, math.nan)
        return cls(scene.sequence, scene, scene.encoded, kept)

    @classmethod
    def untouched(cls, sequence: EchoSequence, prior: ShapePrior, reason: str) -> _Work:
        codes = np.full((sequence.n_frames, prior.codes.shape[1]), math.nan)
        return cls(sequence, None, codes, np.full(sequence.n_frames, math.nan), reason)


def _repaired(
    work: _Work,
    scene: Scene,
    prior: ShapePrior,
    bank: LatentBank,
    judge: Judge,
    config: CorrectConfig,
) -> _Work:
    """Broken frames replaced by valid ones; a reason where one has none."""
    found = repair(scene, prior, bank, judge, config)
    missing = sorted(set(np.flatnonzero(scene.broken).tolist()) - found.keys())
    if missing:
        return dataclasses.replace(work, reason=f"no valid heart was found for frames {missing}")
    mended = as_input(scene, found)
    detail = work.detail.copy()
    detail[list(found)] = [frame.detail for frame in found.values()]
    codes = np.where(scene.broken[:, None], mended.codes, work.codes)
    return _Work(mended.sequence, mended, codes, detail)


def _completed(
    work: _Work, prior: ShapePrior, bank: LatentBank, judge: Judge, config: CorrectConfig
) -> _Work:
    """A repaired stack in which no slice lacks what slices on both sides of it have.

    A slice is judged on its own when it is repaired, so what is repaired around a slice may leave
    it without a structure: then that is repaired too.
    """
    for _ in range(MOST_ROUNDS):
        if work.reason or not work.sequence.is_stack:
            return work
        left = np.array([not f.passed for f in judge.audits(work.sequence)[0].frames])
        if not left.any():
            return work
        assert work.scene is not None
        scene = see(work.sequence, left, prior, config.fit, None, work.scene.placement)
        if scene is None:
            return work
        work = _repaired(work, scene, prior, bank, judge, config)
    return work


def _smoothed(work: _Work, prior: ShapePrior, judge: Judge, config: CorrectConfig) -> _Work:
    """The motion brought within the temporal limits, under all sets or those in use alone."""
    for asked in (judge, judge.only_required()):
        if not asked.jumps(work.sequence.labels).any():
            return work
        assert work.scene is not None
        motion = smooth_motion(work.scene, prior, asked, config)
        if motion is not None:
            return dataclasses.replace(
                work,
                sequence=work.sequence.with_labels(motion.labels),
                codes=np.where(motion.moved[:, None], motion.codes, work.codes),
                detail=np.where(motion.moved, motion.detail, work.detail),
            )
    return dataclasses.replace(work, reason="no smoothing keeps every frame valid")


def _changes(
    work: _Work,
    scene: Scene | None,
    before: tuple[SequenceAudit, ...],
    changed: NDArray[np.bool_],
    bank: LatentBank,
    sequence: EchoSequence,
) -> tuple[FrameChange, ...]:
    """What happened to each frame."""
    unknown = np.full(sequence.n_frames, math.nan)
    known, percentiles, moves = None, (unknown, unknown), unknown
    if scene is not None:
        known = usual(scene, bank)
        new = replaced(sequence.labels, work.sequence.labels)
        known = dataclasses.replace(known, unknown=known.unknown | new)
        now = bank.typical(sequence.structures).density_percentile(work.codes)
        percentiles = known.density, now
        moves = np.linalg.norm(work.codes - scene.encoded, axis=1)
    actions = [
        KEPT if not c else SMOOTHED if frame.passed else REPAIRED
        for c, frame in zip(changed, before[0].frames, strict=True)
    ]
    return frame_changes(
        sequence,
        work.sequence.labels,
        before[0],
        actions=actions,
        detail=work.detail,
        displacement=np.asarray(moves),
        density=percentiles,
        usual=known,
    )
