"""Where work runs: in this process, in a pool of processes, or on Dask workers.

All three are executors as of `concurrent.futures`: work is submitted, a future comes back. What
the work returns does not depend on which one runs it.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, ParamSpec, TypeVar

from cardiovae.errors import ConfigError

P = ParamSpec("P")
T = TypeVar("T")
EngineName = Literal["serial", "processes", "dask"]
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")


@dataclass(frozen=True)
class Engine:
    """How to run a batch.

    Args:
        name: "serial", "processes" or "dask".
        n_workers: Processes at work, 1 or more; of a running Dask scheduler, as many batches as
            are asked for at a time.
        scheduler: Address of a running Dask scheduler; None starts one here, with `n_workers`.

    Raises:
        ConfigError: No worker, or a scheduler for an engine that has none.
    """

    name: EngineName
    n_workers: int = 1
    scheduler: str | None = None

    def __post_init__(self) -> None:
        if self.n_workers < 1:
            raise ConfigError(f"--workers: at least 1, got {self.n_workers}")
        if self.scheduler is not None and self.name != "dask":
            raise ConfigError(
                f"--scheduler {self.scheduler}: only --engine dask has one; got --engine "
                f"{self.name}"
            )


class SerialExecutor(Executor):
    """Runs what is submitted at once, in this process."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """The future of a call that is over."""
        future: Future[T] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 (a future carries any error to who asks for it)
            future.set_exception(error)
        return future


Opener = Callable[[], Executor]
"""Makes a fresh executor; the one before it may have broken."""


@contextmanager
def opened(engine: Engine) -> Iterator[Opener]:
    """What makes executors for an engine; scheduler and workers of Dask close with the block.

    Raises:
        ConfigError: Dask is not installed, or its scheduler does not answer.
    """
    if engine.name == "serial":
        yield SerialExecutor
    elif engine.name == "processes":
        yield lambda: _pool(engine.n_workers)
    else:
        with _dask_client(engine) as client:
            yield lambda: client.get_executor(pure=False)


def close(executor: Executor) -> None:
    """End an executor; what was submitted and has not begun is not begun any more."""
    if isinstance(executor, ProcessPoolExecutor):
        executor.shutdown(cancel_futures=True)
    else:  # Dask's has no such option: there, not to wait means to cancel
        executor.shutdown(wait=False)


def n_cpus() -> int:
    """Processors that this process may use: under SLURM fewer than the machine has."""
    return (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )


def _pool(n_workers: int) -> Executor:
    # Spawned, not forked: a fork copies locks of threads that do not exist in the copy.
    context = multiprocessing.get_context("spawn")
    for name in THREADS:  # the workers inherit it; they are many already
        os.environ.setdefault(name, "1")
    return ProcessPoolExecutor(n_workers, mp_context=context, initializer=_ignore_interrupt)


def _ignore_interrupt() -> None:
    """Ctrl-C is for the process that started the pool; it ends its workers in order."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def _dask_client(engine: Engine) -> Iterator[Any]:
    """A client of the scheduler that is asked for, or of one of our own."""
    try:
        distributed: Any = importlib.import_module("distributed")
    except ImportError as error:
        raise ConfigError(
            "--engine dask: Dask distributed is not installed; install 'cardiovae[dask]', or take "
            "--engine processes"
        ) from error
    for name in THREADS:
        os.environ.setdefault(name, "1")
    if engine.scheduler is None:
        with (
            distributed.LocalCluster(
                n_workers=engine.n_workers, threads_per_worker=1, dashboard_address=":0"
            ) as cluster,
            distributed.Client(cluster) as client,
        ):
            yield client
        return
    try:
        client = distributed.Client(engine.scheduler, timeout=10)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"--scheduler {engine.scheduler}: no Dask scheduler answers there ({error}); give "
            "its address as 'dask scheduler' prints it, such as tcp://node1:8786"
        ) from error
    with client:
        yield client
