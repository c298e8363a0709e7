"""The page about an evaluation: a view of `summary.json`, its sequences and its worst frames."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from cardiovae.io.atomic import refuse_to_replace, write_text
from cardiovae.labels import ALL
from cardiovae.report import evaluation_text as text
from cardiovae.report import palette
from cardiovae.report.headline import Tile
from cardiovae.report.pictures import data_uri, label_png, outline_path, viewport
from cardiovae.report.planes import Point, before_after, bland_altman
from cardiovae.report.wording import is_number

Record = Mapping[str, Any]
Row = Mapping[str, Any]
PAIRED = {"dice": True, "hausdorff_mm": False}  # metric: whether more is better
MIN_PAIRS = 2  # for a Bland-Altman plot
THUMBNAIL = 260  # pixels


def write_evaluation(
    path: Path,
    record: Record,
    sequences: Sequence[Row],
    worst_maps: Sequence[Mapping[str, Any]] = (),
    *,
    overwrite: bool = False,
) -> None:
    """Write one self-contained HTML page about one evaluation.

    Args:
        path: File to write.
        record: Content of `summary.json`.
        sequences: Rows of `sequences.csv`.
        worst_maps: For each worst frame of the record, its label maps (H, W) by side, and
            "spacing_mm"; none = no pictures.
        overwrite: Whether an existing file may be replaced.

    Raises:
        FileError: The file exists, or cannot be written.
    """
    refuse_to_replace(path, overwrite=overwrite)
    write_text(path, evaluation_page(record, sequences, worst_maps), overwrite=overwrite)


def evaluation_page(
    record: Record, sequences: Sequence[Row], worst_maps: Sequence[Mapping[str, Any]] = ()
) -> str:
    """The page of `write_evaluation` as text."""
    environment = Environment(
        loader=PackageLoader("cardiovae.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("evaluation.html").render(
        record=record,
        title=Path(record["predictions"]).name or record["predictions"],
        headline=text.headline(record),
        tiles=tiles(record),
        scores=text.score_table(record),
        shares=text.share_table(record),
        ejection=text.ejection_table(record),
        indices=text.index_table(record),
        agreement=agreement_figures(record),
        paired=paired_figures(record, sequences),
        worst=worst_cards(record, worst_maps),
        left_out=text.left_out_table(record),
        unmeasured=text.unmeasured_ejections(record),
        palette=palette,
        structures=[
            (s.name, palette.STRUCTURE_COLORS[s]) for s in ALL if s.name in record["structures"]
        ],
    )


def tiles(record: Record) -> list[Tile]:
    """The key figures: Dice and Hausdorff of the LV, valid frames, ejection fraction."""
    found = []
    for title, metric, unit in (("Dice", "dice", "ratio"), ("Hausdorff", "hausdorff_mm", "mm")):
        own = {
            e["side"]: e
            for e in record["scores"]
            if e["metric"] == metric and e["structure"] == "LV"
        }
        note = "mm, mean over frames" if unit == "mm" else "mean over frames"
        found.append(_tile(f"LV {title}", own, unit, note, more_is_better=metric == "dice"))
    judge = record["validity"][0]["criteria"]  # where all are stacks another than for echo
    valid = {e["side"]: e for e in record["validity"] if e["criteria"] == judge}
    found.append(
        _tile(f"Valid frames, {judge}", valid, "percent", "% of frames", more_is_better=True)
    )
    ef = {side: a["mae"] for side, a in record["ejection"]["agreement"].items()}
    tile = _tile("Ejection fraction, MAE", ef, "percent", "% points", more_is_better=False)
    change = record["ejection"]["mae_change"]["value"]
    if is_number(change):  # the two sides may be measurable in different patients
        words = f"% points; same patients: {text.fixed(change, 'percent', signed=True)}"
        tile = dataclasses.replace(tile, note=words, good=change < 0 if change else None)
    return [*found, tile]


def _tile(
    title: str, entries: Mapping[str, Row], unit: str, note: str, *, more_is_better: bool
) -> Tile:
    """A key figure; better or worse only where there is a before."""
    now, was = entries.get("prediction"), entries.get("before")
    words = text.fixed(now["value"] if now else None, unit)
    if now is None or was is None or not (is_number(now["value"]) and is_number(was["value"])):
        return Tile(title, "", words, note)
    gain = (now["value"] - was["value"]) * (1 if more_is_better else -1)
    return Tile(title, text.fixed(was["value"], unit), words, note, None if not gain else gain > 0)


def agreement_figures(record: Record) -> list[str]:
    """A Bland-Altman plot per side, on one vertical axis; none for fewer than two patients."""
    points = {
        side: [
            Point(
                (p["reference"]["ef_percent"] + p[side]["ef_percent"]) / 2,
                p[side]["ef_percent"] - p["reference"]["ef_percent"],
                p["patient"],
            )
            for p in record["ejection"]["patients"]
            if side in p
            and is_number(p[side]["ef_percent"])
            and is_number(p["reference"]["ef_percent"])
        ]
        for side in record["ejection"]["agreement"]
    }
    limits = [
        found[name]["value"]
        for found in record["ejection"]["agreement"].values()
        for name in ("lower_limit", "upper_limit")
    ]
    shared = [p.y for own in points.values() for p in own] + [v for v in limits if is_number(v)]
    return [
        bland_altman(
            own,
            record["ejection"]["agreement"][side],
            title=f"Ejection fraction, {text.side_name(record, side)}",
            y_values=shared,
        )
        for side, own in points.items()
        if len(own) >= MIN_PAIRS
    ]


def paired_figures(record: Record, sequences: Sequence[Row]) -> list[str]:
    """Before against after, one point per sequence, per structure and score."""
    rows: dict[str, dict[str, Row]] = {}
    for row in sequences:
        rows.setdefault(f"{row['name']}\n{row['reference']}", {})[row["side"]] = row
    pairs = [r for r in rows.values() if "before" in r and "prediction" in r]
    figures = []
    for metric, more_is_better in PAIRED.items():
        for structure in ALL:
            name = _column(metric, structure.name)
            points = [
                Point(r["before"][name], r["prediction"][name], r["prediction"]["name"])
                for r in pairs
                if is_number(r["before"][name]) and is_number(r["prediction"][name])
            ]
            if points:
                figures.append(
                    before_after(
                        points,
                        title=f"{structure.name} {text.METRIC_TITLES[metric]}",
                        unit="",
                        color=palette.STRUCTURE_COLORS[structure],
                        more_is_better=more_is_better,
                    )
                )
    return figures


def _column(metric: str, structure: str) -> str:
    """Column of `sequences.csv`."""
    name = metric.removesuffix("_mm")
    return f"{name}_{structure.lower()}{metric[len(name) :]}"


def worst_cards(record: Record, maps: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The worst frames with pictures: the prediction under the outline of the reference."""
    table = text.worst_table(record)
    cards = []
    for i, row in enumerate(table.rows):
        card: dict[str, Any] = {"facts": dict(zip(table.headings, row, strict=True)), "views": []}
        if i < len(maps):
            card |= _pictures(record, maps[i])
        cards.append(card)
    return cards


def _pictures(record: Record, maps: Mapping[str, Any]) -> dict[str, Any]:
    """Each side as a picture, the outlines of the reference's structures over it."""
    frames = {side: maps[side] for side in ("before", "prediction", "reference") if side in maps}
    view = viewport(
        [f[:, :, None] for f in frames.values()], maps["spacing_mm"], max_side=THUMBNAIL
    )
    truth = np.asarray(maps["reference"])[view.box]
    outline = "".join(outline_path(truth == s) for s in ALL if (truth == s).any())
    views = [
        (text.side_name(record, side), data_uri(label_png(frame, view)))
        for side, frame in frames.items()
    ]
    return {
        "views": views,
        "outline": outline,
        "box": (view.n_cols, view.n_rows),
        "ratio": view.size[1] / view.size[0],
    }
