"""What is corrected: sequences with their truth, by group.

Groups: `a/LEVEL` real U-Net predictions, `b` the Echo-Toolkit cine, `c/SEVERITY` and
`c/unet-IMAGES` phantom cines, `harm` ground-truth masks, `unknown/KIND` what the prior never saw.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from phantom_unet import QUICK, Training, predict, trained

from cardiovae.io import load_sequence
from cardiovae.io.content import view_from_name
from cardiovae.labels import STRUCTURES, Label
from cardiovae.phantom.cohort import cohort_parameters, cohort_seeds
from cardiovae.phantom.corruption import corrupt_frame, corrupt_sequence
from cardiovae.phantom.heart import Phantom, draw_heart
from cardiovae.phantom.ultrasound import draw_imaging, simulate_bmode
from cardiovae.sequence import EchoSequence
from proof.unknown import KINDS, STATES, as_unknown

Labels = NDArray[np.uint8]

LEVELS = ("ep2", "ep4", "ep10", "shift")
SEVERITIES = {"light": 0.2, "medium": 0.5, "heavy": 0.8}  # of the corruption model
IMAGES = {"unet-fair": 0.1, "unet-poor": 0.3, "unet-bad": 0.45}  # severities of the imaging
FULLRES_MM = (0.308, 0.308)
COHORT_SEED = 2025
SPACING_MM = (0.6, 0.6)


@dataclass(frozen=True)
class Settings:
    """How much is measured, on what.

    Args:
        data: Folder of the real data; "" = none.
        prior: Name or folder of the prior.
        n_predictions: Of each level, at most 480.
        n_hearts: Phantoms; each is drawn in both views, so twice as many cines.
        n_frames: Of a phantom cine.
        n_masks: Ground-truth masks, at most 798.
        n_unknown: Masks of each kind the prior never saw.
        seed: Of everything drawn.
        unet: Training of the network that segments the simulated images.
        scratch: Folder for what may be thrown away.
        version: Of the code that all numbers depend on (`proof.versions`).
        cine_version: Of the code that phantom cines depend on.
    """

    data: str
    prior: str = "camus"
    n_predictions: int = 480
    n_hearts: int = 100
    n_frames: int = 30
    n_masks: int = 798
    n_unknown: int = 60
    seed: int = 0
    unet: Training = field(default_factory=Training)
    scratch: str = "out/quality"
    version: str = ""
    cine_version: str = ""


def quick(settings: Settings) -> Settings:
    """The same kinds of cases, few of each."""
    return replace(
        settings,
        n_predictions=48,
        n_hearts=4,
        n_frames=16,
        n_masks=24,
        n_unknown=8,
        unet=QUICK,
    )


@dataclass(frozen=True, eq=False)
class Case:
    """One sequence to correct.

    Args:
        name: Unique in its group.
        patient: Whom it belongs to; intervals draw whole patients.
        sequence: The input.
        truth: What it should be, shape (H, W, T).
        true_ef_percent: Of the heart itself, where known.
        instants: True frames of (ED, ES), where known.
    """

    name: str
    patient: str
    sequence: EchoSequence
    truth: Labels
    true_ef_percent: float = float("nan")
    instants: tuple[int, int] | None = None


def groups(only: str, settings: Settings) -> tuple[str, ...]:
    """Names of the groups of one part: "a", "b", "c", "harm" or "unknown"."""
    names = {
        "a": [f"a/{level}" for level in LEVELS],
        "b": ["b"],
        "c": [f"c/{level}" for level in (*SEVERITIES, *IMAGES)],
        "harm": ["harm"],
        "unknown": [f"unknown/{kind}-{state}" for kind in KINDS for state in STATES],
    }[only]
    return tuple(names) if settings.data or only == "c" else ()


def cine_index(level: str, i: int) -> int:
    """Which phantom cine is case `i` of a level: every cine is imaged once, at one quality.

    Examples:
        >>> [[cine_index(level, i) for i in range(3)] for level in ("heavy", "unet-poor")]
        [[0, 1, 2], [1, 4, 7]]
    """
    return i * len(IMAGES) + list(IMAGES).index(level) if level in IMAGES else i


def n_cases(group: str, settings: Settings) -> int:
    """Number of cases of a group."""
    part, _, level = group.partition("/")
    cines = range(cine_index(level, 0), 2 * settings.n_hearts, len(IMAGES))
    return {
        "a": settings.n_predictions,
        "b": 1,
        "c": len(cines) if level in IMAGES else 2 * settings.n_hearts,
        "harm": settings.n_masks,
        "unknown": settings.n_unknown,
    }[part]


def cases(group: str, settings: Settings, start: int, stop: int) -> Iterator[Case]:
    """Cases `start` to `stop` of a group."""
    part, _, level = group.partition("/")
    for i in range(start, min(stop, n_cases(group, settings))):
        match part:
            case "a":
                yield _prediction(level, i, settings)
            case "b":
                yield _cine(settings)
            case "c":
                yield _phantom(level, i, settings)
            case "harm":
                yield _mask(i, settings)
            case _:
                yield _unknown(*level.rsplit("-", 1), i, settings)


def generator(settings: Settings, *words: str) -> np.random.Generator:
    """A generator of its own for everything that has a name."""
    name = hashlib.sha256("/".join(words).encode()).digest()
    return np.random.default_rng([settings.seed, int.from_bytes(name[:8], "big")])


def spread(n_wanted: int, n_there: int) -> list[int]:
    """Indices of `n_wanted` of `n_there` things, evenly spread.

    Examples:
        >>> spread(3, 9)
        [0, 4, 8]
    """
    return [round(i) for i in np.linspace(0, n_there - 1, min(n_wanted, n_there)).tolist()]


@functools.lru_cache(maxsize=8)
def _array(file: str, name: str) -> NDArray[np.generic]:
    with np.load(file) as content:
        return np.asarray(content[name])


def _real(settings: Settings, index: int) -> tuple[str, Labels, tuple[float, float]]:
    """Name, ground truth (H, W) and spacing of one frame that the prior was not trained on."""
    file = str(Path(settings.data) / "camus224_dev.npz")
    row, col = _array(file, "spacing_mm")[index].tolist()
    return str(_array(file, "names")[index]), _array(file, "masks")[index], (row, col)


def _prediction(level: str, i: int, settings: Settings) -> Case:
    file = str(Path(settings.data) / "unet_dev_preds.npz")
    chosen = spread(settings.n_predictions, len(_array(file, "index")))[i]
    name, truth, spacing = _real(settings, int(_array(file, "index")[chosen]))
    sequence = EchoSequence(
        _array(file, level)[chosen][:, :, None], spacing, view=view_from_name(name), source=name
    )
    return Case(name, name.partition("_")[0], sequence, truth[:, :, None])


def _cine(settings: Settings) -> Case:
    given = load_sequence(Path(settings.data) / "echo_toolkit_candidate2.nii.gz")
    truth = load_sequence(Path(settings.data) / "echo_toolkit_reference.nii.gz")
    return Case("echo-toolkit", "echo-toolkit", given, truth.labels)


def _mask(i: int, settings: Settings) -> Case:
    with np.load(Path(settings.data) / "camus4CH_fullres_dev.npz") as masks:
        name = masks.files[spread(settings.n_masks, len(masks.files))[i]]
        truth = masks[name][:, :, None]
    sequence = EchoSequence(truth, FULLRES_MM, view="A4C", source=name)
    return Case(name, name.partition("_")[0], sequence, truth)


def phantom(i: int, settings: Settings) -> tuple[str, Phantom]:
    """Cine `i` of the test cohort, a full cycle, and its name."""
    name, view, seed = list(cohort_seeds(settings.n_hearts, COHORT_SEED))[i]
    heart = cohort_parameters(view, seed)
    drawn = draw_heart(heart, n_frames=settings.n_frames, cycle="full", spacing_mm=SPACING_MM)
    return name, drawn


def cine_file(name: str, settings: Settings) -> Path:
    """Where the damaged versions of a phantom cine are kept."""
    words = f"{settings.unet} {settings.seed} {settings.n_frames} {settings.cine_version}"
    key = hashlib.sha256(words.encode()).hexdigest()[:12]
    return Path(settings.scratch) / "cines" / key / f"{name}.npz"


def simulated(name: str, drawn: Phantom, level: str, settings: Settings) -> Labels:
    """B-mode images of a drawn cine, (H, W, T)."""
    rng = generator(settings, name, level)
    imaging = draw_imaging(rng, IMAGES[level])
    return simulate_bmode(drawn.sequence.labels, SPACING_MM, rng=rng, imaging=imaging)


def write_cine(i: int, settings: Settings) -> None:
    """Draw a phantom cine, damage it at every severity and image it once, for all methods."""
    name, drawn = phantom(i, settings)
    file = cine_file(name, settings)
    if file.exists():
        return
    found = {
        level: corrupt_sequence(
            drawn.sequence, severity=severity, rng=generator(settings, name, level)
        )[0].labels
        for level, severity in SEVERITIES.items()
    }
    level = list(IMAGES)[i % len(IMAGES)]
    found[level] = predict(trained(settings.unet), simulated(name, drawn, level, settings))
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part.npz")
    np.savez_compressed(part, **found)
    part.replace(file)


def _phantom(level: str, i: int, settings: Settings) -> Case:
    name, drawn = phantom(cine_index(level, i), settings)
    sound = drawn.sequence
    damaged = _array(str(cine_file(name, settings)), level)
    return Case(
        name,
        name,  # the two views of a number are two hearts
        sound.with_labels(damaged),
        sound.labels,
        100 * drawn.ef,
        (drawn.ed_index, drawn.es_index),
    )


def _unknown(kind: str, state: str, i: int, settings: Settings) -> Case:
    """A real mask as the prior never saw one, sound or broken first."""
    file = str(Path(settings.data) / "unet_dev_preds.npz")
    index = _array(file, "index")
    name, truth, spacing = _real(settings, int(index[spread(settings.n_unknown, len(index))[i]]))
    labels = truth
    if state == "broken":
        rng = generator(settings, name, "unknown")
        labels, _ = corrupt_frame(truth, spacing, severity=0.6, rng=rng)
    (labels, truth), spacing = as_unknown(kind, (labels, truth), spacing)
    structures = (Label.LV,) if kind == "lv-only" else STRUCTURES
    sequence = EchoSequence(
        labels[:, :, None], spacing, structures=structures, source=f"{name} {kind}"
    )
    return Case(name, name.partition("_")[0], sequence, truth[:, :, None])
