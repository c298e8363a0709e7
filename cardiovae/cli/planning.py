"""`cardiovae correct --dry-run`: what would be done with each input."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cardiovae.cli.options import Reading
from cardiovae.cli.results import Target, require_free
from cardiovae.cli.screen import Screen

if TYPE_CHECKING:
    from cardiovae.correction.config import CorrectConfig


@dataclass(frozen=True)
class Plan:
    """Says what would be done with one file; as nothing is tried, nothing is found lacking.

    Args:
        targets: Where the results of each file would go.
        readings: How each file is read.
        config: Settings of the correction.
        screen: Where to write.
        overwrite: Whether results of earlier runs would be replaced.
    """

    targets: Mapping[Path, Target]
    readings: Mapping[Path, Reading]
    config: CorrectConfig
    screen: Screen
    overwrite: bool

    def __call__(self, path: Path) -> bool:
        """Plan one file.

        Raises:
            CardiovaeError: The file cannot be read, or a result would be in the way.
        """
        from cardiovae.audit.audit import audit_sequence
        from cardiovae.cli.tables import headline, plan_lines
        from cardiovae.io import open_sequence

        target, config = self.targets[path], self.config
        require_free(target, overwrite=self.overwrite)
        sequence, like = open_sequence(path, **vars(self.readings[path]))
        found = audit_sequence(sequence, anatomy=config.criteria, temporal=config.temporal)
        self.screen.record(
            {
                "source": str(path),
                "dry_run": True,
                "shape": list(sequence.labels.shape),
                "spacing_mm": sequence.spacing_mm,
                "frame_time_ms": sequence.frame_time_ms,
                "view": sequence.view,
                "labels": like.scheme.name,
                "notes": list(like.notes),
                "passed": found.passed,
                "invalid_frames": list(found.invalid_frames),
                "output": [str(file) for file in target.files],
            }
        )
        for line in (headline(found), *plan_lines(sequence, like, target)):
            self.screen.say(line)
        return True
