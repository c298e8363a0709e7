"""Readers and writer of MONAI for label maps of every format that cardiovae knows, and images.

MONAI's own lose the time between frames, give multi-frame ultrasound of DICOM a wrong order of
axes and a spacing of 1, and write a header of their own. Here a file is read with its spacing,
time and view, and labels are written with the very header of the file that they belong to.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from monai.data.image_reader import ImageReader
from monai.data.image_writer import ImageWriter
from monai.utils.misc import ensure_tuple
from monai.utils.type_conversion import convert_to_tensor
from numpy.typing import NDArray
from torch import Tensor

from cardiovae.errors import FileError, LabelError
from cardiovae.io.content import view_from_name
from cardiovae.io.files import LabelFile, open_pixels, open_sequence, save_labels
from cardiovae.io.formats import SUFFIXES, suffix
from cardiovae.io.layouts import stated_frame_time_ms
from cardiovae.labels import LabelScheme, label_scheme
from cardiovae.monai.layout import Layout, read
from cardiovae.sequence import EchoSequence

Name = str | PathLike[Any]

MILLIMETER = 2  # NIFTI_UNITS_MM


class EchoReader(ImageReader):
    """Label maps (X, Y, T) with their spacing: `LoadImage(reader=EchoReader())`.

    Values are those of the file. The affine holds the spacing alone, and is the identity where it
    is unknown. Beside what MONAI expects, the meta data hold `frame_time_ms` (NaN = unknown),
    `view` ("" = unknown) and `labels`, the scheme as text.

    Args:
        labels: Label scheme or mapping; None = what the file says, or the smallest that fits.
        spacing_mm: (row, col) in mm; None = as the file says.
    """

    def __init__(
        self, labels: str | None = None, spacing_mm: tuple[float, float] | None = None
    ) -> None:
        super().__init__()
        self.labels, self.spacing_mm = labels, spacing_mm

    def verify_suffix(self, filename: Sequence[Name] | Name) -> bool:
        """Whether all files have a suffix that is known."""
        return all(suffix(str(name)) in SUFFIXES for name in ensure_tuple(filename))

    def read(self, data: Sequence[Name] | Name, **kwargs: Any) -> tuple[EchoSequence, LabelFile]:
        """The sequence in a file.

        Raises:
            FileError: Several files, or one that cannot be read.
            LabelError: Values that are no labels, or not those of the scheme.
        """
        paths = ensure_tuple(data)
        if len(paths) != 1:
            raise FileError(f"EchoReader: one file is one sequence, got {len(paths)} files")
        return open_sequence(Path(paths[0]), labels=self.labels, spacing_mm=self.spacing_mm)

    def get_data(
        self, img: tuple[EchoSequence, LabelFile]
    ) -> tuple[NDArray[np.uint8], dict[str, Any]]:
        """Label values (X, Y, T) and their meta data."""
        sequence, like = img
        values = like.scheme.to_values(sequence.labels)
        return _with_meta(
            values, sequence.spacing_mm, sequence.frame_time_ms, sequence.view, like.scheme
        )


class EchoImageReader(ImageReader):
    """Gray images (X, Y, T) of 0 to 255 with spacing and time, for networks that segment them.

    Labels found in them are written by `EchoWriter` with the header of the image.

    Args:
        labels: Label scheme of what will be found, for that file.
        spacing_mm: (row, col) in mm; None = as the file says.
    """

    def __init__(
        self, labels: str = "camus", spacing_mm: tuple[float, float] | None = None
    ) -> None:
        super().__init__()
        self.scheme, self.spacing_mm = label_scheme(labels), spacing_mm

    def verify_suffix(self, filename: Sequence[Name] | Name) -> bool:
        """Whether all files have a suffix that is known."""
        return all(suffix(str(name)) in SUFFIXES for name in ensure_tuple(filename))

    def read(
        self, data: Sequence[Name] | Name, **kwargs: Any
    ) -> tuple[NDArray[np.uint8], LabelFile]:
        """Gray levels (H, W, T) of a file, and what it takes to write labels like it.

        Raises:
            FileError: Several files, one that cannot be read, or gray levels that are not whole
                numbers of 0 to 255.
        """
        paths = ensure_tuple(data)
        if len(paths) != 1:
            raise FileError(f"EchoImageReader: one file is one cine, got {len(paths)} files")
        try:
            return open_pixels(Path(paths[0]), self.scheme)
        except LabelError as error:
            raise FileError(
                f"{paths[0]}: an image has whole gray levels of 0 to 255 ({error}); convert it"
            ) from error

    def get_data(
        self, img: tuple[NDArray[np.uint8], LabelFile]
    ) -> tuple[NDArray[np.uint8], dict[str, Any]]:
        """Gray levels (X, Y, T) and their meta data, as of `EchoReader`."""
        pixels, like = img
        known = self.spacing_mm or like.template.spacing_mm
        step = like.template.frame_time_ms or stated_frame_time_ms(like.path)
        view = view_from_name(like.path.name)
        return _with_meta(pixels, known, step, view, like.scheme)


def _with_meta(
    pixels: NDArray[np.uint8],
    spacing_mm: tuple[float, float] | None,
    frame_time_ms: float | None,
    view: str | None,
    scheme: LabelScheme,
) -> tuple[NDArray[np.uint8], dict[str, Any]]:
    """Pixels (H, W, T) as MONAI takes them, (X, Y, T), and their meta data."""
    values = pixels.transpose(1, 0, 2)
    row, col = spacing_mm or (1.0, 1.0)
    affine = np.diag([col, row, 1.0, 1.0])
    return np.ascontiguousarray(values), {
        "affine": affine,
        "original_affine": affine.copy(),
        "spatial_shape": np.array(values.shape),
        "original_channel_dim": math.nan,
        "xyzt_units": MILLIMETER if spacing_mm else 0,
        "frame_time_ms": math.nan if frame_time_ms is None else frame_time_ms,
        "view": view or "",
        "labels": _as_text(scheme),
    }


class EchoWriter(ImageWriter):
    """Labels in a file like the one they were loaded from: `SaveImage(writer=EchoWriter)`.

    Header, geometry, units, time and number type are those of that file, a label map or an image,
    which is named in the meta data and has to be there still. Nothing is resampled, and nothing
    overwritten unless `SaveImage.set_options(write_kwargs={"overwrite": True})` says so.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.array: Tensor | None = None
        self.source = self.labels = ""

    def set_data_array(self, data_array: Any, channel_dim: int | None = 0, **options: Any) -> None:
        """Take label values (1, X, Y[, T]), one-hot channels, or (X, Y, T) without a channel."""
        array: Tensor = convert_to_tensor(data_array, track_meta=True)
        self.array = array[None] if channel_dim is None else array

    def set_metadata(self, meta_dict: Mapping[str, Any] | None = None, **options: Any) -> None:
        """Take the name of the file that the labels belong to, and its scheme where it is said."""
        self.source, self.labels = (
            str((meta_dict or {}).get(key, "")) for key in ("filename_or_obj", "labels")
        )

    def write(
        self, filename: Name, verbose: bool = True, overwrite: bool = False, **options: Any
    ) -> None:
        """Write the labels.

        Raises:
            FileError: No file to be like, another shape or format, or a file in the way.
            CardiovaeError: The labels were turned since they were loaded.
        """
        if self.array is None or not self.source:
            raise FileError(
                f"{filename}: EchoWriter writes labels like the file they were loaded from, and "
                "their meta data name none; take writer='NibabelWriter' for these"
            )
        if self.labels:
            _, like = open_pixels(self.source, label_scheme(self.labels))
        else:
            _, like = open_sequence(self.source)
        reading = read(self.array, Layout(labels=_as_text(like.scheme)))
        super().write(filename, verbose=verbose)
        save_labels(Path(filename), reading.sequence, like, overwrite=overwrite)


def _as_text(scheme: LabelScheme) -> str:
    return ",".join(f"{structure.name.lower()}={v}" for structure, v in scheme.values.items())
