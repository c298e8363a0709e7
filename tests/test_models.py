"""Laws that every model of the lineage keeps, whatever it is."""

from __future__ import annotations

import ast
import dataclasses
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from prior_cases import TINY, small_table

import cardiovae
from cardiovae.config import preset_names
from cardiovae.errors import ConfigError
from cardiovae.prior.augment import AugmentConfig, draw_batch
from cardiovae.prior.folder import load_prior
from cardiovae.prior.models import build_model, model_class, model_names, summary
from cardiovae.prior.run import read_recipe, train_prior
from cardiovae.prior.step import objective
from cardiovae.prior.train import train

PACKAGE = Path(cardiovae.__file__).parent
LEARNED = [name for name in model_names() if model_class(name).learns_by_steps]
SMALL = [
    "data.n_phantoms=24",
    "data.n_frames=2",
    "data.spacing_mm=[1.4, 1.4]",
    "train.latent_dim=16",
    "train.width=8",
    "train.batch_size=4",
    "train.warmup_steps=2",
    "train.validate_every=2",
]


@pytest.fixture(scope="module")
def table():
    return small_table()


@pytest.fixture(scope="module", params=model_names())
def trained(request, tmp_path_factory):
    """A prior of each model, trained for three steps on a few drawn hearts."""
    folder = tmp_path_factory.mktemp("models") / request.param
    steps = 3 if request.param in LEARNED else 0
    return train_prior(
        request.param, None, folder, overrides=[*SMALL, f"train.n_steps={steps}"], seed=2
    )


def settings(name, **changes):
    return dataclasses.replace(TINY, model=name, latent_dim=16, **changes)


def weights(network):
    return torch.cat([v.double().flatten() for v in network.state_dict().values()])


def test_the_lineage_is_complete():
    assert set(model_names()) == {
        *("pca", "ae", "contractive", "denoising", "vae", "cvae", "ar-vae", "constrained"),
        *("vq-vae", "hierarchical", "adversarial"),
    }


@pytest.mark.parametrize("name", model_names())
def test_every_model_has_a_preset_that_names_it_and_says_what_it_is(name):
    assert name in preset_names("train")
    assert read_recipe(name).train.model == name
    assert len(summary(name)) > 20


def test_a_trained_model_encodes_and_decodes_alike_after_a_round_trip(trained):
    again = load_prior(str(trained.folder))
    assert type(again.network) is type(trained.network)
    torch.testing.assert_close(weights(again.network), weights(trained.network))
    maps = torch.zeros(2, 7, 128, 96)
    maps[:, 1, 40:80, 30:60] = 1
    maps[:, 4:] = 1
    maps[1, 1, 40:60] = 0
    maps[:, 0] = 1 - maps[:, 1]
    first, second = (prior.network.encode(maps) for prior in (trained, again))
    assert torch.equal(first.mu, second.mu)
    assert torch.equal(first.logvar, second.logvar)
    assert first.mu.shape == (2, 16)
    assert torch.equal(trained.network.decode(first.mu), again.network.decode(second.mu))
    assert trained.network.decode(first.mu).shape == (2, 3, 64, 48)


def test_every_model_draws_codes_of_its_own_prior_from_a_seed(trained):
    drawn, again, other = (
        trained.network.sample(5, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)
    )
    assert drawn.shape == (5, 16)
    assert torch.isfinite(drawn).all()
    assert torch.equal(drawn, again)
    assert not torch.equal(drawn, other)


def test_a_code_can_be_fitted_by_its_gradient(trained):
    z = torch.zeros(1, 16, requires_grad=True)
    trained.network.decode(z).square().sum().backward()
    assert z.grad is not None
    assert float(z.grad.abs().sum()) > 0


def test_the_folder_says_which_model_it_holds(trained):
    name = trained.folder.name
    assert trained.provenance["model"]["name"] == name
    assert summary(name) in (trained.folder / "MODEL_CARD.md").read_text()
    follows = model_class(name).follows_attributes
    assert len(trained.provenance["latent"]["attributes"]) == (7 if follows else 0)


@pytest.mark.parametrize("name", LEARNED)
def test_a_run_that_stops_and_resumes_equals_an_unbroken_one(table, tmp_path, name):
    config = settings(name, n_steps=3)
    checkpoint = tmp_path / "checkpoint.pt"
    train(table, table, config, checkpoint=checkpoint, until=2)
    resumed = train(table, table, config, checkpoint=checkpoint)
    unbroken = train(table, table, config)
    assert torch.equal(weights(resumed.network), weights(unbroken.network))
    assert torch.equal(weights(resumed.average), weights(unbroken.average))


@pytest.mark.parametrize("name", LEARNED)
def test_every_term_has_a_weight_and_a_gradient_step_lowers_the_loss(table, name):
    config = read_recipe(name).train
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = build_model(name, 16, 8)
    batch = draw_batch(table, np.arange(4), AugmentConfig(), np.random.default_rng(0))

    def loss():
        return objective(network, batch, config.objective, torch.Generator().manual_seed(0))

    before, terms, _ = loss()
    assert {"distance", "cross_entropy", "dice"} < set(terms) | {"none"}
    before.backward()
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.grad is not None:
                parameter -= 1e-4 * parameter.grad / parameter.grad.norm().clamp_min(1e-8)
    assert float(loss()[0].detach()) < float(before.detach())


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("ar-vea", {}, "did you mean 'ar-vae'"),
        ("nothing", {}, "Models are ad"),
        ("vae", {"n_words": 3}, "knows no option 'n_words'; its options are none"),
    ],
)
def test_a_model_or_option_that_does_not_exist_is_refused(name, options, words):
    with pytest.raises(ConfigError, match=words):
        build_model(name, 16, 8, options)


def imported(path):
    """The modules that a file imports, by name."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def test_nothing_but_its_own_test_names_the_file_of_a_model():
    root = PACKAGE.parent
    files = [*PACKAGE.rglob("*.py"), *(root / "benchmarks").rglob("*.py")]
    files += (root / "tests").glob("*.py")
    prefix = "cardiovae.prior.models."
    for path in files:
        named = {m.split(".")[3] for m in imported(path) if m.startswith(prefix)}
        named &= {n.replace("-", "_") for n in model_names()}
        assert all(path.name == f"test_model_{name}.py" for name in named), path


def test_without_the_file_of_one_model_the_others_still_work(tmp_path):
    shutil.copytree(
        PACKAGE, tmp_path / "cardiovae", ignore=shutil.ignore_patterns("priors", "__pycache__")
    )
    shutil.copytree(PACKAGE.parent / "configs", tmp_path / "configs")
    (tmp_path / "cardiovae/prior/models/vq_vae.py").unlink()
    code = (
        "from cardiovae.prior.models import build_model, model_names\n"
        "import cardiovae\n"
        "print(cardiovae.__file__, len([build_model(n, 16, 8) for n in model_names()]))"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout.split()
    assert Path(out[0]).is_relative_to(tmp_path)
    assert int(out[1]) == len(model_names()) - 1
