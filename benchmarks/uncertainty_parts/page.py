"""The page docs/explanation/uncertainty.md, from numbers."""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping, Sequence
from typing import Any

from proof.text import interval, number, with_interval
from proof.versions import commit, machine

from cardiovae.intervals.bootstrap import Interval
from cardiovae.uncertainty.record import SIGNALS
from uncertainty_parts.analysis import MapQuality, SignalQuality
from uncertainty_parts.networks import Row
from uncertainty_parts.promises import Detection, Promise

PUBLISHED = (
    ("entropy", 0.66, 0.02), ("ConfidNet", 0.34, 0.04), ("CRISP", 0.71, 0.20),
    ("MC-dropout", 0.67, 0.03), ("LCE", 0.58, 0.44),
)  # fmt: skip
"""|Pearson| and mutual information on CAMUS (Judge et al., MICCAI 2022), of another network."""
NAMES = {
    "real": "CAMUS, predictions of U-Nets",
    "phantom": "drawn cines, U-Net",
    "before": "CAMUS, predictions as they came",
}


def intro() -> list[str]:
    """What the page is, and what it was measured on."""
    return [
        "# How doubt is measured, and what it is worth",
        "",
        f"Generated on {datetime.datetime.now(tz=datetime.UTC).date()} by `python "
        f"benchmarks/uncertainty.py ../shared/data` at commit {commit()}, {machine()}.",
        "",
        "A corrected mask looks the same whether it is right or not. So `cardiovae correct` "
        "says three things about its result: where in the picture a contour is doubtful, which "
        "frames a person should look at, and how far the ejection fraction (EF) may be off.",
        "",
        "| source | sees | says |",
        "|---|---|---|",
        "| `posterior` | the shape alone | samples of valid hearts around the result, spread as "
        "networks were seen to err (`errors.npz` of the prior): entropy of each pixel, bands "
        "around contours, spread of areas and of the EF |",
        "| `crisp` | shape and image | masks of valid hearts whose place in a joint space of "
        "images and masks is near the image (Judge et al., MICCAI 2022): where they disagree "
        "with the result |",
        "| opinion (with `crisp`) | shape and image | a small network that looks at image and "
        "result together and says how probable another label is at each pixel |",
        "",
        "Doubt by the shape does not see the image: a plausible heart in the wrong place is none "
        "of its business. Everything below is of patients that no prior, no model of images and "
        "no network was trained on. CAMUS: the 120 patients of part `test`, ED and ES of both "
        "views, as the shared U-Nets segmented them after 2, 4 and 10 epochs and from degraded "
        "images (`shift`; the degraded images are not in the data, so models of images see the "
        "clean ones there). Drawn: cines of a cohort of their own, imaged by the simulation and "
        "segmented by a U-Net. Hearts in pictures are drawn ones.",
        "",
    ]


def methods(rows: Sequence[Row]) -> list[str]:
    """Ways to tell where one network is wrong, on the very images it saw."""
    lines = [
        "## On any network: which method tells where it is wrong",
        "",
        "Predictions of the U-Net of `benchmarks/camus_unet.py` (dropout 0.1) on all 480 test "
        "frames at four levels of quality: last epoch, last epoch on degraded images (which all "
        "methods see here), middle and early epochs. Corr: absolute Pearson correlation of the "
        "frame's score with its Dice. MI: mutual information of error and doubt, in nats, frames "
        "weighted by their errors; it cannot exceed the entropy of the error map, which is 0.1 to "
        "0.3 here. ECE: calibration error of pixels predicted as heart. AUROC: of frames with a "
        "Dice below 0.85. AURC: mean of 1 - Dice of the frames kept, over all shares kept.",
        "",
        "| method | Corr | MI | ECE | AUROC | AURC |",
        "|---|---|---|---|---|---|",
    ]
    for row in (r for r in rows if r.level == "all"):
        lines.append(
            f"| {row.method} | {number(row.pearson, 3)} | {number(row.mi, 3)} | "
            f"{number(row.ece, 3)} | {number(row.auroc, 3)} | {number(row.aurc, 4)} |"
        )
    levels = list(dict.fromkeys(r.level for r in rows if r.level != "all"))
    lines += [
        "",
        "Corr at each level:",
        "",
        "| method | " + " | ".join(levels) + " |",
        "|---|" + "---|" * len(levels),
    ]
    for method in dict.fromkeys(r.method for r in rows):
        found = {r.level: r.pearson for r in rows if r.method == method}
        lines.append(
            f"| {method} | " + " | ".join(number(found[name], 3) for name in levels) + " |"
        )
    said = "; ".join(f"{name} {corr:.2f} and {mi:.2f}" for name, corr, mi in PUBLISHED)
    return [
        *lines,
        "",
        f"Published on CAMUS, for another network (Corr and MI): {said}.",
        "",
    ]


