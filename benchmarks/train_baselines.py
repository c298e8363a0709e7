"""Train the baselines that have a model, and write them into a prior's folder.

    python benchmarks/train_baselines.py cardiovae/priors/camus --preset camus \
        --data ../shared/data/camus224_dev.npz
    python benchmarks/train_baselines.py cardiovae/priors/phantom --preset phantom

Data and split are those of the preset of `cardiovae train`, so nobody of the validation or test
part is trained on. A few seconds for the linear model, about ten minutes of one core for each
denoiser. Seeded: the same versions give the same weights.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch

from cardiovae.baselines.denoise import NETWORKS
from cardiovae.baselines.models import PCA
from cardiovae.baselines.train import DenoiseConfig, write_denoiser, write_modes
from cardiovae.prior.cohort import load_cohort
from cardiovae.prior.run import read_recipe

EVERY = 100  # steps between lines


def main() -> None:
    """Read the cohort, train, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="folder of the prior")
    parser.add_argument("--preset", default="camus", help="preset in configs/train")
    parser.add_argument("--data", help="in place of the preset's data")
    parser.add_argument("--only", nargs="+", default=[PCA, *NETWORKS], choices=[PCA, *NETWORKS])
    parser.add_argument("--steps", type=int, default=DenoiseConfig.n_steps)
    arguments = parser.parse_args()

    torch.set_num_threads(1)
    cohort = load_cohort(read_recipe(arguments.preset).data, arguments.data)
    if PCA in arguments.only:
        write_modes(arguments.folder, cohort)
    for name in (n for n in NETWORKS if n in arguments.only):
        began = time.process_time()

        def say(step: int, loss: float, name: str = name, began: float = began) -> None:
            if step % EVERY == 0:
                seconds = time.process_time() - began
                print(f"{name}: step {step}, loss {loss:.4f}, {seconds:.0f} s", flush=True)

        config = DenoiseConfig(n_steps=arguments.steps)
        write_denoiser(arguments.folder, name, cohort, config, progress=say)


if __name__ == "__main__":
    main()
