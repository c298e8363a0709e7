"""Which models are compared, and where they lie."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cardiovae.bank import build_bank, save_bank
from cardiovae.errors import ModelError
from cardiovae.prior.cohort import Cohort, load_cohort
from cardiovae.prior.folder import BANK, load_prior
from cardiovae.prior.models import model_names
from cardiovae.prior.run import read_recipe, train_prior
from cardiovae.prior.shipped import prior_folder

DATA = ("camus", "phantom")
NAMES = {"camus": "CAMUS", "phantom": "phantom"}
SHIPPED = "shipped"
N_CODES = 1500  # of the banks of models trained here
REAL = ("data.split=data_manifests/camus_splits.csv", "name=camus-lineage")


@dataclass(frozen=True)
class Entry:
    """One model of one set of training data; `model` is "shipped" for the prior in the package.

    Args:
        data: "camus" or "phantom".
        model: Name of a model, or "shipped".
        folder: Where trained models lie.
        masks: The real masks, an `.npz`.
        seed: Of everything drawn.
    """

    data: str
    model: str
    folder: str
    masks: str
    seed: int = 0

    @property
    def prior(self) -> Path:
        """Its model folder."""
        if self.model == SHIPPED:
            return prior_folder(self.data)
        return Path(self.folder) / self.data / self.model

    def file(self, version: str) -> Path:
        """Its figures, named after what they depend on."""
        return Path(self.folder) / "measured" / version / f"{self.data}-{self.model}.json"


def entries(folder: Path, masks: Path, data: Iterable[str], seed: int) -> list[Entry]:
    """All models of all data, those in the package last."""
    names = (*model_names(), SHIPPED)
    return [Entry(d, name, str(folder), str(masks), seed) for d in data for name in names]


def make(entry: Entry) -> None:
    """Train the model and draw its bank, where either is missing."""
    if entry.model == SHIPPED:
        return
    if not (entry.prior / "provenance.json").exists():
        overrides = REAL if entry.data == "camus" else ()
        masks = entry.masks if entry.data == "camus" else None
        train_prior(entry.model, masks, entry.prior, overrides=overrides)
    if (entry.prior / BANK).exists() or refusal(entry):
        return
    prior = load_prior(str(entry.prior))
    try:
        bank = build_bank(prior, n_codes=N_CODES, rng=np.random.default_rng(entry.seed))
    except ModelError as error:
        _refusal(entry).write_text(str(error), encoding="utf-8")
        return
    save_bank(bank, prior)


def refusal(entry: Entry) -> str:
    """Why a model has no bank; empty where it has one."""
    path = _refusal(entry)
    return path.read_text(encoding="utf-8") if path.exists() else ""


def _refusal(entry: Entry) -> Path:
    return entry.prior / "no_bank.txt"


def cohort_of(entry: Entry) -> Cohort:
    """The data that a model was trained on, with its held-out patients."""
    if entry.data == "camus":
        return load_cohort(read_recipe("vae", overrides=REAL).data, entry.masks)
    return load_cohort(read_recipe("vae").data)


def read(entry: Entry, version: str) -> dict[str, Any]:
    """The figures of an entry that has been measured."""
    content: dict[str, Any] = json.loads(entry.file(version).read_text(encoding="utf-8"))
    return content
