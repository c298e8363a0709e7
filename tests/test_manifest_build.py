from __future__ import annotations

from collections import Counter
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st
from manifest_cases import cohort, label_map

from cardiovae.errors import ConfigError, FileError
from cardiovae.io.digest import content_sha256, file_sha256
from cardiovae.labels import label_scheme
from cardiovae.manifest.build import Facts, describe, find_drafts, sequence_ids
from cardiovae.manifest.echonet import read_file_list
from cardiovae.manifest.names import DEFAULT_PATTERN, compile_pattern
from cardiovae.manifest.schema import check_sequence_id, name_key
from cardiovae.manifest.splits import parse_shares, split_patients

PATTERN = compile_pattern(DEFAULT_PATTERN)


def drafts(folder: Path):
    return {draft.sequence_id: draft for draft in find_drafts(folder, pattern=PATTERN)}


# Splits by patient

patients = st.lists(st.text(min_size=1, max_size=4), max_size=40)
shares = st.lists(st.integers(1, 20), min_size=2, max_size=5).map(
    lambda weights: {f"part{i}": w / sum(weights) for i, w in enumerate(weights)}
)


@given(patients, shares, st.integers(0, 9), st.randoms())
def test_a_patient_has_one_part_whatever_the_order_of_the_files(names, parts, seed, random):
    split = split_patients(names, parts, seed=seed)
    assert split.keys() == set(names)
    shuffled = [*names, *names]
    random.shuffle(shuffled)
    assert split_patients(shuffled, parts, seed=seed) == split


@given(
    st.integers(0, 200), st.lists(st.integers(1, 20), min_size=2, max_size=5), st.integers(0, 9)
)
def test_every_part_has_its_share_to_less_than_one_patient(n, weights, seed):
    parts = {f"part{i}": w / sum(weights) for i, w in enumerate(weights)}
    counts = Counter(split_patients(map(str, range(n)), parts, seed=seed).values())
    for i, weight in enumerate(weights):
        assert abs(counts[f"part{i}"] - Fraction(weight, sum(weights)) * n) < 1


def test_another_seed_gives_another_split_and_both_stay_what_they_are():
    names, parts = [f"p{i}" for i in range(100)], {"a": 0.5, "b": 0.5}
    first, second = (split_patients(names, parts, seed=seed) for seed in (0, 1))
    assert first != second
    # printf 0/p3 | sha256sum is 1b82..., of 0/p2 2c7a..., of 0/p1 93f1...
    assert list(split_patients(["p1", "p2", "p3"], parts, seed=0)) == ["p3", "p2", "p1"]


@pytest.mark.parametrize(
    "text",
    [
        "train",
        "train=1",
        "train=0.7,val=0.2",
        "a=0.5,a=0.5",
        "a=0.5,b=x",
        "a=-0.5,b=1.5",
        "a b=0.5,c=0.5",
        "",
    ],
)
def test_shares_that_cannot_be_are_refused(text):
    with pytest.raises(ConfigError, match="--split"):
        parse_shares(text)


# Names


@given(
    st.lists(
        st.lists(st.text("aB._-:é ", min_size=1, max_size=4), min_size=1, max_size=3).map(
            "/".join
        ),
        unique=True,
        max_size=8,
    )
)
def test_every_file_gets_a_name_that_is_safe(names):
    found = sequence_ids({Path(f"{name}.nii"): name for name in names})
    for name in found.values():
        check_sequence_id(name)


def test_names_are_as_short_as_they_can_be():
    names = {
        "a/x_gt.nii": "x",
        "a/y.nii": "a__y",
        "b/Y.nii": "b__Y",
        "c/z.nii": "c__z.nii",
        "c/z.mha": "c__z.mha",
        "-w:.nii": "w_",
    }
    below = {Path(path): path.rpartition(".")[0] for path in names}
    found = sequence_ids(below)
    assert list(found.values()) == list(names.values())
    assert len({name_key(name) for name in found.values()}) == len(names)


