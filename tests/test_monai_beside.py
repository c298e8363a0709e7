"""MONAI's own post-processing beside ours, on what it is known not to mend."""

from __future__ import annotations

import numpy as np
import pytest
from monai.transforms import (
    FillHoles,
    KeepLargestConnectedComponent,
    LabelFilter,
    RemoveSmallObjects,
)
from monai_cases import SPACING_MM, meta_tensor, sound

from cardiovae.labels import Label
from cardiovae.monai import AuditSegmentation, CorrectSegmentation
from cardiovae.sequence import EchoSequence

# scikit-image deprecates what RemoveSmallObjects gives it
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")

LV, MYO = int(Label.LV), int(Label.MYO)


def changed(labels: np.ndarray) -> EchoSequence:
    return sound(5).with_labels(labels)


def with_island() -> EchoSequence:
    labels = sound(5).labels.copy()
    labels[3:8, 3:8, 2] = LV
    return changed(labels)


def with_lasting_hole() -> EchoSequence:
    labels = sound(5).labels.copy()
    row, col = (int(x) for x in np.argwhere((labels == LV).all(2)).mean(0))
    labels[row - 3 : row + 4, col - 3 : col + 4] = 0
    return changed(labels)


def with_two_pieces() -> EchoSequence:
    labels = sound(5).labels.copy()
    rows = np.flatnonzero((labels[:, :, 2] == LV).any(1))
    cut = labels[rows.mean().astype(int) : rows.mean().astype(int) + 3, :, 2]
    cut[cut == LV] = 0
    return changed(labels)


def with_bridge() -> EchoSequence:
    """False myocardium across the mitral plane of the first frame: LV is enclosed by MYO."""
    labels = sound(5).labels.copy()
    frame = labels[:, :, 0]
    lv = frame == LV
    beyond = np.zeros_like(lv)
    for step in (-2, -1, 1, 2):
        for axis in (0, 1):
            beyond |= np.roll((frame != LV) & (frame != MYO), step, axis)
    frame[lv & beyond] = MYO
    return changed(labels)


def count(tensor, value: int) -> int:
    return int((np.asarray(tensor) == value).sum())


def passes(tensor) -> bool:
    return AuditSegmentation()(tensor).meta["cardiovae"]["audit"]["passed"] == 1


@pytest.mark.parametrize(
    ("theirs", "sequence"),
    [
        (KeepLargestConnectedComponent(), with_two_pieces()),
        (FillHoles(), with_lasting_hole()),
        (RemoveSmallObjects(min_size=64), with_island()),
        (LabelFilter([1, 2, 3]), with_island()),
    ],
    ids=["KeepLargestConnectedComponent", "FillHoles", "RemoveSmallObjects", "LabelFilter"],
)
def test_what_a_transform_of_monai_leaves_broken_ours_mends(theirs, sequence):
    image = meta_tensor(sequence)
    before = np.asarray(image).copy()
    assert not passes(image)
    assert not passes(theirs(image.clone()))
    mended = CorrectSegmentation("phantom")(image)
    assert passes(mended)
    assert np.array_equal(np.asarray(image), before)  # ours leaves its input alone


def test_keep_largest_component_overwrites_its_input_and_ours_does_not():
    given = meta_tensor(with_island()).numpy()
    KeepLargestConnectedComponent()(given)
    assert not np.array_equal(given, meta_tensor(with_island()).numpy())


def test_fill_holes_erases_an_enclosed_cavity_and_ours_keeps_it():
    frame = meta_tensor(with_bridge())[..., 0]
    had = count(meta_tensor(sound(5))[..., 0], LV)
    assert count(FillHoles()(frame.clone()), LV) == 0
    mended = CorrectSegmentation("phantom", spacing_mm=SPACING_MM)(frame)
    assert passes(mended)
    assert count(mended, LV) > 0.8 * had
