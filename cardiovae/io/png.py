"""Label maps in PNG files: one frame in a file, or a sequence as a series of numbered files.

**Values.** Of a palette file the indices, of a gray one the gray levels, of a file of one bit per
pixel 0 and 1. A color file (RGB) is read when every pixel is gray; which color stands for which
structure cannot be known. PNG has no spacing in mm and no time: both are unknown.

**Series.** See `cardiovae.io.series`.

**Writing.** The same file names, mode and palette; a series becomes a folder.
"""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cardiovae.errors import FileError
from cardiovae.io.atomic import staged
from cardiovae.io.content import file_bytes, gray_channel, whole_labels
from cardiovae.io.limits import DEFLATE_RATIO, require_pixels
from cardiovae.io.series import frame_files, is_series, missing_numbers

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = (".png",)

_MAGIC = b"\x89PNG\r\n\x1a\n"
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by color type, PNG specification 11.2.1
_GRAY = 0
# What Pillow raises on damaged files.
_DAMAGE = (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError)
_DAMAGE_BELOW = (struct.error, zlib.error, OverflowError, MemoryError, AttributeError)


@dataclass(frozen=True)
class PngTemplate:
    """What PNG files say besides their pixels, and all it takes to write others like them.

    Args:
        names: File name of every frame, in order.
        single: Whether it is one file rather than a folder of frames.
        mode: Mode of the pixels in Pillow's terms: "1", "L", "P", "I;16", "RGB", ...
        palette: Colors of the indices, red, green, blue, one after another; empty without.
        transparency: Transparency of the indices, as Pillow has it; None = none.
        shape: (X, Y, T), that is columns, rows, frames.
        dtype: Number type of the pixels.
        notes: What a reader of the figures should know.
        spacing_mm: Always None: the format has no field for it.
        frame_time_ms: Always None as well.
    """

    names: tuple[str, ...]
    single: bool
    mode: str
    palette: bytes
    transparency: bytes | int | None
    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]
    notes: tuple[str, ...]
    spacing_mm: None = None
    frame_time_ms: None = None


def new_template(labels: NDArray[np.uint8], name: str) -> PngTemplate:
    """The template of gray PNG files for label maps (H, W, T) that come from elsewhere.

    Args:
        labels: Label maps; one frame becomes a file, several become a folder.
        name: Start of the file names of the frames in the folder.
    """
    h, w, t = labels.shape
    digits = max(4, len(str(t - 1)))
    names = tuple(f"{name}_{i:0{digits}d}.png" for i in range(t))
    return PngTemplate(names, t == 1, "L", b"", None, (w, h, t), np.dtype(np.uint8), ())


def read(path: Path) -> tuple[NDArray[np.uint8], PngTemplate]:
    """Label values of a PNG file or of a series, shape (H, W, T), and the template.

    Args:
        path: A file, a folder that holds one series, or `prefix*.png` for one of several.

    Raises:
        FileError: Absent, damaged, no series, colored, animated, or frames that differ in size,
            mode or palette.
        LabelError: Values that are no labels: above 255.
    """
    single = not is_series(path)
    files = [path] if single else frame_files(path)
    frames: list[NDArray[np.uint8]] = []
    first: PngTemplate | None = None
    for file in files:
        values, found = _frame(file)
        first = first or found
        require_pixels((*found.shape[:2], len(files)), path)
        first = _merged(first, found, int(values.max(initial=0)), path)
        frames.append(values)
    assert first is not None  # a series has at least one file
    w, h = first.shape[:2]
    notes = () if single else _notes(files)
    template = replace(
        first,
        names=tuple(file.name for file in files),
        single=single,
        shape=(w, h, len(files)),
        notes=notes,
    )
    return np.moveaxis(np.stack(frames), 0, 2), template  # whole frames stay together in memory


def write_labels(
    path: Path, values: NDArray[np.uint8], template: PngTemplate, *, overwrite: bool = False
) -> None:
    """Write label values, shape (H, W, T), as PNG files of the names and mode read.

    Args:
        path: A file for a template of one; else a folder. A folder that is replaced may hold
            nothing but PNG files.
        values: Label values.
        template: What the files shall be like.
        overwrite: Whether an earlier file or folder may be replaced.

    Raises:
        FileError: Something is in the way, cannot be written, or the mode cannot hold a value.
    """
    highest = int(values.max(initial=0))
    room = len(template.palette) // 3 if template.mode == "P" else 256
    if highest > (
        1 if template.mode == "1" else max(room, 1) - 1 if template.mode == "P" else 255
    ):
        raise FileError(
            f"{path}: its pixels (mode {template.mode}, {room} colors) cannot hold the label "
            f"value {highest}; convert the input to 8-bit gray first"
        )
    if not template.single and overwrite and path.is_dir():
        _require_pngs_only(path)
    with staged(path, overwrite=overwrite, folder=not template.single) as target:
        if template.single:
            target.write_bytes(_encoded(values[:, :, 0], template))
            return
        target.mkdir()
        for t, name in enumerate(template.names):
            (target / name).write_bytes(_encoded(values[:, :, t], template))


def header_bytes(path: Path) -> bytes:
    """The bytes before the pixels of one PNG file, for comparing headers.

    Raises:
        FileError: Absent, damaged, or a series, whose files have a header each.
    """
    if is_series(path):
        raise FileError(f"{path}: every file of a series has its own header; name one file")
    content = file_bytes(path)
    _head(content, path)
    return content[: max(content.find(b"IDAT") - 4, 0)]


