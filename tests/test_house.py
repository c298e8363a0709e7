"""Laws of the house itself: what an import costs, what the wheel carries, the layers."""

from __future__ import annotations

import csv
import os
import pkgutil
import subprocess
import sys
import venv
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import pytest
from hatchling.builders.sdist import SdistBuilder
from importlinter.cli import lint_imports
from packaging.requirements import Requirement

import cardiovae
from cardiovae import config

ROOT = Path(__file__).resolve().parent.parent
HEAVY = ("torch", "monai", "matplotlib")
# The parts that hold or run a network; all others must do without.
LEARNED = (
    "cardiovae.prior",
    "cardiovae.bank",
    "cardiovae.correction",
    "cardiovae.crisp",
    "cardiovae.opinion",
    "cardiovae.baselines",
    "cardiovae.bundles",
    "cardiovae.explore",
    "cardiovae.monai",
    "cardiovae.nnunet",
    "cardiovae.uncertainty",
    "cardiovae.evaluation.likelihood",
    "cardiovae.evaluation.measure",
    "cardiovae.evaluation.overlap",
    "cardiovae.evaluation.reconstruction",
    "cardiovae.population.latent",
    "cardiovae.__main__",
)
KINDS = sorted({path.parent.name for path in (ROOT / "configs").glob("*/*.yaml")})


def run_python(code: str, *arguments: str) -> str:
    """Standard output of `code` run by a fresh interpreter."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def light_modules() -> list[str]:
    names = [module.name for module in pkgutil.walk_packages(cardiovae.__path__, "cardiovae.")]
    return ["cardiovae"] + [name for name in names if not name.startswith(LEARNED)]


def test_everything_but_the_learned_parts_imports_without_torch_monai_and_matplotlib():
    code = (
        "import importlib, sys\n"
        "for name in sys.argv[1:]: importlib.import_module(name)\n"
        f"print(sorted(set({HEAVY}) & set(sys.modules)))"
    )
    assert run_python(code, *light_modules()) == "[]"


def test_imports_point_down(monkeypatch):
    monkeypatch.chdir(ROOT)
    assert lint_imports(config_filename="pyproject.toml", no_cache=True) == 0


def test_every_preset_is_found_by_its_name():
    for path in (ROOT / "configs").glob("*/*.yaml"):
        assert path.stem in config.preset_names(path.parent.name)
        assert config.read_preset(path.parent.name, path.stem)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env=os.environ | {"NO_COLOR": "1"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def test_an_installed_wheel_finds_the_presets_of_the_checkout(wheel):
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from cardiovae import config\n"
        "print(config.preset_folder(), *config.preset_names(sys.argv[2]), sep='\\n')"
    )
    for kind in KINDS:
        folder, *names = run_python(code, str(wheel), kind).splitlines()
        assert Path(folder) == wheel / "cardiovae" / "_configs"
        assert names == list(config.preset_names(kind))


def shipped(folder: str) -> list[Path]:
    """Files below a folder of the checkout, but for what Python makes itself."""
    found = [path for path in (ROOT / folder).rglob("*") if path.is_file()]
    return [path.relative_to(ROOT) for path in found if path.suffix != ".pyc"]


def test_the_wheel_carries_every_file_of_priors_and_bundles_and_both_licenses(wheel):
    for path in shipped("cardiovae/priors") + shipped("cardiovae/bundles"):
        assert (wheel / path).read_bytes() == (ROOT / path).read_bytes()
    (metadata,) = wheel.glob("cardiovae-*.dist-info")
    assert (metadata / "licenses" / "LICENSE").is_file()
    assert (metadata / "licenses" / "NOTICE").is_file()


def core_distributions() -> set[str]:
    """cardiovae's requirements without extras, and what those require, by their names here."""
    found: set[str] = set()
    waiting = [("cardiovae", "")]
    while waiting:
        name, extra = waiting.pop()
        for line in distribution(name).requires or []:
            wanted = Requirement(line)
            if wanted.marker and not wanted.marker.evaluate({"extra": extra}):
                continue
            names = [(wanted.name, each) for each in ("", *wanted.extras)]
            waiting += names if wanted.name not in found else names[1:]
            found.add(wanted.name)
    return found


@pytest.fixture(scope="module")
def clean_python(wheel, tmp_path_factory):
    """An interpreter that sees the wheel and its core dependencies and nothing else."""
    folder = tmp_path_factory.mktemp("clean")
    venv.create(folder, symlinks=True, with_pip=False)
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "cardiovae").symlink_to(wheel / "cardiovae")
    for name in core_distributions():
        home = distribution(name)
        for top in {path.parts[0] for path in home.files or []} - {"..", "__pycache__"}:
            source, target = Path(str(home.locate_file(top))), packages / top
            if source.exists() and not target.exists():
                target.symlink_to(source)
    return folder / "bin" / "python"


@pytest.mark.slow
def test_the_wheel_runs_the_demo_with_its_core_dependencies_alone(clean_python, tmp_path):
    code = (
        "import importlib.util as found, sys\n"
        "extras = ('hypothesis', 'matplotlib', 'mkdocs', 'pyarrow', 'pydicom', 'sklearn')\n"
        "print([name for name in extras if found.find_spec(name)])\n"
        "from cardiovae.cli import main\n"
        "raise SystemExit(main(['demo', '-o', 'demo']))"
    )
    done = subprocess.run(
        [str(clean_python), "-I", "-c", code],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("[]\n")
    assert (tmp_path / "demo" / "damaged" / "report.html").is_file()


def test_the_sdist_carries_what_the_wheel_is_built_from():
    packed = {
        Path(file.distribution_path) for file in SdistBuilder(str(ROOT)).recurse_included_files()
    }
    needed = [*shipped("cardiovae/priors"), *shipped("cardiovae/bundles"), *shipped("configs")]
    needed.append(Path("data_manifests/camus_splits.csv"))
    assert [path for path in needed if path not in packed] == []


def test_the_citation_names_this_version():
    text = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {cardiovae.__version__}\n" in text


def read_manifest_csv(name: str) -> list[dict[str, str]]:
    with (ROOT / "data_manifests" / name).open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_the_camus_splits_share_no_patient_and_cover_the_manifest():
    rows = read_manifest_csv("camus_splits.csv")
    splits = {row["patient"]: row["split"] for row in rows}
    assert len(splits) == len(rows) == 400
    assert {name: list(splits.values()).count(name) for name in ("train", "val", "test")} == {
        "train": 252,
        "val": 28,
        "test": 120,
    }
    frames = read_manifest_csv("camus.csv")
    assert len({row["sequence_id"] for row in frames}) == len(frames) == 4 * 400
    for row in frames:
        patient = row["sequence_id"].partition("_")[0]
        assert row["split"] == splits[patient]
        assert row["labels_path"] == f"{patient}/{row['sequence_id']}_gt.nii.gz"
