"""`cardiovae bank`: codes that decode to valid hearts."""

from __future__ import annotations

from typing import Annotated

import typer

from cardiovae.cli import options
from cardiovae.cli.exits import ExitCode
from cardiovae.cli.screen import Screen
from cardiovae.prior.shipped import prior_folder


def bank(
    prior: Annotated[
        str,
        typer.Argument(metavar="FOLDER", help="Folder of a prior, written by 'cardiovae train'."),
    ],
    n_codes: Annotated[
        int, typer.Option("--codes", "-n", metavar="N", min=1, help="Number of codes.")
    ] = 20_000,
    criteria: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SET",
            help="Anatomical criteria that every code passes; may be repeated. Default: camus and "
            "camus-public, or acdc for a prior of short-axis slices.",
        ),
    ] = None,
    shrunk: Annotated[
        bool,
        typer.Option(
            "--shrunk",
            help="Draw from kernels that lie along the correlations of the codes instead of round "
            "ones: more of the draws are valid. The shipped banks were not drawn so.",
        ),
    ] = False,
    seed: options.Seed = 0,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the bank that lies there.")
    ] = False,
) -> ExitCode:
    """Build the bank of a prior: codes whose decoded label maps pass the audit.

    Codes are drawn from the density of the training codes, decoded, audited as hearts with and
    without their neighbor (LA or RV), and kept if they pass.
    """
    prior_folder(prior)
    import numpy as np

    from cardiovae.bank import build_bank, save_bank
    from cardiovae.io import refuse_to_replace
    from cardiovae.prior.folder import BANK, load_prior

    chosen = tuple(criteria) if criteria else None
    for name in chosen or ():
        options.anatomical(name)
    loaded = load_prior(prior)
    refuse_to_replace(loaded.folder / BANK, overwrite=overwrite)
    screen = Screen()
    with screen.steps("drawing codes") as advance:
        built = build_bank(
            loaded,
            n_codes=n_codes,
            criteria_names=chosen,
            rng=np.random.default_rng(seed),
            proposal="shrunk" if shrunk else "parzen",
            progress=advance,
        )
    path = save_bank(built, loaded, overwrite=overwrite)
    screen.say(f"{len(built.codes)} valid codes ({', '.join(built.criteria)}) written to {path}")
    share = built.acceptance["drawn"]["all"]
    if share is not None:
        screen.say(f"  {100 * share:.3g} % of the codes that were drawn pass")
    return ExitCode.OK
