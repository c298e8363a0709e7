"""Ablations measured: variants on the same cases, and banks of several sizes."""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cardiovae.audit.audit import audit_sequence, frame_is_valid
from cardiovae.audit.criteria import criteria
from cardiovae.audit.temporal import MIN_FRAMES
from cardiovae.audit.verdicts import Verdict
from cardiovae.bank import build_bank, save_bank
from cardiovae.baselines.methods import correct_by
from cardiovae.correction.config import correct_config
from cardiovae.correction.correct import correct_sequence
from cardiovae.correction.record import Correction
from cardiovae.io.content import view_from_name
from cardiovae.prior.folder import BANK, load_prior
from cardiovae.prior.run import train_prior
from proof.cases import IMAGES, LEVELS, Case, Settings, cases, cine_index, n_cases, write_cine
from proof.records import Record, record
from proof.units import CONFIG, prior_and_bank
from proof.variants import BASE, TRAINED, VARIANTS, VIEWS, left_out, ready
from proof.verdicts import SETS, TEMPORAL

PARTS = ("a", "corrupted", "network")
N_CODES = 2000  # of the banks of trained priors
BANK_SIZES = (250, 500, 1000, 2000, 5000, 10_000, 20_000)
SIZED = ("nearest", "dichotomic", "full")
STRICT = "camus-public"
EVERY = 3  # of the invalid predictions, for the banks


@dataclasses.dataclass(frozen=True)
class Trial:
    """One thing to do: "train/NAME", or measure "variant/NAME", "bank/SIZE" or "strict/SET"."""

    what: str
    folder: str
    settings: Settings

    @property
    def file(self) -> Path:
        """Its result, named after everything that it depends on."""
        key = f"{self.settings.version}-{self.settings.n_hearts}-{self.settings.n_predictions}"
        return Path(self.folder) / "trials" / key / f"{self.what.replace('/', '-')}.json"


def trials(folder: Path, settings: Settings) -> list[Trial]:
    """All of them, trainings first."""
    names = [
        *(f"train/{name}" for name in TRAINED),
        *(f"variant/{variant.name}" for variant in VARIANTS),
        *(f"bank/{size}" for size in BANK_SIZES),
        f"strict/{STRICT}",
    ]
    return [Trial(name, str(folder), settings) for name in names]


def done(trial: Trial) -> bool:
    """Whether there is nothing left to do."""
    kind, _, name = trial.what.partition("/")
    return (Path(trial.folder) / name / BANK if kind == "train" else trial.file).exists()


