"""The label maps of a pair, read and found to lie on one grid; loads no network."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

from cardiovae.errors import CardiovaeError
from cardiovae.evaluation.pairing import Pair
from cardiovae.io import load_sequence
from cardiovae.labels import LabelScheme
from cardiovae.sequence import SAX, EchoSequence

SPACING_TOLERANCE = 1e-3  # relative: headers keep float32, people round to three digits


def read_pair(
    pair: Pair,
    *,
    labels: LabelScheme | str | None = None,
    spacing_mm: tuple[float, float] | None = None,
    view: str | None = None,
) -> dict[str, EchoSequence]:
    """The label maps of a pair on one grid: "prediction", "reference" and perhaps "before".

    A spacing, or a distance between slices, that only one of the files knows holds for all.

    Args:
        pair: The files.
        labels: Label scheme of all of them; None = as each file says.
        spacing_mm: Distance between pixel centers along (rows, columns) in mm; wins over headers.
        view: "SAX" for stacks of short-axis slices; None = as the pair says, else each file.

    Raises:
        CardiovaeError: A file cannot be read, shapes or spacings differ, or not all are stacks.
    """
    paths: dict[str, Path] = {"reference": pair.reference, "prediction": pair.prediction}
    if pair.before is not None:
        paths["before"] = pair.before
    view = SAX if pair.view == SAX else view
    read = {
        side: load_sequence(path, labels=labels, spacing_mm=spacing_mm, view=view)
        for side, path in paths.items()
    }
    reference = read["reference"]
    for side, sequence in read.items():
        _check_grid(side, sequence, reference)
        _check_slices(side, sequence, reference)
    known = next((s.spacing_mm for s in read.values() if s.spacing_mm is not None), None)
    apart = next((s.slice_mm for s in read.values() if s.slice_mm is not None), None)
    return {
        side: dataclasses.replace(s, spacing_mm=known, slice_mm=apart) for side, s in read.items()
    }


def _check_slices(side: str, sequence: EchoSequence, reference: EchoSequence) -> None:
    """Raise where the slices of a stack and of its reference are known to lie differently."""
    own, other = sequence.slice_mm, reference.slice_mm
    if own is None or other is None or math.isclose(own, other, rel_tol=SPACING_TOLERANCE):
        return
    raise CardiovaeError(
        f"{sequence.source}: {side} and reference need one distance between slices; this has "
        f"{own:g} mm, {reference.source} has {other:g} mm; export the prediction on the grid of "
        "the reference"
    )


def _check_grid(side: str, sequence: EchoSequence, reference: EchoSequence) -> None:
    """Raise unless a sequence has the shape and spacing of its reference, and shows as much."""
    if sequence.is_stack != reference.is_stack:
        raise CardiovaeError(
            f"{sequence.source}: either this or {reference.source} is a stack of short-axis "
            "slices, as far as is known, and the other is not; say what their values mean with "
            "--labels, or that both are stacks with --view sax"
        )
    if sequence.labels.shape != reference.labels.shape:
        raise CardiovaeError(
            f"{sequence.source}: {side} and reference need one shape (H, W, T); this is "
            f"{sequence.labels.shape}, {reference.source} is {reference.labels.shape}; export "
            "the prediction on the grid and with all frames of the reference"
        )
    own, other = sequence.spacing_mm, reference.spacing_mm
    if own is None or other is None:
        return
    if not all(
        math.isclose(a, b, rel_tol=SPACING_TOLERANCE) for a, b in zip(own, other, strict=True)
    ):
        raise CardiovaeError(
            f"{sequence.source}: {side} and reference need one pixel spacing; this is "
            f"{own[0]:g} x {own[1]:g} mm, {reference.source} is {other[0]:g} x {other[1]:g} mm; "
            "correct the header that is wrong, or give --spacing ROW,COL"
        )
