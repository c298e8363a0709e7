"""The notebooks run from top to bottom anywhere, show pictures, and ship without outputs."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

import pytest

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))

# What each of them is there to show, as a reader would find it printed.
SHOWN = {
    "01_audit_a_batch": (r"4 of 12 files pass", r"exit code 3"),
    "02_correct_a_sequence": (r"'corrected'",),
    "03_inside_the_latent_space": (r"% of 280 hearts on 40 lines are valid",),
    "04_train_on_your_own_masks": (r"after +12 of 12 frames are valid",),
    "05_in_a_monai_pipeline": (r"corrected +14 of 14 +PASS",),
}


def read(path: Path) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # third-party deprecations of the notebook machinery
        import nbformat

        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
    return notebook


def run(notebook: Any, folder: Path) -> str:
    """Execute a notebook in an empty folder; all that it printed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from nbclient import NotebookClient

        NotebookClient(
            notebook,
            timeout=900,
            kernel_name="python3",
            resources={"metadata": {"path": str(folder)}},
        ).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return "\n".join(o.get("text") or o.get("data", {}).get("text/plain", "") for o in outputs)


def test_every_notebook_is_told_what_it_is_to_show():
    assert [path.stem for path in NOTEBOOKS] == sorted(SHOWN)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_ships_without_outputs_and_without_places_of_a_machine(path):
    notebook = read(path)
    for cell in notebook.cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
        assert not re.search(r"\.\./|/(home|tmp|work|Users)/", cell.source), cell.source


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_shows_what_it_promises_and_leaves_nothing_behind(path, tmp_path):
    notebook = read(path)
    printed = run(notebook, tmp_path)
    for words in SHOWN[path.stem]:
        assert re.search(words, printed), printed
    pictures = [o for c in notebook.cells for o in c.get("outputs", []) if "image/png" in str(o)]
    assert pictures
    assert not list(tmp_path.iterdir())
