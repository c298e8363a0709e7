"""The record of an evaluation as sentences and tables of words, for every medium."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cardiovae.report.wording import count, is_number

Record = Mapping[str, Any]
Entry = Mapping[str, Any]
METRIC_TITLES: Mapping[str, str] = {
    "dice": "Dice",
    "hausdorff_mm": "Hausdorff (mm)",
    "hd95_mm": "HD95 (mm)",
    "mean_surface_mm": "mean surface distance (mm)",
}
NONE = "\N{EN DASH}"
INDEX_UNITS: Mapping[str, str] = {"percent": "%", "ratio": "", "mm2": "mm²"}
_LIMITS = ("lower_limit", "upper_limit")
MAX_LISTED = 50  # files without a partner, in summary.md and the report


@dataclass(frozen=True)
class Table:
    """A table of words: title, a sentence about it, headings, rows.

    The first `n_names` columns are names, the others numbers.
    """

    title: str
    caption: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    n_names: int = 2


def side_name(record: Record, side: str) -> str:
    """What a side is called: predictions are "after" where there is a "before"."""
    return "after" if side == "prediction" and "before" in record["sides"] else side


def headline(record: Record) -> str:
    """How much was compared, in a sentence."""
    text = (
        f"{count(record['n_pairs'], 'sequence')} of {count(record['n_patients'], 'patient')}, "
        f"{count(record['n_frames'], 'frame')}, compared frame by frame"
    )
    lost = [
        (len(record["errors"]), "pair could not be compared", "pairs could not be compared"),
        (len(record["unmatched"]), "file has no partner", "files have no partner"),
    ]
    return "; ".join([text, *(count(n, one, many) for n, one, many in lost if n)]) + "."


def value_text(entry: Entry, unit: str, *, signed: bool = False) -> str:
    """An estimate with its interval in fixed digits.

    Examples:
        >>> value_text({"value": 0.9123, "low": 0.9, "high": 0.93}, "ratio")
        '0.912 (0.900 to 0.930)'
        >>> value_text({"value": 4.26, "low": None, "high": None}, "mm", signed=True)
        '+4.3'
    """
    value, low, high = (fixed(entry[k], unit, signed=signed) for k in ("value", "low", "high"))
    return f"{value} ({low} to {high})" if is_number(entry["low"]) else value


def score_table(record: Record) -> Table:
    """Per structure: each score on each side and its change, and over how many frames."""
    judged = [side for side in record["sides"] if side != "reference"]
    rows = []
    for structure in record["structures"]:
        for side in judged:
            own = _of(record["scores"], structure=structure, side=side)
            cells = (value_text(entry, entry["unit"]) for entry in own)
            rows.append((structure, side_name(record, side), *cells, *_counts(own)))
        changes = _of(record["changes"], structure=structure)
        if changes:
            cells = (value_text(entry, entry["unit"], signed=True) for entry in changes)
            rows.append((structure, "change", *cells, str(changes[0]["n_frames"]), ""))
    return Table(
        "Scores by structure",
        "Mean over frames with a 95 % interval that draws whole patients again. Frames where only "
        "one of the two has the structure count with a Dice of 0 and have no distance; the change "
        "is that of frames where both sides have the score.",
        ("structure", "", *METRIC_TITLES.values(), "frames", "in one only"),
        tuple(rows),
    )


def share_table(record: Record) -> Table:
    """Valid frames and temporally flagged sequences, per criteria set and side."""
    rows = []
    for what, entries in (("valid frames", "validity"), ("flagged sequences", "motion")):
        for entry in record[entries]:
            if entry["total"]:
                share = value_text(entry, "percent")
                unknown = str(entry["n_unmeasured"]) if entries == "motion" else ""
                of = f"{entry['n']:,} of {entry['total']:,}"
                side = side_name(record, entry["side"])
                rows.append((what, entry["criteria"], side, of, share, unknown))
    return Table(
        "Plausibility",
        "Frames that pass the anatomical criteria, and sequences of three frames or more that "
        "fail the temporal ones. The reference shows what the criteria think of good masks. "
        "Where all or none count, the interval is the exact binomial one over patients.",
        ("", "criteria", "", "number", "%", "not measurable"),
        tuple(rows),
        n_names=3,
    )


def ejection_table(record: Record) -> Table:
    """Agreement of the ejection fraction with the reference, per side."""
    rows = []
    for side, found in record["ejection"]["agreement"].items():
        limits = [fixed(found[k]["value"], "percent", signed=True) for k in _LIMITS]
        rows.append(
            (
                side_name(record, side),
                str(found["n"]),
                value_text(found["bias"], "percent", signed=True),
                " to ".join(limits) if is_number(found["lower_limit"]["value"]) else NONE,
                value_text(found["mae"], "percent"),
                value_text(found["pearson_r"], "ratio"),
            )
        )
    change = record["ejection"]["mae_change"]
    if is_number(change["value"]):
        n = sum(
            all(is_number(p.get(side, {}).get("ef_percent")) for side in record["sides"])
            for p in record["ejection"]["patients"]
        )
        text = value_text(change, "percent", signed=True)
        rows.append(("change", str(n), "", "", text, ""))
    return Table(
        "Ejection fraction",
        _methods(record),
        ("", "patients", "bias (%)", "limits of agreement (%)", "mean absolute error (%)", "r"),
        tuple(rows),
        n_names=1,
    )


def index_table(record: Record) -> Table:
    """Agreement of the clinic's indices with the reference, per index and side."""
    rows = []
    for found in record["indices"]["agreement"]:
        unit = found["unit"]
        limits = [fixed(found[k]["value"], unit, signed=True) for k in _LIMITS]
        rows.append(
            (
                f"{found['title']} ({INDEX_UNITS.get(unit, unit)})".removesuffix(" ()"),
                side_name(record, found["side"]),
                str(found["n"]),
                value_text(found["bias"], unit, signed=True),
                " to ".join(limits) if is_number(found["lower_limit"]["value"]) else NONE,
                value_text(found["mae"], unit),
                value_text(found["pearson_r"], "ratio"),
            )
        )
    return Table(
        "Clinical indices",
        "At the reference's ED and ES, biplane where both apical views are there; of short-axis "
        "stacks area times distance between slices. Differences are prediction minus reference, "
        "in the unit of the index. Strain is by lengths of contours.",
        ("index", "", "patients", "bias", "limits of agreement", "mean absolute error", "r"),
        tuple(rows),
    )


