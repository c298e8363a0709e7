"""Images with their masks: read or drawn, and brought around the heart's center."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiovae.audit.audit import frame_is_valid
from cardiovae.audit.criteria import criteria
from cardiovae.crisp.files import load_image
from cardiovae.crisp.images import gray_levels, wide_images
from cardiovae.errors import ConfigError, FileError, ModelError
from cardiovae.io.content import view_from_name
from cardiovae.io.digest import file_sha256
from cardiovae.io.files import load_sequence
from cardiovae.io.inputs import find_inputs, stem
from cardiovae.phantom.ultrasound import draw_imaging, simulate_bmode
from cardiovae.prior.cohort import PARTS, DataConfig, draw_phantoms, patient_of, split_parts
from cardiovae.prior.grid import place
from cardiovae.prior.shapes import ShapeTable, build_shapes
from cardiovae.sequence import EchoSequence

ARRAYS = ("images", "masks", "names", "spacing_mm")  # what an .npz of frames holds
CRITERIA = "camus"  # that masks of the library pass
IMAGES, LABELS = "images", "labels"  # folders of a folder of pairs

Bytes = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Echo:
    """A sequence with its images, gray levels 0 to 255, shape (H, W, T)."""

    sequence: EchoSequence
    images: Bytes


Named = tuple[str, Echo]


@dataclass(frozen=True, eq=False)
class EchoTable:
    """Frames with their images, each around its heart's center.

    Args:
        shapes: The masks; each frame is a sequence of its own.
        images: Gray levels on the same wide canvas, shape (N, 160, 128).
        valid: Whether the mask passes the anatomical criteria, shape (N,).
    """

    shapes: ShapeTable
    images: Bytes
    valid: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.images)

    def fingerprint(self) -> str:
        """SHA-256 of masks and images."""
        images = hashlib.sha256(np.ascontiguousarray(self.images).data).hexdigest()
        return f"{self.shapes.fingerprint()} {images}"


@dataclass(frozen=True, eq=False)
class PairCohort:
    """Pairs of disjoint sets of patients; `test` may be None. `facts` are for the provenance."""

    training: EchoTable
    validation: EchoTable
    test: EchoTable | None
    facts: Mapping[str, Any]


def load_pairs(config: DataConfig, data: str | None = None) -> PairCohort:
    """Read or draw images with masks, split them by patient, and bring them to the canvas.

    Args:
        config: What to read, and how to split it.
        data: Takes the place of `config.source`: "phantom", an `.npz` with `images`, `masks`,
            `names` and `spacing_mm`, or a folder with the folders `images` and `labels`.

    Raises:
        ConfigError: No source, or a patient pattern that does not fit a name.
        FileError: A file is absent or damaged, or an image does not fit its labels.
        ModelError: No patient to train on, or none to validate on.
    """
    source = data or config.source
    if not source:
        raise ConfigError(
            "this preset names no training data; give them with --data (an .npz with images and "
            "masks, a folder with the folders images and labels, or the word phantom)"
        )
    echoes, facts = read_echoes(source, config)
    sequences = [(name, echo.sequence) for name, echo in echoes]
    parts = split_parts(sequences, config)
    images = {name: echo.images for name, echo in echoes}
    for part in PARTS[:2]:
        if not parts[part]:
            raise ModelError(
                f"{source}: no patient falls into the part '{part}'; give more patients, a split "
                "file (data.split) or the pattern that finds the patient in a name (data.patient)"
            )
    tables = {
        part: build_table((name, Echo(sequence, images[name])) for name, sequence in found)
        for part, found in parts.items()
        if found
    }
    owners = {
        part: {patient_of(n, config.patient) for n, _ in found} for part, found in parts.items()
    }
    facts["description"] = config.description
    facts["split"] = config.split or "hash of the patient's name"
    facts["patients"] = {part: len(owner) for part, owner in owners.items()}
    facts["frames"] = {part: len(table) for part, table in tables.items()}
    return PairCohort(tables["train"], tables["val"], tables.get("test"), facts)


def read_echoes(source: str, config: DataConfig) -> tuple[list[Named], dict[str, Any]]:
    """Named sequences with images of a source, and where they come from as plain data."""
    if source == "phantom":
        keys = ("n_phantoms", "n_frames", "spacing_mm", "seed")
        drawn = {key: getattr(config, key) for key in keys}
        return draw_echoes(config), {"source": source, **drawn}
    path = Path(source)
    if path.is_dir():
        return read_folder(path, config), {"source": path.name}
    return read_frames(path), {"source": path.name, "sha256": file_sha256(path)}


def read_frames(path: Path) -> list[Named]:
    """Frames of an `.npz` with `images` and `masks` (N, H, W), `names` and `spacing_mm` (N, 2).

    Raises:
        FileError: Absent, damaged, or an array is missing or has another shape.
    """
    if not path.is_file():
        raise FileError(f"{path}: does not exist; check the spelling and the folder")
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as content:
            images, masks, names, spacing = (content[key] for key in ARRAYS)
    except (KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise FileError(
            f"{path}: pairs to train on are the arrays {', '.join(ARRAYS)}; reading it failed "
            f"({error})"
        ) from error
    if masks.ndim != 3 or images.shape != masks.shape or spacing.shape != (len(names), 2):
        raise FileError(
            f"{path}: images and masks have shape (N, H, W), names (N,) and spacing_mm (N, 2); "
            f"got {images.shape}, {masks.shape}, {names.shape} and {spacing.shape}"
        )
    found = []
    for name, image, mask, (row, col) in zip(names, images, masks, spacing, strict=True):
        where = EchoSequence(
            mask[:, :, None], (float(row), float(col)), view=view_from_name(str(name))
        )
        found.append((str(name), Echo(where, _bytes(gray_levels(image[:, :, None], str(name))))))
    return found


def read_folder(folder: Path, config: DataConfig) -> list[Named]:
    """Pairs of a folder: label maps in its folder `labels`, and in `images` files named like them.

    Raises:
        FileError: A folder or an image is missing, or does not fit its labels.
    """
    images = {stem(path): path for path in sorted((folder / IMAGES).glob("*"))}
    if not images or not (folder / LABELS).is_dir():
        raise FileError(
            f"{folder}: pairs to train on are files of the same names in its folders "
            f"'{IMAGES}' and '{LABELS}'; at least one of the two is missing or empty"
        )
    found = []
    for path in find_inputs([str(folder / LABELS)]):
        name = stem(path)
        if name not in images:
            raise FileError(f"{path}: no file of that name in {folder / IMAGES}; add its image")
        sequence = load_sequence(path, labels=config.labels)
        found.append((name, Echo(sequence, _bytes(load_image(images[name], like=sequence)))))
    return found


def draw_echoes(config: DataConfig) -> list[Named]:
    """Drawn hearts as simulated ultrasound shows them, from good windows to bad ones."""
    found = []
    for number, (name, sequence) in enumerate(draw_phantoms(config)):
        rng = np.random.default_rng([config.seed, 7, number])
        assert sequence.spacing_mm is not None  # phantoms are drawn in mm
        imaging = draw_imaging(rng, float(rng.random()))
        images = simulate_bmode(sequence.labels, sequence.spacing_mm, rng=rng, imaging=imaging)
        found.append((name, Echo(sequence, _bytes(gray_levels(images, name)))))
    return found


def build_table(echoes: Iterable[Named]) -> EchoTable:
    """Frames of echoes, each around its own center; frames without LV or MYO are left out.

    Raises:
        ModelError: No usable frame, or a sequence without known spacing.
    """
    limits = criteria(CRITERIA)
    frames, images, valid = [], [], []
    for name, echo in echoes:
        for t in range(echo.sequence.n_frames):
            alone = replace(echo.sequence, labels=echo.sequence.labels[:, :, t : t + 1].copy())
            where = place(alone.labels, alone.spacing_mm)
            if where is None or len(np.unique(alone.labels[alone.labels < 3])) < 3:
                continue  # LV, MYO and background
            frames.append((f"{name}_{t}", alone))
            sound = frame_is_valid(alone.frame(0), alone.spacing_mm, limits, alone.structures)
            valid.append(sound)
            true = replace(where, pixel_mm=alone.spacing_mm or where.pixel_mm)
            images.append(
                wide_images(
                    echo.images[:, :, t : t + 1].astype(np.float32) / np.float32(255), true
                )[0]
            )
    shapes = build_shapes(frames)
    return EchoTable(shapes, _bytes(np.stack(images)), np.array(valid))


def _bytes(gray: NDArray[np.float32]) -> Bytes:
    return np.rint(255 * gray).astype(np.uint8)
