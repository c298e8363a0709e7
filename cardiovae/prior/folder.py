"""A prior on disk: a folder that explains itself, without pickle.

`config.yaml` (network and training), `weights.safetensors`, `latent.npz` (codes of the training
shapes), `bank.npz` (valid codes, written by `cardiovae bank`), `provenance.json`, `MODEL_CARD.md`.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from cardiovae.errors import ModelError
from cardiovae.io.atomic import staged, write_bytes, write_text
from cardiovae.labels import STRUCTURES, Label
from cardiovae.prior.models import DEFAULT_MODEL, build_model
from cardiovae.prior.network import ENCODER, ShapeModel
from cardiovae.prior.seen import Seen
from cardiovae.prior.shipped import (
    DEFAULT_PRIOR,
    FILES,
    READER,
    file_hashes,
    prior_folder,
    shipped_priors,
)

__all__ = [
    "BANK",
    "DAMAGE",
    "DEFAULT_PRIOR",
    "FILES",
    "ShapePrior",
    "load_prior",
    "prior_folder",
    "save_prior",
    "shipped_priors",
]

# What reading a damaged file raises, in numpy, torch and the standard library.
DAMAGE = (
    EOFError,
    KeyError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    zipfile.BadZipFile,
    zlib.error,
)
BANK = "bank.npz"
APICAL = tuple(s.name.lower() for s in STRUCTURES)  # of priors that do not say whose hearts


@dataclass(frozen=True, eq=False)
class ShapePrior:
    """A trained prior, ready to encode and decode.

    Args:
        network: The network in evaluation mode, without gradients to its weights.
        reader: The network that encodes broken masks: with another encoder where errors were
            learned, the same network elsewhere.
        seen: The training shapes as the network sees them with LV alone, with LV and MYO, and
            with all structures annotated: codes (N, D) and misfits in mm (N,).
        instants: Their cardiac instants, ED 0 to ES 1, NaN where unknown, shape (N,).
        patients: Their patients, numbered from 0, shape (N,).
        provenance: What `provenance.json` says: name, license, data, versions, figures.
        folder: Where it was read from.
        structures: Those of the hearts it knows: with an LA apical views, with an RV stacks.
    """

    network: ShapeModel
    reader: ShapeModel
    seen: tuple[Seen, Seen, Seen]
    instants: NDArray[np.float64]
    patients: NDArray[np.int64]
    provenance: Mapping[str, Any]
    folder: Path
    structures: tuple[Label, ...] = STRUCTURES

    @property
    def codes(self) -> NDArray[np.float64]:
        """Posterior means of the whole training shapes, shape (N, D)."""
        return np.asarray(self.seen[-1].codes, np.float64)

    @property
    def name(self) -> str:
        """Name of the prior."""
        return str(self.provenance["name"])

    def identity(self) -> dict[str, Any]:
        """Name, license and file hashes, for records."""
        return {
            "name": self.name,
            "license": self.provenance.get("license", "unknown"),
            "sha256": self.sha256(),
        }

    def sha256(self) -> dict[str, str]:
        """SHA-256 of each file of the folder, by name."""
        return file_hashes(self.folder)


def load_prior(name: str = DEFAULT_PRIOR, *, device: str = "cpu") -> ShapePrior:
    """Load a prior by name or folder.

    Raises:
        ModelError: The folder is incomplete or its files do not fit together.
    """
    folder = prior_folder(name)
    try:
        config = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
        network = _untrained(config)
        weights = load_file(folder / "weights.safetensors")
        network.load_state_dict(weights)
        reader = network
        if (folder / READER).is_file():
            reader = _untrained(config)
            reader.load_state_dict({**weights, **load_file(folder / READER)})
        with (folder / "latent.npz").open("rb") as stream:
            latent = np.load(stream, allow_pickle=False)
            seen = _read_seen(latent)
            instants = latent["instants"].astype(np.float64)
            patients = latent["patients"].astype(np.int64)
        provenance = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
        structures = tuple(Label[name.upper()] for name in config.get("structures", APICAL))
        _check_fit(network, seen, instants, patients, provenance)
    except (*DAMAGE, SafetensorError, yaml.YAMLError) as error:
        raise ModelError(
            f"prior '{name}': {folder} is damaged or of another version ({error}); reinstall "
            "cardiovae or train the prior again"
        ) from error
    for each in (network, reader):
        each.eval().requires_grad_(False)
        each.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return ShapePrior(network, reader, seen, instants, patients, provenance, folder, structures)


def _untrained(config: Mapping[str, Any]) -> ShapeModel:
    """The model that a `config.yaml` describes; the first priors named none."""
    size = config["latent_dim"], config["width"]
    return build_model(config.get("model", DEFAULT_MODEL), *size, config.get("options"))


def _check_fit(
    network: ShapeModel,
    seen: tuple[Seen, Seen, Seen],
    instants: NDArray[np.float64],
    patients: NDArray[np.int64],
    provenance: Any,
) -> None:
    n = len(seen[-1].codes)
    for found in seen:
        if found.codes.shape != (n, network.latent_dim) or n < 2:
            raise ValueError(f"latent.npz: codes are {network.latent_dim} numbers each")
        if found.misfit_mm.shape != (n,) or not np.isfinite(found.codes).all():
            raise ValueError("latent.npz: codes are finite, each with its misfit")
    if instants.shape != (n,) or patients.shape != (n,):
        raise ValueError("latent.npz: one instant and one patient per code")
    if "name" not in provenance:
        raise KeyError("provenance.json: name")


def _read_seen(latent: Mapping[str, Any]) -> tuple[Seen, Seen, Seen]:
    lv, lv_myo, whole = (
        Seen(codes.astype(np.float64), misfit.astype(np.float64))
        for codes, misfit in zip(latent["codes"], latent["misfit_mm"], strict=True)
    )
    return lv, lv_myo, whole


def save_prior(
    folder: Path,
    network: ShapeModel,
    *,
    config: Mapping[str, Any],
    structures: tuple[Label, ...] = STRUCTURES,
    seen: Sequence[Seen],
    instants: NDArray[np.floating],
    patients: NDArray[np.integer],
    provenance: Mapping[str, Any],
    card: str,
    reader: ShapeModel | None = None,
    overwrite: bool = False,
) -> None:
    """Write a prior's folder; `provenance.json` last, so its presence means "complete".

    Of a `reader` only the encoder is kept. A bank that a replaced prior had goes, and so does its
    reader: they mean nothing to other weights.

    Raises:
        FileError: A file is in the way and `overwrite` is false.
    """
    if overwrite:
        for stale in ("provenance.json", BANK, READER):
            (folder / stale).unlink(missing_ok=True)
    described = {"structures": [s.name.lower() for s in structures], **config}
    write_text(
        folder / "config.yaml", yaml.safe_dump(described, sort_keys=False), overwrite=overwrite
    )
    weights = {name: value.contiguous() for name, value in network.state_dict().items()}
    write_bytes(folder / "weights.safetensors", save(weights), overwrite=overwrite)
    if reader is not None:
        encoder = {
            name: value.contiguous()
            for name, value in reader.state_dict().items()
            if name.startswith(ENCODER)
        }
        write_bytes(folder / READER, save(encoder), overwrite=overwrite)
    with staged(folder / "latent.npz", overwrite=overwrite) as path:
        np.savez_compressed(
            path,
            codes=np.stack([found.codes for found in seen]).astype(np.float32),
            misfit_mm=np.stack([found.misfit_mm for found in seen]).astype(np.float32),
            instants=instants.astype(np.float32),
            patients=patients.astype(np.int32),
        )
    write_text(folder / "MODEL_CARD.md", card, overwrite=overwrite)
    write_text(
        folder / "provenance.json",
        json.dumps(dict(provenance), indent=2) + "\n",
        overwrite=overwrite,
    )
