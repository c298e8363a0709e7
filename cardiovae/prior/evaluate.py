"""Fidelity of a prior on sequences of their own grid: what is lost from mask to code and back."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardiovae.attributes import measure_attributes
from cardiovae.errors import ModelError
from cardiovae.labels import STRUCTURES, Label
from cardiovae.prior.codec import Floats, compose, decode, encode, native_distances, to_canvas
from cardiovae.prior.fidelity import (
    REGULARIZED,
    Fidelity,
    dice,
    mean_known,
    rank_correlations,
)
from cardiovae.prior.grid import Placement, place
from cardiovae.prior.network import ShapeModel
from cardiovae.sequence import EchoSequence

# Better codes from: codes (T, D), class shares (T, 4, 128, 96), share of each pixel inside the
# image (128, 96), annotated structures.
Refine = Callable[[NDArray[np.float64], Floats, Floats, tuple[Label, ...]], NDArray[np.float64]]


@dataclass(frozen=True, eq=False)
class NativeFidelity:
    """Encode-decode of N frames, each judged on its own grid.

    Args:
        names: Name of each frame's sequence.
        views: View of each frame, "" where unknown.
        frames: Index of each frame in its sequence, shape (N,).
        dice: Dice of `structures`, shape (N, 3); NaN where a structure is not annotated or
            absent from both masks.
        codes: Shape (N, D).
        attributes: The seven regularized attributes of the true masks on the canonical grid
            (positions measured from the sequence's center), shape (N, 7), mm, mm2 and degrees.
        structures: LV, MYO and LA, or RV.
    """

    names: tuple[str, ...]
    views: tuple[str, ...]
    frames: NDArray[np.int64]
    dice: NDArray[np.float64]
    codes: NDArray[np.float64]
    attributes: NDArray[np.float64]
    structures: tuple[Label, ...] = STRUCTURES

    def summary(self, keep: NDArray[np.bool_] | None = None) -> Fidelity:
        """Mean Dice and rank correlations of the frames `keep`, shape (N,); None = all."""
        chosen = slice(None) if keep is None else keep
        overlap = {
            s.name.lower(): mean_known(self.dice[chosen, i]) for i, s in enumerate(self.structures)
        }
        return Fidelity(overlap, rank_correlations(self.codes[chosen], self.attributes[chosen]))


def evaluate_fidelity(
    network: ShapeModel,
    sequences: Iterable[tuple[str, EchoSequence]],
    *,
    refine: Refine | None = None,
) -> NativeFidelity:
    """Encode and decode named sequences, and compare on their own grids.

    Args:
        network: The network, in evaluation mode.
        sequences: Sequences that were not trained on, with their names.
        refine: Moves the encoder's codes closer to the masks; None takes them as they are.

    Raises:
        ModelError: No frame at all.
    """
    names, views, frames, overlap, codes, attributes = [], [], [], [], [], []
    whole = STRUCTURES
    for name, sequence in sequences:
        whole = sequence.anatomy
        placement = place(sequence.labels, sequence.spacing_mm, stack=sequence.is_stack)
        if placement is None:
            continue
        z, decoded = reconstruct(network, sequence, placement, refine=refine)
        for t in range(sequence.n_frames):
            overlap.append(_overlap(sequence, t, decoded[:, :, t]))
            attributes.append(canonical_attributes(sequence, t, placement))
            names.append(name)
            views.append(sequence.view or "")
            frames.append(t)
        codes.append(z)
    if not codes:
        raise ModelError("no frame with LV or MYO to evaluate the prior on")
    return NativeFidelity(
        tuple(names),
        tuple(views),
        np.array(frames, np.int64),
        np.array(overlap),
        np.concatenate(codes),
        np.array(attributes),
        whole,
    )


def reconstruct(
    network: ShapeModel, sequence: EchoSequence, placement: Placement, *, refine: Refine | None
) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    """Codes (T, D) of a sequence, and the label maps (H, W, T) that they decode to."""
    structures = sequence.structures
    shares, inside = to_canvas(sequence.labels, placement)
    codes, _ = encode(network, shares, inside, structures)
    if refine is not None:
        codes = refine(codes, shares, inside, structures)
    distances = native_distances(decode(network, codes), placement)
    return codes, compose(distances, structures)


def canonical_attributes(
    sequence: EchoSequence, t: int, placement: Placement
) -> NDArray[np.float64]:
    """The seven regularized attributes of frame `t` in canonical mm, shape (7,).

    Positions are measured from the center of the placement, as the network sees them.
    """
    spacing = placement.pixel_mm
    found = measure_attributes(sequence.frame(t), spacing, sequence.structures)
    values = np.array([found[name] for name in REGULARIZED])
    origin = {
        "epi_center_x": placement.center_px[1] * spacing[1],
        "epi_center_y": placement.center_px[0] * spacing[0],
    }
    return np.asarray(values - np.array([origin.get(name, 0.0) for name in REGULARIZED]))


def _overlap(sequence: EchoSequence, t: int, decoded: NDArray[np.uint8]) -> list[float]:
    truth, known = sequence.frame(t), sequence.structures
    return [dice(truth == s, decoded == s) if s in known else np.nan for s in sequence.anatomy]
