"""All models of the lineage, trained and compared: makes docs/explanation/models.md.

    python benchmarks/models.py            # three hours on two cores; interrupt and resume at will
    python benchmarks/models.py --data phantom      # without the real masks

Trains every model with the small budget of its preset on the CAMUS masks and on drawn hearts,
draws its bank, and measures it on held-out patients and as the prior of the corrector. What has
been done is kept in out/models/.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import torch
from lineage.entries import DATA, Entry, entries, make, read
from lineage.figure import overview
from lineage.measure import EVERY, PARTS, write
from lineage.page import page
from proof.cases import Settings
from proof.pools import Pool, pool
from proof.records import record
from proof.trials import chosen
from proof.versions import ROOT, cine_version, commit, lineage_version

from cardiovae.baselines.methods import correct_by
from cardiovae.correction.config import correct_config

IMAGE = "models.png"


def run(entry: Entry, settings: Settings, version: str) -> None:
    """Train, draw the bank, measure; in a process of one thread."""
    torch.set_num_threads(1)
    began = time.perf_counter()
    make(entry)
    if not entry.file(version).exists():
        write(entry, settings, version)
    seconds = time.perf_counter() - began
    print(f"{entry.data}/{entry.model}: {seconds:.0f} s", file=sys.stderr, flush=True)


def untouched(settings: Settings) -> dict[str, Pool]:
    """The broken masks as they came, by part."""
    found = {}
    config = correct_config("default")
    for part in PARTS:
        records = [
            record(
                case,
                correct_by("identity", case.sequence, None, None, config),
                0.0,
            )
            for i, case in enumerate(chosen(part, settings))
            if part != "a" or i % EVERY == 0
        ]
        found[part] = pool(records)
    return found


def main() -> None:
    """Train, measure, write page and figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    shared = ROOT.parent / "shared" / "data"
    parser.add_argument("--real", type=Path, default=shared, help="folder of real data")
    parser.add_argument("--data", choices=DATA, action="append", help="trained on what")
    parser.add_argument("--cines", type=int, default=8, help="number of phantom cines, even")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=ROOT / "out" / "models")
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "docs/explanation/models.md")
    arguments = parser.parse_args()
    commit()  # as it is before anything is written
    settings = Settings(
        str(arguments.real),
        n_hearts=max(1, arguments.cines // 2),
        seed=arguments.seed,
        scratch=str(ROOT / "out" / "quality"),
        cine_version=cine_version(),
    )
    version = f"{lineage_version()}-{arguments.cines}-{arguments.seed}"
    masks = arguments.real / "camus224_dev.npz"
    asked = entries(arguments.folder, masks, arguments.data or DATA, arguments.seed)
    os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")  # the workers inherit it
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(arguments.workers, mp_context=context) as workers:
        for future in [workers.submit(run, entry, settings, version) for entry in asked]:
            future.result()
    found = {entry: read(entry, version) for entry in asked}
    output: Path = arguments.output
    overview(found, output.parent.parent / "images" / IMAGE)
    text = page(found, untouched(settings), arguments.seed, IMAGE)
    output.write_text(text, encoding="utf-8")
    print(f"{output} written", file=sys.stderr)


if __name__ == "__main__":
    main()
