"""MetaImage label maps (.mha, .mhd with .raw or .zraw), such as those CAMUS was first shared in.

**Axes.** As in NIfTI, the fastest axis is X (lateral) and becomes columns, the second is Y (depth)
and becomes rows; nothing is turned after `TransformMatrix`. CAMUS files are anisotropic
(0.308 mm laterally, 0.154 mm in depth) and give 1.54 for the axis of frames, which is no time: the
format knows no time, so the frame time is always unknown.

**Units.** The format names none; millimeters are its custom. See `spacing_without_unit`.

**Writing.** The lines of the header are written back as they were read, comments included; only
those that say where the pixels are and how long they are change.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cardiovae.errors import FileError
from cardiovae.io.atomic import staged
from cardiovae.io.content import file_bytes, planar_shape, whole_labels
from cardiovae.io.limits import require_pixels
from cardiovae.io.metaimage_header import (
    Fields,
    byte_order,
    header_text,
    is_true,
    parse_header,
    pixel_bytes,
    slice_mm,
    spacing_mm,
    stored_dtype,
    stored_shape,
)

SUFFIXES = (".mha", ".mhd")


@dataclass(frozen=True)
class MetaImageTemplate:
    """What a MetaImage file says besides its pixels, and all it takes to write another like it.

    Args:
        fields: Keys and values of the header text in their order, `ElementDataFile` last.
        shape: Shape as stored, (X, Y), (X, Y, T) or (X, Y, 1, T).
        dtype: Number type of the pixels, with its byte order.
        compressed: Whether the pixels are compressed.
        spacing_mm: (row, col), that is spacing along (Y, X); None = unknown.
        frame_time_ms: Always None: the format has no field for time.
        notes: What a reader of the figures should know about the spacing.
        slice_mm: Distance between slices in mm, should its frames be slices; None = unknown.
    """

    fields: Fields
    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]
    compressed: bool
    spacing_mm: tuple[float, float] | None
    frame_time_ms: float | None
    notes: tuple[str, ...]
    slice_mm: float | None = None


def new_template(
    shape: tuple[int, int, int],
    spacing_mm: tuple[float, float] | None,
    slice_mm: float | None = None,
) -> MetaImageTemplate:
    """The template of a compressed file of uint8 for label maps that come from another format.

    Without spacing the header has none, which reads as unknown; there is no place for a distance
    between slices then, either. A frame time has no place in it.

    Args:
        shape: (H, W, T).
        spacing_mm: (row, col); None = unknown.
        slice_mm: Distance between slices in mm; None = unknown, or no slices.
    """
    h, w, t = shape
    fields = [
        ("ObjectType", "Image"),
        ("NDims", "3"),
        ("BinaryData", "True"),
        ("BinaryDataByteOrderMSB", "False"),
        ("CompressedData", "True"),
        ("DimSize", f"{w} {h} {t}"),
        ("ElementType", "MET_UCHAR"),
        ("ElementDataFile", "LOCAL"),
    ]
    if spacing_mm is not None:
        row, col = spacing_mm
        fields.insert(5, ("ElementSpacing", f"{col!r} {row!r} {slice_mm or 1!r}"))
    dtype: np.dtype[np.generic] = np.dtype(np.uint8)
    apart = None if spacing_mm is None else slice_mm
    return MetaImageTemplate(tuple(fields), (w, h, t), dtype, True, spacing_mm, None, (), apart)


def read(path: Path) -> tuple[NDArray[np.uint8], MetaImageTemplate]:
    """Label values of a MetaImage file, shape (H, W, T) = (Y, X, T), and its template.

    Raises:
        FileError: Absent, empty, damaged, without its pixel file, not a MetaImage, or of a shape
            or type that is no label map.
        LabelError: Values that are no labels: NaN, fractions, below 0 or above 255.
    """
    content = file_bytes(path)
    fields, offset = parse_header(content, path)
    stated = dict(fields)
    dtype, shape = stored_dtype(stated, path), stored_shape(stated, path)
    x, y, t = planar_shape(shape, path)
    require_pixels((x, y, t), path)
    pixels = pixel_bytes(path, stated, content[offset:], prod(shape) * dtype.itemsize)
    stored = np.frombuffer(pixels, dtype).reshape(t, y, x).transpose(1, 2, 0)
    values = whole_labels(stored, path)
    spacing, notes = spacing_mm(stated)
    compressed = is_true(stated, "CompressedData")
    apart = slice_mm(stated, shape, spacing)
    return values, MetaImageTemplate(fields, shape, dtype, compressed, spacing, None, notes, apart)


def write_labels(
    path: Path, values: NDArray[np.uint8], template: MetaImageTemplate, *, overwrite: bool = False
) -> None:
    """Write label values, shape (H, W, T), with the header, number type and compression read.

    Beside an `.mhd` goes its `.raw` or `.zraw`.

    Raises:
        FileError: A file exists, cannot be written, or its number type cannot hold a value.
    """
    highest = int(values.max(initial=0))
    if template.dtype.kind in "iu" and highest > np.iinfo(template.dtype.str).max:
        raise FileError(
            f"{path}: pixels of type {template.dtype} cannot hold the label value {highest}; "
            "convert the input to uint8 first"
        )
    pixels = values.transpose(2, 0, 1).astype(template.dtype).tobytes()
    _write(path, pixels, template.fields, template.compressed, overwrite=overwrite)


def write_map(
    path: Path,
    array: NDArray[np.float32],
    template: MetaImageTemplate,
    *,
    overwrite: bool = False,
) -> None:
    """Write a float32 map, shape (H, W, T), in the geometry of `template`; MetaImage or NIfTI.

    Raises:
        FileError: A file exists or cannot be written.
    """
    fields = tuple(
        (key, "MET_FLOAT" if key == "ElementType" else value) for key, value in template.fields
    )
    dtype = np.dtype(np.float32).newbyteorder(byte_order(dict(fields)))
    pixels = array.transpose(2, 0, 1).astype(dtype).tobytes()
    if path.name.lower().endswith(SUFFIXES):
        _write(path, pixels, fields, template.compressed, overwrite=overwrite)
    else:
        _write_nifti(path, pixels, fields, overwrite=overwrite)


def header_bytes(path: Path) -> bytes:
    """The header text of a MetaImage file, for comparing headers.

    Raises:
        FileError: Absent, empty or not a MetaImage.
    """
    content = file_bytes(path)
    return content[: parse_header(content, path)[1]]


def _write(
    path: Path, pixels: bytes, fields: Fields, compressed: bool, *, overwrite: bool
) -> None:
    """Write header text and pixels, in one file or two as the suffix asks."""
    if compressed:
        pixels = zlib.compress(pixels)
    local = path.suffix.lower() == ".mha"
    pixel_name = f"{path.stem}.{'zraw' if compressed else 'raw'}"
    if compressed and "CompressedDataSize" not in dict(fields):
        fields = (*fields[:-1], ("CompressedDataSize", ""), fields[-1])  # MetaIO needs it
    header = header_text(
        fields,
        CompressedData=str(compressed),
        CompressedDataSize=str(len(pixels)),
        HeaderSize="0",
        ElementDataFile="LOCAL" if local else pixel_name,
    )
    with staged(path, overwrite=overwrite) as target:
        target.write_bytes(header + pixels if local else header)
        if not local:
            target.with_name(pixel_name).write_bytes(pixels)


def _write_nifti(path: Path, pixels: bytes, fields: Fields, *, overwrite: bool) -> None:
    """Write a map as NIfTI; ITK turns the LPS geometry of MetaImage into the RAS of NIfTI."""
    import SimpleITK

    with staged(path, overwrite=overwrite) as target:
        original = target.with_name("map.mha")
        _write(original, pixels, fields, compressed=False, overwrite=False)
        try:
            SimpleITK.WriteImage(SimpleITK.ReadImage(original), target)
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[-1]
            raise FileError(
                f"{path}: its geometry cannot be written as NIfTI ({reason}); write the map as "
                ".mha instead"
            ) from error
        original.unlink()
