"""Where training runs, and with how many bits its convolutions count."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor, nn

from cardiovae.errors import ConfigError

PRECISIONS = ("float32", "bfloat16")


def choose_device(name: str) -> torch.device:
    """The device "cpu", "cuda", or "auto": a GPU where there is one.

    Of several GPUs each process that torchrun starts takes its own.

    Raises:
        ConfigError: Another name, or no GPU where one is asked for.
    """
    if name not in ("auto", "cpu", "cuda"):
        raise ConfigError(f"--device {name}: expected auto, cpu or cuda")
    there = torch.cuda.is_available()
    if name == "cuda" and not there:
        raise ConfigError("--device cuda: there is no CUDA device here; give cpu or auto")
    if name == "cpu" or not there:
        return torch.device("cpu")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))


@contextmanager
def repeatable(device: torch.device) -> Iterator[None]:
    """On a GPU: the same run, the same weights, as far as its kernels can; on a CPU it is so."""
    if device.type != "cuda":
        yield
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when cuBLAS is first used
    before = torch.are_deterministic_algorithms_enabled()
    torch.cuda.set_device(device)
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)


def set_precision(network: nn.Module, trunks: tuple[str, ...], precision: str) -> None:
    """Let the convolutions of a network count in `precision` from now on.

    Weights, codes and the objective stay float32; bfloat16 has its range, so that no gradient has
    to be scaled.

    Raises:
        ConfigError: Another precision.
    """
    if precision not in PRECISIONS:
        raise ConfigError(
            f"train.precision '{precision}': unknown; expected {' or '.join(PRECISIONS)}"
        )
    if precision == "float32":
        return
    for name in trunks:
        trunk = network.get_submodule(name)
        trunk.forward = partial(_in_bfloat16, trunk.forward)


def _in_bfloat16(forward: Callable[[Tensor], Tensor], maps: Tensor) -> Tensor:
    with torch.autocast(maps.device.type, torch.bfloat16):
        return forward(maps).float()
