"""A sequence as the prior sees it: placed, measured, encoded and fitted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardiovae.audit.stacks import missing_between_slices
from cardiovae.correction.blend import COMPARABLE, clean
from cardiovae.correction.config import FitConfig
from cardiovae.correction.distrust import Distrust
from cardiovae.correction.fit import fit_codes
from cardiovae.prior.codec import (
    Floats,
    canvas_distances,
    decode,
    encode,
    knots_of,
    measured_distances,
    misfit_mm,
    to_canvas,
)
from cardiovae.prior.folder import ShapePrior
from cardiovae.prior.grid import Placement, place
from cardiovae.sequence import EchoSequence

BAD_SHARE = 0.1
LEAST_TRUST = 0.002


@dataclass(frozen=True, eq=False)
class Scene:
    """Everything about the input that the correction works with.

    Args:
        sequence: The input.
        placement: Where it lies on the canonical grid.
        cleaned: Its label maps, broken frames without stray parts and holes, (H, W, T).
        broken: Frames that fail the audit, shape (T,).
        measured: Signed distances of `cleaned`, (T, 3, 128, 96), mm.
        encoded: Posterior means of the input as it is, shape (T, D).
        spread: Posterior standard deviations, shape (T, D).
        misfit_mm: How far the decoded contours of `encoded` lie from those of `cleaned`, (T,).
        trust: How much each frame is to be believed, shape (T,): 1 for sound ones, down to
            `LEAST_TRUST` for those that are broken badly, or lack what slices around them show.
        codes: The same, those of broken frames fitted to their sound part, shape (T, D).
        distrust: What was doubtful before; None = nothing is known.
    """

    sequence: EchoSequence
    placement: Placement
    cleaned: NDArray[np.uint8]
    broken: NDArray[np.bool_]
    measured: Floats
    encoded: NDArray[np.float64]
    spread: NDArray[np.float64]
    misfit_mm: NDArray[np.float64]
    trust: NDArray[np.float64]
    codes: NDArray[np.float64]
    distrust: Distrust | None = None


def see(
    sequence: EchoSequence,
    broken: NDArray[np.bool_],
    prior: ShapePrior,
    fit: FitConfig,
    distrust: Distrust | None = None,
    placement: Placement | None = None,
) -> Scene | None:
    """Place, measure, encode and fit a sequence; None when no frame shows a heart.

    Args:
        sequence: The input.
        broken: Frames that fail the audit, shape (T,).
        prior: The shape prior.
        fit: Settings of the fit.
        distrust: What is doubtful before anything is done; broken frames lose that trust.
        placement: Where it lies on the canvas, where that is known; None = found here.
    """
    cleaned = sequence.labels.copy()
    for t in np.flatnonzero(broken):
        cleaned[:, :, t] = clean(sequence.frame(int(t)), sequence.structures, keep=COMPARABLE)
    if placement is None:
        placement = place(cleaned, sequence.spacing_mm, stack=sequence.is_stack)
    if placement is None:
        return None
    shares, inside = to_canvas(cleaned, placement)
    seen = shares.copy()
    seen[broken] = to_canvas(sequence.labels[:, :, broken], placement)[0]
    encoded, spread = encode(prior.network, seen, inside, sequence.structures)
    measured = measured_distances(shares)
    decoded = canvas_distances(decode(prior.network, encoded))
    misfit = misfit_mm(measured, decoded, inside, sequence.structures)
    codes = encoded.copy()
    if broken.any():
        codes[broken] = fit_codes(
            prior,
            encode(prior.reader, seen[broken], inside, sequence.structures)[0],
            knots_of(measured[broken]),
            knots_of(inside),
            sequence.structures,
            fit,
        )
        decoded[broken] = canvas_distances(decode(prior.network, codes[broken]))
    trust = _trust(sequence.labels, cleaned, shares, decoded)
    lacking = incomplete(sequence) & broken
    trust = np.where(broken, np.where(lacking, LEAST_TRUST, trust), 1.0)
    if distrust is not None:
        trust = np.maximum(np.where(broken, trust * distrust.weights(), 1.0), LEAST_TRUST)
    return Scene(
        sequence, placement, cleaned, broken, measured, encoded, spread, misfit, trust, codes,
        distrust,
    )  # fmt: skip


def incomplete(sequence: EchoSequence) -> NDArray[np.bool_]:
    """Slices of a stack without a structure that slices on both sides have, shape (Z,)."""
    if not sequence.is_stack:
        return np.zeros(sequence.n_frames, bool)
    present = ((sequence.labels == s).any((0, 1)) for s in sequence.structures)
    return np.asarray(np.any([missing_between_slices(p) > 0 for p in present], axis=0))


def _trust(
    labels: NDArray[np.uint8], cleaned: NDArray[np.uint8], shares: Floats, decoded: Floats
) -> NDArray[np.float64]:
    """Trust by how much of a heart is wrong: what cleaning changed, and what decoding changed.

    Shape (T,). A few stray pixels cost nothing; from `BAD_SHARE` of the foreground on the frame
    tells next to nothing, and its neighbors decide.
    """
    heart = np.maximum(np.count_nonzero(labels, axis=(0, 1)), 1)
    wrong = np.count_nonzero(labels != cleaned, axis=(0, 1)) / heart
    seen, given = shares[:, 1:3].sum(1), (decoded[:, 1] < 0)
    wrong = wrong + np.abs(seen - given).sum((1, 2)) / np.maximum(seen.sum((1, 2)), 1)
    return np.asarray(np.maximum(np.exp(-((wrong / BAD_SHARE) ** 2)), LEAST_TRUST))
