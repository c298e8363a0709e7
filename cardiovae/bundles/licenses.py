"""Under which licenses the parts of a bundle stand, and whom to cite."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cardiovae.bundles.shipped import BundleKind

CODE_LICENSE = "Apache-2.0"
CAMUS_LICENSE = "CC BY-NC-SA 4.0"
CAMUS_CITATION = (
    'S. Leclerc, E. Smistad, J. Pedrosa, A. Østvik, et al., "Deep Learning for Segmentation Using '
    'an Open Large-Scale Dataset in 2D Echocardiography", IEEE Transactions on Medical Imaging '
    "38(9):2198-2210, 2019."
)


@dataclass(frozen=True)
class License:
    """A license, whom to cite ("" = nobody), and what it was learned from.

    Args:
        name: Of the license.
        citation: Of whoever gave the data.
        data: The data.
    """

    name: str
    citation: str
    data: str


def licenses(kind: BundleKind, provenance: Mapping[str, Any]) -> dict[str, License]:
    """The license of each part that was learned from data.

    Args:
        kind: The bundle.
        provenance: Of its prior.
    """
    name = str(provenance.get("license", "unknown"))
    citation = CAMUS_CITATION if name == CAMUS_LICENSE else provenance.get("citation") or ""
    data = provenance.get("data", {}).get("description") or "not stated"
    found = {"shape prior": License(name, str(citation), str(data))}
    if kind.weights:
        trained = "B-mode images and ground-truth masks of the 252 training patients of CAMUS."
        found["segmentation network"] = License(CAMUS_LICENSE, CAMUS_CITATION, trained)
    return found


def bundle_license(found: Mapping[str, License]) -> str:
    """The licenses of all parts in a line."""
    names = sorted({each.name for each in found.values()})
    return " and ".join(names) + f" (weights), {CODE_LICENSE} (configurations); see LICENSE"
