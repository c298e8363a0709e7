"""What is asked of `cardiovae correct` about doubt: its options, and which of them go together."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cardiovae.baselines.methods import FULL
from cardiovae.errors import ConfigError

if TYPE_CHECKING:
    from cardiovae.correction.config import CorrectConfig

PANEL = "Doubt"

Uncertainty = Annotated[
    str | None,
    typer.Option(
        metavar="METHOD",
        rich_help_panel=PANEL,
        help="What is said about the doubt of the result: posterior (by samples of the prior), "
        "crisp (by the images), both, or none, which saves time. Default: that of the preset.",
    ),
]
Images = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE|DIR",
        rich_help_panel=PANEL,
        help="Image of the only input, or folder of images named like their label maps; what "
        "crisp and both look at. Given alone it asks for both.",
    ),
]
CrispModel = Annotated[
    str,
    typer.Option(
        metavar="NAME|FOLDER",
        rich_help_panel=PANEL,
        help="Model of images, written by 'cardiovae uncertainty train'. Default: that of the "
        "prior.",
    ),
]


def with_doubt(
    settings: CorrectConfig, asked: str | None, method: str, images: Path | None
) -> CorrectConfig:
    """The settings with the doubt that is asked for, as far as the method has any.

    Raises:
        ConfigError: An unknown kind of doubt, images without a use, or no images for it.
    """
    if asked is None and images is not None:
        asked = "both"
    doubt = settings.uncertainty if asked is None else replace(settings.uncertainty, method=asked)
    if method != FULL:  # a baseline has no codes to draw samples around
        doubt = replace(doubt, method="crisp" if doubt.by_image else "none", guided=False)
    if doubt.by_image != (images is not None):
        raise ConfigError(
            f"--uncertainty {doubt.method}: "
            + (
                "looks at images; give them with --images"
                if doubt.by_image
                else "looks at no image; leave out --images, or ask for crisp or both"
            )
        )
    return replace(settings, uncertainty=doubt)
