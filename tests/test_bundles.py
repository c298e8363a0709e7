"""MONAI bundles: whole, as MONAI's own verifiers want them, and running from files to files."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import shutil
import subprocess
import sys
import traceback
from pathlib import Path

import ignite.distributed
import nibabel
import numpy as np
import pytest
import torch
from bundle_cases import as_before, cine, pixels, run_bundle
from cli_cases import run
from monai.bundle import ConfigParser, ConfigWorkflow, ckpt_export, verify_metadata
from monai.bundle.scripts import verify_net_in_out
from monai.transforms import Compose, SaveImaged
from monai_cases import SPACING_MM, corrupted, meta_tensor, sound

from cardiovae.audit.audit import audit_sequence
from cardiovae.audit.criteria import criteria
from cardiovae.bundles.data import cases
from cardiovae.bundles.export import export_bundle
from cardiovae.bundles.licenses import bundle_license, licenses
from cardiovae.bundles.shipped import KINDS
from cardiovae.errors import ConfigError, FileError, ModelError
from cardiovae.io import load_sequence
from cardiovae.monai import CorrectionInferer, CorrectSegmentation, ShapePriorNet
from cardiovae.monai.segmenter import WholeImageUNet
from cardiovae.phantom.ultrasound import simulate_bmode
from cardiovae.prior.folder import load_prior, prior_folder

pytestmark = [
    pytest.mark.filterwarnings("ignore:NvImgCodecPydicomReader:UserWarning"),
    # MONAI says so whenever it reads a bundle.
    pytest.mark.filterwarnings("ignore:parsing config_file:UserWarning"),
]
SHAPES, IMAGES = "echo_apical_shape_prior", "echo_apical_segmentation"
SCHEMA = Path(__file__).parent / "monai_bundle_schema.json"
CINE = "patient0001_4CH.nii.gz"


@pytest.fixture(scope="module")
def bundles(tmp_path_factory):
    """Both bundles with the prior that saw no patient, by name."""
    folder = tmp_path_factory.mktemp("bundles")
    return {name: export_bundle(name, folder, prior="phantom") for name in KINDS}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Folders of one broken cine, its reference, simulated images of it, and a heart at rest."""
    folder = tmp_path_factory.mktemp("data")
    whole = sound(6)
    found = {
        "maps/broken": corrupted(6).labels,
        "maps/still": np.repeat(whole.labels[:, :, :1], 3, axis=2),
        "labels": whole.labels,
        "gray": simulate_bmode(whole.labels, SPACING_MM, rng=np.random.default_rng(1)),
    }
    for name, frames in found.items():
        cine(folder / name / CINE, frames, SPACING_MM)
    return folder


@pytest.fixture(scope="module")
def patients(tmp_path_factory):
    """Images and label maps of three drawn patients, two frames each."""
    folder = tmp_path_factory.mktemp("patients")
    for n in range(3):
        heart = sound(2, seed=n)
        image = simulate_bmode(heart.labels, SPACING_MM, rng=np.random.default_rng(n))
        cine(folder / "images" / f"patient000{n}_4CH.nii.gz", image, SPACING_MM)
        cine(folder / "labels" / f"patient000{n}_4CH_gt.nii.gz", heart.labels, SPACING_MM)
    return folder


@pytest.fixture
def work(bundles, tmp_path):
    """Copies of the bundles to train in."""
    return {name: Path(shutil.copytree(b, tmp_path / name)) for name, b in bundles.items()}


def config_of(bundle: Path, name: str = "inference") -> ConfigParser:
    parser = ConfigParser()
    parser.read_config(bundle / "configs" / f"{name}.yaml")
    parser["bundle_root"] = str(bundle)
    parser["device"] = "cpu"
    return parser


def passes(path: Path) -> bool:
    """The audit of a file by itself."""
    anatomy, motion = criteria("camus"), criteria("tmi2022")
    return audit_sequence(load_sequence(path), anatomy=anatomy, temporal=motion).passed


def same_geometry(path: Path, like: Path) -> bool:
    first, second = (nibabel.load(each) for each in (path, like))
    units = first.header.get_xyzt_units() == second.header.get_xyzt_units() == ("mm", "sec")
    zooms = first.header.get_zooms() == second.header.get_zooms()
    return units and zooms and np.array_equal(first.affine, second.affine)


def metrics(folder: Path) -> dict[str, float]:
    with (folder / "metrics.csv").open(newline="") as lines:
        return {name: float(value) for name, value in csv.reader(lines)}


