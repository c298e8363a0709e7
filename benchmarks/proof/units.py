"""The work, cut into units that run on their own, in any order, and are measured once."""

from __future__ import annotations

import functools
import hashlib
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Iterable
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from cardiovae.bank import LatentBank, load_bank
from cardiovae.baselines.methods import correct_by
from cardiovae.correction.config import correct_config
from cardiovae.errors import ModelError
from cardiovae.phantom.heart import draw_heart, draw_parameters
from cardiovae.prior.folder import ShapePrior, load_prior
from proof.cases import Case, Settings, cases, cine_index, n_cases, write_cine
from proof.records import Record, record

CONFIG = correct_config()
CHUNK = {"a": 48, "b": 1, "c": 8, "harm": 50, "unknown": 60}  # half a minute each, about
ONLY_OF = {
    "a": ("n_predictions",),
    "c": ("n_frames", "unet", "cine_version"),
    "harm": ("n_masks",),
    "unknown": ("n_unknown",),
}  # settings that the other parts do not depend on


@dataclass(frozen=True)
class Unit:
    """Cases `start` to `stop` of a group, corrected by one method."""

    group: str
    method: str
    start: int
    stop: int
    settings: Settings

    @property
    def n_frames(self) -> int:
        """Frames to correct: what the work is measured in."""
        per_case = {"b": 25, "c": self.settings.n_frames}.get(self.group.partition("/")[0], 1)
        return per_case * (self.stop - self.start)

    @property
    def file(self) -> Path:
        """Where its records are kept; named after everything they depend on."""
        asked = asdict(self)
        part = self.group.partition("/")[0]
        for name in (name for of, names in ONLY_OF.items() if of != part for name in names):
            del asked["settings"][name]
        del asked["settings"]["n_hearts"]  # more cines leave the first ones as they are
        asked = json.dumps(asked, sort_keys=True)
        key = hashlib.sha256(asked.encode()).hexdigest()[:20]
        return Path(self.settings.scratch) / "units" / f"{key}.json"


def cut(groups: Iterable[str], methods: Iterable[str], settings: Settings) -> list[Unit]:
    """Units of all groups and methods, the first cases of every group first."""
    methods = list(methods)
    found = [
        Unit(group, method, start, min(start + size, n), settings)
        for group in groups
        for n, size in ((n_cases(group, settings), CHUNK[group.partition("/")[0]]),)
        for start in range(0, n, size)
        for method in methods
        if method in ("full", "identity") or not group.startswith("unknown")
    ]
    return sorted(found, key=lambda unit: unit.start)


def run_unit(unit: Unit) -> None:
    """Correct the cases of a unit and write their records."""
    prior, bank = prior_and_bank(unit.settings.prior)
    found = []
    for case in cases(unit.group, unit.settings, unit.start, unit.stop):
        if not found:  # what is loaded on first use is no cost of a case
            _corrected(unit, case, prior, bank)
        found.append(_corrected(unit, case, prior, bank))
    unit.file.parent.mkdir(parents=True, exist_ok=True)
    part = unit.file.with_suffix(".part")
    part.write_text(json.dumps(found, allow_nan=False), encoding="utf-8")
    part.replace(unit.file)


def _corrected(unit: Unit, case: Case, prior: ShapePrior, bank: LatentBank) -> Record:
    began = time.process_time()
    done = correct_by(unit.method, case.sequence, prior, bank, CONFIG)
    return record(case, done, time.process_time() - began)


def read_unit(unit: Unit) -> list[Record]:
    """Records of a unit that has run."""
    content: list[Record] = json.loads(unit.file.read_text(encoding="utf-8"))
    return content


def available(methods: Iterable[str], prior: str) -> tuple[list[str], dict[str, str]]:
    """The methods that this prior can run, and why it cannot run the others."""
    loaded, bank = prior_and_bank(prior)
    can: list[str] = []
    cannot: dict[str, str] = {}
    drawn = draw_heart(draw_parameters(np.random.default_rng(0), "A4C"), n_frames=3)
    for method in methods:
        try:
            correct_by(method, drawn.sequence, loaded, bank, CONFIG)
            can.append(method)
        except ModelError:
            cannot[method] = f"prior '{prior}' has no model for it"
    return can, cannot


def run_all(units: Iterable[Unit], settings: Settings, n_workers: int) -> None:
    """Run what has not run yet, phantom cines first, in processes of one thread each."""
    missing = [unit for unit in units if not unit.file.exists()]
    if not missing:
        return
    last = (cine_index(u.group[2:], u.stop - 1) for u in missing if u.group.startswith("c/"))
    wanted = max(last, default=-1) + 1
    os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")  # the workers inherit it
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(n_workers, mp_context=context, initializer=_one_thread) as pool:
        _all({pool.submit(write_cine, i, settings): 1 for i in range(wanted)}, "phantom cines")
        _all({pool.submit(run_unit, unit): unit.n_frames for unit in missing}, "frames")


def _all(sizes: dict[Future[None], int], what: str) -> None:
    """Wait for all work, saying how far it is and how long the rest takes at this rate."""
    began, done, total = time.perf_counter(), 0, sum(sizes.values())
    try:
        for future in as_completed(sizes):
            future.result()
            done += sizes[future]
            rate = done / (time.perf_counter() - began)
            line = f"\r{done} of {total} {what}, {rate:.1f} a second, "
            print(f"{line}{(total - done) / rate / 60:.1f} min left   ", end="", file=sys.stderr)
    finally:  # after an error or an interrupt nothing more is started
        for future in sizes:
            future.cancel()
    print(file=sys.stderr)


def _one_thread() -> None:
    torch.set_num_threads(1)


@functools.lru_cache(maxsize=1)
def prior_and_bank(name: str) -> tuple[ShapePrior, LatentBank]:
    """A prior and its bank, loaded once."""
    prior = load_prior(name)
    return prior, load_bank(prior)
