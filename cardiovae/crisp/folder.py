"""A model on disk: the folder `crisp` of a prior, or one that training wrote; no pickle.

`config.yaml` (sizes, training, search), `weights.safetensors`, `library.npz`, `provenance.json`,
`MODEL_CARD.md`.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from cardiovae.config import build_settings
from cardiovae.crisp.library import Library
from cardiovae.crisp.network import CrispNetwork, NetworkConfig
from cardiovae.crisp.search import SearchConfig
from cardiovae.errors import ModelError
from cardiovae.io.atomic import staged, write_bytes, write_text
from cardiovae.prior.grid import CANVAS_SHAPE
from cardiovae.prior.shipped import prior_folder, shipped_priors

FILES = ("config.yaml", "weights.safetensors", "library.npz", "provenance.json")
CARD = "MODEL_CARD.md"
SUBFOLDER = "crisp"
# What reading a damaged file raises, in numpy, torch and the standard library.
DAMAGE = (
    EOFError,
    KeyError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    SafetensorError,
    yaml.YAMLError,
    zipfile.BadZipFile,
    zlib.error,
)


@dataclass(frozen=True, eq=False)
class Crisp:
    """A trained model, ready to doubt.

    Args:
        network: In evaluation mode, without gradients to its weights.
        library: Valid masks with their places in the joint space.
        search: How the library is searched, as chosen on validation data.
        provenance: What `provenance.json` says: name, license, data, versions, figures.
        folder: Where it was read from.
    """

    network: CrispNetwork
    library: Library
    search: SearchConfig
    provenance: Mapping[str, Any]
    folder: Path

    @property
    def name(self) -> str:
        """Name of the model."""
        return str(self.provenance["name"])

    @property
    def scale(self) -> float:
        """What cosines were multiplied with at the end of training."""
        return float(self.network.scale)

    def identity(self) -> dict[str, Any]:
        """Name, license and file hashes, for records."""
        hashes = {f: hashlib.sha256((self.folder / f).read_bytes()).hexdigest() for f in FILES}
        license_ = self.provenance.get("license", "unknown")
        return {"name": self.name, "license": license_, "sha256": hashes}


def crisp_folder(name: str) -> Path:
    """Folder of the model of a shipped prior's name, of a prior's folder, or itself.

    Raises:
        ModelError: No folder with the files of a model.
    """
    tried = [Path(name) / SUBFOLDER, Path(name)]
    if name in shipped_priors():
        tried = [prior_folder(name) / SUBFOLDER]
    for folder in tried:
        if all((folder / f).is_file() for f in FILES):
            return folder
    with_model = [n for n, f in shipped_priors().items() if (f / SUBFOLDER / FILES[1]).is_file()]
    raise ModelError(
        f"model '{name}': neither {' nor '.join(map(str, tried))} holds {', '.join(FILES)}; "
        f"shipped are {', '.join(with_model) or 'none'}, or give a folder written by "
        "'cardiovae uncertainty train'"
    )


def load_crisp(name: str = "camus") -> Crisp:
    """Load a model by the name of a shipped prior, or from a folder.

    Raises:
        ModelError: The folder is incomplete or its files do not fit together.
    """
    folder = crisp_folder(name)
    try:
        config = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
        network = CrispNetwork(build_settings(NetworkConfig, config["network"], origin=name))
        weights = load_file(folder / "weights.safetensors")
        network.load_state_dict({key: value.float() for key, value in weights.items()})
        search = build_settings(SearchConfig, config["search"], origin=name)
        with (folder / "library.npz").open("rb") as stream:
            content = np.load(stream, allow_pickle=False)
            library = Library(
                _unit(content["codes"]),
                content["hearts"],
                content["heart"].astype(np.int64),
                content["moves"].astype(np.float32),
            )
        provenance = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
        _check_fit(network, library, provenance)
    except DAMAGE as error:
        raise ModelError(
            f"model '{name}': {folder} is damaged or of another version ({error}); reinstall "
            "cardiovae or train the model again"
        ) from error
    network.eval().requires_grad_(False)
    return Crisp(network, library, search, provenance, folder)


def _unit(codes: NDArray[np.floating]) -> NDArray[np.float32]:
    """Codes at full length again: the file holds them with few digits."""
    found = codes.astype(np.float64)
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), np.float32)


def _check_fit(network: CrispNetwork, library: Library, provenance: Any) -> None:
    n = len(library.codes)
    if library.codes.shape != (n, network.config.joint) or not np.isfinite(library.codes).all():
        raise ValueError(f"library.npz: codes are {network.config.joint} finite numbers each")
    if library.heart.shape != (n,) or library.moves.shape != (n, 2, 3) or n == 0:
        raise ValueError("library.npz: one heart and one move per code")
    if library.hearts.shape[1:] != CANVAS_SHAPE or library.heart.max() >= len(library.hearts):
        raise ValueError("library.npz: hearts lie on the canonical grid, one for every number")
    if "name" not in provenance:
        raise KeyError("provenance.json: name")


def save_crisp(
    folder: Path,
    network: CrispNetwork,
    library: Library,
    *,
    config: Mapping[str, Any],
    provenance: Mapping[str, Any],
    card: str,
    overwrite: bool = False,
) -> None:
    """Write a model's folder; `provenance.json` last, so its presence means "complete".

    Weights, codes and moves are kept as float16: a third of a per mille of a pixel's doubt.

    Raises:
        FileError: A file is in the way and `overwrite` is false.
    """
    if overwrite:
        (folder / "provenance.json").unlink(missing_ok=True)
    text = yaml.safe_dump(dict(config), sort_keys=False)
    write_text(folder / "config.yaml", text, overwrite=overwrite)
    state = network.state_dict().items()
    kept = {name: short(value).contiguous() for name, value in state}
    write_bytes(folder / "weights.safetensors", save(kept), overwrite=overwrite)
    with staged(folder / "library.npz", overwrite=overwrite) as path:
        np.savez_compressed(
            path,
            codes=library.codes.astype(np.float16),
            hearts=library.hearts,
            heart=library.heart.astype(np.int32),
            moves=library.moves.astype(np.float16),
        )
    write_text(folder / CARD, card, overwrite=overwrite)
    facts = json.dumps(dict(provenance), indent=2) + "\n"
    write_text(folder / "provenance.json", facts, overwrite=overwrite)


def short(value: torch.Tensor) -> torch.Tensor:
    """Float16 for what is many: matrices and kernels; running statistics keep their range."""
    return value.half() if value.is_floating_point() and value.ndim > 1 else value
