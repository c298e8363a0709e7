"""How sure a segmentation network is of its contours: the usual signals, for any 2-D network.

One function, `segmenter_doubt`, takes any `torch.nn.Module`, those of MONAI included, and the
images as that network takes them. Batch first, in and out, (N, C, H, W), as everywhere in torch
and MONAI; `np.moveaxis(doubt.pixel, 0, -1)` is the (H, W, T) of the rest of this package.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from monai.utils.type_conversion import convert_to_tensor
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import distance_transform_cdt
from torch import Tensor, nn

from cardiovae.errors import ConfigError, ModelError
from cardiovae.uncertainty.variations import Change, Variation, changed, draw_changes, undone

METHODS = ("entropy", "mc-dropout", "tta", "ensemble", "edge")
OUTPUTS = ("logits", "probabilities")
ROUNDING = 1e-3  # of probabilities, which may come in half precision
EDGE_PX, EDGE_SIDE = 5.0, 256  # "thickness 5" of the published baseline, on its images
_DROPOUTS = (
    nn.Dropout,
    nn.Dropout1d,
    nn.Dropout2d,
    nn.Dropout3d,
    nn.AlphaDropout,
    nn.FeatureAlphaDropout,
)

Floats = NDArray[np.float32]
Predictor = Callable[[Tensor, nn.Module], Tensor]
_Pass = Callable[[Tensor], tuple[Tensor, Tensor]]  # shares (N, C, H, W), seen (N, 1, H, W)


@dataclass(frozen=True)
class SegmenterDoubt:
    """What a network says, and how sure it is.

    Args:
        method: One of `METHODS`.
        labels: Most probable class of each pixel by the mean of all passes, uint8 (N, H, W).
        probabilities: Mean of all passes, float32 (N, C, H, W).
        pixel: Doubt of each pixel, 0 to 1, float32 (N, H, W).
        mutual_information: How far the passes contradict each other, 0 to 1, float32 (N, H, W):
            entropy of their mean minus mean of their entropies, by log C. Zero of a single pass.
        score: Doubt of each frame, float64 (N,): sum of `pixel` by number of foreground pixels
            (as in CRISP, Judge et al., MICCAI 2022); NaN where no pixel is foreground.
    """

    method: str
    labels: NDArray[np.uint8]
    probabilities: Floats
    pixel: Floats
    mutual_information: Floats
    score: NDArray[np.float64]


def segmenter_doubt(
    network: nn.Module | Sequence[nn.Module],
    images: ArrayLike | Tensor,
    method: str = "entropy",
    *,
    n_passes: int = 10,
    seed: int = 0,
    predictor: Predictor | None = None,
    outputs: str = "logits",
    variation: Variation | None = None,
    batch_size: int = 16,
) -> SegmenterDoubt:
    """How sure a network is, pixel by pixel and frame by frame, by one of five methods.

    ============  ==================================================================
    `entropy`     entropy of the softmax of one pass, by log C
    `mc-dropout`  entropy of the mean of passes with dropout (Gal and Ghahramani,
                  ICML 2016); all other layers stay as they are in inference
    `tta`         entropy of the mean over slightly changed images, changes undone
                  (test-time augmentation; Wang et al., Neurocomputing 338, 2019)
    `ensemble`    entropy of the mean of several networks (Lakshminarayanan et al.,
                  NeurIPS 2017)
    `edge`        nearness to the predicted contours: `edge_doubt`
    ============  ==================================================================

    The network's mode and the caller's random state are as before afterwards, whatever happens.

    Args:
        network: Any network for 2-D images; for `ensemble` two or more of them.
        images: What the network takes, (N, C, H, W): an array or a tensor (also MONAI's
            MetaTensor); it is moved to where the network is.
        method: One of `METHODS`.
        n_passes: Passes of `mc-dropout` and of `tta`, whose first is the image itself.
        seed: Of dropout and changes; the same seed gives the same doubt on the same machine.
        predictor: Called with a batch and the network instead of the network, returns the
            network's output (N, C, H', W'); any of `monai.inferers` fits, and so does a function
            that resizes or post-processes. H', W' may differ from H, W.
        outputs: Whether "logits" or "probabilities" come out. A single channel is foreground.
        variation: The changes of `tta`.
        batch_size: Images of one call of the network.

    Raises:
        ConfigError: An argument is not usable.
        ModelError: No dropout layer for `mc-dropout`, or an output of another shape, or one that
            is not finite.
    """
    networks = _networks(network, method)
    _check(method, n_passes, outputs, batch_size)
    pool = convert_to_tensor(images, dtype=torch.float32, track_meta=False)
    if pool.ndim != 4 or not len(pool):
        raise ConfigError(
            f"images have the shape {tuple(pool.shape)}; expected (N, C, H, W) with N of 1 or more"
        )
    parts = []
    with _evaluating(networks, dropping=method == "mc-dropout"), _random_state(seed):
        single = [_single(each, predictor, outputs) for each in networks]
        passes = _passes(single, pool, method, n_passes, variation or Variation(), seed)
        for batch in pool.split(batch_size):
            parts.append([part.cpu().numpy() for part in _mean_and_entropy(passes, batch)])
    mean, own = (np.concatenate(part) for part in zip(*parts, strict=True))
    return _doubt(method, mean, own)


def edge_doubt(labels: NDArray[np.integer], thickness_px: float | None = None) -> Floats:
    """Doubt from a label map alone: 1 at its contours, falling linearly to 0 away from them.

    The morphological baseline of CRISP (Judge et al., MICCAI 2022): a pixel that touches another
    label, also at a corner, has doubt 1, each pixel farther away 1 / thickness less.

    Args:
        labels: Label maps (N, H, W); the border of the image is no contour.
        thickness_px: Pixels until the doubt is gone; by default 5 at 256 x 256, as published,
            scaled by the side of the images.

    Returns:
        Float32 (N, H, W), 0 to 1; zero where a frame has one label only.
    """
    if labels.ndim != 3:
        raise ConfigError(f"labels have the shape {labels.shape}; expected (N, H, W)")
    side = math.sqrt(labels.shape[1] * labels.shape[2])
    thickness = EDGE_PX * side / EDGE_SIDE if thickness_px is None else thickness_px
    if not thickness > 0:
        raise ConfigError(f"thickness_px is {thickness}; expected more than 0")
    found = np.zeros(labels.shape, np.float32)
    for frame, doubt in zip(labels, found, strict=True):
        present = np.unique(frame)
        if len(present) > 1:
            away = sum(distance_transform_cdt(frame == label, "chessboard") for label in present)
            doubt[:] = np.clip(1 - (away - 1) / thickness, 0, 1)
    return found


def doubt_by_foreground(
    pixel: NDArray[np.floating], labels: NDArray[np.integer]
) -> NDArray[np.float64]:
    """Doubt of frames, (N,): sum of their pixels' (N, H, W) by number of foreground pixels.

    The score of a frame in CRISP (Judge et al., MICCAI 2022); NaN where none is foreground.
    """
    size = np.count_nonzero(labels, axis=(1, 2)).astype(np.float64)
    size[size == 0] = np.nan
    return np.asarray(pixel.sum((1, 2), dtype=np.float64) / size)


def _doubt(method: str, mean: Floats, own: Floats) -> SegmenterDoubt:
    labels = mean.argmax(1).astype(np.uint8)
    entropy = _entropy(torch.from_numpy(mean)).numpy()
    pixel = edge_doubt(labels) if method == "edge" else entropy.clip(0, 1)
    return SegmenterDoubt(
        method=method,
        labels=labels,
        probabilities=mean,
        pixel=pixel,
        mutual_information=(entropy - own).clip(0, 1),
        score=doubt_by_foreground(pixel, labels),
    )


def _check(method: str, n_passes: int, outputs: str, batch_size: int) -> None:
    for name, value, allowed in (("method", method, METHODS), ("outputs", outputs, OUTPUTS)):
        if value not in allowed:
            raise ConfigError(f"{name} is {value!r}; expected one of {', '.join(allowed)}")
    for name, number in (("n_passes", n_passes), ("batch_size", batch_size)):
        if number < 1:
            raise ConfigError(f"{name} is {number}; expected 1 or more")


def _networks(network: nn.Module | Sequence[nn.Module], method: str) -> list[nn.Module]:
    networks: list[nn.Module]
    if isinstance(network, nn.Module) and not isinstance(network, nn.ModuleList):
        networks, single = [network], True
    else:
        networks, single = list(network), False
    if single == (method == "ensemble") or (not single and len(networks) < 2):
        raise ConfigError(
            f"{method} with {len(networks)} networks: ensemble takes a list of two or more, "
            "every other method one network"
        )
    drops = (isinstance(module, _DROPOUTS) for module in networks[0].modules())
    if method == "mc-dropout" and not any(drops):
        raise ModelError(
            f"mc-dropout: {type(networks[0]).__name__} has no dropout layer (torch.nn.Dropout and "
            "its kind); build it with one, as in monai UNet(dropout=0.1), or use tta or entropy"
        )
    return networks


@contextmanager
def _evaluating(networks: list[nn.Module], *, dropping: bool) -> Iterator[None]:
    """All in inference, dropout layers alone in training where `dropping`; as before after."""
    modes = [(module, module.training) for network in networks for module in network.modules()]
    try:
        for module, _ in modes:
            module.training = dropping and isinstance(module, _DROPOUTS)
        yield
    finally:
        for module, mode in modes:
            module.training = mode


@contextmanager
def _random_state(seed: int) -> Iterator[None]:
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())), torch.inference_mode():
        torch.manual_seed(seed)
        yield


def _passes(
    single: list[Callable[[Tensor], Tensor]],
    pool: Tensor,
    method: str,
    n_passes: int,
    variation: Variation,
    seed: int,
) -> list[_Pass]:
    """What is averaged; each pass gives shares and where it saw the image."""
    if method != "tta":
        repeats = n_passes if method == "mc-dropout" else 1
        return [_as_seen(one) for one in single for _ in range(repeats)]
    size = (pool.shape[2], pool.shape[3])
    changes = draw_changes(variation, n_passes, size, np.random.default_rng(seed))
    return [_as_changed(single[0], change) for change in changes]


def _as_changed(one: Callable[[Tensor], Tensor], change: Change) -> _Pass:
    def run(batch: Tensor) -> tuple[Tensor, Tensor]:
        return undone(one(changed(batch, change)), change)

    return run


def _as_seen(one: Callable[[Tensor], Tensor]) -> _Pass:
    def run(batch: Tensor) -> tuple[Tensor, Tensor]:
        shares = one(batch)
        return shares, torch.ones_like(shares[:, :1])

    return run


def _single(
    network: nn.Module, predictor: Predictor | None, outputs: str
) -> Callable[[Tensor], Tensor]:
    """One call of the network: class shares (N, C, H, W) of a batch."""
    there = next(network.parameters(), torch.empty(0)).device

    def run(batch: Tensor) -> Tensor:
        seen = batch.to(there)
        scores = network(seen) if predictor is None else predictor(seen, network)
        if not isinstance(scores, Tensor) or scores.ndim != 4 or len(scores) != len(batch):
            got = tuple(scores.shape) if isinstance(scores, Tensor) else type(scores).__name__
            raise ModelError(
                f"{type(network).__name__} returned {got} for {len(batch)} images; expected a "
                "tensor (N, C, H, W), which a `predictor` can make of any output"
            )
        return _shares(convert_to_tensor(scores, track_meta=False).float(), outputs)

    return run


def _shares(scores: Tensor, outputs: str) -> Tensor:
    if not bool(torch.isfinite(scores).all()):
        raise ModelError("the network returned values that are not finite; check its input")
    one = scores.shape[1] == 1
    if outputs == "logits":
        scores = torch.sigmoid(scores) if one else torch.softmax(scores, 1)
    shares = torch.cat([1 - scores, scores], 1) if one else scores
    if bool((shares < -ROUNDING).any() | ((shares.sum(1) - 1).abs() > ROUNDING).any()):
        raise ModelError(
            "the network's outputs are no probabilities that sum to 1; are they logits?"
        )
    return shares.clamp(0, 1)


def _mean_and_entropy(passes: list[_Pass], batch: Tensor) -> tuple[Tensor, Tensor]:
    """Mean shares (N, C, H, W) of all passes, and the mean of their entropies (N, H, W)."""
    shares, seen = passes[0](batch)
    total, own, weight = shares * seen, _entropy(shares) * seen[:, 0], seen
    for one in passes[1:]:
        shares, seen = one(batch)
        total, weight = total + shares * seen, weight + seen
        own = own + _entropy(shares) * seen[:, 0]
    return total / weight, own / weight[:, 0]


def _entropy(shares: Tensor) -> Tensor:
    """Entropy over the classes by log C, (N, H, W), of shares (N, C, H, W)."""
    entropy: Tensor = torch.special.entr(shares).sum(1)
    return entropy / math.log(shares.shape[1])
