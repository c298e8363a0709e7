"""Contours of EchoNet (`VolumeTracings.csv`) as label maps of the left ventricle.

**EchoNet-Dynamic** (Ouyang et al., Nature 580, 2020) has the columns FileName, X1, Y1, X2, Y2,
Frame: in every frame the first row is the long axis and the others are chords across it. The
contour runs along the first ends of the chords and back along the second, corners rounded to
pixels, as in its published loader (echonet/datasets/echo.py).

**EchoNet-Pediatric** (Reddy et al., JASE 36(5), 2023) has FileName, X, Y, Frame: the corners of
the contour themselves. Rows without a point ("No Systolic") are left out.

Both are drawn on videos of 112 x 112 pixels whose spacing is not published: it is unknown. Two
frames are traced of most videos, which makes a sequence of two frames without a frame time.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cardiovae.errors import FileError
from cardiovae.io.content import file_bytes, view_from_name
from cardiovae.labels import Label
from cardiovae.sequence import EchoSequence

SIDE = 112
"""Height and width of the videos in pixels (EchoNet-Dynamic, description of the data)."""

_CHORDS, _POINTS = ("X1", "Y1", "X2", "Y2"), ("X", "Y")
_REACH = 2 * SIDE  # a corner farther away than this from the image is no corner
_MAX_BYTES = 2**28  # that of EchoNet-Dynamic has 2**25


@dataclass(frozen=True)
class Tracing:
    """The contours of one video.

    Args:
        name: File name of the video.
        rows: Coordinates of every row, in the order of the file, by frame number.
        chords: Whether a row is a chord (x1, y1, x2, y2) rather than a point (x, y).
        source: Where it was read, for messages.
        view: "A2C", "A4C" or None = unknown.
    """

    name: str
    rows: Mapping[int, NDArray[np.float64]]
    chords: bool
    source: str
    view: str | None = None

    @property
    def frames(self) -> tuple[int, ...]:
        """Numbers of the traced frames, in the order of time."""
        return tuple(sorted(self.rows))

    @property
    def stem(self) -> str:
        """What a file of its label maps is called, without suffix.

        Raises:
            FileError: The name could lead out of a folder, or is hidden.
        """
        name = self.name.removesuffix(".avi")
        if not name or name.startswith(".") or any(c in name for c in '/\\:*?"<>|\0'):
            raise FileError(f"{self.source}: {self.name!r} is no name for a file; correct it")
        return name

    def sequence(self) -> EchoSequence:
        """The label maps of the traced frames, shape (112, 112, T).

        Raises:
            FileError: Fewer than three corners, or corners far outside the image.
        """
        masks = [self._mask(self.rows[frame], frame) for frame in self.frames]
        source = f"{self.source}::{self.name}"
        labels = np.stack(masks, axis=2)
        return EchoSequence(labels, structures=(Label.LV,), view=self.view, source=source)

    def _mask(self, rows: NDArray[np.float64], frame: int) -> NDArray[np.uint8]:
        """The label map of one frame, shape (112, 112)."""
        from skimage.draw import polygon

        corners = rows
        if self.chords:
            corners = np.concatenate([rows[1:, :2], rows[:0:-1, 2:]])
        if len(corners) < 3 or np.abs(corners - SIDE / 2).max(initial=0) > _REACH:
            raise FileError(
                f"{self.source}: the contour of {self.name} in frame {frame} has {len(corners)} "
                f"corners, or some that are far outside {SIDE} x {SIDE} pixels; correct its rows"
            )
        x, y = np.rint(corners).astype(np.int64).T
        mask = np.zeros((SIDE, SIDE), np.uint8)
        mask[polygon(y, x, mask.shape)] = Label.LV  # type: ignore[no-untyped-call]
        return mask


def is_tracings(path: Path) -> bool:
    """Whether a file is a table of contours, by its first line."""
    if path.suffix.lower() != ".csv" or not path.is_file():
        return False
    with path.open("rb") as stream:
        return _columns(stream.readline(1000).decode("utf-8-sig", "replace")) is not None


def read_tracings(path: Path) -> list[Tracing]:
    """The contours of every video in a table, in the order of the file.

    Raises:
        FileError: Absent, not such a table, or a row that is no row of one.
    """
    content = file_bytes(path)
    if len(content) > _MAX_BYTES:
        raise FileError(f"{path}: has {len(content)} bytes, more than {_MAX_BYTES}; cut it")
    text = content.decode("utf-8-sig", "replace")
    columns = _columns(text.partition("\n")[0])
    if columns is None:
        raise FileError(
            f"{path}: a table of contours has the columns FileName, Frame and "
            f"{', '.join(_CHORDS)} or {', '.join(_POINTS)}; this one begins with {text[:60]!r}"
        )
    videos: dict[str, dict[int, list[list[float]]]] = {}
    try:
        for line, row in enumerate(csv.DictReader(io.StringIO(text, newline="")), 2):
            _add_row(videos, row, columns, f"{path}, line {line}")
    except csv.Error as error:
        raise FileError(f"{path}: is no table ({error}); export it again") from error
    chords = columns == _CHORDS
    view = "A4C" if chords else view_from_name(path.parent.name)  # Dynamic has no other view
    return [
        Tracing(name, {f: np.array(rows) for f, rows in frames.items()}, chords, str(path), view)
        for name, frames in videos.items()
    ]


def _columns(line: str) -> tuple[str, ...] | None:
    """The columns of coordinates that a first line names; None when it is no such table."""
    names = {name.strip().strip('"') for name in line.split(",")}
    if not {"FileName", "Frame"} <= names:
        return None
    return next((known for known in (_CHORDS, _POINTS) if names.issuperset(known)), None)


def _add_row(
    videos: dict[str, dict[int, list[list[float]]]],
    row: Mapping[str, str | None],
    columns: tuple[str, ...],
    where: str,
) -> None:
    """Add one row to its video and frame; one without a point or a frame is left out."""
    cells = {name: (row.get(name) or "").strip() for name in ("FileName", "Frame", *columns)}
    named = not cells["Frame"].lower().startswith("no ")
    if columns == _POINTS and not (named and all(cells[name] for name in columns)):
        return
    try:
        numbers = [float(cells[name]) for name in columns]
        frame = float(cells["Frame"])
    except ValueError as error:
        raise FileError(f"{where}: {error}; correct the row") from error
    if not (all(map(math.isfinite, numbers)) and frame.is_integer() and frame >= 0):
        raise FileError(f"{where}: its numbers are {numbers} and frame {frame}; correct the row")
    videos.setdefault(cells["FileName"], {}).setdefault(int(frame), []).append(numbers)
