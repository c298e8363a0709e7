"""What happened, in a sentence and a few numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cardiovae.report.tables import Audit, failures
from cardiovae.report.wording import count, frames_text, number, with_unit

Record = Mapping[str, Any]
_UNJUDGED = "; their motion could not be judged"


@dataclass(frozen=True)
class Tile:
    """A key figure: what it was, what it is now, a note, and whether that is good or None."""

    title: str
    before: str
    after: str
    note: str = ""
    good: bool | None = None


def headline(record: Record) -> str:
    """The result in one sentence, for the top of the page; a baseline is named in front.

    Follows the two audits, whatever the status claims.
    """
    method = record["method"]
    return _result(record) if method == "full" else f"Baseline '{method}': {_result(record)}"


def _result(record: Record) -> str:
    """What came of it."""
    before, after, status = record["before"], record["after"], record["status"]
    n, bad, left = before["n_frames"], before["invalid_frames"], after["invalid_frames"]
    if status == "not_corrected":
        return (
            f"Not corrected: {_bad_frames(before, 'are')}. The labels are returned as they came."
        )
    if status == "not_passed":
        now, was = _bad_frames(after, "are"), _bad_frames(before, "were")
        return f"The result does not pass: {now}. Before: {was}."
    if bad:
        still = f"{len(left)} still {'is' if len(left) == 1 else 'are'}"
        now = still if left else "it now passes" if n == 1 else f"all {n} now pass"
        now += ", but their motion is not consistent" if _motion(after) == "FAIL" else ""
        return f"{_capital(_bad_frames(before, 'were'))}; {now}."
    frames = "The only frame passes" if n == 1 else f"All {n} frames pass"
    if _motion(before) == "FAIL":
        now = "still is not" if _motion(after) == "FAIL" else "now is"
        return f"{frames}, but the motion between them was not consistent; it {now}."
    motion = {"PASS": ", and so does their motion", "NOT_MEASURABLE": _UNJUDGED}
    done = ". Nothing was changed." if status == "unchanged" else "."
    return frames + motion.get(_motion(before), "") + done


def good(record: Record) -> bool:
    """Whether the result is one to use: corrected where needed, frames and motion in limits."""
    after = record["after"]
    ok = not after["invalid_frames"] and _motion(after) != "FAIL"
    return ok and record["status"] not in ("not_corrected", "not_passed")


def tiles(record: Record) -> tuple[Tile, ...]:
    """The key figures: frames, motion, what was kept, what was changed."""
    before, after, frames = record["before"], record["after"], record["frames"]
    kept = sum(frame["action"] == "kept" for frame in frames)
    left = len(after["invalid_frames"])
    return (
        Tile(
            "invalid frames",
            str(len(before["invalid_frames"])),
            str(left),
            f"of {count(before['n_frames'], 'frame')}, criteria {before['anatomy']}",
            left == 0,
        ),
        _motion_tile(before, after),
        Tile("frames kept bit for bit", "", str(kept), f"of {len(frames)}"),
        _changed_tile(frames),
    )


def unknown_shapes(record: Record) -> str:
    """A warning where the prior does not know shapes like the input's; empty where it does."""
    frames = [frame["frame"] for frame in record["frames"] if frame["out_of_distribution"]]
    if not frames:
        return ""
    n = len(record["frames"])
    which = "The only frame is" if n == 1 else f"{len(frames)} of {n} frames are"
    where = "" if len(frames) == n else f" ({frames_text(frames)})"
    return (
        f"{which} unlike the shapes that prior '{record['prior']['name']}' was trained on, or had "
        f"to change in more than half of what was labelled{where}: "
        "check size, orientation, field of view and spacing, and compare the result with the image"
    )


