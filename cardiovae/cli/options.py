"""Options that several verbs share, and what their texts mean."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cardiovae.errors import ConfigError

if TYPE_CHECKING:
    from cardiovae.audit.criteria import CriteriaSet
    from cardiovae.labels import LabelScheme

READING = "How the input is read"
OUTPUT = "Output"

Inputs = Annotated[
    list[str],
    typer.Argument(
        metavar="INPUT",
        help="Label maps (.nii, .nii.gz, .mha, .mhd, .npy, .npz, .png, .dcm), folders that hold "
        "some, or quoted patterns such as 'data/**/*_gt.nii.gz'; numbered PNG files in a folder "
        "are one sequence. - reads paths from standard input, one per line or separated by NUL.",
    ),
]
Labels = Annotated[
    str | None,
    typer.Option(
        "--labels",
        metavar="SCHEME",
        rich_help_panel=READING,
        help="camus (LV 1, MYO 2, LA 3), lv-myo (1, 2), lv (1 only), acdc (RV 1, MYO 2, LV 3), "
        "mnms (LV 1, MYO 2, RV 3), or your own values such as lv=1,myo=2,la=3. Without it: the "
        "smallest of the first three that names every value in the file. With an RV the files "
        "are stacks of short-axis slices.",
    ),
]
View = Annotated[
    Literal["A2C", "A4C", "SAX"] | None,
    typer.Option(
        "--view",
        case_sensitive=False,
        rich_help_panel=READING,
        help="What the files show: an apical view, or SAX for stacks of short-axis slices. "
        "Default: as they, or their names, say.",
    ),
]
Spacing = Annotated[
    str | None,
    typer.Option(
        "--spacing",
        metavar="ROW,COL",
        rich_help_panel=READING,
        help="Distance between pixel centers along rows and columns in mm, such as 0.308,0.154; "
        "one number for square pixels. Wins over the header.",
    ),
]
FrameTime = Annotated[
    str | None,
    typer.Option(
        "--frame-time",
        metavar="MS",
        rich_help_panel=READING,
        help="Time between frames in ms. Wins over the header.",
    ),
]
Json = Annotated[
    bool,
    typer.Option(
        "--json",
        rich_help_panel=OUTPUT,
        help="One JSON object per file and line on standard output; text for people goes to "
        "standard error.",
    ),
]
OutputFolder = Annotated[
    Path,
    typer.Option("--output", "-o", metavar="DIR", rich_help_panel=OUTPUT, help="Where to."),
]
Overwrite = Annotated[
    bool,
    typer.Option(
        "--overwrite",
        rich_help_panel=OUTPUT,
        help="Replace files of earlier runs. Without it nothing is ever replaced.",
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Change one setting of the preset, such as group.key=0.5; may be repeated.",
    ),
]
Root = Annotated[
    Path | None,
    typer.Option(
        "--root",
        metavar="DIR",
        rich_help_panel=READING,
        help="The folder that the paths of a manifest are relative to. Default: its own.",
    ),
]
AllowOutside = Annotated[
    bool,
    typer.Option(
        "--allow-outside",
        rich_help_panel=READING,
        help="Allow paths, and links, that lead out of the folder of a manifest.",
    ),
]
PatientPattern = Annotated[
    str | None,
    typer.Option(
        "--patient-pattern",
        metavar="REGEX",
        help="Groups (?P<patient>...) and, if any, (?P<view>...) in the names of files. "
        "Default: what precedes 2CH, 4CH, A2C, A4C or frame01; else each file is a patient.",
    ),
]
Seed = Annotated[int, typer.Option("--seed", metavar="N", min=0, help="Same seed, same result.")]


@dataclass(frozen=True)
class Reading:
    """What the command line says about the inputs; None = as the file says.

    Args:
        labels: Label scheme.
        spacing_mm: Distance between pixel centers along (rows, columns) in mm.
        frame_time_ms: Time between frames in ms.
        view: "A2C", "A4C" or "SAX".
        slice_mm: Distance between the slices of a stack in mm.
    """

    labels: LabelScheme | None = None
    spacing_mm: tuple[float, float] | None = None
    frame_time_ms: float | None = None
    view: str | None = None
    slice_mm: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain data for JSON."""
        values = {} if self.labels is None else self.labels.values
        return {
            "labels": {structure.name: value for structure, value in values.items()} or None,
            "spacing_mm": self.spacing_mm,
            "frame_time_ms": self.frame_time_ms,
            "view": self.view,
            **({} if self.slice_mm is None else {"slice_mm": self.slice_mm}),
        }


def reading(
    labels: str | None, spacing: str | None, frame_time: str | None, view: str | None = None
) -> Reading:
    """The options above, checked once and before any file is touched.

    Raises:
        ConfigError: A label scheme, spacing or frame time that cannot be.
    """
    from cardiovae.labels import label_scheme

    return Reading(
        label_scheme(labels) if labels is not None else None,
        parse_spacing(spacing) if spacing is not None else None,
        parse_frame_time(frame_time) if frame_time is not None else None,
        view,
    )


def anatomical(name: str) -> CriteriaSet:
    """The criteria set for frames that `--criteria` names.

    Raises:
        ConfigError: No such set, or one that judges motion.
    """
    from cardiovae.audit.criteria import criteria, criteria_names

    found = criteria(name)
    if found.kind == "temporal":
        shipped = ", ".join(criteria_names(temporal=False))
        raise ConfigError(
            f"--criteria {name}: this set judges motion, give it to --temporal; sets for frames "
            f"are {shipped}"
        )
    return found


def temporal(name: str) -> CriteriaSet | None:
    """The criteria set for motion that `--temporal` names; None for `none`.

    Raises:
        ConfigError: No such set, or one that judges single frames.
    """
    from cardiovae.audit.criteria import criteria, criteria_names

    if name == "none":
        return None
    found = criteria(name)
    if found.kind != "temporal":
        shipped = ", ".join(criteria_names(temporal=True))
        raise ConfigError(
            f"--temporal {name}: this set judges single frames, give it to --criteria; sets for "
            f"motion are {shipped}, none"
        )
    return found


def parse_spacing(text: str) -> tuple[float, float]:
    """Spacing along (rows, columns) in mm from two numbers, or from one for both.

    Raises:
        ConfigError: Not one or two positive numbers.

    Examples:
        >>> parse_spacing("0.308, 0.154"), parse_spacing("0.5")
        ((0.308, 0.154), (0.5, 0.5))
    """
    lengths = [_positive(part) for part in text.removesuffix("mm").split(",")]
    if len(lengths) > 2 or any(math.isnan(length) for length in lengths):
        raise ConfigError(
            f"--spacing {text}: expected two positive lengths in mm, rows first, such as "
            "0.308,0.154, or one for square pixels"
        )
    return lengths[0], lengths[-1]


def parse_frame_time(text: str) -> float:
    """Time between frames in ms, its unit given or not.

    Raises:
        ConfigError: Not a positive number.

    Examples:
        >>> parse_frame_time("20"), parse_frame_time("16.7ms")
        (20.0, 16.7)
    """
    value = _positive(text.removesuffix("ms"))
    if math.isnan(value):
        raise ConfigError(f"--frame-time {text}: expected a positive number of ms, such as 20")
    return value


def _positive(text: str) -> float:
    """The positive, finite number that `text` is, or NaN."""
    try:
        value = float(text)
    except ValueError:
        return math.nan
    return value if math.isfinite(value) and value > 0 else math.nan