def _frame(path: Path) -> tuple[NDArray[np.uint8], PngTemplate]:
    """Label values of one file, shape (H, W), and its template."""
    from PIL import Image

    content = file_bytes(path)
    _head(content, path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # sizes are checked above, oddities below
            with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
                if getattr(image, "n_frames", 1) > 1:
                    raise FileError(f"{path}: is animated; save its frames as single files")
                image.load()
                pixels, palette = _pixels(image), bytes(image.getpalette("RGB") or ())
                mode, transparency = image.mode, image.info.get("transparency")
    except FileError:
        raise
    except (*_DAMAGE, *_DAMAGE_BELOW, Image.DecompressionBombError) as error:
        raise FileError(
            f"{path}: is no PNG file, or is damaged ({error}); copy or export it again"
        ) from error
    if pixels.ndim == 3:
        pixels = gray_channel(pixels, mode, path)
    values = whole_labels(pixels, path)
    h, w = values.shape
    return values, PngTemplate(
        (path.name,), True, mode, palette, transparency, (w, h, 1), pixels.dtype, ()
    )


def _head(content: bytes, path: Path) -> None:
    """Raise where the first chunk says that the file is not worth unpacking.

    Raises:
        FileError: No PNG, 16 bits per color, too many pixels, or more than the file can hold.
    """
    if not content.startswith(_MAGIC) or content[12:16] != b"IHDR" or len(content) < 33:
        raise FileError(
            f"{path}: is not a PNG file (its first bytes are {content[:8]!r}); give the file the "
            "suffix of its real format, or export it as PNG"
        )
    w, h, depth, color = struct.unpack(">IIBB", content[16:26])
    if color not in _CHANNELS or min(w, h) < 1:
        raise FileError(f"{path}: its header is damaged; copy or export it again")
    if depth == 16 and color != _GRAY:  # Pillow would keep the upper eight bits: 0 for a label
        raise FileError(f"{path}: has colors of 16 bits; export it as 8-bit gray or palette")
    require_pixels((w, h), path)
    row = 1 + (w * depth * _CHANNELS[color] + 7) // 8  # a byte says how each row was filtered
    if h * row > DEFLATE_RATIO * len(content):
        raise FileError(
            f"{path}: is cut short: its header promises {w} x {h} pixels, which {len(content)} "
            "bytes cannot hold; copy or export it again"
        )


def _pixels(image: Image) -> NDArray[Any]:
    """Numbers of the pixels, (H, W) or (H, W, channels)."""
    array = np.asarray(image)
    return array.astype(np.uint8) if array.dtype == np.bool_ else array


def _merged(first: PngTemplate, found: PngTemplate, highest: int, path: Path) -> PngTemplate:
    """The template of the series so far; raises when `found` does not belong to it."""
    for what, a, b in (("size", first.shape, found.shape), ("mode", first.mode, found.mode)):
        if a != b:
            raise FileError(
                f"{path}: its files differ in {what}: {first.names[0]} has {a}, {found.names[0]} "
                f"has {b}; if they are no sequence, name them one by one"
            )
    known = 3 * (highest + 1)
    shared = min(known, len(first.palette))
    if found.palette[:shared] != first.palette[:shared]:
        raise FileError(
            f"{path}: {first.names[0]} and {found.names[0]} give their indices different colors, "
            "so an index may mean different structures; save all with one palette"
        )
    longer = found if len(found.palette) > len(first.palette) else first
    return replace(first, palette=longer.palette, transparency=longer.transparency)


def _notes(files: list[Path]) -> tuple[str, ...]:
    """What should be known about a sequence that is made of files."""
    notes = [f"{len(files)} PNG files read as one sequence, {files[0].name} to {files[-1].name}"]
    if absent := missing_numbers(files):
        notes.append(f"frame numbers absent: {absent}; the frames around them count as neighbors")
    return tuple(notes)


def _encoded(values: NDArray[np.uint8], template: PngTemplate) -> bytes:
    """One frame, shape (H, W), as the bytes of a PNG file."""
    from PIL import Image

    if template.mode == "1":
        image = Image.fromarray(values.astype(bool))
    elif template.mode == "P":
        image = Image.fromarray(values)
        image.putpalette(template.palette, "RGB")
    elif template.mode in ("RGB", "RGBA", "LA"):
        n_channels = len(template.mode)
        channels = np.repeat(values[:, :, None], n_channels, axis=2)
        if template.mode.endswith("A"):
            channels[:, :, -1] = 255
        image = Image.fromarray(channels)
    else:
        image = Image.fromarray(values.astype(template.dtype))
    buffer = io.BytesIO()
    kept = {} if template.transparency is None else {"transparency": template.transparency}
    image.save(buffer, "PNG", **kept)
    return buffer.getvalue()


def _require_pngs_only(folder: Path) -> None:
    """Raise when a folder that would be replaced holds anything but PNG files."""
    other = [p.name for p in folder.iterdir() if not p.name.lower().endswith(SUFFIXES)]
    if other:
        raise FileError(
            f"{folder}: would be replaced by frames, but holds {other[0]!r} as well; write "
            "elsewhere with -o"
        )
