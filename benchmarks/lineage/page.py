"""The page of the lineage, docs/explanation/models.md."""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from proof.pools import Pool, Values, absolute_errors, difference, known_mean, pool
from proof.text import interval, number, percent, with_interval
from proof.versions import commit, machine

from cardiovae.intervals.bootstrap import Interval
from cardiovae.prior.models import model_names, summary
from lineage.entries import NAMES, SHIPPED, Entry, refusal

Figures = Mapping[Entry, Mapping[str, Any]]
TARGETS = {"interpretability": 0.9, "scc": 0.95, "parzen": 0.95, "between": 0.99}

READING = (
    "- The budget is small and the same for all, so the table compares ideas, not what each can "
    "reach: the shipped prior is the `ar-vae` with more of everything. `pca` needs no steps and "
    "is at its best already.",
    "- A weak `beta` (1e-4) keeps detail and leaves the codes far from a standard normal, so "
    "draws of that are no hearts; draws of a density of the codes are. Two levels and words are "
    "nearer to a prior of their own.",
    "- `cvae` is told nothing here, neither when it encodes nor when it decodes: drawn codes have "
    "no view and no instant. What it knows only when told is missing from them.",
    "- Between two words of `vq-vae` nothing changes: smoothing a course of codes does not make a "
    "motion smooth, so cines come back unchanged, with that reason.",
    "- `denoising` has a kind with skip connections too, the method `denoise-skip`, which has no "
    "code ([quality](quality.md)); on images instead of masks: [restoration](restoration.md).",
    "- The corrector audits whatever a model proposes, so every result passes `camus`. What a "
    "model is worth there is how near the truth it comes.",
)


def page(found: Figures, untouched: Mapping[str, Pool], seed: int, image: str) -> str:
    """The page as Markdown.

    Args:
        found: Figures of every entry.
        untouched: The same broken masks as they came, by part.
        seed: Of everything drawn.
        image: File name of the figure.
    """
    lines = [
        "# The models that lead to the corrector, compared",
        "",
        f"Generated on {datetime.datetime.now(tz=datetime.UTC).date()} by `python "
        f"benchmarks/models.py` at commit {commit()}, seed {seed}, {machine()}. Every model has "
        "the same encoder and decoder (but `pca`, which has none), the same data, the same number "
        "of latent dimensions and about the same small budget of computing (`adversarial` and "
        "`contractive`, whose steps cost two and three times as much, make half as many); its "
        f"settings are its preset in `configs/train`. `{SHIPPED}` is the prior in the package, a "
        "larger `ar-vae` with the constraint on the instant that was trained longer. All figures "
        "are of patients that were not trained on; brackets are 95 % intervals that draw whole "
        "patients.",
        "",
        *_lineage(),
        "",
        f"![Validity of drawn hearts against Dice of reconstructed ones](../images/{image})",
        "",
        "*How faithful a model is, and how much of its space are hearts: Dice of encode-decode "
        "(mean of LV, MYO and LA) against the share of codes drawn from the Parzen density that "
        "decode to hearts that pass `camus`.*",
        "",
    ]
    for data in dict.fromkeys(entry.data for entry in found):
        part = {entry: figures for entry, figures in found.items() if entry.data == data}
        held_out = next(iter(part.values()))["held_out"]
        lines += [f"## Trained on {NAMES[data]}", "", f"{held_out} held-out frames.", ""]
        for title, table in (
            ("Faithfulness, size and speed", _faithful(part)),
            ("Is the space made of hearts?", _valid(part)),
            ("Does one dimension tell one attribute?", _attributes(part)),
            ("As the prior of the corrector", _corrects(part, untouched)),
        ):
            lines += [f"### {title}", "", *table, ""]
    lines += ["## Targets of the shipped priors", "", *_targets(found), ""]
    lines += ["## How to read it", "", *READING, ""]
    return "\n".join(lines)


def _lineage() -> list[str]:
    lines = ["| model | what it is |", "|---|---|"]
    return lines + [f"| `{name}` | {summary(name)} |" for name in model_names()]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [
        "| " + " | ".join(head) + " |",
        "|" + "---|" * len(head),
        *("| " + " | ".join(row) + " |" for row in rows),
    ]


