"""Which priors there are, without loading one: names, folders, hashes; no torch."""

from __future__ import annotations

import hashlib
from pathlib import Path

from cardiovae.errors import ModelError

DEFAULT_PRIOR = "camus"
SHORT_AXIS_PRIOR = "short-axis"
READER = "reader.safetensors"  # only where errors were learned
FILES = ("config.yaml", "weights.safetensors", "latent.npz", "provenance.json")


def default_prior(*, stack: bool) -> str:
    """The shipped prior that knows such hearts: those of apical views, or of short-axis stacks."""
    return SHORT_AXIS_PRIOR if stack else DEFAULT_PRIOR


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


def file_hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of each file of a folder and of its `baselines`, by name."""
    files = [path for pattern in ("*", "baselines/*") for path in sorted(folder.glob(pattern))]
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if path.is_file()
    }
