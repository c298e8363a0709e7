"""Many inputs, one after another: what was meant, what came of each, and the exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from cardiovae.cli.exits import ExitCode
from cardiovae.cli.screen import Screen
from cardiovae.errors import CardiovaeError

if TYPE_CHECKING:
    from cardiovae.manifest.inputs import Input

STANDARD_INPUT = "-"


@dataclass(frozen=True)
class Cases:
    """The files that arguments name, and the arguments that name none.

    Args:
        paths: Files, sorted, each once.
        unmatched: Each argument that cannot be used, and why.
        remarks: What the search left out or took together, a line each.
        known: What a manifest says about some of the paths.
    """

    paths: tuple[Path, ...]
    unmatched: tuple[tuple[str, str], ...] = ()
    remarks: tuple[str, ...] = ()
    known: Mapping[Path, Input] = field(default_factory=dict)


@dataclass(frozen=True)
class Tally:
    """What came of the inputs.

    Args:
        met: Cases that meet the condition of the verb, such as passing the audit.
        unmet: Cases that do not.
        failed: Cases that could not be processed.
        unmatched: Arguments that named no case.
    """

    met: int = 0
    unmet: int = 0
    failed: int = 0
    unmatched: int = 0

    def with_result(self, good: bool | None) -> Tally:
        """With one more case: whether it meets the condition, None = could not be processed."""
        return replace(
            self,
            met=self.met + (good is True),
            unmet=self.unmet + (good is False),
            failed=self.failed + (good is None),
        )

    def exit_code(self, *, gate: bool, limit: float | None = None) -> ExitCode:
        """The exit code of the run.

        A failure outranks an unmet condition: what that file would have said is not known.

        Args:
            gate: Whether a single unmet condition counts.
            limit: Share of unmet conditions above which they count all the same.
        """
        if not self.met + self.unmet + self.failed:
            return ExitCode.NOTHING_MATCHED
        if self.failed or self.unmatched:
            return ExitCode.SOME_FAILED
        share = self.unmet / (self.met + self.unmet)
        if (gate and self.unmet) or (limit is not None and share > limit):
            return ExitCode.GATE
        return ExitCode.OK


def find_cases(
    arguments: Sequence[str],
    *,
    results: bool,
    manifests: bool = False,
    root: Path | None = None,
    allow_outside: bool = False,
) -> Cases:
    """The label map files that `arguments` name.

    Args:
        arguments: Files, folders or patterns; `-` reads more of them from standard input.
        results: Whether folders and patterns find corrected labels too. Uncertainty maps beside
            them are never found: they are no label maps. A file named in full always counts.
        manifests: Whether an argument may be a manifest, which names files and describes them.
        root: The folder that the paths of manifests are relative to; None = that of each.
        allow_outside: Whether paths of manifests may lead out of that folder.

    Raises:
        ConfigError: A manifest that breaks a rule.
    """
    from cardiovae.manifest.inputs import gather_inputs

    names, unmatched = list(arguments), []
    if STANDARD_INPUT in names:
        piped = _standard_input()
        names = [name for name in names if name != STANDARD_INPUT] + piped
        if not piped:
            unmatched.append((STANDARD_INPUT, "standard input names no file; pipe paths into it"))
    found = gather_inputs(
        names, results=results, manifests=manifests, root=root, allow_outside=allow_outside
    )
    return Cases(
        tuple(item.path for item in found.inputs),
        (*found.unmatched, *unmatched),
        found.remarks,
        {item.path: item for item in found.inputs if item.sequence_id is not None},
    )


def _standard_input() -> list[str]:
    """The arguments that stand on standard input, one per line or separated by NUL."""
    content = sys.stdin.buffer.read()
    parts = content.split(b"\0") if b"\0" in content else content.splitlines()
    return [os.fsdecode(part) for part in parts if part.strip()]


def report_unmatched(cases: Cases, screen: Screen) -> None:
    """Report the arguments that name no case, and what should be known about the search."""
    for remark in cases.remarks:
        screen.note(remark)
    for argument, message in cases.unmatched:
        screen.fail(argument, message)


def source_name(path: Path) -> str:
    """What an input is called in results: its path, with bytes that are no UTF-8 escaped.

    Examples:
        >>> source_name(Path("a/x.nii.gz"))
        'a/x.nii.gz'
    """
    return str(path).encode("utf-8", "backslashreplace").decode()


def run_cases(cases: Cases, work: Callable[[Path], bool], screen: Screen, *, title: str) -> Tally:
    """Do `work` on each case; one that fails is reported and never stops the others.

    Args:
        cases: What `find_cases` found.
        work: Returns whether the condition of the verb is met; raises CardiovaeError when the
            case cannot be processed.
        screen: Where failures are reported.
        title: What is being done, for the progress bar.
    """
    report_unmatched(cases, screen)
    met = unmet = failed = 0
    for path in screen.progress(cases.paths, title, len(cases.paths)):
        try:
            good = work(path)
        except CardiovaeError as error:
            screen.fail(str(path), str(error))
            failed += 1
        else:
            met, unmet = met + good, unmet + (not good)
    return Tally(met, unmet, failed, len(cases.unmatched))
