"""Units of work: some cases of one group, measured once and kept in `out/uncertainty/units`."""

from __future__ import annotations

import functools
import hashlib
import itertools
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from proof.versions import image_version

import cardiovae
from cardiovae.bank import LatentBank, load_bank
from cardiovae.io.atomic import write_text
from cardiovae.prior.folder import load_prior
from cardiovae.uncertainty.experts import Experts, load_experts
from uncertainty_parts.cases import LEVELS, phantom_cases, real_cases
from uncertainty_parts.measure import measured

PACKAGE = Path(cardiovae.__file__).parent
PRIORS = {"real": "camus", "phantom": "phantom"}
CHUNK = {"real": 60, "phantom": 15}  # sequences, and drawn patients of two views each


@dataclass(frozen=True)
class Unit:
    """Cases `start` to `stop` of a group.

    Args:
        group: "real/LEVEL" or "phantom".
        start, stop: See above.
        data: Folder of the real data.
        folder: Where results are kept.
        version: Of the code that they depend on.
    """

    group: str
    start: int
    stop: int
    data: str
    folder: str
    version: str

    @property
    def path(self) -> Path:
        """Where its records are kept."""
        name = f"{self.group.replace('/', '-')}-{self.start:04d}-{self.stop:04d}"
        return Path(self.folder) / f"{name}-{self.version}.json"


def units(data: str, folder: str, n_real: int, n_phantoms: int) -> list[Unit]:
    """Everything to measure: `n_real` sequences of each level, and cines of `n_phantoms`."""
    groups = [*((f"real/{level}", n_real, "real") for level in LEVELS if data)]
    groups.append(("phantom", n_phantoms, "phantom"))
    return [
        Unit(group, start, min(start + CHUNK[kind], n), data, folder, code_version(PRIORS[kind]))
        for group, n, kind in groups
        for start in range(0, n, CHUNK[kind])
    ]


def run(unit: Unit) -> Unit:
    """Measure a unit, unless that was done before."""
    if unit.path.exists():
        return unit
    torch.set_num_threads(1)
    prior = PRIORS[unit.group.partition("/")[0]]
    experts, bank = _models(prior)
    if unit.group == "phantom":
        cases = phantom_cases(unit.start, unit.stop)
    else:
        found = real_cases(Path(unit.data), unit.group.partition("/")[2])
        cases = itertools.islice(found, unit.start, unit.stop)
    records = [measured(case, experts, bank) for case in cases]
    unit.path.parent.mkdir(parents=True, exist_ok=True)
    write_text(unit.path, json.dumps(records, allow_nan=False), overwrite=True)
    return unit


def records_of(done: Iterable[Unit], group: str) -> list[dict[str, Any]]:
    """Records of a group, in order."""
    found: list[dict[str, Any]] = []
    for unit in done:
        if unit.group == group:
            found += json.loads(unit.path.read_text(encoding="utf-8"))
    return found


@functools.cache
def code_version(prior: str) -> str:
    """Hash of all that a record depends on: the package's code, and the prior's models."""
    digest = hashlib.sha256(json.dumps(image_version(), sort_keys=True).encode())
    parts = ("audit", "correction", "crisp", "opinion", "evaluation", "kernels", "latent", "prior")
    files = [p for part in parts for p in sorted((PACKAGE / part).rglob("*.py"))]
    files += sorted((PACKAGE / "uncertainty").rglob("*.py"))
    files += [
        p
        for pattern in ("*.npz", "*.safetensors", "*/*.npz", "*/*.safetensors")
        for p in sorted((PACKAGE / "priors" / prior).glob(pattern))
        if "baselines" not in p.parts
    ]
    files += [Path(__file__).with_name("cases.py"), Path(__file__).with_name("measure.py")]
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


@functools.cache
def _models(name: str) -> tuple[Experts, LatentBank]:
    prior = load_prior(name)
    return load_experts(prior, by_image=True), load_bank(prior)
