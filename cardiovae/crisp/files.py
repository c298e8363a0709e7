"""Images that belong to a label map, whatever file they lie in."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from nibabel.filebasedimages import ImageFileError
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from cardiovae.crisp.images import gray_levels
from cardiovae.errors import FileError
from cardiovae.io import arrays, metaimage, nifti, png
from cardiovae.io.formats import suffix
from cardiovae.io.series import frame_files, is_series
from cardiovae.sequence import EchoSequence

Floats = NDArray[np.float32]

DAMAGE = (
    EOFError,
    ImageFileError,
    OSError,
    RuntimeError,
    UnidentifiedImageError,
    ValueError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What readers raise on files that are torn or no images."""


def load_image(path: Path | str, like: EchoSequence) -> Floats:
    """The image or cine that a label map belongs to, scaled to 0 to 1, shape (H, W, T).

    Colors are averaged. The least gray level becomes 0 and that of the brightest tissue 1, for
    all frames alike.

    Args:
        path: NIfTI or MetaImage with axes as label maps have them, a numpy array (H, W) or
            (H, W, T), a PNG file, or a folder of them, one for each frame.
        like: The label map; the image has its shape.

    Raises:
        FileError: Absent, damaged, of another format or shape, or with gray levels that are not
            finite.
    """
    path = Path(path)
    pixels = _read(path)
    shape = like.labels.shape
    found = _planar(pixels, shape)
    if found is None:
        raise FileError(
            f"{path}: the image has shape {pixels.shape}, its label map (H, W, T) = {shape}; give "
            "the image on the same grid and with the same frames"
        )
    return gray_levels(found, path)


def _planar(pixels: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any] | None:
    """Pixels as (H, W, T) where they can be nothing else than the frames of that shape."""
    kept = pixels.reshape(tuple(n for n in pixels.shape if n > 1) or (1,))
    wanted = tuple(n for n in shape if n > 1) or (1,)
    if kept.shape == wanted:
        return kept.reshape(shape)
    if kept.shape[:-1] == wanted and kept.shape[-1] in (3, 4):
        return np.asarray(kept[..., :3].astype(np.float32).mean(-1)).reshape(shape)
    return None


def _read(path: Path) -> NDArray[Any]:
    """All numbers of a file: rows, columns, frames, colors, as far as it has them."""
    if not path.exists() and not is_series(path):
        raise FileError(f"{path}: does not exist; check the spelling and the folder")
    reader = _series if is_series(path) else _reader(path)
    try:
        return reader(path)
    except DAMAGE as error:
        raise FileError(
            f"{path}: cannot be read as an image ({error}); export it again"
        ) from error


def _reader(path: Path) -> Callable[[Path], NDArray[Any]]:
    """What reads a file with such an ending."""
    reader = next((read for ends, read in _READERS.items() if suffix(path) in ends), None)
    if reader is None:
        known = ", ".join(end for ends in _READERS for end in ends)
        raise FileError(
            f"{path}: images are read from {known} and folders of PNG files; convert it"
        )
    return reader


def _series(path: Path) -> NDArray[Any]:
    return np.stack([_png(file) for file in frame_files(path)], axis=2)


def _nifti(path: Path) -> NDArray[Any]:
    values = np.asanyarray(nibabel.load(path).dataobj)  # type: ignore[attr-defined]
    if values.dtype.names:  # colors are stored as records
        values = np.stack([values[name] for name in values.dtype.names], -1)
    return np.swapaxes(values, 0, 1)  # stored as columns, rows


def _metaimage(path: Path) -> NDArray[Any]:
    import SimpleITK as sitk

    image = sitk.ReadImage(str(path))
    n_axes: int = image.GetDimension()  # type: ignore[no-untyped-call]
    values: NDArray[Any] = sitk.GetArrayFromImage(image)
    return np.moveaxis(values, 0, 2) if n_axes == 3 else values


def _numpy(path: Path) -> NDArray[Any]:
    with path.open("rb") as stream:  # numpy leaves a torn archive open
        content = np.load(stream, allow_pickle=False)
        if isinstance(content, np.ndarray):
            return content
        names = ["images"] if "images" in content.files else content.files
        if len(names) != 1:
            raise ValueError(f"it holds {', '.join(names)}; name the image 'images'")
        return np.asarray(content[names[0]])


def _png(path: Path) -> NDArray[Any]:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB") if image.mode in ("P", "RGBA") else image)


_READERS: Mapping[tuple[str, ...], Callable[[Path], NDArray[Any]]] = {
    nifti.SUFFIXES: _nifti,
    metaimage.SUFFIXES: _metaimage,
    arrays.SUFFIXES: _numpy,
    png.SUFFIXES: _png,
}
