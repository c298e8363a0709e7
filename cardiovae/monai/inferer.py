"""The correction as an inferer: what carries the shape prior's network over a whole sequence."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import torch
from monai.inferers.inferer import Inferer
from monai.utils.type_conversion import convert_to_dst_type
from torch import Tensor, nn

from cardiovae.correction.config import CorrectConfig
from cardiovae.correction.correct import correct_sequence
from cardiovae.errors import ModelError
from cardiovae.monai.layout import Layout, read
from cardiovae.monai.models import correct_settings, models
from cardiovae.monai.network import ShapePriorNet
from cardiovae.prior.folder import ShapePrior
from cardiovae.prior.network import ENCODER
from cardiovae.prior.shipped import DEFAULT_PRIOR, prior_folder


class CorrectionInferer(Inferer):
    """Corrects label maps as `CorrectSegmentation` does, and reads broken frames by a network.

    As a sliding window brings patches to a network, this brings frames to a `ShapePriorNet` on its
    own grid and back. The network's encoder reads what is broken, so one that was trained further
    on somebody's label maps counts; codes, bank and decoder are those of the prior.

    Args:
        prior: Shape prior, by name or folder, that the network stems from.
        criteria: Anatomical criteria that every returned frame passes; None = of the preset.
        temporal: Criteria that the returned motion passes, "none" to leave time alone; None = of
            the preset.
        config: Preset of the correction, path of a YAML file, or the settings themselves.
        overrides: `a.b=value` changes of the preset, as of `--set`.
        labels: Label scheme or mapping; None = the smallest that fits.
        spacing_mm: (row, col) in mm; None = as the affine says.
        axes: Axes after the channel; None = "xyt", as MONAI loads them.

    Raises:
        ConfigError: An unknown preset, criteria set or scheme, or axes that are none.
        ModelError: No such prior.
    """

    def __init__(
        self,
        prior: str = DEFAULT_PRIOR,
        *,
        criteria: str | None = None,
        temporal: str | None = None,
        config: str | CorrectConfig = "default",
        overrides: Sequence[str] = (),
        labels: str | None = None,
        spacing_mm: tuple[float, float] | None = None,
        axes: str | None = None,
    ) -> None:
        super().__init__()
        prior_folder(prior)
        self.prior = prior
        self.config = correct_settings(config, overrides, criteria, temporal)
        self.layout = Layout(axes, labels, spacing_mm)

    def __call__(self, inputs: Tensor, network: Any, *args: Any, **kwargs: Any) -> Tensor:
        """Corrected label maps, of the shape, type and meta data of the inputs.

        Args:
            inputs: Labels (B, 1, X, Y[, T]) or one-hot channels (B, C, X, Y[, T]).
            network: A `ShapePriorNet`, possibly spread over processes.
            *args: Ignored.
            **kwargs: Ignored.

        Raises:
            ModelError: Another network, or one with another decoder than the prior's.
            CardiovaeError: A sample that is no label map.
        """
        prior, bank = models(self.prior, str(inputs.device))
        prior = dataclasses.replace(prior, reader=_reader(network, prior))
        found = []
        # A correction takes gradients of its own, which inference mode would forbid for good.
        with torch.inference_mode(False), torch.enable_grad():
            for image in inputs:
                reading = read(image, self.layout)
                done = correct_sequence(reading.sequence, prior, bank, self.config)
                found.append(torch.from_numpy(reading.values(done.sequence.labels)))
        corrected: Tensor = convert_to_dst_type(torch.stack(found), dst=inputs)[0]
        return corrected


def _reader(network: Any, prior: ShapePrior) -> Any:
    """The model inside a `ShapePriorNet` that fits the prior."""
    found = network.module if isinstance(network, nn.parallel.DistributedDataParallel) else network
    if not isinstance(found, ShapePriorNet):
        raise ModelError(
            f"network: the correction reads frames by a ShapePriorNet, got "
            f"{type(found).__name__}; a TorchScript export maps shares only"
        )
    mine, known = found.network.state_dict(), prior.network.state_dict()
    for name, weight in known.items():
        if name.startswith(ENCODER) or name.endswith("num_batches_tracked"):
            continue
        if name not in mine or not torch.equal(mine[name].to(weight), weight):
            raise ModelError(
                f"network: '{name}' differs from prior '{prior.name}', whose codes and bank would "
                "mean other hearts; train the encoder alone (trainable=True), or make a prior "
                "with 'cardiovae train' and 'cardiovae bank'"
            )
    return found.network
