"""Restoring poor simulated B-mode images with the two denoising networks, on one core.

    python benchmarks/restore_images.py [--quick]

Trains both networks on drawn hearts (cohort seed 41; weights go to `out/restore/`, which git
ignores), restores images of others (seed 2026), and writes `docs/explanation/restoration.md` and
`docs/images/restoration.png`. Dice is that of the U-Net of `phantom_unet.py`, whose hearts (seed
31) are others again. `--quick` writes to `out/restore/quick/`.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from phantom_unet import Training, trained
from proof.restoration import Measured, Scores, draw_figure, write_page
from safetensors.torch import load_file, save_file
from scipy import ndimage
from skimage.metrics import structural_similarity
from torch import Tensor, nn
from torch.nn.functional import interpolate

from cardiovae.baselines.denoise import NETWORKS, denoiser
from cardiovae.baselines.restore import (
    SIDE,
    ImagePairs,
    RestoreConfig,
    clean_images,
    draw_pairs,
    squeezed,
    train_restorer,
)
from cardiovae.io.atomic import write_text
from cardiovae.labels import STRUCTURES
from cardiovae.phantom.cohort import phantom_cohort
from cardiovae.phantom.ultrasound import draw_imaging, simulate_bmode
from cardiovae.prior.fidelity import dice

ROOT = Path(__file__).resolve().parent.parent
WEIGHTS = ROOT / "out" / "restore"
SPACING_MM = (0.7, 0.7)
COHORT_SEED, IMAGE_SEED = 2026, 5
SEVERITIES = {"fair": 0.4, "poor": 0.8}
N_PATIENTS, N_FRAMES, N_LOOKS = 20, 2, 8
MEDIAN = 5  # pixels, the remedy that learns nothing
QUICK = RestoreConfig(n_hearts=4, n_looks=1, n_steps=20)


def networks(config: RestoreConfig, folder: Path) -> dict[str, tuple[nn.Module, float]]:
    """Both networks with the seconds of one core that their training took, cached in `folder`."""
    found: dict[str, tuple[nn.Module, float]] = {}
    pairs: ImagePairs | None = None
    for name in NETWORKS:
        path = folder / f"{name}.safetensors"
        if not path.exists():
            pairs = pairs or draw_pairs(config)
            began = time.process_time()
            trained_one = train_restorer(pairs, name, config, progress=reporter(name, config))
            seconds = time.process_time() - began
            path.parent.mkdir(parents=True, exist_ok=True)
            save_file({**trained_one.state_dict(), "seconds": torch.tensor(seconds)}, path)
        content = load_file(path)
        seconds = float(content.pop("seconds"))
        network = denoiser(name, 1, 1)
        network.load_state_dict(content)
        found[name] = network.eval(), seconds
    return found


def reporter(name: str, config: RestoreConfig) -> Callable[[int, float], None]:
    """Progress on standard error, now and then."""

    def progress(step: int, loss: float) -> None:
        if step % 50 == 0:
            say(f"{name}: step {step} of {config.n_steps}, mean squared error {loss:.4f}")

    return progress


@dataclasses.dataclass(frozen=True, eq=False)
class Cine:
    """One held-out heart: truth, images, all (T, 128, 128); gray from 0 to 1."""

    patient: int
    labels: NDArray[np.uint8]
    clean: NDArray[np.float32]
    good: NDArray[np.float32]
    seen: dict[str, NDArray[np.float32]]


def held_out(n_patients: int) -> list[Cine]:
    """Images of hearts that no network has seen."""
    rng = np.random.default_rng(IMAGE_SEED)
    cohort = phantom_cohort(n_patients, COHORT_SEED, n_frames=N_FRAMES, spacing_mm=SPACING_MM)
    found = []
    for phantom, _, (_, number, _) in cohort:
        labels = phantom.sequence.labels

        def image(severity: float, labels: NDArray[np.uint8] = labels) -> NDArray[np.float32]:
            imaging = draw_imaging(rng, severity)
            return plain(squeezed(simulate_bmode(labels, SPACING_MM, rng=rng, imaging=imaging)))

        clean = plain(squeezed(clean_images(labels, SPACING_MM, n_looks=N_LOOKS, rng=rng)))
        frames = torch.from_numpy(np.ascontiguousarray(labels.transpose(2, 0, 1)[:, None])).float()
        small = interpolate(frames, size=(SIDE, SIDE), mode="nearest-exact")
        found.append(
            Cine(
                number,
                small[:, 0].numpy().astype(np.uint8),
                clean,
                image(0.0),
                {name: image(severity) for name, severity in SEVERITIES.items()},
            )
        )
    return found


def plain(images: Tensor) -> NDArray[np.float32]:
    """Images (T, 1, 128, 128) without the channel."""
    return np.asarray(images[:, 0].numpy(), np.float32)


def remedies(
    seen: NDArray[np.float32], restorers: dict[str, tuple[nn.Module, float]]
) -> dict[str, NDArray[np.float32]]:
    """What is made of images (T, 128, 128), by name of the remedy."""
    with torch.inference_mode():
        maps = torch.from_numpy(seen)[:, None]
        made = {name: plain(network(maps).clamp(0, 1)) for name, (network, _) in restorers.items()}
    return {"as it is": seen, "median": ndimage.median_filter(seen, (1, MEDIAN, MEDIAN)), **made}


def scores(
    patient: int,
    images: NDArray[np.float32],
    cine: Cine,
    segmented: NDArray[np.uint8],
) -> list[Scores]:
    """PSNR and SSIM against the clean image, inside the sector, and Dice against the truth."""
    found = []
    for image, clean, labels, mask in zip(images, cine.clean, cine.labels, segmented, strict=True):
        inside = clean > 0  # black outside the sector alone
        error = float(np.mean((image - clean)[inside] ** 2))
        _, similarity = structural_similarity(
            clean,
            image,
            data_range=1.0,
            gaussian_weights=True,  # sigma 1.5: Wang et al., IEEE TIP 13(4), 2004
            use_sample_covariance=False,
            full=True,
        )
        found.append(
            Scores(
                patient,
                -10 * np.log10(error) if error > 0 else np.inf,
                float(similarity[inside].mean()),
                tuple(dice(mask == s, labels == s) for s in STRUCTURES),
            )
        )
    return found


def segment(unet: nn.Module, images: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Label maps of images (T, 128, 128)."""
    with torch.inference_mode():
        return unet(torch.from_numpy(images)[:, None]).argmax(1).numpy().astype(np.uint8)


