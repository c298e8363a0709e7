"""Reading and writing of files: label maps with their headers, and anything else atomically.

nibabel and SimpleITK load when a file of theirs is touched, not before.
"""

from __future__ import annotations

from cardiovae.io.atomic import refuse_to_replace, staged, write_bytes, write_text
from cardiovae.io.files import (
    LabelFile,
    header_bytes,
    load_sequence,
    open_sequence,
    save_labels,
    save_map,
)
from cardiovae.io.inputs import SUFFIXES, find_inputs, is_supported, stem, suffix

__all__ = [
    "SUFFIXES",
    "LabelFile",
    "find_inputs",
    "header_bytes",
    "is_supported",
    "load_sequence",
    "open_sequence",
    "refuse_to_replace",
    "save_labels",
    "save_map",
    "staged",
    "stem",
    "suffix",
    "write_bytes",
    "write_text",
]
