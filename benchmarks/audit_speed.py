"""How much faster the audit is than the published code, on the same masks and one core.

    python benchmarks/audit_speed.py [--image LABELS.nii.gz] [--json FILE]

Masks are drawn hearts, sound and with errors of segmentation networks, and where `--image` names
one (or the shared data lie beside the checkout) a real cine, each at its native size and at
256 x 256. Times are medians of processor time per frame, so that other work on the machine does
not count; ratios are what to quote. The published code is `tests/published_code.py`, a plain
transcription; before anything is timed, its twelve values are compared with ours on every frame.
"""

from __future__ import annotations

import argparse
import importlib
import json
import math
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from skimage.transform import resize

from cardiovae.attributes import ATTRIBUTES, measure_attributes
from cardiovae.audit.audit import audit_frame, frame_is_valid
from cardiovae.audit.criteria import criteria
from cardiovae.audit.temporal import Motion, temporal_findings
from cardiovae.io import load_sequence
from cardiovae.labels import CAMUS, LV_MYO, LabelScheme
from cardiovae.phantom.corruption import corrupt_sequence
from cardiovae.phantom.heart import draw_heart, draw_parameters

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))  # the transcription is an oracle first
published = importlib.import_module("published_code")

CINE = ROOT.parent / "shared" / "data" / "echo_toolkit_candidate2.nii.gz"
SIZES = ((256, 256), (513, 416))
SPACING = (0.4, 0.4)  # the transcription of the orientation wants square pixels
WANTED = {"256 x 256": 150, "513 x 416": 200, "motion": 50, "attributes": 50}

Labels = NDArray[np.uint8]


@dataclass(frozen=True)
class Row:
    """One comparison: seconds of processor time per frame, and what was found equal."""

    masks: str
    what: str
    published_ms: float
    ours_ms: float

    @property
    def ratio(self) -> float:
        """How many times faster."""
        return self.published_ms / self.ours_ms


def drawn(seed: int, severity: float, n_frames: int) -> Labels:
    """A drawn cine, shape (H, W, T), with errors."""
    rng = np.random.default_rng(seed)
    sound = draw_heart(draw_parameters(rng, "A4C"), n_frames=n_frames).sequence
    if severity == 0:
        return sound.labels
    return corrupt_sequence(sound, severity=severity, rng=rng)[0].labels


def resized(labels: Labels, shape: tuple[int, int]) -> Labels:
    """The cine on another grid, by nearest neighbor."""
    wanted = (*shape, labels.shape[2])
    found = resize(labels, wanted, order=0, preserve_range=True, anti_aliasing=False)
    return np.asarray(found, np.uint8)


def cases(image: Path | None, n_frames: int) -> dict[str, tuple[Labels, LabelScheme]]:
    """Cines by name, with the structures they annotate."""
    found = {}
    for name, severity in (("drawn, sound", 0.0), ("drawn, with errors", 0.6)):
        labels = drawn(7, severity, n_frames)
        for shape in SIZES:
            found[f"{name}, {shape[0]} x {shape[1]}"] = (resized(labels, shape), CAMUS)
    if image is not None and image.is_file():
        labels = np.array(load_sequence(image).labels)[:, :, :n_frames]
        for shape in SIZES:
            grid = labels if labels.shape[:2] == shape else resized(labels, shape)
            found[f"real, {shape[0]} x {shape[1]}"] = (grid, LV_MYO)
    return found


def processor_ms(work: Callable[[], object], *, repeats: int) -> float:
    """Median processor time of one call in ms."""
    times = []
    for _ in range(repeats):
        start = time.process_time_ns()
        work()
        times.append((time.process_time_ns() - start) / 1e6)
    return float(np.median(times))


def check(labels: Labels) -> None:
    """Raise unless the twelve published values are ours."""
    audit = audit_frame(labels, None, criteria("camus-public"), CAMUS.structures)
    expected = published.published_metrics(labels)
    for finding in audit.findings:
        if finding.criterion in expected:
            value = expected[finding.criterion]
            if not (finding.value == value or (math.isnan(value) and math.isnan(finding.value))):
                raise AssertionError(f"{finding.criterion}: {finding.value}, expected {value}")


def anatomy_rows(name: str, labels: Labels, scheme: LabelScheme) -> list[Row]:
    """The published metrics against both sets, in full and as a verdict only."""
    frames = [np.ascontiguousarray(labels[:, :, t]) for t in range(labels.shape[2])]
    for frame in frames:
        check(frame)
    slow = np.median(
        [processor_ms(lambda f=f: published.published_metrics(f), repeats=1) for f in frames]
    )
    rows = []
    for limits in (criteria("camus"), criteria("camus-public")):
        for what, work in (("audit", audit_frame), ("verdict", frame_is_valid)):

            def pass_over(work: Callable = work, limits: object = limits) -> None:
                for frame in frames:
                    work(frame, SPACING, limits, scheme.structures)

            pass_over()
            ours = processor_ms(pass_over, repeats=15) / len(frames)
            rows.append(Row(name, f"{limits.name}, {what}", float(slow), ours))
    return rows


def motion_rows(name: str, labels: Labels, scheme: LabelScheme) -> list[Row]:
    """Attributes of frames, and both temporal tests of the cine."""
    n = labels.shape[2]
    sets = criteria("tmi2022"), criteria("rl4seg3d")

    def attributes() -> None:
        for t in range(n):
            measure_attributes(labels[:, :, t], SPACING, scheme.structures)

    def motion() -> None:
        followed = Motion(labels, SPACING, scheme.structures)
        for limits in sets:
            temporal_findings(labels, SPACING, limits, scheme.structures, motion=followed)

    def as_published() -> None:
        for t in range(n):
            published.published_attributes(labels[:, :, t], SPACING)

    attributes(), motion()
    slow = [
        processor_ms(work, repeats=1) / n
        for work in (as_published, lambda: published.published_motion(labels, SPACING))
    ]
    fast = [processor_ms(work, repeats=15) / n for work in (attributes, motion)]
    names = f"attributes ({len(ATTRIBUTES)})", "motion, both sets"
    return [Row(name, what, s, f) for what, s, f in zip(names, slow, fast, strict=True)]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--image", type=Path, default=CINE)
    parser.add_argument("--frames", type=int, default=25)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rows: list[Row] = []
    for name, (labels, scheme) in cases(options.image, options.frames).items():
        found = anatomy_rows(name, labels, scheme)
        if all((labels == value).any((0, 1)).all() for value in (1, 2)):
            found += motion_rows(name, labels, scheme)
        for row in found:
            print(
                f"{row.masks:32} {row.what:24} {row.published_ms:9.2f} ms {row.ours_ms:8.3f} ms "
                f"{row.ratio:7.0f} x",
                flush=True,
            )
        rows += found
    if options.json:
        content = [{**asdict(row), "ratio": row.ratio} for row in rows]
        options.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
