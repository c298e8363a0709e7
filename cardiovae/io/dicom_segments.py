"""Label maps from the frames of a DICOM segmentation: one bit per segment and instant, or numbers.

A BINARY segmentation has a frame for every segment and instant; frames without a pixel are usually
left out. Which instant a frame belongs to is said, in this order, by the number of the image frame
it was derived from, by its dimension indices, or by the order of the frames of each segment.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cardiovae.errors import FileError
from cardiovae.io.limits import require_pixels

if TYPE_CHECKING:
    from pydicom import Dataset

SEGMENTATIONS = (
    "1.2.840.10008.5.1.4.1.1.66.4",  # Segmentation Storage
    "1.2.840.10008.5.1.4.1.1.66.7",  # Label Map Segmentation Storage
)

Instant = tuple[int, ...]

_SEGMENT_NUMBER = 0x0062000B  # tag of ReferencedSegmentNumber


def segment_labels(
    dataset: Dataset, pixels: NDArray[Any], path: Path
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Number of the segment at every pixel, shape (H, W, T), and notes.

    Args:
        dataset: The segmentation.
        pixels: Its stored pixels, shape (frames, H, W).
        path: Named in messages.

    Raises:
        FileError: Segments that overlap, or slices of a volume instead of instants.
    """
    groups = list(dataset.get("PerFrameFunctionalGroupsSequence") or [])
    if groups and len(groups) != len(pixels):
        raise FileError(
            f"{path}: describes {len(groups)} frames and holds {len(pixels)}; export it again"
        )
    _require_one_plane(groups, path)
    if dataset.get("SegmentationType") == "LABELMAP":
        order = np.array(_instants(dataset, groups, [None] * len(pixels)), np.int64)
        order = np.lexsort(order.T[::-1])
        return np.moveaxis(pixels[order].astype(np.int64), 0, 2), ()
    numbers = [_segment_of(dataset, group) for group in groups] or [_only_segment(dataset)]
    keys = _instants(dataset, groups, numbers)
    instants = sorted(set(keys))
    _, h, w = pixels.shape
    require_pixels((h, w, len(instants)), path)
    labels = np.zeros((h, w, len(instants)), np.int64)
    for number, key, frame in zip(numbers, keys, pixels, strict=True):
        where = frame != 0
        target = labels[:, :, instants.index(key)]
        other = target[where & (target != 0)]
        if other.size:
            raise FileError(
                f"{path}: segments {int(other[0])} and {number} overlap in {other.size} pixels; a "
                "label map has one label per pixel: export segments that do not overlap"
            )
        target[where] = number
    return labels, _notes(instants)


def _instants(
    dataset: Dataset, groups: list[Dataset], numbers: Sequence[int | None]
) -> list[Instant]:
    """The instant of every frame: equal for frames of one, increasing with time.

    Args:
        dataset: The segmentation.
        groups: What is said of each frame.
        numbers: The segment that each frame shows; None where a frame shows all.
    """
    from_image = [_image_frame(group) for group in groups]
    if from_image and all(frame is not None for frame in from_image):
        return [(frame,) for frame in from_image if frame is not None]
    pointers = [item.DimensionIndexPointer for item in dataset.get("DimensionIndexSequence") or []]
    indices = [_indices(group, pointers) for group in groups]
    if pointers and indices and all(indices):
        return indices
    counts: Counter[int | None] = Counter()
    order: list[Instant] = []
    for number in numbers:
        order.append((counts[number],))
        counts[number] += 1
    return order


def _image_frame(group: Dataset) -> int | None:
    """Number of the image frame that a frame was derived from; None when it is not one."""
    for derivation in group.get("DerivationImageSequence") or []:
        for source in derivation.get("SourceImageSequence") or []:
            number = source.get("ReferencedFrameNumber")
            return None if number is None or not str(number).isdigit() else int(number)
    return None


def _indices(group: Dataset, pointers: list[int]) -> Instant:
    """Dimension indices of a frame, without that of the segment; empty when there are none."""
    content = group.get("FrameContentSequence")
    values = content[0].get("DimensionIndexValues") if content else None
    if values is None:
        return ()
    values = [values] if isinstance(values, int) else list(values)
    return tuple(
        int(value)
        for value, pointer in zip(values, pointers, strict=True)
        if pointer != _SEGMENT_NUMBER
    )


def _segment_of(dataset: Dataset, group: Dataset) -> int:
    """Number of the segment that a frame shows."""
    shared = dataset.get("SharedFunctionalGroupsSequence") or [{}]
    for place in (group, shared[0]):
        found = place.get("SegmentIdentificationSequence")
        if found:
            return int(found[0].ReferencedSegmentNumber)
    return _only_segment(dataset)


def _only_segment(dataset: Dataset) -> int:
    """Number of the first segment, for files with one."""
    return int(dataset.SegmentSequence[0].SegmentNumber)


def _require_one_plane(groups: list[Dataset], path: Path) -> None:
    """Raise where frames lie at different places in the body: slices, no instants."""
    positions = set()
    for group in groups:
        plane = group.get("PlanePositionSequence")
        if plane:
            positions.add(str(plane[0].get("ImagePositionPatient")))
    if len(positions) > 1:
        raise FileError(
            f"{path}: its frames lie at {len(positions)} places in the body: it is a volume of "
            "slices, not a sequence in time"
        )


def _notes(instants: list[Instant]) -> tuple[str, ...]:
    """What should be known where image frames were left out between the first and the last."""
    numbers = [instant[0] for instant in instants if len(instant) == 1]
    span = numbers[-1] - numbers[0] + 1 if numbers else 0
    if len(numbers) == len(instants) and span > len(numbers):
        absent = span - len(numbers)
        return (f"{absent} frames between the first and the last have no segment; left out",)
    return ()
