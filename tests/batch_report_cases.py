"""Records of batches, written by hand or made from phantoms, for the tests of the report."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from cardiovae.audit.audit import audit_sequence
from cardiovae.audit.criteria import criteria
from cardiovae.audit.record import audit_record
from cardiovae.audit.temporal import Motion
from cardiovae.phantom.cohort import phantom_cohort
from cardiovae.phantom.corruption import corrupt_sequence
from cardiovae.report.batch_pictures import pictures_of
from cardiovae.sequence import EchoSequence

HOLE = ("shapes", "lv_hole_area_mm2", "mm2", None, 0.0)
RATIO = ("shapes", "myo_thickness_ratio", "ratio", 0.2, None)
PRESENT = ("shapes", "la_present", "flag", 1.0, None)
JUMP = ("motion", "lv_area", "mm2", -70.0, 70.0)
RULES = (HOLE, RATIO, PRESENT, JUMP)
SHIPPED = tuple(
    (of.name, c.name, c.unit, c.low, c.high)
    for of in (criteria("camus"), criteria("tmi2022"))
    for c in of.criteria
)
# What a file may be called, and what must never be run or break a page.
HOSTILE = (
    "a/<img src=x onerror=window.bad=1>.nii.gz",
    "a/</script><script>window.bad=2</script>.nii.gz",
    'a/"onmouseover="window.bad=3" \'.nii.gz',
    "a/line\nbreak, and comma\u2028.nii.gz",
    "a/{{ 7 * 7 }}{% bad %}${window.bad=4}.nii.gz",
    "a/javascript:window.bad=5.nii.gz",
    "a/&lt;b&gt; \u202egnp.nii.gz",
)


def run_of(verb: str = "audit", rules: Iterable[tuple] = RULES, **more: Any) -> dict[str, Any]:
    """Content of a run.json."""
    keys = ("set", "name", "unit", "low", "high")
    criteria = [dict(zip(keys, rule, strict=True)) for rule in rules]
    return {
        "cardiovae": "1.0.0",
        "verb": verb,
        "command": ["cardiovae", verb, "my data", "-o", "out"],
        "anatomy": "shapes",
        "temporal": "motion",
        "criteria": [c | {"source": f"source of {c['name']}", "structures": []} for c in criteria],
        "settings_sha256": "5e" * 32,
        "gates": {},
        "versions": {"python": "3.11.7"},
        **more,
    }


def criterion(rule: tuple, values: list[float | None], *, whole: bool = False) -> dict[str, Any]:
    """One criterion of a record; its verdicts follow from the limits."""
    of, name, unit, low, high = rule

    def letter(value: float | None) -> str:
        if value is None:
            return "N"
        inside = (low is None or value >= low) and (high is None or value <= high)
        return "P" if inside else "F"

    return {
        "set": of,
        "name": name,
        "unit": unit,
        "low": low,
        "high": high,
        "whole": whole,
        "verdicts": "".join(letter(value) for value in values),
        "values": values,
        "reasons": {str(t): "no contour" for t, v in enumerate(values) if v is None},
    }


def audited(values: dict[tuple, list[float | None]], **more: Any) -> dict[str, Any]:
    """The audit part of a record, of one sequence of as many frames as there are values."""
    found = [criterion(rule, list(of)) for rule, of in values.items()]
    n_frames = len(found[0]["values"])
    return {
        "passed": all(set(c["verdicts"]) == {"P"} for c in found),
        "n_frames": n_frames,
        "height": 64,
        "width": 48,
        "spacing_mm": [0.5, 0.5],
        "frame_time_ms": 40.0,
        "view": "A4C",
        "structures": ["LV", "MYO", "LA"],
        "invalid_frames": [],
        "temporal_verdict": "PASS",
        "criteria": found,
        "attributes": {
            name: [float(t) for t in range(n_frames)]
            for name in ("lv_area", "lv_length", "myo_area")
        },
        **more,
    }


def as_record(source: str, audit: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A record of a readable input, as it comes out of JSON."""
    head = {
        "source": source,
        "sha256": hashlib.sha256(source.encode()).hexdigest(),
        "status": "ok",
        "error": "",
        "notes": [],
        "subgroups": {},
    }
    return json.loads(json.dumps(head | audit | more))


def unreadable(source: str, error: str = "not a label map") -> dict[str, Any]:
    """A record of an input that could not be read."""
    return {"source": source, "sha256": None, "status": "error", "error": error}


def good(n_frames: int = 3) -> dict[tuple, list[float | None]]:
    """Values that pass everything."""
    return {
        HOLE: [0.0] * n_frames,
        RATIO: [0.5] * n_frames,
        PRESENT: [1.0] * n_frames,
        JUMP: [0.0] * n_frames,
    }


def numbered(n: int) -> Iterator[dict[str, Any]]:
    """`n` records; every tenth fails its hole by its number, in one of 4 frames."""
    for i in range(n):
        holes = [0.0, 0.0, 0.0, 0.0 if i % 10 else float(i + 1)]
        audit = audited(good(4) | {HOLE: holes}, view=("A2C", "A4C")[i % 2])
        site = "ABC"[i % 3]
        yield as_record(f"site_{site}/seq{i:05d}.nii.gz", audit, subgroups={"site": site})


def phantoms(n: int, *, n_frames: int = 16) -> Iterator[tuple[EchoSequence, EchoSequence]]:
    """Sound sequences, each with a damaged version of itself."""
    rng = np.random.default_rng(3)
    for phantom, _, _ in phantom_cohort(n, 5, n_frames=n_frames, spacing_mm=(0.5, 0.5)):
        sound = phantom.sequence
        yield sound, corrupt_sequence(sound, severity=0.4, rng=rng)[0]


def audit_of(sequence: EchoSequence) -> dict[str, Any]:
    """A real audit as the audit part of a record."""
    motion = Motion(sequence.labels, sequence.spacing_mm, sequence.structures)
    return audit_record(sequence, audit_sequence(sequence, motion=motion), motion)


def corrected(sound: EchoSequence, broken: EchoSequence, source: str) -> dict[str, Any]:
    """A record of a correction that gave the sound sequence for the broken one."""
    changed = sound.labels != broken.labels
    done = {
        "status": "corrected",
        "reason": "",
        "n_changed_frames": int(changed.any((0, 1)).sum()),
        "changed_share": float(changed.sum() / (broken.labels > 0).sum()),
        "ef_before": 52.0,
        "ef_after": 55.5,
    }
    return as_record(source, audit_of(sound), before=audit_of(broken), correction=done)


def keep_pictures(
    folder: Path, sequence: EchoSequence, record: dict[str, Any], before: Any = None
) -> None:
    """Put the pictures of a sequence where the report looks for them."""
    for name, content in pictures_of(sequence, record, before=before).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
