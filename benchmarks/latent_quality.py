"""How good the latent spaces of the shipped priors are, on patients that no training has seen.

    python benchmarks/latent_quality.py ../shared/data [--draws 2000] [--pairs 300] [--samples 16]

Prints how far dimensions tell attributes, the shares of draws from the Parzen density and of codes
between two real hearts that are valid, with 95 % intervals, reconstruction, and bounds of the log
likelihood. `camus` is measured on the test patients of data_manifests/camus_splits.csv, `phantom`
on drawn ones of its own test part and on those of CAMUS.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cardiovae.audit.criteria import criteria
from cardiovae.bank import judged
from cardiovae.evaluation.likelihood import N_SAMPLES, Bound, bound
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
from cardiovae.prior.codec import decode, encode, to_canvas
from cardiovae.prior.cohort import (
    DataConfig,
    Named,
    draw_phantoms,
    patient_of,
    read_frames,
    split_parts,
)
from cardiovae.prior.evaluate import canonical_attributes, reconstruct
from cardiovae.prior.fidelity import REGULARIZED
from cardiovae.prior.folder import ShapePrior, load_prior
from cardiovae.prior.grid import place

CAMUS = DataConfig(split="data_manifests/camus_splits.csv")
SETS = ("camus", "camus-public")
N_STEPS = 7  # codes between the two of a pair
SEED = 0


@dataclasses.dataclass(frozen=True)
class HeldOut:
    """Frames of held-out patients as a prior sees them."""

    codes: NDArray[np.float64]
    attributes: NDArray[np.float64]
    views: tuple[str, ...]
    patients: tuple[str, ...]


def shown(found: Interval, digits: int = 1, factor: float = 100) -> str:
    """An estimate with its interval, in percent by default."""
    value, low, high = (f"{factor * x:.{digits}f}" for x in dataclasses.astuple(found))
    return f"{value} ({low} to {high})"


def held_out(prior: ShapePrior, test: Sequence[Named], n_samples: int) -> HeldOut:
    """Codes and attributes of the test frames; prints what came back of them."""
    codes, attributes, views, owners, back, bounds = [], [], [], [], [], []
    rng = np.random.default_rng(SEED)
    for name, sequence in test:
        placement = place(sequence.labels, sequence.spacing_mm)
        assert placement is not None
        z, labels = reconstruct(prior.network, sequence, placement, refine=None)
        codes.append(z)
        back.append(labels)
        attributes += [
            canonical_attributes(sequence, t, placement) for t in range(sequence.n_frames)
        ]
        views += [sequence.view or ""] * sequence.n_frames
        owners += [patient_of(name, CAMUS.patient)] * sequence.n_frames
        shares, inside = to_canvas(sequence.labels, placement)
        mean, std = encode(prior.network, shares, inside, sequence.structures)
        bounds.append(
            bound(
                mean,
                std,
                lambda z: decode(prior.network, z),
                shares,
                inside,
                sequence.structures,
                rng=rng,
                n_samples=n_samples,
            )
        )
    sequences = [s for _, s in test]
    scores = reconstruction(sequences, back, [patient_of(n, CAMUS.patient) for n, _ in test])
    for metric, digits in (("dice", 3), ("hausdorff_mm", 2), ("hd95_mm", 2)):
        cells = [shown(scores.mean(metric, s, rng=rng), digits, 1) for s in STRUCTURES]
        print(f"{metric} LV / MYO / LA: {' / '.join(cells)}")
    print_bounds(bounds, owners)
    return HeldOut(np.concatenate(codes), np.array(attributes), tuple(views), tuple(owners))


def print_bounds(bounds: Sequence[Bound], patients: Sequence[str]) -> None:
    """Means in nats per frame."""
    rng = np.random.default_rng(SEED)
    for name in ("reconstruction", "divergence", "elbo", "importance_weighted"):
        values = np.concatenate([getattr(b, name) for b in bounds])
        print(f"{name}: {shown(mean_by_patient(values, patients, rng=rng), 1, 1)} nats per frame")


def print_attributes(seen: HeldOut) -> None:
    """One line per attribute, then the means."""
    assigned = range(len(REGULARIZED))
    found = disentanglement(seen.codes, seen.attributes, assigned=list(assigned))
    names = ("interpretability", "assigned_r2", "mig", "sap", "scc", "assigned_scc")
    print(f"\n| attribute | best dimension | {' | '.join(names)} |\n|{'---|' * 8}")
    for i, attribute in enumerate(REGULARIZED):
        cells = " | ".join(f"{getattr(found, name)[i]:.3f}" for name in names)
        print(f"| {attribute} | {found.best[i]} | {cells} |")
    print({name: round(value, 3) for name, value in found.means().items()})
    followed = float(found.modularity[list(assigned)].mean())
    print(f"modularity of the regularized dimensions alone: {followed:.3f}\n")


def print_validity(prior: ShapePrior, seen: HeldOut, n_draws: int, n_pairs: int) -> None:
    """Shares of valid draws and interpolants, under `camus` and under everything."""
    sets = tuple(criteria(name) for name in SETS)

    def valid(codes: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Under camus, and under both sets; each with and without the atrium: (N, 2)."""
        verdicts = judged(prior, codes, sets).all(axis=2)
        return np.stack([verdicts[:, 0], verdicts.all(axis=1)], axis=1)

    rng = np.random.default_rng(SEED)
    for name, codes in (
        ("real, encoded and decoded", seen.codes),
        ("draws", fit_parzen(prior.codes, groups=prior.patients).sample(n_draws, rng)),
    ):
        camus, every = (shown(share_of_draws(v)) for v in valid(codes).T)
        print(f"{name}: {len(codes)}, valid under camus {camus} %, under all {every} %")
    pairs = draw_pairs(seen.views, seen.patients, n_pairs, rng=rng)
    owners = [(seen.patients[i], seen.patients[j]) for i, j in pairs.tolist()]
    for way in WAYS:
        codes = between(seen.codes, pairs, N_STEPS, way=way)
        verdicts = valid(codes.reshape(-1, codes.shape[-1])).reshape(*codes.shape[:2], 2)
        for i, name in enumerate(("camus", "all")):
            share = mean_of_pairs(verdicts[:, :, i].mean(1), owners, rng=rng)
            whole = mean_of_pairs(verdicts[:, :, i].all(1), owners, rng=rng)
            print(f"{way} ways, {name}: codes {shown(share)} %, whole ways {shown(whole)} %")


def main() -> None:
    """Measure both priors."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder with camus224_dev.npz")
    parser.add_argument("--draws", type=int, default=2000)
    parser.add_argument("--pairs", type=int, default=300)
    parser.add_argument("--samples", type=int, default=N_SAMPLES, help="of each posterior")
    options = parser.parse_args()
    real = split_parts(read_frames(options.data / "camus224_dev.npz"), CAMUS)["test"]
    drawn = DataConfig(source="phantom")
    own = split_parts(draw_phantoms(drawn), drawn)["test"]
    for name, where, test in (
        ("camus", "CAMUS", real),
        ("phantom", "drawn", own),
        ("phantom", "CAMUS", real),
    ):
        prior = load_prior(name)
        print(f"\n# {name}, {sum(s.n_frames for _, s in test)} {where} frames", flush=True)
        seen = held_out(prior, test, options.samples)
        print_attributes(seen)
        print_validity(prior, seen, options.draws, options.pairs)


if __name__ == "__main__":
    main()
