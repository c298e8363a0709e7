"""Errors that a network really made, each with the truth: what the encoder is to see through.

Corruption models draw the errors that people think of. Predictions of a segmentation network on
frames it was not trained on, paired with their references, show the ones it makes.
"""

from __future__ import annotations

import dataclasses
import hashlib
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from cardiovae.errors import FileError, ModelError
from cardiovae.io.files import load_sequence
from cardiovae.io.inputs import find_inputs, stem
from cardiovae.labels import STRUCTURES, Label
from cardiovae.prior.augment import Batch, network_input, only
from cardiovae.prior.codec import measured_distances, to_canvas
from cardiovae.prior.cohort import ARRAYS, DataConfig, patient_of
from cardiovae.prior.grid import CANVAS_MM, place

ONE_HEART = 0.5  # least Dice of LV + MYO: below it prediction and truth are of different places


@dataclass(frozen=True)
class AdaptConfig:
    """How the encoder learns a network's errors, after the shapes are learned.

    Half of each batch are pairs. `keep_sound`: share of predictions in one piece that are kept;
    the others teach more. `jitter_mm`: standard deviation of where the heart is thought to be, as
    a broken mask misplaces it. `drop_la`, `drop_myo`: share of pairs seen without the structure.
    """

    n_steps: int = 0
    learning_rate: float = 1e-3
    max_pairs: int = 8000
    keep_sound: float = 0.3
    jitter_mm: float = 2.0
    drop_la: float = 0.12
    drop_myo: float = 0.08


@dataclass(frozen=True, eq=False)
class PairTable:
    """Predictions and their truth on the canonical grid.

    Args:
        seen: Class shares of the predictions, shape (N, 4, 128, 96).
        distances: Signed distances of the truth in mm, shape (N, 3, 128, 96).
        inside: Share of each pixel inside the image, shape (N, 128, 96).
    """

    seen: NDArray[np.float16]
    distances: NDArray[np.float16]
    inside: NDArray[np.float16]

    def fingerprint(self) -> str:
        """SHA-256 of the pairs, so that runs can be told apart."""
        digest = hashlib.sha256()
        for array in (self.seen, self.distances, self.inside):
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()


@dataclass(frozen=True, eq=False)
class NamedFrame:
    """One label map (H, W) of a file, and how it is named."""

    name: str
    labels: NDArray[np.uint8]
    spacing_mm: tuple[float, float]


def load_pairs(
    errors: str,
    data: str,
    config: DataConfig,
    patients: set[str],
    adapt: AdaptConfig,
    rng: np.random.Generator,
) -> PairTable:
    """Pairs of predictions and references of the training patients.

    Args:
        errors: Predictions: an `.npz` like that of the training data, in which a name may occur
            many times, or a folder of label maps named like their references.
        data: The references, of the same kind.
        config: Finds the patient in a name.
        patients: The patients to learn from; predictions of others are left out.
        adapt: Settings.
        rng: Chooses which pairs are kept, and jitters their place.

    Raises:
        FileError: Absent or damaged files, or a prediction without its reference.
        ModelError: No usable pair.
    """
    truth = {frame.name: frame for frame in frames_of(data, config.labels)}
    chosen = []
    for frame in frames_of(errors, config.labels):
        if patient_of(frame.name, config.patient) not in patients:
            continue
        found = truth.get(frame.name)
        if found is None or found.labels.shape != frame.labels.shape:
            raise FileError(
                f"{errors}: '{frame.name}' has no reference of its size in {data}; predictions "
                "are named like their references and lie on the same grid"
            )
        if _same_heart(frame.labels, found.labels) and (
            not _in_one_piece(frame.labels) or rng.random() < adapt.keep_sound
        ):
            chosen.append((frame, found))
    if not chosen:
        raise ModelError(f"{errors}: no prediction of a training patient to learn from")
    rows = rng.permutation(len(chosen))[: adapt.max_pairs]
    items = [_on_canvas(chosen[row], adapt.jitter_mm, rng) for row in np.sort(rows).tolist()]
    return PairTable(*(np.stack(parts) for parts in zip(*items, strict=True)))


