"""Lists of label maps: what belongs to a data set, where it lies, and what is known of each.

`schema` is the format, `files` reads and writes it, `build` makes a manifest of a folder,
`verify` compares one with the disk, `inputs` feeds one to a verb. `data_manifests/README.md`
describes the columns.
"""

from __future__ import annotations

from cardiovae.manifest.files import read_manifest, write_manifest
from cardiovae.manifest.inputs import Gathered, Input, gather_inputs, open_input
from cardiovae.manifest.schema import COLUMNS, EXTRA, Entry, Manifest

__all__ = [
    "COLUMNS",
    "EXTRA",
    "Entry",
    "Gathered",
    "Input",
    "Manifest",
    "gather_inputs",
    "open_input",
    "read_manifest",
    "write_manifest",
]