def test_patients_and_views_come_from_names_and_images_are_no_label_maps(tmp_path):
    cohort(tmp_path, 2)
    image = label_map(tmp_path / "patient0000/patient0000_4CH_ED.nii.gz")
    found = drafts(tmp_path)
    assert {name: (d.patient, d.view, d.image) for name, d in found.items()} == {
        "patient0000_2CH_ED": ("patient0000", "A2C", None),
        "patient0000_4CH_ED": ("patient0000", "A4C", image),
        "patient0001_2CH_ED": ("patient0001", "A2C", None),
        "patient0001_4CH_ED": ("patient0001", "A4C", None),
    }


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("2CH/p7.nii", "4CH/p7.nii"), {"p7"}),  # one person, or a split could part them
        (("p7/2ch.nii", "p8/2ch.nii"), {"p7", "p8"}),
        (("2CH/p7.nii", "4CH/p8.nii", "4CH/p7.nii"), {"p7", "p8"}),
        (("a/mask.nii", "b/mask.nii"), {"a/mask", "b/mask"}),
        (("x/labels.nii", "y/labels.nii"), {"x", "y"}),
        (("scan1.nii", "scan2.nii"), {"scan1", "scan2"}),
    ],
)
def test_the_patient_of_other_layouts(tmp_path, names, expected):
    for number, name in enumerate(names):
        label_map(tmp_path / name, number)
    assert {draft.patient for draft in drafts(tmp_path).values()} == expected


def test_a_folder_may_name_the_view(tmp_path):
    label_map(tmp_path / "2CH/p7.nii", 0)
    label_map(tmp_path / "4CH/p7.nii", 1)
    assert {n: draft.view for n, draft in drafts(tmp_path).items()} == {
        "2CH__p7": "A2C",
        "4CH__p7": "A4C",
    }


def test_the_image_of_a_decathlon_folder_is_found(tmp_path):
    label_map(tmp_path / "labelsTr/x.nii.gz")
    image = tmp_path / "imagesTr/x_0000.nii.gz"
    image.parent.mkdir()
    image.write_bytes(b"not a label map")
    assert drafts(tmp_path)["x"].image == image


# What an entry says


def test_an_entry_holds_what_the_header_says_and_nothing_else(tmp_path):
    path = label_map(tmp_path / "data/p1_4CH.nii.gz")
    entry = describe(tmp_path, Facts(), drafts(tmp_path)["p1_4CH"])
    assert entry.labels_path == "data/p1_4CH.nii.gz"
    assert (entry.view, entry.spacing_mm, entry.frame_time_ms) == ("A4C", (0.5, 0.25), None)
    assert entry.sha256 == file_sha256(path)
    assert (entry.split, entry.source, entry.license, entry.labels) == (None,) * 4


def test_what_a_person_says_is_written_down(tmp_path):
    label_map(tmp_path / "x.nii.gz", spacing_mm=None)
    (draft,) = find_drafts(tmp_path, pattern=PATTERN)
    assert describe(tmp_path, Facts(), draft).spacing_mm is None
    facts = Facts(label_scheme("camus"), (0.3, 0.3), 20.0, "me", "CC0-1.0")
    entry = describe(tmp_path, facts, draft)
    assert (entry.spacing_mm, entry.frame_time_ms) == ((0.3, 0.3), 20.0)
    assert (entry.labels, entry.source, entry.license) == ("camus", "me", "CC0-1.0")


def test_a_folder_without_label_maps_says_so(tmp_path):
    with pytest.raises(FileError, match="matches no label map"):
        find_drafts(tmp_path, pattern=PATTERN)


def test_the_image_quality_of_camus_is_taken_over_and_nothing_of_the_patient(tmp_path):
    cohort(tmp_path, 1)
    (tmp_path / "patient0000/Info_4CH.cfg").write_text(
        "ED: 1\nES: 9\nNbFrame: 9\nSex: F\nAge: 56\nImageQuality: Medium\nEF: 47\n",
        encoding="utf-8",
    )
    found = {name: describe(tmp_path, Facts(), d) for name, d in drafts(tmp_path).items()}
    assert found["patient0000_4CH_ED"].subgroups == {"quality": "medium"}
    assert found["patient0000_2CH_ED"].subgroups == {}


# Digests


