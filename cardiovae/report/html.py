"""The page: template, record and pictures put together into one file."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined
from numpy.typing import NDArray

from cardiovae.config import read_preset
from cardiovae.errors import CardiovaeError
from cardiovae.io.atomic import refuse_to_replace, write_text
from cardiovae.labels import ALL
from cardiovae.report import palette
from cardiovae.report.clinic import clinic_view
from cardiovae.report.curves import figures
from cardiovae.report.doubt import doubt_view
from cardiovae.report.figures import verdict_strip
from cardiovae.report.frames import LAYERS, frame_views
from cardiovae.report.headline import (
    audit_pairs,
    good,
    headline,
    judges,
    tiles,
    unknown_shapes,
)
from cardiovae.report.pictures import viewport
from cardiovae.report.tables import anatomy_rows, temporal_rows
from cardiovae.report.wording import ACTIONS, number

KEYS = (
    "cardiovae", "source", "shape", "spacing_mm", "frame_time_ms", "view", "structures", "seed",
    "method", "settings", "prior", "status", "reason", "before", "after", "also", "frames",
    "attributes",
)  # fmt: skip
_TIMES = "\N{MULTIPLICATION SIGN}"


def write_report(
    path: Path,
    record: Mapping[str, Any],
    before: NDArray[np.uint8],
    after: NDArray[np.uint8],
    posterior: NDArray[np.float32] | None = None,
    image_doubt: NDArray[np.float32] | None = None,
    *,
    overwrite: bool = False,
) -> None:
    """Write one self-contained HTML page about one correction.

    It opens from a file, needs no network and runs no foreign code; all it says stands in
    `record`, all it shows in the label maps.

    Args:
        path: File to write.
        record: Content of `audit.json`, as `Correction.to_json` gives it.
        before: Label maps of the input, shape (H, W, T).
        after: Label maps of the result, same shape.
        posterior: Entropy of each pixel over samples of the prior, 0 to 1, same shape; NaN where
            unknown, None = no such layer.
        image_doubt: Doubt of each pixel by the image, likewise.
        overwrite: Whether an existing file may be replaced.

    Raises:
        CardiovaeError: The record lacks a key, or an array does not have its shape.
        FileError: The file exists, or cannot be written.
    """
    refuse_to_replace(path, overwrite=overwrite)
    page = report_page(record, before, after, posterior, image_doubt)
    write_text(path, page, overwrite=overwrite)


def report_page(
    record: Mapping[str, Any],
    before: NDArray[np.uint8],
    after: NDArray[np.uint8],
    posterior: NDArray[np.float32] | None = None,
    image_doubt: NDArray[np.float32] | None = None,
) -> str:
    """The page of `write_report` as text; arguments and errors are the same."""
    maps = {"posterior": posterior, "image_doubt": image_doubt}
    _check(record, {"before": before, "after": after, **maps})
    doubts = {
        layer: values
        for layer, values in zip(LAYERS, maps.values(), strict=True)
        if values is not None
    }
    environment = Environment(
        loader=PackageLoader("cardiovae.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    view = viewport((before, after), record["spacing_mm"])
    return environment.get_template("report.html").render(
        record=record,
        title=record["source"].replace("\\", "/").rpartition("/")[2] or record["source"],
        headline=headline(record),
        good=good(record),
        unknown=unknown_shapes(record),
        tiles=tiles(record),
        judges=judges(record),
        frames=frame_views(record, before, after, doubts, view),
        layers={name: LAYERS[name] for name in doubts},
        doubt=doubt_view(record),
        view=view,
        figures=figures(record),
        clinic=clinic_view(record),
        tables=_tables(record),
        verdict_strip=verdict_strip,
        geometry=_geometry(record),
        settings=[(k, _setting(v)) for k, v in _leaves(record["settings"])],
        command=command_line(record),
        models=(record.get("uncertainty") or {}).get("models", {}),
        palette=palette,
        structures=[
            (s.name, palette.STRUCTURE_COLORS[s]) for s in ALL if s.name in record["structures"]
        ],
        actions=[
            (palette.ACTION_TINTS[a], ACTIONS[a])
            for a in palette.ACTION_TINTS
            if any(frame["action"] == a for frame in record["frames"])
        ],
    )


def command_line(record: Mapping[str, Any]) -> str:
    """The command that asks for this correction again, quoted for a POSIX shell.

    Settings appear where they differ from the shipped preset. How the file was read (`--labels`,
    `--spacing`, `--frame-time`) is not part of the record, nor of the command.
    """
    settings = dict(record["settings"])
    words = ["cardiovae", "correct", record["source"]]
    if record["method"] != "full":
        words += ["--method", record["method"]]
    if record["prior"]["name"] != "none":
        words += ["--prior", record["prior"]["name"]]
    for name, fallback in (("criteria", record["before"]["anatomy"]), ("temporal", None)):
        words += [f"--{name}", settings.pop(name, fallback) or "none"]
    if record["seed"] is not None:
        words += ["--seed", str(record["seed"])]
    doubt = record.get("uncertainty")
    if doubt and doubt.get("images"):
        words += ["--images", doubt["images"]]
    preset = dict(_leaves(read_preset("correct", "default")))
    for key, value in _leaves(settings):
        plain = list(value) if isinstance(value, tuple) else value
        if key not in preset or preset[key] != plain:
            text = yaml.safe_dump(plain, default_flow_style=True, width=math.inf)
            words += ["--set", f"{key}={text.removesuffix('...' + chr(10)).strip()}"]
    return shlex.join(words)


def _check(record: Mapping[str, Any], arrays: Mapping[str, NDArray[Any] | None]) -> None:
    """Raise where the record is not one, or an array is not of its shape."""
    missing = [key for key in KEYS if key not in record]
    if missing:
        raise CardiovaeError(
            f"record: lacks {missing}; pass the content of an audit.json as `cardiovae correct` "
            "writes it"
        )
    shape = tuple(record["shape"])
    for name, array in arrays.items():
        if array is not None and array.shape != shape:
            raise CardiovaeError(
                f"{name}: must have the shape {shape} of the record, got {array.shape}"
            )
    doubt = record.get("uncertainty")
    if doubt and len(doubt["frames"]) != shape[2]:
        raise CardiovaeError(
            f"record: doubts {len(doubt['frames'])} frames, its shape says {shape[2]}"
        )
    if len(record["frames"]) != shape[2]:
        raise CardiovaeError(
            f"record: names {len(record['frames'])} frames, its shape says {shape[2]}"
        )


def _tables(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Findings, one table per criteria set; those of the sets in use first."""
    tables = []
    for i, (old, new) in enumerate(audit_pairs(record)):
        note = "in use" if i == 0 else "as well"
        tables.append({"name": old["anatomy"], "note": f"anatomy, {note}"})
        tables[-1]["rows"] = anatomy_rows(old, new)
        if old["temporal"]:
            tables.append({"name": old["temporal"], "note": f"motion, {note}"})
            tables[-1]["rows"] = temporal_rows(old, new)
    return tables


def _geometry(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What is known of the file, in words."""
    height, width, n_frames = record["shape"]
    spacing, time = record["spacing_mm"], record["frame_time_ms"]
    return [
        ("frames", f"{n_frames} of {height} {_TIMES} {width} px"),
        ("spacing", f" {_TIMES} ".join(map(number, spacing)) + " mm" if spacing else "unknown"),
        ("frame time", f"{number(time)} ms" if time else "unknown"),
        ("view", record["view"] or "unknown"),
        ("structures", ", ".join(record["structures"])),
    ]


def _leaves(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Nested settings as dotted keys with their values."""
    for key, value in settings.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def _setting(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return "none" if value is None else str(value)
