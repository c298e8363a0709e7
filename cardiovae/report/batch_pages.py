"""The page of one sequence of a batch: a shell for its data, its curves and its pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import Template

from cardiovae.attributes import UNITS
from cardiovae.audit.record import RV_AREA, implausible_frames, worst_frame
from cardiovae.report.batch_data import script_text
from cardiovae.report.batch_pictures import sheet_columns
from cardiovae.report.batch_rows import VERDICTS, Row, Rule
from cardiovae.report.curves import Figures, figures
from cardiovae.report.wording import count, frames_text, number

_TIMES = "\N{MULTIPLICATION SIGN}"


def sequence_page(
    template: Template, record: Mapping[str, Any], row: Row, rules: Sequence[Rule], *, cine: bool
) -> str:
    """One page as text.

    Args:
        template: `batch_page.html`.
        record: Record of the sequence.
        row: Its row.
        rules: Criteria of the run.
        cine: Whether there is a sheet of its frames.
    """
    return template.render(
        row=row,
        title=row.source.rpartition("/")[2] or row.source,
        headline=_headline(record, row),
        facts=_facts(record),
        change=row.change,
        notes=record.get("notes", ()),
        figures=_figures(record),
        data=script_text(_data(record, row, rules, cine)),
    )


def _headline(record: Mapping[str, Any], row: Row) -> str:
    bad = implausible_frames(record)
    words = f"This sequence {VERDICTS[row.verdict] if row.verdict != 'N' else 'does not pass'}"
    if bad:
        words += f": {len(bad):,} of {count(row.n_frames, 'frame')} ({frames_text(bad)})"
    elif row.verdict != "P":
        words += ": its motion could not be measured"
    return words + "."


def _facts(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What is known of the file, in words."""
    spacing, time = record["spacing_mm"], record["frame_time_ms"]
    size = f"{record['n_frames']} of {record['height']} {_TIMES} {record['width']} px"
    return [
        ("frames", size),
        ("spacing", f" {_TIMES} ".join(map(number, spacing)) + " mm" if spacing else "unknown"),
        ("frame time", f"{number(time)} ms" if time else "unknown"),
        ("view", record["view"] or "unknown"),
        ("structures", ", ".join(record["structures"])),
        *sorted(record.get("subgroups", {}).items()),
    ]


def _figures(record: Mapping[str, Any]) -> Figures:
    """Curves of a record in the form that those of a correction have."""
    before = record.get("before")
    bad = [set(implausible_frames(side)) for side in (record, before) if side]
    pixels = record["spacing_mm"] is None
    known = {**UNITS, RV_AREA: "mm2"}
    units = {n: u.replace("mm2", "px").replace("mm", "px") for n, u in known.items()}
    nothing = dict.fromkeys(record["attributes"], ())
    return figures(
        {
            "attributes": {
                "before": before["attributes"] if before else nothing,
                "after": record["attributes"],
                "units": units if pixels else known,
            },
            "frames": [{"action": _action(t, bad)} for t in range(record["n_frames"])],
            "structures": record["structures"],
            "view": record["view"],
            "before": {"temporal_findings": ()},
            "after": {"temporal_findings": ()},
        },
        columns=False,
    )


def _action(t: int, bad: Sequence[set[int]]) -> str:
    """A frame that does not pass, or did not before the correction."""
    return "implausible" if t in bad[0] else "changed" if t in bad[-1] else "kept"


def _data(
    record: Mapping[str, Any], row: Row, rules: Sequence[Rule], cine: bool
) -> dict[str, Any]:
    """What the scripts of the page show."""
    sides = [record, record["before"]] if "before" in record else [record]
    worst = [t for t in map(worst_frame, sides) if t is not None]
    return {
        "id": row.id,
        "frames": row.n_frames,
        "worst": worst[0] if worst else 0,
        "columns": sheet_columns(row.n_frames),
        "cine": f"../cines/{row.id}.png" if cine else None,
        "sides": [_criteria(side, rules) for side in sides],
    }


def _criteria(record: Mapping[str, Any], rules: Sequence[Rule]) -> list[dict[str, Any]]:
    """The criteria of a record in the order of the rules, values with four digits."""
    by_key = {(c["set"], c["name"]): c for c in record["criteria"]}
    found = [(rule, by_key[rule.key]) for rule in rules if rule.key in by_key]
    return [
        {
            "label": rule.label,
            "limits": rule.limits,
            "unit": rule.unit,
            "whole": c["whole"],
            "verdicts": c["verdicts"],
            "values": [None if v is None else float(f"{v:.4g}") for v in c["values"]],
            "reasons": c["reasons"],
        }
        for rule, c in found
    ]
