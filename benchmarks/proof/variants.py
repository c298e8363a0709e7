"""What is left out, exchanged or added, one thing at a time."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from cardiovae.bank import LatentBank, load_bank
from cardiovae.correction import motion, repair
from cardiovae.correction.config import CorrectConfig, correct_config
from cardiovae.prior.folder import ShapePrior, load_prior

DEFAULT, SMALL = "default", "latent-48"
SMALL_STEPS = 800
BASE = (f"train.n_steps={SMALL_STEPS}", "train.average=0.99", "train.adapt.n_steps=0")
TRAINED = {
    "latent-8": ("train.latent_dim=8",),
    "latent-16": ("train.latent_dim=16",),
    "latent-32": ("train.latent_dim=32",),
    SMALL: (),
    "latent-64": ("train.latent_dim=64",),
    "no-attributes": ("train.objective.gamma=0",),
    "no-instant": ("train.objective.instant=0",),
    "view-2ch": (),
    "view-4ch": (),
}
VIEWS = {"view-2ch": "A2C", "view-4ch": "A4C"}  # trained on that view alone
LATENT = tuple(name for name in TRAINED if name.startswith("latent-"))
PER_VIEW = "per-view"


@dataclass(frozen=True)
class Variant:
    """One way to correct.

    Args:
        name: Unique.
        text: What is different.
        against: Name of the variant that it is compared with.
        overrides: Settings of the correction.
        prior: Name of a shipped prior, or of a trained one in the ablations' folder.
        without: "reader", or a function of the correction that is made to do nothing.
    """

    name: str
    text: str
    against: str = DEFAULT
    overrides: tuple[str, ...] = ()
    prior: str = "camus"
    without: str = ""


VARIANTS = (
    Variant(DEFAULT, "as shipped"),
    Variant("no-detail", "no residual: the decoded contours alone", overrides=("detail=[0.0]",)),
    Variant("no-robust-weights", "all frames weigh the same over time", without="robust_weights"),
    Variant("no-context", "every broken frame on its own", without="in_context"),
    Variant("with-outliers", "what one frame alone shows stays", without="without_outliers"),
    Variant("no-reader", "broken masks read by the encoder of whole ones", without="reader"),
    Variant("with-fit", "15 robust gradient steps of the code", overrides=("fit.n_steps=15",)),
    Variant(
        "one-set",
        "`camus` and `tmi2022` alone, the other sets not asked for",
        overrides=("also_criteria=null", "also_temporal=null"),
    ),
    Variant(
        "camus-public",
        "`--criteria camus-public`: frames that fail the published set are repaired too",
        overrides=("criteria=camus-public", "also_criteria=camus"),
    ),
    Variant("phantom-prior", "the prior of drawn hearts", prior="phantom"),
    Variant(SMALL, f"48 dimensions, {SMALL_STEPS} steps of training, no reader", prior=SMALL),
    *(
        Variant(name, f"{name[7:]} dimensions", against=SMALL, prior=name)
        for name in LATENT
        if name != SMALL
    ),
    Variant("no-attributes", "no attribute term", against=SMALL, prior="no-attributes"),
    Variant("no-instant", "no constraint on the instant", against=SMALL, prior="no-instant"),
    Variant(PER_VIEW, "one prior for each view", against=SMALL, prior=PER_VIEW),
)


@dataclass(frozen=True)
class Ready:
    """A variant with what it needs: `prior_of` gives prior and bank for a view."""

    config: CorrectConfig
    prior_of: Callable[[str], tuple[ShapePrior, LatentBank]]


def ready(variant: Variant, folder: Path) -> Ready:
    """Load what a variant needs; trained priors lie in `folder`."""

    def loaded(name: str) -> tuple[ShapePrior, LatentBank]:
        prior = load_prior(str(folder / name) if name in TRAINED else name)
        bank = load_bank(prior)
        if variant.without == "reader":
            prior = dataclasses.replace(prior, reader=prior.network)
        return prior, bank

    if variant.prior == PER_VIEW:
        priors = {view: loaded(name) for name, view in VIEWS.items()}
        return Ready(_config(variant), lambda view: priors[view])
    one = loaded(variant.prior)
    return Ready(_config(variant), lambda view: one)


def _config(variant: Variant) -> CorrectConfig:
    return correct_config("default", variant.overrides)


@contextlib.contextmanager
def left_out(variant: Variant) -> Iterator[None]:
    """While it lasts, the function that a variant goes without does nothing."""

    def ones(signal: Any, broken: Any = None, **_: Any) -> Any:
        return np.ones(len(signal))

    def alone(scene: Any) -> Any:
        return scene.codes, np.ones(len(scene.codes))

    nothing = {
        "robust_weights": [(motion, ones), (repair, ones)],
        "in_context": [(repair, alone)],
        "without_outliers": [(motion, lambda distances: distances)],
    }
    with contextlib.ExitStack() as stack:
        for module, replacement in nothing.get(variant.without, []):
            stack.enter_context(mock.patch.object(module, variant.without, replacement))
        yield
