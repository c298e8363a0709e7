"""The page about stated doubt: a view of `uncertainty.json`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from cardiovae.io.atomic import refuse_to_replace, write_text
from cardiovae.report import judged_text as text
from cardiovae.report import palette
from cardiovae.report.judged_figures import reliability_diagram, risk_figure

Record = Mapping[str, Any]


def write_doubt(path: Path, record: Record, *, overwrite: bool = False) -> None:
    """Write one self-contained HTML page about stated doubt.

    Args:
        path: File to write.
        record: Content of `uncertainty.json`.
        overwrite: Whether an existing file may be replaced.

    Raises:
        FileError: The file exists, or cannot be written.
    """
    refuse_to_replace(path, overwrite=overwrite)
    write_text(path, doubt_page(record), overwrite=overwrite)


def doubt_page(record: Record) -> str:
    """The page of `write_doubt` as text."""
    environment = Environment(
        loader=PackageLoader("cardiovae.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("judged.html").render(
        record=record,
        title=Path(record["results"]).name or record["results"],
        headline=text.headline(record),
        tiles=text.tiles(record),
        signals=text.signal_table(record),
        thresholds=text.threshold_table(record),
        maps=text.map_table(record),
        intervals=text.interval_table(record),
        verified=text.verified_table(record),
        absent=text.absent_table(record),
        left_out=text.left_out_table(record),
        risk=risk_figure(record["curves"], text.curve_names(record), title="What is kept")
        if record["curves"]["risk"]
        else "",
        diagrams=diagrams(record),
        palette=palette,
    )


def diagrams(record: Record) -> list[str]:
    """Reliability of the probability of failure and of every map."""
    found = []
    if record["probability"] is not None:
        found.append(
            reliability_diagram(
                record["probability"]["reliability"],
                title="Probability of failure, by frame",
                across="stated probability",
                up="share of failed frames",
                unit="frame",
            )
        )
    for row in record["maps"]:
        name = text.MAP_TITLES.get(row["map"], row["map"])
        found.append(
            reliability_diagram(
                row["reliability"],
                title=f"{name}, by pixel",
                across="stated confidence, 1 \N{MINUS SIGN} uncertainty",
                up="share of right labels",
                unit="pixel",
            )
        )
    return found