def test_the_digest_of_a_file_is_that_of_its_bytes(tmp_path):
    (tmp_path / "x.nii").write_bytes(b"abc")
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2
    assert content_sha256(tmp_path / "x.nii") == known


def test_the_digest_of_a_header_with_a_pixel_file_sees_the_pixels(tmp_path):
    image = sitk.GetImageFromArray(np.zeros((2, 4, 4), np.uint8))
    sitk.WriteImage(image, tmp_path / "x.mhd")
    before = content_sha256(tmp_path / "x.mhd")
    pixels = tmp_path / "x.raw"
    pixels.write_bytes(b"\x01" + pixels.read_bytes()[1:])
    after = content_sha256(tmp_path / "x.mhd")
    pixels.unlink()
    alone = content_sha256(tmp_path / "x.mhd")
    assert len({before, after, alone}) == 3
    assert alone == file_sha256(tmp_path / "x.mhd")
    with pytest.raises(FileError, match="cannot be read"):
        content_sha256(pixels)


def test_the_digest_of_a_folder_sees_names_and_contents(tmp_path):
    for name in ("0.png", "1.png", ".hidden"):
        (tmp_path / name).write_bytes(b"abc")
    first = content_sha256(tmp_path)
    (tmp_path / ".hidden").write_bytes(b"x")
    assert content_sha256(tmp_path) == first
    (tmp_path / "1.png").rename(tmp_path / "2.png")
    assert content_sha256(tmp_path) != first


# EchoNet-Dynamic


def echonet(folder: Path) -> Path:
    """Label maps of two videos, one of them of every frame, in the layout of EchoNet-Dynamic."""
    label_map(folder / "masks/0XA1.nii.gz", 1, n_frames=4, spacing_mm=None)
    label_map(folder / "masks/0XB2_pred.nii.gz", 2, n_frames=2, spacing_mm=None)
    label_map(folder / "masks/other.nii.gz", 3, spacing_mm=None)
    (folder / "Videos").mkdir()
    (folder / "Videos/0XA1.avi").touch()
    (folder / "FileList.csv").write_text(
        "FileName,EF,ESV,EDV,FrameHeight,FrameWidth,FPS,NumberOfFrames,Split\n"
        "0XA1,61.2,20.1,51.9,112,112,50,4,TRAIN\n"
        "0XB2.avi,55.0,30.0,70.0,112,112,50,120,VAL\n"
        "0XC3,55.0,30.0,70.0,112,112,50,120,TEST\n",
        encoding="utf-8",
    )
    return folder


def test_the_list_of_echonet_dynamic_gives_split_view_frame_time_and_image(tmp_path):
    folder = echonet(tmp_path)
    entries = {n: describe(folder, Facts(), d) for n, d in drafts(folder).items()}
    whole, traced, other = entries["0XA1"], entries["0XB2"], entries["other"]
    assert (whole.split, whole.view, whole.patient) == ("train", "A4C", "0XA1")
    assert whole.image_path == "Videos/0XA1.avi"
    assert whole.frame_time_ms == 20.0  # 1000 ms / 50
    assert (traced.split, traced.image_path) == ("val", None)
    assert traced.frame_time_ms is None  # two of 120 frames: nobody knows what lies between
    assert (other.split, other.view) == (None, None)
    assert {entry.spacing_mm for entry in entries.values()} == {None}


def test_a_list_of_folds_needs_no_frame_rate(tmp_path):
    (tmp_path / "FileList.csv").write_text("FileName,EF,Split\nCR1.avi,60,7\n", encoding="utf-8")
    video = read_file_list(tmp_path)["CR1"]
    assert (video.split, video.view, video.frame_time_ms) == ("7", None, None)


@pytest.mark.parametrize(
    ("text", "message"),
    [("FileName,EF\nx,60\n", "lacks the column Split"), ("FileName,Split\nx,a\nx,b\n", "twice")],
)
def test_a_list_that_is_none_says_so(tmp_path, text, message):
    (tmp_path / "FileList.csv").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        read_file_list(tmp_path)


def test_without_a_list_there_are_no_videos(tmp_path):
    assert read_file_list(tmp_path) is None
