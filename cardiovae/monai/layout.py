"""The only place where label maps of MONAI, (C, X, Y[, T]), become sequences, and back.

**Axes.** MONAI's readers put the lateral axis first: a NIfTI file of shape (X, Y, T) comes as
(1, X, Y, T), where Y is depth. Rows of this package are Y and columns X *as they are stored*, with
the transducer at Y = 0; the affine gives the spacing and is never applied, as in
`cardiovae.io.nifti`. `axes` says otherwise: one letter per axis after the channel, "yxt" for
arrays whose rows come first, "-y" for an axis that runs against the depth.

**Spacing.** The norms of the affine's columns that belong to Y and X. A tensor without a spacing
has the identity as affine, so exactly 1.0 along both counts as unknown unless the header of a
NIfTI file names millimeters.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.data.meta_tensor import MetaTensor
from numpy.typing import NDArray
from torch import Tensor

from cardiovae.errors import CardiovaeError, ConfigError, LabelError
from cardiovae.io.content import spacing_without_unit
from cardiovae.io.nifti_header import spacing_in_unit
from cardiovae.labels import LabelScheme, infer_scheme, label_scheme
from cardiovae.sequence import EchoSequence

AXES = "xyt"
_AXES = re.compile(r"(-?[xy])(-?[xy])t|t(-?[xy])(-?[xy])|(-?[xy])t(-?[xy])")
_SCHEME_OF = {2: "lv", 3: "lv-myo", 4: "camus"}  # by the number of one-hot channels
_LEAST_SIDE = 2  # of a frame, in pixels
_TURNED = math.cos(math.radians(45))


@dataclass(frozen=True)
class Layout:
    """How the label maps of a pipeline are to be read.

    Args:
        axes: Axes after the channel; None = "xyt", and maps that were turned since they were
            loaded are refused.
        labels: Label scheme or mapping such as "lv=1,myo=2"; None = the smallest that fits.
        spacing_mm: (row, col) in mm, in place of what the affine says; None = as it says.

    Raises:
        ConfigError: Axes that are none, an unknown scheme, or a spacing that is not positive.
    """

    axes: str | None = None
    labels: str | None = None
    spacing_mm: tuple[float, float] | None = None
    scheme: LabelScheme | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        if not _AXES.fullmatch(self.order) or len(set(self.order) - {"-"}) < 3:
            raise ConfigError(
                "axes: names x (lateral), y (depth) and t (time) once each, with '-' before x or "
                f"y that runs backward, such as xyt, yxt or x-yt; got '{self.axes}'"
            )
        if self.spacing_mm is not None:
            row, col = self.spacing_mm
            if not (math.isfinite(row * col) and row > 0 and col > 0):
                raise ConfigError(f"spacing_mm: two positive lengths, got {self.spacing_mm}")
        if self.labels is not None:
            object.__setattr__(self, "scheme", label_scheme(self.labels))

    @property
    def order(self) -> str:
        """The axes, one letter each."""
        return self.axes or AXES

    def places(self, ndim: int) -> tuple[list[int], tuple[int, ...]]:
        """Where rows, columns (and time) are among `ndim` axes, and which run backward."""
        letters = re.findall(r"-?[xyt]", self.order)
        names = [name for name in letters if ndim == 3 or name != "t"]
        plain = [name.removeprefix("-") for name in names]
        order = [plain.index(name) for name in ("y", "x", "t")[:ndim]]
        return order, tuple(i for i, at in enumerate(order) if names[at].startswith("-"))


@dataclass(frozen=True, eq=False)
class Reading:
    """A label map as a sequence, and what it takes to write another like it."""

    sequence: EchoSequence
    scheme: LabelScheme
    layout: Layout
    n_channels: int
    ndim: int

    def values(self, labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Labels (H, W, T) in the shape and with the values of what was read."""
        values = self.scheme.to_values(labels)
        values = values if self.ndim == 3 else values[:, :, 0]
        order, backward = self.layout.places(self.ndim)
        stored = np.transpose(np.flip(values, backward), np.argsort(order))
        if self.n_channels == 1:
            return np.ascontiguousarray(stored[None])
        channels = np.arange(self.n_channels).reshape(-1, *[1] * self.ndim)
        return np.asarray(stored[None] == channels, np.uint8)


