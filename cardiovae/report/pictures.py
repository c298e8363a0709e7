"""Label maps as small pictures: PNG bytes of frames, vector outlines of what changed."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageDraw, ImageFont

from cardiovae.errors import CardiovaeError
from cardiovae.labels import ALL, STRUCTURES, Label
from cardiovae.morphology import Mask, bounding_box
from cardiovae.report.palette import BACKDROP, HEAT, INK, MUTED, STRUCTURE_COLORS

Labels = NDArray[np.uint8]
HEAT_LEVELS = 16
MAX_SIDE = 360  # pixels; a heart of 140 mm at 0.4 mm needs no reduction
PIXEL_BUDGET = 40 * MAX_SIDE**2  # over all frames, so that a long loop stays a small page


@dataclass(frozen=True)
class Viewport:
    """The part of a frame that is shown, and how large.

    Args:
        box: Rows and columns shown.
        size: (height, width) of pictures in pixels; picture pixels are square in mm.
    """

    box: tuple[slice, slice]
    size: tuple[int, int]

    @property
    def n_rows(self) -> int:
        """Height of the box in pixels of the label map."""
        return int(self.box[0].stop - self.box[0].start)

    @property
    def n_cols(self) -> int:
        """Width of the box in pixels of the label map."""
        return int(self.box[1].stop - self.box[1].start)


def viewport(
    stacks: Sequence[Labels],
    spacing_mm: tuple[float, float] | None,
    *,
    max_side: int = MAX_SIDE,
) -> Viewport:
    """The box around every structure of every frame, shared so that pictures compare.

    Args:
        stacks: Label maps of one shape (H, W, T).
        spacing_mm: Distance between pixel centers along (rows, columns) in mm; None = unknown,
            pixels are then shown square.
        max_side: Longest side of a picture in pixels; less where many frames share the page.

    Returns:
        The box with a margin of 4 pixels; the whole frame when every map is empty.
    """
    seen = np.zeros((stacks[0].shape[0], stacks[0].shape[1]), bool)
    for stack in stacks:
        seen |= (stack != Label.BACKGROUND).any(2)
    box = bounding_box(seen, margin=4) or (slice(0, seen.shape[0]), slice(0, seen.shape[1]))
    row, col = spacing_mm or (1.0, 1.0)
    height, width = ((s.stop - s.start) * d for s, d in zip(box, (row, col), strict=True))
    fair_side = math.sqrt(PIXEL_BUDGET / stacks[0].shape[2])
    scale = min(1 / min(row, col), min(max_side, fair_side) / max(height, width))
    return Viewport(box, (max(round(height * scale), 1), max(round(width * scale), 1)))


def label_png(labels: Labels, view: Viewport) -> bytes:
    """One frame, shape (H, W), as a palette PNG; nearest pixels, so no label is invented."""
    picture = Image.fromarray(_resampled(labels, view), "P")
    picture.putpalette(_palette())
    return _png(picture, bits=2 if int(labels.max(initial=0)) <= len(STRUCTURES) else 4)


def heat_png(
    values: NDArray[np.float32],
    view: Viewport,
    *,
    color: str = HEAT,
    ramp: tuple[float, float] = (0.0, 1.0),
) -> bytes:
    """A map, shape (H, W), as a PNG that is more opaque where the value is higher.

    Args:
        values: Any numbers; NaN is transparent.
        view: What to show of it.
        color: The one color of the picture.
        ramp: Values up to the first are transparent, those from the second on opaque.
    """
    share = (_resampled(values, view).astype(np.float32) - ramp[0]) / (ramp[1] - ramp[0])
    crop = np.nan_to_num(share, nan=0.0).clip(0, 1)
    levels = np.rint(crop * (HEAT_LEVELS - 1)).astype(np.uint8)
    picture = Image.fromarray(levels, "P")
    picture.putpalette(list(ImageColor.getrgb(color)[:3]) * HEAT_LEVELS)
    opacity = bytes(round(255 * level / (HEAT_LEVELS - 1)) for level in range(HEAT_LEVELS))
    return _png(picture, bits=4, transparency=opacity)


def data_uri(png: bytes) -> str:
    """PNG bytes as the `src` of an image that needs no file and no network."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def outline_path(mask: Mask) -> str:
    """Border of `mask`, shape (H, W), along pixel edges, as the `d` of an SVG path.

    One unit is one pixel, x along columns; straight runs are one segment each. Exact at any size,
    so a change of a single pixel stays visible on a thumbnail. Empty for an empty mask.

    Examples:
        >>> outline_path(np.ones((1, 2), bool))
        'M0 0h2M0 1h2M0 0v1M2 0v1'
    """
    padded = np.pad(mask, 1)
    across = _runs((padded[1:] != padded[:-1])[:, 1:-1])
    along = _runs((padded[:, 1:] != padded[:, :-1])[1:-1].T)
    return "".join(
        [f"M{start} {line}h{n}" for line, start, n in across]
        + [f"M{line} {start}v{n}" for line, start, n in along]
    )


