"""Folder layouts that data sets come in, and what they say besides the files themselves.

**CAMUS** (Leclerc et al., IEEE TMI 38(9), 2019): `patient0001_4CH_ED.nii.gz` is an image and
`patient0001_4CH_ED_gt.nii.gz` its labels; `Info_4CH.cfg` beside them states the frame rate.

**ACDC** (Bernard et al., IEEE TMI 37(11), 2018): `patient001_frame01.nii.gz` is the image of a
stack of slices, `patient001_frame01_gt.nii.gz` its labels, `patient001_4d.nii.gz` all instants.

**Decathlon and nnU-Net**: `dataset.json` beside `imagesTr`, `labelsTr`, ..., or within a folder of
predictions, says which value stands for which structure. Every file there is a case of its own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from cardiovae.io.content import positive
from cardiovae.labels import LabelScheme, scheme_of_names

DATASET = "dataset.json"
_CAMUS = re.compile(
    r"patient[0-9]+_(?P<view>[24]CH)_(?:ED|ES|half_sequence|sequence)(?P<mark>_gt)?"
    r"(?P<suffix>\.nii(?:\.gz)?|\.mhd|\.mha)",
    re.IGNORECASE,
)
_ACDC = re.compile(
    r"(?P<patient>patient[0-9]+)_(?:(?P<cine>4d)|frame[0-9]+)(?P<suffix>\.nii(?:\.gz)?)",
    re.IGNORECASE,
)
_RATE = re.compile(r"^\s*FrameRate\s*:\s*([0-9.]+)\s*$", re.MULTILINE | re.IGNORECASE)
_IMAGES, _LABELS = ("imagestr", "imagests", "imagesval"), ("labelstr", "labelsts", "labelsval")
_MAX_BYTES = 2**20  # of a dataset.json or Info file


def is_image(file: Path, beside: Collection[Path]) -> bool:
    """Whether a file is an image of a known layout, not a label map.

    Args:
        file: A file.
        beside: Files of its folder that were found with it.
    """
    if file.parent.name.lower() in _IMAGES and (file.parent.parent / DATASET).is_file():
        return True
    acdc = _ACDC.fullmatch(file.name)
    if acdc is not None:
        names = f"{acdc['patient']}_frame*_gt{acdc['suffix']}"
        return any(file.parent.glob(names)) if acdc["cine"] else _marked(file, acdc).is_file()
    match = _CAMUS.fullmatch(file.name)
    if match is None or match["mark"]:
        return False
    labels = _marked(file, match)
    return labels in beside or labels.is_file() or _info_file(file, match["view"]).is_file()


def _marked(file: Path, match: re.Match[str]) -> Path:
    """The labels that belong to an image: its name with `_gt`."""
    end = match.start("suffix")
    return file.with_name(f"{file.name[:end]}_gt{file.name[end:]}")


def holds_cases(folder: Path) -> bool:
    """Whether every file of a folder is a case of its own, numbered names or not."""
    return _dataset_file(folder) is not None


def sidecars(path: Path) -> tuple[Path, ...]:
    """The files beside a label map that change what it means: see the functions below."""
    match = _CAMUS.fullmatch(path.name)
    info = None if match is None else _info_file(path, match["view"])
    return tuple(file for file in (_dataset_file(path.parent), info) if file and file.is_file())


def stated_scheme(path: Path) -> LabelScheme | None:
    """The label scheme that the `dataset.json` of a file states; None without one.

    None as well where it is damaged or its names say nothing.

    Raises:
        LabelError: It names structures, but no left ventricle among them.
    """
    file = _dataset_file(path.parent)
    if file is None:
        return None
    return scheme_of_names(_names_in(file, file.stat().st_mtime_ns), DATASET)


def stated_frame_time_ms(path: Path) -> float | None:
    """Time between frames in ms from the Info file of CAMUS; None without one."""
    match = _CAMUS.fullmatch(path.name)
    if match is None:
        return None
    found = _RATE.search(_text(_info_file(path, match["view"])))
    try:
        rate = float(found[1]) if found else 0.0
    except ValueError:
        return None
    return 1000.0 / rate if positive(rate) else None


@lru_cache(maxsize=64)
def _names_in(file: Path, changed_ns: int) -> Mapping[int, str]:
    """The names in a `dataset.json`, read once for all files beside it; none if it is damaged."""
    try:
        content: Any = json.loads(_text(file))
        return dict(_numbered(content["labels"]))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


def _numbered(labels: Mapping[str, Any]) -> list[tuple[int, str]]:
    """Value and name of each label: `{"1": "LV"}` of Decathlon or `{"LV": 1}` of nnU-Net."""
    pairs = []
    for key, value in labels.items():
        if isinstance(value, str):
            pairs.append((int(key), value))
        elif isinstance(value, int):
            pairs.append((value, key))  # regions, which are lists, are no label map
    return pairs


def _dataset_file(folder: Path) -> Path | None:
    """The `dataset.json` in a folder of predictions, or beside a folder of labels."""
    own = folder / DATASET
    if own.is_file():
        return own
    above = folder.parent / DATASET
    return above if folder.name.lower() in _LABELS and above.is_file() else None


def _info_file(file: Path, view: str) -> Path:
    return file.with_name(f"Info_{view.upper()}.cfg")


def _text(file: Path) -> str:
    """The text of a small file; empty where there is none or it cannot be one."""
    try:
        if not file.is_file() or file.stat().st_size > _MAX_BYTES:
            return ""
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
