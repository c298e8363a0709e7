"""A prior on disk: a folder that explains itself, without pickle.

`config.yaml` (network and training), `weights.safetensors`, `latent.npz` (codes of the training
shapes), `bank.npz` (valid codes, written by `cardiovae bank`), `provenance.json`, `MODEL_CARD.md`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from cardiovae.errors import ModelError
from cardiovae.io.atomic import staged, write_text
from cardiovae.prior.network import ShapeVAE

DEFAULT_PRIOR = "camus"
FILES = ("config.yaml", "weights.safetensors", "latent.npz", "provenance.json")


@dataclass(frozen=True, eq=False)
class ShapePrior:
    """A trained prior, ready to encode and decode.

    Args:
        network: The network in evaluation mode, without gradients to its weights.
        codes: Posterior means of the training shapes, shape (N, D).
        instants: Their cardiac instants, ED 0 to ES 1, NaN where unknown, shape (N,).
        provenance: What `provenance.json` says: name, license, data, versions, figures.
        folder: Where it was read from.
    """

    network: ShapeVAE
    codes: NDArray[np.float64]
    instants: NDArray[np.float64]
    provenance: Mapping[str, Any]
    folder: Path

    @property
    def name(self) -> str:
        """Name of the prior."""
        return str(self.provenance["name"])

    def sha256(self) -> dict[str, str]:
        """SHA-256 of each file of the folder, by name."""
        return {
            path.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(self.folder.iterdir())
            if path.is_file()
        }


def shipped_priors() -> dict[str, Path]:
    """Folders of the priors inside the package, by name."""
    root = Path(__file__).parent.parent / "priors"
    return {p.parent.name: p.parent for p in sorted(root.glob("*/config.yaml"))}


def prior_folder(name: str) -> Path:
    """Folder of a shipped prior's name, or of a path.

    Raises:
        ModelError: Neither a shipped name nor a folder with the files of a prior.
    """
    shipped = shipped_priors()
    folder = shipped.get(name, Path(name))
    missing = [f for f in FILES if not (folder / f).is_file()]
    if missing:
        raise ModelError(
            f"prior '{name}': {folder} lacks {', '.join(missing)}; shipped priors are "
            f"{', '.join(shipped) or 'none'}, or give a folder written by 'cardiovae train'"
        )
    return folder


def load_prior(name: str = DEFAULT_PRIOR, *, device: str = "cpu") -> ShapePrior:
    """Load a prior by name or folder.

    Raises:
        ModelError: The folder is incomplete or its files do not fit together.
    """
    folder = prior_folder(name)
    config = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    try:
        network = ShapeVAE(config["latent_dim"], config["width"])
        network.load_state_dict(load_file(folder / "weights.safetensors"))
        with np.load(folder / "latent.npz", allow_pickle=False) as latent:
            codes = latent["codes"].astype(np.float64)
            instants = latent["instants"].astype(np.float64)
        provenance = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
    except (SafetensorError, RuntimeError, KeyError, ValueError, TypeError) as error:
        raise ModelError(
            f"prior '{name}': {folder} is damaged or of another version ({error}); reinstall "
            "cardiovae or train the prior again"
        ) from error
    network.eval().requires_grad_(False)
    network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return ShapePrior(network, codes, instants, provenance, folder)


def save_prior(
    folder: Path,
    network: ShapeVAE,
    *,
    config: Mapping[str, Any],
    codes: NDArray[np.floating],
    instants: NDArray[np.floating],
    provenance: Mapping[str, Any],
    card: str,
    overwrite: bool = False,
) -> None:
    """Write a prior's folder; `provenance.json` last, so its presence means "complete".

    Raises:
        FileError: A file is in the way and `overwrite` is false.
    """
    write_text(
        folder / "config.yaml", yaml.safe_dump(dict(config), sort_keys=False), overwrite=overwrite
    )
    with staged(folder / "weights.safetensors", overwrite=overwrite) as path:
        save_file({k: v.contiguous() for k, v in network.state_dict().items()}, path)
    with staged(folder / "latent.npz", overwrite=overwrite) as path:
        np.savez_compressed(
            path, codes=codes.astype(np.float32), instants=instants.astype(np.float32)
        )
    write_text(folder / "MODEL_CARD.md", card, overwrite=overwrite)
    write_text(
        folder / "provenance.json",
        json.dumps(dict(provenance), indent=2) + "\n",
        overwrite=overwrite,
    )
