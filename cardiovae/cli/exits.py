"""Exit codes: a contract with scripts, the same for every verb.

`docs/how-to/exit-codes.md` explains them; the meanings below close `cardiovae --help`.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What the command line returns to the shell."""

    OK = 0
    INTERNAL = 1
    USAGE = 2
    GATE = 3
    SOME_FAILED = 4
    NOTHING_MATCHED = 5
    INTERRUPTED = 130


MEANINGS = {
    ExitCode.OK: "done, and what was asked for holds",
    ExitCode.INTERNAL: "internal error: a bug, please report it",
    ExitCode.USAGE: "usage or configuration",
    ExitCode.GATE: "audit or manifest not passed, or a sequence could not be corrected",
    ExitCode.SOME_FAILED: "some files could not be read or processed, the others are done",
    ExitCode.NOTHING_MATCHED: "nothing matched",
    ExitCode.INTERRUPTED: "interrupted",
}
"""Meaning of each code in a few words."""
