"""Phantom cines for the tests of the correction, and plain measures to judge results by."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from functools import cache

import numpy as np
from numpy.typing import NDArray

from cardiovae.audit.audit import audit_sequence
from cardiovae.correction.config import CorrectConfig, correct_config
from cardiovae.correction.correct import correct_sequence
from cardiovae.labels import STRUCTURES, Label
from cardiovae.phantom.heart import Cycle, draw_heart, draw_parameters
from cardiovae.sequence import EchoSequence

STEADY = 17  # a heart whose half cycle of 12 or 16 frames passes all four sets


@cache
def config(**changes) -> CorrectConfig:
    """The default settings, changed."""
    return dataclasses.replace(correct_config("default"), **changes)


@cache
def cine(
    seed: int = STEADY,
    view: str = "A4C",
    *,
    n_frames: int = 12,
    cycle: Cycle = "half",
    spacing_mm: tuple[float, float] = (0.8, 0.8),
) -> EchoSequence:
    """A drawn heart that beats."""
    heart = draw_parameters(np.random.default_rng(seed), view)
    return draw_heart(heart, n_frames=n_frames, cycle=cycle, spacing_mm=spacing_mm).sequence


def correct(sequence, prior, bank, settings=None, seed=0):
    """`correct_sequence` with settings of its own."""
    return correct_sequence(sequence, prior, bank, settings or config(), seed=seed)


def with_frame(sequence: EchoSequence, t: int, labels: NDArray[np.uint8]) -> EchoSequence:
    """The sequence with another frame `t`, shape (H, W)."""
    changed = sequence.labels.copy()
    changed[:, :, t] = labels
    return sequence.with_labels(changed)


def only(sequence: EchoSequence, structures: tuple[Label, ...]) -> EchoSequence:
    """The sequence as if nothing but `structures` had been annotated."""
    labels = np.where(np.isin(sequence.labels, structures), sequence.labels, 0).astype(np.uint8)
    return dataclasses.replace(sequence, labels=labels, structures=structures)


def shifted(labels: NDArray[np.uint8], rows: int, cols: int) -> NDArray[np.uint8]:
    """A frame moved by whole pixels; background comes in from outside."""
    height, width = labels.shape
    result = np.zeros_like(labels)
    result[max(rows, 0) : height + min(rows, 0), max(cols, 0) : width + min(cols, 0)] = labels[
        max(-rows, 0) : height - max(rows, 0), max(-cols, 0) : width - max(cols, 0)
    ]
    return result


def with_leak(labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A frame whose LV broke through its left wall, and whose atrium fell into two."""
    rows, cols = np.nonzero(labels == Label.LV)
    row, col = int(rows.mean()), int(cols.min())
    leaking = labels.copy()
    leaking[row - 6 : row + 6, max(col - 25, 0) : col + 4] = Label.LV
    atrium = np.flatnonzero((labels == Label.LA).any(1))
    if atrium.size:
        middle = int(atrium.mean())
        leaking[middle - 1 : middle + 2][leaking[middle - 1 : middle + 2] == Label.LA] = 0
    return leaking


def changed_frames(before: EchoSequence, after: EchoSequence) -> list[int]:
    """Frames in which any pixel differs."""
    return np.flatnonzero((before.labels != after.labels).any((0, 1))).tolist()


def dice(a: NDArray[np.uint8], b: NDArray[np.uint8], label: Label) -> float:
    """Dice coefficient of one structure; NaN where both are empty."""
    one, other = a == label, b == label
    total = np.count_nonzero(one) + np.count_nonzero(other)
    return 2 * np.count_nonzero(one & other) / total if total else float("nan")


def mean_dice(
    a: EchoSequence,
    b: EchoSequence,
    frames: Iterable[int] | None = None,
    labels: tuple[Label, ...] = STRUCTURES,
) -> float:
    """Dice averaged over structures and frames (all by default)."""
    every = range(a.n_frames) if frames is None else frames
    return float(np.nanmean([dice(a.frame(t), b.frame(t), s) for t in every for s in labels]))


def passes(sequence: EchoSequence, anatomy: str = "camus", temporal: str = "tmi2022") -> bool:
    """Whether an audit from scratch finds nothing; time counts from three frames on."""
    return audit_sequence(sequence, anatomy=anatomy, temporal=temporal).passed
