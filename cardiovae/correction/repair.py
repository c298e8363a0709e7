"""Broken frames, one by one: the input's own contours where sound, the prior's where not.

The first candidate that passes the audit on the native grid wins, from the least to the most
change: the fitted heart with all, some or none of the input's detail, then the nearest valid codes
of the bank, reached by the smallest move along the segment.
"""

from __future__ import annotations

import dataclasses
import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardiovae.bank import LatentBank
from cardiovae.correction.blend import render, soundness
from cardiovae.correction.config import CorrectConfig
from cardiovae.correction.judge import Judge
from cardiovae.correction.scene import Scene
from cardiovae.labels import Label
from cardiovae.latent.search import bisect_segment
from cardiovae.latent.smoothing import robust_weights, smooth
from cardiovae.prior.codec import Floats, canvas_distances, decode
from cardiovae.prior.folder import ShapePrior

CONTEXT_STRENGTH = 8.0  # of the neighbors' say in a broken frame's code
SLICE_CONTEXT = 0.2  # in a stack: from slice to slice a heart changes more than in 20 ms
N_NEAREST = 4  # valid codes of the bank to try


@dataclass(frozen=True, eq=False)
class Repaired:
    """One repaired frame.

    Args:
        labels: Native label map, shape (H, W).
        distances: Its blended signed distances on the canvas, shape (3, 128, 96), mm.
        code: The code used, shape (D,).
        detail: Share of the input's detail carried over.
    """

    labels: NDArray[np.uint8]
    distances: Floats
    code: NDArray[np.float64]
    detail: float


def in_context(scene: Scene) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Codes (T, D), and how much each frame's own mask has a say in them and in its detail, (T,).

    Broken frames are drawn to what the frames before and after let expect, the more the less they
    are to be trusted: a smoothing spline through the codes. (Penalizing the bend of the bend
    keeps the amplitude of a whole beat, but overshoots in the gap that a run of broken frames
    leaves.) With fewer than five frames, or no sound one, nothing can be told from the
    neighbors, and every frame speaks for itself.
    """
    n_frames = scene.codes.shape[0]
    if n_frames < 5 or scene.broken.all():
        return scene.codes, np.ones(n_frames)
    outliers = np.maximum(robust_weights(scene.codes), 0.1)
    weights = np.where(scene.broken, scene.trust, outliers)
    strength = SLICE_CONTEXT if scene.sequence.is_stack else CONTEXT_STRENGTH
    expected = smooth(scene.codes, weights, strength)
    own = np.where(scene.broken, scene.trust, 1.0)
    return own[:, None] * scene.codes + (1 - own[:, None]) * expected, own


def repair(
    scene: Scene, prior: ShapePrior, bank: LatentBank, judge: Judge, config: CorrectConfig
) -> dict[int, Repaired]:
    """Repaired frames by index; a broken frame that no candidate mends is left out."""
    frames = [int(t) for t in np.flatnonzero(scene.broken)]
    if not frames:
        return {}
    codes, own = in_context(scene)
    decoded = canvas_distances(decode(prior.network, codes[frames]))
    measured = scene.measured[frames]
    # Of a slice its neighbors tell the shape, but hardly where its contours lie.
    said = (np.ones_like(own) if scene.sequence.is_stack else own)[frames]
    weight = soundness(measured, decoded, config.blend) * said[:, None, None, None]
    if scene.distrust is not None:
        weight = weight * scene.distrust.on_canvas(scene.placement)[frames]
    residual = weight.astype(np.float32) * (measured - decoded)
    found: dict[int, Repaired] = {}
    for i, t in enumerate(frames):
        one = _Candidate(t, codes[t], decoded[i], residual[i], float(said[i]))
        strict = judge.within(scene.sequence.labels, ~scene.broken, t)
        asked = (strict, strict.only_required())
        tries = itertools.chain(
            (_with_detail(scene, one, a, config) for a in asked),
            (_projected(scene, one, prior, bank, a) for a in asked),
        )
        mended = next((m for m in tries if m is not None), None)
        if mended is not None:
            found[t] = mended
    return found


@dataclass(frozen=True, eq=False)
class _Candidate:
    """A frame's fitted heart: code (D,), canvas distances, residual, and its mask's own say."""

    frame: int
    code: NDArray[np.float64]
    decoded: Floats
    residual: Floats
    own: float


def _with_detail(
    scene: Scene, one: _Candidate, judge: Judge, config: CorrectConfig
) -> Repaired | None:
    """The fitted heart with as much of the input's detail as passes; None if none does."""
    labels = scene.cleaned[:, :, one.frame : one.frame + 1]
    measured = scene.measured[one.frame][None]
    for detail in config.detail:
        distances = one.decoded + np.float32(detail) * one.residual
        same = config.blend.same_mm if detail == 1 else 0.0
        native = render(
            distances[None], measured, labels, scene.placement, scene.sequence.structures, same
        )[:, :, 0]
        native = without_new(scene, one.frame, native, judge.needed)
        if judge.frame_passes(native):
            return Repaired(native, distances, one.code, detail * one.own)
    return None


