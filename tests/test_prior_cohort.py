"""Training data: what is read, how frames become sequences, and the split by patient."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import nibabel
import numpy as np
import pytest
from prior_cases import drawn_heart

from cardiovae.errors import ConfigError, FileError, ModelError
from cardiovae.prior.cohort import DataConfig, draw_phantoms, hashed_part, load_cohort, read_frames

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data" / "camus224_dev.npz"
SPLITS = "data_manifests/camus_splits.csv"


def frames_file(folder, n_patients=4, **changes) -> Path:
    """ES before ED, to see that the order of the file does not matter."""
    names, masks = [], []
    for patient in range(n_patients):
        for view in ("2CH", "4CH"):
            for instant, size in (("ES", 0.8), ("ED", 1.0)):
                names.append(f"p{patient}_{view}_{instant}")
                masks.append(drawn_heart(size))
    content = {
        "masks": np.stack(masks),
        "names": np.array(names),
        "spacing_mm": np.full((len(names), 2), (0.8, 1.1), np.float32),
    } | changes
    path = folder / "frames.npz"
    np.savez(path, **{k: v for k, v in content.items() if v is not None})
    return path


def split_file(folder, **parts) -> str:
    path = folder / "split.csv"
    rows = [f"{patient},{part}" for patient, part in parts.items()]
    path.write_text("\n".join(["# by hand", "patient,split", *rows]) + "\n")
    return str(path)


def test_frames_of_a_patient_and_view_are_one_sequence_that_begins_with_ed(tmp_path):
    found = dict(read_frames(frames_file(tmp_path)))
    assert len(found) == 8
    sequence = found["p2_4CH"]
    assert sequence.n_frames == 2
    assert sequence.view == "A4C"
    assert sequence.spacing_mm == pytest.approx((0.8, 1.1))
    np.testing.assert_array_equal(sequence.frame(0), drawn_heart(1.0))
    np.testing.assert_array_equal(sequence.frame(1), drawn_heart(0.8))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"spacing_mm": None}, "spacing_mm"),
        ({"masks": np.zeros((3, 4, 4), np.uint8)}, r"\(N, H, W\)"),
        ({"names": np.array(["a_ED", None], object)}, "arrays masks, names"),
    ],
)
def test_a_file_without_the_right_arrays_is_refused(tmp_path, changes, words):
    with pytest.raises(FileError, match=words):
        read_frames(frames_file(tmp_path, **changes))


def test_a_file_that_is_torn_or_absent_is_named(tmp_path):
    (tmp_path / "torn.npz").write_bytes(b"PK\x03\x04")
    with pytest.raises(FileError, match=r"torn\.npz"):
        read_frames(tmp_path / "torn.npz")
    with pytest.raises(FileError, match="does not exist"):
        read_frames(tmp_path / "absent.npz")


def test_frames_of_one_sequence_share_their_spacing(tmp_path):
    spacing = np.full((16, 2), (0.8, 1.1), np.float32)
    spacing[5] = 0.9
    with pytest.raises(FileError, match=r"p1_2CH differ in spacing_mm"):
        read_frames(frames_file(tmp_path, spacing_mm=spacing))


def test_a_split_file_sends_whole_patients_to_their_parts(tmp_path):
    split = split_file(tmp_path, p0="train", p1="val", p2="test", p9="train")
    cohort = load_cohort(DataConfig(split=split), str(frames_file(tmp_path)))
    assert cohort.training.names == ("p0_2CH", "p0_4CH")
    assert cohort.validation.names == ("p1_2CH", "p1_4CH")
    assert cohort.test.names == ("p2_2CH", "p2_4CH")
    assert [name for name, _ in cohort.held_out] == ["p2_2CH", "p2_4CH"]
    assert cohort.facts["patients"] == {"train": 1, "val": 1, "test": 1}
    assert cohort.facts["patients_left_out"] == 1  # p3 is in no part
    assert cohort.facts["source"] == "frames.npz"
    assert str(tmp_path) not in repr({k: v for k, v in cohort.facts.items() if k != "split"})


def test_codes_are_grouped_by_patient_not_by_sequence(tmp_path):
    split = split_file(tmp_path, p0="train", p1="val", p2="train")
    cohort = load_cohort(DataConfig(split=split), str(frames_file(tmp_path)))
    assert cohort.patients.tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    assert cohort.test is None
    assert cohort.held_out == ()


@pytest.mark.parametrize(
    ("text", "words"),
    [("patient,split\np0,training\n", "one of train, val, test"), ("patient,part\n", "no row")],
)
def test_a_split_file_that_says_something_else_is_refused(tmp_path, text, words):
    (tmp_path / "split.csv").write_text(text)
    config = DataConfig(split=str(tmp_path / "split.csv"))
    with pytest.raises(FileError, match=words):
        load_cohort(config, str(frames_file(tmp_path)))


def test_an_absent_split_file_names_the_way_out(tmp_path):
    with pytest.raises(FileError, match=r"--set data\.split"):
        load_cohort(DataConfig(split="no/such.csv"), str(frames_file(tmp_path)))


def test_a_part_without_patients_is_refused(tmp_path):
    split = split_file(tmp_path, p0="train", p1="train")
    with pytest.raises(ModelError, match="falls into the part 'val'"):
        load_cohort(DataConfig(split=split), str(frames_file(tmp_path)))


def test_no_data_and_a_wrong_pattern_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="--data"):
        load_cohort(DataConfig())
    with pytest.raises(ConfigError, match=r"data\.patient"):
        load_cohort(DataConfig(patient="heart"), str(frames_file(tmp_path)))


def test_the_hash_of_a_name_sends_eighty_ten_ten_percent_to_the_parts():
    counts = Counter(hashed_part(f"patient{i:04d}") for i in range(5000))
    assert counts["train"] == pytest.approx(4000, abs=120)
    assert counts["val"] == pytest.approx(500, abs=90)
    assert counts["test"] == pytest.approx(500, abs=90)


def test_an_ed_and_an_es_file_of_a_view_are_one_sequence(tmp_path):
    names = {"train": "patient0001", "val": "patient0002"}
    for patient in names.values():
        for instant, size in (("ED", 1.0), ("ES", 0.8)):
            image = nibabel.Nifti1Image(drawn_heart(size).T, np.eye(4))
            image.header.set_zooms((1.1, 0.8))
            nibabel.save(image, tmp_path / f"{patient}_4CH_{instant}_gt.nii.gz")
    split = split_file(tmp_path, **{patient: part for part, patient in names.items()})
    cohort = load_cohort(DataConfig(split=split), str(tmp_path / "*.nii.gz"))
    assert cohort.training.names == ("patient0001_4CH_gt",)
    assert cohort.training.instant.tolist() == [0.0, 1.0]
    assert cohort.facts["files"] == 4


def test_a_patients_number_decides_its_hearts():
    few, more = (
        draw_phantoms(DataConfig(n_phantoms=n, n_frames=2, spacing_mm=(2.0, 2.0))) for n in (1, 2)
    )
    assert [name for name, _ in more] == [f"phantom0000{i}_A{v}C" for i in (1, 2) for v in (2, 4)]
    for (_, a), (_, b) in zip(few, more[:2], strict=True):
        np.testing.assert_array_equal(a.labels, b.labels)
    assert more[0][1].labels.shape != more[2][1].labels.shape or not np.array_equal(
        more[0][1].labels, more[2][1].labels
    )


@pytest.mark.skipif(not SHARED.exists(), reason="REAL DATA ABSENT: ../shared/data is not here")
def test_the_real_export_splits_into_the_parts_of_the_manifest():
    names = [name for name, _ in read_frames(SHARED)]
    assert len(names) == 800
    parts = Path(__file__).resolve().parents[1] / SPLITS
    rows = [line.split(",") for line in parts.read_text().split()[1:]]
    assert {name.split("_")[0] for name in names} == {patient for patient, _ in rows}