def unmeasured_ejections(record: Record) -> list[tuple[str, str]]:
    """Patients of whom a side has no ejection fraction: (patient and side, why)."""
    return [
        (f"{p['patient']}, {side_name(record, side)}", p[side]["reason"])
        for p in record["ejection"]["patients"]
        for side in record["sides"]
        if side in p and p[side]["reason"]
    ]


def worst_table(record: Record) -> Table:
    """The worst frames of the predictions."""
    earlier = "before" in record["sides"]
    rows = tuple(
        (
            worst["name"],
            str(worst["frame"]),
            worst["structure"],
            *([fixed(worst["dice_before"], "ratio")] if earlier else []),
            fixed(worst["dice"], "ratio"),
            fixed(worst["hausdorff_mm"], "mm"),
        )
        for worst in record["worst"]
    )
    headings = ("sequence", "frame", "structure", *(["Dice before"] if earlier else []))
    return Table(
        "Worst frames",
        "Lowest Dice of any structure first; frames counted from 0.",
        (*headings, "Dice", "Hausdorff (mm)"),
        rows,
        n_names=3,
    )


def left_out_table(record: Record) -> Table:
    """Pairs that could not be compared and files without a partner, and why."""
    rows = [(e["prediction"], "pair", e["error"]) for e in record["errors"]]
    rows += [(u["path"], u["side"], u["reason"]) for u in record["unmatched"]]
    more = len(rows) - MAX_LISTED
    caption = f"{more} more stand in summary.json." if more > 0 else ""
    headings = ("file", "what", "why")
    return Table("Left out", caption, headings, tuple(rows[:MAX_LISTED]), n_names=3)


def evaluation_markdown(record: Record) -> str:
    """The content of `summary.md`: every table, and what was left out."""
    lines = ["# Evaluation", "", headline(record), "", *_origin(record)]
    for table in (*tables(record), left_out_table(record)):
        if table.rows:
            lines += ["", f"## {table.title}", "", *([table.caption, ""] if table.caption else [])]
            lines += _markdown(table)
    return "\n".join(lines) + "\n"


def tables(record: Record) -> tuple[Table, ...]:
    """The tables of the evaluation itself."""
    return (
        score_table(record),
        share_table(record),
        ejection_table(record),
        index_table(record),
        worst_table(record),
    )


def _origin(record: Record) -> list[str]:
    pairs = [("predictions", record["predictions"]), ("references", record["references"])]
    pairs += [("before", record["before"])] if record["before"] else []
    pairs.append(("cardiovae", f"{record['cardiovae']}, seed {record['seed']}"))
    return [f"- {name}: {value}" for name, value in pairs]


def _markdown(table: Table) -> list[str]:
    marks = ["---"] * table.n_names + ["--:"] * (len(table.headings) - table.n_names)
    body = [table.headings, marks, *table.rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in body]


def _of(entries: Sequence[Entry], **wanted: str) -> list[Entry]:
    return [e for e in entries if all(e[key] == value for key, value in wanted.items())]


def _counts(entries: Sequence[Entry]) -> tuple[str, str]:
    first = next(e for e in entries if e["metric"] == "dice")
    return f"{first['n_frames']:,}", str(first["n_one_sided"])


def _methods(record: Record) -> str:
    """How the volumes came about."""
    methods = [p["reference"]["method"] for p in record["ejection"]["patients"]]
    done = [f"{methods.count(m)} {m}" for m in ("biplane", "single-plane") if m in methods]
    return (
        "Simpson's method of 20 disks at the reference's frames of largest and smallest LV area "
        f"({', '.join(done) or 'no patient'}); differences are prediction minus reference, in "
        "percentage points."
    )


def fixed(value: float | None, unit: str, *, signed: bool = False) -> str:
    """A number with the digits that its unit deserves."""
    if not is_number(value):
        return NONE
    text = f"{value:{'+' if signed else ''},.{3 if unit == 'ratio' else 1}f}"
    return text.replace("-", "\N{MINUS SIGN}")
