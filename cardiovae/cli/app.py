"""The command `cardiovae` and its verbs."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption

from cardiovae import __version__
from cardiovae.cli.audit import audit
from cardiovae.cli.bank import bank
from cardiovae.cli.bundle import bundle, export
from cardiovae.cli.convert import convert
from cardiovae.cli.correct import correct
from cardiovae.cli.demo import demo
from cardiovae.cli.evaluate import evaluate
from cardiovae.cli.exits import MEANINGS, ExitCode
from cardiovae.cli.explore import explore
from cardiovae.cli.indices import indices
from cardiovae.cli.info import info
from cardiovae.cli.manifest import build, manifest, verify
from cardiovae.cli.population import population
from cardiovae.cli.report import report
from cardiovae.cli.train import train
from cardiovae.cli.uncertainty import uncertainty
from cardiovae.cli.uncertainty_evaluate import evaluate as uncertainty_evaluate
from cardiovae.cli.uncertainty_train import train as uncertainty_train

EPILOG = (
    "Exit codes: " + "; ".join(f"{code.value} {text}" for code, text in MEANINGS.items()) + "."
)
Verbs = tuple[Callable[..., ExitCode], ...]
SETTINGS = {"help_option_names": ["-h", "--help"]}


class _Verb(TyperCommand):
    """A verb whose help shows flags as flags."""

    def get_params(self, ctx: Any) -> list[Any]:
        return _without_type_of_flags(super().get_params(ctx))


class _Verbs(TyperGroup):
    """All verbs; the same for the flags before them."""

    def get_params(self, ctx: Any) -> list[Any]:
        return _without_type_of_flags(super().get_params(ctx))


def _without_type_of_flags(params: list[Any]) -> list[Any]:
    """Flags take no value, so their help shall not say `<bool>`."""
    for param in params:
        if isinstance(param, TyperOption) and param.is_flag:
            param.metavar = ""
    return params


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"cardiovae {__version__}")
        raise typer.Exit


def cardiovae(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
    debug: Annotated[
        bool,
        typer.Option("--debug", help="Show where an error comes from; may stand anywhere."),
    ] = False,
) -> None:
    """Find and repair impossible label maps of the heart in echocardiography.

    Works on files of this machine and never opens a network connection. Research software, not
    a medical device.
    """
    if context.invoked_subcommand is None:
        print(context.get_help())
        raise typer.Exit(ExitCode.USAGE)


def _build() -> typer.Typer:
    """The command with its verbs, in the order of the help."""
    app = typer.Typer(
        name="cardiovae",
        cls=_Verbs,
        epilog=EPILOG,
        context_settings=SETTINGS,
        pretty_exceptions_enable=False,
    )
    app.callback(invoke_without_command=True, help=_reflowed(cardiovae))(cardiovae)
    _add(app, VERBS)
    for group, verbs in GROUPS:
        home = typer.Typer(cls=_Verbs, context_settings=SETTINGS)
        home.callback(invoke_without_command=True, help=_reflowed(group))(group)
        _add(home, verbs)
        app.add_typer(home, name=group.__name__)
    return app


def _add(home: typer.Typer, verbs: Verbs) -> None:
    for verb in verbs:
        home.command(cls=_Verb, help=_reflowed(verb), context_settings=SETTINGS)(verb)


def _reflowed(function: Callable[..., Any]) -> str:
    """The docstring of `function` with one line per paragraph, for the terminal to wrap."""
    paragraphs = inspect.cleandoc(function.__doc__ or "").split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


VERBS: Verbs = (
    correct,
    audit,
    report,
    evaluate,
    indices,
    population,
    convert,
    demo,
    train,
    bank,
    explore,
    info,
)
GROUPS: tuple[tuple[Callable[..., None], Verbs], ...] = (
    (manifest, (build, verify)),
    (bundle, (export,)),
    (uncertainty, (uncertainty_train, uncertainty_evaluate)),
)

app = _build()
