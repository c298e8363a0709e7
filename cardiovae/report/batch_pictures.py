"""Pictures of one sequence for the report of a batch: a thumbnail and a sheet of all frames.

A sheet holds the frames in rows of `sheet_columns`, and below them as many transparent tiles with
the marks of `cardiovae.report.marks`; where there is a before, both again below, for the input. A
page finds every tile from the number of frames and the size of the picture alone. Marks are
hatched and rimmed, at least five pixels wide, so that they show without color and at any size.
"""

from __future__ import annotations

import hashlib
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor, features

from cardiovae.audit.record import worst_frame
from cardiovae.errors import CardiovaeError
from cardiovae.labels import ALL, Label
from cardiovae.morphology import Mask, dilate
from cardiovae.report.marks import is_fine, marked
from cardiovae.report.palette import BACKDROP, MARK, STRUCTURE_COLORS
from cardiovae.report.pictures import Viewport, viewport
from cardiovae.sequence import EchoSequence

Stack = NDArray[np.uint8]
THUMBS, CINES = "thumbs", "cines"
THUMB_SIDE, TILE_SIDE = 128, 240  # pixels
SHEET_PIXELS = 30 * TILE_SIDE**2  # of all frames; a longer loop gets smaller tiles
CLEAR, RIM, STRIPE = len(Label), len(Label) + 1, len(Label) + 2  # after the labels
HATCH = 5  # pixels from one stripe to the next


@dataclass(frozen=True, eq=False)
class _Side:
    """One side, input or result: its labels, the picture of each frame, and its audit.

    `fine` are the labels in the box, shape (T, H, W); `tiles` the same at the size of the
    pictures, (T, h, w).
    """

    fine: Stack
    tiles: Stack
    record: Mapping[str, Any]

    @classmethod
    def of(cls, labels: Stack, record: Mapping[str, Any], view: Viewport) -> _Side:
        """A side of labels, shape (H, W, T)."""
        fine = np.ascontiguousarray(labels[view.box].transpose(2, 0, 1))
        rows, cols = _nearest(fine.shape[1:], view.size)
        return cls(fine, np.ascontiguousarray(fine[:, rows[:, None], cols]), record)

    def marks(self, t: int) -> Stack:
        """What the failed criteria of frame `t` point at, as a tile."""
        names = [c["name"] for c in self.record["criteria"] if _fails(c, t)]
        pixels = np.zeros(self.tiles.shape[1:], bool)
        fine = [name for name in names if is_fine(name)]
        if fine:
            pixels = _sampled(marked(self.fine[t], (), fine), pixels.shape)
        if len(fine) < len(names):
            # Contours and motion are as well seen on every other pixel, in a quarter of the time.
            coarse = self.tiles[:, ::2, ::2]
            beside = [coarse[s] for s in (t - 1, t + 1) if 0 <= s < len(coarse)]
            found = marked(coarse[t], beside, [name for name in names if name not in fine])
            rows, cols = _nearest(found.shape, pixels.shape)
            pixels |= found[rows[:, None], cols]
        return _drawn(pixels)


def pictures_of(
    sequence: EchoSequence, record: Mapping[str, Any], *, before: Stack | None = None
) -> dict[str, bytes]:
    """Pictures that the report of a batch shows of one sequence.

    Args:
        sequence: What was audited; the result, where there is a before.
        record: Its record, with `source` and, where there is a before, the audit of it.
        before: Label maps of the input of a correction, shape (H, W, T).

    Returns:
        Content by file name, relative to the folder of the report: the worst frame in `thumbs`,
        before and after side by side, and all frames in `cines`.

    Raises:
        CardiovaeError: Pillow was built without WebP, or a shape does not fit.
    """
    if not features.check("webp"):
        raise CardiovaeError(
            "pictures: this Pillow cannot write WebP; install its wheel (pip install pillow), or "
            "ask for a report without pictures"
        )
    if before is not None and before.shape != sequence.labels.shape:
        raise CardiovaeError(
            f"before: must have the shape {sequence.labels.shape} of the result, "
            f"got {before.shape}"
        )
    stacks = [sequence.labels] if before is None else [sequence.labels, before]
    records = [record, record.get("before", {})]
    longest = round(min(float(TILE_SIDE), math.sqrt(SHEET_PIXELS / sequence.n_frames)))
    view = viewport(stacks, sequence.spacing_mm, max_side=longest)
    sides = [_Side.of(*pair, view) for pair in zip(stacks, records, strict=False)]
    thumb, cine = picture_names(record["source"])
    return {thumb: _webp(_thumbnail(sides)), cine: _png(_sheet(sides))}


def picture_names(source: str) -> tuple[str, str]:
    """Thumbnail and sheet of a source, relative to the folder of the report."""
    name = identifier(source)
    return f"{THUMBS}/{name}.webp", f"{CINES}/{name}.png"


