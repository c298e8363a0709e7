"""Doubt against the truth: regenerates docs/explanation/uncertainty.md and what priors ship of it.

    python benchmarks/uncertainty.py ../shared/data [--quick] [--only-measure GROUP]

Everything is measured on patients that no network or prior was trained on: the 120 CAMUS patients
of part "test" (predictions of U-Nets, shared and our own) and drawn hearts of a cohort of their
own. Intermediate results are kept in `out/uncertainty`, which git ignores; the first run trains
the U-Nets (half an hour) and measures 960 pairs and 300 cines (an hour of one core). `--quick`
takes few cases and writes its page into `out/uncertainty/quick`. `--calibrate` writes the
calibrations that the priors ship, `cardiovae/priors/*/calibration.json`.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
from pathlib import Path

from uncertainty_parts.units import Unit, run, units

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "out" / "uncertainty"
PAGE = Path("docs") / "explanation" / "uncertainty.md"
N_REAL, N_PHANTOMS = 240, 150  # sequences of each level; drawn patients, two cines each
QUICK_REAL, QUICK_PHANTOMS = 60, 15


def parsed() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder with the shared data")
    parser.add_argument("--quick", action="store_true", help="few cases, in a folder of its own")
    parser.add_argument("--calibrate", action="store_true", help="write what the priors ship")
    parser.add_argument("--only-measure", metavar="GROUP", help="units of one group, no page")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--cache", type=Path, default=FOLDER)
    return parser.parse_args()


def measure(todo: list[Unit], processes: int) -> None:
    """Run what was not measured before."""
    missing = [unit for unit in todo if not unit.path.exists()]
    context = multiprocessing.get_context("spawn")
    with context.Pool(processes, maxtasksperchild=4) as pool:
        for number, unit in enumerate(pool.imap_unordered(run, missing), 1):
            print(f"{unit.group} {unit.start}: {number} of {len(missing)}", file=sys.stderr)


def main() -> None:
    """Measure, write the page, and calibrate where asked."""
    arguments = parsed()
    n_real, n_phantoms = (QUICK_REAL, QUICK_PHANTOMS) if arguments.quick else (N_REAL, N_PHANTOMS)
    todo = units(str(arguments.data), str(arguments.cache / "units"), n_real, n_phantoms)
    if arguments.only_measure:
        measure(
            [u for u in todo if u.group.startswith(arguments.only_measure)], arguments.processes
        )
        return
    measure(todo, arguments.processes)
    from uncertainty_parts.write import write

    write(arguments, todo, (FOLDER / "quick" if arguments.quick else ROOT) / PAGE)


if __name__ == "__main__":
    main()
