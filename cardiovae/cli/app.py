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

EPILOG = (
    "Exit codes: " + "; ".join(f"{code.value} {text}" for code, text in MEANINGS.items()) + "."
)


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
    settings = {"help_option_names": ["-h", "--help"]}
    app = typer.Typer(
        name="cardiovae",
        cls=_Verbs,
        epilog=EPILOG,
        context_settings=settings,
        pretty_exceptions_enable=False,
    )
    app.callback(invoke_without_command=True, help=_reflowed(cardiovae))(cardiovae)
    group = typer.Typer(cls=_Verbs, context_settings=settings)
    group.callback(invoke_without_command=True, help=_reflowed(manifest))(manifest)
    for home, verbs in ((app, VERBS), (group, (build, verify))):
        for verb in verbs:
            home.command(cls=_Verb, help=_reflowed(verb), context_settings=settings)(verb)
    app.add_typer(group, name="manifest")
    return app


def _reflowed(function: Callable[..., Any]) -> str:
    """The docstring of `function` with one line per paragraph, for the terminal to wrap."""
    paragraphs = inspect.cleandoc(function.__doc__ or "").split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


VERBS: tuple[Callable[..., ExitCode], ...] = (
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

app = _build()
