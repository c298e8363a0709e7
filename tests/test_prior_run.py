"""From a preset to a model folder that explains itself, and what a damaged one says."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch
import yaml
from prior_cases import drawn_sequence

from cardiovae.errors import ConfigError, FileError, ModelError
from cardiovae.prior.card import model_card
from cardiovae.prior.evaluate import canonical_attributes, evaluate_fidelity
from cardiovae.prior.folder import FILES, READER, load_prior
from cardiovae.prior.grid import place
from cardiovae.prior.pairs import AdaptConfig
from cardiovae.prior.run import CHECKPOINT, read_recipe, train_prior
from cardiovae.prior.state import TrainConfig
from cardiovae.sequence import EchoSequence

QUICK = ("train.n_steps=2", "train.validate_every=1", "data.spacing_mm=[2.0, 2.0]")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    output = tmp_path_factory.mktemp("run") / "tiny"
    return train_prior("tiny", None, output, overrides=QUICK)


def test_the_presets_say_how_the_shipped_priors_were_trained():
    adapt = AdaptConfig(n_steps=1500)
    expected = TrainConfig(n_steps=5000, validate_every=250, adapt=adapt)
    assert read_recipe("camus").train == expected
    assert read_recipe("phantom").train == TrainConfig(n_steps=2000, validate_every=250)
    assert read_recipe("phantom").data.source == "phantom"
    assert read_recipe("phantom").license == "Apache-2.0"


def test_the_prior_of_real_masks_names_its_license_and_citation():
    recipe = read_recipe("camus")
    assert recipe.license == "CC BY-NC-SA 4.0"
    assert "Leclerc" in recipe.citation
    assert "38(9):2198-2210" in recipe.citation


def test_overrides_and_seed_reach_the_recipe():
    recipe = read_recipe("tiny", overrides=["train.objective.beta=0"], seed=7)
    assert recipe.train.objective.beta == 0
    assert recipe.train.seed == 7
    with pytest.raises(ConfigError, match="did you mean 'n_steps'"):
        read_recipe("tiny", overrides=["train.n_step=3"])


def test_training_writes_every_file_and_no_leftovers(trained):
    names = {path.name for path in trained.folder.iterdir()}
    assert names == {*FILES, "MODEL_CARD.md"}
    for path in trained.folder.iterdir():
        assert path.stat().st_mode & 0o044 == 0o044, f"{path.name} cannot be read by others"


def test_a_loaded_prior_is_the_one_that_was_trained(trained):
    again = load_prior(str(trained.folder))
    np.testing.assert_array_equal(again.codes, trained.codes)
    np.testing.assert_array_equal(again.patients, trained.patients)
    assert again.instants.shape == (len(again.codes),)
    assert again.name == "tiny"
    for a, b in zip(
        again.network.state_dict().values(), trained.network.state_dict().values(), strict=True
    ):
        assert torch.equal(a, b)
    assert not again.network.training
    assert not any(p.requires_grad for p in again.network.parameters())


def test_the_provenance_holds_what_the_run_was(trained):
    facts = json.loads((trained.folder / "provenance.json").read_text())
    assert facts["training"] == {"n_steps": 2, "batch_size": 8, "seed": 0}
    assert facts["latent"]["codes"] == len(trained.codes)
    assert facts["latent"]["attributes"][0] == "lv_area"
    assert [row["step"] for row in facts["history"]] == [1, 2]
    assert set(facts["versions"]) == {"cardiovae", "python", "torch", "numpy"}
    assert set(facts["validation"]) == set(facts["test"])
    config = yaml.safe_load((trained.folder / "config.yaml").read_text())
    assert config["latent_dim"] == trained.codes.shape[1]


def test_the_card_says_license_use_and_figures(trained):
    card = (trained.folder / "MODEL_CARD.md").read_text()
    for words in ("Apache-2.0", "not a medical device", "Intended use", "| train |", "lv_area"):
        assert words in card
    figure = trained.provenance["test"]["dice_lv"]
    assert f"{figure:.3f}" in card


def test_the_card_contains_the_citation_and_admits_what_was_not_measured(trained):
    facts = dict(trained.provenance) | {
        "citation": "Leclerc et al. 2019",
        "license": "CC BY-NC-SA 4.0",
        "test": None,
        "validation": {"dice_lv": 0.5, "spearman_lv_area": None},
    }
    card = model_card(facts)
    assert "cites: Leclerc et al. 2019" in card
    assert "CC BY-NC-SA 4.0" in card
    assert "not measurable" in card
    assert "| test |" not in card.split("## Fidelity")[1]


def test_a_finished_prior_is_not_replaced_by_accident(trained):
    with pytest.raises(FileError, match="--overwrite"):
        train_prior("tiny", None, trained.folder, overrides=QUICK)


def test_a_preset_that_learns_errors_asks_for_them(tmp_path):
    with pytest.raises(ConfigError, match="--errors"):
        train_prior("tiny", None, tmp_path / "x", overrides=[*QUICK, "train.adapt.n_steps=1"])


def test_a_prior_that_learned_errors_reads_broken_masks_its_own_way(trained, tmp_path):
    shapes = [drawn_sequence(size) for size in np.linspace(0.9, 1.1, 4)]
    names = [f"patient{i}_A4C_{t}" for i in range(4) for t in ("ED", "ES")]
    masks = np.stack([s.frame(t) for s in shapes for t in (0, 1)])
    spacing = np.tile(shapes[0].spacing_mm, (8, 1))
    np.savez(tmp_path / "truth.npz", masks=masks, names=names, spacing_mm=spacing)
    masks[:, :9, :9] = 1
    np.savez(tmp_path / "drawn.npz", masks=masks, names=names, spacing_mm=spacing)
    rows = ["patient,split", *(f"patient{i},{'val' if i == 3 else 'train'}" for i in range(4))]
    (tmp_path / "split.csv").write_text("\n".join(rows) + "\n")
    split = f"data.split={tmp_path / 'split.csv'}"
    overrides = [*QUICK, split, "train.adapt.n_steps=2"]
    prior = train_prior(
        "tiny",
        str(tmp_path / "truth.npz"),
        tmp_path / "out",
        errors=str(tmp_path / "drawn.npz"),
        overrides=overrides,
    )
    assert (prior.folder / READER).is_file()
    assert prior.provenance["errors"]["pairs"] > 0
    own, readers = (n.state_dict() for n in (prior.network, prior.reader))
    changed = {name for name in own if not torch.equal(own[name], readers[name])}
    assert changed
    assert all(name.startswith(("encoder.", "to_posterior.")) for name in changed)
    assert trained.reader is trained.network


class StopError(Exception):
    """Somebody pressed Ctrl-C."""


def test_an_interrupted_training_goes_on_and_ends_the_same(trained, tmp_path):
    def interrupt(step, total, terms):
        assert total == 2
        if step == 2:
            raise StopError

    output = tmp_path / "again"
    with pytest.raises(StopError):
        train_prior("tiny", None, output, overrides=QUICK, progress=interrupt)
    assert [path.name for path in output.iterdir()] == [CHECKPOINT]
    steps = []
    prior = train_prior(
        "tiny", None, output, overrides=QUICK, progress=lambda step, *_: steps.append(step)
    )
    assert steps == [2]
    assert prior.sha256()["weights.safetensors"] == trained.sha256()["weights.safetensors"]
    assert prior.sha256()["provenance.json"] == trained.sha256()["provenance.json"]


@pytest.fixture
def copy(trained, tmp_path):
    return shutil.copytree(trained.folder, tmp_path / "copy")


@pytest.mark.parametrize("name", FILES)
def test_a_folder_without_one_of_its_files_says_which(copy, name):
    (copy / name).unlink()
    with pytest.raises(ModelError, match=f"lacks {name}"):
        load_prior(str(copy))


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", ["torn", "empty", "other"])
def test_a_damaged_file_is_a_model_error(copy, name, damage):
    content = (copy / name).read_bytes()
    changed = {"torn": content[: min(len(content) // 3, 20)], "empty": b"", "other": b"[1, 2, 3"}[
        damage
    ]
    (copy / name).write_bytes(changed)
    with pytest.raises(ModelError, match="damaged or of another version"):
        load_prior(str(copy))


def test_weights_of_another_size_do_not_fit(copy):
    config = yaml.safe_load((copy / "config.yaml").read_text()) | {"width": 12}
    (copy / "config.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(ModelError, match="damaged or of another version"):
        load_prior(str(copy))


def test_codes_that_do_not_fit_the_network_are_refused(copy):
    codes = np.zeros((3, 4, 3), np.float32)
    np.savez(
        copy / "latent.npz",
        codes=codes,
        misfit_mm=codes[..., 0],
        instants=codes[0, :, 0],
        patients=np.arange(4),
    )
    with pytest.raises(ModelError, match=r"latent\.npz"):
        load_prior(str(copy))


def test_an_unknown_prior_names_the_way_out(tmp_path):
    with pytest.raises(ModelError, match="cardiovae train"):
        load_prior(str(tmp_path / "nothing"))


def test_fidelity_is_judged_frame_by_frame_on_the_native_grid(trained):
    named = [(f"p{i}_A4C", drawn_sequence(s)) for i, s in enumerate((0.9, 1.0, 1.1))]
    found = evaluate_fidelity(trained.network, named)
    assert found.dice.shape == (6, 3)
    assert found.frames.tolist() == [0, 1] * 3
    assert found.names[2] == "p1_A4C"
    assert found.codes.shape == (6, 12)
    summary = found.summary()
    assert summary.dice["lv"] == pytest.approx(found.dice[:, 0].mean())
    ed = found.summary(found.frames == 0)
    assert ed.dice["lv"] == pytest.approx(found.dice[::2, 0].mean())


def test_codes_can_be_refined_before_they_are_judged(trained):
    def refine(codes, shares, inside, structures):
        assert shares.shape == (2, 4, 128, 96)
        assert inside.shape == (128, 96)
        return np.zeros_like(codes)

    found = evaluate_fidelity(trained.network, [("p", drawn_sequence())], refine=refine)
    assert not found.codes.any()


def test_positions_are_measured_from_the_sequences_center():
    sequence = drawn_sequence()
    moved = EchoSequence(np.roll(sequence.labels, (9, 4), (0, 1)), sequence.spacing_mm)
    for t in (0, 1):
        a, b = (
            canonical_attributes(s, t, place(s.labels, s.spacing_mm)) for s in (sequence, moved)
        )
        np.testing.assert_allclose(a, b, atol=1e-9)
        assert abs(a[5]) < 0.1  # symmetric: the frame's middle is the sequence's
    up = [canonical_attributes(sequence, t, place(sequence.labels, (0.8, 1.1)))[6] for t in (0, 1)]
    assert sum(up) == pytest.approx(0)


def test_nothing_to_judge_is_an_error(trained):
    empty = EchoSequence(np.zeros((9, 9, 1), np.uint8), (1.0, 1.0))
    with pytest.raises(ModelError, match="no frame"):
        evaluate_fidelity(trained.network, [("empty", empty)])
