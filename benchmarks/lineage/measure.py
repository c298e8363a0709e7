"""What is measured of one model, as plain data; an interval is [value, low, high]."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import time
from collections.abc import Hashable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from proof.cases import Settings
from proof.records import Record, record
from proof.trials import chosen

from cardiovae.audit.criteria import criteria
from cardiovae.bank import judged, load_bank
from cardiovae.correction.config import correct_config
from cardiovae.correction.correct import correct_sequence
from cardiovae.evaluation.likelihood import bound
from cardiovae.evaluation.reconstruction import reconstruction
from cardiovae.evaluation.validity import (
    WAYS,
    between,
    draw_pairs,
    mean_of_pairs,
    share_of_draws,
)
from cardiovae.intervals.bootstrap import Interval, mean_by_patient
from cardiovae.labels import STRUCTURES
from cardiovae.latent.density import fit_parzen
from cardiovae.latent.disentanglement import disentanglement
from cardiovae.latent.shrunk import fit_shrunk
from cardiovae.prior.codec import decode, encode, to_canvas
from cardiovae.prior.cohort import Cohort, patient_of
from cardiovae.prior.evaluate import canonical_attributes, reconstruct
from cardiovae.prior.fidelity import REGULARIZED
from cardiovae.prior.folder import ShapePrior, load_prior
from cardiovae.prior.grid import place
from cardiovae.prior.network import ShapeModel
from lineage.entries import Entry, cohort_of, refusal

SETS = ("camus", "camus-public")
N_DRAWS = 1000
N_PAIRS, N_STEPS = 100, 5
PARTS = ("a", "corrupted")
EVERY = 4  # of the invalid predictions
SPEED_BATCH, SPEED_RUNS = 64, 3


def measure(entry: Entry, settings: Settings) -> dict[str, Any]:
    """All figures of a model that has been made."""
    torch.set_num_threads(1)
    prior = load_prior(str(entry.prior))
    cohort = cohort_of(entry)
    rng = np.random.default_rng(entry.seed)
    codes, attributes, views, patients = _held_out_codes(prior, cohort)
    facts = prior.provenance
    return {
        "model": facts.get("model", {"name": "ar-vae"}),
        "dimensions": codes.shape[1],
        "steps": facts["training"]["n_steps"],
        "follows": prior.network.follows_attributes,
        "parameters": sum(p.numel() for p in prior.network.parameters()),
        "held_out": len(codes),
        "reconstruction": _reconstruction(prior, cohort, rng),
        "draws": _draws(prior, rng, entry.seed),
        "between": _between(prior, codes, views, patients, rng),
        "attributes": _attributes(prior, codes, attributes),
        "elbo": _elbo(prior, cohort, rng),
        "speed": _speed(prior.network),
        "correction": _correction(entry, prior, settings),
    }


def write(entry: Entry, settings: Settings, version: str) -> None:
    """Measure and keep the figures."""
    path = entry.file(version)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".{os.getpid()}.part")
    part.write_text(json.dumps(_plain(measure(entry, settings))), encoding="utf-8")
    part.replace(path)


def _plain(value: Any) -> Any:
    """Intervals as lists, NaN as null."""
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, Interval):
        return [_plain(v) for v in (value.value, value.low, value.high)]
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else None
    return value


def _held_out_codes(
    prior: ShapePrior, cohort: Cohort
) -> tuple[NDArray[np.float64], NDArray[np.float64], list[str], list[Hashable]]:
    """Codes, attributes, views and patients of the frames of patients never trained on."""
    codes, attributes, views, patients = [], [], [], []
    for name, sequence in cohort.held_out:
        placement = place(sequence.labels, sequence.spacing_mm)
        assert placement is not None
        shares, inside = to_canvas(sequence.labels, placement)
        codes.append(encode(prior.network, shares, inside, sequence.structures)[0])
        for t in range(sequence.n_frames):
            attributes.append(canonical_attributes(sequence, t, placement))
            views.append(sequence.view or "")
            patients.append(patient_of(name, "^[^_]+"))
    return np.concatenate(codes), np.array(attributes), views, patients


def _reconstruction(prior: ShapePrior, cohort: Cohort, rng: np.random.Generator) -> dict[str, Any]:
    found, truth, patients = [], [], []
    for name, sequence in cohort.held_out:
        placement = place(sequence.labels, sequence.spacing_mm)
        assert placement is not None
        found.append(reconstruct(prior.network, sequence, placement, refine=None)[1])
        truth.append(sequence)
        patients.append(patient_of(name, "^[^_]+"))
    scores = reconstruction(truth, found, patients)
    return {
        metric: [scores.mean(metric, s, rng=rng) for s in STRUCTURES]
        for metric in ("dice", "hausdorff_mm")
    }


def _verdicts(prior: ShapePrior, codes: NDArray[np.float64]) -> dict[str, NDArray[np.bool_]]:
    """Who passes `camus`, and who passes all sets with and without the atrium, (N,) each."""
    found = judged(prior, codes, tuple(criteria(name) for name in SETS))
    return {"camus": found[:, 0, 0], "all": found.all((1, 2))}


def _draws(prior: ShapePrior, rng: np.random.Generator, seed: int) -> dict[str, Any]:
    """Shares of valid hearts among draws of the model's own prior and of both kernel densities."""
    density = fit_parzen(prior.codes, groups=prior.patients)
    shrunk = fit_shrunk(prior.codes, groups=prior.patients)
    generator = torch.Generator().manual_seed(seed)
    own = prior.network.sample(N_DRAWS, generator).double().numpy()
    return {
        name: {k: share_of_draws(v) for k, v in _verdicts(prior, drawn).items()}
        for name, drawn in (
            ("own", own),
            ("parzen", density.sample(N_DRAWS, rng)),
            ("shrunk", shrunk.sample(N_DRAWS, rng)),
        )
    }


