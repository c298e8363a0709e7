"""Transforms, metrics, handlers, a loss and a network for pipelines of MONAI.

    from cardiovae.monai import AuditSegmentationd, CorrectSegmentationd

Names load on first use: importing this package loads neither torch nor MONAI. Within it, `monai`
is always the library, since all imports of the house are absolute.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cardiovae.monai.corrupt import RandCorruptSegmentation, RandCorruptSegmentationd
    from cardiovae.monai.transforms import (
        AuditSegmentation,
        AuditSegmentationd,
        CorrectSegmentation,
        CorrectSegmentationd,
    )

__all__ = [
    "AuditSegmentation",
    "AuditSegmentationd",
    "CorrectSegmentation",
    "CorrectSegmentationd",
    "RandCorruptSegmentation",
    "RandCorruptSegmentationd",
]

_HOMES = {
    "AuditSegmentation": "transforms",
    "AuditSegmentationd": "transforms",
    "CorrectSegmentation": "transforms",
    "CorrectSegmentationd": "transforms",
    "RandCorruptSegmentation": "corrupt",
    "RandCorruptSegmentationd": "corrupt",
}


def __getattr__(name: str) -> Any:
    """A public name, from the module it lives in."""
    if name not in _HOMES:
        raise AttributeError(f"module 'cardiovae.monai' has no attribute '{name}'")
    return getattr(importlib.import_module(f"cardiovae.monai.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    """What completion offers."""
    return sorted({*globals(), *__all__})
