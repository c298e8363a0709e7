"""Frames as a prior sees them: their codes, and how usual they are among its training shapes."""

from __future__ import annotations

from typing import Any

import numpy as np

from cardiovae.bank import LatentBank
from cardiovae.correction.config import FitConfig
from cardiovae.correction.scene import see
from cardiovae.correction.usual import usual
from cardiovae.labels import Label
from cardiovae.population.measure import known
from cardiovae.prior.folder import ShapePrior
from cardiovae.sequence import EchoSequence


def latent_record(sequence: EchoSequence, prior: ShapePrior, bank: LatentBank) -> dict[str, Any]:
    """What a prior makes of every frame, as it is: nothing is repaired before.

    Returns:
        Plain data: "codes", T lists, and "percentile", T numbers from 0 to 100: the share of
        training shapes, seen with the same structures, that are at most as usual in code and
        misfit together. None for frames without LV and MYO, of which a code means nothing.
    """
    nothing_broken = np.zeros(sequence.n_frames, bool)
    scene = see(sequence, nothing_broken, prior, FitConfig())
    if scene is None:
        return {"codes": [None] * sequence.n_frames, "percentile": [None] * sequence.n_frames}
    found = usual(scene, bank)
    frames = range(sequence.n_frames)
    shown = [bool(np.isin(sequence.frame(t), (Label.LV, Label.MYO)).any()) for t in frames]
    pairs = [
        (code.tolist(), known(float(percentile))) if there else (None, None)
        for code, percentile, there in zip(scene.encoded, found.percentile, shown, strict=True)
    ]
    return {"codes": [code for code, _ in pairs], "percentile": [share for _, share in pairs]}
