"""Thousands of sequences audited end to end on this machine: makes docs/explanation/scale.md.

    python benchmarks/audit_scale.py              # 10,000 cines and 100,000 single frames
    python benchmarks/audit_scale.py --quick      # a hundredth of it, on the screen alone

Draws cohorts of hearts, every third with errors of segmentation networks, audits them with the
command line in a process of its own, and watches the memory of all its processes. Times are wall
times and those of the processors, which other work on the machine changes less.
"""

from __future__ import annotations

import argparse
import gzip
import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import psutil
from proof.tables import markdown
from proof.versions import ROOT, commit

from cardiovae.io.nifti import new_template, write_labels
from cardiovae.phantom.corruption import corrupt_sequence
from cardiovae.phantom.heart import draw_heart, draw_parameters

SPACING_MM = (0.8, 0.8)
N_FRAMES = 12
SITES = 5
PAGE = ROOT / "docs" / "explanation" / "scale.md"


@dataclass(frozen=True)
class Run:
    """What one audit of a cohort took.

    Args:
        name: What was audited.
        n_files: Files.
        n_frames: Frames of all files.
        wall_s: Time on the clock.
        cpu_s: Time of all processors.
        peak_mb: Largest memory of all processes together, without pages that they share.
        main_mb: Largest memory of the process that collects the results.
        read_s: Processor time to read and decompress the same files, once, one by one.
        report_mb: Size of the report with its pictures.
        code: Exit code.
    """

    name: str
    n_files: int
    n_frames: int
    wall_s: float
    cpu_s: float
    peak_mb: float
    main_mb: float
    read_s: float
    report_mb: float
    code: int


def draw(folder: Path, n_frames: int, i: int) -> None:
    """Write heart `i` of a cohort."""
    rng = np.random.default_rng(i)
    view = "A4C" if i % 2 else "A2C"
    heart = draw_heart(draw_parameters(rng, view), n_frames=N_FRAMES, spacing_mm=SPACING_MM)
    sequence = heart.sequence
    if i % 3 == 0:
        severity = float(rng.uniform(0.1, 0.8))
        sequence = corrupt_sequence(sequence, severity=severity, rng=rng)[0]
    site = folder / f"site{i % SITES}"
    site.mkdir(parents=True, exist_ok=True)
    parts = [sequence.labels] if n_frames > 1 else np.split(sequence.labels, N_FRAMES, axis=2)
    for t, labels in enumerate(parts):
        height, width, length = labels.shape
        path = site / f"patient{i:05}_{view[1:]}H_{t:02}.nii.gz"
        write_labels(path, labels, new_template((height, width, length), SPACING_MM, None))


def cohort(folder: Path, n_files: int, n_frames: int, workers: int) -> None:
    """Draw a cohort, if it is not there."""
    if folder.exists():
        return
    n_hearts = n_files if n_frames > 1 else -(-n_files // N_FRAMES)
    staging = folder.with_suffix(".part")
    shutil.rmtree(staging, ignore_errors=True)
    with ProcessPoolExecutor(workers) as pool:
        list(pool.map(partial(draw, staging, n_frames), range(n_hearts), chunksize=50))
    staging.rename(folder)


def audited(name: str, folder: Path, out: Path, workers: int) -> Run:
    """Audit a cohort into a fresh folder, watching memory and time."""
    shutil.rmtree(out, ignore_errors=True)
    files = sorted(folder.rglob("*.nii.gz"))
    words = [sys.executable, "-m", "cardiovae", "audit", str(folder), "-o", str(out)]
    began = time.perf_counter()
    process = psutil.Popen([*words, "-j", str(workers)], stdout=subprocess.DEVNULL)
    peak = main = 0.0
    cpu: dict[int, float] = {}
    while process.poll() is None:
        total, own = _memory(process, cpu)
        peak, main = max(peak, total), max(main, own)
        time.sleep(0.2)
    wall = time.perf_counter() - began
    n_frames = sum(1 for _ in (out / "frames.csv").open(encoding="utf-8")) - 1
    parts = [out / name for name in ("index.html", "assets", "data", "pages", "thumbs", "cines")]
    size = sum(f.stat().st_size for part in parts for f in _all_files(part))
    return Run(
        name, len(files), n_frames, wall, sum(cpu.values()), peak, main, _reading_s(files),
        size / 1e6, process.returncode,
    )  # fmt: skip


def _memory(process: psutil.Process, cpu: dict[int, float]) -> tuple[float, float]:
    """Unshared memory of a process with its children, and of itself, in MB; notes their times."""
    total = own = 0.0
    try:
        for each in (process, *process.children(recursive=True)):
            found = each.memory_full_info().uss / 1e6
            times = each.cpu_times()
            cpu[each.pid] = times.user + times.system
            total += found
            own = found if each.pid == process.pid else own
    except psutil.Error:  # it ended in between
        pass
    return total, own


def _reading_s(files: list[Path]) -> float:
    began = time.process_time()
    for file in files:
        gzip.decompress(file.read_bytes())
    return time.process_time() - began


def _all_files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    return [file for file in path.rglob("*") if file.is_file()]


def page(runs: list[Run], workers: int) -> str:
    """The page, in Markdown."""
    heading = ["cohort", "files", "frames", "minutes", "files/s", "ms of processor a frame"]
    heading += ["memory, all, MB", "memory, collector, MB", "times reading", "report, MB"]
    rows = [
        [
            run.name, f"{run.n_files:,}", f"{run.n_frames:,}", f"{run.wall_s / 60:.1f}",
            f"{run.n_files / run.wall_s:.0f}", f"{1000 * run.cpu_s / run.n_frames:.2f}",
            f"{run.peak_mb:.0f}", f"{run.main_mb:.0f}", f"{run.cpu_s / run.read_s:.1f}",
            f"{run.report_mb:.0f}",
        ]
        for run in runs
    ]  # fmt: skip
    return "\n".join(
        [
            "# Audits at scale",
            "",
            f"Made by `python benchmarks/audit_scale.py` at commit {commit()}, with {workers} "
            f"processes on {os.cpu_count()} processors; do not edit. Drawn hearts, every third "
            "with errors of segmentation networks, as `.nii.gz`; each is read, hashed, "
            "decompressed, audited (`camus`, `tmi2022`) and written into tables, with a picture "
            "and a page for each that does not pass. The command line does all of it, in "
            "processes of its own.",
            "",
            *markdown(heading, rows),
            "",
            "*Memory* is the largest of all processes together without what they share, and that "
            "of the process that collects results and writes tables and report. *Times reading* "
            "is all processor time, start of the processes, tables and report included, over "
            "that of reading and decompressing the same files once with gzip. Label maps pack "
            "so well that this takes a millisecond a cine, a tenth of measuring it.",
            "",
        ]
    )


def main() -> None:
    """Draw, audit, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a hundredth of the files")
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    share = 100 if arguments.quick else 1
    scratch = ROOT / "out" / "scale"
    runs = []
    for name, n_files, n_frames in (
        ("cines, a tenth", 1_000, N_FRAMES),
        ("cines", 10_000, N_FRAMES),
        ("single frames", 100_000, 1),
    ):
        folder = scratch / f"{n_files // share}x{n_frames}"
        cohort(folder, n_files // share, n_frames, arguments.workers)
        run = audited(name, folder, scratch / "audit", arguments.workers)
        print(run, flush=True)
        runs.append(run)
    text = page(runs, arguments.workers)
    print(text)
    if not arguments.quick:
        PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
