"""The notebook runs from top to bottom, and ships without outputs."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))


def test_there_is_a_notebook():
    assert NOTEBOOKS


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_notebook_runs_and_ships_without_outputs(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # third-party deprecations of the notebook machinery
        import nbformat
        from nbclient import NotebookClient

        notebook = nbformat.read(path, as_version=4)
        assert all(not cell.get("outputs") for cell in notebook.cells)
        NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
    printed = str([cell.get("outputs") for cell in notebook.cells])
    assert "corrected" in printed