def run_trial(trial: Trial) -> None:
    """Do it and write the result."""
    torch.set_num_threads(1)
    kind, _, name = trial.what.partition("/")
    began = time.perf_counter()
    if kind == "train":
        _train(name, Path(trial.folder), trial.settings)
    else:
        measure = {"variant": _variant, "bank": _bank, "strict": _strict}[kind]
        trial.file.parent.mkdir(parents=True, exist_ok=True)
        part = trial.file.with_suffix(".part")
        part.write_text(json.dumps(measure(name, trial), allow_nan=False), encoding="utf-8")
        part.replace(trial.file)
    print(f"{trial.what}: {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)


def read_trial(trial: Trial) -> dict[str, Any]:
    """The result of a trial that is done."""
    content: dict[str, Any] = json.loads(trial.file.read_text(encoding="utf-8"))
    return content


def _train(name: str, folder: Path, settings: Settings) -> None:
    """Train a prior with a small budget, and draw its bank."""
    output = folder / name
    if not (output / "provenance.json").exists():
        data = Path(settings.data) / "camus224_dev.npz"
        if name in VIEWS:
            data = _one_view(data, VIEWS[name], folder)
        train_prior("camus", str(data), output, overrides=[*BASE, *TRAINED[name]])
    prior = load_prior(str(output))
    save_bank(build_bank(prior, n_codes=N_CODES, rng=np.random.default_rng(settings.seed)), prior)


def _one_view(data: Path, view: str, folder: Path) -> Path:
    """The frames of one view."""
    path = folder / f"only_{view}.npz"
    if not path.exists():
        with np.load(data) as content:
            mine = np.array([view_from_name(str(name)) == view for name in content["names"]])
            kept = {k: content[k][mine] for k in ("masks", "names", "spacing_mm")}
        part = path.with_suffix(f".{os.getpid()}.npz")
        np.savez_compressed(part, **kept)
        part.replace(path)
    return path


def _variant(name: str, trial: Trial) -> dict[str, Any]:
    """Records of the invalid real predictions, of corrupted and of segmented cines."""
    variant = next(v for v in VARIANTS if v.name == name)
    kit = ready(variant, Path(trial.folder))
    found: dict[str, list[Record]] = {part: [] for part in PARTS}
    with left_out(variant):
        for part in PARTS:
            for case in chosen(part, trial.settings):
                prior, bank = kit.prior_of(case.sequence.view or "")
                began = time.process_time()
                corrected = correct_sequence(case.sequence, prior, bank, kit.config)
                seconds = time.process_time() - began
                found[part].append({**record(case, corrected, seconds), **_judged(corrected)})
    return found


def _strict(name: str, trial: Trial) -> dict[str, Any]:
    """Records of all predictions and ground-truth masks, corrected under another set first."""
    settings = trial.settings
    config = correct_config("default", (f"criteria={name}", "also_criteria=camus"))
    prior, bank = prior_and_bank("camus")
    found: dict[str, list[Record]] = {}
    for part, groups in (("a", [f"a/{level}" for level in LEVELS]), ("harm", ["harm"])):
        found[part] = []
        for case in (c for g in groups for c in cases(g, settings, 0, n_cases(g, settings))):
            corrected = correct_sequence(case.sequence, prior, bank, config)
            found[part].append({**record(case, corrected, 0.0), **_judged(corrected)})
    return found


def _judged(corrected: Correction) -> Record:
    """Verdicts of all shipped sets, whichever the correction was asked for."""
    found = corrected.sequence
    audits = [
        audit_sequence(found, anatomy=a, temporal=t) for a, t in zip(SETS, TEMPORAL, strict=True)
    ]
    cine = found.n_frames >= MIN_FRAMES
    return {
        "valid": [[frame.passed for frame in audit.frames] for audit in audits],
        "steady": [a.temporal_verdict is Verdict.PASS for a in audits] if cine else [],
    }


def _bank(size: str, trial: Trial) -> dict[str, Any]:
    """Records of a few methods with that many of the bank's codes; how far codes had to move."""
    prior, bank = prior_and_bank("camus")
    rng = np.random.default_rng(trial.settings.seed)
    rows = np.sort(rng.permutation(len(bank.codes))[: int(size)])
    part = dataclasses.replace(
        bank,
        codes=bank.codes[rows],
        log_density=bank.log_density[rows],
        percentile=bank.percentile[rows],
    )
    found: dict[str, list[Record]] = {method: [] for method in SIZED}
    for i, case in enumerate(chosen("a", trial.settings)):
        for method in SIZED if i % EVERY == 0 else ():
            began = time.process_time()
            moved = correct_by(method, case.sequence, prior, part, CONFIG)
            entry = record(case, moved, time.process_time() - began)
            displacement = moved.frames[0].displacement
            entry["displacement"] = displacement if np.isfinite(displacement) else None
            found[method].append(entry)
    return found


def chosen(part: str, settings: Settings) -> Iterator[Case]:
    """Cases of a part: "a" the invalid predictions, "corrupted" and "network" cines."""
    if part == "a":
        yield from _invalid(settings)
        return
    for level in ("medium",) if part == "corrupted" else tuple(IMAGES):
        for i in range(n_cases(f"c/{level}", settings)):
            write_cine(cine_index(level, i), settings)
            yield from cases(f"c/{level}", settings, i, i + 1)


@functools.lru_cache(maxsize=1)
def _invalid(settings: Settings) -> tuple[Case, ...]:
    """Real predictions that fail `camus`."""
    limits = criteria("camus")
    return tuple(
        case
        for level in LEVELS
        for case in cases(f"a/{level}", settings, 0, settings.n_predictions)
        if not frame_is_valid(case.sequence.frame(0), case.sequence.spacing_mm, limits)
    )
