"""The command line: one module per verb, exit codes, and the only place that prints.

Verbs import what they need when they run, so that `--help` and `audit` never load a network.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence

import typer

from cardiovae.cli.app import app
from cardiovae.cli.exits import ExitCode
from cardiovae.errors import CardiovaeError

DEBUG = "--debug"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: What follows the program's name; None = those of the process.

    Returns:
        The exit code, see `ExitCode`. Nothing is raised, whatever happens.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    words = [word for word in given if word != DEBUG]
    try:
        code = ExitCode(app(words, prog_name="cardiovae", standalone_mode=False) or ExitCode.OK)
    except SystemExit:  # typer's answer when the reader of our output has gone
        return ExitCode.INTERRUPTED
    except typer.TyperException as error:
        message = f"{error.format_message()} See '{_help_command(words)}'."
        return _failed(message, ExitCode.USAGE, error if DEBUG in given else None)
    except CardiovaeError as error:
        return _failed(str(error), ExitCode.USAGE, error if DEBUG in given else None)
    except Exception as error:  # noqa: BLE001 (the one place: a bug ends in a message and code 1)
        message = f"internal error: {type(error).__name__}: {error}"
        if DEBUG not in given:
            message += f"; please report it with what {DEBUG} shows"
        return _failed(message, ExitCode.INTERNAL, error if DEBUG in given else None)
    if code is ExitCode.INTERRUPTED:
        sys.stderr.write("interrupted\n")
    return code


def _failed(message: str, code: ExitCode, error: Exception | None) -> ExitCode:
    """Say what happened, and where if `error` is given."""
    if error is not None:
        traceback.print_exception(error)
    sys.stderr.write(f"error: {message}\n")
    return code


def _help_command(words: Sequence[str]) -> str:
    """How to ask for help on what was typed."""
    found, here = ["cardiovae"], app
    for word in words:
        verbs = {
            command.callback.__name__ for command in here.registered_commands if command.callback
        }
        groups = {group.name: group.typer_instance for group in here.registered_groups}
        if word not in verbs | groups.keys():
            break
        found.append(word)
        here = groups.get(word) or typer.Typer()
    return " ".join([*found, "--help"])
