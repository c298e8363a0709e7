"""How the library is searched: settings."""

from __future__ import annotations

from dataclasses import dataclass

from cardiovae.crisp.kernel import KERNELS
from cardiovae.errors import ConfigError

MEASURES = ("probability", "published")


@dataclass(frozen=True)
class SearchConfig:
    """How masks that fit an image are found and weighed.

    Args:
        neighbors: L nearest masks (CRISP on CAMUS: 150).
        kernel: "estimator", "published" or "learned": see `kernel_width`.
        measure: "probability": share of the weight that another label has, 0 to 1; "published":
            mean weighted disagreement, summed over structures, divided by its largest value.
        looks_px: Canvas pixels by which the image is shifted, each way along rows and columns,
            to look again; what is found is averaged. Empty: one look.

    Raises:
        ConfigError: No neighbor, or an unknown kernel or measure.
    """

    neighbors: int = 150
    kernel: str = "learned"
    measure: str = "probability"
    looks_px: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.neighbors < 1:
            raise ConfigError(f"search.neighbors: at least 1, got {self.neighbors}")
        for key, known in (("kernel", KERNELS), ("measure", MEASURES)):
            if getattr(self, key) not in known:
                raise ConfigError(
                    f"search.{key} '{getattr(self, key)}': expected one of {', '.join(known)}"
                )
