"""An opinion on disk: the folder `opinion` of a prior, or one that training wrote; no pickle.

`config.yaml` (sizes, training), `weights.safetensors`, `provenance.json`, `MODEL_CARD.md`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from safetensors.torch import load_file, save

from cardiovae.config import build_settings
from cardiovae.crisp.folder import CARD, DAMAGE, short
from cardiovae.errors import ConfigError, ModelError
from cardiovae.io.atomic import write_bytes, write_text
from cardiovae.opinion.network import NetworkConfig, OpinionNetwork
from cardiovae.prior.shipped import prior_folder, shipped_priors

FILES = ("config.yaml", "weights.safetensors", "provenance.json")
SUBFOLDER = "opinion"


@dataclass(frozen=True, eq=False)
class Opinion:
    """A trained network, ready to judge.

    Args:
        network: In evaluation mode, without gradients to its weights.
        provenance: What `provenance.json` says: name, license, data, versions, figures.
        folder: Where it was read from.
    """

    network: OpinionNetwork
    provenance: Mapping[str, Any]
    folder: Path

    @property
    def name(self) -> str:
        """Name of the opinion."""
        return str(self.provenance["name"])

    def identity(self) -> dict[str, Any]:
        """Name, license and file hashes, for records."""
        hashes = {f: hashlib.sha256((self.folder / f).read_bytes()).hexdigest() for f in FILES}
        license_ = self.provenance.get("license", "unknown")
        return {"name": self.name, "license": license_, "sha256": hashes}


def opinion_folder(name: str) -> Path:
    """Folder of the opinion of a shipped prior's name, of a prior's folder, or itself.

    Raises:
        ModelError: No folder with the files of an opinion.
    """
    # A prior's folder has weights too, of its own.
    tried = [Path(name) / SUBFOLDER, Path(name)]
    if name in shipped_priors():
        tried = [prior_folder(name) / SUBFOLDER]
    for folder in tried:
        if all((folder / f).is_file() for f in FILES):
            return folder
    found = [n for n, f in shipped_priors().items() if (f / SUBFOLDER / FILES[1]).is_file()]
    raise ModelError(
        f"opinion '{name}': neither {' nor '.join(map(str, tried))} holds {', '.join(FILES)}; "
        f"shipped are {', '.join(found) or 'none'}, or give a folder written by "
        "'cardiovae uncertainty train --model opinion'"
    )


def load_opinion(name: str = "camus") -> Opinion:
    """Load an opinion by the name of a shipped prior, or from a folder.

    Raises:
        ModelError: The folder is incomplete or its files do not fit together.
    """
    folder = opinion_folder(name)
    try:
        config = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
        network = OpinionNetwork(build_settings(NetworkConfig, config["network"], origin=name))
        weights = load_file(folder / "weights.safetensors")
        network.load_state_dict(
            {k: v.float() if v.is_floating_point() else v for k, v in weights.items()}
        )
        provenance = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
        if "name" not in provenance:
            raise KeyError("provenance.json: name")
    except (*DAMAGE, ConfigError) as error:
        raise ModelError(
            f"opinion '{name}': {folder} is damaged or of another version ({error}); reinstall "
            "cardiovae or train the opinion again"
        ) from error
    network.eval().requires_grad_(False)
    return Opinion(network, provenance, folder)


def save_opinion(
    folder: Path,
    network: OpinionNetwork,
    *,
    config: Mapping[str, Any],
    provenance: Mapping[str, Any],
    card: str,
    overwrite: bool = False,
) -> None:
    """Write an opinion's folder; `provenance.json` last, so its presence means "complete".

    Convolution kernels are kept as float16.

    Raises:
        FileError: A file is in the way and `overwrite` is false.
    """
    if overwrite:
        (folder / "provenance.json").unlink(missing_ok=True)
    text = yaml.safe_dump(dict(config), sort_keys=False)
    write_text(folder / "config.yaml", text, overwrite=overwrite)
    kept = {name: short(value).contiguous() for name, value in network.state_dict().items()}
    write_bytes(folder / "weights.safetensors", save(kept), overwrite=overwrite)
    write_text(folder / CARD, card, overwrite=overwrite)
    facts = json.dumps(dict(provenance), indent=2) + "\n"
    write_text(folder / "provenance.json", facts, overwrite=overwrite)