def before_after_picture(
    before: Labels,
    after: Labels,
    spacing_mm: tuple[float, float] | None,
    *,
    titles: Sequence[str] = (),
) -> bytes:
    """Frames before and after, side by side with an arrow, as PNG bytes.

    Args:
        before: One frame (H, W), or several (H, W, K) that become one pair each.
        after: The same frames corrected.
        spacing_mm: Distance between pixel centers along (rows, columns) in mm; None = unknown.
        titles: What to write above each pair, K texts or none.

    Raises:
        CardiovaeError: Shapes that differ, or another number of titles than of frames.
    """
    if before.shape != after.shape or before.ndim not in (2, 3):
        raise CardiovaeError(
            "before and after are (H, W) or (H, W, K) and of one shape, "
            f"got {before.shape} and {after.shape}"
        )
    before, after = (np.atleast_3d(labels) for labels in (before, after))
    n_pairs = before.shape[2]
    if titles and len(titles) != n_pairs:
        raise CardiovaeError(f"titles: one per frame, got {len(titles)} for {n_pairs} frames")
    view = viewport((before, after), spacing_mm)
    tall = 420 if n_pairs == 1 else 320
    view = Viewport(view.box, (tall, round(tall * view.size[1] / view.size[0])))
    pairs = [
        _pair(before[:, :, k], after[:, :, k], view, titles[k] if titles else "")
        for k in range(n_pairs)
    ]
    width = sum(pair.width for pair in pairs) + 2 * _GAP * (n_pairs + 1)
    height = pairs[0].height + 2 * _GAP + _LINE
    page = Image.new("RGB", (width, height), "white")
    left = 2 * _GAP
    for pair in pairs:
        page.paste(pair, (left, _GAP))
        left += pair.width + 2 * _GAP
    shown = [s for s in ALL if (before == s).any() or (after == s).any()]
    legend(page, shown, height - _LINE - _GAP // 2)
    return _png(page)


_GAP = 20
_LINE = 42
_NAMES = {
    Label.LV: "left ventricle",
    Label.MYO: "myocardium",
    Label.LA: "left atrium",
    Label.RV: "right ventricle",
}


def _pair(before: Labels, after: Labels, view: Viewport, title: str) -> Image.Image:
    """Two hearts with an arrow between them, words above."""
    hearts = [smooth_heart(labels, view) for labels in (before, after)]
    height, width = hearts[0].height, hearts[0].width
    arrow = 64
    top = _LINE * (2 if title else 1)
    pair = Image.new("RGB", (2 * width + arrow, top + height), "white")
    pen = ImageDraw.Draw(pair)
    bold, plain = (ImageFont.load_default(size) for size in (28, 24))
    if title:
        pen.text((pair.width // 2, _LINE // 2), title, INK, bold, "mm")
    for heart, left, word in zip(hearts, (0, width + arrow), ("before", "after"), strict=True):
        pen.text((left + width // 2, top - _LINE // 2), word, MUTED, plain, "mm")
        rounded = Image.new("L", heart.size)
        ImageDraw.Draw(rounded).rounded_rectangle((0, 0, width - 1, height - 1), 12, 255)
        pair.paste(heart, (left, top), rounded)
    x, y = width + 10, top + height // 2
    pen.rectangle((x, y - 4, x + 24, y + 4), INK)
    pen.polygon([(x + 22, y - 14), (x + 44, y), (x + 22, y + 14)], INK)
    return pair


def smooth_heart(labels: Labels, view: Viewport) -> Image.Image:
    """One frame with softened edges: three times too large, then averaged."""
    large = Viewport(view.box, (3 * view.size[0], 3 * view.size[1]))
    picture = Image.fromarray(_resampled(labels, large), "P")
    picture.putpalette(_palette())
    size = (view.size[1], view.size[0])
    return picture.convert("RGB").resize(size, Image.Resampling.LANCZOS)


def legend(page: Image.Image, shown: Sequence[Label], top: int) -> None:
    """Names of the structures beside their colors, centered."""
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(24)
    widths = [pen.textlength(_NAMES[s], font) + 62 for s in shown]
    left = (page.width - sum(widths) + 30) / 2
    for structure, width in zip(shown, widths, strict=True):
        pen.rectangle((left, top + 10, left + 20, top + 30), STRUCTURE_COLORS[structure])
        pen.text((left + 30, top + 20), _NAMES[structure], INK, font, "lm")
        left += width


def _resampled(values: NDArray[np.generic], view: Viewport) -> NDArray[np.generic]:
    """The box of `values`, shape (H, W), at the size of the view, by nearest pixels."""
    crop = values[view.box]
    rows, cols = (
        ((np.arange(new) + 0.5) * (old / new)).astype(np.intp)
        for new, old in zip(view.size, crop.shape, strict=True)
    )
    return np.ascontiguousarray(crop[np.ix_(rows, cols)])


def _palette() -> list[int]:
    colors = [BACKDROP, *(STRUCTURE_COLORS[s] for s in ALL)]
    return [channel for color in colors for channel in ImageColor.getrgb(color)[:3]]


def _png(picture: Image.Image, **options: int | bytes) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, "PNG", optimize=True, **options)
    return stream.getvalue()


def _runs(edges: Mask) -> list[tuple[int, int, int]]:
    """Runs of true values along each line of `edges`: (line, start, length)."""
    padded = np.pad(edges.astype(np.int8), ((0, 0), (1, 1)))
    change = np.diff(padded, axis=1)
    lines, starts = np.nonzero(change == 1)
    stops = np.nonzero(change == -1)[1]
    return list(zip(lines.tolist(), starts.tolist(), (stops - starts).tolist(), strict=True))