@pytest.mark.parametrize("name", KINDS)
def test_a_bundle_has_the_files_of_the_specification(bundles, name):
    bundle = bundles[name]
    assert bundle.name == name
    for file in (
        *(f"configs/{c}.yaml" for c in ("inference", "evaluate", "train")),
        *(f"configs/multi_gpu_{c}.yaml" for c in ("evaluate", "train")),
        *("configs/metadata.json", "configs/logging.conf", "models/model.pt", "models/model.ts"),
        *("LICENSE", "docs/README.md", "docs/data_license.txt"),
    ):
        assert (bundle / file).stat().st_size > 0, file
    weights = torch.load(bundle / "models" / "model.pt", weights_only=True)
    assert all(isinstance(value, torch.Tensor) for value in weights.values())
    assert (
        max(f.stat().st_size for f in bundle.rglob("*") if f.is_file()) < 25e6
    )  # as the zoo asks


@pytest.mark.parametrize("name", KINDS)
def test_monai_verifies_the_metadata_without_a_connection(bundles, name, tmp_path):
    meta = bundles[name] / "configs" / "metadata.json"
    known = {"filepath": SCHEMA, "hash_val": hashlib.md5(SCHEMA.read_bytes()).hexdigest()}
    verify_metadata(meta_file=str(meta), **known)
    content = json.loads(meta.read_text())
    assert content["version"] in content["changelog"]
    del content["network_data_format"]["outputs"]["pred"]["num_channels"]
    (tmp_path / "metadata.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match="num_channels"):
        verify_metadata(meta_file=str(tmp_path / "metadata.json"), **known)


@pytest.mark.parametrize("name", KINDS)
def test_monai_verifies_the_network_and_exports_it(bundles, name, tmp_path):
    files = {
        "meta_file": str(bundles[name] / "configs" / "metadata.json"),
        "config_file": str(bundles[name] / "configs" / "inference.yaml"),
        "bundle_root": str(bundles[name]),
    }
    verify_net_in_out("network_def", device="cpu", any=50, **files)
    ckpt_export("network_def", filepath=str(tmp_path / "model.ts"), **files)
    network = config_of(bundles[name]).get_parsed_content("network_def")
    network.load_state_dict(torch.load(bundles[name] / "models" / "model.pt", weights_only=True))
    seen = torch.rand(3, *((4, 128, 96) if name == SHAPES else (1, 50, 70)))
    with torch.inference_mode():
        expected = network.eval()(seen)
        for exported in (tmp_path / "model.ts", bundles[name] / "models" / "model.ts"):
            torch.testing.assert_close(torch.jit.load(exported)(seen), expected)


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("configs", ["inference", "inference evaluate", "train"])
def test_monai_finds_every_property_where_it_looks(bundles, patients, name, configs):
    folder = patients / ("labels" if name == SHAPES else "images")
    labels = {} if name == SHAPES or configs == "inference" else {"label_dir": patients / "labels"}
    workflow = ConfigWorkflow(
        [str(bundles[name] / "configs" / f"{config}.yaml") for config in configs.split()],
        workflow_type="train" if configs == "train" else "infer",
        logging_file=False,
        bundle_root=str(bundles[name]),
        dataset_dir=str(folder),
        device="cpu",
        **{key: str(path) for key, path in labels.items()},
    )
    with as_before():
        workflow.initialize()
        assert workflow.check_properties() == []


@pytest.mark.parametrize(("name", "given"), [(SHAPES, "maps/broken"), (IMAGES, "gray")])
def test_the_steps_of_monai_labels_bundle_app_give_a_plausible_heart(bundles, data, name, given):
    """What its `BundleInferTask` does: the keys it needs, and the order it calls them in."""
    parser = config_of(bundles[name])
    for key in ("network_def", "preprocessing", "postprocessing", "inferer", "device"):
        assert parser.get(key) is not None
    network = parser.get_parsed_content("network_def", instantiate=True)
    network.load_state_dict(torch.load(bundles[name] / "models" / "model.pt", weights_only=True))
    item = parser.get_parsed_content("preprocessing")({"image": str(data / given / CINE)})
    with torch.no_grad():
        item["pred"] = parser.get_parsed_content("inferer")(item["image"][None], network.eval())[0]
    after = [
        step
        for step in parser.get_parsed_content("postprocessing").transforms
        if not isinstance(step, SaveImaged)
    ]
    assert Compose(after)(item)["pred"].meta["cardiovae"]["audit"]["passed"]


def test_the_command_of_monai_corrects_files_and_keeps_their_headers(bundles, data, tmp_path):
    command = [sys.executable, "-m", "monai.bundle", "run", "--config_file"]
    done = subprocess.run(
        [
            *command,
            "configs/inference.yaml",
            "--dataset_dir",
            data / "maps",
            "--output_dir",
            tmp_path,
        ],
        cwd=bundles[SHAPES],
        env=os.environ | {"CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    broken, kept = (
        tmp_path / kind / CINE.replace(".nii", "_corrected.nii") for kind in ("broken", "still")
    )
    assert not passes(data / "maps" / "broken" / CINE)
    assert passes(broken)
    assert same_geometry(broken, data / "maps" / "broken" / CINE)
    np.testing.assert_array_equal(pixels(kept), pixels(data / "maps" / "still" / CINE))


def test_images_become_label_maps_of_a_plausible_heart_with_the_header_of_the_image(
    bundles, data, tmp_path
):
    how = {"dataset_dir": str(data / "gray"), "output_dir": str(tmp_path)}
    run_bundle(bundles[IMAGES], "inference", **how)
    result = tmp_path / CINE.replace(".nii", "_pred.nii")
    assert passes(result)
    assert same_geometry(result, data / "gray" / CINE)
    found, truth = pixels(result), pixels(data / "labels" / CINE)
    assert set(np.unique(found)) == {0, 1, 2, 3}
    overlap = 2 * ((found == 1) & (truth == 1)).sum() / ((found == 1).sum() + (truth == 1).sum())
    assert overlap > 0.7  # of the drawn cavity: images are simulated, the network saw real ones
    written = result.read_bytes()
    with pytest.raises(RuntimeError) as refused:  # no run replaces results of another
        run_bundle(bundles[IMAGES], "inference", **how)
    assert "exists already" in "".join(traceback.format_exception(refused.value))
    assert result.read_bytes() == written


@pytest.mark.parametrize(
    ("name", "given", "before"), [(SHAPES, "maps/broken", "input"), (IMAGES, "gray", "network")]
)
def test_the_evaluation_says_how_plausible_and_how_alike(
    bundles, data, tmp_path, name, given, before
):
    how = {"dataset_dir": str(data / given), "output_dir": str(tmp_path / "scores")}
    how["label_dir"] = str(data / "labels")
    run_bundle(bundles[name], "inference", "evaluate", **how)
    found = metrics(tmp_path / "scores")
    assert found["anatomical_plausibility"] == found["temporal_consistency"] == 1
    assert 0 < found["mean_dice"] <= 1
    if name == SHAPES:
        frames = audit_sequence(
            load_sequence(data / given / CINE), anatomy=criteria("camus")
        ).frames
        share = sum(frame.passed for frame in frames) / len(frames)
        assert found[f"anatomical_plausibility_of_{before}"] == pytest.approx(share)
    assert f"temporal_consistency_of_{before}" in found
    with (tmp_path / "scores" / "mean_dice_raw.csv").open(newline="") as lines:
        assert [Path(row["filename"]).name for row in csv.DictReader(lines)] == [CINE]


def test_the_evaluation_does_without_references(bundles, data, tmp_path):
    how = {"dataset_dir": str(data / "maps" / "still"), "output_dir": str(tmp_path / "scores")}
    run_bundle(bundles[SHAPES], "inference", "evaluate", **how)
    assert set(metrics(tmp_path / "scores").values()) == {1.0}
    assert "mean_dice" not in metrics(tmp_path / "scores")


def test_training_further_teaches_the_encoder_alone_and_inference_takes_it(
    work, patients, data, tmp_path
):
    bundle, how = work[SHAPES], {"max_epochs": 2, "batch_size": 2}
    run_bundle(bundle, "train", dataset_dir=str(patients / "labels"), **how)
    before, after = (
        torch.load(bundle / "models" / file, weights_only=True)
        for file in ("model.pt", "finetuned_last.pt")
    )
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert all(n.startswith(("network.encoder.", "network.to_posterior.")) for n in changed)
    assert (bundle / "models" / "finetuned.pt").is_file()
    run_bundle(
        bundle,
        "inference",
        dataset_dir=str(data / "maps" / "broken"),
        output_dir=str(tmp_path / "out"),
        ckpt_path=str(bundle / "models" / "finetuned_last.pt"),
    )
    assert passes(tmp_path / "out" / CINE.replace(".nii", "_corrected.nii"))


def test_a_training_that_spoils_the_network_leaves_the_best_weights_as_they_were(work, patients):
    bundle, labels = work[SHAPES], str(patients / "labels")
    run_bundle(bundle, "train", dataset_dir=labels, max_epochs=1, batch_size=2, learning_rate=9.0)
    before, best = (
        torch.load(bundle / "models" / file, weights_only=True)
        for file in ("model.pt", "finetuned.pt")
    )
    assert all(torch.equal(before[name], best[name]) for name in before)


def test_the_segmenter_trains_further_on_images_and_their_label_maps(work, patients):
    bundle = work[IMAGES]
    folders = {"dataset_dir": str(patients / "images"), "label_dir": str(patients / "labels")}
    run_bundle(bundle, "train", **folders, max_epochs=1, batch_size=2)
    before, after = (
        torch.load(bundle / "models" / file, weights_only=True)
        for file in ("model.pt", "finetuned_last.pt")
    )
    assert before.keys() == after.keys()
    assert any(not torch.equal(before[name], after[name]) for name in before)


def test_training_in_processes_goes_through_torchs_distributed_parts(
    work, patients, tmp_path, monkeypatch
):
    """One process here; two were tried by hand, which takes the time of two starts of MONAI."""
    monkeypatch.setenv("LOCAL_RANK", "0")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{tmp_path / 'meeting'}", rank=0, world_size=1
    )
    try:
        run_bundle(
            work[SHAPES],
            "train",
            "multi_gpu_train",
            dataset_dir=str(patients / "labels"),
            max_epochs=1,
            batch_size=2,
        )
        assert not torch.distributed.is_initialized()  # the bundle's last step
    finally:
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()
        ignite.distributed.sync()  # it remembers groups that are no more
    assert (work[SHAPES] / "models" / "finetuned_last.pt").is_file()


def test_a_correction_refuses_what_does_not_fit_its_prior():
    inferer, labels = CorrectionInferer("phantom"), torch.zeros(1, 1, 8, 8, 1)
    network = ShapePriorNet("phantom")
    assert torch.equal(inferer(labels, network), labels)
    with pytest.raises(ModelError, match="ShapePriorNet"):
        inferer(labels, WholeImageUNet())
    name, weight = next((n, w) for n, w in network.network.named_parameters() if "decoder" in n)
    with torch.no_grad():
        weight += 1
    with pytest.raises(ModelError, match=name):
        inferer(labels, network)


def test_the_trained_reader_takes_part_in_the_correction():
    """Another encoder, another result; the decoder being the same."""
    inferer, image = CorrectionInferer("phantom"), meta_tensor(corrupted())[None]
    network = ShapePriorNet("phantom", reader=True)
    first = inferer(image, network)
    assert torch.equal(first[0], CorrectSegmentation("phantom")(image[0]))
    with torch.no_grad():
        network.network.to_posterior.bias += 0.5
    assert not torch.equal(inferer(image, network), first)


def test_a_network_that_learns_keeps_what_it_decodes_by():
    network = ShapePriorNet("phantom", trainable=True).train()
    codes = network.encode(torch.rand(4, 4, 128, 96))
    before = network.eval().decode(codes.detach())
    network.train()(torch.rand(4, 4, 128, 96)).sum().backward()
    learned = {n.split(".")[1] for n, w in network.named_parameters() if w.grad is not None}
    assert learned == {"encoder", "to_posterior"}
    torch.testing.assert_close(network.eval().decode(codes.detach()), before)


def test_a_prior_without_an_encoder_to_train_says_so(monkeypatch):
    monkeypatch.setattr("cardiovae.monai.network.ENCODER", ("nothing.",))
    with pytest.raises(ConfigError, match="no encoder"):
        ShapePriorNet("phantom", trainable=True)


def test_whole_images_are_seen_upright():
    """A network that gives each class the gray of the image gives it back where it was."""
    network = WholeImageUNet(side=16).eval()
    network.network = torch.nn.Conv2d(1, 4, 1)
    with torch.no_grad():
        network.network.weight.fill_(1)
        network.network.bias.fill_(0)
        image = torch.linspace(0, 1, 16)[:, None].expand(16, 16)[None, None]
        torch.testing.assert_close(network(image), image.expand(1, 4, 16, 16))


def test_licenses_name_camus_and_its_authors_where_weights_stem_from_it():
    camus, phantom = (load_prior(name).provenance for name in ("camus", "phantom"))
    for name, provenance, n_camus in (
        (SHAPES, camus, 1),
        (SHAPES, phantom, 0),
        (IMAGES, camus, 2),
        (IMAGES, phantom, 1),
    ):
        found = licenses(KINDS[name], provenance)
        stems = [part for part in found.values() if part.name == "CC BY-NC-SA 4.0"]
        assert len(stems) == n_camus
        assert all("Leclerc" in part.citation and "2019" in part.citation for part in stems)
        assert ("CC BY-NC-SA 4.0" in bundle_license(found)) is (n_camus > 0)


def test_the_texts_of_a_bundle_say_license_and_citation(bundles):
    for file in ("LICENSE", "docs/data_license.txt", "docs/README.md"):
        text = (bundles[IMAGES] / file).read_text(encoding="utf-8")
        assert "CC BY-NC-SA 4.0" in text
        assert "Leclerc" in text
        assert "Leclerc" not in (bundles[SHAPES] / "LICENSE").read_text(encoding="utf-8")


def test_cases_belong_together_by_name_and_parts_share_no_patient(tmp_path):
    for file in ("a/p1_4CH.nii.gz", "a/p2_4CH.nii.gz", "b/p1_4CH_gt.nii.gz", "b/p2_4CH_gt.nii.gz"):
        cine(tmp_path / file, sound(2).labels, SPACING_MM)
    images, labels = str(tmp_path / "a"), str(tmp_path / "b")
    assert [Path(case["label"]).name for case in cases(label=labels)] == [
        "p1_4CH_gt.nii.gz",
        "p2_4CH_gt.nii.gz",
    ]
    for case in cases(images, labels, gray=True):
        assert Path(case["label"]).name == Path(case["image"]).name.replace("4CH", "4CH_gt")
    parts = [cases(images, labels, gray=True, part=part) for part in ("train", "val")]
    assert sorted(case["image"] for part in parts for case in part) == [
        case["image"] for case in cases(images, gray=True)
    ]
    assert [len(part) for part in parts] == [1, 1]


def test_cases_that_cannot_be_are_refused(tmp_path):
    cine(tmp_path / "a" / "p1_4CH.nii.gz", sound(2).labels, SPACING_MM)
    cine(tmp_path / "b" / "p2_4CH.nii.gz", sound(2).labels, SPACING_MM)
    (tmp_path / "c").mkdir()
    with pytest.raises(FileError, match="label map of its name"):
        cases(str(tmp_path / "a"), str(tmp_path / "b"), gray=True)
    with pytest.raises(FileError, match="holds no image"):
        cases(str(tmp_path / "c"), gray=True)
    with pytest.raises(FileError, match="matches no label map"):
        cases(label=str(tmp_path / "c"))
    with pytest.raises(ConfigError, match="patients of their own"):
        cases(label=str(tmp_path / "a"), part="train")
    with pytest.raises(ConfigError, match="is one of"):
        cases(label=str(tmp_path / "a"), part="test")


def test_export_writes_a_folder_once_and_says_what_else_is_needed(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("cardiovae.cli.bundle.RUNNERS", ("ignite", "no_such_package"))
    words = ["bundle", "export", SHAPES, "--prior", "phantom", "-o", tmp_path]
    first = run(capsys, *words, "--json")
    assert first.code == 0
    assert first.records == [
        {"bundle": SHAPES, "output": str(tmp_path / SHAPES), "prior": "phantom"}
    ]
    assert "no_such_package not installed" in first.err
    assert "pip install 'cardiovae[bundle]'" in first.err
    again = run(capsys, *words)
    assert again.code != 0
    assert "exists already" in again.err
    stray = tmp_path / SHAPES / "stray.txt"
    stray.write_text("of an earlier version")
    assert run(capsys, *words, "--overwrite").code == 0
    assert not stray.exists()


@pytest.mark.parametrize(
    ("name", "prior", "said"),
    [("heart", "phantom", "bundles are echo_apical"), (SHAPES, "none", "shipped priors are")],
)
def test_an_export_of_nothing_that_exists_writes_nothing(capsys, tmp_path, name, prior, said):
    found = run(capsys, "bundle", "export", name, "--prior", prior, "-o", tmp_path / "out")
    assert found.code != 0
    assert said in found.err
    assert not (tmp_path / "out").exists()


def test_a_prior_of_another_view_makes_no_apical_bundle(capsys, tmp_path):
    folder = Path(shutil.copytree(prior_folder("phantom"), tmp_path / "prior"))
    with (folder / "config.yaml").open("a") as lines:
        lines.write("\nstructures: [lv, myo, rv]\n")
    found = run(capsys, "bundle", "export", SHAPES, "--prior", folder, "-o", tmp_path / "out")
    assert found.code != 0
    assert "LV-MYO-RV" in found.err
    assert not (tmp_path / "out").exists()
