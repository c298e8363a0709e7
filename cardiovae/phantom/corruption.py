"""Seeded damage to label maps, as segmentation networks do it, on frames and on sequences."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from cardiovae.errors import CardiovaeError
from cardiovae.phantom import axis_defects
from cardiovae.phantom import defects as damage
from cardiovae.phantom.shapes import Spacing, displaced
from cardiovae.sequence import EchoSequence

Defect = Callable[[NDArray[np.uint8], Spacing, float, np.random.Generator], NDArray[np.uint8]]

DEFECTS: Mapping[str, Defect] = MappingProxyType(
    {
        "annulus_leak": axis_defects.annulus_leak,
        "apex_cut": axis_defects.apex_cut,
        "bridge": axis_defects.bridge,
        "gaps": damage.gaps,
        "holes": damage.holes,
        "islands": damage.islands,
        "jitter": damage.jitter,
        "missing_structure": damage.missing_structure,
        "missing_wall": damage.missing_wall,
        "rough_edges": damage.rough_edges,
        "shadow": damage.shadow,
        "shifted_base": axis_defects.shifted_base,
        "wall_leak": damage.wall_leak,
        "wrong_la": damage.wrong_la,
        "wrong_size": damage.wrong_size,
    }
)
MAX_DEFECTS = 4


def corrupt_frame(
    labels: NDArray[np.uint8],
    spacing_mm: Spacing,
    *,
    severity: float,
    rng: np.random.Generator,
    defects: tuple[str, ...] | None = None,
) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    """Damage one frame.

    One to four defects, more with growing severity, drawn without repetition; a defect that does
    not change the frame (a wrong atrium where there is none) is replaced by another one.

    Args:
        labels: Label map of one frame, shape (H, W), uint8; not modified.
        spacing_mm: Distance between pixel centers along (rows, columns) in mm.
        severity: From 0 (one small defect) to 1 (several, each up to about 20 mm).
        rng: Source of randomness; the same state gives the same result.
        defects: Apply exactly these names of `DEFECTS`, in this order; None draws them.

    Returns:
        The damaged map, shape (H, W), with no label that `labels` does not hold, and the names of
        the defects that changed it, in order; none for an empty frame.

    Raises:
        CardiovaeError: A severity outside 0 to 1, or an unknown defect.
    """
    return damaged_by(DEFECTS, labels, spacing_mm, severity, rng, defects)


def damaged_by(
    table: Mapping[str, Defect],
    labels: NDArray[np.uint8],
    spacing_mm: Spacing,
    severity: float,
    rng: np.random.Generator,
    defects: tuple[str, ...] | None = None,
) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    """Damage one frame with the defects of a table; arguments and result as `corrupt_frame`."""
    check_defects(table, severity, defects or ())
    names: list[str] = list(defects or ())
    wanted = len(names)
    if defects is None:
        all_names = sorted(table)
        names = [all_names[i] for i in rng.permutation(len(all_names))]
        wanted = 1 + int(rng.binomial(MAX_DEFECTS - 1, severity))
    damaged = labels.copy()
    applied: list[str] = []
    for name in names:
        if len(applied) == wanted:
            break
        after = table[name](damaged, spacing_mm, severity, rng)
        if not np.array_equal(after, damaged):
            applied.append(name)
            damaged = after
    return damaged, tuple(applied)


def corrupt_sequence(
    sequence: EchoSequence, *, severity: float, rng: np.random.Generator
) -> tuple[EchoSequence, tuple[tuple[str, ...], ...]]:
    """Damage a sequence as a network that works frame by frame does.

    A random share of the frames, growing with the severity, gets defects of its own
    (`corrupt_frame`); some defects stay for a few neighboring frames, drawn alike in each;
    contours jitter from frame to frame; frames are dropped: empty, or an earlier frame again
    ("frozen"). Where the spacing is unknown, defects are sized as if pixels measured 0.5 mm.

    Args:
        sequence: The sound sequence.
        severity: From 0 (a frame or two, slightly) to 1 (nearly all frames, badly).
        rng: Source of randomness; the same state gives the same result.

    Returns:
        The damaged sequence, and for every frame the names of what was done to it: names of
        `DEFECTS`, and "empty" or "frozen" for a dropped frame.

    Raises:
        CardiovaeError: A severity outside 0 to 1.
    """
    check_defects(DEFECTS, severity, ())
    spacing = sequence.spacing_mm or (0.5, 0.5)
    n_frames = sequence.n_frames
    labels = sequence.labels.copy()
    done: list[list[str]] = [[] for _ in range(n_frames)]
    _jitter_frames(labels, done, spacing, severity, rng)
    _persist(labels, done, spacing, severity, rng)
    share = 0.1 + 0.8 * severity
    damaged = np.flatnonzero(rng.random(n_frames) < share * rng.uniform(0.5, 1))
    if damaged.size == 0:
        damaged = np.array([rng.integers(n_frames)])
    for t in damaged:
        level = severity * rng.uniform(0.5, 1)
        labels[:, :, t], names = corrupt_frame(labels[:, :, t], spacing, severity=level, rng=rng)
        done[t].extend(names)
    _drop_frames(labels, done, severity, rng)
    return sequence.with_labels(labels), tuple(tuple(names) for names in done)


def _jitter_frames(
    labels: NDArray[np.uint8],
    done: list[list[str]],
    spacing_mm: Spacing,
    severity: float,
    rng: np.random.Generator,
) -> None:
    """Contours that tremble from frame to frame, in about two thirds of the sequences."""
    if rng.random() < 1 / 3:
        return
    amplitude = severity * rng.uniform(0.3, 2.0)
    for t in range(labels.shape[2]):
        after = displaced(labels[:, :, t], spacing_mm, amplitude, 20.0, rng)
        if not np.array_equal(after, labels[:, :, t]):
            labels[:, :, t] = after
            done[t].append("jitter")


def _persist(
    labels: NDArray[np.uint8],
    done: list[list[str]],
    spacing_mm: Spacing,
    severity: float,
    rng: np.random.Generator,
) -> None:
    """Defects that stay for a run of neighboring frames, from one seed per run."""
    n_frames = labels.shape[2]
    for _ in range(rng.binomial(3, 0.2 + 0.6 * severity)):
        name = sorted(DEFECTS)[rng.integers(len(DEFECTS))]
        first = int(rng.integers(n_frames))
        length = 2 + int(rng.integers(1 + round(0.3 * n_frames * severity) + 1))
        level, seed = severity * rng.uniform(0.4, 1), int(rng.integers(2**63))
        for t in range(first, min(first + length, n_frames)):
            # The same draws in every frame: the defect keeps its place while the heart moves.
            after = DEFECTS[name](labels[:, :, t], spacing_mm, level, np.random.default_rng(seed))
            if not np.array_equal(after, labels[:, :, t]):
                labels[:, :, t] = after
                done[t].append(name)


def _drop_frames(
    labels: NDArray[np.uint8], done: list[list[str]], severity: float, rng: np.random.Generator
) -> None:
    """Frames that are lost: nothing on them, or an earlier frame shown again."""
    for t in np.flatnonzero(rng.random(labels.shape[2]) < 0.08 * severity):
        if rng.random() < 0.5:
            labels[:, :, t], done[t] = 0, ["empty"]
        elif t > 0:
            back = int(rng.integers(1, min(int(t), 4) + 1))
            labels[:, :, t], done[t] = labels[:, :, t - back], [*done[t - back], "frozen"]


def check_defects(table: Mapping[str, Defect], severity: float, defects: tuple[str, ...]) -> None:
    """Refuse a severity outside 0 to 1, and names that the table of defects does not hold."""
    if not 0 <= severity <= 1:
        raise CardiovaeError(f"severity is a number from 0 to 1, got {severity}")
    unknown = [name for name in defects if name not in table]
    if unknown:
        raise CardiovaeError(f"unknown defects {unknown}; known are {sorted(table)}")