def crisp(found: Mapping[str, Any]) -> list[str]:
    """CRISP and the opinion on the shared predictions, and the width of the kernel."""
    lines = [
        "## CRISP, its kernel, and the opinion on the shared predictions",
        "",
        "| method | level | frames | Corr | MI | MI, at most |",
        "|---|---|---|---|---|---|",
    ]
    for name, level, n, corr, mi, most in found["rows"]:
        lines.append(
            f"| {name} | {level} | {n} | {number(corr, 3)} | {number(mi, 3)} | {number(most, 3)} |"
        )
    return [*lines, "", *found["words"], ""]


def signals(found: Mapping[str, Mapping[str, SignalQuality]]) -> list[str]:
    """Single signals of corrected frames."""
    lines = ["## Which frames to look at", ""]
    for kind, table in found.items():
        lines += [
            f"Signals of {'frames' if kind == 'before' else 'corrected frames'}, {NAMES[kind]}, "
            "all levels together; best first:",
            "",
            "| signal | what it is | frames | Corr | AUROC [95 %] | AURC |",
            "|---|---|---|---|---|---|",
        ]
        order = sorted(table.items(), key=lambda item: -item[1].auroc)
        for name, q in order:
            words = f"{number(q.auroc, 3)} [{number(q.auroc_low, 3)}, {number(q.auroc_high, 3)}]"
            lines.append(
                f"| {name} | {SIGNALS.get(name, 'all inputs of the judge together')} | {q.n} | "
                f"{number(q.pearson, 3)} | {words} | {number(q.aurc, 4)} |"
            )
        lines.append("")
    return lines


