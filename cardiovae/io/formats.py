"""Every format in one place: which module reads a path, and writes a file like it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiovae.errors import FileError
from cardiovae.io import arrays, dicom, metaimage, nifti, png, video
from cardiovae.io.arrays import ArrayTemplate
from cardiovae.io.dicom import DicomTemplate
from cardiovae.io.metaimage import MetaImageTemplate
from cardiovae.io.nifti import NiftiTemplate
from cardiovae.io.png import PngTemplate
from cardiovae.io.series import is_series
from cardiovae.io.video import VideoTemplate

ReadOnly = DicomTemplate | VideoTemplate
Template = NiftiTemplate | MetaImageTemplate | ArrayTemplate | PngTemplate | ReadOnly

WRITTEN = (*nifti.SUFFIXES, *metaimage.SUFFIXES, *arrays.SUFFIXES, *png.SUFFIXES)
"""Suffixes of the files that can be read and written, in lower case."""

READ_ONLY = (*dicom.SUFFIXES, *video.SUFFIXES)
"""Suffixes of the files that are read; NIfTI is written in their place."""

SUFFIXES = (*WRITTEN, *READ_ONLY)
"""Suffixes of the files that can be read, in lower case."""


def suffix(path: Path | str) -> str:
    """The suffix that decides the format, in lower case, `.nii.gz` in one piece; else "".

    Examples:
        >>> suffix("patient.0001_4CH.nii.gz"), suffix("A4C.MHD"), suffix("notes.txt")
        ('.nii.gz', '.mhd', '')
    """
    name = Path(path).name.lower()
    return next((end for end in SUFFIXES if name.endswith(end) and name != end), "")


def written_suffix(path: Path) -> str:
    """The suffix of a file that is written like the one at `path`; "" for a folder of PNG files.

    Examples:
        >>> written_suffix(Path("seq.mhd")), written_suffix(Path("frames/a_*.png"))
        ('.mhd', '')
        >>> written_suffix(Path("seq.dcm"))
        '.nii.gz'
    """
    ending = "" if is_series(path) else suffix(path)
    return ".nii.gz" if ending in READ_ONLY else ending


def read(path: Path) -> tuple[NDArray[np.uint8], Template]:
    """Label values of a file or a folder, shape (H, W, T), and the template of its format.

    Raises:
        FileError: See the `read` of each format.
        LabelError: Values that are no labels.
    """
    ending = suffix(path)
    if is_series(path) or ending in png.SUFFIXES:
        return png.read(path)
    if ending in metaimage.SUFFIXES:
        return metaimage.read(path)
    if ending in arrays.SUFFIXES:
        return arrays.read(path)
    if ending in dicom.SUFFIXES:
        return dicom.read(path)
    if ending in video.SUFFIXES:
        return video.read(path)
    return nifti.read(path)


def write_labels(
    path: Path, values: NDArray[np.uint8], template: Template, *, overwrite: bool
) -> None:
    """Write label values, shape (H, W, T), as a file of the format of `template`.

    Raises:
        FileError: The suffix of `path` is that of another format; see each format for the rest.
    """
    ending = suffix(path)
    match template:
        case NiftiTemplate() if ending in nifti.SUFFIXES:
            nifti.write_labels(path, values, template, overwrite=overwrite)
        case MetaImageTemplate() if ending in metaimage.SUFFIXES:
            metaimage.write_labels(path, values, template, overwrite=overwrite)
        case ArrayTemplate() if ending == (".npy" if template.member is None else ".npz"):
            arrays.write_labels(path, values, template, overwrite=overwrite)
        case PngTemplate() if ending == (".png" if template.single else ""):
            png.write_labels(path, values, template, overwrite=overwrite)
        case DicomTemplate() | VideoTemplate() if ending in nifti.SUFFIXES:
            nifti.write_labels(path, values, _plain(template), overwrite=overwrite)
        case _:
            raise other_format(path, template)


def new_template(
    path: Path,
    values: NDArray[np.uint8],
    spacing_mm: tuple[float, float] | None,
    frame_time_ms: float | None,
    slice_mm: float | None = None,
) -> Template:
    """The template of a new file at `path`, of the format that its suffix names.

    Args:
        path: Where it shall be; a name without suffix is a folder of PNG files.
        values: Label values, shape (H, W, T).
        spacing_mm: (row, col); None = unknown. PNG cannot hold it.
        frame_time_ms: Time between frames in ms; None = unknown. NIfTI and `.npz` can hold it.
        slice_mm: Distance between slices in mm; None = unknown, or no slices. NIfTI and MetaImage
            can hold it.

    Raises:
        FileError: The format is not written, or cannot hold so many frames.
    """
    h, w, t = values.shape
    match suffix(path):
        case ".nii" | ".nii.gz":
            return nifti.new_template((h, w, t), spacing_mm, frame_time_ms, slice_mm)
        case ".mha" | ".mhd":
            return metaimage.new_template((h, w, t), spacing_mm, slice_mm)
        case ".npz":
            return arrays.new_template(values, spacing_mm, frame_time_ms)
        case ".png" | "":
            return png.new_template(values, path.name)
        case ending:
            raise FileError(
                f"{path}: new files are not written as {ending}, which cannot say what its axes "
                "and pixels mean; give .nii.gz, .nii, .mha, .mhd, .npz or .png"
            )


def write_map(
    path: Path, array: NDArray[np.float32], template: Template, *, overwrite: bool
) -> None:
    """Write a float32 map, shape (H, W, T), in the geometry of `template`.

    Raises:
        FileError: Neither the format of the template nor NIfTI; see each format for the rest.
    """
    ending = suffix(path)
    match template:
        case NiftiTemplate() if ending in nifti.SUFFIXES:
            nifti.write_map(path, array, template, overwrite=overwrite)
        case MetaImageTemplate() if ending in (*nifti.SUFFIXES, *metaimage.SUFFIXES):
            metaimage.write_map(path, array, template, overwrite=overwrite)
        case NiftiTemplate() | MetaImageTemplate():
            raise other_format(path, template)
        case _ if ending in nifti.SUFFIXES:
            nifti.write_map(path, array, _plain(template), overwrite=overwrite)
        case _:
            raise FileError(f"{path}: a map is written as NIfTI; end it in .nii or .nii.gz")


def header_bytes(path: Path) -> bytes:
    """Everything a file holds before its pixels, decompressed; for comparing headers.

    Raises:
        FileError: Absent, damaged, or of a format without a header in one piece.
    """
    ending = suffix(path)
    if ending in png.SUFFIXES:
        return png.header_bytes(path)
    if ending in metaimage.SUFFIXES:
        return metaimage.header_bytes(path)
    if ending in arrays.SUFFIXES:
        return arrays.header_bytes(path)
    if ending in READ_ONLY:
        raise FileError(f"{path}: the header of a {ending} file is not compared as bytes")
    return nifti.header_bytes(path)


def kind(template: Template) -> str:
    """The name of a format: "nifti", "metaimage", "numpy", "png", "dicom" or "video"."""
    match template:
        case NiftiTemplate():
            return "nifti"
        case MetaImageTemplate():
            return "metaimage"
        case ArrayTemplate():
            return "numpy"
        case PngTemplate():
            return "png"
        case DicomTemplate():
            return "dicom"
        case VideoTemplate():
            return "video"


def slice_mm(template: Template) -> float | None:
    """Distance between slices in mm, should the frames be slices; None = unknown."""
    match template:
        case NiftiTemplate() | MetaImageTemplate():
            return template.slice_mm
        case _:
            return None


def planar(template: Template) -> tuple[int, int, int]:
    """(H, W, T) of the label maps that a template belongs to."""
    x, y, *rest = template.shape
    return y, x, int(np.prod(rest))


def _plain(template: Template) -> NiftiTemplate:
    """The template of a NIfTI file for what came from a format that is not written."""
    return nifti.new_template(planar(template), template.spacing_mm, template.frame_time_ms)


def other_format(path: Path, template: Any) -> FileError:
    """The error for a path whose suffix is not that of the format of `template`."""
    match template:
        case NiftiTemplate():
            endings = " or ".join(nifti.SUFFIXES)
        case MetaImageTemplate():
            endings = " or ".join(metaimage.SUFFIXES)
        case ArrayTemplate():
            endings = ".npy" if template.member is None else ".npz"
        case PngTemplate() if not template.single:
            return FileError(f"{path}: several frames of PNG are written as a folder; give one")
        case DicomTemplate():
            return FileError(
                f"{path}: DICOM is read, not written: it needs the identity of patient and study; "
                "give a name ending in .nii or .nii.gz"
            )
        case VideoTemplate():
            return FileError(
                f"{path}: a video is read, not written; give a name ending in .nii or .nii.gz"
            )
        case _:
            endings = ".png"
    return FileError(
        f"{path}: is written in the format of its input; give a name ending in {endings}, or "
        "change the format with 'cardiovae convert'"
    )
