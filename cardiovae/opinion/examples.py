"""What a second opinion learns from: images, true labels, and labels that networks gave them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiovae.crisp.infer import has_heart
from cardiovae.crisp.pairs import Named, read_echoes
from cardiovae.errors import ConfigError, FileError, ModelError
from cardiovae.io.digest import file_sha256
from cardiovae.labels import Label
from cardiovae.prior.cohort import PARTS, DataConfig, patient_of, split_parts
from cardiovae.prior.pairs import frames_of

Bytes = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Scene:
    """One frame with its truth.

    Args:
        name: Of the frame, as files name it.
        image: Gray levels 0 to 255, shape (H, W).
        truth: True labels, shape (H, W).
        spacing_mm: Pixel spacing (row, col) in mm.
        structures: What `truth` annotates.
    """

    name: str
    image: Bytes
    truth: Bytes
    spacing_mm: tuple[float, float]
    structures: tuple[Label, ...]


@dataclass(frozen=True, eq=False)
class Examples:
    """Frames, and what networks took them for.

    Args:
        scenes: The frames.
        seen: Predicted label maps, each (H, W) of its scene.
        owner: Which scene each of `seen` belongs to, shape (M,).
    """

    scenes: tuple[Scene, ...]
    seen: tuple[Bytes, ...]
    owner: NDArray[np.int64]

    def fingerprint(self) -> str:
        """SHA-256 of all images and labels, so that runs can be told apart."""
        digest = hashlib.sha256(np.ascontiguousarray(self.owner).data)
        for scene in self.scenes:
            digest.update(repr((scene.name, scene.spacing_mm, scene.structures)).encode())
            digest.update(np.ascontiguousarray(scene.image).data)
            digest.update(np.ascontiguousarray(scene.truth).data)
        for labels in self.seen:
            digest.update(np.ascontiguousarray(labels).data)
        return digest.hexdigest()


@dataclass(frozen=True, eq=False)
class ExampleCohort:
    """Examples of disjoint sets of patients. `facts` are plain data for the provenance."""

    training: Examples
    validation: Examples
    facts: dict[str, Any]


def load_examples(config: DataConfig, data: str | None, errors: str | None) -> ExampleCohort:
    """Read or draw images with their truth, find predictions of them, and split by patient.

    Args:
        config: What to read, and how to split it.
        data: Takes the place of `config.source`: "phantom", an `.npz` with `images`, `masks`,
            `names` and `spacing_mm`, or a folder with the folders `images` and `labels`.
        errors: Predictions, named like the frames: an `.npz` with `masks`, `names` and
            `spacing_mm`, in which a name may occur many times, or label map files; None for none.

    Raises:
        ConfigError: No source, or a patient pattern that does not fit a name.
        FileError: A file is absent or damaged, or a prediction is of no known frame.
        ModelError: No patient to train on, or none to validate on.
    """
    source = data or config.source
    if not source:
        raise ConfigError(
            "this preset names no training data; give them with --data (an .npz with images and "
            "masks, a folder with the folders images and labels, or the word phantom)"
        )
    echoes, facts = read_echoes(source, config)
    parts = split_parts([(name, echo.sequence) for name, echo in echoes], config)
    named = dict(echoes)
    predictions = {} if errors is None else _predictions(errors, config, _frame_names(echoes))
    tables = {}
    for part in PARTS[:2]:
        mine = [(name, named[name]) for name, _ in parts[part]]
        tables[part] = _examples(mine, predictions)
        if not tables[part].scenes:
            raise ModelError(
                f"{source}: no patient with a heart falls into the part '{part}'; give more "
                "patients, a split file (data.split) or the pattern that finds the patient in a "
                "name (data.patient)"
            )
    owners = {p: {patient_of(n, config.patient) for n, _ in parts[p]} for p in PARTS[:2]}
    facts |= {
        "description": config.description,
        "split": config.split or "hash of the patient's name",
        "patients": {part: len(found) for part, found in owners.items()},
        "frames": {part: len(table.scenes) for part, table in tables.items()},
        "predictions": {part: len(table.seen) for part, table in tables.items()},
    }
    if errors is not None:
        facts["errors"] = _origin(Path(errors))
    return ExampleCohort(tables["train"], tables["val"], facts)


def _origin(path: Path) -> dict[str, str]:
    found = {"source": path.name}
    return found | {"sha256": file_sha256(path)} if path.is_file() else found


def _frame_names(echoes: Iterable[Named]) -> set[str]:
    return {frame for name, echo in echoes for frame in _names(name, echo.sequence.n_frames)}


def _names(name: str, n_frames: int) -> list[str]:
    """Names of the frames of a sequence: its own where it has one frame, else numbered."""
    return [name] if n_frames == 1 else [f"{name}#{t}" for t in range(n_frames)]


def _predictions(errors: str, config: DataConfig, known: set[str]) -> dict[str, list[Bytes]]:
    """Predicted label maps by the name of their frame."""
    found: dict[str, list[Bytes]] = {}
    for frame in frames_of(errors, config.labels):
        name = frame.name if frame.name in known else frame.name.removesuffix("#0")
        if name not in known:
            raise FileError(
                f"{errors}: '{frame.name}' is the name of no frame of the training data; "
                "predictions are named like the frames that they are of"
            )
        found.setdefault(name, []).append(frame.labels)
    return found


def _examples(echoes: Iterable[Named], predictions: dict[str, list[Bytes]]) -> Examples:
    """Frames with a heart, each with its predictions."""
    scenes: list[Scene] = []
    seen: list[Bytes] = []
    owner: list[int] = []
    for sequence_name, echo in echoes:
        spacing = echo.sequence.spacing_mm
        if spacing is None:
            raise ModelError(f"{sequence_name}: training needs the pixel spacing in mm")
        for t, name in enumerate(_names(sequence_name, echo.sequence.n_frames)):
            truth = np.ascontiguousarray(echo.sequence.frame(t))
            if not has_heart(truth):
                continue
            for labels in predictions.get(name, []):
                if labels.shape != truth.shape:
                    raise FileError(
                        f"{name}: a prediction has shape {labels.shape}, its frame {truth.shape}; "
                        "predictions lie on the grid of their frames"
                    )
                if has_heart(labels):
                    seen.append(labels)
                    owner.append(len(scenes))
            image = np.ascontiguousarray(echo.images[:, :, t])
            scenes.append(Scene(name, image, truth, spacing, echo.sequence.structures))
    return Examples(tuple(scenes), tuple(seen), np.array(owner, np.int64))