def detection(rows: Sequence[Sequence[str]], shipped: Mapping[str, Detection]) -> list[str]:
    """One probability of failure from all signals."""
    lines = [
        "## One probability that a frame failed",
        "",
        "A frame failed when its Dice (mean of the structures) is below 0.85. The judge is a "
        "logistic regression of few signals, named before any of this was measured; each frame "
        "is judged by models that never saw its patient (cross-validation by patient). Isotonic "
        "calibration on top is in the table too: it costs some of the order and is not used.",
        "",
        "| data | judge | of | level | failed | AUROC [95 %] | ECE |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    for kind, found in shipped.items():
        if not found.share_judged:
            lines += ["", f"{NAMES[kind]}: {found.reason}; no judge of frames is shipped."]
            continue
        lines += [
            "",
            f"As it is shipped ({NAMES[kind]}; three quarters of the patients teach, the others "
            f"test, mean over the deals): AUROC {number(found.auroc, 3)}, ECE "
            f"{number(found.ece, 3)}, {100 * found.share_judged:.1f} % of the frames judged. "
            f"With the threshold that promises to miss {100 * found.promised:.0f} % of the "
            f"failed frames of a patient, {100 * found.missed:.1f} % were missed and "
            f"{100 * found.looked:.0f} % of all frames were to be looked at "
            f"({100 * found.failed:.0f} % had failed).",
        ]
    return [
        *lines,
        "",
        "![Reliability](../images/uncertainty_reliability.png)",
        "",
        "![Risk and coverage](../images/uncertainty_risk.png)",
        "",
    ]


def intervals(found: Mapping[str, Sequence[Promise]], n_deals: int) -> list[str]:
    """Conformal intervals and whether they hold."""
    lines = [
        "## Intervals that hold",
        "",
        "Split conformal prediction by patient: errors on earlier patients bound that on a new "
        "one, whatever their distribution, as long as the new patient is like them. The interval "
        "of the EF is as wide as its samples spread, times what calibration found; that of the "
        "LV area is relative; the Dice has a lower bound. Three quarters of the patients "
        f"calibrate and the others test, {n_deals} times; brackets hold the middle 95 % of the "
        "deals. By construction the promise is kept on average or exceeded, by at most one part "
        "in the number of patients that teach it (of the Dice, seven in ten of them).",
        "",
        "| data | of | promised | held [95 % of deals] | mean width | held at each level |",
        "|---|---|---|---|---|---|",
    ]
    for kind, promises in found.items():
        for p in (p for p in promises if math.isfinite(p.found)):
            unit = {"EF": "points", "LV area": "mm2"}.get(p.what, "")
            width = "-" if math.isnan(p.width) else f"{p.width:.1f} {unit}"
            by = ", ".join(f"{name} {100 * share:.0f}" for name, share in p.by_level.items())
            lines.append(
                f"| {NAMES[kind]} | {p.what} | {100 * p.level:.0f} % | {100 * p.found:.1f} "
                f"[{100 * p.low:.1f}, {100 * p.high:.1f}] % | {width} | {by} |"
            )
    return [
        *lines,
        "",
        "Only the share over all levels is promised: a network much worse than the mixture above "
        "breaks the promise, one much better gets intervals that are too wide. `cardiovae "
        "uncertainty evaluate --calibrate` learns them anew from your own network. `camus` was "
        "calibrated on pairs of ED and ES: for whole cines, whose neighbors make samples spread "
        "less, nothing is promised.",
        "",
        "![Intervals](../images/uncertainty_ejection.png)",
        "",
    ]


def maps(found: Mapping[str, Mapping[str, MapQuality]]) -> list[str]:
    """Maps of corrected frames."""
    lines = [
        "## Where in the picture",
        "",
        "| data | map | frames | pixel ECE | MI |",
        "|---|---|---|---|---|",
    ]
    for kind, table in found.items():
        for name, q in table.items():
            lines.append(
                f"| {NAMES[kind]} | {name} | {q.n} | {number(q.ece, 3)} | {number(q.mi, 3)} |"
            )
    return [
        *lines,
        "",
        "The entropy of samples is no probability of an error and is not meant as one: it says "
        "how far contours may lie. The opinion's map is one.",
        "",
        "![Examples](../images/uncertainty_examples.png)",
        "",
    ]


def guided(found: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Whether the correction gains from what the image says."""
    lines = [
        "## Should the correction itself heed the image?",
        "",
        "With `--set uncertainty.guided=true` frames that the image speaks against weigh less, "
        "and contours at doubtful pixels are not carried over. Sequences that either way changes, "
        "guided less plain:",
        "",
        "| data | sequences | Dice, points | error of the EF, points |",
        "|---|---|---|---|",
    ]
    for kind, row in found.items():
        dice = Interval(*(100 * v for v in (row["dice"].value, row["dice"].low, row["dice"].high)))
        lines.append(
            f"| {NAMES[kind]} | {row['n']} | {with_interval(dice, 2)} | "
            f"{with_interval(row['ef'], 2)} |"
        )
    better = all(row["dice"].low > 0 for row in found.values())
    return [
        *lines,
        "",
        (
            "The Dice rises on both, by so little that it is off unless asked for."
            if better
            else "It does not help on both beyond doubt, so it is off unless asked for."
        ),
        "",
    ]


def verdicts(rows: Sequence[tuple[str, str, bool]]) -> list[str]:
    """Targets, met or missed."""
    lines = ["## Targets", "", "| target | measured | |", "|---|---|---|"]
    lines += [
        f"| {what} | {found} | {'met' if met else '**missed**'} |" for what, found, met in rows
    ]
    return [*lines, ""]


def estimate(value: Interval, digits: int) -> str:
    """An estimate with its interval."""
    return interval(value, digits)
