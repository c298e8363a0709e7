"""The picture of the README: three frames of a drawn cine, broken as networks do, and corrected.

python benchmarks/readme_picture.py docs/images/before_after.png
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from cardiovae.bank import load_bank
from cardiovae.correction.config import correct_config
from cardiovae.correction.correct import correct_sequence
from cardiovae.phantom.corruption import corrupt_frame
from cardiovae.phantom.heart import draw_heart, draw_parameters
from cardiovae.prior.folder import load_prior
from cardiovae.report import before_after_picture

DEFECTS = {
    3: ("annulus_leak", "islands"),
    8: ("missing_wall", "holes"),
    13: ("wrong_la", "islands", "wall_leak"),
}
TITLES = ("a leak and an island", "a missing wall and holes", "a wrong atrium")


def main(path: Path) -> None:
    """Draw, break, correct, and save the picture."""
    rng = np.random.default_rng(4)
    heart = draw_heart(
        draw_parameters(rng, "A4C"), n_frames=18, cycle="half", spacing_mm=(0.5, 0.5)
    )
    labels = heart.sequence.labels.copy()
    for t, defects in DEFECTS.items():
        labels[:, :, t], _ = corrupt_frame(
            labels[:, :, t], (0.5, 0.5), severity=0.8, rng=rng, defects=defects
        )
    broken = heart.sequence.with_labels(labels)
    prior = load_prior()
    done = correct_sequence(broken, prior, load_bank(prior), correct_config())
    shown = list(DEFECTS)
    picture = before_after_picture(
        labels[:, :, shown], done.sequence.labels[:, :, shown], (0.5, 0.5), titles=TITLES
    )
    path.write_bytes(picture)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