def estimate(value: Sequence[float | None] | None) -> Interval:
    """An interval that was kept as a list."""
    if value is None:
        return Interval(math.nan)
    return Interval(*(math.nan if v is None else v for v in value))


def _faithful(part: Figures) -> list[str]:
    rows = []
    for entry, f in part.items():
        dice = [estimate(v).value for v in f["reconstruction"]["dice"]]
        far = [estimate(v).value for v in f["reconstruction"]["hausdorff_mm"]]
        elbo = f["elbo"] or {"elbo": None, "divergence": None}
        rows.append(
            [
                f"`{entry.model}`",
                " / ".join(number(v, 3) for v in dice),
                " / ".join(number(v, 1) for v in far),
                interval(estimate(elbo["elbo"]), 0) if f["elbo"] else "-",
                number(estimate(elbo["divergence"]).value, 1),
                f"{f['parameters'] / 1e6:.2f}",
                f"{f['steps']:,}",
                f"{f['speed']['encode']:,.0f} / {f['speed']['decode']:,.0f}",
            ]
        )
    head = ["model", "Dice LV / MYO / LA", "Hausdorff LV / MYO / LA, mm", "ELBO, nats a frame"]
    head += ["of it KL", "million numbers", "steps", "encode / decode, frames a second and core"]
    return [
        "Encode-decode on each mask's own grid. The ELBO counts every visible pixel of the "
        "canonical grid (`cardiovae.evaluation.likelihood`); models whose codes are points have "
        "none.",
        "",
        *_table(head, rows),
    ]


def _valid(part: Figures) -> list[str]:
    rows = []
    for entry, f in part.items():
        cells = [f"`{entry.model}`"]
        for found in (*f["draws"].values(), *f["between"].values()):
            cells += [_share(found["camus"]), _share(found["all"], plain=True)]
        rows.append(cells)
    head = ["model"]
    for name in ("own prior", "Parzen", "shrunk", "linear", "spherical"):
        head += [f"{name}: `camus`", "all"]
    return [
        "Share in percent of 1,000 draws from the model's own prior (standard normal, two levels, "
        "or words one after the other), from the Parzen density of its training codes, of which "
        "the banks are drawn, and from the shrunk one (`cardiovae.latent.shrunk`) that are valid, "
        "and of the hearts at even steps between those of 100 pairs of patients, on a "
        "straight way and on a sphere around the mean code. `all`: passes `camus` and "
        "`camus-public`, with and without its atrium. Codes of `ae`, `contractive` and "
        "`denoising` are held to no density, so a standard normal is none of theirs.",
        "",
        *_table(head, rows),
    ]


def _share(value: Sequence[float | None], *, plain: bool = False) -> str:
    found = estimate(value)
    scaled = Interval(100 * found.value, 100 * found.low, 100 * found.high)
    return number(scaled.value, 1) if plain else interval(scaled, 1)


def _attributes(part: Figures) -> list[str]:
    names = ("interpretability", "scc", "mig", "sap", "modularity")
    rows = []
    for entry, f in part.items():
        found = f["attributes"]
        cells = [f"`{entry.model}`"]
        cells += [number(_known(found["means"][name]), 3) for name in names]
        if f["follows"]:
            cells += [
                f"{number(_known(found[name][i]), 3)} ({found['names'][i]})"
                for name in ("assigned_r2", "assigned_scc")
                for i in (_lowest(found[name]),)
            ]
        else:
            cells += ["-", "-"]
        rows.append(cells)
    head = ["model", "interpretability", "SCC", "MIG", "SAP", "modularity"]
    head += ["lowest R2 of a followed attribute", "lowest rank correlation"]
    return [
        "Metrics of Pati and Lerch 2021 over the seven regularized attributes; published AR-VAE "
        "on images: interpretability .85, SCC .89 to .96, MIG .14 to .69, SAP .55 to .85, "
        "modularity .85 to .96. The last columns are of the dimension that is to follow.",
        "",
        *_table(head, rows),
    ]


def _known(value: float | None) -> float:
    return math.nan if value is None else value


def _lowest(values: Sequence[float | None]) -> int:
    return int(np.nanargmin([_known(v) for v in values]))