def frames_of(source: str, labels: str | None) -> Iterator[NamedFrame]:
    """Label maps of an `.npz` of frames or of label map files, one after another.

    Args:
        source: An `.npz` with `masks`, `names` and `spacing_mm`, or a folder or pattern of files,
            whose frames are named `<file>#<number>`.
        labels: Label scheme of label map files; None infers it.

    Raises:
        FileError: Absent or damaged.
        ModelError: A file without pixel spacing.
    """
    path = Path(source)
    if path.suffix != ".npz":
        for file in find_inputs([source]):
            sequence = load_sequence(file, labels=labels)
            if sequence.spacing_mm is None:
                raise ModelError(f"{file}: learning errors needs the pixel spacing in mm")
            for t in range(sequence.n_frames):
                yield NamedFrame(f"{stem(file)}#{t}", sequence.frame(t), sequence.spacing_mm)
        return
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as content:
            masks, names, spacing = (content[key] for key in ARRAYS)
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise FileError(f"{path}: holds the arrays {', '.join(ARRAYS)}; got {error}") from error
    for mask, name, (row, col) in zip(masks, names, spacing, strict=True):
        yield NamedFrame(str(name), mask, (float(row), float(col)))


def _same_heart(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> bool:
    a, b = (np.isin(labels, (Label.LV, Label.MYO)) for labels in (first, second))
    total = int(a.sum()) + int(b.sum())
    return 2 * int((a & b).sum()) >= ONE_HEART * max(total, 1)


def _in_one_piece(labels: NDArray[np.uint8]) -> bool:
    """Whether LV, LV + MYO and LA are each one part without holes."""
    lv = labels == Label.LV
    for mask in (lv, lv | (labels == Label.MYO), labels == Label.LA):
        parts = ndimage.label(mask)[1]
        if parts != 1 or ndimage.binary_fill_holes(mask).sum() != mask.sum():
            return False
    return True


def _on_canvas(
    pair: tuple[NamedFrame, NamedFrame], jitter_mm: float, rng: np.random.Generator
) -> tuple[NDArray[np.float16], NDArray[np.float16], NDArray[np.float16]]:
    """One pair: shares of the prediction, distances of the truth, what is inside the image."""
    prediction, truth = pair
    placement = place(truth.labels[:, :, None], truth.spacing_mm)
    assert placement is not None  # both hold the same heart
    row, col = rng.normal(0, jitter_mm, 2) / truth.spacing_mm
    center = (placement.center_px[0] + float(row), placement.center_px[1] + float(col))
    placement = dataclasses.replace(placement, center_px=center)
    seen, inside = to_canvas(prediction.labels[:, :, None], placement)
    there, _ = to_canvas(truth.labels[:, :, None], placement)
    distances = measured_distances(there)[0]
    return seen[0].astype(np.float16), distances.astype(np.float16), inside.astype(np.float16)


def draw_pairs(
    pairs: PairTable, indices: NDArray[np.int64], config: AdaptConfig, rng: np.random.Generator
) -> Batch:
    """A batch of the pairs `indices`; attributes, instants and views are left open."""
    inside = torch.from_numpy(pairs.inside[indices].astype(np.float32))[:, None]
    seen = torch.from_numpy(pairs.seen[indices].astype(np.float32)) * inside
    seen[:, 0] += 1 - inside[:, 0]
    distances = torch.from_numpy(pairs.distances[indices].astype(np.float32))
    lv, epi, la = (0.5 - distances / CANVAS_MM).clamp(0, 1).unbind(1)
    epi = torch.maximum(epi, lv)
    la = torch.minimum(la, 1 - epi)
    inputs = []
    for i, draw in enumerate(rng.random(len(indices))):
        n = 1 if draw < config.drop_myo else 2 if draw < config.drop_myo + config.drop_la else 3
        part = slice(i, i + 1)
        inputs.append(
            network_input(only(seen[part], STRUCTURES[:n]), inside[part], STRUCTURES[:n])
        )
    unknown = torch.full((len(indices), 7), torch.nan)
    return Batch(
        torch.cat(inputs),
        torch.stack([1 - epi - la, lv, epi - lv, la], 1),
        distances,
        inside,
        unknown,
        unknown[:, 0],
        unknown[:, 0],
    )


def joined(first: Batch, second: Batch) -> Batch:
    """Both batches as one."""
    parts = zip(vars(first).values(), vars(second).values(), strict=True)
    return Batch(*(torch.cat(pair) for pair in parts))
