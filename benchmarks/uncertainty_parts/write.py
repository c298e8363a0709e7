"""From records to the page, its figures, and what priors ship."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cardiovae.bank import load_bank
from cardiovae.calibration.association import absolute_pearson, mean_by_error, mutual_information
from cardiovae.calibration.record import FILE, calibration_text
from cardiovae.calibration.reliability import expected_calibration_error
from cardiovae.calibration.roc import auroc
from cardiovae.correction.correct import correct_sequence
from cardiovae.crisp.folder import load_crisp
from cardiovae.crisp.images import gray_levels
from cardiovae.crisp.kernel import concentration, kernel_width, published_concentration
from cardiovae.crisp.search import SearchConfig
from cardiovae.io.atomic import write_text
from cardiovae.prior.folder import load_prior
from cardiovae.prior.shipped import prior_folder
from cardiovae.uncertainty.assess import assess
from cardiovae.uncertainty.experts import Experts, load_experts
from uncertainty_parts import figures, guided, networks, page
from uncertainty_parts.analysis import (
    BELOW,
    JUDGES,
    Frames,
    Records,
    SignalQuality,
    failure_probability,
    frames_of,
    map_quality,
    reliability_of,
    signal_quality,
    worse_when_high,
)
from uncertainty_parts.cases import INSTANTS, LEVELS, phantom_cases
from uncertainty_parts.crisp_scores import (
    VARIANTS,
    CrispScores,
    crisp_scores,
    largest_information,
)
from uncertainty_parts.measure import ASKED, CONFIG
from uncertainty_parts.opinion_scores import opinion_scores
from uncertainty_parts.promises import (
    N_DEALS,
    Promise,
    calibrated,
    hearts_of,
    kept_promises,
)
from uncertainty_parts.units import PRIORS, Unit, code_version, records_of

SOURCES = {
    "real": (
        "CAMUS (Leclerc et al., IEEE TMI 2019, CC BY-NC-SA 4.0): 120 patients held out, ED and ES "
        "of both views, segmented by small U-Nets of four qualities"
    ),
    "phantom": "drawn cines, imaged by simulation and segmented by a small U-Net",
}
N_GUIDED_REAL, N_GUIDED_PHANTOM = 60, 40
EXAMPLES = (1, 5, 8)
CLAIMED = ("with the image", "opinion_dice alone")
ISOTONIC = "with the image, isotonic"


def write(arguments: argparse.Namespace, done: Sequence[Unit], target: Path) -> None:
    """Everything that comes after measuring."""
    torch.set_num_threads(1)
    images = target.parent.parent / "images"
    records = {
        "real": [r for level in LEVELS for r in records_of(done, f"real/{level}")],
        "phantom": records_of(done, "phantom"),
    }
    frames = {kind: frames_of(found) for kind, found in records.items()}
    hearts = {kind: hearts_of(found) for kind, found in records.items()}
    kept = {k: kept_promises(frames[k], hearts[k]) for k in records}
    if arguments.calibrate:
        for kind in records:
            found = calibrated(PRIORS[kind], SOURCES[kind], frames[kind], hearts[kind])
            path = prior_folder(PRIORS[kind]) / FILE
            write_text(path, calibration_text(found), overwrite=True)
    compared = _networks(arguments)
    shared = _shared(arguments.data)
    before = predicted(frames["real"], records["real"], arguments.data)
    detected, reliabilities = _detection(frames, before)
    qualities = {kind: _signals(part) for kind, part in {"before": before, **frames}.items()}
    both_ways = _guided(arguments)
    figures.reliability_figure(reliabilities, images / "uncertainty_reliability.png")
    _risk(frames["real"], images / "uncertainty_risk.png")
    _intervals(records, hearts, images / "uncertainty_ejection.png")
    _examples(images / "uncertainty_examples.png")
    lines = [
        *page.intro(),
        *page.verdicts(_verdicts(shared, compared, kept, detected)),
        *page.methods(compared),
        *page.crisp(shared),
        *page.signals(qualities),
        *page.detection(detected, {kind: found for kind, (_, found) in kept.items()}),
        *page.intervals({kind: promises for kind, (promises, _) in kept.items()}, N_DEALS),
        *page.maps({kind: _maps(records[kind]) for kind in records}),
        *page.guided(both_ways),
    ]
    write_text(target, "\n".join(lines).rstrip() + "\n", overwrite=True)


def _signals(frames: Frames) -> dict[str, SignalQuality]:
    found = {
        name: signal_quality(worse_when_high(name, values), frames.dice, frames.patients)
        for name, values in frames.signals.items()
    }
    for name, inputs in JUDGES.items():
        probability = failure_probability(frames, inputs, frames.dice)
        found[f"judge {name}"] = signal_quality(probability, frames.dice, frames.patients)
    return {name: quality for name, quality in found.items() if quality.n}


def _detection(
    frames: Mapping[str, Frames], before: Frames
) -> tuple[list[list[str]], dict[str, Any]]:
    """Rows of the table and reliabilities by judge."""
    rows, reliabilities = [], {}
    cases = [("real", "prediction", before), *((kind, "result", f) for kind, f in frames.items())]
    for kind, of, part in cases:
        dice = part.dice
        others = {"opinion_dice alone": ("opinion_dice",), ISOTONIC: JUDGES["with the image"]}
        for judge, inputs in {**JUDGES, **(others if kind == "real" else {})}.items():
            isotonic = judge == ISOTONIC
            probability = failure_probability(part, inputs, dice, isotonic=isotonic)
            if of == "result" and judge in JUDGES and kind == "real":
                title = f"{page.NAMES[kind]},\n{judge}"
                reliabilities[title] = reliability_of(probability, dice < BELOW)
            for level in ("all", *dict.fromkeys(part.levels)):
                at = np.array([level in ("all", own) for own in part.levels])
                at &= np.isfinite(probability) & np.isfinite(dice)
                if not at.any():
                    continue
                failed = dice[at] < BELOW
                who = [p for p, k in zip(part.patients, at, strict=True) if k]
                area = page.estimate(auroc(probability[at], failed, who), 3)
                ece = expected_calibration_error(probability[at], failed)
                rows.append(
                    [page.NAMES[kind], judge, of, level, f"{100 * failed.mean():.0f} %",
                     area, f"{ece:.3f}"]
                )  # fmt: skip
    return rows, reliabilities


def predicted(frames: Frames, records: Records, data: Path) -> Frames:
    """The frames as they were predicted: signals of images of the prediction, and its Dice."""
    opinion, crisp = opinion_scores(data), crisp_scores(data)
    with np.load(data / "camus224_dev.npz") as masks, np.load(data / "unet_dev_preds.npz") as p:
        place = {str(name): i for i, name in enumerate(masks["names"][p["index"]])}
    at = np.array(
        [
            (LEVELS.index(r["level"]), place[f"{r['name']}_{instant}"])
            for r in records
            for instant in INSTANTS
        ]
    ).T
    of_image = {
        "opinion": opinion.score,
        "opinion_dice": opinion.expected_dice,
        "crisp": crisp.score,
        "crisp_dice": crisp.expected_dice,
        "crisp_cosine": crisp.cosine,
    }
    signals = {**frames.signals, **{name: values[*at] for name, values in of_image.items()}}
    return replace(frames, signals=signals, dice=frames.dice_before)


def _networks(arguments: argparse.Namespace) -> list[networks.Row]:
    experts = _experts("camus")
    found = {
        level: networks.measured(
            arguments.data, level, experts,
            arguments.cache / f"networks-{level}-{code_version('camus')}.json",
        )
        for level in networks.LEVELS
    }  # fmt: skip
    return networks.rows(found)


def _shared(data: Path) -> dict[str, Any]:
    """CRISP in its variants and the opinion on the shared predictions."""
    crisp = load_crisp("camus")
    rows = []
    for name, settings in VARIANTS.items():
        search = SearchConfig(**{**vars(crisp.search), **settings})
        rows += _crisp_rows(f"CRISP, {name}", crisp_scores(data, "camus", search))
    rows += _opinion_rows(data)
    codes = crisp.library.codes
    right, published = concentration(codes), published_concentration(codes)
    widths = [
        kernel_width(kernel, codes, crisp.scale)
        for kernel in ("learned", "estimator", "published")
    ]
    return {
        "rows": rows,
        "words": [
            f"The concentration of the library's {len(codes)} codes is {right:.2f} by the "
            f"estimator R (d - R^2) / (1 - R^2) and {published:.2f} as the published code "
            f"computes it, where an operator's precedence leaves out the division: kernel widths "
            f"{widths[1]:.4f} and {widths[2]:.4f}; that of `ours`, the temperature learned in "
            f"training, is {widths[0]:.4f}. `ours` further normalizes the weights, so that the "
            "map is a probability, and looks from beside as well.",
        ],
    }


def _crisp_rows(name: str, scores: CrispScores) -> list[tuple[str, str, int, float, float, float]]:
    rows = []
    for level, at in (("all", slice(None)), *((n, [i]) for i, n in enumerate(LEVELS))):
        score, dice, mi, errors = (
            getattr(scores, key)[at].ravel() for key in ("score", "dice", "information", "errors")
        )
        known = np.isfinite(score)
        most = largest_information(errors[known] / scores.maps[0, 0].size)
        rows.append(
            (name, level, int(known.sum()), absolute_pearson(score[known], dice[known]),
             mean_by_error(mi[known], errors[known]), mean_by_error(most, errors[known]))
        )  # fmt: skip
    return rows


def _opinion_rows(data: Path) -> list[tuple[str, str, int, float, float, float]]:
    scores = opinion_scores(data)
    with np.load(data / "camus224_dev.npz") as frames, np.load(data / "unet_dev_preds.npz") as p:
        truth = frames["masks"][p["index"]]
        error = np.stack([p[level] != truth for level in LEVELS])
    mi = np.array(
        [
            [mutual_information(e, m / np.float32(255)) for e, m in zip(*level, strict=True)]
            for level in zip(error, scores.maps, strict=True)
        ]
    )
    sizes = error.sum((2, 3)).astype(np.float64)
    rows = []
    for level, at in (("all", slice(None)), *((n, [i]) for i, n in enumerate(LEVELS))):
        score, dice, information, errors = (
            a[at].ravel() for a in (scores.score, scores.dice, mi, sizes)
        )
        known = np.isfinite(score)
        most = largest_information(errors[known] / error[0, 0].size)
        rows.append(
            ("opinion", level, int(known.sum()), absolute_pearson(score[known], dice[known]),
             mean_by_error(information[known], errors[known]), mean_by_error(most, errors[known]))
        )  # fmt: skip
    return rows


def _guided(arguments: argparse.Namespace) -> dict[str, Any]:
    n_real, n_phantom = (12, 6) if arguments.quick else (N_GUIDED_REAL, N_GUIDED_PHANTOM)
    found = {}
    for kind, cases, n in (
        ("real", guided.real(arguments.data, n_real), n_real),
        ("phantom", guided.phantoms(n_phantom), n_phantom),
    ):
        experts = _experts(PRIORS[kind])
        path = arguments.cache / f"guided-{kind}-{n}-{code_version(PRIORS[kind])}.json"
        found[kind] = guided.differences(
            guided.measured(cases, experts, load_bank(experts.prior), path)
        )
    return found


def _risk(frames: Frames, path: Path) -> None:
    columns = {
        "judge with the image": failure_probability(frames, JUDGES["with the image"], frames.dice),
        "opinion": frames.signals["opinion"],
        "CRISP": frames.signals["crisp"],
        "judge by shape alone": failure_probability(frames, JUDGES["by shape alone"], frames.dice),
        "misfit": frames.signals["misfit_mm"],
        "entropy of samples": frames.signals["entropy"],
    }
    figures.risk_figure(columns, frames.dice, path)


def _intervals(records: Mapping[str, Records], hearts: Mapping[str, Any], path: Path) -> None:
    """Intervals of patients that did not teach: half of them, dealt once."""
    rows = []
    for kind, found in records.items():
        frames, own = frames_of(found), hearts[kind]
        owners = sorted(set(own.patients))
        order = np.random.default_rng(0).permutation(owners)
        teach = set(order[: len(owners) // 2].tolist())  # enough of the others to look at
        taught = calibrated("half", "half", frames, own, teach)
        at = np.array([p not in teach for p in own.patients]) & np.isfinite(own.sd)
        at &= np.isfinite(own.true)
        ends = np.array(
            [taught.ef_interval(v, s, level=0.9)
             for v, s in zip(own.ef[at], own.sd[at], strict=True)]
        )  # fmt: skip
        rows.append(
            {"title": page.NAMES[kind], "true": own.true[at], "value": own.ef[at],
             "low": ends[:, 0], "high": ends[:, 1]}
        )  # fmt: skip
    figures.intervals_figure(rows, path)


def _examples(path: Path) -> None:
    experts = _experts("phantom")
    bank = load_bank(experts.prior)
    shown = []
    for number, case in enumerate(phantom_cases(0, max(EXAMPLES))):
        if number not in EXAMPLES:
            continue
        done = correct_sequence(case.sequence, experts.prior, bank, CONFIG)
        doubt = assess(
            done, experts, ASKED, rng=np.random.default_rng(0), images=gray_levels(case.images)
        )
        shown.append((case, doubt, int(np.argmin(doubt.look_rank))))
    figures.examples_figure(shown, path)


def _maps(records: Records) -> dict[str, Any]:
    found = {name: map_quality(records, name) for name in ("entropy", "opinion")}
    return {name: quality for name, quality in found.items() if quality is not None}


def _verdicts(
    shared: Mapping[str, Any],
    compared: Sequence[networks.Row],
    kept: Mapping[str, tuple[Sequence[Promise], Any]],
    detected: Sequence[Sequence[str]],
) -> list[tuple[str, str, bool]]:
    """The targets that were set, and what came of them."""
    own = {(name, level): rest for name, level, _, *rest in shared["rows"]}
    corr, mi, most = own["CRISP, estimator", "all"]
    ours, ours_mi, _ = own["opinion", "all"]
    rows = [
        ("CRISP, Corr at least 0.71 on the shared predictions", f"{corr:.3f}", corr >= 0.71),
        (
            "CRISP, MI at least 0.20 on the shared predictions",
            f"{mi:.3f}; a map that knew every error would reach {most:.3f}",
            mi >= 0.20,
        ),
        ("ours better: Corr", f"{ours:.3f}", ours > max(corr, 0.71)),
        ("ours better: MI", f"{ours_mi:.3f}", ours_mi > max(mi, 0.20)),
    ]
    for kind, words in (("real", "on held-out patients"), ("phantom", "on drawn cines")):
        for p in kept[kind][0]:
            if kind == "phantom" and p.what != "EF":
                continue
            rows.append(
                (f"intervals of {p.what} hold within 2 points of {100 * p.level:.0f} % {words}",
                 f"{100 * p.found:.1f} %", abs(p.found - p.level) <= 0.02)
            )  # fmt: skip
    for row in detected:
        if row[0] == page.NAMES["real"] and row[1] in CLAIMED and row[3] == "all":
            value = float(row[5].split()[0])
            what = f"failure detection, {row[2]}, {row[1]}: AUROC at least 0.9"
            rows.append((what, row[5], value >= 0.9))
    return rows


def _experts(name: str) -> Experts:
    return load_experts(load_prior(name), by_image=True)
