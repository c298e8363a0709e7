"""`correct_by`: one sequence, any method, the same record."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from cardiovae.errors import ConfigError

if TYPE_CHECKING:
    from cardiovae.bank import LatentBank
    from cardiovae.baselines.outcome import Found
    from cardiovae.correction.config import CorrectConfig
    from cardiovae.correction.distrust import Distrust
    from cardiovae.correction.judge import Judge
    from cardiovae.correction.record import Correction
    from cardiovae.correction.scene import Scene
    from cardiovae.prior.folder import ShapePrior
    from cardiovae.sequence import EchoSequence

FULL = "full"
METHODS: Mapping[str, str] = MappingProxyType(
    {
        FULL: "fit, blend, project, smooth: every frame and the motion pass, or nothing changes",
        "identity": "the input itself",
        "largest-component": "largest part of each structure, holes filled, frame by frame",
        "morphological": "largest LV and MYO, holes and the gap between them filled",
        "temporal-gaussian": "Gaussian filter of the one-hot maps along time",
        "temporal-median": "median of the one-hot maps along time",
        "pca": "linear shape model of signed distances: project and decode every frame",
        "robust-pca": "the same fitted robustly to invalid frames until they pass",
        "reconstruct": "the prior's encoder and decoder, every frame",
        "denoise": "denoising autoencoder without skip connections, every frame",
        "denoise-skip": "denoising autoencoder with skip connections, every frame",
        "nearest": "nearest valid code of the bank, invalid frames",
        "dichotomic": "least move towards the nearest valid code, invalid frames",
        "smooth-attributes": "codes of the attributes smoothed over time, every frame",
        "smooth": "all codes smoothed over time, every frame",
    }
)
ALONG_TIME = ("temporal-gaussian", "temporal-median", "smooth-attributes", "smooth")
WITHOUT_PRIOR = (
    "identity",
    "largest-component",
    "morphological",
    "temporal-gaussian",
    "temporal-median",
)


def check_method(method: str) -> str:
    """The method's name, if it is one.

    Raises:
        ConfigError: No such method; the nearest one is named.
    """
    if method not in METHODS:
        near = difflib.get_close_matches(method, METHODS, n=1)
        hint = f"did you mean '{near[0]}'? " if near else ""
        raise ConfigError(f"method '{method}': unknown; {hint}Methods are {', '.join(METHODS)}")
    return method


def correct_by(
    method: str,
    sequence: EchoSequence,
    prior: ShapePrior | None,
    bank: LatentBank | None,
    config: CorrectConfig,
    *,
    seed: int | None = None,
    distrust: Distrust | None = None,
    progress: Callable[[str], None] | None = None,
) -> Correction:
    """Correct one sequence by any of `METHODS`.

    Only "full" guarantees anything. The result of another method is returned as it is: where it
    does not pass the audit, the status is "not_passed", or "not_corrected" if nothing changed.

    Args:
        method: Name of a method.
        sequence: Label map sequence, shape (H, W, T).
        prior: The shape prior; methods of `WITHOUT_PRIOR` need none.
        bank: Its bank of valid codes, likewise.
        config: What is asked for; the settings of "full".
        seed: Of what is drawn to judge the result, for the record.
        distrust: What is doubtful about the input; "full" alone heeds it.
        progress: Called with the name of each step.

    Raises:
        ConfigError: An unknown method or criteria set, no prior or bank where one is needed, a
            prior of another anatomy, or a filter along time for a stack of slices.
        ModelError: The prior lacks the model of this baseline.
    """
    check_method(method)
    config = config.of(sequence)
    if sequence.is_stack and method in ALONG_TIME:
        raise ConfigError(
            f"{sequence.source}: method '{method}' filters along time, and slices of a stack are "
            "no frames of a motion"
        )
    if method in WITHOUT_PRIOR:
        return _by_masks(method, sequence, config, seed, progress or _silent)
    if prior is None or bank is None:
        raise ConfigError(
            f"method '{method}': needs a prior and its bank, got no "
            f"{'prior' if prior is None else 'bank'}; methods that need none are "
            f"{', '.join(WITHOUT_PRIOR)}"
        )
    if method == FULL:
        from cardiovae.correction.correct import correct_sequence

        return correct_sequence(
            sequence, prior, bank, config, seed=seed, distrust=distrust, progress=progress
        )
    return _by_prior(method, sequence, prior, bank, config, seed, progress or _silent)


def _silent(step: str) -> None:
    """Progress that nobody asked for."""


def _by_masks(
    method: str,
    sequence: EchoSequence,
    config: CorrectConfig,
    seed: int | None,
    say: Callable[[str], None],
) -> Correction:
    """A method that sees label maps alone."""
    from cardiovae.baselines import masks
    from cardiovae.baselines.outcome import Latent, recorded
    from cardiovae.correction.judge import Judge

    remedies = {
        "identity": masks.identity,
        "largest-component": masks.by_frame(masks.largest_component),
        "morphological": masks.by_frame(masks.morphological),
        "temporal-gaussian": masks.temporal_gaussian,
        "temporal-median": masks.temporal_median,
    }
    say("audit")
    judge = Judge(sequence, config.anatomy_sets(), config.temporal_sets())
    before = judge.audits(sequence)
    say(method)
    labels = remedies[method](sequence.labels)
    say("audit again")
    latent = Latent.unknown(sequence.n_frames)
    return recorded(method, judge, before, labels, latent, config, seed)


def _by_prior(
    method: str,
    sequence: EchoSequence,
    prior: ShapePrior,
    bank: LatentBank,
    config: CorrectConfig,
    seed: int | None,
    say: Callable[[str], None],
) -> Correction:
    """A method that sees the sequence as the prior does."""
    import numpy as np

    from cardiovae.baselines.outcome import Latent, recorded
    from cardiovae.correction.correct import check_anatomy
    from cardiovae.correction.judge import Judge
    from cardiovae.correction.scene import see
    from cardiovae.correction.usual import usual

    check_anatomy(sequence, prior)
    say("audit")
    judge = Judge(sequence, config.anatomy_sets(), config.temporal_sets())
    before = judge.audits(sequence)
    broken = np.array([not frame.passed for frame in before[0].frames])
    say(method)
    scene = see(sequence, broken, prior, config.fit)
    labels, latent = sequence.labels, Latent.unknown(sequence.n_frames, prior.identity())
    if scene is not None:  # else no frame shows a heart, and there is nothing to go by
        found = _found(method, scene, prior, bank, judge.only_required())
        labels = found.labels
        latent = replace(latent, usual=usual(scene, bank))
        if found.codes is not None:
            moves = np.asarray(np.linalg.norm(found.codes - scene.encoded, axis=1))
            after = bank.typical(sequence.structures).density_percentile(found.codes)
            latent = replace(latent, moves=moves, after=after)
    say("audit again")
    return recorded(method, judge, before, labels, latent, config, seed)


def _found(method: str, scene: Scene, prior: ShapePrior, bank: LatentBank, judge: Judge) -> Found:
    """What a method of the prior makes of a scene."""
    from cardiovae.baselines import codes, denoise, models, modes

    methods: dict[str, Callable[[], Found]] = {
        "pca": lambda: modes.pca(scene, models.load_modes(prior)),
        "robust-pca": lambda: modes.robust_pca(scene, models.load_modes(prior), judge),
        "reconstruct": lambda: codes.reconstruct(scene, prior),
        "denoise": lambda: denoise.denoise(scene, models.load_denoiser(prior, method)),
        "denoise-skip": lambda: denoise.denoise(scene, models.load_denoiser(prior, method)),
        "nearest": lambda: codes.nearest(scene, prior, bank, judge),
        "dichotomic": lambda: codes.dichotomic(scene, prior, bank, judge),
        "smooth-attributes": lambda: codes.smoothed(scene, prior, attributes_only=True),
        "smooth": lambda: codes.smoothed(scene, prior, attributes_only=False),
    }
    return methods[method]()
