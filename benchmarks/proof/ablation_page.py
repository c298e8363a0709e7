"""The page of the ablations, docs/explanation/ablations.md."""

from __future__ import annotations

import datetime
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cardiovae.bank import load_bank
from cardiovae.intervals.bootstrap import Interval
from cardiovae.prior.folder import load_prior
from proof.cases import Settings
from proof.pools import Pool, Values, absolute_errors, difference, known_mean, pool
from proof.text import number, percent, with_interval
from proof.trials import PARTS, SIZED, STRICT
from proof.variants import DEFAULT, SMALL, SMALL_STEPS, TRAINED, VARIANTS, Variant
from proof.versions import commit, machine

Results = Mapping[str, Mapping[str, Any]]
NAMES = {
    "a": "real predictions that fail `camus`",
    "corrupted": "corrupted cines",
    "network": "cines segmented by a network",
}
FIDELITY = ("dice_lv", "dice_myo", "dice_la")


def page(
    results: Results, folder: Path, drawn: Iterable[tuple[str, str]], settings: Settings
) -> str:
    """The page as Markdown."""
    frames = len(pooled(results, DEFAULT, "a").patients)
    cines = [len(pooled(results, DEFAULT, part).lengths) for part in PARTS[1:]]
    lines = [
        "# What each part of the correction pays",
        "",
        f"Generated on {datetime.datetime.now(tz=datetime.UTC).date()} by "
        f"`python benchmarks/ablations.py` at commit {commit()}, seed {settings.seed}, "
        f"{machine()}. Measured on {frames} real U-Net predictions that fail `camus`, "
        f"{cines[0]} phantom cines broken by the corruption model (severity 0.5) and {cines[1]} "
        "segmented by a U-Net, as in [quality](quality.md). What was decided from it: "
        "[decision 0012](../decisions/0012-what-pays.md).",
        "",
        "## One thing at a time",
        "",
        "Differences are to the variant in the column *against*, paired by frame, mean over the "
        "structures, with 95 % bootstrap intervals that draw whole patients; Dice times 100, "
        f"distances in mm. Variants against `{SMALL}` are priors trained here with a budget of "
        f"{SMALL_STEPS} steps, without a reader of broken masks.",
        "",
    ]
    for part in PARTS:
        lines += [f"### {NAMES[part].capitalize()}", "", *_table(results, part), ""]
    for name, caption in drawn:
        lines += [f"![{caption}](../images/{name})", "", f"*{caption}*", ""]
    lines += ["## The priors themselves", "", *_priors(folder), ""]
    lines += ["## Size of the bank", "", *_banks(results), ""]
    lines += ["## Both anatomical sets at once", "", *_strict(results), ""]
    return "\n".join(lines)


def pooled(results: Results, name: str, part: str) -> Pool:
    """Records of a variant on a part."""
    return pool(results[f"variant/{name}"][part])


def change(
    results: Results, variant: Variant, part: str, field: str, rng: np.random.Generator
) -> Interval:
    """Mean difference of "dice" or "hausdorff_mm" to the variant it is compared with."""
    found, other = (pooled(results, name, part) for name in (variant.name, variant.against))
    a, b = (np.nanmean(getattr(p, field), axis=1) for p in (found, other))
    return difference(a, b, found.patients, rng)