def measure(
    cines: list[Cine], restorers: dict[str, tuple[nn.Module, float]], unet: nn.Module
) -> dict[tuple[str, str], list[Scores]]:
    """Scores of every image by (quality, remedy)."""
    found: dict[tuple[str, str], list[Scores]] = {}
    for cine in cines:
        shown = {
            (quality, name): images
            for quality, seen in cine.seen.items()
            for name, images in remedies(seen, restorers).items()
        }
        shown["good", "as it is"] = cine.good
        shown["clean", "as it is"] = cine.clean
        for key, images in shown.items():
            rows = scores(cine.patient, images, cine, segment(unet, images))
            found.setdefault(key, []).extend(rows)
    return found


def say(line: str) -> None:
    """Progress goes to standard error."""
    print(line, file=sys.stderr, flush=True)


def main() -> None:
    """Train what is not trained yet, measure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a minute, useless networks")
    quick = parser.parse_args().quick
    torch.set_num_threads(1)
    config = QUICK if quick else RestoreConfig()
    folder = WEIGHTS / "quick" if quick else WEIGHTS
    restorers = networks(config, folder)
    unet = trained(Training())
    say("held-out images")
    cines = held_out(3 if quick else N_PATIENTS)
    measured = Measured(
        config,
        {name: seconds for name, (_, seconds) in restorers.items()},
        {name: sum(p.numel() for p in net.parameters()) for name, (net, _) in restorers.items()},
        SEVERITIES,
        measure(cines, restorers, unet),
    )
    pages, pictures = (
        (folder, folder) if quick else (ROOT / "docs" / "explanation", ROOT / "docs" / "images")
    )
    rows = []
    for cine in cines[:6:2]:
        made = remedies(cine.seen["poor"], restorers)
        images = [made["as it is"], *(made[n] for n in NETWORKS), cine.good, cine.clean]
        rows.append(([i[-1] for i in images], [segment(unet, i)[-1] for i in images]))
    draw_figure(pictures / "restoration.png", rows)
    write_text(pages / "restoration.md", write_page(measured), overwrite=True)
    say(f"{pages / 'restoration.md'}")


if __name__ == "__main__":
    main()