def _between(
    prior: ShapePrior,
    codes: NDArray[np.float64],
    views: list[str],
    patients: list[Hashable],
    rng: np.random.Generator,
) -> dict[str, Any]:
    """Shares of valid hearts on the way between the codes of two patients."""
    pairs = draw_pairs(views, patients, N_PAIRS, rng=rng)
    owners = [(patients[a], patients[b]) for a, b in pairs.tolist()]
    found = {}
    for way in WAYS:
        steps = between(codes, pairs, N_STEPS, way=way, center=prior.codes.mean(0))
        verdicts = _verdicts(prior, steps.reshape(-1, codes.shape[1]))
        found[way] = {
            k: mean_of_pairs(v.reshape(len(pairs), -1).mean(1), owners, rng=rng)
            for k, v in verdicts.items()
        }
    return found


def _attributes(
    prior: ShapePrior, codes: NDArray[np.float64], attributes: NDArray[np.float64]
) -> dict[str, Any]:
    follows = prior.network.follows_attributes
    assigned = np.arange(len(REGULARIZED)) if follows else None
    found = disentanglement(codes, attributes, assigned=assigned)
    each = ("interpretability", "scc", "assigned_r2", "assigned_scc")
    return {
        "names": list(REGULARIZED),
        "means": found.means(),
        **{name: getattr(found, name).tolist() for name in each},
    }


def _elbo(prior: ShapePrior, cohort: Cohort, rng: np.random.Generator) -> dict[str, Any] | None:
    """Mean bounds in nats a frame; None of a model whose codes are points."""
    if not prior.network.is_variational:
        return None
    parts, owners = [], []
    for name, sequence in cohort.held_out:
        placement = place(sequence.labels, sequence.spacing_mm)
        assert placement is not None
        shares, inside = to_canvas(sequence.labels, placement)
        mean, std = encode(prior.network, shares, inside, sequence.structures)
        parts.append(
            bound(
                mean,
                std,
                lambda z: decode(prior.network, z),
                shares,
                inside,
                sequence.structures,
                rng=rng,
                n_samples=4,
                log_prior=lambda z: _log_prior(prior.network, z),
            )
        )
        owners += [patient_of(name, "^[^_]+")] * sequence.n_frames
    return {
        name: mean_by_patient(np.concatenate([getattr(p, name) for p in parts]), owners, rng=rng)
        for name in ("elbo", "reconstruction", "divergence")
    }


def _log_prior(network: ShapeModel, z: NDArray[np.float64]) -> NDArray[np.float64]:
    with torch.no_grad():
        return network.log_prior(torch.from_numpy(z).float()).double().numpy()


def _speed(network: ShapeModel) -> dict[str, float]:
    """Frames a second on one core, the best of a few runs."""
    maps = torch.zeros(SPEED_BATCH, 7, 128, 96)
    maps[:, 1, 40:80, 30:60] = 1
    maps[:, 0] = 1 - maps[:, 1]
    maps[:, 4:] = 1
    codes = torch.zeros(SPEED_BATCH, network.latent_dim)
    found = {}
    with torch.no_grad():
        for name, run in (
            ("encode", lambda: network.encode(maps)),
            ("decode", lambda: network.decode(codes)),
        ):
            seconds = []
            for _ in range(SPEED_RUNS):
                began = time.process_time()
                run()
                seconds.append(time.process_time() - began)
            found[name] = SPEED_BATCH / min(seconds)
    return found


def _correction(entry: Entry, prior: ShapePrior, settings: Settings) -> dict[str, Any]:
    """Records of what `correct` makes of broken masks with this model as its prior."""
    reason = refusal(entry)
    if reason:
        return {"reason": reason}
    bank = load_bank(prior)
    plain = dataclasses.replace(prior, reader=prior.network)  # no model here learned errors
    config = correct_config("default")
    found: dict[str, list[Record]] = {}
    for part in PARTS:
        found[part] = []
        for i, case in enumerate(chosen(part, settings)):
            if part == "a" and i % EVERY:
                continue
            began = time.process_time()
            corrected = correct_sequence(case.sequence, plain, bank, config)
            found[part].append(record(case, corrected, time.process_time() - began))
    return found
