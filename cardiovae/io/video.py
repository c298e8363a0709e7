"""Label maps in videos without loss: AVI, Matroska and MP4, whose pixels are label values.

Read with PyAV, the extra `video`. Only codecs that keep every pixel whatever their settings are
read; H.264 can be lossless, but which file is cannot be seen from it. Pixels are gray levels,
palette indices, or colors that are all gray. YUV is refused: who converts masks to it changes
their values. The content is read into memory and the container is taken from the suffix, so
nothing in a file can make the library open another one. Video is not written.
"""

from __future__ import annotations

import importlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiovae.errors import FileError
from cardiovae.io.content import file_bytes, gray_channel, whole_labels
from cardiovae.io.limits import MAX_PIXELS, require_pixels

SUFFIXES = (".avi", ".mkv", ".mp4")

LOSS = (
    "lossy compression changes labels (20 frames of masks: 719 pixels with MPEG-4, 64 with H.264, "
    "none with the lossless FFV1)"
)
"""Why a label map in a lossy file cannot be trusted: measured with ffmpeg at its defaults."""

WAY_OUT = (
    "export the masks again from where they were made, as PNG or with ffmpeg -i frames/%04d.png "
    "-c:v ffv1 masks.mkv"
)

_CONTAINERS = {".avi": "avi", ".mkv": "matroska", ".mp4": "mov"}
_LOSSLESS = ("ffv1", "huffyuv", "ffvhuff", "png", "rawvideo")
_GRAY = ("gray", "gray16le")
_OPAQUE = ("rgb24", "bgr24", "rgb0", "bgr0", "0rgb", "0bgr", "gbrp")
_CLEAR = ("rgba", "bgra", "argb", "abgr", "gbrap")
_NO_SPACING = "spacing unknown: a video has none"


