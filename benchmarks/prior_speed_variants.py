"""Ways to run a network, and what is timed of them: the cases of `prior_speed.py`."""

from __future__ import annotations

import importlib.util
import io
import logging
import os
import shutil
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

CUDA = torch.cuda.is_available()
DEVICE = torch.device("cuda" if CUDA else "cpu")
CLOSE = 0.05  # variants may differ by this share of the largest value: bfloat16 does

Work = Callable[[], Any]


@dataclass
class Case:
    """Something to be timed.

    Args:
        what: "encode", "decode", "train", "labels" (label map to label map).
        whose: "ours" or "published".
        how: The variant.
        work: Does it once.
        frames: Frames of one call.
        flop: Floating point operations of one frame; NaN where not counted.
        ready_s: Seconds to get there (compiling, exporting).
        ms: Milliseconds of one frame, of each round.
    """

    what: str
    whose: str
    how: str
    work: Callable[[], object]
    frames: int
    flop: float = float("nan")
    ready_s: float = 0.0
    ms: list[float] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        """Frames per second, by the median round."""
        return 1000 / float(np.median(self.ms))


def elapsed(work: Callable[[], object]) -> float:
    """Seconds of one call: processor time, or wall time on a GPU."""
    if CUDA:
        torch.cuda.synchronize()
    clock = time.perf_counter if CUDA else time.process_time
    began = clock()
    work()
    if CUDA:
        torch.cuda.synchronize()
    return clock() - began


def flop_per_frame(work: Callable[[], object], frames: int) -> float:
    """Floating point operations of convolutions and matrix products, for one frame."""
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops() / frames


def no_grad(work: Callable[[Tensor], object], given: Tensor) -> Callable[[], object]:
    """The call without gradients."""

    def call() -> object:
        with torch.no_grad():
            return work(given)

    return call


class Half(nn.Module):
    """One half of a network as a module, for compilers and exporters."""

    def __init__(self, network: nn.Module, half: str) -> None:
        super().__init__()
        self.network, self.half = network, half

    def forward(self, given: Tensor) -> Tensor:
        """Posterior mean of maps, or maps of codes."""
        if self.half == "decode":
            return self.network.decode(given)  # type: ignore[no-any-return, operator]
        return self.network.encode(given).mu  # type: ignore[no-any-return, operator]


def plain(network: nn.Module, layout: torch.memory_format) -> nn.Module:
    """A network for inference, with its weights in the given layout."""
    network.eval().requires_grad_(False)
    return network.to(DEVICE, memory_format=layout)  # type: ignore[call-overload]


def inference_cases(
    whose: str, network: nn.Module, inputs: dict[str, Tensor], skip: set[str]
) -> list[Case]:
    """Encoding and decoding, in all variants; those that give something else are an error."""
    cases = []
    for half, given in inputs.items():
        module = plain(Half(network, half), torch.contiguous_format)
        flop = flop_per_frame(no_grad(module, given), len(given))
        expected = no_grad(module, given)().float().cpu()
        for how, work, ready_s in _variants(module, given, skip):
            gap = float((torch.as_tensor(work()).float().cpu() - expected).abs().max())
            if not gap <= CLOSE * float(expected.abs().max()):
                raise AssertionError(f"{whose}, {half}, {how}: differs by {gap:g}")
            cases.append(Case(half, whose, how, work, len(given), flop, ready_s))
    return cases


def _variants(
    module: nn.Module, given: Tensor, skip: set[str]
) -> Iterator[tuple[str, Work, float]]:
    """Name, call, and seconds to get it ready."""
    yield "plain", no_grad(module, given), 0.0
    last = plain(_copy(module), torch.channels_last)
    laid = given.contiguous(memory_format=torch.channels_last) if given.ndim == 4 else given
    yield "channels-last", no_grad(last, laid), 0.0
    if CUDA:
        yield "channels-last, bf16", _autocast(last, laid), 0.0
    if "compile" not in skip:
        for name, part, x in (
            ("compiled", module, given),
            ("compiled, channels-last", last, laid),
        ):
            began = time.perf_counter()
            work = no_grad(torch.compile(_copy(part)), x)
            work()
            yield name, work, time.perf_counter() - began
    if "onnx" not in skip:
        began = time.perf_counter()
        work = _onnx(module, given)
        yield "onnxruntime", work, time.perf_counter() - began


def _copy(module: nn.Module) -> nn.Module:
    """A copy of a module, so that layouts do not follow from one variant to the next."""
    buffer = io.BytesIO()
    torch.save(module, buffer)
    buffer.seek(0)
    found: nn.Module = torch.load(buffer, weights_only=False)
    return found


def _autocast(module: nn.Module, given: Tensor) -> Work:
    """The call in bfloat16 where that is safe."""

    def call() -> Tensor:
        with torch.no_grad(), torch.autocast(DEVICE.type, torch.bfloat16):
            return module(given)  # type: ignore[no-any-return]

    return call


def _onnx(module: nn.Module, given: Tensor) -> Work:
    """The module exported to ONNX and run by onnxruntime, on one thread without a GPU."""
    import onnxruntime

    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), _silent():
        warnings.simplefilter("ignore")  # about operators the exporter does not know
        program = torch.onnx.export(module, (given,), dynamo=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    content = program.model_proto.SerializeToString()  # type: ignore[union-attr]
    providers = onnxruntime.get_available_providers()
    session = onnxruntime.InferenceSession(content, options, providers=providers)
    name, array = session.get_inputs()[0].name, given.cpu().numpy()
    return lambda: session.run(None, {name: array})[0]


@contextmanager
def _silent() -> Iterator[None]:
    """The exporter prints its progress."""
    stdout, sys.stdout = sys.stdout, io.StringIO()
    try:
        yield
    finally:
        sys.stdout = stdout


def missing(skip: set[str]) -> list[str]:
    """What is not measured, and why; added to `skip`."""
    notes = []
    if "compile" not in skip and shutil.which(os.environ.get("CXX", "g++")) is None:
        skip.add("compile")
        notes.append("`torch.compile` was not tried: there is no C++ compiler.")
    wanted = ("onnx", "onnxscript", "onnxruntime")
    absent = [name for name in wanted if importlib.util.find_spec(name) is None]
    if "onnx" not in skip and absent:
        skip.add("onnx")
        notes.append(f"The ONNX export was not tried: {', '.join(absent)} not installed.")
    return notes