def _table(results: Results, part: str) -> list[str]:
    cine = part != "a"
    head = ["variant", "against", "Dice x 100", "difference", "Hausdorff mm", "difference"]
    head += ["passes `camus` / `-public`, %"]
    head += ["flagged, of cines", "EF MAE, points", "difference"] if cine else []
    head += ["ms a frame"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for variant in VARIANTS:
        found = pooled(results, variant.name, part)
        own = variant.name == variant.against or variant.name == SMALL
        cells = [f"`{variant.name}`: {variant.text}", "" if own else f"`{variant.against}`"]
        for field, scale, digits in (("dice", 100, 2), ("hausdorff_mm", 1, 2)):
            cells.append(number(scale * known_mean(np.nanmean(getattr(found, field), 1)), digits))
            moved = change(results, variant, part, field, np.random.default_rng(0))
            cells.append("" if own else with_interval(_scaled(moved, scale), digits))
        cells.append(" / ".join(percent(found.valid[:, k]) for k in (0, 1)))
        if cine:
            cells += [
                str(int((~found.steady[:, 0]).sum())),
                number(known_mean(_ef_errors(found)), 2),
                "" if own else with_interval(_ef_change(results, variant, part), 2),
            ]
        cells.append(number(1000 * found.seconds.sum() / found.lengths.sum(), 0))
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _scaled(found: Interval, scale: float) -> Interval:
    return Interval(found.value * scale, found.low * scale, found.high * scale)


def _ef_errors(found: Pool) -> Values:
    return absolute_errors(found.ef, found.ef_true)


def _ef_change(results: Results, variant: Variant, part: str) -> Interval:
    found, other = (pooled(results, name, part) for name in (variant.name, variant.against))
    errors = [_ef_errors(p) for p in (found, other)]
    return difference(*errors, found.case_patients, np.random.default_rng(0))


def _priors(folder: Path) -> list[str]:
    lines = [
        "On the masks of test patients: Dice of the decoded codes; lowest rank correlation of an "
        "attribute with its dimension; share of codes drawn from the Parzen density that decode "
        "to hearts that pass both anatomical sets, with and without their atrium.",
        "",
        "| prior | Dice LV / MYO / LA | lowest rank correlation | draws that pass, % |",
        "|---|---|---|---|",
    ]
    for name in TRAINED:
        figures, share = prior_figures(folder / name)
        dice = " / ".join(f"{figures[key]:.3f}" for key in FIDELITY)
        follows = min(v for k, v in figures.items() if k.startswith("spearman") and v is not None)
        lines.append(f"| `{name}` | {dice} | {follows:.3f} | {100 * share:.1f} |")
    return lines


def prior_figures(folder: Path) -> tuple[dict[str, float], float]:
    """Test figures of a trained prior, and the share of drawn codes that are valid."""
    facts = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
    bank = load_bank(load_prior(str(folder)))
    return facts["test"], float(bank.acceptance["drawn"]["all"])


def sized(results: Results, method: str) -> dict[int, Pool]:
    """Records of a method by the size of the bank."""
    sizes = sorted(int(k.partition("/")[2]) for k in results if k.startswith("bank/"))
    return {size: pool(results[f"bank/{size}"][method]) for size in sizes}


def displacement(results: Results, method: str, size: int) -> float:
    """Mean way of the codes that moved."""
    records: Sequence[Mapping[str, Any]] = results[f"bank/{size}"][method]
    moved = [r["displacement"] for r in records if r["displacement"] is not None]
    return float(np.mean(moved)) if moved else math.nan


def _banks(results: Results) -> list[str]:
    methods = " | ".join(f"`{method}`: way / Dice x 100 / ms" for method in SIZED)
    lines = [
        "Banks of that many codes, drawn from the shipped one; every third of the invalid "
        "predictions. The way is how far the code moved from the encoder's, in latent units.",
        "",
        f"| codes | {methods} |",
        "|" + "---|" * (1 + len(SIZED)),
    ]
    for size in sized(results, SIZED[0]):
        cells = [str(size)]
        for method in SIZED:
            found = sized(results, method)[size]
            cells.append(
                f"{number(displacement(results, method, size), 2)} / "
                f"{number(100 * known_mean(np.nanmean(found.dice, 1)), 2)} / "
                f"{1000 * found.seconds.sum() / found.lengths.sum():.0f}"
            )
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _strict(results: Results) -> list[str]:
    predictions, truth = (pool(results[f"strict/{STRICT}"][part]) for part in ("a", "harm"))
    n, both = len(predictions.valid), int(predictions.valid.all(1).sum())
    return [
        f"With `--criteria {STRICT}` all predictions are asked to pass that set, sound ones too: "
        f"{int(predictions.valid[:, 1].sum())} of {n} do, {both} of them both sets. The price: it "
        f"does not pass many ground-truth masks, and {int((~truth.same).sum())} of "
        f"{truth.same.size} are altered ({percent(~truth.same)} %).",
    ]
