"""Which image belongs to which label map: found by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from cardiovae.errors import ConfigError

ENDINGS = ("_gt", "_pred", "_seg", "_mask", "_labels", "_label")
"""What label maps are called after their image, as in CAMUS; nnU-Net adds `_0000` to images."""
CHANNEL = "_0000"


def find_images(sources: Mapping[str, Path], images: Path) -> dict[str, Path]:
    """The image of every label map.

    Args:
        sources: Label maps by what they are called in results.
        images: One image for a single label map; or a folder, where each has the name of its
            label map, or that without an ending such as `_gt`, or with `_0000` behind it.

    Raises:
        ConfigError: There is nothing, one file stands for several label maps, or a label map has
            no image, or several.
    """
    if not images.exists():
        raise ConfigError(f"--images {images}: does not exist; check the spelling and the folder")
    if len(sources) == 1 and (images.is_file() or not _named(images, list(sources.values()))):
        return dict.fromkeys(sources, images)  # a folder may be one cine in PNG files
    if images.is_file():
        raise ConfigError(
            f"--images {images}: is one file, and there are {len(sources)} inputs; give the "
            "folder of their images"
        )
    named = _named(images, list(sources.values()))
    missing = [str(path) for path in sources.values() if path not in named]
    if missing:
        raise ConfigError(
            f"--images {images}: holds no image for {missing[0]}"
            + (f" and {len(missing) - 1} others" if len(missing) > 1 else "")
            + f"; an image has the name of its label map, which may end in {', '.join(ENDINGS)} "
            f"besides, or that name with {CHANNEL} behind it"
        )
    return {source: named[path] for source, path in sources.items()}


def _named(folder: Path, paths: Sequence[Path]) -> dict[Path, Path]:
    """Label maps with the one file in the folder that has their name.

    Raises:
        ConfigError: Two files have it.
    """
    from cardiovae.io import stem

    if not folder.is_dir():
        return {}
    files: dict[str, list[Path]] = {}
    for file in sorted(folder.iterdir()):
        if not file.name.startswith("."):
            files.setdefault(stem(file).removesuffix(CHANNEL), []).append(file)
    labels = {path.resolve() for path in paths}
    found: dict[Path, Path] = {}
    for path in paths:
        own = [f for name in _names(stem(path)) for f in files.get(name, ())]
        own = [file for file in own if file.resolve() not in labels]
        if len(own) > 1:
            raise ConfigError(
                f"--images {folder}: {own[0].name} and {own[1].name} may both be the image of "
                f"{path}; keep one"
            )
        if own:
            found[path] = own[0]
    return found


def _names(stem: str) -> list[str]:
    """What the image of a label map may be called, without suffix."""
    return [stem, *(stem.removesuffix(end) for end in ENDINGS if stem.endswith(end))]
