"""A small opinion and examples that are quickly drawn, shared by the tests of `opinion`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cardiovae.opinion.draw import DrawConfig
from cardiovae.opinion.examples import ExampleCohort, load_examples
from cardiovae.opinion.network import NetworkConfig
from cardiovae.opinion.train import OpinionConfig
from cardiovae.phantom.cohort import phantom_cohort
from cardiovae.phantom.ultrasound import simulate_bmode
from cardiovae.prior.cohort import DataConfig

TINY = OpinionConfig(
    network=NetworkConfig(channels=(4, 8, 8), residual_units=0),
    draw=DrawConfig(errors=0.0, damage=0.7),
    batch_size=2,
    n_steps=4,
    validate_every=2,
    judged=4,
    checkpoint_every=2,
)


def draw_files(folder: Path) -> DataConfig:
    """Images and truth of 3 drawn hearts, 2 frames each, and who of them trains and validates."""
    images, masks, names, spacing = [], [], [], []
    cohort = phantom_cohort(2, 4, n_frames=2, spacing_mm=None, shape=(112, 112))
    for patient, (phantom, _, _) in zip(("first", "second", "third"), cohort, strict=False):
        labels, size = phantom.sequence.labels, phantom.sequence.spacing_mm
        assert size is not None
        images.append(simulate_bmode(labels, size, rng=np.random.default_rng(0)))
        masks.append(labels)
        names += [f"{patient}_ED", f"{patient}_ES"]
        spacing += [size] * 2
    frames = (np.moveaxis(np.concatenate(maps, 2), 2, 0) for maps in (images, masks))
    np.savez(
        folder / "data.npz",
        **dict(zip(("images", "masks"), frames, strict=True)),
        names=np.array(names),
        spacing_mm=np.array(spacing),
    )
    split = folder / "split.csv"
    split.write_text("patient,split\nfirst,train\nsecond,train\nthird,val\n", encoding="utf-8")
    return DataConfig(source=str(folder / "data.npz"), split=str(split))


def drawn_cohort(folder: Path) -> ExampleCohort:
    """The same as examples, without any prediction."""
    return load_examples(draw_files(folder), None, None)
