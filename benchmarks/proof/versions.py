"""What a measured number depends on, as a hash, and where it was measured."""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import subprocess
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SUFFIXES = (".py", ".yaml", ".safetensors", ".npz")
MEASURING = ("cases", "records", "units", "unknown")
IMAGES = ("benchmarks/phantom_unet.py", "cardiovae/phantom/")
CINES = (*IMAGES, "benchmarks/proof/cases.py")
# They measure nothing, so work on them keeps what was measured.
IDLE = ("cardiovae/cli/", "cardiovae/report/")


def code_version() -> str:
    """Hash of the package, its priors and settings, and the measuring part of the benchmark."""
    return _hash(
        path
        for path in _files()
        if not path.startswith(IDLE)
        and (
            not path.startswith("benchmarks/")
            or path == IMAGES[0]
            or path in {f"benchmarks/proof/{name}.py" for name in MEASURING}
        )
    )


def cine_version() -> str:
    """Hash of the code that draws, damages, images and segments phantom cines."""
    return _hash(path for path in _files() if path.startswith(CINES))


def trial_version() -> str:
    """Hash of all that a number of the ablations depends on."""
    own = ("benchmarks/proof/trials.py", "benchmarks/proof/variants.py")
    return f"{code_version()[:8]}{_hash(own)[:8]}"


def lineage_version() -> str:
    """Hash of all that a figure of the lineage depends on."""
    own = ("benchmarks/lineage/measure.py", "benchmarks/lineage/entries.py")
    return f"{code_version()[:8]}{_hash(own)[:8]}"


def image_version() -> str:
    """Hash of the code that draws hearts, images them, and trains the network."""
    return _hash(path for path in _files() if path.startswith(IMAGES))


@functools.cache
def commit() -> str:
    """Short hash of the commit checked out, with "+" where a tracked file differs from it.

    As it was when first asked: before pages and figures of a run are written.
    """
    return _git("rev-parse", "--short", "HEAD") + ("+" if _git("diff", "HEAD", "--stat") else "")


def machine() -> str:
    """Kind of processor and number of cores."""
    name = platform.processor() or platform.machine()
    cpu = Path("/proc/cpuinfo")
    if cpu.exists():
        found = [x for x in cpu.read_text(encoding="utf-8").splitlines() if "model name" in x]
        name = found[0].partition(":")[2].strip() if found else name
    return f"{name}, {os.cpu_count()} cores"


def _files() -> list[str]:
    """Paths in the repository that a number can depend on."""
    folders = ("cardiovae", "configs", "benchmarks")
    found = (p for folder in folders for p in (ROOT / folder).rglob("*"))
    return sorted(p.relative_to(ROOT).as_posix() for p in found if p.suffix in SUFFIXES)


def _hash(paths: Iterable[str]) -> str:
    content = hashlib.sha256()
    for path in paths:
        content.update(path.encode() + b"\0" + (ROOT / path).read_bytes())
    return content.hexdigest()[:16]


def _git(*words: str) -> str:
    done = subprocess.run(("git", *words), cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip()
