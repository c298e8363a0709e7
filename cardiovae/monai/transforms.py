"""Post-processing: label maps audited, and corrected, as one more transform of MONAI.

Their place in a chain is after `Invertd` and `AsDiscreted(argmax=True)`, before `SaveImaged`: on
the grid of the file, with its spacing. A correction is no invertible transform; nothing is traced.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from monai.config.type_definitions import KeysCollection, NdarrayOrTensor
from monai.data.meta_obj import get_track_meta
from monai.transforms.transform import MapTransform, Transform
from monai.utils.enums import TransformBackends
from monai.utils.type_conversion import convert_to_tensor
from torch import Tensor

from cardiovae.audit.audit import audit_sequence
from cardiovae.audit.criteria import criteria as criteria_set
from cardiovae.correction.config import CorrectConfig
from cardiovae.correction.correct import correct_sequence
from cardiovae.errors import ConfigError
from cardiovae.monai.layout import Layout, read
from cardiovae.monai.models import correct_settings, models
from cardiovae.monai.record import audit_facts, correction_facts, with_labels
from cardiovae.prior.shipped import default_prior, prior_folder


class AuditSegmentation(Transform):
    """Judge a label map; the labels stay as they are, the verdicts go into the meta data.

    `meta["cardiovae"]["audit"]` is described in `cardiovae.monai.record.audit_facts`.

    Args:
        criteria: Anatomical criteria set, by name or path; None = camus, or acdc for stacks.
        temporal: Criteria set of the motion; "none" judges frames only.
        labels: Label scheme or mapping such as "lv=1,myo=2,la=3"; None = the smallest that fits.
        spacing_mm: (row, col) in mm; None = as the affine says.
        axes: Axes after the channel, such as "yxt"; None = "xyt", as MONAI loads them.

    Raises:
        ConfigError: An unknown criteria set or scheme, or axes that are none.
    """

    backend = [TransformBackends.NUMPY]  # noqa: RUF012  (as in MONAI)

    def __init__(
        self,
        criteria: str | None = None,
        temporal: str = "tmi2022",
        *,
        labels: str | None = None,
        spacing_mm: tuple[float, float] | None = None,
        axes: str | None = None,
    ) -> None:
        self.criteria = None if criteria is None else criteria_set(criteria)
        self.temporal = None if temporal == "none" else criteria_set(temporal)
        self.layout = Layout(axes, labels, spacing_mm)

    def __call__(self, img: NdarrayOrTensor) -> Tensor:
        """The label map, shape (1, X, Y[, T]) or one-hot (C, X, Y[, T]), with its verdicts.

        Raises:
            CardiovaeError: It is no label map of one sample, or meta data are switched off.
        """
        if not get_track_meta():
            raise ConfigError(
                "AuditSegmentation: verdicts go into the meta data, which "
                "monai.data.set_track_meta(False) switched off; use cardiovae.audit_sequence"
            )
        image: Tensor = convert_to_tensor(img, track_meta=True)
        reading = read(image, self.layout)
        found = audit_sequence(reading.sequence, anatomy=self.criteria, temporal=self.temporal)
        facts = {"audit": audit_facts(found, reading)}
        return with_labels(image, reading, reading.sequence.labels, facts)


class CorrectSegmentation(Transform):
    """Correct a label map: every frame a possible heart, smooth motion, least change.

    As `cardiovae correct`: what passes comes back bit for bit, and a sequence that cannot be
    corrected comes back unchanged with the reason. What was done goes into the meta data, if
    these are tracked: `meta["cardiovae"]["correction"]` (`record.correction_facts`), and the audit
    of the result. Settings about doubt have no effect. The prior is loaded on first use, once in
    each process, so instances are small to pickle.

    Args:
        prior: Shape prior: camus (CC BY-NC-SA 4.0), phantom or short-axis (Apache-2.0), or a
            folder; None = camus, and short-axis for stacks of slices.
        criteria: Anatomical criteria that every returned frame passes; None = of the preset.
        temporal: Criteria that the returned motion passes, "none" to leave time alone; None = of
            the preset.
        config: Preset of the correction, path of a YAML file, or the settings themselves.
        overrides: `a.b=value` changes of the preset, as of `--set`.
        labels: Label scheme or mapping such as "lv=1,myo=2,la=3"; None = the smallest that fits.
        spacing_mm: (row, col) in mm; None = as the affine says.
        axes: Axes after the channel, such as "yxt"; None = "xyt", as MONAI loads them.
        device: Where the prior runs: "cpu" or a CUDA device.

    Raises:
        ConfigError: An unknown preset, criteria set or scheme, or axes that are none.
        ModelError: No such prior.
    """

    backend = [TransformBackends.NUMPY]  # noqa: RUF012  (as in MONAI)

    def __init__(
        self,
        prior: str | None = None,
        *,
        criteria: str | None = None,
        temporal: str | None = None,
        config: str | CorrectConfig = "default",
        overrides: Sequence[str] = (),
        labels: str | None = None,
        spacing_mm: tuple[float, float] | None = None,
        axes: str | None = None,
        device: str = "cpu",
    ) -> None:
        prior_folder(prior or default_prior(stack=False))
        self.prior, self.device = prior, device
        self.config = correct_settings(config, overrides, criteria, temporal)
        self.layout = Layout(axes, labels, spacing_mm)

    def __call__(self, img: NdarrayOrTensor) -> Tensor:
        """The corrected map, of the shape, type and meta data of the input.

        Args:
            img: Labels (1, X, Y) or (1, X, Y, T), or one-hot channels (C, X, Y[, T]).

        Raises:
            CardiovaeError: It is no label map of one sample.
        """
        image: Tensor = convert_to_tensor(img, track_meta=get_track_meta())
        reading = read(image, self.layout)
        stack = reading.sequence.is_stack
        prior, bank = models(self.prior or default_prior(stack=stack), self.device)
        found = correct_sequence(reading.sequence, prior, bank, self.config)
        facts = {
            "correction": correction_facts(found, reading),
            "audit": audit_facts(found.after[0], reading),
        }
        return with_labels(image, reading, found.sequence.labels, facts)


class AuditSegmentationd(MapTransform):
    """`AuditSegmentation` of the entries of a dictionary.

    Args:
        keys: Of the label maps.
        allow_missing_keys: Whether an absent key is skipped.
        **settings: As of `AuditSegmentation`.
    """

    backend = AuditSegmentation.backend

    def __init__(
        self, keys: KeysCollection, allow_missing_keys: bool = False, **settings: Any
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.transform = AuditSegmentation(**settings)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """The dictionary with verdicts in the meta data of its label maps."""
        result = dict(data)
        for key in self.key_iterator(result):
            result[key] = self.transform(result[key])
        return result


class CorrectSegmentationd(MapTransform):
    """`CorrectSegmentation` of the entries of a dictionary.

    Args:
        keys: Of the label maps.
        prior: Shape prior, by name or folder; None = that of such hearts.
        allow_missing_keys: Whether an absent key is skipped.
        **settings: As of `CorrectSegmentation`.
    """

    backend = CorrectSegmentation.backend

    def __init__(
        self,
        keys: KeysCollection,
        prior: str | None = None,
        allow_missing_keys: bool = False,
        **settings: Any,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.transform = CorrectSegmentation(prior, **settings)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """The dictionary with corrected label maps."""
        result = dict(data)
        for key in self.key_iterator(result):
            result[key] = self.transform(result[key])
        return result
