"""What MONAI's post-processing transforms do to a heart that moves, on drawn label maps.

Prints the table of the README:

    python benchmarks/monai_failures.py

Labels are 1 LV, 2 MYO, 3 LA; arrays have MONAI's layout, shape (1, H, W, T). No data is needed.
"""

from __future__ import annotations

import warnings

import monai
import numpy as np
from monai.networks.utils import one_hot
from monai.transforms import (
    FillHoles,
    KeepLargestConnectedComponent,
    RemoveSmallObjects,
    Transform,
)
from numpy.typing import NDArray
from torch import as_tensor

LV, MYO, LA = 1, 2, 3
SIZE, N_FRAMES, BASE_ROW = 128, 12, 80

Labels = NDArray[np.uint8]


def drawn_heart(t: int) -> Labels:
    """One frame, shape (H, W): a half ellipse per wall, closed by the atrium, beating with `t`."""
    row, col = np.mgrid[:SIZE, :SIZE]
    beat = 1 - 0.2 * np.sin(np.pi * t / (N_FRAMES - 1))
    radius = np.hypot((row - BASE_ROW) / 2.2, col - SIZE / 2)
    labels = np.zeros((SIZE, SIZE), np.uint8)
    labels[(np.hypot((row - BASE_ROW) / 1.1, col - SIZE / 2) < 22) & (row >= BASE_ROW)] = LA
    labels[(radius < 22 * beat + 8) & (row < BASE_ROW)] = MYO
    labels[(radius < 22 * beat) & (row < BASE_ROW)] = LV
    return labels


def drawn_sequence() -> Labels:
    """A sound sequence, shape (1, H, W, T)."""
    return np.stack([drawn_heart(t) for t in range(N_FRAMES)], axis=-1)[None]


def with_bridge(sequence: Labels) -> Labels:
    """A strip of myocardium, two rows high, across the mitral plane: LV is enclosed by MYO."""
    broken = sequence.copy()
    strip = broken[:, BASE_ROW - 2 : BASE_ROW]
    strip[strip == LV] = MYO
    return broken


def with_lasting_hole(sequence: Labels) -> Labels:
    """The same 5 x 5 hole in the LV of every frame."""
    broken = sequence.copy()
    broken[:, 60:65, 60:65] = 0
    return broken


def with_island(sequence: Labels) -> Labels:
    """A 5 x 5 island of LV far from the heart, in one frame."""
    broken = sequence.copy()
    broken[:, 5:10, 5:10, 4] = LV
    return broken


def with_two_pieces(sequence: Labels) -> Labels:
    """The LV of one frame cut in two by three rows of background; its neighbors are whole."""
    broken = sequence.copy()
    rows = broken[:, 60:63, :, 4]
    rows[rows == LV] = 0
    return broken


def count(labels: object, value: int) -> int:
    """Number of pixels of `value`."""
    return int((np.asarray(labels) == value).sum())


def frame_by_frame(transform: Transform, sequence: Labels) -> Labels:
    """The 2-D use of a transform: each frame alone, shape (1, H, W, T)."""
    frames = [transform(sequence[..., t].copy()) for t in range(sequence.shape[-1])]
    return np.stack([np.asarray(frame) for frame in frames], axis=-1)


def fill_holes_rows(sound: Labels) -> list[tuple[str, str, str]]:
    """FillHoles with its default labels."""
    bridged, holed = with_bridge(sound), with_lasting_hole(sound)
    fill = FillHoles()
    whole, alone = fill(holed.copy()), frame_by_frame(fill, holed)
    lv, hole = count(bridged, LV), count(sound, LV) - count(holed, LV)
    return [
        (
            "`FillHoles`: the same hole in the LV of every frame",
            f"{count(whole, LV) - count(holed, LV)} of {hole} px filled",
            f"{count(alone, LV) - count(holed, LV)} of {hole} px filled",
        ),
        (
            "`FillHoles`: two rows of false myocardium across the mitral plane",
            f"LV {lv} px, then {count(fill(bridged.copy()), LV)} px",
            f"LV {lv} px, then **{count(frame_by_frame(fill, bridged), LV)} px**",
        ),
    ]


def small_objects_rows(sound: Labels) -> list[tuple[str, str, str]]:
    """RemoveSmallObjects(min_size=64) on the integer label map and on one-hot channels."""
    island = with_island(sound)
    extra = count(island, LV) - count(sound, LV)
    hot = one_hot(as_tensor(island[None]), num_classes=4)[0].numpy()
    remove = RemoveSmallObjects(min_size=64)
    with warnings.catch_warnings():  # MONAI calls scikit-image with an argument it deprecates
        warnings.simplefilter("ignore", FutureWarning)
        whole = count(island, LV) - count(remove(island.copy()), LV)
        alone = count(island, LV) - count(frame_by_frame(remove, island), LV)
        onehot = count(island, LV) - int(np.asarray(remove(hot))[LV].sum())
    return [
        (
            "`RemoveSmallObjects(64)`: an island of LV in one frame",
            f"{whole} of {extra} px removed (one-hot: {onehot})",
            f"{alone} of {extra} px removed",
        )
    ]


def largest_component_rows(sound: Labels) -> list[tuple[str, str, str]]:
    """KeepLargestConnectedComponent over time as depth, and what it does to its input."""
    keep = KeepLargestConnectedComponent()
    cut, island = with_two_pieces(sound), with_island(sound)
    whole, alone = np.asarray(keep(cut.copy())), frame_by_frame(keep, cut)
    given, given_frame = island.copy(), island[..., 4].copy()
    keep(given), keep(given_frame)
    return [
        (
            "`KeepLargestConnectedComponent`: the LV of one frame cut in two",
            f"{count(cut, LV) - count(whole, LV)} px removed, both pieces stay",
            f"{count(cut, LV) - count(alone, LV)} px removed, the larger piece stays",
        ),
        (
            "`KeepLargestConnectedComponent`: its own input (that island), afterwards",
            f"{int((given != island).sum())} px overwritten in place",
            f"{int((given_frame != island[..., 4]).sum())} px overwritten in place",
        ),
    ]


def main() -> None:
    """Print the table as Markdown."""
    sound = drawn_sequence()
    rows = fill_holes_rows(sound) + small_objects_rows(sound) + largest_component_rows(sound)
    print(f"| MONAI {monai.__version__} | whole sequence, time as depth | frame by frame |")
    print("|---|---|---|")
    for row in rows:
        print(f"| {' | '.join(row)} |")


if __name__ == "__main__":
    main()
