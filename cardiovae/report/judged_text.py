"""A judgement of doubt as sentences and tables of words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cardiovae.report.evaluation_text import NONE, Table
from cardiovae.report.headline import Tile
from cardiovae.report.wording import count, is_number, number

Record = Mapping[str, Any]
Row = Mapping[str, Any]
TITLES: Mapping[str, str] = {
    "entropy": "entropy",
    "band_mm": "width of the contour band (mm)",
    "lv_area_sd": "spread of the LV area",
    "density_percentile": "density percentile",
    "typicality_percentile": "typicality percentile",
    "misfit_mm": "misfit of the contours (mm)",
    "mahalanobis": "Mahalanobis distance",
    "disagreement": "disagreement with the input",
    "motion_sd": "spread of the motion",
    "valid_share": "share of valid samples",
    "crisp": "CRISP",
    "crisp_cosine": "CRISP cosine",
    "crisp_dice": "Dice by CRISP",
    "opinion": "second opinion",
    "opinion_dice": "Dice by the second opinion",
    "failure_probability": "probability of failure",
    "dice_expected": "expected Dice",
    "dice_low": "lower bound of Dice",
}
MAP_TITLES: Mapping[str, str] = {"posterior": "posterior entropy", "crisp": "CRISP"}
GOOD_AUROC = 0.9
TOLERANCE = 0.02
MISS_RATE = 0.1
MOST_CURVES = 6
PROBABILITY = "failure_probability"


def signal_name(name: str) -> str:
    """A signal in words.

    Examples:
        >>> signal_name("motion_sd"), signal_name("edge_width")
        ('spread of the motion', 'edge width')
    """
    return TITLES.get(name, name.replace("_", " "))


def headline(record: Record) -> str:
    """How many frames failed, and how well that was known, in a sentence."""
    text = (
        f"{count(record['n_failed'], 'frame')} of {record['n_frames']:,} with a Dice below "
        f"{record['below']:g}, in {count(record['n_failed_patients'], 'patient')}"
    )
    best = next((row for row in record["signals"] if is_number(row["auroc"])), None)
    if best is not None:
        text += f"; best told by {signal_name(best['signal'])}, AUROC {best['auroc']:.3f}"
    left = len(record["errors"]) + len(record["unmatched"])
    if left:
        text += f"; {count(left, 'file')} left out"
    return text + "."


def tiles(record: Record) -> list[Tile]:
    """The key figures."""
    found = [
        Tile(
            "patients",
            "",
            f"{record['n_patients']:,}",
            f"{count(record['n_sequences'], 'sequence')}, {count(record['n_frames'], 'frame')}",
        )
    ]
    rows = {row["signal"]: row for row in record["signals"]}
    row = rows.get(PROBABILITY) or next(iter(record["signals"]), None)
    if row is not None:
        value = row["auroc"]
        good = value >= GOOD_AUROC if is_number(value) else None
        note = f"{signal_name(row['signal'])}; {_range(row, 'auroc_low', 'auroc_high', 3)}"
        found.append(Tile("failed frames told, AUROC", "", _fixed(value, 3), note, good))
    for row in record["intervals"]:
        if is_number(row["value"]) and row["quantity"] != "LV area":
            found.append(_coverage_tile(row))
    return found


def signal_table(record: Record) -> Table:
    """Every signal of a frame against its Dice."""
    rows = tuple(
        (
            signal_name(row["signal"]),
            _with_range(row["auroc"], row["auroc_low"], row["auroc_high"], 3),
            _fixed(row["average_precision"], 3),
            _fixed(row["abs_pearson"], 2),
            _fixed(row["spearman"], 2),
            _fixed(row["aurc"], 4),
            _fixed(row["excess_aurc"], 4),
            f"{row['n_missing']:,}" if row["n_missing"] else NONE,
        )
        for row in record["signals"]
    )
    return Table(
        "Signals",
        f"How well each number of a frame tells a Dice below {record['below']:g}: chance that a "
        "failed frame has the worse signal (AUROC, with its 95 % interval by patient), mean "
        "precision; correlation with Dice; mean of 1 - Dice over all shares of frames kept (AURC) "
        "and how far that is above the best order.",
        ("signal", "AUROC", "precision", "|Pearson|", "Spearman", "AURC", "excess", "unknown"),
        rows,
        1,
    )


def threshold_table(record: Record) -> Table:
    """How many frames to look at for a miss rate of `MISS_RATE`."""
    better = {row["signal"] for row in record["signals"] if row["more_is"] == "better"}
    rows = tuple(
        (
            signal_name(row["signal"]),
            _from(row, better),
            f"{100 * row['look_share']:.0f} %",
            row["reason"],
        )
        for row in sorted(record["thresholds"], key=lambda row: row["look_share"])
        if row["miss_rate"] == MISS_RATE
    )
    return Table(
        "Look at these",
        f"Frames to look at so that, on average, at most {100 * MISS_RATE:g} % of a new patient's "
        "failed frames are missed, whatever the distribution. thresholds.csv has other rates.",
        ("signal", "look where it is", "frames to look at", ""),
        rows,
        1,
    )


def map_table(record: Record) -> Table:
    """Every uncertainty map against the wrong pixels."""
    rows = tuple(
        (
            MAP_TITLES.get(row["map"], row["map"]),
            _fixed(row["ece"], 3),
            _fixed(row["mce"], 3),
            _fixed(row["mutual_information"], 3),
            _fixed(row["overlap"], 3),
            ", ".join(f"{t:g}" for t in row["thresholds"]) or NONE,
            f"{row['n_frames']:,}",
        )
        for row in record["maps"]
    )
    return Table(
        "Maps",
        "Expected and maximum calibration error of pixels that are not predicted as background; "
        "mutual information with the error in nats and overlap with it, frames weighing as much "
        "as they have wrong pixels; the threshold of each half of the patients is chosen on the "
        "other.",
        ("map", "ECE", "MCE", "information", "overlap", "thresholds", "frames"),
        rows,
        1,
    )


def interval_table(record: Record) -> Table:
    """Whether stated intervals held."""
    rows = tuple(
        (
            row["quantity"],
            f"{100 * row['level']:g} %" if is_number(row["level"]) else NONE,
            _percent_with_range(row),
            _width(row),
            f"{row['n']:,}",
            f"{row['n_patients']:,}",
            f"{row['n_infinite']:,}" if row["n_infinite"] else NONE,
        )
        for row in record["intervals"]
    )
    names = ", ".join(record["calibrations"])
    said = f"Calibrated with {names}." if names else "They are not calibrated."
    return Table(
        "Stated intervals",
        f"How often the truth lay inside, patients weighing the same. {said}",
        ("quantity", "promised", "held (%)", "mean width", "cases", "patients", "without an end"),
        rows,
        1,
    )


def verified_table(record: Record) -> Table:
    """What conformal intervals of these patients would hold."""
    rows = tuple(
        (
            row["quantity"],
            f"{100 * row['level']:g} %",
            f"{100 * row['mean']:.1f} %" if is_number(row["mean"]) else NONE,
            f"{100 * row['low']:.1f} to {100 * row['high']:.1f} %"
            if is_number(row["low"])
            else NONE,
            _width(row),
            f"{row['n_calibration']} / {row['n_test']}",
        )
        for row in record["verified"]
    )
    return Table(
        "Conformal intervals, verified",
        "Intervals learned from half of these patients and tested on the others, "
        "200 times; the guarantee is about the mean.",
        ("quantity", "promised", "held, mean", "95 % of splits", "mean width", "patients"),
        rows,
        1,
    )


def absent_table(record: Record) -> Table:
    """What is not known, and why."""
    rows = tuple(
        (signal_name(row["signal"]), row["reason"], f"{row['n_sequences']:,}")
        for row in record["absent"]
    )
    caption = "Signals that are null in some frame of a sequence."
    return Table("Not known", caption, ("signal", "reason", "sequences"), rows)


def left_out_table(record: Record) -> Table:
    """Files in no pair, and pairs that could not be judged."""
    rows = [(row["name"], row["error"]) for row in record["errors"]]
    rows += [(row["path"], f"{row['side']}: {row['reason']}") for row in record["unmatched"]]
    return Table("Left out", "", ("file", "why"), tuple(rows))


def curve_names(record: Record) -> dict[str, str]:
    """Signals whose curves are drawn: those of largest AUROC, and the probability of failure."""
    names = [row["signal"] for row in record["signals"]]
    chosen = [PROBABILITY] if PROBABILITY in names else []
    chosen += [name for name in names if name not in chosen][: MOST_CURVES - len(chosen)]
    return {name: signal_name(name) for name in chosen}


def _coverage_tile(row: Row) -> Tile:
    near = None
    if is_number(row["level"]):
        near = row["value"] >= row["level"] - TOLERANCE
    promised = f"{100 * row['level']:g} % promised" if is_number(row["level"]) else "no level said"
    note = f"{promised}; {_range(row, 'low', 'high', 1, 100)} %"
    if row["n_infinite"]:
        note += f"; {count(row['n_infinite'], 'interval')} without an end"
    return Tile(f"{row['quantity']} held", "", f"{100 * row['value']:.1f} %", note, near)


def _fixed(value: float | None, digits: int) -> str:
    if not is_number(value):
        return NONE
    return f"{value:.{digits}f}".replace("-", "\N{MINUS SIGN}")


def _with_range(value: float | None, low: float | None, high: float | None, digits: int) -> str:
    if not is_number(low) or not is_number(high):
        return _fixed(value, digits)
    return f"{_fixed(value, digits)} ({_fixed(low, digits)} to {_fixed(high, digits)})"


def _from(row: Row, better: set[str]) -> str:
    """Where frames are to be looked at, in words."""
    if row["reason"] or not is_number(row["threshold"]):
        return "anything" if row["reason"] else "unknown"
    return ("at most " if row["signal"] in better else "from ") + number(row["threshold"], 3)


def _range(row: Row, low: str, high: str, digits: int, scale: float = 1) -> str:
    if not is_number(row[low]) or not is_number(row[high]):
        return "no interval"
    return f"{scale * row[low]:.{digits}f} to {scale * row[high]:.{digits}f}"


def _percent_with_range(row: Row) -> str:
    scaled = [100 * row[k] if is_number(row[k]) else None for k in ("value", "low", "high")]
    return _with_range(scaled[0], scaled[1], scaled[2], 1)


def _width(row: Row) -> str:
    if not is_number(row["width"]):
        return NONE
    return f"{number(row['width'], 3)} {row['unit'].replace('mm2', 'mm²')}".rstrip()
