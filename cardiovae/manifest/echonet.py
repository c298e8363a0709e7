"""The list of videos that comes with EchoNet-Dynamic and data sets made like it.

D. Ouyang et al., "Video-based AI for beat-to-beat assessment of cardiac function", Nature 580,
2020. `FileList.csv` has a line per video: FileName, EF, ESV, EDV, FrameHeight, FrameWidth, FPS,
NumberOfFrames, Split (TRAIN, VAL or TEST). Every video is of another person, in the apical
four-chamber view. EchoNet-Pediatric has FileName and Split too, the latter a fold from 0 to 9.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cardiovae.errors import ConfigError, FileError
from cardiovae.io.content import file_bytes, positive

NAME = "FileList.csv"
NEEDED = ("FileName", "Split")
DYNAMIC = ("FPS", "NumberOfFrames")
VIDEOS = "Videos"


@dataclass(frozen=True)
class Video:
    """What the list says of a video; None = not stated.

    Args:
        name: File name without suffix.
        split: Its part, in lower case.
        view: "A4C" in EchoNet-Dynamic.
        frame_time_ms: From the frames per second.
        n_frames: Number of frames of the video.
    """

    name: str
    split: str | None
    view: str | None
    frame_time_ms: float | None
    n_frames: int | None


def read_file_list(folder: Path) -> dict[str, Video] | None:
    """The videos of a folder by name; None where there is no `FileList.csv`.

    Raises:
        FileError: It cannot be read.
        ConfigError: It lacks a column, or a video is there twice.
    """
    path = folder / NAME
    if not path.is_file():
        return None
    try:
        text = file_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FileError(f"{path}: is no UTF-8 text ({error}); save it as CSV UTF-8") from error
    reader = csv.DictReader(io.StringIO(text, newline=""))
    columns = reader.fieldnames or ()
    missing = [name for name in NEEDED if name not in columns]
    if missing:
        raise ConfigError(
            f"{path}: lacks the column {missing[0]}; the list of EchoNet-Dynamic has "
            f"{', '.join((*NEEDED, *DYNAMIC))}; rename the file if it is something else"
        )
    videos: dict[str, Video] = {}
    for row in reader:
        video = _video(row)
        if video.name in videos:
            raise ConfigError(
                f"{path}, line {reader.line_num}: '{video.name}' is there twice; keep one"
            )
        videos[video.name] = video
    return videos


def _video(row: Mapping[str, str | None]) -> Video:
    cell = {name: (row.get(name) or "").strip() for name in (*NEEDED, *DYNAMIC)}
    dynamic = all(name in row for name in DYNAMIC)
    fps, n_frames = _number(cell["FPS"]), _number(cell["NumberOfFrames"])
    name = cell["FileName"]
    return Video(
        name[: -len(".avi")] if name.lower().endswith(".avi") else name,
        cell["Split"].lower() or None,
        "A4C" if dynamic else None,
        1000.0 / fps if fps else None,
        round(n_frames) if n_frames else None,
    )


def _number(text: str) -> float | None:
    """A positive number, or None for anything else."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    return value if positive(value) else None
