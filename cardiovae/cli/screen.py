"""What a person sees and what a program reads: text, records, errors and progress."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

Item = TypeVar("Item")

PIPE_COLUMNS = 200
"""Width of tables that go into a file or a pipe, where nothing has to be wrapped."""


class Steps(Protocol):
    """What long work calls as it goes on."""

    def __call__(self, done: int, total: int, note: str = "") -> None:
        """Say how far it is."""


class Screen:
    """Where one run of a verb writes.

    With `json`, standard output carries records only, one JSON object per line, and everything
    for people goes to standard error. Without, people read standard output and records are not
    written. Errors always go to standard error. Colors and progress appear on terminals only,
    and rich heeds NO_COLOR.

    Args:
        json: Whether standard output is for a program.
    """

    def __init__(self, *, json: bool = False) -> None:
        self.json = json
        self._bar: Console | None = None

    @property
    def width(self) -> int:
        """Columns that text for people can have."""
        return self._console(stderr=self.json).width

    def say(self, what: RenderableType = "") -> None:
        """Show text or a table to people."""
        self._console(stderr=self.json).print(what, soft_wrap=isinstance(what, str))

    def note(self, message: str) -> None:
        """Tell people what happened besides, never a program."""
        self._console(stderr=True).print(f"note: {message}", soft_wrap=True)

    def fail(self, source: str, message: str) -> None:
        """Report what went wrong with one input; the record names it too."""
        self._console(stderr=True).print(f"error: {message}", soft_wrap=True)
        self.record({"source": source, "error": message})

    def record(self, content: dict[str, Any]) -> None:
        """Write a record for programs: one line of strictly valid JSON."""
        if self.json:
            self.line(json.dumps(content, allow_nan=False))

    def line(self, text: str) -> None:
        """Write a record that is JSON already."""
        if self.json:
            sys.stdout.write(f"{text}\n")
            sys.stdout.flush()

    def progress(self, items: Iterable[Item], title: str, total: int) -> Iterator[Item]:
        """Go through `items` with a bar, rate and time left on standard error, if a terminal."""
        if not sys.stderr.isatty():
            yield from items
            return
        from rich.progress import Progress

        console = self._console(stderr=True)
        # rich would otherwise catch what is printed to a redirected standard output
        with Progress(
            *Progress.get_default_columns(),
            "{task.fields[rate]}",
            console=console,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        ) as bar:
            self._bar = console
            task = bar.add_task(title, total=total, rate="")
            try:
                for item in items:
                    yield item
                    speed = bar.tasks[0].speed
                    rate = "" if speed is None else f"{speed:.1f} files/s"
                    bar.update(task, advance=1, rate=rate)
            finally:
                self._bar = None

    @contextmanager
    def steps(self, title: str) -> Iterator[Steps]:
        """A function to call with steps done, steps in all and a note, as the work goes on.

        It moves a bar on standard error; where that is no terminal, it writes a line after each
        tenth of the work.
        """
        console = self._console(stderr=True)
        if not sys.stderr.isatty():
            yield _Lines(console, title)
            return
        from rich.progress import Progress

        with Progress(
            *Progress.get_default_columns(),
            "{task.fields[rate]}",
            "{task.fields[note]}",
            console=console,
            transient=True,
        ) as bar:
            task = bar.add_task(title, total=None, rate="", note="")

            def advance(done: int, total: int, note: str = "") -> None:
                speed = bar.tasks[0].speed
                rate = "" if speed is None else f"{speed:.2g}/s"
                bar.update(task, completed=done, total=total, rate=rate, note=note)

            yield advance

    def _console(self, *, stderr: bool) -> Console:
        """A console on one of the two streams; the bar's own where they share a terminal."""
        from rich.console import Console

        stream = sys.stderr if stderr else sys.stdout
        terminal = stream.isatty()
        if self._bar is not None and terminal:
            return self._bar
        return Console(
            stderr=stderr,
            highlight=False,
            markup=False,
            emoji=False,
            width=None if terminal else PIPE_COLUMNS,
        )


class _Lines:
    """Progress of long work in a log file."""

    def __init__(self, console: Console, title: str) -> None:
        self._console, self._title, self._tenths = console, title, 0

    def __call__(self, done: int, total: int, note: str = "") -> None:
        tenths = 10 * done // max(total, 1)
        if tenths > self._tenths:
            self._tenths = tenths
            text = f"{self._title}: {done} of {total}" + (f" ({note})" if note else "")
            self._console.print(text, soft_wrap=True)
