"""The page that `prior_speed.py` writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cardiovae.io.atomic import write_text

if TYPE_CHECKING:
    from prior_speed_variants import Case

WANTED = 3.0  # times as fast as the published network
TITLES = {
    "labels": "label maps to label maps of 256 x 256",
    "encode": "encode",
    "decode": "decode",
    "train": "one training step",
}
TABLE = (
    "| | network | how | frames/s | published = 1 | GFLOP a frame | share of the limit "
    "| ready after |"
)


def write_page(
    path: Path, cases: Sequence[Case], facts: Mapping[str, Any], notes: Sequence[str]
) -> None:
    """Write the page, in place of an older one."""
    lines = [*_head(facts), "", *_summary(cases), "", TABLE, "|---" * 8 + "|"]
    best = _best(cases)
    for what, title in TITLES.items():
        for whose in ("published", "ours"):
            for case in (c for c in cases if (c.what, c.whose) == (what, whose)):
                ratio = case.per_second / best[what, "published"].per_second
                lines.append(_row(title, case, ratio, float(facts["limit"])))
    lines += ["", *_reading(facts, notes)]
    write_text(path, "\n".join(lines) + "\n", overwrite=True)


def _best(cases: Sequence[Case]) -> dict[tuple[str, str], Case]:
    """The fastest variant of each network at each task; drawing a batch is no variant of it."""
    found: dict[tuple[str, str], Case] = {}
    for case in cases:
        key = case.what, case.whose
        if "drawn" not in case.how and (
            key not in found or case.per_second > found[key].per_second
        ):
            found[key] = case
    return found


def _head(facts: Mapping[str, Any]) -> list[str]:
    cine, trained = facts["frames"]
    millions = {whose: f"{n / 1e6:.1f}" for whose, n in facts["sizes"].items()}
    clock = "wall time" if facts["cuda"] else "processor time of one thread"
    return [
        "# How fast the network is",
        "",
        f"Made by `python benchmarks/prior_speed.py` at commit {facts['commit']} on "
        f"{facts['machine']}; {facts['versions']}; do not edit. "
        + ("" if facts["cuda"] else "No GPU was there to measure. ")
        + f"Medians of {facts['repeats']} rounds, {clock}; {cine} frames at a time, {trained} a "
        "training step; all cases in every round, so that what else the machine does hits all "
        "alike. Use the ratios.",
        "",
        "*Published* is the network of the AR-VAE (Painchaud et al., IEEE TMI 41(10), 2022) at "
        f"its own size: 256 x 256 pixels, 48 to 384 channels, {millions['published']} million "
        "weights, built plainly after its public configuration. *Ours* is that of the prior "
        f"`camus`: 128 x 96 pixels, 32 to 128 channels, {millions['ours']} million weights.",
    ]


def _summary(cases: Sequence[Case]) -> list[str]:
    best = _best(cases)
    lines = []
    for what, title in TITLES.items():
        ours, published = best[what, "ours"], best[what, "published"]
        ratio = ours.per_second / published.per_second
        reached = "reached" if ratio >= WANTED else "MISSED"
        lines.append(
            f"- {title}: **{ratio:.1f} times** the frames per second, {_compared(what)} "
            f"({ours.how}; {published.how}); wanted {WANTED:g}: {reached}."
        )
    return lines


def _compared(what: str) -> str:
    """Which variants a task compares."""
    return "neither compiled" if what in ("labels", "train") else "each in its fastest variant"


def _row(title: str, case: Case, ratio: float, limit: float) -> str:
    counted = bool(np.isfinite(case.flop))
    share = f"{100 * case.flop * case.per_second / limit:.0f} %" if counted else ""
    ready = f"{case.ready_s:.0f} s" if case.ready_s >= 0.5 else ""
    operations = f"{case.flop / 1e9:.2f}" if counted else ""
    return (
        f"| {title} | {case.whose} | {case.how} | {case.per_second:.1f} | {ratio:.2f} | "
        f"{operations} | {share} | {ready} |"
    )


def _reading(facts: Mapping[str, Any], notes: Sequence[str]) -> list[str]:
    dice = " / ".join(f"{facts['dice'][f'dice_{s}']:.3f}" for s in ("lv", "myo", "la"))
    return [
        "*Published = 1* compares with the fastest variant of the published network. *Share of "
        "the limit*: operations of convolutions and matrix products, over the "
        f"{facts['limit'] / 1e9:.0f} GFLOP/s that a large float32 convolution or matrix product "
        "reached at best in the same rounds. *Ready after*: compiling or exporting, once. "
        "*With its batch drawn* adds to a step the moving, mixing and damaging of its shapes, "
        "which the published training does not do.",
        "",
        f"Quality at this speed: ours gives the masks of 120 held-out CAMUS patients back at Dice "
        f"{dice} (LV / MYO / LA, [prior.md](prior.md)). No reconstruction error of the published "
        "network on masks has been published.",
        *[line for note in notes for line in ("", note)],
    ]
