"""`cardiovae info`: versions, priors with licenses and hashes, every name that options take."""

from __future__ import annotations

import json
import platform
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import typer

from cardiovae import __version__
from cardiovae.cli import options
from cardiovae.cli.exits import MEANINGS, ExitCode
from cardiovae.cli.screen import Screen

PACKAGES = (
    "torch",
    "monai",
    "numpy",
    "scipy",
    "scikit-image",
    "nibabel",
    "SimpleITK",
    "Pillow",
    "pydicom",
    "av",
    "safetensors",
    "PyYAML",
    "Jinja2",
    "rich",
    "typer",
)


def info(
    json_text: Annotated[
        bool,
        typer.Option(
            "--json", rich_help_panel=options.OUTPUT, help="One JSON object on standard output."
        ),
    ] = False,
) -> ExitCode:
    """Say what is installed: versions, priors with licenses and hashes, criteria, presets.

    Every name that --prior, --criteria, --temporal, --config and --labels take is listed.
    """
    facts = _facts()
    screen = Screen(json=json_text)
    screen.record(facts)
    if not json_text:
        for line in _lines(facts):
            screen.say(line)
    return ExitCode.OK


def _facts() -> dict[str, Any]:
    """All of it as plain data. No package is imported to know its version."""
    from cardiovae.audit.criteria import criteria_names
    from cardiovae.config import preset_names
    from cardiovae.io import SUFFIXES
    from cardiovae.labels import SCHEMES
    from cardiovae.prior.shipped import DEFAULT_PRIOR, shipped_priors

    return {
        "cardiovae": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: _version(name) for name in PACKAGES},
        "priors": {name: _prior(folder) for name, folder in shipped_priors().items()},
        "default_prior": DEFAULT_PRIOR,
        "criteria": list(criteria_names(temporal=False)),
        "temporal": list(criteria_names(temporal=True)),
        "presets": {kind: list(preset_names(kind)) for kind in ("correct", "train")},
        "labels": {
            name: {s.name.lower(): value for s, value in scheme.values.items()}
            for name, scheme in SCHEMES.items()
        },
        "formats": list(SUFFIXES),
        "exit_codes": {str(code.value): meaning for code, meaning in MEANINGS.items()},
    }


def _version(package: str) -> str | None:
    """Version of an installed package; None where it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _prior(folder: Path) -> dict[str, Any]:
    """License, citation and file hashes of a prior."""
    from cardiovae.prior.shipped import file_hashes

    provenance = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
    return {
        "license": provenance.get("license"),
        "citation": provenance.get("citation", ""),
        "folder": str(folder),
        "sha256": file_hashes(folder),
    }


def _lines(facts: dict[str, Any]) -> list[str]:
    """The same for people; paths and exit codes are left to --json and the documentation."""
    packages = facts["packages"].items()
    known = ", ".join(f"{name} {version or 'not installed'}" for name, version in packages)
    lines = [
        f"cardiovae {facts['cardiovae']}, Python {facts['python']}, {facts['platform']}",
        f"packages  {known}",
        "",
        "--prior" + ("" if facts["priors"] else "     none is shipped with this installation"),
    ]
    for name, prior in facts["priors"].items():
        default = ", default" if name == facts["default_prior"] else ""
        lines.append(f"  {name} ({prior['license']}{default})")
        if prior["citation"]:
            lines.append(f"    cite: {prior['citation']}")
        lines += [f"    sha256 {digest}  {file}" for file, digest in prior["sha256"].items()]
    labels = [
        f"{name} ({', '.join(f'{s}={v}' for s, v in values.items())})"
        for name, values in facts["labels"].items()
    ]
    return [
        *lines,
        "",
        f"--criteria        {', '.join(facts['criteria'])}",
        f"--temporal        {', '.join(facts['temporal'])}, none",
        f"--labels          {', '.join(labels)}",
        f"correct --config  {', '.join(facts['presets']['correct'])}",
        f"train --config    {', '.join(facts['presets']['train'])}",
        f"formats           {', '.join(facts['formats'])}",
    ]
