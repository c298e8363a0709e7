"""What a DICOM file says about spacing, time and the names of segments.

**Spacing.** An ultrasound image may hold several regions (image, ECG, Doppler), each with a
calibration of its own (DICOM PS3.3, C.8.5.5). That of the tissue regions counts, when its unit is
cm and the region lies within the image: an image that was resized after calibration has regions
beyond its border, and its calibration is wrong. `PixelSpacing` is used where there is no region.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from cardiovae.io.content import positive

if TYPE_CHECKING:
    from pydicom import Dataset

Spacing = tuple[tuple[float, float] | None, tuple[str, ...]]

_TISSUE, _CENTIMETERS = 1, 3  # RegionDataType, PhysicalUnitsXDirection
_SAME = 0.01
"""Relative difference up to which time steps, or spacings of two regions, count as one."""


def image_spacing_mm(dataset: Dataset) -> Spacing:
    """(row, col) spacing of an image in mm, or None, and notes."""
    regions = dataset.get("SequenceOfUltrasoundRegions") or []
    tissue = [region for region in regions if region.get("RegionDataType") == _TISSUE]
    if not regions:
        return _stated_spacing(dataset.get("PixelSpacing"))
    if not tissue:
        return None, ("spacing unknown: none of the ultrasound regions is tissue",)
    found = []
    for region in tissue:
        units = {region.get("PhysicalUnitsXDirection"), region.get("PhysicalUnitsYDirection")}
        if units != {_CENTIMETERS}:
            return None, (f"spacing unknown: the unit of a region is {units}, not cm (3)",)
        right, bottom = region.get("RegionLocationMaxX1"), region.get("RegionLocationMaxY1")
        if right is None or bottom is None or right > dataset.Columns or bottom > dataset.Rows:
            return None, (
                "spacing unknown: a region reaches beyond the image, so the image was resized "
                "after it was calibrated",
            )
        deltas = region.get("PhysicalDeltaY"), region.get("PhysicalDeltaX")
        found.append([_short(10 * abs(float(delta or 0))) for delta in deltas])
    row, col = found[0]
    if not positive(row, col):
        return None, (f"spacing unknown: a region has pixels of {row:g} x {col:g} mm",)
    if any(not _alike(pair) for pair in zip(*found, strict=True)):
        shown = " and ".join(f"{r:g} x {c:g}" for r, c in found)
        return None, (f"spacing unknown: the tissue regions differ, {shown} mm",)
    return (row, col), ()


def segment_spacing_mm(dataset: Dataset) -> Spacing:
    """(row, col) spacing of a segmentation in mm, or None, and notes."""
    groups = dataset.get("SharedFunctionalGroupsSequence") or []
    measures = groups[0].get("PixelMeasuresSequence") if groups else None
    return _stated_spacing(measures[0].get("PixelSpacing") if measures else None)


def frame_time_ms(dataset: Dataset) -> tuple[float | None, tuple[str, ...]]:
    """Time between frames in ms, or None, and notes.

    `FrameTime`; else `FrameTimeVector` when its steps are alike; else the inverse of `CineRate`;
    else of `RecommendedDisplayFrameRate`, which says how to show it, so a note says so.
    """
    if int(dataset.get("NumberOfFrames") or 1) < 2:
        return None, ()
    steps = [float(step) for step in _several(dataset.get("FrameTimeVector"))[1:]]
    if positive(step := float(dataset.get("FrameTime") or 0)):
        return step, ()
    if steps and positive(*steps):
        if _alike(steps):
            return _short(sum(steps) / len(steps)), ()
        shown = f"from {min(steps):g} to {max(steps):g} ms"
        return None, (f"frame time unknown: the steps between frames vary {shown}",)
    if positive(rate := float(dataset.get("CineRate") or 0)):
        return _short(1000 / rate), ()
    if positive(rate := float(dataset.get("RecommendedDisplayFrameRate") or 0)):
        return _short(1000 / rate), ("frame time from the recommended rate of display",)
    return None, ()


def segment_names(dataset: Dataset) -> dict[int, str]:
    """Number and label of every segment; what it was coded as where that is one of ours.

    The label is free text, the coded property type is not; whichever is known counts.
    """
    from cardiovae.labels import structure_named

    names = {}
    for segment in dataset.get("SegmentSequence") or []:
        label = str(segment.get("SegmentLabel") or "")
        codes = segment.get("SegmentedPropertyTypeCodeSequence") or []
        coded = str(codes[0].get("CodeMeaning") or "") if codes else ""
        usual = structure_named(label) is None and structure_named(coded) is not None
        names[int(segment.SegmentNumber)] = coded if usual else label
    return names


def _stated_spacing(stated: object) -> Spacing:
    """Spacing from a PixelSpacing element, which is (row, col) in mm."""
    numbers = [float(number) for number in _several(stated)]
    if len(numbers) != 2:
        return None, ()
    row, col = numbers
    if not positive(row, col):
        return None, (f"spacing unknown: PixelSpacing is {row:g} x {col:g}",)
    return (row, col), ()


def _several(value: object) -> list[str]:
    """The values of an element that may have one, many or none."""
    if value is None or value == "":
        return []
    many = value if isinstance(value, Iterable) and not isinstance(value, str | bytes) else [value]
    return [str(one) for one in many]


def _alike(numbers: Iterable[float]) -> bool:
    """Whether numbers are the same up to `_SAME`."""
    known = list(numbers)
    return max(known) - min(known) <= _SAME * min(known)


def _short(number: float) -> float:
    """The shortest decimal of 12 digits: 10 * 0.0308 is 0.308, not 0.30800000000000005."""
    return float(f"{number:.12g}")
