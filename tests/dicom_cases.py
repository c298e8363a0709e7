"""DICOM files for the tests, made with pydicom."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from pydicom import Dataset
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.pixels.utils import pack_bits
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

ULTRASOUND = "1.2.840.10008.5.1.4.1.1.3.1"
SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"
LABEL_MAP = "1.2.840.10008.5.1.4.1.1.66.7"


def item(**elements: Any) -> Dataset:
    """A dataset with these elements, as items of sequences are."""
    dataset = Dataset()
    for name, value in elements.items():
        setattr(dataset, name, value)
    return dataset


def dicom(path: Path, kind: str, pixels: bytes, shape: tuple[int, ...], **elements: Any) -> Path:
    """A file of stored pixels, shape (frames, H, W), eight bits each unless told otherwise."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = kind, generate_uid()
    dataset = FileDataset(path, {}, file_meta=meta, preamble=bytes(128))
    dataset.SOPClassUID, dataset.SOPInstanceUID = kind, meta.MediaStorageSOPInstanceUID
    dataset.PatientName = "Nobody^Known"
    dataset.NumberOfFrames, dataset.Rows, dataset.Columns = shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.PixelRepresentation = 7, 0
    for name, value in elements.items():
        setattr(dataset, name, value)
    dataset.PixelData = pixels + bytes(len(pixels) % 2)
    dataset.save_as(path, enforce_file_format=True)
    return path


def region(delta_y_cm: float, delta_x_cm: float, **elements: Any) -> Dataset:
    """A tissue region in cm that covers (3, 4) pixels."""
    return item(
        **{
            "RegionSpatialFormat": 1,
            "RegionDataType": 1,
            "RegionFlags": 0,
            "RegionLocationMinX0": 0,
            "RegionLocationMinY0": 0,
            "RegionLocationMaxX1": 3,
            "RegionLocationMaxY1": 2,
            "PhysicalUnitsXDirection": 3,
            "PhysicalUnitsYDirection": 3,
            "PhysicalDeltaX": delta_x_cm,
            "PhysicalDeltaY": delta_y_cm,
            **elements,
        }
    )


def ultrasound(path: Path, labels: np.ndarray, **elements: Any) -> Path:
    """An ultrasound file whose pixels are the label maps (H, W, T)."""
    frames = np.moveaxis(labels, 2, 0)
    return dicom(path, ULTRASOUND, frames.tobytes(), frames.shape, **elements)


def segmentation(
    path: Path,
    frames: list[tuple[int, np.ndarray, dict[str, Any]]],
    names: dict[int, str],
    **elements: Any,
) -> Path:
    """A BINARY segmentation.

    Args:
        path: Where to.
        frames: Segment number, mask (H, W) and further functional groups of every frame.
        names: Label of every segment.
        elements: Further elements.
    """
    masks = np.stack([mask for _, mask, _ in frames])
    groups = [
        item(SegmentIdentificationSequence=[item(ReferencedSegmentNumber=number)], **further)
        for number, _, further in frames
    ]
    return dicom(
        path,
        SEGMENTATION,
        pack_bits(masks.astype(np.uint8), pad=False),
        masks.shape,
        **{
            "BitsAllocated": 1,
            "BitsStored": 1,
            "HighBit": 0,
            "SegmentationType": "BINARY",
            "SegmentSequence": [
                item(SegmentNumber=number, SegmentLabel=name) for number, name in names.items()
            ],
            "PerFrameFunctionalGroupsSequence": groups,
            **elements,
        },
    )


def of_image_frame(number: int) -> dict[str, Any]:
    """The functional group that says from which frame of an image a mask was derived."""
    source = item(ReferencedFrameNumber=number)
    return {"DerivationImageSequence": [item(SourceImageSequence=[source])]}


def at_indices(*indices: int) -> dict[str, Any]:
    """The functional group that says where a mask stands in the dimensions of the file."""
    return {"FrameContentSequence": [item(DimensionIndexValues=list(indices))]}
