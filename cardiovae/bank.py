"""The bank: many codes, each known to decode to a valid heart.

Codes are drawn from the Parzen density of the training codes, rounded to what the file holds
(float16), decoded on a fine canonical grid and kept where the audit passes. After Painchaud et al.
IEEE TMI 39(11), 2020, which draws by rejection; a Parzen density can be drawn from exactly.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cardiovae.audit.audit import frame_is_valid
from cardiovae.audit.criteria import CriteriaSet, criteria
from cardiovae.errors import ModelError
from cardiovae.io.atomic import staged
from cardiovae.labels import SHORT_AXIS, STRUCTURES, Label
from cardiovae.latent.density import ParzenDensity, fit_parzen
from cardiovae.latent.rejection import rejection_sample
from cardiovae.latent.search import nearest
from cardiovae.latent.shrunk import fit_shrunk
from cardiovae.latent.typicality import Typicality, fit_typicality
from cardiovae.prior.codec import compose, decode, native_distances
from cardiovae.prior.folder import BANK, DAMAGE, ShapePrior
from cardiovae.prior.grid import CANVAS_MM, CANVAS_SHAPE, ORIGIN_MM, Placement

Codes = NDArray[np.float64]
Proposal = Literal["parzen", "shrunk", "rejection"]

BATCH = 250  # codes decoded at a time: 150 MB of distances
# Codes are judged at half the canvas's pixel size, close to that of real masks (0.3 to 0.8 mm): on
# the canvas itself the published criteria, which count pixels, pass far fewer hearts, and what
# passes there may fail on a finer grid.
GRID_MM = CANVAS_MM / 2
GRID = Placement(
    (2 * CANVAS_SHAPE[0], 2 * CANVAS_SHAPE[1]),
    (ORIGIN_MM[0] / GRID_MM - 0.5, ORIGIN_MM[1] / GRID_MM - 0.5),
    (GRID_MM, GRID_MM),
)
BANK_CRITERIA = {STRUCTURES: ("camus", "camus-public"), SHORT_AXIS: ("acdc",)}
LEAST_ACCEPTANCE = 0.01  # below this a prior is not worth a bank
ENOUGH_DRAWS = 5000  # to tell so


@dataclass(frozen=True, eq=False)
class LatentBank:
    """Valid codes of a prior.

    Args:
        codes: Codes that float16 holds exactly, shape (N, D); the valid training codes first.
        log_density: Natural logarithm of the Parzen density at each, shape (N,).
        percentile: Plausibility of each among the training codes, 0 to 100, shape (N,).
        density: The density that they were drawn from.
        n_training: How many of the codes are training codes.
        criteria: Names of the criteria sets that every code passes, with and without its atrium.
        seed: Of the generator that drew them; None = unknown.
        acceptance: Share of the training codes and of the draws that passed: `"training"` and
            `"drawn"`, each with the number judged, the share that passes everything, and the
            share that passes each set.
        typicality: What is usual among the training shapes with LV alone, with LV and MYO, and
            with all structures annotated.
    """

    codes: Codes
    log_density: NDArray[np.float64]
    percentile: NDArray[np.float64]
    density: ParzenDensity
    n_training: int
    criteria: tuple[str, ...]
    seed: int | None
    acceptance: Mapping[str, Any]
    typicality: tuple[Typicality, Typicality, Typicality]

    def typical(self, structures: tuple[Label, ...]) -> Typicality:
        """What is usual among training shapes of which `structures` are annotated."""
        return self.typicality[len(structures) - 1]

    def nearest(self, code: Codes, k: int = 1) -> tuple[Codes, NDArray[np.float64]]:
        """The `k` codes nearest to `code`, shape (D,), and their distances: (k, D) and (k,).

        Euclidean distance, nearest first; at most as many as the bank holds.
        """
        rows, distances = nearest(self.codes, code[None], k=min(k, len(self.codes)))
        return self.codes[rows[0]], distances[0]


def build_bank(
    prior: ShapePrior,
    *,
    n_codes: int = 20_000,
    criteria_names: tuple[str, ...] | None = None,
    rng: np.random.Generator,
    proposal: Proposal = "parzen",
    progress: Callable[[int, int], None] | None = None,
) -> LatentBank:
    """Draw codes and keep those that decode to valid hearts.

    Args:
        prior: The prior.
        n_codes: How many codes the bank is to hold.
        criteria_names: Anatomical criteria sets that each must pass; None = `BANK_CRITERIA` of
            such hearts.
        rng: Source of randomness; its seed is noted in the bank.
        proposal: "parzen" draws exactly; "shrunk" from kernels along the codes' correlations, of
            which more draws are valid; "rejection" as published, which takes forever in more than
            a few dimensions and then says so.
        progress: Called with the number of codes found and wanted.

    Raises:
        ConfigError: An unknown criteria set, or a temporal one.
        ModelError: Hardly any draw is valid.
    """
    if criteria_names is None:
        criteria_names = BANK_CRITERIA[prior.structures]
    sets = tuple(criteria(name) for name in criteria_names)
    density = fit_parzen(prior.codes, groups=prior.patients)
    training = rounded(prior.codes)
    verdicts = [judged(prior, training, sets)]
    kept = [training[verdicts[0].all(axis=(1, 2))][:n_codes]]
    draw = _draws(proposal, prior, density)
    n_training = n_found = len(kept[0])
    n_drawn = 0
    while n_found < n_codes:
        if progress is not None:
            progress(n_found, n_codes)
        drawn = rounded(draw(BATCH, rng))
        verdicts.append(judged(prior, drawn, sets))
        valid = drawn[verdicts[-1].all(axis=(1, 2))][: n_codes - n_found]
        kept.append(valid)
        n_found += len(valid)
        n_drawn += len(drawn)
        _require_yield(prior, n_found - n_training, n_drawn)
    if progress is not None:
        progress(n_found, n_codes)
    codes = np.concatenate(kept)
    return LatentBank(
        codes,
        density.log_prob(codes),
        density.percentile(codes),
        density,
        n_training,
        criteria_names,
        _seed(rng),
        {
            "training": _shares(verdicts[0], criteria_names),
            "drawn": _shares(np.concatenate(verdicts[1:] or [verdicts[0][:0]]), criteria_names),
        },
        typicalities(prior, density),
    )


def _draws(
    proposal: Proposal, prior: ShapePrior, density: ParzenDensity
) -> Callable[[int, np.random.Generator], Codes]:
    """What draws a number of codes."""
    if proposal == "rejection":
        return lambda n, rng: rejection_sample(density, n, rng).codes
    if proposal == "shrunk":
        return fit_shrunk(prior.codes, groups=prior.patients).sample
    return density.sample


def typicalities(
    prior: ShapePrior, density: ParzenDensity
) -> tuple[Typicality, Typicality, Typicality]:
    """What is usual among a prior's training shapes, by the number of annotated structures."""
    lv, lv_myo, whole = (
        fit_typicality(density, seen.codes, density.groups, seen.misfit_mm) for seen in prior.seen
    )
    return lv, lv_myo, whole