def _projected(
    scene: Scene, one: _Candidate, prior: ShapePrior, bank: LatentBank, judge: Judge
) -> Repaired | None:
    """The smallest move towards one of the nearest valid codes that decodes to a valid frame."""

    def native(codes: NDArray[np.float64]) -> NDArray[np.uint8]:
        canvas = canvas_distances(decode(prior.network, codes))
        n = len(codes)
        labels = np.repeat(scene.cleaned[:, :, :1], n, axis=2)
        structures = scene.sequence.structures
        found = render(canvas, canvas, labels, scene.placement, structures, 0.0)
        for i in range(n):
            found[:, :, i] = without_new(scene, one.frame, found[:, :, i], judge.needed)
        return found

    def valid(codes: NDArray[np.float64]) -> NDArray[np.bool_]:
        return judge.frames_pass(native(codes))

    best: Repaired | None = None
    least = np.inf
    ends, distances = bank.nearest(one.code, N_NEAREST)
    for end, distance in zip(ends, distances, strict=True):
        if not valid(end[None])[0]:
            continue
        found = bisect_segment(one.code, end, valid, steps=6)
        if found.alpha * distance < least:
            least = found.alpha * distance
            canvas = canvas_distances(decode(prior.network, found.code[None]))[0]
            best = Repaired(native(found.code[None])[:, :, 0], canvas, found.code, 0.0)
    return best


def without_new(
    scene: Scene, t: int, labels: NDArray[np.uint8], needed: tuple[Label, ...]
) -> NDArray[np.uint8]:
    """A repaired slice (H, W) without a cavity or RV that its mask lacked and nobody asks for.

    Near base and apex a slice may lack either, and the prior cannot know where a heart ends. Of
    apical views nothing is taken: there every structure has to be.
    """
    if not scene.sequence.is_stack:
        return labels
    kept = labels.copy()
    for structure, instead in ((Label.LV, Label.MYO), (Label.RV, Label.BACKGROUND)):
        walled = instead in (*scene.sequence.structures, Label.BACKGROUND)
        shown = (scene.cleaned[:, :, t] == structure).any()
        if walled and not shown and structure not in needed:
            kept[labels == structure] = instead
    return kept


def as_input(scene: Scene, repaired: dict[int, Repaired]) -> Scene:
    """The scene with its repaired frames in place of the broken ones."""
    labels = scene.sequence.labels.copy()
    measured, codes = scene.measured.copy(), scene.codes.copy()
    for t, frame in repaired.items():
        labels[:, :, t] = frame.labels
        measured[t], codes[t] = frame.distances, frame.code
    return dataclasses.replace(
        scene, sequence=scene.sequence.with_labels(labels), measured=measured, codes=codes
    )
