"""Whom to ask: everything that `assess` needs beside the correction itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cardiovae.calibration.record import FILE, Calibration, load_calibration
from cardiovae.crisp.folder import Crisp, load_crisp
from cardiovae.opinion.folder import SUBFOLDER, Opinion, load_opinion
from cardiovae.prior.folder import ShapePrior
from cardiovae.uncertainty.errors import CodeErrors, load_errors


@dataclass(frozen=True, eq=False)
class Experts:
    """Models and what they are worth.

    Args:
        prior: The shape prior.
        errors: Errors of codes measured on networks; None = the encoder's own width.
        calibration: Of this prior's doubt; None = intervals are not calibrated.
        crisp: Image and mask in one space; None = no image is asked.
        opinion: A second look at the image; None = there is none, or no image is asked.
    """

    prior: ShapePrior
    errors: CodeErrors | None = None
    calibration: Calibration | None = None
    crisp: Crisp | None = None
    opinion: Opinion | None = None

    def to_json(self) -> Mapping[str, Any] | None:
        """Name, source and patients of the calibration, for the record."""
        found = self.calibration
        if found is None:
            return None
        return {"name": found.name, "source": found.source, "n_patients": found.n_patients}


def load_experts(prior: ShapePrior, *, by_image: bool, crisp: str = "") -> Experts:
    """Everything about doubt that a prior's folder holds.

    Args:
        prior: The prior.
        by_image: Whether images will be shown.
        crisp: Another model of images, by name or folder; "" = that in the prior's folder.

    Raises:
        ModelError: Images will be shown and there is no model of them, or a file is damaged.
        ConfigError: The calibration is not one.
    """
    calibration, second = prior.folder / FILE, prior.folder / SUBFOLDER
    return Experts(
        prior,
        load_errors(prior),
        load_calibration(calibration) if calibration.is_file() else None,
        load_crisp(crisp or str(prior.folder)) if by_image else None,
        load_opinion(str(prior.folder)) if by_image and second.is_dir() else None,
    )