def rounded(codes: Codes) -> Codes:
    """Codes as float16 holds them, so that the file's codes are those that were judged."""
    return codes.astype(np.float16).astype(np.float64)


def judged(prior: ShapePrior, codes: Codes, sets: tuple[CriteriaSet, ...]) -> NDArray[np.bool_]:
    """Which codes (N, D) decode to valid hearts on the canonical grid of 0.7 mm.

    Returns:
        Shape (N, len(sets), 2): passes the set as a heart with atrium, and as one without.
    """
    found = np.empty((len(codes), len(sets), 2), bool)
    for first in range(0, len(codes), BATCH):
        rows = slice(first, first + BATCH)
        found[rows] = judged_knots(decode(prior.network, codes[rows]), sets, prior.structures)
    return found


def judged_knots(
    knots: NDArray[np.float32],
    sets: tuple[CriteriaSet, ...],
    whole: tuple[Label, ...] = STRUCTURES,
) -> NDArray[np.bool_]:
    """Which hearts, given as distances at the knots (N, 3, 64, 48) in mm, are valid.

    Whatever model they come from; at most `BATCH` at a time, or the fine grid fills the memory.
    Each is judged with and without its neighbor (LA or RV): masks of both kinds are corrected.

    Returns:
        As `judged`.
    """
    found = np.empty((len(knots), len(sets), 2), bool)
    distances = native_distances(knots, GRID)
    for j, structures in enumerate((whole, whole[:2])):
        maps = np.ascontiguousarray(np.moveaxis(compose(distances, structures), 2, 0))
        for i, criteria_set in enumerate(sets):
            for n, labels in enumerate(maps):
                found[n, i, j] = frame_is_valid(labels, GRID.pixel_mm, criteria_set, structures)
    return found


