"""Measure the criteria on CAMUS ground truth and write `configs/criteria/camus_pass_rates.json`.

Run from the repository's root, with the folder that holds the dev data:

    python benchmarks/calibrate_criteria.py ../shared/data

Ground truth is audited on its own grid and, by nearest neighbor, on others; the real predictions
of `unet_dev_preds.npz` show what the criteria still catch. Aggregates only are written. The
limits in `camus.yaml` are set by hand, clear of the extremes that this prints.
"""

from __future__ import annotations

import json
import math
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiovae.audit.audit import audit_frame
from cardiovae.audit.criteria import CriteriaSet, criteria
from cardiovae.labels import CAMUS, LV_MYO, Label, LabelScheme

TABLE = Path(__file__).resolve().parent.parent / "configs" / "criteria" / "camus_pass_rates.json"
NATIVE_MM = 0.308  # isotropic spacing of the CAMUS NIfTI release
Frame = tuple[NDArray[np.uint8], tuple[float, float]]


def resampled(
    labels: NDArray[np.uint8], spacing_mm: tuple[float, float], shape: tuple[int, int]
) -> Frame:
    """One frame on a grid of another shape over the same field, by nearest neighbor."""
    picks = [
        ((np.arange(new) + 0.5) * old / new).astype(int)
        for new, old in zip(shape, labels.shape, strict=True)
    ]
    row, col = (
        mm * old / new for mm, old, new in zip(spacing_mm, labels.shape, shape, strict=True)
    )
    return labels[np.ix_(*picks)], (row, col)


def grids(folder: Path) -> Iterator[tuple[str, str, list[Frame]]]:
    """Ground truth as (grid, origin, frames), the same masks several times."""
    data = np.load(folder / "camus224_dev.npz")
    squares = [
        (m, tuple(s.tolist())) for m, s in zip(data["masks"], data["spacing_mm"], strict=True)
    ]
    archive = np.load(folder / "camus4CH_fullres_dev.npz")
    native: list[Frame] = [(archive[name], (NATIVE_MM, NATIVE_MM)) for name in archive.files]
    yield "native", "4CH, 0.308 x 0.308 mm", native
    # The older release has twice the rows: 0.154 mm down, 0.308 mm across.
    doubled = [resampled(m, s, (2 * m.shape[0], m.shape[1])) for m, s in native]
    yield "native", "4CH, 0.154 x 0.308 mm", doubled
    for size in (256, 224, 128):
        origin = "2CH and 4CH at 224" if size != 224 else "2CH and 4CH, its own grid"
        yield str(size), origin, [resampled(m, s, (size, size)) for m, s in squares]
        yield str(size), "4CH at 0.308 mm", [resampled(m, s, (size, size)) for m, s in native]


def audit_all(
    frames: Iterable[Frame], chosen: CriteriaSet, scheme: LabelScheme, extremes: dict[str, Any]
) -> tuple[int, Counter[str]]:
    """How many frames pass, and how often each criterion fails; extremes are widened."""
    passed, failed = 0, Counter[str]()
    for labels, spacing_mm in frames:
        seen = labels
        if Label.LA not in scheme.structures:
            seen = np.where(labels == Label.LA, 0, labels).astype(np.uint8)
        audit = audit_frame(seen, spacing_mm, chosen, scheme.structures)
        passed += audit.passed
        failed.update(f.criterion for f in audit.failures)
        for finding in audit.findings:
            low, high = extremes.get(finding.criterion, (math.inf, -math.inf))
            extremes[finding.criterion] = (min(low, finding.value), max(high, finding.value))
    return passed, failed


def ground_truth(folder: Path) -> dict[str, Any]:
    """Pass rates per criteria set and grid, and the extremes of real masks."""
    cases = {
        "camus": (criteria("camus"), CAMUS),
        "camus, LA not annotated": (criteria("camus"), LV_MYO),
        "camus-public": (criteria("camus-public"), CAMUS),
        "camus-public, LA not annotated": (criteria("camus-public"), LV_MYO),
    }
    rates: dict[str, list[dict[str, Any]]] = {name: [] for name in cases}
    extremes: dict[str, tuple[float, float]] = {}
    for grid, origin, frames in grids(folder):
        for name, (chosen, scheme) in cases.items():
            passed, failed = audit_all(frames, chosen, scheme, extremes)
            row = {"grid": grid, "masks": origin, "n": len(frames), "passed": passed}
            rates[name].append({**row, "failed": dict(sorted(failed.items()))})
            print(f"{name:32} {grid:7} {origin:26} {passed}/{len(frames)} {dict(failed)}")
    limits = [
        {
            "criterion": c.name,
            "unit": c.unit,
            "low": c.low,
            "high": c.high,
            "real_min": round(extremes[c.name][0], 4),
            "real_max": round(extremes[c.name][1], 4),
        }
        for c in criteria("camus").criteria
    ]
    return {"pass_rate": rates, "extremes": limits}


def predictions(folder: Path) -> list[dict[str, Any]]:
    """Shares of real network predictions that are invalid."""
    archive = np.load(folder / "unet_dev_preds.npz")
    spacing = np.load(folder / "camus224_dev.npz")["spacing_mm"][archive["index"]]
    rows = []
    for name in ("ep2", "ep4", "ep10", "shift"):
        frames: list[Frame] = [
            (m, tuple(s.tolist())) for m, s in zip(archive[name], spacing, strict=True)
        ]
        row: dict[str, Any] = {"predictions": name, "n": len(frames)}
        for chosen in (criteria("camus"), criteria("camus-public")):
            passed, failed = audit_all(frames, chosen, CAMUS, {})
            row[chosen.name] = {
                "invalid": len(frames) - passed,
                "failed": dict(failed.most_common()),
            }
        print(row)
        rows.append(row)
    return rows


def main(folder: Path) -> None:
    """Measure everything and write the table."""
    table = {
        "about": "Frames of CAMUS ground truth that pass, on several grids (nearest neighbor); "
        "written by benchmarks/calibrate_criteria.py",
        "source": "CAMUS, Leclerc et al., IEEE TMI 38(9), 2019; 400 patients, aggregates only",
        **ground_truth(folder),
        "real_predictions": predictions(folder),
    }
    TABLE.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
    print(f"wrote {TABLE}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
