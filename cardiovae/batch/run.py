"""The loop over many items: in order, with flat memory, and without losing one.

Whatever an item does, it ends in a result of its own. An item whose worker dies is tried once
more, alone; if its worker dies again, that is its result.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future
from dataclasses import dataclass
from typing import TypeVar, overload

from cardiovae.batch.engines import Engine, close, opened

Item = TypeVar("Item")
Result = TypeVar("Result")
AHEAD = 2
"""Batches per worker that are submitted before the first is awaited."""


@dataclass(frozen=True)
class Made(Sequence[Item]):
    """Items that are made when they are asked for: memory holds what they are made of.

    Args:
        places: What `make` is called with, in the order of the items.
        make: Makes an item.
    """

    places: range
    make: Callable[[int], Item]

    def __len__(self) -> int:
        return len(self.places)

    @overload
    def __getitem__(self, at: int) -> Item: ...
    @overload
    def __getitem__(self, at: slice) -> Made[Item]: ...
    def __getitem__(self, at: int | slice) -> Item | Made[Item]:
        """An item, or some of them, not made yet."""
        if isinstance(at, slice):
            return Made(self.places[at], self.make)
        return self.make(self.places[at])


def run_items(
    work: Callable[[Item], Result],
    items: Sequence[Item],
    lost: Callable[[Item, str], Result],
    engine: Engine,
    *,
    batch: int = 16,
) -> Iterator[Result]:
    """The result of every item, in their order, as they come.

    Args:
        work: Makes the result of an item; importable and picklable for other processes.
        items: What to work on; each is asked for when its turn comes, see `Made`.
        lost: Makes the result of an item whose worker died twice, from the reason.
        engine: Where to run.
        batch: Items that go to a worker at a time: as many as make the way worth while.

    Raises:
        Exception: What `work` raises; it should not.
    """
    pieces = deque(range(i, min(i + batch, len(items))) for i in range(0, len(items), batch))
    with opened(engine) as fresh:
        while pieces:
            executor = fresh()
            try:
                yield from _until_broken(work, items, pieces, executor, AHEAD * engine.n_workers)
            finally:
                close(executor)
            for _ in range(min(len(pieces), AHEAD * engine.n_workers)):  # were perhaps at work
                for i in pieces.popleft():
                    yield _alone(work, items[i], lost, fresh)


def _until_broken(
    work: Callable[[Item], Result],
    items: Sequence[Item],
    pieces: deque[range],
    executor: Executor,
    ahead: int,
) -> Iterator[Result]:
    """Results of pieces, which are taken off as they are done, until a worker dies or all are."""
    waiting: deque[Future[list[Result]]] = deque()
    try:
        while pieces:
            while len(waiting) < min(ahead, len(pieces)):
                piece = [items[i] for i in pieces[len(waiting)]]
                waiting.append(executor.submit(_each, work, piece))
            done = waiting[0].result()
            waiting.popleft()
            pieces.popleft()
            yield from done
    except _died():
        return


def _alone(
    work: Callable[[Item], Result],
    item: Item,
    lost: Callable[[Item, str], Result],
    fresh: Callable[[], Executor],
) -> Result:
    """The result of one item that has an executor for itself."""
    executor = fresh()
    try:
        return executor.submit(_each, work, [item]).result()[0]
    except _died() as error:
        return lost(
            item,
            "the worker process died on it, twice: killed, out of memory, or crashed "
            f"({type(error).__name__})",
        )
    finally:
        close(executor)


def _each(work: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    return [work(item) for item in items]


def _died() -> tuple[type[BaseException], ...]:
    """What futures raise when their worker is gone; Dask's own error where Dask is in use."""
    distributed = sys.modules.get("distributed")
    dead: tuple[type[BaseException], ...] = (BrokenExecutor, CancelledError)
    return dead if distributed is None else (*dead, distributed.scheduler.KilledWorker)
