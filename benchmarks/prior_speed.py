"""How fast our network trains, encodes and decodes, beside the published one at its own size.

    python benchmarks/prior_speed.py [--repeats 5] [--skip compile onnx] [--out PAGE]

Writes `docs/explanation/speed.md`. Without a GPU one thread works and processor time is taken, so
that other work on the machine hardly counts; with one, wall time between synchronizations. Each
round measures every case once, so that drifts of the machine hit all alike; medians are shown.
`torch.compile` needs a C++ compiler, the export onnx, onnxscript and onnxruntime; what is absent
is said. None of them belongs to the project.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from peer_network import LATENT_DIM, N_CLASSES, SIZE, PeerVAE, peer_loss
from prior_speed_page import write_page
from prior_speed_variants import (
    CUDA,
    DEVICE,
    Case,
    elapsed,
    flop_per_frame,
    inference_cases,
    missing,
    plain,
)
from proof.versions import commit, machine
from torch import Tensor, nn

from cardiovae.labels import STRUCTURES
from cardiovae.phantom.heart import draw_heart
from cardiovae.phantom.parameters import draw_parameters
from cardiovae.prior.augment import Batch, draw_batch
from cardiovae.prior.codec import compose, decode, encode, native_distances, to_canvas
from cardiovae.prior.cohort import DataConfig, draw_phantoms
from cardiovae.prior.folder import ShapePrior, load_prior
from cardiovae.prior.grid import place
from cardiovae.prior.models import DEFAULT_MODEL, build_model
from cardiovae.prior.shapes import build_shapes
from cardiovae.prior.state import TrainConfig
from cardiovae.prior.step import objective

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "explanation" / "speed.md"
CINE = 128 if CUDA else 8  # frames at a time
TRAINED = 128 if CUDA else 4  # frames of a step; the published batch of 128 takes a core minutes
MATRIX = 8192 if CUDA else 2048
WIDE = 256  # channels of a large convolution
SPACING = (0.6, 0.6)  # of the 256 x 256 label maps


def training_cases() -> list[Case]:
    """One optimizer step of both networks; of ours also with the drawing of its batch."""
    shapes = build_shapes(draw_phantoms(DataConfig(n_phantoms=8, n_frames=2)))
    config = TrainConfig(latent_dim=48, width=32)
    rows = np.random.default_rng(0).choice(shapes.sequence.size, TRAINED)

    def drawn() -> Batch:
        return draw_batch(shapes, rows, config.augment, np.random.default_rng(1))

    batch = drawn()
    on_device = Batch(**{name: value.to(DEVICE) for name, value in vars(batch).items()})
    random = torch.Generator(DEVICE).manual_seed(0)
    classes = torch.zeros(TRAINED, N_CLASSES, SIZE, SIZE, device=DEVICE)
    classes.scatter_(1, torch.randint(N_CLASSES, (TRAINED, 1, SIZE, SIZE), device=DEVICE), 1)
    cases = []
    for how, layout in (
        ("plain", torch.contiguous_format),
        ("channels-last", torch.channels_last),
    ):
        ours, peer = build_model(DEFAULT_MODEL, 48, 32), PeerVAE()
        for network in (ours, peer):
            network.train().to(DEVICE, memory_format=layout)  # type: ignore[call-overload]
        step = _step(ours, lambda n=ours: objective(n, on_device, config.objective, random)[0])
        cases.append(Case("train", "ours", how, step, TRAINED))
        if how == "channels-last" and not CUDA:
            cases.append(
                Case("train", "ours", "with its batch drawn", _both(drawn, step), TRAINED)
            )
        laid = classes.contiguous(memory_format=layout)
        loss = _step(peer, lambda n=peer, c=laid: peer_loss(n, c, on_device.attributes))
        cases.append(Case("train", "published", how, loss, TRAINED))
    for case in cases:
        case.flop = flop_per_frame(case.work, case.frames)
    return cases


def _both(first: Callable[[], object], second: Callable[[], object]) -> Callable[[], object]:
    return lambda: (first(), second())


def _step(network: nn.Module, loss: Callable[[], Tensor]) -> Callable[[], object]:
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        loss().backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return step


def labels_cases(prior: ShapePrior, peer: nn.Module, frames: NDArray[np.uint8]) -> list[Case]:
    """From label maps (H, W, T) to label maps and all that takes, as `cardiovae correct` does."""
    placement = place(frames, SPACING)
    assert placement is not None
    last = plain(peer, torch.channels_last)

    def ours() -> object:
        shares, inside = to_canvas(frames, placement)
        codes, _ = encode(prior.network, shares, inside, STRUCTURES)
        return compose(native_distances(decode(prior.network, codes), placement), STRUCTURES)

    def published() -> object:
        maps = torch.from_numpy(np.moveaxis(frames, 2, 0).astype(np.int64)) % N_CLASSES
        one_hot = torch.nn.functional.one_hot(maps, N_CLASSES).permute(0, 3, 1, 2).float()
        with torch.no_grad():
            return last.decode(last.encode(one_hot.to(DEVICE)).mu).argmax(1).cpu()  # type: ignore[operator]

    n = frames.shape[2]
    return [
        Case("labels", "ours", "as shipped", ours, n),
        Case("labels", "published", "channels-last", published, n),
    ]


def drawn_frames() -> NDArray[np.uint8]:
    """Label maps of a drawn heart, shape (256, 256, T)."""
    parameters = draw_parameters(np.random.default_rng(7), "A4C")
    labels = draw_heart(parameters, n_frames=CINE, spacing_mm=SPACING).sequence.labels
    room = [max(SIZE - n, 0) for n in labels.shape[:2]]
    return np.pad(labels, ((0, room[0]), (0, room[1]), (0, 0)))[:SIZE, :SIZE]


def limit() -> float:
    """Most floating point operations per second that plain large work reaches here, in float32.

    The faster of a matrix product and a convolution: each is a library of its own, and on some
    processors the former leaves half of the units idle.
    """
    a, b = (torch.randn(MATRIX, MATRIX, device=DEVICE) for _ in range(2))
    wide = nn.Conv2d(WIDE, WIDE, 3, padding=1, bias=False).requires_grad_(False)
    wide.to(DEVICE, memory_format=torch.channels_last)  # type: ignore[call-overload]
    maps = torch.randn(CINE, WIDE, 64, 64, device=DEVICE)
    maps = maps.contiguous(memory_format=torch.channels_last)
    works = (
        (lambda: a @ b, 2 * MATRIX**3),
        (lambda: wide(maps), 2 * 9 * WIDE**2 * maps[:, 0].numel()),
    )
    return max(
        flop / float(np.median([elapsed(work) for _ in range(4)][1:])) for work, flop in works
    )


def main() -> None:
    """Measure, print, write the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--skip", nargs="*", default=[], choices=["compile", "onnx"])
    parser.add_argument("--out", type=Path, default=PAGE)
    options = parser.parse_args()
    if not CUDA:
        torch.set_num_threads(1)
    torch.manual_seed(0)
    at = commit()
    skip = set(options.skip)
    notes = missing(skip)
    prior, peer = load_prior("camus", device=DEVICE.type), PeerVAE()
    inputs = {
        "ours": {
            "encode": torch.rand(CINE, 7, 128, 96, device=DEVICE),
            "decode": torch.from_numpy(prior.codes[:CINE]).float().to(DEVICE),
        },
        "published": {
            "encode": torch.rand(CINE, N_CLASSES, SIZE, SIZE, device=DEVICE),
            "decode": torch.randn(CINE, LATENT_DIM, device=DEVICE),
        },
    }
    cases = labels_cases(prior, peer.eval(), drawn_frames())
    for case in cases:
        case.work()
    for whose, network in (("ours", prior.network), ("published", peer)):
        cases += inference_cases(whose, network, inputs[whose], skip)
    cases += training_cases()  # counting operations and comparing results has warmed them up
    limits = []
    for number in range(options.repeats):
        limits.append(limit())
        for case in cases:
            case.ms.append(1000 * elapsed(case.work) / case.frames)
        print(f"round {number + 1} of {options.repeats}", flush=True)
    for case in cases:
        print(f"{case.what:8} {case.whose:10} {case.how:22} {case.per_second:9.1f} frames/s")
    sizes = {
        whose: sum(p.numel() for p in network.parameters())
        for whose, network in (("ours", prior.network), ("published", peer))
    }
    facts = {
        "commit": at,
        "machine": torch.cuda.get_device_name() if CUDA else f"{machine()}, one thread",
        "cuda": CUDA,
        "versions": f"torch {torch.__version__}, python {sys.version.split()[0]}",
        "limit": max(limits),
        "sizes": sizes,
        "frames": (CINE, TRAINED),
        "repeats": options.repeats,
        "dice": {k: v for k, v in prior.provenance["test"].items() if k.startswith("dice_")},
    }
    write_page(options.out, cases, facts, notes)


if __name__ == "__main__":
    main()
