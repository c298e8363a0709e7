"""A few steps of some models in float64, by however many processes torchrun starts.

In float32 the comparison would say little: Adam's first steps are signs of gradients, so that
rounding of the smallest ones moves weights by the learning rate.

Arguments: a folder for `<model>.pt`, then names of models.
"""

from __future__ import annotations

import dataclasses
import sys
import warnings
from pathlib import Path

import torch
from prior_cases import TINY, small_table

from cardiovae.prior import step
from cardiovae.prior.augment import Batch
from cardiovae.prior.parallel import is_first, processes
from cardiovae.prior.state import start

OPTIONS = {"vq-vae": {"n_tokens": 4, "n_words": 16}, "hierarchical": {"n_top": 3}}
N_STEPS = 2


def weights_after_steps(model: str) -> dict[str, torch.Tensor]:
    """All weights and running statistics after `N_STEPS` steps on batches of five."""
    config = dataclasses.replace(
        TINY,
        model=model,
        options=OPTIONS.get(model, {}),
        batch_size=5,  # two processes get two items and three
        learning_rate=1e-2,
        warmup_steps=1,
    )
    state = start(config)
    parts = {"network": state.network, "average": state.average, "critic": state.critic}
    parts = {name: part.double() for name, part in parts.items() if part is not None}
    table = small_table()
    for _ in range(N_STEPS):
        step.take_step(state, table, None, config)
    return {
        f"{name}.{key}": value
        for name, part in parts.items()
        for key, value in part.state_dict().items()
    }


def in_float64(draw):
    return lambda *how: Batch(*(part.double() for part in vars(draw(*how)).values()))


def main(folder: str, *models: str) -> None:
    step.draw_batch = in_float64(step.draw_batch)
    with processes(torch.device("cpu")):
        for model in models:
            found = weights_after_steps(model)
            if is_first():
                torch.save(found, Path(folder) / f"{model}.pt")


if __name__ == "__main__":
    warnings.simplefilter("error")
    main(*sys.argv[1:])