@dataclass(frozen=True)
class VideoTemplate:
    """What a video says besides its pixels, as far as a label map needs it.

    Args:
        shape: (X, Y, T), that is columns, rows, frames.
        dtype: Number type of the pixels.
        frame_time_ms: Time between frames in ms; None = unknown, or not constant.
        notes: What a reader of the figures should know about spacing and time.
        spacing_mm: A video has none.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]
    frame_time_ms: float | None
    notes: tuple[str, ...]
    spacing_mm: None = None


@dataclass(frozen=True)
class _Decoded:
    """All frames of a stream, when they are shown, and palettes where there are some."""

    frames: list[NDArray[Any]]
    times: list[Fraction | None]


def read(path: Path) -> tuple[NDArray[np.uint8], VideoTemplate]:
    """Label values of a video, shape (H, W, T), and its template.

    Raises:
        FileError: PyAV is not installed; the file is absent, damaged, cut short, too large,
            compressed with loss, colored, or holds no video or several.
        LabelError: Values that are no labels: above 255.
    """
    content = file_bytes(path)
    try:
        av: Any = importlib.import_module("av")
    except ImportError as error:
        raise FileError(
            f"{path}: a video is read with PyAV, which is not installed; pip install "
            f"'cardiovae[video]'. Only lossless ones are read: {LOSS}"
        ) from error
    name = _CONTAINERS[path.suffix.lower()]
    # What a header claims is checked before memory is taken; decoding stops at damage.
    options = {"max_pixels": str(MAX_PIXELS), "err_detect": "explode"}
    how = {"format": name, "options": options}
    try:
        with (
            _complaints(av) as complaints,
            av.open(io.BytesIO(content), metadata_errors="ignore", **how) as container,
        ):
            stream = _stream(container, path)
            decoded = _decoded(container, stream, path)
            step, note = _frame_time_ms(stream, decoded.times)
            _require_whole(container, decoded, step, path)
    except (av.error.FFmpegError, ArithmeticError, LookupError, MemoryError, TypeError) as error:
        raise FileError(
            f"{path}: is no {path.suffix[1:].upper()} video, or is damaged "
            f"({type(error).__name__}: {error}); export it again"
        ) from error
    if complaints:
        said = complaints[0][2].strip()
        raise FileError(f"{path}: is damaged ({said}); copy or export it again")
    pixels = np.stack(decoded.frames, axis=2)
    h, w, t = pixels.shape
    template = VideoTemplate((w, h, t), pixels.dtype, step, (_NO_SPACING, note))
    return whole_labels(pixels, path), template


@contextmanager
def _complaints(av: Any) -> Iterator[list[tuple[int, str, str]]]:
    """What FFmpeg says of damage: it puts other pixels in their place, and only mentions it."""
    level, skips = av.logging.get_level(), av.logging.get_skip_repeated()
    av.logging.set_level(av.logging.ERROR)
    av.logging.set_skip_repeated(False)  # the same may have been said of the file before
    try:
        with av.logging.Capture() as said:
            yield said
    finally:
        av.logging.set_level(level)
        av.logging.set_skip_repeated(skips)


def _stream(container: Any, path: Path) -> Any:
    """The one video stream, of a codec without loss and of a size that a label map may have."""
    streams = container.streams.video
    if len(streams) != 1:
        raise FileError(f"{path}: holds {len(streams)} videos, one is expected; export it alone")
    stream = streams[0]
    context = stream.codec_context
    if context is None:
        raise FileError(f"{path}: its codec is unknown; {WAY_OUT}")
    codec = context.codec.canonical_name
    if codec not in _LOSSLESS or (codec == "rawvideo" and path.suffix.lower() == ".mp4"):
        raise FileError(
            f"{path}: is compressed with {context.codec.long_name}: {LOSS}; read are FFV1, "
            "HuffYUV and PNG, and raw pixels in AVI and MKV, which are lossless whatever their "
            f"settings; {WAY_OUT}"
        )
    require_pixels((context.height, context.width, max(stream.frames, 1)), path)
    context.thread_count = 1
    return stream


def _decoded(container: Any, stream: Any, path: Path) -> _Decoded:
    """Every frame of the stream; one that is missing, torn or of another size is an error."""
    size = (stream.codec_context.height, stream.codec_context.width)
    found, palettes, n_packets = _Decoded([], []), set(), 0
    for packet in container.demux(stream):
        n_packets += packet.size > 0
        require_pixels((*size, n_packets), path)
        for frame in packet.decode():
            if (frame.height, frame.width) != size or frame.is_corrupt:
                raise FileError(f"{path}: frame {len(found.frames)} is damaged; export it again")
            pixels, palette = _pixels(frame, path)
            found.frames.append(pixels)
            palettes.add(palette)
            known = frame.pts is not None and frame.time_base is not None
            found.times.append(frame.pts * frame.time_base if known else None)
    if len(found.frames) != n_packets or not found.frames:
        raise FileError(
            f"{path}: {len(found.frames)} of its {n_packets} frames can be read; export it again"
        )
    if len(palettes) > 1:
        raise FileError(
            f"{path}: its frames have {len(palettes)} different palettes, so no index means the "
            "same in all; export the masks with one palette, or as gray"
        )
    if len({frame.dtype for frame in found.frames}) > 1:
        raise FileError(f"{path}: its frames have different number types; export it again")
    return found


def _pixels(frame: Any, path: Path) -> tuple[NDArray[Any], bytes]:
    """Pixel values of a frame, shape (H, W), and its palette, empty without one."""
    kind = frame.format.name
    if kind == "pal8":
        indices, palette = frame.to_ndarray()
        return indices, palette.tobytes()
    if kind in _GRAY:
        return frame.to_ndarray(), b""
    if kind in _OPAQUE:
        return gray_channel(frame.to_ndarray(format="rgb24"), "RGB", path), b""
    if kind in _CLEAR:
        return gray_channel(frame.to_ndarray(format="rgba"), "RGBA", path), b""
    raise FileError(
        f"{path}: its pixels are {kind}, no label values: whoever converted the masks to it "
        f"changed them; {WAY_OUT} (add -pix_fmt gray)"
    )


def _frame_time_ms(stream: Any, times: list[Fraction | None]) -> tuple[float | None, str]:
    """Time between frames, where it is the same for all up to the clock of the container."""
    rate, tick = stream.average_rate, stream.time_base
    if not rate or not tick or rate <= 0:
        return None, "frame time unknown: the video states no frame rate"
    first = times[0]
    shown = [None if t is None or first is None else t - first for t in times]
    if any(t is None or abs(t - k / rate) > tick for k, t in enumerate(shown)):
        return None, "frame time unknown: the frame rate of the video is not constant"
    return float(1000 / rate), f"frame time from the frame rate of the video, {float(rate):g} Hz"


def _require_whole(container: Any, decoded: _Decoded, step: float | None, path: Path) -> None:
    """Raise when the container promises more than it holds: it was cut short.

    The number of frames in AVI and MP4; in Matroska, which has none, the duration.
    """
    n_frames, promised = len(decoded.frames), container.streams.video[0].frames
    if not promised and step and container.duration and len(container.streams) == 1:
        promised = int(container.duration / 1000 / step)  # duration in microseconds
    if promised > n_frames:
        raise FileError(
            f"{path}: is cut short: it promises {promised} frames and holds {n_frames}; copy or "
            "export it again"
        )
