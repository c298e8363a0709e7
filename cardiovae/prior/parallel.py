"""Several processes that train as one, each with its share of every batch (`torchrun`).

Every process draws the whole batch and computes the whole objective, so that whatever looks at
several items at once (soft Dice, pairs of attributes, noise) is what one process would get, and no
model has to know. What takes the time, the convolutions, runs on a process's share of the items
alone, between `share` and `gathered`; batch normalization there uses the whole batch's statistics.

Why the gradients are right. Let L be the loss and R the number of processes. A value is either
whole, the same on every process, or shared, each process holding some of its rows. By convention
the gradient of a whole value is dL/dvalue, and that of a shared value is R dL/drows. So `gathered`
passes back R times the rows of its gradient, and `share` 1/R of the rows put together: each is the
other's derivative, and second derivatives hold too. Weights that act on whole values then have
dL/dw on every process. Those that act on rows have R times what these rows contribute, and the
contributions add up to dL/dw. In both cases the mean over processes is dL/dw.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed, nn

from cardiovae.errors import ConfigError

Value = TypeVar("Value")

PATIENCE = timedelta(hours=2)  # the first process judges and writes while the others wait


@contextmanager
def processes(device: torch.device) -> Iterator[None]:
    """Work as one of the processes that torchrun started; alone where it started none."""
    if not _started_with_others() or n_processes() > 1:
        yield
        return
    backend = "nccl" if device.type == "cuda" else "gloo"
    distributed.init_process_group(backend, timeout=PATIENCE)
    try:
        yield
    finally:
        distributed.destroy_process_group()


def n_processes() -> int:
    """How many processes train together; 1 where there is no group."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def is_first() -> bool:
    """Whether this process is the one that writes and speaks.

    As torchrun says, so that it is known before the processes have met.
    """
    return not _started_with_others() or os.environ.get("RANK", "0") == "0"


def _started_with_others() -> bool:
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


def from_first(make: Callable[[], Value]) -> Value:
    """What `make` gives on the first process, on all of them; they wait for each other."""
    if n_processes() == 1:
        return make()
    found: list[Any] = [make() if is_first() else None]
    distributed.broadcast_object_list(found)
    value: Value = found[0]
    return value


def check_shares(batch_size: int) -> None:
    """Raise ConfigError if a batch has too few items for every process to get one."""
    if batch_size < n_processes():
        raise ConfigError(
            f"train.batch_size is {batch_size}: {n_processes()} processes need at least one item "
            "each; start fewer, or give larger batches"
        )


def share(whole: Tensor) -> Tensor:
    """This process's rows of a tensor that all have, shape (n, ...)."""
    found: Tensor = _Share.apply(whole)  # type: ignore[no-untyped-call]
    return found


def gathered(rows: Tensor, n: int) -> Tensor:
    """The `n` rows of all processes, in their order, shape (n, ...)."""
    found: Tensor = _Gathered.apply(rows, n)  # type: ignore[no-untyped-call]
    return found


def spread(network: nn.Module, trunks: tuple[str, ...]) -> None:
    """Let the modules `trunks` of a network work on shares from now on; the weights stay."""
    if n_processes() == 1:
        return
    for name in trunks:
        trunk = network.get_submodule(name)
        for module in trunk.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.forward = partial(_normalized, module)  # type: ignore[method-assign]
        trunk.forward = partial(_in_shares, trunk.forward)


def average_gradients(network: nn.Module) -> None:
    """The mean over processes of the gradients, which is that of the whole batch (see above)."""
    if n_processes() == 1:
        return
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    together = torch.cat([gradient.reshape(-1) for gradient in gradients])
    distributed.all_reduce(together)
    together /= n_processes()
    means = torch.split(together, [g.numel() for g in gradients])
    for gradient, mean in zip(gradients, means, strict=True):
        gradient.copy_(mean.view(gradient.shape))


def _rows(n: int) -> slice:
    """Which of `n` rows are this process's."""
    rank, size = distributed.get_rank(), distributed.get_world_size()
    return slice(n * rank // size, n * (rank + 1) // size)


def _in_shares(forward: Callable[[Tensor], Tensor], whole: Tensor) -> Tensor:
    return gathered(forward(share(whole)), len(whole))


class _Share(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, whole: Tensor) -> Tensor:
        ctx.n = len(whole)
        return whole[_rows(ctx.n)].clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gathered(gradient, ctx.n) / n_processes()


class _Gathered(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, n: int) -> Tensor:
        # A sum with zeros for the others' rows: shares may differ in size by one.
        whole = rows.new_zeros((n, *rows.shape[1:]))
        whole[_rows(n)] = rows
        distributed.all_reduce(whole)
        return whole

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return share(gradient) * n_processes(), None


class _Total(torch.autograd.Function):
    """Sum over processes of shared values; all use it, so their gradients add up too."""

    @staticmethod
    def forward(ctx: Any, part: Tensor) -> Tensor:
        total = part.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        found: Tensor = _Total.apply(gradient.contiguous())  # type: ignore[no-untyped-call]
        return found


def _normalized(norm: nn.BatchNorm2d, maps: Tensor) -> Tensor:
    """Batch normalization by the statistics of all processes' rows (N, C, H, W).

    torch's own `SyncBatchNorm` runs on GPUs alone and has no second derivative.
    """
    if not norm.training:
        return nn.BatchNorm2d.forward(norm, maps)
    values = maps.to(torch.promote_types(maps.dtype, torch.float32))
    n_values = values.new_tensor([values.numel() / values.shape[1]])
    sums = _total(torch.cat([values.sum((0, 2, 3)), n_values]))
    count = sums[-1].detach()
    mean = sums[:-1] / count
    centered = values - mean[:, None, None]
    variance = _total(centered.square().sum((0, 2, 3))) / count
    _follow(norm, mean.detach(), variance.detach() * count / (count - 1))
    scale = norm.weight * torch.rsqrt(variance + norm.eps)
    return (centered * scale[:, None, None] + norm.bias[:, None, None]).to(maps.dtype)


def _total(part: Tensor) -> Tensor:
    found: Tensor = _Total.apply(part)  # type: ignore[no-untyped-call]
    return found


def _follow(norm: nn.BatchNorm2d, mean: Tensor, variance: Tensor) -> None:
    """Move the running statistics, as torch does."""
    assert norm.running_mean is not None  # all our layers have them
    assert norm.running_var is not None
    assert norm.num_batches_tracked is not None
    assert norm.momentum is not None
    with torch.no_grad():
        norm.running_mean.lerp_(mean, norm.momentum)
        norm.running_var.lerp_(variance, norm.momentum)
        norm.num_batches_tracked += 1
