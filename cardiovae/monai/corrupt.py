"""Augmentation: label maps with the errors that segmentation networks make."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
from monai.config.type_definitions import KeysCollection, NdarrayOrTensor
from monai.data.meta_obj import get_track_meta
from monai.transforms.transform import MapTransform, RandomizableTransform
from monai.utils.enums import TransformBackends
from monai.utils.type_conversion import convert_to_tensor
from numpy.typing import NDArray
from torch import Tensor

from cardiovae.errors import ConfigError
from cardiovae.monai.layout import Layout, read
from cardiovae.monai.record import with_labels
from cardiovae.phantom.corruption import corrupt_frame, corrupt_sequence
from cardiovae.sequence import EchoSequence

NOMINAL_MM = (0.5, 0.5)
"""Pixel size that defects are measured by where the spacing is unknown, as in the model."""


class RandCorruptSegmentation(RandomizableTransform):
    """Damage a sound label map at random (`cardiovae.phantom.corruption`).

    All that is random comes from `self.R`, so `set_determinism` and `set_random_state` repeat it.
    The damage is told in `meta["cardiovae"]["corruption"]`: `severity` and `defects`, those of
    each frame joined by "+", frames by ",". It is not invertible.

    Args:
        severity: From 0 (a small defect) to 1 (several large ones), or the range it is drawn from.
        prob: Probability of any damage.
        labels: Label scheme or mapping; None = the smallest that fits.
        spacing_mm: (row, col) in mm; None = as the affine says.
        axes: Axes after the channel; None = "xyt", as MONAI loads them.

    Raises:
        ConfigError: A severity outside 0 to 1, an unknown scheme, or axes that are none.
    """

    backend = [TransformBackends.NUMPY]  # noqa: RUF012  (as in MONAI)

    def __init__(
        self,
        severity: float | tuple[float, float] = (0.2, 0.8),
        prob: float = 1.0,
        *,
        labels: str | None = None,
        spacing_mm: tuple[float, float] | None = None,
        axes: str | None = None,
    ) -> None:
        super().__init__(prob)
        low, high = severity if isinstance(severity, tuple | list) else (severity, severity)
        if not 0 <= low <= high <= 1:
            raise ConfigError(f"severity: a number or range within 0 to 1, got {severity}")
        self.low, self.high = low, high
        self.layout = Layout(axes, labels, spacing_mm)
        self.drawn, self.seed = low, 0

    def randomize(self, data: Any = None) -> None:
        """Draw whether there is damage, how bad it is, and the seed of its details."""
        super().randomize(None)
        self.drawn = float(self.R.uniform(self.low, self.high))
        self.seed = int(self.R.randint(2**31))

    def __call__(self, img: NdarrayOrTensor, randomize: bool = True) -> Tensor:
        """The damaged map, of the shape, type and meta data of the input.

        Args:
            img: Labels (1, X, Y) or (1, X, Y, T), or one-hot channels (C, X, Y[, T]).
            randomize: Whether to draw anew.

        Raises:
            CardiovaeError: It is no label map of one sample.
        """
        if randomize:
            self.randomize()
        image: Tensor = convert_to_tensor(img, track_meta=get_track_meta())
        reading = read(image, self.layout)
        sequence = reading.sequence
        names: tuple[tuple[str, ...], ...] = ((),) * sequence.n_frames
        labels = sequence.labels
        if self._do_transform:
            labels, names = self._damaged(sequence)
        told = ",".join("+".join(of_frame) for of_frame in names)
        severity = self.drawn if self._do_transform else float("nan")
        facts = {"corruption": {"severity": severity, "defects": told}}
        return with_labels(image, reading, labels, facts, anew=True)

    def _damaged(
        self, sequence: EchoSequence
    ) -> tuple[NDArray[np.uint8], tuple[tuple[str, ...], ...]]:
        rng = np.random.default_rng(self.seed)
        if sequence.n_frames > 1:
            damaged, names = corrupt_sequence(sequence, severity=self.drawn, rng=rng)
            return damaged.labels, names
        spacing = sequence.spacing_mm or NOMINAL_MM
        frame, of_frame = corrupt_frame(sequence.frame(0), spacing, severity=self.drawn, rng=rng)
        return frame[:, :, None], (of_frame,)


class RandCorruptSegmentationd(RandomizableTransform, MapTransform):
    """`RandCorruptSegmentation` of the entries of a dictionary, all from the same draw.

    Args:
        keys: Of the label maps.
        severity: As of `RandCorruptSegmentation`.
        prob: Probability of any damage.
        allow_missing_keys: Whether an absent key is skipped.
        **settings: As of `RandCorruptSegmentation`.
    """

    backend = RandCorruptSegmentation.backend

    def __init__(
        self,
        keys: KeysCollection,
        severity: float | tuple[float, float] = (0.2, 0.8),
        prob: float = 1.0,
        allow_missing_keys: bool = False,
        **settings: Any,
    ) -> None:
        MapTransform.__init__(self, keys, allow_missing_keys)
        RandomizableTransform.__init__(self, prob)
        self.transform = RandCorruptSegmentation(severity, prob, **settings)

    def set_random_state(
        self, seed: int | None = None, state: np.random.RandomState | None = None
    ) -> RandCorruptSegmentationd:
        """Seed the draw."""
        super().set_random_state(seed, state)
        self.transform.set_random_state(seed, state)
        return self

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """The dictionary with damaged label maps."""
        result = dict(data)
        self.transform.randomize()
        for key in self.key_iterator(result):
            result[key] = self.transform(result[key], randomize=False)
        return result