def identifier(source: str) -> str:
    """Name of the files about a source: 16 hexadecimal digits of the SHA-256 of its text.

    Examples:
        >>> identifier("data/seq.nii.gz")
        '1d35957f71cab5e8'
    """
    return hashlib.sha256(source.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def sheet_columns(n_frames: int) -> int:
    """Frames beside each other in a sheet.

    Examples:
        >>> sheet_columns(1), sheet_columns(20)
        (1, 5)
    """
    return math.isqrt(n_frames - 1) + 1


def _fails(criterion: Mapping[str, Any], t: int) -> bool:
    return not criterion["whole"] and criterion["verdicts"][t] == "F"


def _thumbnail(sides: list[_Side]) -> Stack:
    """The worst frame with its marks; of the input, beside the result, where there is one."""
    worst = [worst_frame(side.record) for side in reversed(sides)]
    t = next((frame for frame in worst if frame is not None), 0)
    shown: list[Stack] = []
    for side in reversed(sides):
        marks = side.marks(t)
        shown += [np.where(marks == CLEAR, side.tiles[t], marks)]
    gap = np.full((shown[0].shape[0], 2 * HATCH), CLEAR, np.uint8)
    return np.hstack([shown[0], *(part for one in shown[1:] for part in (gap, one))])


def _sheet(sides: list[_Side]) -> Stack:
    """Frames and marks of every side."""
    parts: list[Stack] = []
    for side in sides:
        parts += [side.tiles, np.stack([side.marks(t) for t in range(len(side.tiles))])]
    return np.vstack([_tiled(tiles) for tiles in parts])


def _tiled(tiles: Stack) -> Stack:
    """Tiles, shape (T, h, w), in rows of `sheet_columns`; empty places are clear."""
    n_frames, height, width = tiles.shape
    n_cols = sheet_columns(n_frames)
    n_rows = -(-n_frames // n_cols)
    sheet = np.full((n_rows * n_cols, height, width), CLEAR, np.uint8)
    sheet[:n_frames] = tiles
    grid = sheet.reshape(n_rows, n_cols, height, width).transpose(0, 2, 1, 3)
    return grid.reshape(n_rows * height, n_cols * width)


def _nearest(old: Sequence[int], new: Sequence[int]) -> list[NDArray[np.intp]]:
    """Rows and columns of a map that the rows and columns of a picture show."""
    return [
        ((np.arange(n) + 0.5) * (m / n)).astype(np.intp) for n, m in zip(new, old, strict=True)
    ]


def _sampled(mask: Mask, size: tuple[int, ...]) -> Mask:
    """A mask at the size of a picture, no pixel lost where that is smaller."""
    rows, cols = _nearest(mask.shape, size)
    picture = np.ascontiguousarray(mask[rows[:, None], cols])
    found = np.nonzero(mask)
    y, x = (at * new // old for at, new, old in zip(found, size, mask.shape, strict=True))
    picture[y, x] = True
    return picture


def _drawn(mask: Mask) -> Stack:
    """A mask as hatching with a dark rim and a light one, clear elsewhere."""
    tile = np.full(mask.shape, CLEAR, np.uint8)
    if not mask.any():
        return tile
    near = dilate(mask)
    tile[dilate(near)] = STRIPE
    tile[near] = RIM
    diagonal = np.add.outer(np.arange(mask.shape[0]), np.arange(mask.shape[1])) % HATCH
    tile[mask] = np.where(diagonal < HATCH // 2, STRIPE, CLEAR)[mask]
    return tile


def _colors() -> NDArray[np.uint8]:
    """Color and opacity of every index, shape (8, 4)."""
    names = [BACKDROP, *(STRUCTURE_COLORS[s] for s in ALL), "#00000000", BACKDROP, MARK]
    return np.array([ImageColor.getcolor(name, "RGBA") for name in names], np.uint8)


def _png(indices: Stack) -> bytes:
    """A sheet: four bits a pixel, half the time that WebP takes for the same size."""
    colors = _colors()
    picture = Image.fromarray(indices, "P")
    picture.putpalette(colors[:, :3].tobytes())
    stream = io.BytesIO()
    picture.save(stream, "PNG", bits=4, compress_level=4, transparency=colors[:, 3].tobytes())
    return stream.getvalue()


def _webp(indices: Stack) -> bytes:
    """A thumbnail, at most `THUMB_SIDE` high."""
    picture = Image.fromarray(_colors()[indices], "RGBA")
    picture.thumbnail((4 * THUMB_SIDE, THUMB_SIDE), Image.Resampling.BOX)
    stream = io.BytesIO()
    picture.save(stream, "WEBP", quality=80, method=0)
    return stream.getvalue()
