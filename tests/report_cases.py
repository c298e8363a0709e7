"""Drawn hearts, and the records of their corrections, for the tests of the report."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cardiovae.audit.audit import audit_sequence
from cardiovae.correction.config import correct_config
from cardiovae.correction.record import Correction, FrameChange
from cardiovae.labels import STRUCTURES, Label
from cardiovae.sequence import EchoSequence

SPACING = (1.0, 0.8)
SETS = (("camus", "tmi2022"), ("camus-public", "rl4seg3d"))


def beating_heart(n_frames: int, structures=STRUCTURES) -> np.ndarray:
    """Half ellipses above an ellipse, shape (120, 90, n_frames); the LV is widest in frame 0."""
    rows, cols = np.mgrid[:120, :90].astype(float)
    labels = np.zeros((120, 90, n_frames), np.uint8)
    for t in range(n_frames):
        squeeze = 1 - 0.15 * math.sin(math.pi * t / max(n_frames, 2))
        above = rows <= 80
        epi = above & (((rows - 70) / 56) ** 2 + ((cols - 45) / 30) ** 2 <= 1)
        lv = above & (((rows - 70) / 46) ** 2 + ((cols - 45) / (20 * squeeze)) ** 2 <= 1)
        la = ~above & (((rows - 88) / 18) ** 2 + ((cols - 45) / 22) ** 2 <= 1)
        for structure, mask in ((Label.MYO, epi), (Label.LV, lv), (Label.LA, la)):
            if structure in structures:
                labels[mask, t] = structure
    return labels


def with_defects(labels: np.ndarray, frames) -> np.ndarray:
    """An island of LV and a hole in it, in some frames."""
    broken = labels.copy()
    for t in frames:
        broken[100:112, 4:14, t] = Label.LV
        broken[50:54, 40:46, t] = Label.BACKGROUND
    return broken


def correction_record(
    before: np.ndarray,
    after: np.ndarray,
    *,
    spacing_mm=SPACING,
    structures=STRUCTURES,
    status="corrected",
    reason="",
    source="data/seq.nii.gz",
    sets=SETS,
    view="A4C",
) -> dict[str, Any]:
    """The record of a correction from `before` to `after`, without a prior to make it."""
    frame_time_ms = None if view == "SAX" else 40.0
    old = EchoSequence(before, spacing_mm, structures, frame_time_ms, view, source)
    new = old.with_labels(after)
    audits = [tuple(audit_sequence(s, anatomy=a, temporal=m) for a, m in sets) for s in (old, new)]
    return Correction(
        original=old,
        sequence=new,
        status=status,
        reason=reason,
        before=audits[0],
        after=audits[1],
        frames=tuple(
            _change(t, before[:, :, t], after[:, :, t], audits[0][0], spacing_mm)
            for t in range(before.shape[2])
        ),
        prior={"name": "phantom", "license": "Apache-2.0", "sha256": {"weights": "ab" * 32}},
        config=correct_config(),
        seed=0,
    ).to_json()


def _change(t, before, after, audit, spacing_mm) -> FrameChange:
    pixels = int(np.count_nonzero(before != after))
    failed = [f.criterion for f in audit.frames[t].failures]
    area = math.nan if spacing_mm is None else pixels * spacing_mm[0] * spacing_mm[1]
    return FrameChange(
        frame=t,
        action="kept" if not pixels else "repaired" if failed else "smoothed",
        why=tuple(f"{audit.anatomy}.{name}" for name in failed),
        detail=0.5 if pixels else math.nan,
        displacement=2.25 if pixels else math.nan,
        changed_px=pixels,
        changed_mm2=area,
        density_before=3.5 if pixels else 61.0,
        density_after=57.5 if pixels else 61.0,
    )
