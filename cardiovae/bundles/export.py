"""A bundle written as a folder that needs nothing but MONAI, ignite and this package to run."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from jinja2 import Environment, StrictUndefined
from monai.data.torchscript_utils import save_net_with_metadata
from monai.networks.utils import convert_to_torchscript
from safetensors.torch import load_file
from torch import nn

from cardiovae import __version__
from cardiovae.bank import load_bank
from cardiovae.bundles.licenses import License, bundle_license, licenses
from cardiovae.bundles.shipped import HOME, WEIGHTS, BundleKind, bundle_kind
from cardiovae.errors import ModelError
from cardiovae.io.atomic import staged
from cardiovae.labels import STRUCTURES
from cardiovae.monai.network import ShapePriorNet
from cardiovae.monai.segmenter import WholeImageUNet
from cardiovae.prior.folder import BANK, ShapePrior, load_prior
from cardiovae.prior.shipped import DEFAULT_PRIOR, FILES, READER

PRIOR_FILES = (*FILES, READER, BANK, "MODEL_CARD.md", "LICENSE-NOTE.md")
"""What of a prior a correction needs, or the law asks for."""


def export_bundle(
    name: str, folder: Path, *, prior: str = DEFAULT_PRIOR, overwrite: bool = False
) -> Path:
    """Write a bundle, whole or not at all.

    Args:
        name: One of `cardiovae.bundles.shipped.KINDS`.
        folder: Where to; the bundle becomes a folder of its name in it.
        prior: Shape prior that goes with it, by name or folder, with its bank.
        overwrite: Whether a folder of that name is replaced, with all that is in it.

    Returns:
        The folder of the bundle.

    Raises:
        ConfigError: No bundle of that name.
        ModelError: The prior or its bank is missing or damaged, or it knows no apical views.
        FileError: A folder is in the way, or the file system refuses.
    """
    kind = bundle_kind(name)
    loaded = load_prior(prior)
    load_bank(loaded)
    if loaded.structures != STRUCTURES:
        shown = "-".join(structure.name for structure in loaded.structures)
        raise ModelError(
            f"prior '{prior}': knows hearts of {shown}, the bundle '{name}' is of apical views; "
            f"take {DEFAULT_PRIOR} or one trained on LV, MYO and LA"
        )
    target = folder / kind.name
    with staged(target, overwrite=overwrite, folder=True) as place:
        _copy_templates(kind, place)
        _copy_prior(loaded, place / "models" / "prior")
        found = licenses(kind, loaded.provenance)
        metadata = _metadata(kind, loaded, found)
        (place / "configs" / "metadata.json").write_text(
            json.dumps(metadata, indent=4) + "\n", encoding="utf-8"
        )
        _write_texts(place, kind, loaded, found)
        _write_network(_network(kind, loaded), place, metadata)
    return target


def _copy_templates(kind: BundleKind, place: Path) -> None:
    """What is the same in every export: configurations."""
    for source in (HOME / "common", kind.folder):
        shutil.copytree(source / "configs", place / "configs", dirs_exist_ok=True)


def _copy_prior(prior: ShapePrior, place: Path) -> None:
    place.mkdir(parents=True)
    for name in PRIOR_FILES:
        if (prior.folder / name).is_file():
            shutil.copyfile(prior.folder / name, place / name)


def _metadata(kind: BundleKind, prior: ShapePrior, found: Mapping[str, License]) -> dict[str, Any]:
    """`configs/metadata.json`: the template, and what this export knows."""
    template = (kind.folder / "configs" / "metadata.json").read_text(encoding="utf-8")
    content: dict[str, Any] = json.loads(template)
    for package in ("monai", "pytorch", "numpy"):
        installed = version({"pytorch": "torch"}.get(package, package))
        content[f"{package}_version"] = installed.partition("+")[0]
    content["required_packages_version"]["cardiovae"] = __version__
    content["license"] = bundle_license(found)
    content["data_source"] = prior.provenance.get("data", {}).get("description", "unknown")
    content["references"] = sorted({each.citation for each in found.values() if each.citation})
    if not kind.weights:
        content["eval_metrics"] = _fidelity(prior.provenance)
    return content


def _fidelity(provenance: Mapping[str, Any]) -> dict[str, float]:
    """Dice of hearts encoded and decoded that the prior was not trained on."""
    figures = provenance.get("test") or provenance.get("validation") or {}
    return {
        f"reconstruction_dice_{name}": round(float(figures[f"dice_{name}"]), 3)
        for name in (s.name.lower() for s in STRUCTURES)
        if f"dice_{name}" in figures
    }


def _write_texts(
    place: Path, kind: BundleKind, prior: ShapePrior, found: Mapping[str, License]
) -> None:
    """LICENSE and `docs`, in the words of this prior."""
    environment = Environment(undefined=StrictUndefined, keep_trailing_newline=True)
    facts = {"name": kind.name, "prior": prior.name, "licenses": found, "version": __version__}
    (place / "docs").mkdir()
    for source, target in (
        (HOME / "common" / "LICENSE.jinja", place / "LICENSE"),
        (HOME / "common" / "data_license.txt.jinja", place / "docs" / "data_license.txt"),
        (kind.folder / "README.md.jinja", place / "docs" / "README.md"),
    ):
        template = environment.from_string(source.read_text(encoding="utf-8"))
        target.write_text(template.render(facts), encoding="utf-8")


def _network(kind: BundleKind, prior: ShapePrior) -> nn.Module:
    """`network_def` with its weights."""
    if not kind.weights:
        return ShapePriorNet(str(prior.folder), reader=True).eval()
    network = WholeImageUNet()
    network.network.load_state_dict(load_file(kind.folder / WEIGHTS))
    return network.eval()


def _write_network(network: nn.Module, place: Path, metadata: Mapping[str, Any]) -> None:
    """`models/model.pt`, the weights alone, and `models/model.ts` as `ckpt_export` makes it."""
    weights = {name: value.contiguous() for name, value in network.state_dict().items()}
    torch.save(weights, place / "models" / "model.pt")
    save_net_with_metadata(
        convert_to_torchscript(network),
        str(place / "models" / "model.ts"),
        include_config_vals=False,
        append_timestamp=False,
        meta_values=metadata,
    )
