"""Training data: label map sequences from a file, a folder or the phantom, split by patient."""

from __future__ import annotations

import csv
import hashlib
import re
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiovae.config import preset_folder
from cardiovae.errors import ConfigError, FileError, ModelError
from cardiovae.io.content import view_from_name
from cardiovae.io.digest import file_sha256
from cardiovae.io.files import load_sequence
from cardiovae.io.inputs import find_inputs, stem
from cardiovae.phantom.heart import draw_heart
from cardiovae.phantom.parameters import draw_parameters
from cardiovae.phantom.short_axis import stack_cohort
from cardiovae.prior.shapes import ShapeTable, build_shapes
from cardiovae.sequence import APICAL, EchoSequence

PARTS = ("train", "val", "test")
ARRAYS = ("masks", "names", "spacing_mm")  # what an .npz of frames holds
_FRAME_OF_ARRAY = re.compile(r"_(ED|ES|\d+)$")
_FRAME_OF_FILE = re.compile(r"_(ED|ES)(?=_|$)")

Named = tuple[str, EchoSequence]


@dataclass(frozen=True)
class DataConfig:
    """Where training data come from, and who of it trains, validates and tests.

    Args:
        source: "phantom"; "short-axis phantom"; an `.npz` with `masks` (N, H, W), `names` and
            `spacing_mm` (N, 2); or a label map file, folder or pattern. Empty: to be given when
            training.
        description: One sentence for the model card.
        split: CSV with columns patient, split ("train", "val", "test"); relative to the working
            folder, or to the one that holds the presets. None splits by a hash of the name.
        patient: Regular expression that finds the patient in the name of a frame or file.
        labels: Label scheme of label map files; None infers it.
        n_phantoms: Number of drawn patients; each is seen in both views, or as stacks at ED and
            ES.
        n_frames: Frames of each drawn half cycle, ED to ES. Stacks have the slices they need.
        spacing_mm: Pixel size of the drawn masks. Stacks have each their own.
        seed: Of the drawn patients.
    """

    source: str = ""
    description: str = ""
    split: str | None = None
    patient: str = "^[^_]+"
    labels: str | None = None
    n_phantoms: int = 600
    n_frames: int = 5
    spacing_mm: tuple[float, float] = (0.7, 0.7)
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Cohort:
    """Training data, ready.

    Args:
        training, validation, test: Shapes of disjoint sets of patients; test may be None.
        held_out: The test patients' sequences on their own grids, with their names.
        patients: Patient of each training frame, numbered from 0, shape (N,).
        facts: Plain data for the provenance: source, hashes, counts.
    """

    training: ShapeTable
    validation: ShapeTable
    test: ShapeTable | None
    held_out: tuple[Named, ...]
    patients: NDArray[np.int64]
    facts: Mapping[str, Any]


def load_cohort(config: DataConfig, data: str | None = None) -> Cohort:
    """Read or draw the sequences, split them by patient and make shapes of them.

    Args:
        config: What to read, and how to split it.
        data: Takes the place of `config.source`.

    Raises:
        ConfigError: No source, or a patient pattern that does not fit a name.
        FileError: A file is absent or damaged.
        ModelError: No patient to train on, or none to validate on.
    """
    source = data or config.source
    if not source:
        raise ConfigError(
            "this preset names no training data; give them with --data (an .npz, a folder or a "
            "quoted pattern of label maps)"
        )
    sequences, facts = _read(source, config)
    owner = {name: patient_of(name, config.patient) for name, _ in sequences}
    parts = split_parts(sequences, config)
    for part in PARTS[:2]:
        if not parts[part]:
            raise ModelError(
                f"{source}: none of {len(set(owner.values()))} patients falls into the part "
                f"'{part}'; give more patients, a split file (data.split) or the pattern that "
                "finds the patient in a name (data.patient)"
            )
    tables = {part: build_shapes(found) for part, found in parts.items() if found}
    facts |= _split_facts(set(owner.values()), config.split)
    facts["description"] = config.description
    facts["patients"] = {part: len({owner[n] for n, _ in parts[part]}) for part in PARTS}
    facts["frames"] = {part: int(table.sequence.size) for part, table in tables.items()}
    training = tables["train"]
    numbers = np.unique([owner[n] for n in training.names], return_inverse=True)[1]
    return Cohort(
        training,
        tables["val"],
        tables.get("test"),
        tuple(parts["test"]),
        numbers[training.sequence].astype(np.int64),
        facts,
    )


