"""`cardiovae uncertainty train --model opinion`, on an opinion of no use."""

from __future__ import annotations

import json

from cli_cases import run
from opinion_cases import draw_files

from cardiovae.cli.exits import ExitCode
from cardiovae.opinion.folder import load_opinion

FILES = {"MODEL_CARD.md", "config.yaml", "provenance.json", "weights.safetensors"}
TINY = ("--model", "opinion", "--config", "tiny", "--set", "train.n_steps=2")


def test_training_leaves_a_folder_that_can_be_loaded_and_explains_itself(capsys, tmp_path):
    data, folder = draw_files(tmp_path), tmp_path / "opinion"
    words = ("--data", data.source, "--errors", data.source, "--set", f"data.split={data.split}")
    words += ("--set", "train.draw.errors=0.5", "--seed", "3", "-o", folder, "--json")
    done = run(capsys, "uncertainty", "train", *TINY, *words)
    assert done.code == ExitCode.OK
    assert {path.name for path in folder.iterdir()} == FILES
    provenance = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
    assert (provenance["training"]["n_steps"], provenance["training"]["seed"]) == (2, 3)
    assert provenance["data"]["patients"] == {"train": 2, "val": 1}
    assert provenance["data"]["predictions"] == {"train": 4, "val": 2}
    assert load_opinion(str(folder)).name == "tiny"
    assert done.records[-1]["model"] == "opinion"
    again = run(capsys, "uncertainty", "train", *TINY, *words)
    assert again.code == ExitCode.USAGE
    assert "--overwrite" in again.err


def test_a_preset_that_learns_from_errors_asks_for_them(capsys, tmp_path):
    done = run(
        capsys, "uncertainty", "train", "--model", "opinion", "--config", "camus", "-o", tmp_path
    )
    assert done.code == ExitCode.USAGE
    assert "--errors" in done.err


def test_errors_are_no_part_of_the_other_model(capsys, tmp_path):
    done = run(
        capsys, "uncertainty", "train", "--config", "tiny", "--errors", "x.npz", "-o", tmp_path
    )
    assert done.code == ExitCode.USAGE
    assert "--model opinion" in done.err
