"""Simulated images of drawn hearts, and what U-Nets make of them: for the opinion `phantom`.

    python benchmarks/phantom_errors.py -o out/phantom_errors
    cardiovae uncertainty train --model opinion --config phantom \
        --data out/phantom_errors/images.npz --errors out/phantom_errors/predictions.npz \
        -o out/opinion/phantom

The U-Nets are those of benchmarks/phantom_unet.py, the trained one and the one stopped early. The
hearts (cohort seed 77) are none of those that these were trained on (31), nor of the prior (0) or
the tests (2025); images are simulated from good windows to bad ones, some worse than the U-Nets
trained on. `images.npz` holds `images`, `masks` (the truth), `names` and `spacing_mm`,
`predictions.npz` the same names with the predicted `masks`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from phantom_unet import QUICK, Training, predict, say, trained

from cardiovae.phantom.cohort import phantom_cohort
from cardiovae.phantom.ultrasound import draw_imaging, simulate_bmode

COHORT_SEED = 77
SHAPE = (224, 224)
N_FRAMES = 4  # of each half cycle
WORST = 0.6  # the U-Nets trained on severities up to 0.45
N_WINDOWS = 2  # images of each heart, with another severity each


def write(folder: Path, n_hearts: int) -> None:
    """Simulate, predict and write both files."""
    networks = [trained(Training()), trained(QUICK)]
    images, truths, names, spacings = [], [], [], []
    seen: list[NDArray[np.uint8]] = []
    cohort = phantom_cohort(n_hearts, COHORT_SEED, n_frames=N_FRAMES, spacing_mm=None, shape=SHAPE)
    for number, (phantom, view, _) in enumerate(cohort):
        truth, spacing = phantom.sequence.labels, phantom.sequence.spacing_mm
        assert spacing is not None  # chosen so that the frame holds the image
        for window in range(N_WINDOWS):
            rng = np.random.default_rng([COHORT_SEED, number, window])
            imaging = draw_imaging(rng, float(rng.uniform(0, WORST)))
            shown = simulate_bmode(truth, spacing, rng=rng, imaging=imaging)
            images.append(shown)
            truths.append(truth)
            spacings += [spacing] * N_FRAMES
            heart = f"phantom{number // 2 + 1:05d}_{view}_{window}"
            names += [f"{heart}_{t}" for t in range(N_FRAMES)]
            seen.append(np.stack([predict(network, shown) for network in networks]))
        if (number + 1) % 20 == 0:
            say(f"{number + 1} of {2 * n_hearts} sequences")
    folder.mkdir(parents=True, exist_ok=True)
    facts = {"names": np.array(names), "spacing_mm": np.array(spacings)}
    np.savez_compressed(
        folder / "images.npz", images=frames(images), masks=frames(truths), **facts
    )
    predicted = [frames([s[i] for s in seen]) for i in range(len(networks))]
    repeated = {key: np.concatenate([value] * len(networks)) for key, value in facts.items()}
    np.savez_compressed(folder / "predictions.npz", masks=np.concatenate(predicted), **repeated)
    say(f"{len(names)} images and {len(names) * len(networks)} predictions in {folder}")


def frames(sequences: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Sequences (H, W, T) as frames (N, H, W)."""
    return np.concatenate([np.moveaxis(s, 2, 0) for s in sequences])


def main() -> None:
    """Write both files to a folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--hearts", type=int, default=150, help="each in both views")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    write(arguments.output, arguments.hearts)


if __name__ == "__main__":
    main()
