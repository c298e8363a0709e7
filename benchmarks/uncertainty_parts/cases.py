"""What doubt is measured on: predictions of networks with their images and their truth.

`real/LEVEL`: ED and ES of both views of the CAMUS patients of part "test", as the U-Nets of the
shared predictions segmented them. `phantom`: cines that a U-Net segmented from simulated images.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from phantom_unet import Training, predict, trained

from cardiovae.io.content import view_from_name
from cardiovae.phantom.cohort import phantom_cohort
from cardiovae.phantom.ultrasound import draw_imaging, simulate_bmode
from cardiovae.sequence import EchoSequence

Labels = NDArray[np.uint8]

LEVELS = ("ep2", "ep4", "ep10", "shift")
INSTANTS = ("ED", "ES")
COHORT_SEED = 4711  # none of those that any prior or network was trained on, or tested before
N_FRAMES = 12  # of a half cycle, ED to ES
SPACING_MM = (0.7, 0.7)
WORST = 0.45  # severity of the imaging, as the U-Net was trained on


@dataclass(frozen=True, eq=False)
class Case:
    """A prediction with its images and its truth, all of shape (H, W, T).

    Args:
        name: Of the sequence.
        patient: Whose it is.
        sequence: The prediction.
        images: Gray levels, uint8.
        truth: True label maps.
        instants: Its frames at (ED, ES).
    """

    name: str
    patient: str
    sequence: EchoSequence
    images: Labels
    truth: Labels
    instants: tuple[int, int]


def real_cases(data: Path, level: str) -> Iterator[Case]:
    """Pairs of ED and ES of every test patient and view, as a network segmented them."""
    frames, found = _arrays(data / "camus224_dev.npz"), _arrays(data / "unet_dev_preds.npz")
    rows = found["index"]
    names = frames["names"][rows]
    place = {str(name): i for i, name in enumerate(names)}
    for name in sorted({str(n)[:-3] for n in names}):
        at = [place[f"{name}_{instant}"] for instant in INSTANTS]
        row, col = frames["spacing_mm"][rows[at[0]]].tolist()
        view = view_from_name(name)
        sequence = EchoSequence(
            _stacked(found[level][at]), (row, col), view=view, source=f"{level}/{name}"
        )
        yield Case(
            name,
            name.split("_")[0],
            sequence,
            _stacked(frames["images"][rows[at]]),
            _stacked(frames["masks"][rows[at]]),
            (0, 1),
        )


def phantom_cases(start: int, stop: int) -> Iterator[Case]:
    """Cines of the drawn patients `start` to `stop`, both views, as the U-Net segmented them."""
    network = trained(Training())
    cohort = phantom_cohort(
        stop, COHORT_SEED, n_frames=N_FRAMES, cycle="half", spacing_mm=SPACING_MM
    )
    for phantom, view, seed in cohort:
        if seed[1] <= start:
            continue
        rng = np.random.default_rng([*seed, 5])
        truth = phantom.sequence.labels
        imaging = draw_imaging(rng, float(rng.uniform(0, WORST)))
        images = simulate_bmode(truth, SPACING_MM, rng=rng, imaging=imaging)
        name = f"phantom{seed[1]:05d}_{view}"
        sequence = EchoSequence(
            predict(network, images), SPACING_MM, view=view, source=f"phantom/{name}"
        )
        yield Case(name, name.split("_")[0], sequence, images, truth, (0, N_FRAMES - 1))


@functools.cache
def _arrays(path: Path) -> dict[str, NDArray[np.generic]]:
    with np.load(path) as content:
        return {name: content[name] for name in content.files}


def _stacked(frames: NDArray[np.generic]) -> Labels:
    """Frames (T, H, W) as (H, W, T)."""
    return np.ascontiguousarray(np.moveaxis(frames, 0, 2).astype(np.uint8))
