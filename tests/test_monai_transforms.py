from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
from monai.data import (
    CacheDataset,
    DataLoader,
    Dataset,
    MetaTensor,
    decollate_batch,
    set_track_meta,
)
from monai.transforms import (
    AsDiscrete,
    AsDiscreted,
    Compose,
    EnsureChannelFirstd,
    Invertd,
    LoadImaged,
    Orientationd,
    SaveImaged,
)
from monai_cases import (
    SPACING_MM,
    affine,
    broken,
    corrupted,
    meta_tensor,
    nifti,
    sound,
    stored,
)

from cardiovae.errors import CardiovaeError, ConfigError, LabelError
from cardiovae.monai import (
    AuditSegmentation,
    AuditSegmentationd,
    CorrectSegmentation,
    CorrectSegmentationd,
)
from cardiovae.sequence import EchoSequence

# Of MONAI where pydicom is installed without nvImageCodec: about DICOM, which nothing here reads.
pytestmark = [
    pytest.mark.filterwarnings("ignore:NvImgCodecPydicomReader:UserWarning"),
    # A worker of a DataLoader is a fork, of which newer Pythons warn where there are threads.
    pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning"),
]

REAL = Path(__file__).resolve().parents[2] / "shared/data/echo_toolkit_candidate2.nii.gz"


def told(tensor: MetaTensor) -> dict:
    return tensor.meta["cardiovae"]


def labels_of(tensor: torch.Tensor) -> np.ndarray:
    """(1, X, Y, T) as labels (H, W, T)."""
    return np.asarray(tensor[0]).astype(np.uint8).transpose(1, 0, 2)


