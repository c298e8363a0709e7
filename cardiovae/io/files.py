"""Label map files in and out, whatever their format."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiovae.errors import FileError, LabelError
from cardiovae.io import formats
from cardiovae.io.content import view_from_name
from cardiovae.io.dicom import DicomTemplate
from cardiovae.io.formats import Template
from cardiovae.io.inputs import require_supported
from cardiovae.io.layouts import stated_frame_time_ms, stated_scheme
from cardiovae.labels import (
    CAMUS,
    LV_MYO,
    LV_ONLY,
    Label,
    LabelScheme,
    infer_scheme,
    label_scheme,
)
from cardiovae.sequence import SAX, EchoSequence


@dataclass(frozen=True)
class LabelFile:
    """What a file says besides its labels: all it takes to write other labels like it.

    Args:
        path: Where it was read.
        scheme: Which value stands for which structure in it.
        template: Header, stored shape and number type, of its format.
    """

    path: Path
    scheme: LabelScheme
    template: Template

    @property
    def kind(self) -> str:
        """Format of the file: "nifti", "metaimage", "numpy", "png", "dicom" or "video"."""
        return formats.kind(self.template)

    @property
    def extension(self) -> str:
        """Suffix of a file written like it, such as ".nii.gz"; "" for a folder of PNG files."""
        return formats.written_suffix(self.path)

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Number type of the stored pixels, with its byte order."""
        return self.template.dtype

    @property
    def ndim(self) -> int:
        """Number of stored axes: 2, 3 or 4."""
        return len(self.template.shape)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the figures should know about its spacing and time."""
        return self.template.notes


def load_sequence(
    path: Path | str,
    *,
    labels: LabelScheme | str | None = None,
    spacing_mm: tuple[float, float] | None = None,
    frame_time_ms: float | None = None,
    view: str | None = None,
    slice_mm: float | None = None,
) -> EchoSequence:
    """The label map sequence in a file; see `open_sequence`, which also keeps its header.

    Raises:
        CardiovaeError: See `open_sequence`.
    """
    sequence, _ = open_sequence(
        path,
        labels=labels,
        spacing_mm=spacing_mm,
        frame_time_ms=frame_time_ms,
        view=view,
        slice_mm=slice_mm,
    )
    return sequence


def open_sequence(
    path: Path | str,
    *,
    labels: LabelScheme | str | None = None,
    spacing_mm: tuple[float, float] | None = None,
    frame_time_ms: float | None = None,
    view: str | None = None,
    slice_mm: float | None = None,
) -> tuple[EchoSequence, LabelFile]:
    """The label map sequence in a file, and what it takes to write another like it.

    What is given wins over what the file says; what neither says is unknown (None).

    Args:
        path: NIfTI (.nii, .nii.gz) or MetaImage (.mha, .mhd), with axes (X, Y), (X, Y, T),
            (X, Y, Z) of slices or (X, Y, 1, T), taken as stored: Y becomes rows, X columns; an
            array (.npy, .npz) with axes (H, W) or (H, W, T); a PNG file, a folder with one series
            of them, or `a_*.png`; DICOM (.dcm, .dicom; needs the extra `dicom`); a lossless video
            (.avi, .mkv, .mp4; needs the extra `video`).
        labels: Label scheme, its name, or a mapping such as `lv=1,myo=2,la=3`. None takes what
            the file or the `dataset.json` of its folder says; without that the smallest shipped
            scheme that names every value present, or `camus` when there is background only.
        spacing_mm: Distance between (rows, columns) in mm.
        frame_time_ms: Time between frames in ms; None takes that of the file, or of the Info
            file that CAMUS puts beside it.
        view: "A2C", "A4C" or "SAX"; None takes what the file name states, else "SAX" where a right
            ventricle is annotated.
        slice_mm: Distance between slices in mm, for stacks alone; None takes that of the header.

    Raises:
        FileError: The file is absent, damaged, of unknown format, or of a shape that is no
            label map sequence.
        LabelError: Values that are no labels, or not those of the scheme.
        ConfigError: `labels` describes no scheme.
        CardiovaeError: A spacing, frame time, view or slice distance that cannot be.
    """
    path = Path(path)
    scheme = label_scheme(labels) if isinstance(labels, str) else labels
    if not path.is_dir():  # whose name need not be that of a file
        require_supported(path)
    values, template = formats.read(path)
    if frame_time_ms is None:
        frame_time_ms = template.frame_time_ms or stated_frame_time_ms(path)
    try:
        if scheme is None and isinstance(template, DicomTemplate):
            scheme = template.scheme()
        scheme = scheme or stated_scheme(path)
        scheme = scheme or _inferred(values, view)
        mapped = scheme.to_labels(values)
    except LabelError as error:
        raise LabelError(f"{path}: {error}") from error
    view = view if view is not None else view_from_name(path.name)
    if slice_mm is None and (view == SAX or (view is None and Label.RV in scheme.structures)):
        slice_mm = formats.slice_mm(template)
    sequence = EchoSequence(
        mapped,
        spacing_mm if spacing_mm is not None else template.spacing_mm,
        structures=scheme.structures,
        frame_time_ms=frame_time_ms,
        view=view,
        source=str(path),
        slice_mm=slice_mm,
    )
    return sequence, LabelFile(path, scheme, template)


def open_pixels(path: Path | str, scheme: LabelScheme) -> tuple[NDArray[np.uint8], LabelFile]:
    """Whole numbers of 0 to 255 in a file, and what it takes to write labels like it.

    For images whose labels are to have their header: no value has to be a label.

    Args:
        path: As of `open_sequence`.
        scheme: Of the labels that will be written.

    Returns:
        Values (H, W, T), and the file.

    Raises:
        FileError: See `open_sequence`.
        LabelError: Values that are no whole numbers of 0 to 255.
    """
    path = Path(path)
    if not path.is_dir():
        require_supported(path)
    values, template = formats.read(path)
    return values, LabelFile(path, scheme, template)


def save_labels(
    path: Path | str, sequence: EchoSequence, like: LabelFile, *, overwrite: bool = False
) -> None:
    """Write the labels of `sequence` as a file like `like`: geometry, header, number type, values.

    Args:
        path: Where to; its suffix is one of the same format (.nii or .nii.gz, .mha or .mhd),
            none for the folder that several PNG files become, that of NIfTI for DICOM and video.
        sequence: Labels of the shape and structures of `like`.
        like: The file that the labels belong to.
        overwrite: Whether a file of that name may be replaced.

    Raises:
        FileError: Another format or shape, a file in the way, or the file system refuses.
        LabelError: A structure for which the scheme of `like` has no value.
    """
    path = Path(path)
    _require_shape(path, sequence.labels, like)
    nameless = [s for s in sequence.structures if s not in like.scheme.structures]
    lost = [s.name for s in nameless if (sequence.labels == s).any()]
    if lost:
        raise LabelError(
            f"{path}: the label scheme '{like.scheme.name}' has no value for {lost}; read the "
            "input with --labels lv=..,myo=..,la=.."
        )
    values = like.scheme.to_values(sequence.labels)
    formats.write_labels(path, values, like.template, overwrite=overwrite)


def save_labels_as(
    path: Path | str, sequence: EchoSequence, scheme: LabelScheme, *, overwrite: bool = False
) -> None:
    """Write the labels of `sequence` as a new file of any format, with what it can hold of them.

    Args:
        path: Where to; its suffix names the format, and without one it is a folder of PNG files.
        sequence: What to write.
        scheme: The value of each structure in the file.
        overwrite: Whether a file of that name may be replaced.

    Raises:
        FileError: A format that is not written, something in the way, or the file system refuses.
    """
    path = Path(path)
    values = scheme.to_values(sequence.labels)
    template = formats.new_template(
        path, values, sequence.spacing_mm, sequence.frame_time_ms, sequence.slice_mm
    )
    formats.write_labels(path, values, template, overwrite=overwrite)


def save_map(
    path: Path | str, array: NDArray[np.float32], like: LabelFile, *, overwrite: bool = False
) -> None:
    """Write a map such as an uncertainty, float32, in the geometry of `like`.

    Args:
        path: Where to; NIfTI, or MetaImage for a map that belongs to one.
        array: Values of every pixel, shape (H, W, T).
        like: The file that the map belongs to.
        overwrite: Whether a file of that name may be replaced.

    Raises:
        FileError: Another format or shape, a file in the way, or the file system refuses.
    """
    path = Path(path)
    _require_shape(path, array, like)
    formats.write_map(path, array, like.template, overwrite=overwrite)


def header_bytes(path: Path | str) -> bytes:
    """Everything a file holds before its pixels, decompressed; for comparing headers.

    Raises:
        FileError: Absent, damaged, or of an unknown format.
    """
    path = Path(path)
    require_supported(path)
    return formats.header_bytes(path)


def _inferred(values: NDArray[np.uint8], view: str | None) -> LabelScheme:
    """The scheme of a file that states none; of slices only what cannot be taken for another.

    Raises:
        LabelError: No scheme fits, or several do.
    """
    if view != SAX:
        return infer_scheme(values) if values.any() else CAMUS
    if int(values.max(initial=0)) > max(LV_MYO.values.values()):
        raise LabelError(
            "short-axis slices number their structures in several ways; say which this is with "
            "--labels acdc (RV 1, MYO 2, LV 3), mnms (LV 1, MYO 2, RV 3) or lv=..,myo=..,rv=.."
        )
    return LV_MYO if (values == LV_MYO.values[Label.MYO]).any() else LV_ONLY


def _require_shape(path: Path, array: NDArray[Any], like: LabelFile) -> None:
    expected = formats.planar(like.template)
    if array.shape != expected:
        raise FileError(
            f"{path}: {like.path} has (H, W, T) = {expected}, the array to write has "
            f"{array.shape}; write it like the file it belongs to"
        )
