"""Videos for the tests, made with PyAV."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

av: Any = pytest.importorskip("av", reason="videos need the extra 'video' (PyAV)")

CONTAINERS = {".avi": "avi", ".mkv": "matroska", ".mp4": "mp4"}


def frame_of(pixels: np.ndarray, kind: str, palette: np.ndarray | None = None) -> Any:
    """A frame of label values, shape (H, W), as pixels of this kind."""
    if kind == "pal8":
        known = np.full((256, 4), 255, np.uint8)
        known[:4, 1:] = [[0, 0, 0], [255, 0, 0], [0, 255, 0], [0, 0, 255]]
        used = known if palette is None else palette
        return av.VideoFrame.from_ndarray((pixels, used), "pal8")
    if kind == "gray16le":
        return av.VideoFrame.from_ndarray(pixels.astype(np.uint16), "gray16le")
    if kind == "gray":
        return av.VideoFrame.from_ndarray(pixels, "gray")
    colors = pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)
    return av.VideoFrame.from_ndarray(colors, "rgb24").reformat(format=kind)


def video(
    path: Path,
    frames: list[Any],
    codec: str = "ffv1",
    *,
    rate: Fraction | int = 50,
    times: list[int] | None = None,
    **options: str,
) -> Path:
    """A file of frames; `times` are their instants in steps of 1 / rate."""
    with av.open(str(path), "w", format=CONTAINERS[path.suffix.lower()]) as container:
        stream = container.add_stream(codec, rate=rate, options=options)
        stream.width, stream.height = frames[0].width, frames[0].height
        stream.pix_fmt = frames[0].format.name
        for k, frame in enumerate(frames):
            frame.pts = k if times is None else times[k]
            frame.time_base = 1 / Fraction(rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path
