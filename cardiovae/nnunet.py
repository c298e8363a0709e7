"""A post-processing step for `nnUNetv2_apply_postprocessing`.

nnU-Net's file is a pickle of two lists, functions and their arguments; each function takes a
segmentation (z, y, x) and gives one back. For echocardiography z is time. The function is pickled
by its name, so cardiovae has to be installed where nnU-Net runs. A pickle runs code when it is
read: make the file yourself rather than taking one from somebody else.
"""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiovae.errors import ConfigError, LabelError
from cardiovae.io.atomic import write_bytes
from cardiovae.labels import infer_scheme, label_scheme
from cardiovae.prior.shipped import default_prior, prior_folder
from cardiovae.sequence import EchoSequence


def correct_segmentation(
    segmentation: NDArray[Any],
    *,
    prior: str | None = None,
    criteria: str | None = None,
    temporal: str | None = None,
    config: str = "default",
    overrides: Sequence[str] = (),
    labels: str | None = None,
    spacing_mm: tuple[float, float] | None = None,
    upside_down: bool = False,
    device: str = "cpu",
) -> NDArray[Any]:
    """Correct one segmentation as nnU-Net holds it.

    Args:
        segmentation: Label values, shape (T, H, W), or (1, H, W) for a frame alone.
        prior: Shape prior, by name or folder; None = that of such hearts.
        criteria: Anatomical criteria that every returned frame passes; None = of the preset.
        temporal: Criteria that the returned motion passes, "none" to leave time alone; None = of
            the preset.
        config: Preset of the correction, or path of a YAML file.
        overrides: `a.b=value` changes of the preset.
        labels: Label scheme or mapping such as "lv=1,myo=2,la=3"; None = the smallest that fits.
        spacing_mm: (row, col) in mm, that of all files: nnU-Net does not pass it on. None =
            unknown; areas in mm2 are then not judged.
        upside_down: Whether depth runs against y, as after nnU-Net's `NibabelIOWithReorient` for
            files such as those of CAMUS.
        device: Where the prior runs.

    Returns:
        The corrected labels, of the shape and type of the input; the input's where it cannot be
        corrected.

    Raises:
        LabelError: Values that are no labels, or not in the scheme.
        ConfigError: Not three axes.
    """
    from cardiovae.correction.correct import correct_sequence
    from cardiovae.monai.models import correct_settings, models

    if segmentation.ndim != 3:
        raise ConfigError(f"segmentation: expected (T, H, W), got shape {segmentation.shape}")
    values = segmentation.astype(np.int64)
    if not np.array_equal(values, segmentation):
        raise LabelError("segmentation: labels are whole numbers; these are scores")
    frames = np.moveaxis(values, 0, 2)
    frames = frames[::-1] if upside_down else frames
    scheme = infer_scheme(frames) if labels is None else label_scheme(labels)
    sequence = EchoSequence(
        np.ascontiguousarray(scheme.to_labels(frames)),
        spacing_mm,
        scheme.structures,
        source="segmentation",
    )
    settings = correct_settings(config, overrides, criteria, temporal)
    named = prior or default_prior(stack=sequence.is_stack)
    found = correct_sequence(sequence, *models(named, device), settings)
    corrected = scheme.to_values(found.sequence.labels)
    corrected = corrected[::-1] if upside_down else corrected
    return np.ascontiguousarray(np.moveaxis(corrected, 2, 0)).astype(segmentation.dtype)


def save_postprocessing(path: Path, *, overwrite: bool = False, **settings: Any) -> None:
    """Write the file for `nnUNetv2_apply_postprocessing -pp_pkl_file`.

    Args:
        path: Where to, such as postprocessing.pkl.
        overwrite: Whether a file in the way is replaced.
        **settings: Arguments of `correct_segmentation`.

    Raises:
        ConfigError: An unknown argument, preset, criteria set or scheme.
        ModelError: No such prior.
        FileError: A file is in the way and `overwrite` is false.
    """
    from cardiovae.monai.models import correct_settings

    known = set(correct_segmentation.__kwdefaults__ or {})
    unknown = sorted(set(settings) - known)
    if unknown:
        raise ConfigError(f"unknown arguments {unknown}; there are {sorted(known)}")
    prior_folder(settings.get("prior") or default_prior(stack=False))
    correct_settings(
        settings.get("config", "default"),
        settings.get("overrides", ()),
        settings.get("criteria"),
        settings.get("temporal"),
    )
    if settings.get("labels") is not None:
        label_scheme(settings["labels"])
    write_bytes(path, pickle.dumps(([correct_segmentation], [settings])), overwrite=overwrite)
