"""Results of a correction with stated doubt, drawn by the contract of `audit.json`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from cli_cases import write
from evaluation_cases import half_ellipse

SPACING = (2.0, 2.0)
N_FRAMES = 4


def beat(scale: float = 1.0) -> np.ndarray:
    """Four frames from ED to ES and back."""
    sizes = ((80, 22), (70, 18), (64, 15), (74, 20))
    return np.stack([half_ellipse(a * scale, b * scale, SPACING) for a, b in sizes], axis=2)


def cohort(folder: Path, n_patients: int = 24, *, seed: int = 0) -> dict[str, np.ndarray]:
    """References in `ref`, results in `out`; the further off a frame, the more doubt it states.

    Returns:
        Per sequence, by how many columns each frame is off: 2 in most, far in every third patient.
    """
    rng = np.random.default_rng(seed)
    moved = {}
    for p in range(n_patients):
        truth = beat(rng.uniform(0.9, 1.05))
        shifts = rng.integers(0, 2, N_FRAMES)
        if p % 3 == 0:
            shifts[1:] += rng.integers(3, 6, N_FRAMES - 1)
        name = f"patient{p:04d}_4CH"
        write(folder / "ref" / f"{name}.nii.gz", truth, SPACING)
        result(folder / "out" / name, truth, shifts, rng)
        moved[name] = shifts
    return moved


def result(folder: Path, truth: np.ndarray, shifts: np.ndarray, rng: np.random.Generator) -> None:
    """Labels, maps and the record of one sequence."""
    found = np.stack([np.roll(truth[:, :, t], s, axis=1) for t, s in enumerate(shifts)], axis=2)
    write(folder / "labels.nii.gz", found, SPACING)
    wrong = found != truth
    noise = rng.uniform(0, 0.4, wrong.shape)
    posterior = np.clip(0.4 * wrong + noise * (found > 0), 0, 1).round(3).astype(np.float32)
    write(folder / "uncertainty.nii.gz", posterior, SPACING)
    seen = wrong & (rng.random(wrong.shape) < 0.7)
    image = (seen * 0.8).astype(np.float32)
    image[:2] = np.nan  # as where nothing is known
    write(folder / "uncertainty_crisp.nii.gz", image, SPACING)
    record = {"status": "unchanged", "uncertainty": said(found, shifts, rng)}
    (folder / "audit.json").write_text(json.dumps(record), encoding="utf-8")


def said(found: np.ndarray, shifts: np.ndarray, rng: np.random.Generator) -> dict[str, Any]:
    """The record by the contract."""
    areas = np.count_nonzero(found == 1, axis=(0, 1)) * SPACING[0] * SPACING[1]
    frames = []
    for t, (shift, area) in enumerate(zip(shifts.tolist(), areas.tolist(), strict=True)):
        doubt = 0.1 * shift + float(rng.normal(0, 0.12))
        frames.append(
            {
                "frame": t,
                "entropy": doubt,
                "band_mm": 2 + float(rng.normal()),
                "density_percentile": 90 - 10 * shift + float(rng.normal(0, 5)),
                "mahalanobis": 3 + 0.5 * shift + float(rng.normal()),
                "disagreement": max(0.0, 0.01 * shift + float(rng.normal(0, 0.02))),
                "misfit_mm": 1 + 0.4 * shift + float(rng.normal(0, 0.5)),
                "crisp_dice": 0.95 - 0.05 * shift + float(rng.normal(0, 0.05)),
                "motion_sd": None,
                "valid_share": float(np.clip(1 - 0.05 * shift + rng.normal(0, 0.1), 0, 1)),
                "crisp": 0.05 * shift + float(rng.normal(0, 0.09)),
                "crisp_cosine": 0.9 - 0.03 * shift + float(rng.normal(0, 0.06)),
                "failure_probability": float(
                    np.clip(0.3 * shift - 0.4 + rng.normal(0, 0.15), 0, 1)
                ),
                "dice_expected": 0.97 - 0.07 * shift + float(rng.normal(0, 0.03)),
                "dice_low": 0.89 - 0.07 * shift,
                "look": shift > 1,
                "look_rank": t + 1,
                "lv_area_mm2": area,
                "lv_area_low_mm2": area - 100,
                "lv_area_high_mm2": area + 100,
            }
        )
    ef = 62 + float(rng.normal(0, 3))
    return {
        "method": "both",
        "level": 0.9,
        "n_samples": 16,
        "calibration": None,
        "ejection": {"ef_percent": ef, "low": ef - 5, "high": ef + 5, "sd": 3.0},
        "frames": frames,
        "reasons": {"motion_sd": "fewer than five frames"},
    }


def change(folder: Path, **keys: Any) -> None:
    """Change the record of uncertainty in a folder of a result; ... removes a key."""
    path = folder / "audit.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    for key, value in keys.items():
        if value is ...:
            content["uncertainty"].pop(key)
        else:
            content["uncertainty"][key] = value
    path.write_text(json.dumps(content), encoding="utf-8")
