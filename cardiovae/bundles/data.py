"""What the configurations of bundles read: cases of a folder, as MONAI's data sets take them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cardiovae.errors import ConfigError, FileError
from cardiovae.evaluation.pairing import names_below, pair_files
from cardiovae.io.formats import suffix
from cardiovae.io.inputs import search_inputs
from cardiovae.io.video import SUFFIXES as VIDEOS
from cardiovae.manifest.names import DEFAULT_PATTERN, compile_pattern, patient_and_view, unmarked
from cardiovae.manifest.splits import split_patients

SHARES = {"train": 0.8, "val": 0.2}

Case = dict[str, str]


def cases(
    image: str | None = None,
    label: str | None = None,
    *,
    gray: bool = False,
    part: str | None = None,
) -> list[Case]:
    """The cases of a folder, or of two that belong together by the names of their files.

    Args:
        image: Folder or file of what is put into the bundle; None = labels alone.
        label: Folder or file of label maps; None = none.
        gray: Whether `image` means images; otherwise label maps to correct.
        part: "train" or "val": four fifths of the patients, and the rest; None = all. Patients
            are told by the names of files, such as `patient0001_4CH`.

    Returns:
        Paths by the key "image", "label" or both, sorted.

    Raises:
        FileError: Nothing is found, or an image has no label map of its name.
        ConfigError: An unknown part, or too few patients for two parts.
    """
    images = None if image is None else _named(image, gray=gray)
    labels = None if label is None else _named(label, gray=False)
    if images is None or labels is None:
        key, files = ("label", labels) if images is None else ("image", images)
        found = [(name, {key: str(path)}) for path, name in (files or {}).items()]
    else:
        found = _paired(images, labels)
    if part is not None:
        found = _of_part(found, part)
    return [case for _, case in sorted(found, key=lambda item: item[0])]


def drawn(cases: Sequence[Case], transform: Callable[[Case], Any]) -> list[Any]:
    """The cases transformed once, so that what is random in it is the same ever after."""
    return [transform(case) for case in cases]


def meta_of(batch: Sequence[Mapping[str, Any]]) -> list[Any]:
    """Meta data of the images of a decollated batch: `batch_transform` of `MetricsSaver`."""
    return [item["image"].meta for item in batch]


def _named(where: str, *, gray: bool) -> dict[Path, str]:
    """Files of a folder with their names below it."""
    folder = Path(where)
    if gray and folder.is_dir():
        files = [p for p in sorted(folder.rglob("*")) if p.is_file() and suffix(p)]
        files = [p for p in files if suffix(p) not in VIDEOS]
        names = names_below(files, folder)
        names = {path: name for path, name in names.items() if unmarked(name) == name}
    else:
        names = names_below(search_inputs([where]).paths, folder if folder.is_dir() else None)
    if not names:
        raise FileError(f"{where}: holds no image of a known format; give another folder")
    return names


def _paired(images: Mapping[Path, str], labels: Mapping[Path, str]) -> list[tuple[str, Case]]:
    pairing = pair_files(images, labels, pattern=compile_pattern(DEFAULT_PATTERN))
    alone = [left for left in pairing.unmatched if left.side == "prediction"]
    if alone:
        raise FileError(
            f"{alone[0].path}: {alone[0].reason}; every image needs a label map of its name, "
            "which may end in _gt"
        )
    return [
        (pair.name, {"image": str(pair.prediction), "label": str(pair.reference)})
        for pair in pairing.pairs
    ]


def _of_part(found: Sequence[tuple[str, Case]], part: str) -> list[tuple[str, Case]]:
    """Those of the patients of a part."""
    pattern = compile_pattern(DEFAULT_PATTERN)
    patients = [patient_and_view(name, pattern)[0] for name, _ in found]
    if part not in SHARES:
        raise ConfigError(f"part '{part}': is one of {', '.join(SHARES)}")
    if len(set(patients)) < len(SHARES):
        raise ConfigError(
            f"part '{part}': training and validation need patients of their own, and all label "
            f"maps are of '{patients[0]}'; add others"
        )
    parts = split_patients(patients, SHARES)
    if "val" not in parts.values():  # few patients: the last, by hash, is for validation
        parts[list(parts)[-1]] = "val"
    return [item for item, patient in zip(found, patients, strict=True) if parts[patient] == part]
