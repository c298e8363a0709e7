"""The page: docs/explanation/quality.md, all of it generated."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date

from cardiovae.baselines.methods import METHODS
from proof import tables
from proof.cases import IMAGES, SEVERITIES, Settings
from proof.verdicts import (
    HELD,
    MISSED,
    REPLACED_SHARE,
    UNDECIDED,
    Measured,
    verdicts,
)
from proof.versions import commit, machine


def page(
    m: Measured,
    settings: Settings,
    drawn: Iterable[tuple[str, str]],
    cannot: Mapping[str, str],
    command: str,
) -> str:
    """Markdown of the whole page."""
    lines = [
        "# How good the correction is",
        "",
        f"Generated on {date.today().isoformat()} by `{command}` at commit {commit()}, prior "
        f"`{settings.prior}`, seed {settings.seed}, {machine()}; times are of one core. None of "
        "the patients or hearts here trained the prior. Intervals in brackets are 95 % bootstrap "
        "intervals that draw whole patients. Dice and distances are per frame, LV / MYO / LA; a "
        "distance is undefined, and left out, where one of the two lacks the structure.",
        "",
        "Why some targets are missed, and what was tried: [missed targets](missed-targets.md). "
        "What each part of the correction pays: [ablations](ablations.md).",
        "",
        *_targets(m),
        *_figures(drawn),
    ]
    for part, section in (
        ("a", _single_frames),
        ("b", _real_cine),
        ("c corrupted", _phantoms),
        ("c network", _phantoms),
        ("harm", _harm),
        ("unknown", _unknown),
    ):
        if m.groups(part):
            lines += section(m, part, settings)
    lines += ["## Methods", ""]
    lines += [f"- `{name}`: {METHODS[name]}" for name in m.methods]
    lines += [f"- `{name}`: not measured, {reason}" for name, reason in cannot.items()]
    return "\n".join(lines).rstrip() + "\n"


def _targets(m: Measured) -> list[str]:
    found = list(verdicts(m))
    count = {w: sum(v.word == w for v in found) for w in (HELD, UNDECIDED, MISSED)}
    return [
        "## Targets",
        "",
        f"{count[HELD]} held, {count[UNDECIDED]} undecided, {count[MISSED]} missed; the words are "
        "given by a rule: a number is held or missed; a comparison is held when the mean "
        "difference is on the right side of zero, undecided when only its interval is.",
        "",
        *tables.verdict_table(found),
    ]


def _figures(drawn: Iterable[tuple[str, str]]) -> list[str]:
    lines = []
    for name, caption in drawn:
        lines += [f"![{caption}](../images/{name})", "", f"*{caption}*", ""]
    return lines


def _single_frames(m: Measured, part: str, settings: Settings) -> list[str]:
    return [
        "## (a) Real predictions: a U-Net at four levels of quality, single frames",
        "",
        f"{settings.n_predictions} predictions of each level on held-out CAMUS patients, 224 x "
        "224 pixels. All levels together:",
        "",
        *tables.main_table(m, part),
        "Paired with the input, on the frames that fail `camus` before:",
        "",
        *tables.paired_table(m, part, invalid=True),
        "By level, input to `full`:",
        "",
        *tables.levels_table(m, part),
        *_details(m, part),
    ]


def _real_cine(m: Measured, part: str, settings: Settings) -> list[str]:
    return [
        "## (b) A real cine: Echo-Toolkit, 25 frames, no atrium annotated",
        "",
        *tables.main_table(m, part),
    ]


def _phantoms(m: Measured, part: str, settings: Settings) -> list[str]:
    made = {
        "c corrupted": (
            "broken by the corruption model",
            "Severities " + ", ".join(f"{k} {v}" for k, v in SEVERITIES.items()),
        ),
        "c network": (
            "segmented by a network",
            "Every cine is imaged once, as simulated B-mode images of one of three severities, "
            "which a MONAI U-Net trained on such images segments (`benchmarks/phantom_unet.py`): "
            + ", ".join(f"{k} {v}" for k, v in IMAGES.items()),
        ),
    }[part]
    return [
        f"## (c) Phantom cines {made[0]}",
        "",
        f"{2 * settings.n_hearts} cines, 2CH and 4CH in equal parts, a full cycle of "
        f"{settings.n_frames} frames. {made[1]}. The two views of a phantom are two hearts, so "
        "ejection fractions are single-plane, of every cine on its own, against the true one of "
        "its heart.",
        "",
        *tables.main_table(m, part),
        "Paired with the input, on all frames:",
        "",
        *tables.paired_table(m, part, invalid=False),
        "Paired with the input, on the frames that fail `camus` before:",
        "",
        *tables.paired_table(m, part, invalid=True),
        "Ejection fraction in points of percent, and smoothness of the LV area (integral of the "
        "squared second derivative, geometric mean of the ratios):",
        "",
        *tables.ejection_table(m, part),
        *tables.reference_lines(m, part),
        "By level, input to `full`:",
        "",
        *tables.levels_table(m, part),
        *_details(m, part),
    ]


def _details(m: Measured, part: str) -> list[str]:
    """Every level on its own, folded away."""
    lines = ["<details><summary>Every method at every level</summary>", ""]
    for group in m.groups(part):
        lines += [f"### {group}", "", *tables.main_table(m, group)]
    return [*lines, "</details>", ""]


def _harm(m: Measured, part: str, settings: Settings) -> list[str]:
    return [
        "## Good masks: CAMUS ground truth at full resolution",
        "",
        *tables.harm_table(m),
    ]


def _unknown(m: Measured, part: str, settings: Settings) -> list[str]:
    return [
        "## What the prior does not know",
        "",
        "Real masks as the prior never saw them, sound or broken by the corruption model first "
        "(severity 0.6), corrected by `full`. Percentiles are those of the input among the "
        "training shapes: of its code, and of code and misfit together, by which a frame is "
        'flagged as out of distribution. "Labels changed" is the number of changed pixels over '
        "that of labelled ones; a frame "
        f"with more than {100 * REPLACED_SHARE:.0f} % counts as replaced.",
        "",
        *tables.unknown_table(m),
    ]