def _corrects(part: Figures, untouched: Mapping[str, Pool]) -> list[str]:
    before = untouched["a"], untouched["corrupted"]
    head = ["model", "bank", "predictions: passes `camus` / `-public`, %", "Dice x 100"]
    head += ["to the input", "Hausdorff, mm", "to the input", "cines: Dice x 100", "Hausdorff, mm"]
    head += ["flagged", "EF MAE, points"]
    rows = [["input", "", *_untouched(before)]]
    for entry, f in part.items():
        found = f["correction"]
        if "reason" in found:
            rows.append([f"`{entry.model}`", "none", *["-"] * (len(head) - 2)])
            continue
        a, cines = (pool(found[name]) for name in ("a", "corrupted"))
        cells = [f"`{entry.model}`", "drawn"]
        cells.append(" / ".join(percent(a.valid[:, k]) for k in (0, 1)))
        for field, scale, digits in (("dice", 100, 1), ("hausdorff_mm", 1, 1)):
            mine, theirs = (np.nanmean(getattr(p, field), 1) for p in (a, before[0]))
            moved = difference(mine, theirs, a.patients, np.random.default_rng(0))
            moved = Interval(*(scale * v for v in (moved.value, moved.low, moved.high)))
            cells += [number(scale * known_mean(mine), digits), with_interval(moved, digits)]
        rows.append([*cells, *_cines(cines)])
    refused = [f"`{e.model}`: {refusal(e)}" for e in part if refusal(e)]
    n = [len(p.lengths) for p in before]
    return [
        f"`correct` with the model as its prior, on {n[0]} real U-Net predictions that fail "
        f"`camus` and on {n[1]} phantom cines broken by the corruption model (severity 0.5). No "
        "model here has a second encoder that learned the errors of networks, the shipped prior's "
        "is left out.",
        "",
        *_table(head, rows),
        *([""] if refused else []),
        *refused,
    ]


def _untouched(before: tuple[Pool, Pool]) -> list[str]:
    a, cines = before
    cells = [" / ".join(percent(a.valid[:, k]) for k in (0, 1))]
    for field, scale in (("dice", 100), ("hausdorff_mm", 1)):
        cells += [number(scale * known_mean(np.nanmean(getattr(a, field), 1)), 1), ""]
    return [*cells, *_cines(cines)]


def _cines(cines: Pool) -> list[str]:
    return [
        number(100 * known_mean(np.nanmean(cines.dice, 1)), 1),
        number(known_mean(_mean_of_known(cines.hausdorff_mm)), 1),
        str(int((~cines.steady[:, 0]).sum())),
        number(known_mean(absolute_errors(cines.ef, cines.ef_true)), 2),
    ]


def _mean_of_known(values: Values) -> Values:
    """Mean of the known values of each row (N, 3), NaN where none is."""
    known = np.isfinite(values)
    total = np.where(known, values, 0.0).sum(1)
    return np.where(known.any(1), total / np.maximum(known.sum(1), 1), np.nan)


def _targets(found: Figures) -> list[str]:
    rows = []
    for entry, f in found.items():
        if entry.model != SHIPPED:
            continue
        attributes = f["attributes"]
        for text, value, target in (
            (
                "R2 of every attribute on its dimension",
                min(map(_known, attributes["assigned_r2"])),
                TARGETS["interpretability"],
            ),
            (
                "rank correlation of every attribute with its dimension",
                min(map(_known, attributes["assigned_scc"])),
                TARGETS["scc"],
            ),
            *(
                (
                    f"draws that pass `camus`, {name}",
                    estimate(f["draws"][key]["camus"]).value,
                    TARGETS["parzen"],
                )
                for key, name in (
                    ("parzen", "round kernels, as the shipped bank was drawn"),
                    ("shrunk", "shrunk kernels along the correlations"),
                )
            ),
            (
                "hearts on straight ways between patients that pass `camus`",
                estimate(f["between"]["linear"]["camus"]).value,
                TARGETS["between"],
            ),
        ):
            verdict = "held" if value >= target else "missed"
            rows.append([NAMES[entry.data], text, f"{value:.3f}", f"{target}", verdict])
    return _table(["prior", "what", "found, lowest", "target", ""], rows)
