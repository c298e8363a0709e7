"""Transforms, reader and writer, metrics, handlers, a loss and a network for pipelines of MONAI.

    from cardiovae.monai import AuditSegmentationd, CorrectSegmentationd

Names load on first use: importing this package loads neither torch nor MONAI. Within it, `monai`
is always the library, since all imports of the house are absolute.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cardiovae.monai.canvas import (
        CanvasSharesd,
        ShareLoss,
        hard_labels,
    )
    from cardiovae.monai.corrupt import (
        RandCorruptSegmentation,
        RandCorruptSegmentationd,
    )
    from cardiovae.monai.files import EchoImageReader, EchoReader, EchoWriter
    from cardiovae.monai.handlers import (
        AnatomicalPlausibilityHandler,
        TemporalConsistencyHandler,
    )
    from cardiovae.monai.inferer import CorrectionInferer
    from cardiovae.monai.loss import (
        PlausibilityLoss,
        plausibility_loss,
    )
    from cardiovae.monai.metrics import (
        AnatomicalPlausibilityMetric,
        TemporalConsistencyMetric,
    )
    from cardiovae.monai.network import (
        ShapePriorNet,
    )
    from cardiovae.monai.segmenter import GrayLevelsd, WholeImageUNet
    from cardiovae.monai.transforms import (
        AuditSegmentation,
        AuditSegmentationd,
        CorrectSegmentation,
        CorrectSegmentationd,
    )

__all__ = [
    "AnatomicalPlausibilityHandler",
    "AnatomicalPlausibilityMetric",
    "AuditSegmentation",
    "AuditSegmentationd",
    "CanvasSharesd",
    "CorrectSegmentation",
    "CorrectSegmentationd",
    "CorrectionInferer",
    "EchoImageReader",
    "EchoReader",
    "EchoWriter",
    "GrayLevelsd",
    "PlausibilityLoss",
    "RandCorruptSegmentation",
    "RandCorruptSegmentationd",
    "ShapePriorNet",
    "ShareLoss",
    "TemporalConsistencyHandler",
    "TemporalConsistencyMetric",
    "WholeImageUNet",
    "hard_labels",
    "plausibility_loss",
]

_HOMES = {
    "AnatomicalPlausibilityHandler": "handlers",
    "AnatomicalPlausibilityMetric": "metrics",
    "AuditSegmentation": "transforms",
    "AuditSegmentationd": "transforms",
    "CanvasSharesd": "canvas",
    "CorrectSegmentation": "transforms",
    "CorrectSegmentationd": "transforms",
    "CorrectionInferer": "inferer",
    "EchoImageReader": "files",
    "EchoReader": "files",
    "EchoWriter": "files",
    "GrayLevelsd": "segmenter",
    "PlausibilityLoss": "loss",
    "RandCorruptSegmentation": "corrupt",
    "RandCorruptSegmentationd": "corrupt",
    "ShapePriorNet": "network",
    "ShareLoss": "canvas",
    "TemporalConsistencyHandler": "handlers",
    "TemporalConsistencyMetric": "metrics",
    "WholeImageUNet": "segmenter",
    "hard_labels": "canvas",
    "plausibility_loss": "loss",
}


def __getattr__(name: str) -> Any:
    """A public name, from the module it lives in."""
    if name not in _HOMES:
        raise AttributeError(f"module 'cardiovae.monai' has no attribute '{name}'")
    return getattr(importlib.import_module(f"cardiovae.monai.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    """What completion offers."""
    return sorted({*globals(), *__all__})
