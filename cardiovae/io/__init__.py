"""Reading and writing of files: label maps with their headers, and anything else atomically.

nibabel, SimpleITK, Pillow and pydicom load when a file of theirs is touched, not before.
"""

from __future__ import annotations

from cardiovae.io.atomic import refuse_to_replace, staged, write_bytes, write_text
from cardiovae.io.files import (
    LabelFile,
    header_bytes,
    load_sequence,
    open_sequence,
    save_labels,
    save_labels_as,
    save_map,
)
from cardiovae.io.formats import SUFFIXES, WRITTEN, suffix, written_suffix
from cardiovae.io.inputs import Found, find_inputs, is_supported, search_inputs, stem
from cardiovae.io.series import is_series

__all__ = [
    "SUFFIXES",
    "WRITTEN",
    "Found",
    "LabelFile",
    "find_inputs",
    "header_bytes",
    "is_series",
    "is_supported",
    "load_sequence",
    "open_sequence",
    "refuse_to_replace",
    "save_labels",
    "save_labels_as",
    "save_map",
    "search_inputs",
    "staged",
    "stem",
    "suffix",
    "write_bytes",
    "write_text",
    "written_suffix",
]
