"""`cardiovae explore`: the latent space of a prior, to walk through."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cardiovae import __version__
from cardiovae.cli import options
from cardiovae.cli.exits import ExitCode
from cardiovae.cli.screen import Screen
from cardiovae.prior.shipped import DEFAULT_PRIOR, prior_folder

if TYPE_CHECKING:
    from cardiovae.cli.cases import Cases
    from cardiovae.explore.found import Exploration, Settings
    from cardiovae.explore.population import EncodedMask
    from cardiovae.prior.folder import ShapePrior

DEFAULT_OUTPUT = Path("cardiovae-latent-space")
PAGE, RECORD = "index.html", "explore.json"


def explore(
    masks: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="MASKS",
            help="Label maps to show among the prior's own: files, folders, quoted patterns or a "
            "manifest. None = the prior alone.",
        ),
    ] = None,
    prior: Annotated[
        str,
        typer.Option(
            "--prior", metavar="NAME", help="Shape prior: camus, phantom, short-axis, or a folder."
        ),
    ] = DEFAULT_PRIOR,
    criteria: Annotated[
        str | None,
        typer.Option(
            metavar="SET",
            help="Anatomical criteria that judge every heart. Default: camus, or acdc for a prior "
            "of short-axis slices.",
        ),
    ] = None,
    at: Annotated[
        int | None,
        typer.Option(
            "--at", metavar="N", help="Training code to start from, by number. Default: the mean."
        ),
    ] = None,
    codes: Annotated[
        int,
        typer.Option(
            metavar="N", min=20, help="Training codes to decode for maps and groups, at most."
        ),
    ] = 1200,
    samples: Annotated[
        int, typer.Option(metavar="N", min=24, help="Codes to draw from the density.")
    ] = 400,
    umap: Annotated[
        bool, typer.Option("--umap", help="Add a map by UMAP; needs the extra 'umap'.")
    ] = False,
    seed: options.Seed = 0,
    patient_pattern: options.PatientPattern = None,
    labels: options.Labels = None,
    spacing: options.Spacing = None,
    output: options.OutputFolder = DEFAULT_OUTPUT,
    overwrite: options.Overwrite = False,
) -> ExitCode:
    """Write a page about the latent space of a prior: slide through it, and see the hearts.

    What each dimension does, maps of the training codes and of MASKS, films between codes,
    directions such as "thicker wall", and draws of the density, every heart measured and audited.

    DIR gets index.html, which opens from a file and needs no network, the figures as PNG, and all
    numbers as explore.json.
    """
    prior_folder(prior)
    if criteria is not None:
        options.anatomical(criteria)
    how = options.reading(labels, spacing, None)
    from cardiovae.bank import BANK_CRITERIA
    from cardiovae.explore.explore import explore as look
    from cardiovae.explore.found import Settings
    from cardiovae.explore.maps import umap_module
    from cardiovae.io import refuse_to_replace
    from cardiovae.prior.folder import load_prior

    if umap:
        umap_module()
    for name in (PAGE, RECORD):
        refuse_to_replace(output / name, overwrite=overwrite)
    screen = Screen()
    loaded = load_prior(prior)
    judge = options.anatomical(criteria or BANK_CRITERIA[loaded.structures][0])
    settings = Settings(judge, seed, codes, samples, at, umap)
    encoded: list[EncodedMask] = []
    code = ExitCode.OK
    if masks:
        encoded, code = _encoded(masks, how, patient_pattern, loaded, settings, screen)
        if not encoded:
            return code
    with screen.steps("exploring") as advance:
        found = look(loaded, settings, encoded, advance)
    _write(found, output, overwrite=overwrite)
    _show(found, output, screen)
    return code


def _encoded(
    masks: list[str],
    how: options.Reading,
    pattern_text: str | None,
    prior: ShapePrior,
    settings: Settings,
    screen: Screen,
) -> tuple[list[EncodedMask], ExitCode]:
    """The codes of all masks that can be read, and the exit code that the others make."""
    from cardiovae.cli.cases import find_cases, run_cases
    from cardiovae.explore.population import Mask, encode_mask
    from cardiovae.manifest.inputs import Input, open_input
    from cardiovae.manifest.names import (
        DEFAULT_PATTERN,
        compile_pattern,
        patient_and_view,
        unmarked,
    )

    pattern = compile_pattern(pattern_text or DEFAULT_PATTERN)
    cases = find_cases(masks, results=True, manifests=True)
    names = _names(cases, masks)
    encoded: list[EncodedMask] = []

    def work(path: Path) -> bool:
        item = cases.known.get(path, Input(path))
        sequence, _ = open_input(item, labels=how.labels, spacing_mm=how.spacing_mm)
        name = names[path]
        patient, view = patient_and_view(unmarked(name), pattern)
        if sequence.view is None and view is not None:
            sequence = replace(sequence, view=view)
        mask = Mask(sequence, name, item.patient or patient)
        encoded.append(encode_mask(prior, mask, settings.judge))
        return True

    tally = run_cases(cases, work, screen, title="encoding")
    return encoded, tally.exit_code(gate=False)


def _names(cases: Cases, masks: list[str]) -> dict[Path, str]:
    """What the page calls each file."""
    from cardiovae.evaluation.pairing import names_below

    folder = Path(masks[0]).expanduser()
    names = names_below(cases.paths, folder if len(masks) == 1 and folder.is_dir() else None)
    return names | {path: i.sequence_id for path, i in cases.known.items() if i.sequence_id}


def _write(found: Exploration, output: Path, *, overwrite: bool) -> None:
    """Write figures and page, and the record last: where it lies, all is there."""
    from cardiovae.explore.record import exploration_record, label_maps
    from cardiovae.io import write_text
    from cardiovae.report.explore import write_exploration

    record = exploration_record(found, __version__)
    if overwrite:
        (output / RECORD).unlink(missing_ok=True)
    write_exploration(output, record, label_maps(found), overwrite=overwrite)
    text = json.dumps(record, indent=1, allow_nan=False) + "\n"
    write_text(output / RECORD, text, overwrite=overwrite)


def _show(found: Exploration, output: Path, screen: Screen) -> None:
    """Say what was found in a few lines."""
    share = found.samples.share
    kind = "dimensions that follow attributes" if found.regularized else "principal components"
    screen.say(
        f"{len(found.walks)} axes ({kind}, and what the neuron of the prior reads, if it has one)"
    )
    screen.say(
        f"{100 * share.value:.1f} % of {found.settings.n_samples} draws of the density are valid "
        f"under '{found.settings.judge.name}' (95 % interval {100 * share.low:.1f} to "
        f"{100 * share.high:.1f} %)"
    )
    screen.say(f"\npage  {output / 'index.html'}")
