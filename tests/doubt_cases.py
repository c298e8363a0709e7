"""Records of doubt as `Doubt.to_json` writes them, for the tests of the report."""

from __future__ import annotations

from typing import Any

CALIBRATION = {"name": "camus", "source": "CAMUS, part test", "n_patients": 120}


def doubted_frame(t: int, **changes) -> dict[str, Any]:
    """A frame that is not doubtful at all."""
    return {
        "frame": t,
        "entropy": 0.15,
        "band_mm": 0.8,
        "misfit_mm": 0.6,
        "disagreement": 0.05,
        "opinion": 0.09,
        "failure_probability": 0.02,
        "dice_expected": 0.95,
        "dice_low": 0.88,
        "look": False,
        "look_rank": t + 1,
        "lv_area_mm2": 3000.0,
        "lv_area_low_mm2": 2900.0,
        "lv_area_high_mm2": 3200.0,
    } | changes


def doubt_record(frames, **changes) -> dict[str, Any]:
    """What stands under "uncertainty"."""
    return {
        "method": "both",
        "level": 0.9,
        "n_samples": 16,
        "below": 0.85,
        "calibration": CALIBRATION,
        "ejection": {
            "ef_percent": 54.1, "low": 47.0, "high": 60.5, "sd": 3.1, "ed_ml": 104.2,
            "es_ml": 47.8, "n_samples": 48, "method": "single-plane",
        },
        "frames": list(frames),
        "reasons": {},
    } | changes  # fmt: skip


def nothing_known(n_frames: int) -> dict[str, Any]:
    """Every number missing."""
    keep = ("frame", "look", "look_rank")
    frames = [
        {k: v if k in keep else None for k, v in doubted_frame(t).items()} for t in range(n_frames)
    ]
    return doubt_record(
        frames,
        calibration=None,
        below=None,
        ejection=dict.fromkeys(("ef_percent", "low", "high", "sd")),
        reasons={"ejection": "no LV in any frame", "frame 0": "no heart", "frame 1": "no heart"},
    )
