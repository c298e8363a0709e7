"""A population of codes with what is known of each: the prior's own, and those of given masks."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardiovae.attributes import ATTRIBUTES, attribute_signals
from cardiovae.audit.audit import frame_is_valid
from cardiovae.audit.criteria import CriteriaSet
from cardiovae.bank import GRID, GRID_MM
from cardiovae.errors import CardiovaeError
from cardiovae.explore.hearts import Hearts
from cardiovae.indices.ejection import ed_es, ejection, ejection_of_disks, lv_disks
from cardiovae.labels import Label
from cardiovae.prior.codec import encode, to_canvas
from cardiovae.prior.folder import ShapePrior
from cardiovae.prior.grid import ORIGIN_MM, Placement, place
from cardiovae.sequence import EchoSequence

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Population:
    """Codes and what is known of them.

    Args:
        codes: Shape (N, D).
        attributes: In the order of `ATTRIBUTES`, shape (N, 8), NaN where not measurable.
        instants: ED 0 to ES 1, NaN where unknown, shape (N,).
        ef_percent: Ejection fraction of the cine that each belongs to, NaN where unknown, (N,).
        views: "A2C", "A4C" or None = unknown, N of them.
        names: What each is called, N of them.
        valid: Which pass the audit, shape (N,).
    """

    codes: Array
    attributes: Array
    instants: Array
    ef_percent: Array
    views: tuple[str | None, ...]
    names: tuple[str, ...]
    valid: NDArray[np.bool_]


@dataclass(frozen=True)
class Mask:
    """A sequence with the patient that it shows."""

    sequence: EchoSequence
    name: str
    patient: str


@dataclass(frozen=True, eq=False)
class EncodedMask:
    """A sequence of masks and its codes.

    Args:
        mask: The sequence.
        codes: Shape (T, D).
        attributes: Measured on the masks themselves, shape (T, 8); positions are those on `GRID`.
        valid: Which frames pass the audit, shape (T,).
        instants: Frames at (ED, ES), by LV area; both the first where they cannot be told.
    """

    mask: Mask
    codes: Array
    attributes: Array
    valid: NDArray[np.bool_]
    instants: tuple[int, int]


def chosen_rows(patients: NDArray[np.int64], n: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Rows of whole patients, at most `n` of them, drawn at random and in their own order.

    At least two patients, however many rows those have; all rows where there are no more than `n`.
    """
    if len(patients) <= n:
        return np.arange(len(patients))
    numbers, counts = np.unique(patients, return_counts=True)
    order = rng.permutation(len(numbers))
    enough = max(int(np.searchsorted(np.cumsum(counts[order]), n, side="right")), 2)
    return np.flatnonzero(np.isin(patients, numbers[order[:enough]]))


def training_population(prior: ShapePrior, rows: NDArray[np.intp], hearts: Hearts) -> Population:
    """The training codes `rows` of a prior, decoded to `hearts`.

    A prior stores no file names and no views. Cines are told apart by patient and by the return to
    an earlier instant; their ejection fraction is that of the decoded hearts, single-plane.
    """
    patients, instants = prior.patients[rows], prior.instants[rows]
    fractions = np.full(len(rows), np.nan)
    for cine in cines(patients, instants):
        maps = np.ascontiguousarray(np.moveaxis(hearts.labels[cine], 0, 2))
        fractions[cine] = ejection(maps, GRID.pixel_mm).ef_percent
    names = tuple(
        f"training code {row}, patient {p}" for row, p in zip(rows, patients, strict=True)
    )
    return Population(
        hearts.codes,
        hearts.attributes,
        instants,
        fractions,
        (None,) * len(rows),
        names,
        hearts.valid,
    )


def cines(patients: NDArray[np.int64], instants: Array) -> list[slice]:
    """Codes that follow each other in one heart beat, as slices of N rows.

    A cine ends where the patient changes and where the instant does not grow: a prior keeps the
    frames of a view from ED to ES.

    Examples:
        >>> found = cines(np.array([0, 0, 0, 0, 1]), np.array([0, 1, 0, 1, 0.0]))
        >>> [(c.start, c.stop) for c in found]
        [(0, 2), (2, 4), (4, 5)]
    """
    on = (np.diff(patients) == 0) & (np.diff(instants) > 0)
    edges = [0, *(np.flatnonzero(~on) + 1).tolist(), len(patients)]
    return [slice(a, b) for a, b in itertools.pairwise(edges) if a < b]


