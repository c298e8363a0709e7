"""One input corrected: what every worker of `cardiovae correct` does, wherever it runs."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from cardiovae.baselines.methods import FULL, WITHOUT_PRIOR
from cardiovae.cli.auditing import Done, Task, head, line_of, settled
from cardiovae.cli.measuring import Measured, measured
from cardiovae.cli.results import Stated, Target, full_record, require_free, write_results
from cardiovae.errors import ConfigError
from cardiovae.prior.shipped import default_prior

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from cardiovae.bank import LatentBank
    from cardiovae.correction.config import CorrectConfig
    from cardiovae.correction.record import Correction
    from cardiovae.prior.folder import ShapePrior
    from cardiovae.sequence import EchoSequence
    from cardiovae.uncertainty.experts import Experts

Device = Literal["auto", "cpu", "cuda"]


@dataclass(frozen=True)
class Corrector:
    """Corrects one task and writes the results; goes to the workers as it is.

    Args:
        targets: Where the results of each task go, by its source.
        config: Settings of the correction.
        method: How to correct.
        prior: Shape prior, by name or folder; None = that of each input's anatomy.
        device: Where the prior runs.
        seed: Start of the random numbers of every task.
        images: The image of each task, by its source; none where no image is asked.
        crisp: Model of images, by name or folder; "" = that of the prior.
        overwrite: Whether results of earlier runs are replaced.
        batch: Whether records, and pictures for a report of them all, are wanted.
        alone: Whether there is one task only, and a bug may end the run.
    """

    targets: Mapping[str, Target]
    config: CorrectConfig
    method: str = FULL
    prior: str | None = None
    device: Device = "auto"
    seed: int = 0
    images: Mapping[str, Path] = field(default_factory=dict)
    crisp: str = ""
    overwrite: bool = False
    batch: bool = False
    alone: bool = False

    def __call__(self, task: Task) -> Done:
        """What came of a task; an error is a result like any other."""
        return settled(task, self._corrected, alone=self.alone)

    def stands(self, source: str) -> bool:
        """Whether the results of an earlier run on an input are all there."""
        return all(file.exists() for file in self.targets[source].files)

    def _corrected(self, task: Task, sha256: str) -> Done:
        from cardiovae.baselines.methods import correct_by
        from cardiovae.cli.tables import correction_lines
        from cardiovae.correction.record import CORRECTED, UNCHANGED
        from cardiovae.io import open_sequence

        target = self.targets[task.source]
        require_free(target, overwrite=self.overwrite)
        sequence, like = open_sequence(task.path, **vars(task.reading))
        method = "identity" if task.keep else self.method
        named = self.prior or default_prior(stack=sequence.is_stack)
        prior, bank = models(method, named, self.device)
        images = self._images(task.source, sequence)
        distrust = None
        if self.config.uncertainty.guided and images is not None:
            from cardiovae.uncertainty.guide import image_distrust

            distrust = image_distrust(sequence, self._experts(named), images)
        found = correct_by(
            method, sequence, prior, bank, self.config, seed=self.seed, distrust=distrust
        )
        alone = target.record is None  # the labels alone are wanted
        stated = None if task.keep or alone else self._stated(found, images, task.source)
        hearts = measured(found, task.subject)
        full = full_record(found, stated, hearts)
        doubt = None if stated is None else stated.doubt
        write_results(target, found, full, doubt, like, overwrite=self.overwrite)
        record = {
            **head(task, sha256, ""),
            "notes": list(like.notes),
            "subgroups": dict(task.subgroups),
            **(
                {**_batch_record(found, stated, hearts), "page": target.page} if self.batch else {}
            ),
        }
        files: dict[str, bytes] = {}
        if self.batch and found.status != UNCHANGED:
            from cardiovae.report.batch_pictures import pictures_of

            files = pictures_of(found.sequence, record, before=found.original.labels)
        return Done(
            task.source,
            sha256,
            found.status in (CORRECTED, UNCHANGED),
            line_of(record),
            files=files,
            said=tuple(correction_lines(full, target)),
            told=json.dumps({**full, "output": str(target.place)}, allow_nan=False),
        )

    def _images(self, source: str, sequence: EchoSequence) -> NDArray[np.float32] | None:
        """The images of an input; None where they are not asked."""
        if not self.config.uncertainty.by_image:
            return None
        from cardiovae.crisp.files import load_image

        return load_image(self.images[source], sequence)

    def _experts(self, prior: str) -> Experts:
        return experts(prior, self.device, self.crisp, self.config.uncertainty.by_image)

    def _stated(
        self, found: Correction, images: NDArray[np.float32] | None, source: str
    ) -> Stated | None:
        """What is in doubt about a result; None where nothing was asked."""
        asked = self.config.uncertainty
        if asked.method == "none":
            return None
        import numpy as np

        from cardiovae.uncertainty.assess import assess

        rng = np.random.default_rng(self.seed)  # one per file: no result depends on the others
        known = self._experts(self.prior or default_prior(stack=found.original.is_stack))
        doubt = assess(found, known, asked, rng=rng, images=images)
        asked_of = {"crisp": known.crisp, "opinion": known.opinion} if asked.by_image else {}
        models = {kind: model.identity() for kind, model in asked_of.items() if model is not None}
        return Stated(doubt, str(self.images[source]) if asked.by_image else None, models)


@functools.lru_cache(maxsize=2)
def experts(prior: str, device: Device, crisp: str, by_image: bool) -> Experts:
    """Whom to ask about doubt, loaded once.

    Raises:
        ModelError: A model is missing or damaged.
        ConfigError: A CUDA device is asked for and there is none, or a calibration is none.
    """
    from cardiovae.uncertainty.experts import load_experts

    loaded, _ = models(FULL, prior, device)
    assert loaded is not None  # the method needs one
    return load_experts(loaded, by_image=by_image, crisp=crisp)


@functools.lru_cache(maxsize=2)
def models(
    method: str, prior: str, device: Device
) -> tuple[ShapePrior, LatentBank] | tuple[None, None]:
    """What a method needs, loaded once: nothing, or the prior with its bank and its own model.

    Raises:
        ConfigError: A CUDA device is asked for and there is none.
        ModelError: The prior, its bank or the method's model is missing or damaged.
    """
    if method in WITHOUT_PRIOR:
        return None, None
    loaded, bank = load(prior, device)
    if method != FULL:
        from cardiovae.baselines.models import require_model

        require_model(method, loaded)
    return loaded, bank


def load(prior: str, device: Device) -> tuple[ShapePrior, LatentBank]:
    """The prior on its device, and its bank.

    Raises:
        ConfigError: A CUDA device is asked for and there is none.
        ModelError: The prior or its bank is missing or damaged.
    """
    import torch

    from cardiovae.bank import load_bank
    from cardiovae.prior.folder import load_prior

    cuda = torch.cuda.is_available()
    if device == "cuda" and not cuda:
        raise ConfigError("--device cuda: there is no CUDA device here; give cpu or auto")
    loaded = load_prior(prior, device="cuda" if cuda and device != "cpu" else "cpu")
    return loaded, load_bank(loaded)


def _batch_record(found: Correction, stated: Stated | None, hearts: Measured) -> dict[str, Any]:
    """The audits of result and input, what the correction came to, and what is in doubt."""
    indices = hearts.values()
    changed = found.sequence.labels != found.original.labels
    labelled = int((found.original.labels != 0).sum())
    return {
        **_audit(found.sequence, found.after[0]),
        "before": _audit(found.original, found.before[0]),
        "uncertainty": None if stated is None else stated.to_json(),
        "indices": indices,
        "correction": {
            "status": found.status,
            "reason": found.reason,
            "n_changed_frames": int(changed.any((0, 1)).sum()),
            "changed_share": int(changed.sum()) / labelled if labelled else None,
            "ef_before": indices["before"]["ef_percent"],
            "ef_after": indices["after"]["ef_percent"],
        },
    }


def _audit(sequence: EchoSequence, found: Any) -> dict[str, Any]:
    from cardiovae.audit.record import audit_record
    from cardiovae.audit.temporal import Motion

    motion = Motion(sequence.labels, sequence.spacing_mm, sequence.structures)
    return audit_record(sequence, found, motion)
