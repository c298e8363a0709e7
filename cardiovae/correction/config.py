"""Settings of the correction, as frozen data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from cardiovae.audit.criteria import CriteriaSet, criteria
from cardiovae.config import apply_overrides, build_settings, read_preset
from cardiovae.errors import ConfigError
from cardiovae.sequence import EchoSequence


@dataclass(frozen=True)
class FitConfig:
    """Settings of the robust fit.

    `scale_mm`: contour errors beyond it count less and less. `near_mm`: decay of the weight with
    the distance to a contour. `anchor`: weight of the squared move from the start, in mm2 per
    dimension and squared standard deviation of the training codes. `n_steps`, `step`: Adam steps,
    in the same standard deviations.
    """

    n_steps: int = 0
    step: float = 0.15
    scale_mm: float = 2.0
    near_mm: float = 5.0
    anchor: float = 4.0


@dataclass(frozen=True)
class BlendConfig:
    """When the input's contour counts as sound.

    Full weight up to `sound_mm` from the decoded contour, none from `broken_mm` on; the unsound
    region is widened by `margin_mm` and its border softened by `soft_mm`. A pixel whose distances
    move by less than `same_mm` keeps the input's own label.
    """

    sound_mm: float = 1.0
    broken_mm: float = 2.5
    margin_mm: float = 4.0
    soft_mm: float = 2.8
    same_mm: float = 0.35


STACK_CRITERIA = "acdc"
# Of drawn stacks (benchmarks/short_axis.py with another seed): slices are coarser than frames, and
# what one slice shows nearby is truer than what its neighbors let expect.
STACK_BLEND = BlendConfig(sound_mm=1.5, broken_mm=4.0, margin_mm=2.0)
METHODS = ("none", "posterior", "crisp", "both")


@dataclass(frozen=True)
class DoubtConfig:
    """What is said about the doubt of a result.

    Args:
        method: "none"; "posterior", by samples of the prior; "crisp", by the images; or "both".
        n_samples: Valid samples of each frame.
        n_ejection: Samples of ED and ES for the ejection fraction.
        level: Of all intervals.
        guided: Whether what the image speaks against weighs less in the correction itself.
    """

    method: str = "posterior"
    n_samples: int = 16
    n_ejection: int = 48
    level: float = 0.9
    guided: bool = False

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ConfigError(
                f"uncertainty.method: is one of {', '.join(METHODS)}, got '{self.method}'"
            )
        if self.guided and not self.by_image:
            raise ConfigError(
                "uncertainty.guided: a correction guided by the image needs the method crisp or "
                f"both, got '{self.method}'"
            )
        if min(self.n_samples, self.n_ejection) < 2 or not 0 < self.level < 1:
            raise ConfigError(
                "uncertainty: n_samples and n_ejection are 2 or more and level lies between 0 "
                f"and 1; got {self.n_samples}, {self.n_ejection} and {self.level:g}"
            )

    @property
    def by_prior(self) -> bool:
        """Whether samples of the prior are asked for."""
        return self.method in ("posterior", "both")

    @property
    def by_image(self) -> bool:
        """Whether the images are asked."""
        return self.method in ("crisp", "both")


@dataclass(frozen=True)
class CorrectConfig:
    """What is asked of a corrected sequence, and how it is reached.

    Args:
        criteria: Anatomical criteria set: frames that fail it are repaired, and every returned
            frame passes it.
        temporal: Temporal criteria set that the returned sequence passes; None = frames only.
        also_criteria: Anatomical set that repaired frames pass too where they can.
        also_temporal: Temporal set that a moved sequence passes too where it can.
        detail: Shares of the input's own contour detail to try, from most to least.
        strengths: Strengths of temporal smoothing to try, from least to most.
        fit: Settings of the robust fit.
        blend: Settings of the blending.
        uncertainty: What is said about the doubt of the result.
    """

    criteria: str = "camus"
    temporal: str | None = "tmi2022"
    also_criteria: str | None = "camus-public"
    also_temporal: str | None = "rl4seg3d"
    detail: tuple[float, ...] = (1.0, 0.5, 0.0)
    strengths: tuple[float, ...] = tuple(2.0**k for k in (*range(-4, 10), 11, 15, 20))
    fit: FitConfig = field(default_factory=FitConfig)
    blend: BlendConfig = field(default_factory=BlendConfig)
    uncertainty: DoubtConfig = field(default_factory=DoubtConfig)

    def of(self, sequence: EchoSequence) -> CorrectConfig:
        """The settings for one sequence: for a stack those of apical views make way.

        Slices are judged by `STACK_CRITERIA`, or by the set in use where that is one for slices;
        they are no frames of a motion, so nothing temporal is asked. The blending is `STACK_BLEND`
        unless another is set.
        """
        if not sequence.is_stack:
            return self
        own = criteria(self.criteria).kind == "short-axis"
        return replace(
            self,
            criteria=self.criteria if own else STACK_CRITERIA,
            temporal=None,
            also_criteria=self.also_criteria if own else None,
            also_temporal=None,
            blend=STACK_BLEND if self.blend == BlendConfig() else self.blend,
        )

    def anatomy_sets(self) -> tuple[CriteriaSet, ...]:
        """The set in use, then the one to satisfy too."""
        names = (self.criteria, self.also_criteria)
        return tuple(criteria(n) for n in dict.fromkeys(names) if n is not None)

    def temporal_sets(self) -> tuple[CriteriaSet, ...]:
        """The set in use, then the one to satisfy too; none when time is left alone."""
        if self.temporal is None:
            return ()
        names = (self.temporal, self.also_temporal)
        return tuple(criteria(n) for n in dict.fromkeys(names) if n is not None)


def correct_config(name: str = "default", overrides: Sequence[str] = ()) -> CorrectConfig:
    """Settings of a shipped preset or a YAML file, with `a.b=value` overrides.

    Raises:
        ConfigError: An unknown preset, key or criteria set, or a value of the wrong type.
    """
    content = apply_overrides(read_preset("correct", name), list(overrides))
    config = build_settings(CorrectConfig, content, origin=f"correct preset '{name}'")
    config.anatomy_sets()
    config.temporal_sets()
    return config
