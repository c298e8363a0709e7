"""Where the results of a correction go, and how they get there."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cardiovae.errors import ConfigError

if TYPE_CHECKING:
    from cardiovae.cli.measuring import Measured
    from cardiovae.correction.record import Correction
    from cardiovae.io import LabelFile
    from cardiovae.uncertainty.record import Doubt

REPORT_FOLDERS = ("assets", "cines", "data", "pages", "thumbs")
"""Where the report over all inputs keeps its files, beside the folders of the inputs."""


@dataclass(frozen=True)
class Target:
    """The files that one correction writes; None = not wanted.

    Args:
        labels: The corrected labels; without a suffix a folder of PNG files.
        uncertainty: The map of doubt by the prior.
        image_doubt: The map of doubt by the image.
        report: The HTML page.
        record: `audit.json`, written last.
        page: The HTML page as the report over all inputs calls it, "" without one.
    """

    labels: Path
    uncertainty: Path | None = None
    image_doubt: Path | None = None
    report: Path | None = None
    record: Path | None = None
    page: str = ""

    @property
    def files(self) -> tuple[Path, ...]:
        """All of them, in the order of writing."""
        files = (self.labels, self.uncertainty, self.image_doubt, self.report, self.record)
        return tuple(file for file in files if file is not None)

    @property
    def place(self) -> Path:
        """What to show to a person: the folder, or the labels where there is nothing else."""
        return self.labels if self.record is None else self.labels.parent


def plan_targets(
    paths: Sequence[Path],
    output: Path,
    *,
    report: bool = True,
    by_prior: bool = True,
    by_image: bool = False,
) -> dict[Path, Target]:
    """The target of every input.

    Args:
        paths: Inputs, each once.
        output: A folder, which gets one folder per input; or a label map file for the labels of
            a single input alone.
        report: Whether a folder gets the HTML page.
        by_prior: Whether a folder gets the map of doubt by the prior.
        by_image: Whether it gets that by the image.

    Raises:
        ConfigError: A file for several inputs, or a file where a folder is meant.
    """
    from cardiovae.io import WRITTEN, suffix, written_suffix
    from cardiovae.manifest.inputs import IMAGE_DOUBT, RECORD, UNCERTAINTY

    if suffix(output) and not output.is_dir():
        if suffix(output) not in WRITTEN:
            what = "DICOM" if suffix(output) in (".dcm", ".dicom") else "a video"
            raise ConfigError(
                f"--output {output}: {what} is read, not written; give .nii.gz or a folder"
            )
        if len(paths) > 1:
            raise ConfigError(
                f"--output {output}: is one file, and there are {len(paths)} inputs; give a folder"
            )
        return {path: Target(output) for path in paths}
    if output.is_file():
        raise ConfigError(
            f"--output {output}: is a file; give a folder, or a name ending in "
            f"{', '.join(WRITTEN)} for the labels alone"
        )
    targets = {}
    for path, name in folder_names(paths).items():
        folder = output / name
        targets[path] = Target(
            labels=folder / f"labels{written_suffix(path)}",
            uncertainty=folder / UNCERTAINTY if by_prior else None,
            image_doubt=folder / IMAGE_DOUBT if by_image else None,
            report=folder / "report.html" if report else None,
            record=folder / RECORD,
            page=(name / "report.html").as_posix() if report else "",
        )
    return targets


def folder_names(paths: Sequence[Path]) -> dict[Path, Path]:
    """A folder name of its own for every input.

    The stem of the file; where two share one, the folders of all from their common one on, and
    the whole file name where that is needed too.

    Examples:
        >>> [str(n) for n in folder_names([Path("a/x.nii.gz"), Path("b/y.nii.gz")]).values()]
        ['x', 'y']
        >>> [str(n) for n in folder_names([Path("a/x.nii.gz"), Path("b/x.nii.gz")]).values()]
        ['a/x', 'b/x']
        >>> [str(n) for n in folder_names([Path("a/x.nii.gz"), Path("a/x.mha")]).values()]
        ['x.nii.gz', 'x.mha']
        >>> [str(n) for n in folder_names([Path("data.nii"), Path("b.nii")]).values()]
        ['_data', 'b']
    """
    return {path: _unreserved(name) for path, name in _distinct_names(paths).items()}


def _unreserved(name: Path) -> Path:
    """A name that leaves the folders of the report over all inputs free."""
    first = name.parts[0]
    return Path(f"_{first}", *name.parts[1:]) if first.casefold() in REPORT_FOLDERS else name


def _distinct_names(paths: Sequence[Path]) -> dict[Path, Path]:
    from cardiovae.io import stem

    names = {path: Path(stem(path)) for path in paths}
    if not _clashing(names.values()):
        return names
    absolute = {path: Path(os.path.abspath(path)) for path in paths}  # noqa: PTH100 (keeps links)
    root = os.path.commonpath([path.parent for path in absolute.values()])
    names = {path: full.relative_to(root).parent / stem(path) for path, full in absolute.items()}
    twice = _clashing(names.values())
    return {
        p: name.with_name(p.name.replace("*", "")) if _key(name) in twice else name
        for p, name in names.items()
    }


def require_free(target: Target, *, overwrite: bool) -> None:
    """Raise, before any work, when a result would replace a file that must stay.

    Raises:
        FileError: A file is in the way and `overwrite` is false, or a folder is.
    """
    from cardiovae.io import refuse_to_replace, suffix

    for file in target.files:
        folder = file == target.labels and not suffix(file)
        refuse_to_replace(file, overwrite=overwrite, folder=folder)


def write_results(
    target: Target,
    correction: Correction,
    content: Mapping[str, Any],
    doubt: Doubt | None,
    like: LabelFile,
    *,
    overwrite: bool,
) -> None:
    """Write a correction, its record last, so that the record's presence means "done".

    Args:
        target: Where to.
        correction: What to write.
        content: Its `full_record`.
        doubt: What is in doubt about it; None = nothing was asked.
        like: The input file, whose geometry, header and data type the labels keep.
        overwrite: Whether results of an earlier run are replaced; those that this run does not
            write again are removed.

    Raises:
        FileError: A file is in the way, or the file system refuses.
    """
    from cardiovae.io import save_labels, save_map, write_text
    from cardiovae.report import write_report

    text = json.dumps(content, indent=2, allow_nan=False) + "\n"
    if overwrite and target.record is not None:
        _remove_earlier(target.record.parent)
    save_labels(target.labels, correction.sequence, like, overwrite=overwrite)
    by_prior, by_image = (None, None) if doubt is None else (doubt.posterior, doubt.image)
    for path, found in ((target.uncertainty, by_prior), (target.image_doubt, by_image)):
        if path is not None and found is not None:
            save_map(path, found, like, overwrite=overwrite)
    if target.report is not None:
        write_report(
            target.report,
            content,
            correction.original.labels,
            correction.sequence.labels,
            by_prior,
            by_image,
            overwrite=overwrite,
        )
    if target.record is not None:
        write_text(target.record, text, overwrite=overwrite)


@dataclass(frozen=True, eq=False)
class Stated:
    """Doubt about a correction, and what it rests on.

    Args:
        doubt: What is in doubt.
        images: Where the images came from; None without images.
        models: Name, license and file hashes of the models of images, by kind.
    """

    doubt: Doubt
    images: str | None
    models: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Plain data for `audit.json`."""
        return {**self.doubt.to_json(), "images": self.images, "models": dict(self.models)}


def full_record(correction: Correction, stated: Stated | None, hearts: Measured) -> dict[str, Any]:
    """The content of `audit.json`."""
    return {
        **correction.to_json(),
        "indices": hearts.to_json(),
        "uncertainty": None if stated is None else stated.to_json(),
    }


def _remove_earlier(folder: Path) -> None:
    """Remove what an earlier run wrote about the labels; its record first, it says "done"."""
    from cardiovae.manifest.inputs import IMAGE_DOUBT, RECORD, UNCERTAINTY

    for name in (RECORD, "report.html", UNCERTAINTY, IMAGE_DOUBT):
        (folder / name).unlink(missing_ok=True)


def _clashing(names: Iterable[Path]) -> set[str]:
    """Keys of the names that occur more than once."""
    return {key for key, count in Counter(map(_key, names)).items() if count > 1}


def _key(name: Path) -> str:
    """The same for names that some file systems hold for equal."""
    return str(name).casefold()
