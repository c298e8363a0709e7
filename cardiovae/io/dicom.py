"""Label maps in DICOM files: multi-frame images whose pixels are labels, and segmentations.

Read with pydicom, the extra `dicom`. Only pixels without loss are read: uncompressed or RLE. What
identifies a patient is never kept. DICOM is not written: a segmentation object needs the identity
of patient and study, which a label map does not carry; corrections are written as NIfTI.

**Spacing** of an ultrasound image: see `dicom_header`. **Segmentations**: see `dicom_segments`.
"""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cardiovae.errors import CardiovaeError, FileError
from cardiovae.io.content import file_bytes, gray_channel, whole_labels
from cardiovae.io.dicom_header import (
    frame_time_ms,
    image_spacing_mm,
    segment_names,
    segment_spacing_mm,
)
from cardiovae.io.dicom_segments import SEGMENTATIONS, segment_labels
from cardiovae.io.limits import require_pixels
from cardiovae.labels import LabelScheme, scheme_of_names

if TYPE_CHECKING:
    from pydicom import Dataset

SUFFIXES = (".dcm", ".dicom")

_DEFLATED = b"1.2.840.10008.1.2.1.99"
_READABLE = {  # transfer syntax: how many bytes one stored byte can become
    "1.2.840.10008.1.2": 1,  # implicit VR, little endian
    "1.2.840.10008.1.2.1": 1,  # explicit VR, little endian
    "1.2.840.10008.1.2.2": 1,  # explicit VR, big endian
    "1.2.840.10008.1.2.5": 64,  # RLE: two bytes stand for 128 at most (DICOM PS3.5, annex G)
}
# What pydicom raises on damaged files, besides two plain Exceptions of its own.
_DAMAGE = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    StopIteration,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)


@dataclass(frozen=True)
class DicomTemplate:
    """What a DICOM file says besides its pixels, as far as a label map needs it.

    Args:
        shape: (X, Y, T), that is columns, rows, frames.
        dtype: Number type of the pixels.
        spacing_mm: (row, col); None = unknown.
        frame_time_ms: Time between frames in ms; None = unknown.
        notes: What a reader of the figures should know about spacing and time.
        names: Name of every segment number of a segmentation; empty for an image.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]
    spacing_mm: tuple[float, float] | None
    frame_time_ms: float | None
    notes: tuple[str, ...]
    names: tuple[tuple[int, str], ...] = ()

    def scheme(self) -> LabelScheme | None:
        """The label scheme that the names of the segments amount to; None without names.

        Raises:
            LabelError: There are names, but none of a left ventricle.
        """
        return scheme_of_names(dict(self.names), "segments of the file")


def read(path: Path) -> tuple[NDArray[np.uint8], DicomTemplate]:
    """Label values of a DICOM file, shape (H, W, T), and its template.

    Raises:
        FileError: pydicom is not installed; the file is absent, damaged, compressed with loss,
            colored, a volume of slices, or has segments that overlap.
        LabelError: Values that are no labels: below 0 or above 255.
    """
    content = file_bytes(path)
    try:
        import pydicom
        from pydicom.errors import BytesLengthException, InvalidDicomError
    except ImportError as error:
        raise FileError(
            f"{path}: DICOM is read with pydicom, which is not installed; "
            "pip install 'cardiovae[dicom]'"
        ) from error
    if _DEFLATED in content:  # pydicom would unpack it whole, whatever its size
        raise FileError(f"{path}: is a deflated DICOM file; save it uncompressed")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # values that break rules we do not depend on
            dataset = pydicom.dcmread(io.BytesIO(content))
            _require_lossless(dataset, path)
            if dataset.get("SOPClassUID") in SEGMENTATIONS:
                return _segmentation(dataset, path)
            return _image(dataset, path)
    except CardiovaeError:
        raise
    except (BytesLengthException, InvalidDicomError, *_DAMAGE) as error:
        raise FileError(
            f"{path}: is no DICOM file, or is damaged ({type(error).__name__}: {error}); export "
            "it again"
        ) from error


def _image(dataset: Dataset, path: Path) -> tuple[NDArray[np.uint8], DicomTemplate]:
    """Labels of an image of one or many frames whose pixels are label values."""
    for name, neutral in (("RescaleSlope", 1), ("RescaleIntercept", 0)):
        if dataset.get(name, neutral) != neutral:
            raise FileError(f"{path}: its pixels are scaled ({name}); export the label values")
    colored, mode = dataset.SamplesPerPixel != 1, str(dataset.PhotometricInterpretation)
    if colored and mode != "RGB":
        raise FileError(f"{path}: has colors ({mode}), no label values; export one channel")
    pixels = _pixels(dataset, path)
    if colored:
        pixels = gray_channel(pixels, mode, path)
    values = whole_labels(np.moveaxis(pixels, 0, 2), path)
    h, w, t = values.shape
    spacing, space_notes = image_spacing_mm(dataset)
    step, time_notes = frame_time_ms(dataset)
    notes = space_notes + time_notes
    return values, DicomTemplate((w, h, t), pixels.dtype, spacing, step, notes)


def _segmentation(dataset: Dataset, path: Path) -> tuple[NDArray[np.uint8], DicomTemplate]:
    """Labels of a segmentation object; the values are the numbers of its segments."""
    if dataset.get("SegmentationType") == "FRACTIONAL":
        raise FileError(
            f"{path}: its segments are fractions, not labels; export them as BINARY or LABELMAP"
        )
    numbers, notes = segment_labels(dataset, _pixels(dataset, path), path)
    values = whole_labels(numbers, path)
    h, w, t = values.shape
    spacing, space_notes = segment_spacing_mm(dataset)
    names = tuple(sorted(segment_names(dataset).items()))
    dtype = np.dtype(np.uint8)
    return values, DicomTemplate((w, h, t), dtype, spacing, None, notes + space_notes, names)


def _pixels(dataset: Dataset, path: Path) -> NDArray[Any]:
    """Stored pixels, shape (frames, H, W) or (frames, H, W, channels).

    What the header claims is compared with the bytes that are there before anything is unpacked.
    """
    from pydicom.pixels.utils import pixel_array

    shape = (int(dataset.get("NumberOfFrames") or 1), int(dataset.Rows), int(dataset.Columns))
    require_pixels(shape, path)
    channels = int(dataset.get("SamplesPerPixel", 1))
    stored = (prod(shape) * channels * int(dataset.BitsAllocated) + 7) // 8
    found = len(dataset.get("PixelData") or b"")
    if not 0 < stored <= _READABLE[dataset.file_meta.TransferSyntaxUID] * found:
        raise FileError(
            f"{path}: is cut short: its header promises {' x '.join(map(str, shape))} pixels, "
            f"which {found} bytes cannot hold; copy or export it again"
        )
    pixels = pixel_array(dataset, raw=True)
    return np.asarray(pixels).reshape(*shape, *([channels] if channels > 1 else []))


def _require_lossless(dataset: Dataset, path: Path) -> None:
    """Raise unless the pixels are stored in a way that is read, with what can be done about it."""
    syntax = dataset.file_meta.TransferSyntaxUID
    if syntax in _READABLE:
        return
    lossless = "lossless" in syntax.name.lower() and dataset.get("LossyImageCompression") != "01"
    raise FileError(
        f"{path}: is compressed ({syntax.name}) "
        + (
            "in a way that is not read; decompress it, as with gdcmconv --raw"
            if lossless
            else "with loss, which changes labels; export the masks again, without loss"
        )
    )
