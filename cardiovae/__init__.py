"""Audit and correct label maps of the heart in echocardiography.

These are the names of the audit half; they load on first use. Nothing of torch or monai is loaded
before `cardiovae.prior`, `cardiovae.bank` or `cardiovae.correction` is imported.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cardiovae.attributes import measure_attributes
    from cardiovae.audit.audit import audit_frame, audit_sequence
    from cardiovae.audit.criteria import criteria
    from cardiovae.audit.verdicts import SequenceAudit, Verdict
    from cardiovae.errors import CardiovaeError
    from cardiovae.io.files import load_sequence, open_sequence, save_labels
    from cardiovae.labels import Label, LabelScheme, label_scheme
    from cardiovae.sequence import EchoSequence

__all__ = [
    "CardiovaeError",
    "EchoSequence",
    "Label",
    "LabelScheme",
    "SequenceAudit",
    "Verdict",
    "__version__",
    "audit_frame",
    "audit_sequence",
    "criteria",
    "label_scheme",
    "load_sequence",
    "measure_attributes",
    "open_sequence",
    "save_labels",
]

__version__ = "0.1.0"

_HOMES = {
    "CardiovaeError": "errors",
    "EchoSequence": "sequence",
    "Label": "labels",
    "LabelScheme": "labels",
    "SequenceAudit": "audit.verdicts",
    "Verdict": "audit.verdicts",
    "audit_frame": "audit.audit",
    "audit_sequence": "audit.audit",
    "criteria": "audit.criteria",
    "label_scheme": "labels",
    "load_sequence": "io.files",
    "measure_attributes": "attributes",
    "open_sequence": "io.files",
    "save_labels": "io.files",
}


def __getattr__(name: str) -> Any:
    """A public name, from the module it lives in."""
    if name not in _HOMES:
        raise AttributeError(f"module 'cardiovae' has no attribute '{name}'")
    return getattr(importlib.import_module(f"cardiovae.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    """What completion offers."""
    return sorted({*globals(), *__all__})