def _read(source: str, config: DataConfig) -> tuple[list[Named], dict[str, Any]]:
    """Named sequences of a source, and where they come from as plain data."""
    if source in PHANTOMS:
        keys = ("n_phantoms", "n_frames", "spacing_mm", "seed")
        drawn = {key: getattr(config, key) for key in keys}
        return PHANTOMS[source](config), {"source": source, **drawn}
    path = Path(source)
    if path.suffix == ".npz":
        return read_frames(path), {"source": path.name, "sha256": file_sha256(path)}
    paths = find_inputs([source])
    digest = hashlib.sha256("".join(map(file_sha256, paths)).encode())
    facts = {"source": path.name, "files": len(paths), "sha256": digest.hexdigest()}
    return _read_files(paths, config), facts


def read_frames(path: Path) -> list[Named]:
    """Sequences of an `.npz` with `masks` (N, H, W), `names` (N,) and `spacing_mm` (N, 2).

    A frame is named `<sequence>_ED`, `<sequence>_ES` or `<sequence>_<number>`; frames of one
    sequence are put in the order ED, ES, or kept in that of the file.

    Raises:
        FileError: Absent, damaged, an array is missing or has another shape, or the frames of a
            sequence differ in spacing.
    """
    if not path.is_file():
        raise FileError(f"{path}: does not exist; check the spelling and the folder")
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as content:
            masks, names, spacing = (content[key] for key in ARRAYS)
    except (KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise FileError(
            f"{path}: a training file holds the arrays {', '.join(ARRAYS)}; reading it failed "
            f"({error})"
        ) from error
    n = names.shape[0]
    if masks.ndim != 3 or masks.shape[0] != n or spacing.shape != (n, 2):
        raise FileError(
            f"{path}: masks have shape (N, H, W), names (N,) and spacing_mm (N, 2); got "
            f"{masks.shape}, {names.shape} and {spacing.shape}"
        )
    groups: dict[str, list[int]] = {}
    for i, name in enumerate(names):
        groups.setdefault(_FRAME_OF_ARRAY.sub("", str(name)), []).append(i)
    found = []
    for name, members in groups.items():
        rows = sorted(members, key=lambda i: str(names[i]).endswith("_ES"))
        if not np.allclose(spacing[rows], spacing[rows[0]]):
            raise FileError(f"{path}: the frames of {name} differ in spacing_mm")
        row, col = (float(s) for s in spacing[rows[0]])
        labels = np.stack([masks[i] for i in rows], axis=2)
        view = view_from_name(name)
        found.append((name, EchoSequence(labels, (row, col), view=view, source=name)))
    return found


def draw_phantoms(config: DataConfig) -> list[Named]:
    """Half cycles of drawn patients, both views of each; a patient's number decides its hearts."""
    found = []
    for number in range(1, config.n_phantoms + 1):
        for index, view in enumerate(APICAL):
            rng = np.random.default_rng([config.seed, number, index])
            heart = draw_heart(
                draw_parameters(rng, view), n_frames=config.n_frames, spacing_mm=config.spacing_mm
            )
            found.append((f"phantom{number:05d}_{view}", heart.sequence))
    return found


def draw_stacks(config: DataConfig) -> list[Named]:
    """Short-axis stacks of drawn patients at ED and ES; a patient's number decides its heart."""
    return [
        (name, stack.sequence) for stack, name, _ in stack_cohort(config.n_phantoms, config.seed)
    ]


PHANTOMS = {"phantom": draw_phantoms, "short-axis phantom": draw_stacks}


def _read_files(paths: Iterable[Path], config: DataConfig) -> list[Named]:
    """Sequences of label map files; an ED and an ES file of one name and grid are one sequence.

    Two stacks are two: their frames are slices.
    """
    groups: dict[str, list[Named]] = {}
    for path in paths:
        name = stem(path)
        sequence = load_sequence(path, labels=config.labels)
        groups.setdefault(_FRAME_OF_FILE.sub("", name), []).append((name, sequence))
    found = []
    for name, members in groups.items():
        grids = {(s.shape, s.spacing_mm, s.structures) for _, s in members}
        if len(members) == 1 or len(grids) > 1 or members[0][1].is_stack:
            found += members
            continue
        ordered = sorted(members, key=lambda m: "_ES" in m[0])
        labels = np.concatenate([s.labels for _, s in ordered], axis=2)
        first = ordered[0][1]
        found.append(
            (
                name,
                EchoSequence(labels, first.spacing_mm, first.structures, None, first.view, name),
            )
        )
    return found


def patient_of(name: str, pattern: str) -> str:
    """The patient in the name of a frame or file, as `pattern` finds it; ConfigError if not."""
    found = re.search(pattern, name)
    if found is None:
        raise ConfigError(
            f"data.patient: the pattern '{pattern}' finds no patient in '{name}'; give one that "
            "fits the names"
        )
    return found.group()


def split_parts(sequences: Iterable[Named], config: DataConfig) -> dict[str, list[Named]]:
    """Named sequences by the part their patient falls into: "train", "val" and "test".

    Raises:
        ConfigError: A patient pattern that does not fit a name.
        FileError: The split file is absent or says something else.
    """
    assigned = None if config.split is None else _read_split(config.split)
    parts: dict[str, list[Named]] = {part: [] for part in PARTS}
    for name, sequence in sequences:
        patient = patient_of(name, config.patient)
        part = hashed_part(patient) if assigned is None else assigned.get(patient)
        if part is not None:
            parts[part].append((name, sequence))
    return parts


def _split_facts(patients: set[str], split: str | None) -> dict[str, Any]:
    """How the parts were made, as plain data."""
    if split is None:
        return {"split": "hash of the patient's name"}
    left_out = len(patients - _read_split(split).keys())
    digest = file_sha256(_split_path(split))
    return {"split": split, "split_sha256": digest, "patients_left_out": left_out}


def _split_path(split: str) -> Path:
    """A split file in the working folder, or beside the presets."""
    path = Path(split)
    return path if path.is_file() else preset_folder().parent / split


def _read_split(split: str) -> dict[str, str]:
    """The part of each patient that a split file names."""
    path = _split_path(split)
    if not path.is_file():
        raise FileError(
            f"{split}: no such split file here or in {path.parent}; give its path with "
            "--set data.split=..., or data.split=null to split by a hash of the names"
        )
    lines = path.read_text(encoding="utf-8").splitlines()
    rows = list(csv.DictReader(line for line in lines if not line.startswith("#")))
    wrong = [r for r in rows if not r.get("patient") or r.get("split") not in PARTS]
    if wrong or not rows:
        raise FileError(
            f"{path}: a split file has columns patient and split, with split one of "
            f"{', '.join(PARTS)}; got {wrong[0] if wrong else 'no row'}"
        )
    return {row["patient"]: row["split"] for row in rows}


def hashed_part(patient: str) -> str:
    """The part of a patient by a hash of the name: 80 % train, 10 % val, 10 % test.

    Examples:
        >>> hashed_part("patient0001")
        'train'
    """
    number = int.from_bytes(hashlib.sha256(patient.encode()).digest()[:8], "big") % 10
    return {0: "val", 1: "test"}.get(number, "train")