def _require_yield(prior: ShapePrior, n_found: int, n_drawn: int) -> None:
    if n_drawn >= ENOUGH_DRAWS and n_found < LEAST_ACCEPTANCE * n_drawn:
        raise ModelError(
            f"prior '{prior.name}': only {n_found} of {n_drawn} drawn codes decode to valid "
            "hearts, too few for a bank; train the prior longer, or on more data"
        )


def _shares(verdicts: NDArray[np.bool_], names: tuple[str, ...]) -> dict[str, Any]:
    """Number judged, share that passes everything, share that passes each set; None if none."""
    n = len(verdicts)
    passed = np.all(verdicts, axis=2)
    return {
        "judged": n,
        "all": float(np.all(passed, axis=1).mean()) if n else None,
        **{name: float(passed[:, i].mean()) if n else None for i, name in enumerate(names)},
    }


def _seed(rng: np.random.Generator) -> int | None:
    entropy = getattr(rng.bit_generator.seed_seq, "entropy", None)
    return entropy if isinstance(entropy, int) else None


def save_bank(bank: LatentBank, prior: ShapePrior, *, overwrite: bool = False) -> Path:
    """Write the bank into the prior's folder, and return its path.

    Raises:
        FileError: A bank is in the way and `overwrite` is false, or the file system refuses.
    """
    path = prior.folder / BANK
    density = bank.density.to_arrays()
    facts = {
        "criteria": list(bank.criteria),
        "seed": bank.seed,
        "n_training": bank.n_training,
        "acceptance": dict(bank.acceptance),
        "weights_sha256": prior.sha256()["weights.safetensors"],
    }
    with staged(path, overwrite=overwrite) as temporary:
        np.savez_compressed(
            temporary,
            codes=bank.codes.astype(np.float16),
            log_density=bank.log_density.astype(np.float32),
            percentile=bank.percentile.astype(np.float32),
            bandwidth=density["bandwidth"],
            scale=density["scale"],
            leave_one_out=density["leave_one_out"],
            typical=np.stack([t.to_array() for t in bank.typicality]),
            facts=np.array(json.dumps(facts)),
        )
    return path


def load_bank(prior: ShapePrior) -> LatentBank:
    """The bank in the prior's folder.

    Raises:
        ModelError: It is missing or damaged, or belongs to other weights.
    """
    path = prior.folder / BANK
    if not path.is_file():
        raise ModelError(
            f"prior '{prior.name}': {path} is missing; build the bank with "
            f"'cardiovae bank {prior.folder}'"
        )
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as content:
            arrays = {name: content[name] for name in content.files}
        facts = json.loads(str(arrays["facts"]))
        if facts["weights_sha256"] != prior.sha256()["weights.safetensors"]:
            raise ValueError("it was built for other weights")
        shape = (len(arrays["codes"]), prior.codes.shape[1])
        if arrays["codes"].shape != shape or arrays["percentile"].shape != shape[:1]:
            raise ValueError(f"codes have shape {arrays['codes'].shape}, not {shape}")
        stored = {"codes": prior.codes, "groups": prior.patients}
        density = ParzenDensity.from_arrays({**arrays, **stored})
        lv, lv_myo, whole = (Typicality.from_array(density, a) for a in arrays["typical"])
        return LatentBank(
            arrays["codes"].astype(np.float64),
            arrays["log_density"].astype(np.float64),
            arrays["percentile"].astype(np.float64),
            density,
            facts["n_training"],
            tuple(facts["criteria"]),
            facts["seed"],
            facts["acceptance"],
            (lv, lv_myo, whole),
        )
    except DAMAGE as error:
        raise ModelError(
            f"prior '{prior.name}': {path} is damaged or does not fit ({error}); build it again "
            f"with 'cardiovae bank {prior.folder} --overwrite'"
        ) from error
