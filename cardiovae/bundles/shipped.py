"""Which bundles there are, and what they are made of; no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cardiovae.errors import ConfigError

HOME = Path(__file__).parent
WEIGHTS = "weights.safetensors"


@dataclass(frozen=True)
class BundleKind:
    """A bundle that can be exported.

    Args:
        name: Its name, that of its folder too.
        title: In plain words.
        weights: Whether it brings weights of its own, which stem from CAMUS, besides a prior.
    """

    name: str
    title: str
    weights: bool = False

    @property
    def folder(self) -> Path:
        """Where its templates and weights lie."""
        return HOME / self.name


KINDS: Mapping[str, BundleKind] = {
    kind.name: kind
    for kind in (
        BundleKind("echo_apical_shape_prior", "label maps in, corrected label maps out"),
        BundleKind(
            "echo_apical_segmentation", "images in, label maps of a plausible heart out", True
        ),
    )
}


def bundle_kind(name: str) -> BundleKind:
    """The bundle of a name.

    Raises:
        ConfigError: There is none.
    """
    if name not in KINDS:
        raise ConfigError(f"bundle '{name}': unknown; bundles are {', '.join(KINDS)}")
    return KINDS[name]
