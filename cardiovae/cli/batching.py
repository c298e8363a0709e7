"""Options of batches that `audit` and `correct` share, and what their texts mean."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

import typer

from cardiovae.batch.engines import Engine, EngineName, n_cpus
from cardiovae.batch.run import run_items
from cardiovae.cli.options import OUTPUT
from cardiovae.cli.screen import Screen
from cardiovae.errors import ConfigError

if TYPE_CHECKING:
    from cardiovae.cli.auditing import Done, Task

Item = TypeVar("Item")
BATCH = "Many files"
FEW = 32
"""Up to this many files one process is as fast as several, which have to start first."""
AT_A_TIME = {"serial": 1, "processes": 16, "dask": 64}
"""Audits that go to a worker at a time: what sending them costs is little then."""

Workers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        "-j",
        metavar="N",
        min=1,
        rich_help_panel=BATCH,
        help="Processes at work. Default: all processors where there are many files.",
    ),
]
EngineOption = Annotated[
    Literal["serial", "processes", "dask"] | None,
    typer.Option(
        "--engine",
        rich_help_panel=BATCH,
        help="Where work runs: in this process, in processes here (the default for many files), "
        "or on Dask workers (extra 'dask'). The results are the same to the byte.",
    ),
]
Scheduler = Annotated[
    str | None,
    typer.Option(
        "--scheduler",
        metavar="ADDRESS",
        rich_help_panel=BATCH,
        help="Running Dask scheduler, such as tcp://node1:8786. Default: one is started here.",
    ),
]
Shard = Annotated[
    str | None,
    typer.Option(
        "--shard",
        metavar="I/N",
        rich_help_panel=BATCH,
        help="Do part I of N of the files, such as 3/8, one part per job of an array; "
        "'cardiovae report' puts the parts together.",
    ),
]
MaxImplausible = Annotated[
    str | None,
    typer.Option(
        "--max-implausible",
        metavar="SHARE",
        help="Exit with 3 when more than this share of the files, such as 5%, does not pass.",
    ),
]
Pages = Annotated[
    Literal["flagged", "all", "none"],
    typer.Option(
        rich_help_panel=OUTPUT,
        help="Which files get a page of their own in the report: those that do not pass, all "
        "or none.",
    ),
]
Junit = Annotated[
    Path | None,
    typer.Option(
        "--junit",
        metavar="FILE.xml",
        rich_help_panel=OUTPUT,
        help="Write the verdicts as JUnit XML as well, for continuous integration.",
    ),
]


def engine_for(
    name: EngineName | None,
    workers: int | None,
    scheduler: str | None,
    n_items: int,
    *,
    few: int = FEW,
) -> Engine:
    """The engine that the options ask for; processes for more than a `few` items by default.

    Raises:
        ConfigError: Options that do not go together.
    """
    if name is None:
        name = "dask" if scheduler else "serial"
        if not scheduler and (workers or (n_cpus() if n_items > few else 1)) > 1:
            name = "processes"
    if name == "serial" and (workers or 1) > 1:
        raise ConfigError(
            f"--workers {workers}: --engine serial is one process; take --engine processes"
        )
    return Engine(name, workers or (1 if name == "serial" else n_cpus()), scheduler)


def parse_shard(text: str) -> tuple[int, int]:
    """The part I and the number of parts N.

    Raises:
        ConfigError: Not of the form I/N with 1 <= I <= N.

    Examples:
        >>> parse_shard("3/8")
        (3, 8)
    """
    match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text.strip())
    part, parts = (int(number) for number in match.groups()) if match else (0, 0)
    if not 1 <= part <= parts:
        raise ConfigError(f"--shard {text}: expected I/N with 1 <= I <= N, such as 3/8")
    return part, parts


def shard_of(items: Sequence[Item], part: int, parts: int) -> Sequence[Item]:
    """Every N-th item from the I-th on: the parts are about as large, and as hard.

    Examples:
        >>> [shard_of("abcde", i, 2) for i in (1, 2)]
        ['ace', 'bd']
    """
    return items[part - 1 :: parts]


def parse_share(option: str, text: str) -> float:
    """A share such as `5%` or `0.05`.

    Raises:
        ConfigError: No number from 0 to 1, or from 0 % to 100 %.

    Examples:
        >>> parse_share("--max-implausible", "5%"), parse_share("--max-implausible", "0.2")
        (0.05, 0.2)
    """
    try:
        share = float(text.strip().removesuffix("%")) / (100 if text.strip().endswith("%") else 1)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise ConfigError(f"{option} {text}: expected a share such as 5% or 0.05")
    return share


@dataclass(frozen=True)
class Batch:
    """How a verb works through its inputs.

    Args:
        work: What is done with each.
        engine: Where.
        screen: Where errors and progress are shown.
        title: What is being done, for the progress bar.
        size: Inputs that go to a worker at a time; None = as many as suit audits.
        stands: Whether the results of an input, by its source, that was done before are all there.
    """

    work: Callable[[Task], Done]
    engine: Engine
    screen: Screen
    title: str
    size: int | None = None
    stands: Callable[[str], bool] = lambda source: True

    def done(self, tasks: Sequence[Task]) -> Iterator[Done]:
        """What came of every task, in their order; errors have been shown."""
        from cardiovae.cli.auditing import failed

        size = self.size or AT_A_TIME[self.engine.name]
        results = run_items(self.work, tasks, failed, self.engine, batch=size)
        for done in self.screen.progress(results, self.title, len(tasks)):
            if done.error:
                self.screen.fail(done.source, done.error)
            yield done
