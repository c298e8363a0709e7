"""Work for batches, which other processes import: it fails, dies and counts as it is told."""

from __future__ import annotations

import os
import signal
from pathlib import Path

ENGINES = ("serial", "processes", "dask")


def double(item: int) -> str:
    """Twice a number."""
    return str(2 * item)


def lost(item: object, reason: str) -> str:
    """What is said of an item whose worker died."""
    return f"{item} lost: {reason.split(',')[0]}"


def obey(item: str) -> str:
    """Do what an item says: die, die once (a file remembers), or note that it was worked on."""
    word, _, place = item.partition(":")
    if word == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if word == "die-once" and not Path(place).exists():
        Path(place).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return f"{item} done"