def encode_mask(prior: ShapePrior, mask: Mask, judge: CriteriaSet) -> EncodedMask:
    """Encode a sequence: sound frames as the prior sees shapes, broken ones by its reader.

    Raises:
        CardiovaeError: No frame shows a left ventricle or a myocardium.
    """
    sequence = mask.sequence
    placement = place(sequence.labels, sequence.spacing_mm)
    if placement is None:
        raise CardiovaeError(f"{mask.name}: no frame has an LV or a myocardium, so no code either")
    valid = np.array(
        [
            frame_is_valid(sequence.frame(t), sequence.spacing_mm, judge, sequence.structures)
            for t in range(sequence.n_frames)
        ]
    )
    shares, inside = to_canvas(sequence.labels, placement)
    codes = encode(prior.network, shares, inside, sequence.structures)[0]
    if not valid.all():
        broken = shares[~valid]
        codes[~valid] = encode(prior.reader, broken, inside, sequence.structures)[0]
    areas = np.count_nonzero(sequence.labels == Label.LV, axis=(0, 1))
    return EncodedMask(
        mask, codes, _attributes(sequence, placement), valid, ed_es(areas) or (0, 0)
    )


def _attributes(sequence: EchoSequence, placement: Placement) -> Array:
    """Attributes (T, 8) of the masks themselves, positions on `GRID`; NaN without a spacing."""
    if sequence.spacing_mm is None:
        return np.full((sequence.n_frames, len(ATTRIBUTES)), np.nan)
    found = attribute_signals(sequence.labels, sequence.spacing_mm, sequence.structures)
    for axis, name in enumerate(("epi_center_y", "epi_center_x")):
        pixels = found[name] / sequence.spacing_mm[axis] - placement.center_px[axis]
        found[name] = pixels * placement.pixel_mm[axis] + ORIGIN_MM[axis] - GRID_MM / 2
    return np.stack([found[name] for name in ATTRIBUTES], axis=1)


def mask_population(masks: Sequence[EncodedMask]) -> Population:
    """All frames of encoded masks as one population, with the ejection fraction of their cine."""
    fractions = mask_ejections(masks)
    frames = [(m, t) for m in masks for t in range(len(m.codes))]
    return Population(
        np.concatenate([m.codes for m in masks]),
        np.concatenate([m.attributes for m in masks]),
        np.full(len(frames), np.nan),
        np.array([fractions[_cine(m)] for m, _ in frames]),
        tuple(m.mask.sequence.view for m, _ in frames),
        tuple(f"{m.mask.name}, frame {t}" for m, t in frames),
        np.concatenate([m.valid for m in masks]),
    )


def mask_ejections(masks: Sequence[EncodedMask]) -> dict[tuple[str, str | None], float]:
    """Ejection fraction in percent of each patient and view, single-plane, over all its files.

    ED and ES may lie in files of their own. NaN where a spacing is unknown or nothing ejects.
    """
    groups: dict[tuple[str, str | None], list[EchoSequence]] = {}
    for encoded in masks:
        groups.setdefault(_cine(encoded), []).append(encoded.mask.sequence)
    return {key: _ejection(sequences) for key, sequences in groups.items()}


def _ejection(sequences: Sequence[EchoSequence]) -> float:
    disks = [
        lv_disks(s.frame(t), s.spacing_mm, s.structures)
        for s in sequences
        if s.spacing_mm is not None
        for t in range(s.n_frames)
    ]
    instants = ed_es(np.array([d.area_mm2 for d in disks]))
    known = all(s.spacing_mm is not None for s in sequences)
    if instants is None or not known:
        return float("nan")
    return ejection_of_disks([(disks[instants[0]], disks[instants[1]])]).ef_percent


def _cine(encoded: EncodedMask) -> tuple[str, str | None]:
    return encoded.mask.patient, encoded.mask.sequence.view