def test_importing_the_package_loads_neither_torch_nor_monai():
    code = (
        "import sys, cardiovae.monai, cardiovae\n"
        "print(sorted({'torch', 'monai', 'numpy'} & set(sys.modules)), dir(cardiovae.monai)[0])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split()[0] == "[]"


def test_every_public_name_has_one_home():
    import cardiovae.monai as package

    assert package.__all__ == sorted(package.__all__)
    assert set(package._HOMES) == set(package.__all__) <= set(dir(package))
    for name, home in package._HOMES.items():
        assert getattr(package, name).__module__ == f"cardiovae.monai.{home}"
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        package.Nothing  # noqa: B018


@pytest.mark.parametrize("axes", ["xyt", "yxt", "txy", "tyx", "x-yt", "-y-xt", "-xty"])
def test_any_order_of_axes_is_read_as_the_same_sequence_and_written_back(axes):
    from cardiovae.monai.layout import Layout, read

    sequence = broken()
    array = sequence.labels
    names = ["y", "x", "t"]
    letters = axes.replace("-", "")
    for name in ("x", "y"):
        if f"-{name}" in axes:
            array = np.flip(array, names.index(name))
    array = np.transpose(array, [names.index(letter) for letter in letters])[None]
    reading = read(torch.from_numpy(array.copy()), Layout(axes))
    assert np.array_equal(reading.sequence.labels, sequence.labels)
    assert np.array_equal(reading.values(reading.sequence.labels), array)


@pytest.mark.parametrize("axes", ["xy", "xyz", "xxt", "xy-t", """ """, "xyt1"])
def test_axes_that_are_none_are_refused(axes):
    with pytest.raises(ConfigError, match="names x"):
        AuditSegmentation(axes=axes)


def test_spacing_is_the_norm_of_the_affine_of_depth_then_lateral():
    facts = told(AuditSegmentation()(meta_tensor(sound())))["audit"]
    assert (facts["row_mm"], facts["col_mm"]) == SPACING_MM
    turned = affine()
    turned[:2, :2] = [[0, -SPACING_MM[0]], [SPACING_MM[1], 0]]  # a probe turned by 90 degrees
    image = MetaTensor(torch.from_numpy(stored(sound())[None]), affine=torch.from_numpy(turned))
    facts = told(AuditSegmentation()(image))["audit"]
    assert (facts["row_mm"], facts["col_mm"]) == SPACING_MM


def test_a_tensor_that_knows_no_spacing_is_audited_with_none():
    plain = stored(sound())[None]
    for image in (plain, torch.from_numpy(plain), MetaTensor(torch.from_numpy(plain))):
        facts = told(AuditSegmentation()(image))["audit"]
        assert np.isnan([facts["row_mm"], facts["col_mm"]]).all()
    facts = told(AuditSegmentation(spacing_mm=(0.5, 0.4))(plain))["audit"]
    assert (facts["row_mm"], facts["col_mm"]) == (0.5, 0.4)


def test_one_millimeter_counts_where_the_header_of_the_file_names_it():
    image = MetaTensor(torch.from_numpy(stored(sound())[None]), meta={"xyzt_units": 2})
    assert told(AuditSegmentation()(image))["audit"]["row_mm"] == 1.0


def test_verdicts_are_those_of_the_audit_and_the_labels_stay():
    image = meta_tensor(broken())
    result = AuditSegmentation(temporal="none")(image)
    facts = told(result)["audit"]
    assert facts["frames"] == "PFP"
    assert (facts["passed"], facts["n_frames"], facts["n_invalid_frames"]) == (0, 3, 1)
    assert "lv_disconnected_area_mm2" in facts["not_passed"].split(",")
    assert facts["temporal"] == facts["temporal_verdict"] == ""
    assert torch.equal(result.as_tensor(), image.as_tensor())
    assert "cardiovae" not in image.meta


def test_no_fact_is_none_and_a_batch_of_them_collates_and_comes_apart():
    chain = CorrectSegmentationd("label", "phantom")
    data = Dataset([{"label": meta_tensor(s)} for s in (sound(), broken())], chain)
    (batch,) = DataLoader(data, batch_size=2)
    frames = batch["label"].meta["cardiovae"]["correction"]["before"]["frames"]
    assert frames == ["PPP", "PFP"]
    apart = decollate_batch(batch)
    assert [told(d["label"])["correction"]["status"] for d in apart][1] == "corrected"
    # What is left of a batch can be audited again.
    assert told(AuditSegmentation()(apart[1]["label"]))["audit"]["passed"] == 1


def test_a_sound_sequence_comes_back_bit_for_bit_and_a_broken_one_passes():
    transform = CorrectSegmentation("phantom")
    image = meta_tensor(broken(), dtype=torch.int16)
    result = transform(image)
    assert told(result)["audit"]["passed"] == 1
    assert told(result)["correction"]["status"] == "corrected"
    assert told(result)["correction"]["frames"][1] == "c"
    assert result.dtype == torch.int16
    assert torch.equal(result.affine, image.affine)
    again = transform(result)
    assert told(again)["correction"]["status"] == "unchanged"
    assert torch.equal(again.as_tensor(), result.as_tensor())


def test_one_hot_channels_stay_one_hot_and_a_frame_alone_stays_alone():
    image = meta_tensor(broken())
    hot = AsDiscrete(to_onehot=4)(image)
    corrected = CorrectSegmentation("phantom", temporal="none")(image)
    of_hot = CorrectSegmentation("phantom", temporal="none")(hot)
    assert of_hot.shape == hot.shape
    assert torch.equal(of_hot.argmax(0), corrected[0].long())
    frame = CorrectSegmentation("phantom")(image[..., 1])
    assert frame.shape == image.shape[:3]
    assert told(frame)["audit"]["passed"] == 1


def test_labels_of_another_scheme_come_back_in_it():
    image = meta_tensor(broken())
    moved = MetaTensor(torch.tensor([0, 30, 20, 10])[image.as_tensor().long()], meta=image.meta)
    result = CorrectSegmentation("phantom", labels="lv=30,myo=20,la=10")(moved)
    assert told(result)["audit"]["passed"] == 1
    assert set(result.unique().tolist()) == {0, 10, 20, 30}


@pytest.mark.parametrize(
    ("image", "error", "words"),
    [
        (torch.zeros(2, 1, 20, 20, 5), CardiovaeError, "decollate_batch"),
        (torch.zeros(8, 1, 20, 20), CardiovaeError, "decollate_batch"),
        (torch.zeros(20, 20), CardiovaeError, "EnsureChannelFirst"),
        (torch.rand(4, 20, 20, 3), LabelError, "AsDiscrete"),
        (torch.full((1, 20, 20), 0.5), LabelError, "such as 0.5"),
        (torch.full((1, 20, 20), -1), LabelError, "0 to 255"),
        (torch.full((1, 20, 20), 7), LabelError, "7"),
        (AsDiscrete(to_onehot=6)(torch.zeros(1, 20, 20)), ConfigError, "6 one-hot channels"),
    ],
)
def test_what_is_no_label_map_of_one_sample_is_refused_with_the_way_out(image, error, words):
    with pytest.raises(error, match=words):
        AuditSegmentation()(image)


def test_a_batch_of_meta_tensors_is_refused_as_one():
    (batch,) = DataLoader(Dataset([{"label": meta_tensor(sound())[..., 0]}]), batch_size=1)
    with pytest.raises(CardiovaeError, match="a batch of shape"):
        AuditSegmentation()(batch["label"])


def test_an_audit_needs_meta_data_to_write_to_and_a_correction_does_not():
    try:
        set_track_meta(False)
        with pytest.raises(ConfigError, match="set_track_meta"):
            AuditSegmentation()(stored(sound())[None])
        result = CorrectSegmentation("phantom", spacing_mm=SPACING_MM)(stored(broken())[None])
    finally:
        set_track_meta(True)
    assert type(result) is torch.Tensor
    sequence = EchoSequence(labels_of(result), SPACING_MM)
    from cardiovae.audit.audit import audit_sequence

    assert audit_sequence(sequence).passed


def test_five_lines_correct_what_a_network_gives_between_invert_and_save(tmp_path):
    path = nifti(tmp_path / "heart_gt.nii.gz", corrupted())
    pre = Compose(
        [
            LoadImaged("pred"),
            EnsureChannelFirstd("pred"),
            Orientationd("pred", "RAS", labels=None),
        ]
    )
    network = AsDiscrete(to_onehot=4)  # as sure as a network can be
    sample = pre({"pred": str(path)})
    with pytest.raises(CardiovaeError, match="put this after Invertd"):
        AuditSegmentation()(sample["pred"])
    sample["pred"] = 5 * network(sample["pred"])
    post = Compose(
        [
            Invertd("pred", pre, orig_keys="pred", nearest_interp=False),
            AsDiscreted("pred", argmax=True),
            CorrectSegmentationd("pred", prior="phantom"),
            AuditSegmentationd("pred"),
            SaveImaged("pred", output_dir=tmp_path, output_postfix="fixed", output_dtype=np.uint8,
                       resample=False, separate_folder=False, print_log=False),
        ]
    )  # fmt: skip
    result = post(sample)["pred"]
    before = told(result)["correction"]["before"]
    assert before["passed"] == 0
    assert (before["row_mm"], before["col_mm"]) == SPACING_MM
    assert told(result)["audit"]["passed"] == 1
    saved = nibabel.load(tmp_path / "heart_gt_fixed.nii.gz")
    assert np.array_equal(np.asarray(saved.dataobj), np.asarray(result[0]).astype(np.uint8))
    assert np.allclose(saved.affine, affine())


def test_a_map_that_stays_turned_is_read_with_axes_that_say_so(tmp_path):
    path = nifti(tmp_path / "heart_gt.nii.gz", broken())
    load = [LoadImaged("pred"), EnsureChannelFirstd("pred")]
    native = Compose(load)({"pred": str(path)})["pred"]
    turned = Compose([*load, Orientationd("pred", "RAS", labels=None)])({"pred": str(path)})
    result = CorrectSegmentation("phantom", axes="-x-yt")(turned["pred"])
    expected = CorrectSegmentation("phantom")(native)
    assert torch.equal(result.as_tensor().flip(1, 2), expected.as_tensor())


@pytest.mark.skipif(not REAL.is_file(), reason=f"real data absent: {REAL}")
def test_five_lines_correct_the_real_sequence_of_echo_toolkit():
    post = Compose(
        [
            LoadImaged("pred"),
            EnsureChannelFirstd("pred"),
            CorrectSegmentationd("pred"),
            AuditSegmentationd("pred"),
        ]
    )
    result = post({"pred": str(REAL)})["pred"]
    before = told(result)["correction"]["before"]
    assert before["n_invalid_frames"] >= 16  # leaks in 16 of 25 frames, says its README
    assert told(result)["audit"]["passed"] == 1


def test_threads_of_a_cache_dataset_and_processes_of_a_loader_give_the_same():
    chain = CorrectSegmentationd("label", "phantom")
    items = [{"label": meta_tensor(s)} for s in (broken(), sound())]
    here = [chain(item)["label"].as_tensor() for item in items]
    cached = CacheDataset(items, chain, num_workers=2, progress=False)
    for mine, other in zip(here, cached, strict=True):
        assert torch.equal(mine, other["label"].as_tensor())
    for mine, batch in zip(here, DataLoader(Dataset(items, chain), num_workers=1), strict=True):
        assert torch.equal(mine, batch["label"][0].as_tensor())


def test_a_transform_is_small_to_pickle_and_the_same_afterwards():
    transform = CorrectSegmentation("phantom", criteria="camus-public", temporal="none")
    stream = pickle.dumps(transform)
    assert len(stream) < 20_000
    assert pickle.loads(stream).config == transform.config


def test_settings_are_those_of_the_command_line():
    transform = CorrectSegmentation("phantom", overrides=["fit.n_steps=3"], temporal="none")
    assert transform.config.fit.n_steps == 3
    assert transform.config.temporal is transform.config.also_temporal is None
    for wrong in ({"criteria": "camu"}, {"config": "nothing"}, {"labels": "la=3"}):
        with pytest.raises(ConfigError):
            CorrectSegmentation("phantom", **wrong)
    with pytest.raises(ConfigError, match="replace fields"):
        CorrectSegmentation("phantom", config=transform.config, overrides=["a=1"])
    with pytest.raises(CardiovaeError, match="shipped priors are"):
        CorrectSegmentation("nothing")


def test_missing_keys_are_allowed_only_where_said():
    with pytest.raises(KeyError):
        AuditSegmentationd("label")({})
    assert AuditSegmentationd("label", allow_missing_keys=True)({}) == {}


def test_an_evaluator_and_a_bundle_take_them_as_they_are():
    from ignite.engine import Engine
    from monai.bundle import ConfigParser
    from monai.handlers import PostProcessing

    settings = {"keys": "pred", "prior": "phantom", "temporal": "none"}
    parser = ConfigParser(
        {"post": {"_target_": "cardiovae.monai.CorrectSegmentationd", **settings}}
    )
    transform = parser.get_parsed_content("post")
    assert isinstance(transform, CorrectSegmentationd)
    engine = Engine(lambda _, batch: batch)
    PostProcessing(transform, event="ITERATION_COMPLETED").attach(engine)
    state = engine.run([[{"pred": meta_tensor(broken())}]])
    assert told(state.output[0]["pred"])["audit"]["passed"] == 1