def read(image: Tensor, layout: Layout) -> Reading:
    """The sequence on a label map of one sample.

    Args:
        image: Label values (1, X, Y) or (1, X, Y, T) of any number type, or their one-hot
            channels (C, X, Y[, T]) with the background first.
        layout: How to read it.

    Raises:
        CardiovaeError: A batch, another shape, or a map that was turned since it was loaded.
        LabelError: Scores in place of labels, or values that the scheme does not name.
    """
    source = source_of(image)
    _require_one_map(image, source)
    ndim = image.ndim - 1
    order, backward = layout.places(ndim)
    if layout.axes is None:
        _require_as_loaded(image, source)
    values = _label_values(image, source)
    values = np.flip(np.transpose(values, order), backward)
    scheme = layout.scheme or _scheme(values, image.shape[0])
    labels = scheme.to_labels(values if ndim == 3 else values[:, :, None])
    sequence = EchoSequence(
        np.ascontiguousarray(labels),
        layout.spacing_mm or spacing_of(image, order[0], order[1]),
        scheme.structures,
        source=source,
    )
    return Reading(sequence, scheme, layout, image.shape[0], ndim)


def source_of(image: Tensor) -> str:
    """Name of the file that a tensor was loaded from, for messages."""
    named = image.meta.get("filename_or_obj") if isinstance(image, MetaTensor) else None
    return Path(named).name if isinstance(named, str) and named else "label map"


def spacing_of(image: Tensor, row: int, col: int) -> tuple[float, float] | None:
    """(row, col) spacing in mm from the affine's columns of two axes; None = unknown."""
    if not isinstance(image, MetaTensor):
        return None
    affine = np.asarray(image.affine, np.float64)
    # Affines come from float32 headers: the short decimal that was meant, 0.308.
    sizes = [float(f"{np.linalg.norm(affine[:-1, axis]):.6g}") for axis in (row, col)]
    if not all(math.isfinite(size) and size > 0 for size in sizes):
        return None
    unit = image.meta.get("xyzt_units")
    if unit is None:
        return spacing_without_unit(*sizes)[0]
    return spacing_in_unit(sizes[0], sizes[1], int(unit))[0]


def _require_one_map(image: Tensor, source: str) -> None:
    batch = image.ndim > 4 or bool(getattr(image, "is_batch", False))
    if batch:
        raise CardiovaeError(
            f"{source}: one sample at a time, shape (C, X, Y) or (C, X, Y, T), got a batch of "
            f"shape {tuple(image.shape)}; put monai.data.decollate_batch before this"
        )
    if image.ndim < 3 or min(image.shape[1:3]) < _LEAST_SIDE:
        raise CardiovaeError(
            f"{source}: a label map has shape (C, X, Y) or (C, X, Y, T), got "
            f"{tuple(image.shape)}; EnsureChannelFirst adds a channel, decollate_batch splits a "
            "batch"
        )


def _require_as_loaded(image: Tensor, source: str) -> None:
    """That no axis of the frame was swapped or turned around since the file was read."""
    if not isinstance(image, MetaTensor) or "original_affine" not in image.meta:
        return
    now, then = (
        np.asarray(affine, np.float64)[:-1, :2]
        for affine in (image.affine, image.meta["original_affine"])
    )
    n = min(len(now), len(then))
    along = (now[:n] * then[:n]).sum(0)
    if (along < _TURNED * np.linalg.norm(now, axis=0) * np.linalg.norm(then, axis=0)).any():
        raise CardiovaeError(
            f"{source}: its axes were turned since it was loaded (Orientation, Rotate90, Flip, "
            "...), so which way is down is not known; put this after Invertd, or say it with "
            "axes, such as axes='x-yt'"
        )


def _label_values(image: Tensor, source: str) -> NDArray[np.int64]:
    """Whole label values without a channel, shape (X, Y[, T])."""
    plain = image.detach().as_subclass(Tensor).cpu()
    if plain.shape[0] > 1:
        if not bool(((plain == 0) | (plain == 1)).all() and (plain.sum(0) == 1).all()):
            raise LabelError(
                f"{source}: {plain.shape[0]} channels that are not one-hot with the background "
                "first; scores take AsDiscrete(argmax=True) before this, a batch "
                "monai.data.decollate_batch"
            )
        return np.asarray(plain.to(torch.uint8).argmax(0).numpy(), np.int64)
    values = plain[0]
    if values.is_floating_point() and not bool((values == values.round()).all()):
        raise LabelError(
            f"{source}: values that are no labels, such as "
            f"{float(values[values != values.round()][0]):g}; scores take AsDiscrete before this, "
            "and labels are resampled with mode='nearest'"
        )
    whole = np.asarray(values.numpy()).astype(np.int64)
    if whole.min(initial=0) < 0 or whole.max(initial=0) > 255:
        raise LabelError(f"{source}: labels are 0 to 255, got {whole.min()} to {whole.max()}")
    return whole


def _scheme(values: NDArray[Any], n_channels: int) -> LabelScheme:
    """The scheme of a map whose user named none."""
    if n_channels == 1:
        return infer_scheme(values)
    if n_channels not in _SCHEME_OF:
        raise ConfigError(
            f"labels: {n_channels} one-hot channels fit no shipped scheme; say what they are, "
            "such as labels='lv=1,myo=2,la=3'"
        )
    return label_scheme(_SCHEME_OF[n_channels])
