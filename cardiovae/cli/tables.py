"""Audits and corrections as text and tables for people."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cardiovae.audit.verdicts import CriterionSummary, SequenceAudit, Verdict, summarize
from cardiovae.report.wording import frames_text

if TYPE_CHECKING:
    from rich.padding import Padding

    from cardiovae.cli.results import Target
    from cardiovae.io import LabelFile
    from cardiovae.sequence import EchoSequence

WIDE = 110
"""Columns from which on a list of frames fits beside the rest."""
MOTION = {
    Verdict.PASS: "consistent",
    Verdict.FAIL: "not consistent",
    Verdict.NOT_MEASURABLE: "not measurable",
}


def headline(audit: SequenceAudit) -> str:
    """One line: how many frames are invalid, and whether the motion is consistent."""
    n_frames, n_invalid = len(audit.frames), len(audit.invalid_frames)
    if n_invalid:
        text = f"{n_invalid} of {n_frames} frames invalid"
    else:
        text = f"all {n_frames} frames valid" if n_frames > 1 else "1 frame, valid"
    text = f"{audit.source}: {text} ({audit.anatomy})"
    if audit.temporal_set is not None:
        text += f"; motion {MOTION[audit.temporal_verdict]} ({audit.temporal_set})"
    return text


def criteria_table(
    audit: SequenceAudit, *, width: int, everything: bool = False
) -> Padding | None:
    """The criteria that do not pass, or all of them; None if there is nothing to show.

    Args:
        audit: What to show.
        width: Columns of the terminal; a narrow one gets no list of frames.
        everything: Show the criteria that pass as well.
    """
    from rich.padding import Padding
    from rich.table import Table

    sections = [
        (audit.anatomy, audit.anatomy_summaries),
        (audit.temporal_set, summarize(audit.temporal)),
    ]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("criterion", overflow="fold")
    for heading in ("failed", "worst (frame)", "allowed"):
        table.add_column(heading, no_wrap=True)
    if width >= WIDE:
        table.add_column("frames, from 0", overflow="fold", min_width=14)
    n_cells = len(table.columns) - 1
    for name, summaries in sections:
        shown = [summary for summary in summaries if everything or not summary.passed]
        if shown:
            table.add_row(f"{name}:", style="bold")
        for summary in shown:
            table.add_row(
                f"  {summary.criterion}", *_cells(summary)[:n_cells], style=_style(summary)
            )
    return Padding(table, (0, 0, 0, 2), expand=False) if table.row_count else None


def reasons(audit: SequenceAudit) -> list[str]:
    """Why criteria could not be measured: one line per reason, with the criteria it concerns."""
    concerned: dict[str, dict[str, None]] = {}
    findings = [f for frame in audit.frames for f in frame.findings] + list(audit.temporal)
    for finding in findings:
        if finding.verdict is Verdict.NOT_MEASURABLE and finding.reason:
            # a frame that cannot be measured takes its two neighbors with it
            why = re.sub(r"^neighbor frame \d+: ", "", finding.reason)
            concerned.setdefault(why, {})[finding.criterion] = None
    return [f"  not measurable: {why} ({', '.join(names)})" for why, names in concerned.items()]


def correction_lines(record: Mapping[str, Any], target: Target) -> list[str]:
    """What came of a correction: a sentence, what was done to the frames, where it lies."""
    from cardiovae.report.headline import headline as sentence
    from cardiovae.report.headline import unknown_shapes

    lines = [f"{record['source']}: {sentence(record)}"]
    if record["method"] != "full":
        lines.append(f"  method   {record['method']}")
    if record["reason"]:
        lines.append(f"  reason   {record['reason']}")
    if unknown := unknown_shapes(record):
        lines.append(f"  unknown  {unknown}")
    actions = Counter(frame["action"] for frame in record["frames"])
    lines.append(
        "  frames   " + ", ".join(f"{n} {action}" for action, n in sorted(actions.items()))
    )
    before, after = record["before"], record["after"]
    if before["temporal"] is not None:
        was, now = (MOTION[Verdict(audit["temporal_verdict"])] for audit in (before, after))
        change = now if was == now else f"{was} -> {now}"
        lines.append(f"  motion   {change} ({before['temporal']})")
    return [*lines, f"  results  {target.place}"]


def plan_lines(sequence: EchoSequence, like: LabelFile, target: Target) -> list[str]:
    """What is known of an input, and which files a correction would write."""
    spacing = "spacing unknown"
    if sequence.spacing_mm is not None:
        spacing = "pixels of {:.4g} x {:.4g} mm".format(*sequence.spacing_mm)
    names = ", ".join(s.name for s in sequence.structures)
    size = "{} x {} pixels".format(*sequence.shape)
    lines = [f"  input    {size}, {spacing}, labels {like.scheme.name} ({names})"]
    lines += [f"  note     {note}" for note in like.notes]
    if target.record is None:
        return [*lines, f"  writes   {target.place}"]
    return [*lines, f"  writes   {target.place}: {', '.join(f.name for f in target.files)}"]


def _cells(summary: CriterionSummary) -> tuple[str, str, str, str]:
    """Cells after the name: how often it failed, worst value and its frame, limits, frames."""
    worst, n_findings = summary.worst, len(summary.findings)
    value = "not measurable" if math.isnan(worst.value) else f"{worst.value:.4g}"
    allowed = worst.limits if worst.unit == "flag" else f"{worst.limits} {worst.unit}"
    if worst.frame is None:
        return "all", value, allowed, "all"
    broken = [f.frame for f in summary.findings if f.verdict is not Verdict.PASS]
    frames = frames_text(t for t in broken if t is not None)
    count = f"{n_findings - summary.n_passed}/{n_findings}"
    return count, f"{value} ({worst.frame})", allowed, frames


def _style(summary: CriterionSummary) -> str:
    return {Verdict.PASS: "dim", Verdict.FAIL: "", Verdict.NOT_MEASURABLE: "yellow"}[
        summary.worst.verdict
    ]
