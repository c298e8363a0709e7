"""What each part of the correction pays, measured without it: makes docs/explanation/ablations.md.

    python benchmarks/ablations.py          # two hours on two cores; interrupt and resume at will

Trains small priors (latent size, terms of the objective, one prior a view), then corrects the
invalid real U-Net predictions and some phantom cines, corrupted or segmented by a U-Net, with each
of them, with each part of the correction switched off, and with banks of several sizes. What has
been done is kept in out/ablations/.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from phantom_unet import trained
from proof.ablation_figures import figures
from proof.ablation_page import page
from proof.cases import Settings
from proof.trials import Trial, done, read_trial, run_trial, trials
from proof.versions import ROOT, cine_version, commit, trial_version


def run_all(asked: list[Trial], n_workers: int) -> None:
    """Do what is not done, in processes of one thread each."""
    os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")  # the workers inherit it
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(n_workers, mp_context=context) as pool:
        for future in [pool.submit(run_trial, trial) for trial in asked if not done(trial)]:
            future.result()


def main() -> None:
    """Train, measure, write page and figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    data = ROOT.parent / "shared" / "data"
    parser.add_argument("--data", type=Path, default=data, help="folder of real data")
    parser.add_argument("--cines", type=int, default=12, help="number of phantom cines, even")
    parser.add_argument("--predictions", type=int, default=480, help="of each level, at most 480")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "-o", "--output", type=Path, default=ROOT / "docs/explanation/ablations.md"
    )
    arguments = parser.parse_args()
    settings = Settings(
        str(arguments.data),
        n_predictions=arguments.predictions,
        n_hearts=max(1, arguments.cines // 2),
        seed=arguments.seed,
        scratch=str(ROOT / "out" / "quality"),
        version=trial_version(),
        cine_version=cine_version(),
    )
    trained(settings.unet)
    folder = ROOT / "out" / "ablations"
    asked = trials(folder, settings)
    for kind in ("train", "variant", "bank", "strict"):  # what is trained is measured afterwards
        run_all([trial for trial in asked if trial.what.startswith(kind)], arguments.workers)
    results = {t.what: read_trial(t) for t in asked if not t.what.startswith("train")}
    output: Path = arguments.output
    output.parent.mkdir(parents=True, exist_ok=True)
    commit()
    drawn = list(figures(results, folder, output.parent.parent / "images"))
    output.write_text(page(results, folder, drawn, settings), encoding="utf-8")
    print(f"{output} written", file=sys.stderr)


if __name__ == "__main__":
    main()