def judges(record: Record) -> tuple[Mapping[str, str | bool], ...]:
    """One row per pair of criteria sets: the one in use, then those to satisfy too."""
    return tuple(
        {
            "role": "in use" if i == 0 else "as well",
            "sets": " + ".join(s for s in (before["anatomy"], before["temporal"]) if s),
            "frames": f"{len(before['invalid_frames'])} → {len(after['invalid_frames'])}",
            "motion": _change(violations(before), violations(after)),
            "unmeasured": _missing(before, after),
            "passed": bool(after["passed"]),
        }
        for i, (before, after) in enumerate(audit_pairs(record))
    )


def audit_pairs(record: Record) -> tuple[tuple[Audit, Audit], ...]:
    """Audits before and after: of the criteria sets in use, then of those to satisfy too."""
    also = record["also"] or {"before": [], "after": []}
    old, new = (
        [audits] if isinstance(audits, Mapping) else list(audits or [])
        for audits in (also["before"], also["after"])
    )
    return ((record["before"], record["after"]), *zip(old, new, strict=True))


def violations(audit: Audit) -> str:
    """Number of temporal violations, or why there is none to tell."""
    if not audit["temporal"]:
        return "not judged"
    if audit["n_frames"] < 3:
        return "needs 3 frames"
    return str(failures(audit["temporal_findings"]))


def _change(before: str, after: str) -> str:
    """Two numbers and an arrow; words that stay the same stand once."""
    return before if before == after and not before.isdigit() else f"{before} → {after}"


def _missing(before: Audit, after: Audit) -> str:
    """How many findings on the motion could not be had, empty where all could."""
    counts = _unmeasured(before), _unmeasured(after)
    return f"{counts[0]} → {counts[1]}" if any(counts) and _motion(before) else ""


def _unmeasured(audit: Audit) -> int:
    return sum(f["verdict"] == "NOT_MEASURABLE" for f in audit["temporal_findings"])


def _motion(audit: Audit) -> str:
    """Verdict on the motion; empty where there is none to judge."""
    return str(audit["temporal_verdict"]) if audit["temporal"] and audit["n_frames"] >= 3 else ""


def _motion_tile(before: Audit, after: Audit) -> Tile:
    if not _motion(before):
        return Tile("temporal violations", "", violations(before))
    note = f"per criterion and frame, {before['temporal']}"
    missing = _missing(before, after)
    note += f"; {missing} not measurable" if missing else ""
    good = _motion(after) != "FAIL"
    return Tile("temporal violations", violations(before), violations(after), note, good)


def _changed_tile(frames: Sequence[Mapping[str, Any]]) -> Tile:
    """What changed, per changed frame: the sum over a loop would say little."""
    title = "changed area per changed frame"
    changed = [frame for frame in frames if frame["changed_px"]]
    if not changed:
        return Tile(title, "", "none", "every pixel as it came")
    n = len(changed)
    pixels = sum(frame["changed_px"] for frame in changed) / n
    areas = [frame["changed_mm2"] for frame in changed]
    most = max(changed, key=lambda frame: int(frame["changed_px"]))
    note = f"mean of {n} frames, most in frame {most['frame']}"
    if n == 1:
        note = f"frame {most['frame']} alone"
    if None in areas:
        return Tile(title, "", f"{number(pixels)} px", f"{note}; spacing unknown")
    return Tile(title, "", with_unit(sum(areas) / n, "mm2"), f"{number(pixels)} px; {note}")


def _bad_frames(audit: Audit, were: str) -> str:
    """How many frames do not pass: impossible where a limit is broken, else just not passed."""
    bad, n = audit["invalid_frames"], audit["n_frames"]
    one = {"were": "was", "are": "is"}[were]
    if not bad:
        broken = _motion(audit) == "FAIL"
        return f"the motion {one} not consistent" if broken else "every frame passes"
    broken = all(failures(audit["frames"][t]["findings"]) for t in bad)
    what = "impossible" if broken else "not shown to be possible"
    if n == 1:
        return f"the frame {one} {what}"
    return f"{len(bad)} of {n} frames {one if len(bad) == 1 else were} {what}"


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
