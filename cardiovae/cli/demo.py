"""`cardiovae demo`: the whole path on a drawn heart, no data needed."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cardiovae.cli import options
from cardiovae.cli.auditing import Task
from cardiovae.cli.correct import say
from cardiovae.cli.correcting import Corrector
from cardiovae.cli.exits import ExitCode
from cardiovae.cli.results import plan_targets
from cardiovae.cli.screen import Screen
from cardiovae.errors import FileError
from cardiovae.labels import ACDC, CAMUS

if TYPE_CHECKING:
    import numpy as np

    from cardiovae.labels import Label, LabelScheme
    from cardiovae.sequence import EchoSequence

Anatomy = Literal["apical", "short-axis"]

N_FRAMES = 30
SPACING_MM = (0.5, 0.5)
SLICE_SPACING_MM = (1.4, 1.4)
SEVERITY = 0.35
"""From "a frame or two, slightly" (0) to "nearly all, badly" (1). Chosen by eye: about a quarter
of the frames are impossible."""


def demo(
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="DIR", help="Folder for everything it makes."),
    ] = Path("cardiovae-demo"),
    prior: Annotated[
        str | None,
        typer.Option(metavar="NAME|FOLDER", help="Shape prior, as for 'cardiovae correct'."),
    ] = None,
    anatomy: Annotated[
        Anatomy,
        typer.Option(
            help="What to draw: a four-chamber view of echocardiography, or a short-axis stack of "
            "cardiac MRI."
        ),
    ] = "apical",
    seed: Annotated[
        int, typer.Option("--seed", metavar="N", min=0, help="Another seed, another heart.")
    ] = 0,
    overwrite: options.Overwrite = False,
) -> ExitCode:
    """Correct a drawn heart with the errors of a network. Needs no data.

    Draws a heart, damages it as segmentation networks do, audits it, corrects it, and compares
    the result with the truth.
    """
    import numpy as np

    from cardiovae.audit.audit import audit_sequence
    from cardiovae.cli.tables import headline
    from cardiovae.correction.config import correct_config
    from cardiovae.io import load_sequence, refuse_to_replace

    screen, config = Screen(), correct_config()
    truth_file, damaged_file = output / "truth.nii.gz", output / "damaged.nii.gz"
    targets = plan_targets([damaged_file], output)
    result = targets[damaged_file]
    for file in (truth_file, damaged_file, *result.files):
        refuse_to_replace(file, overwrite=overwrite)
    drawn = _draw_cine if anatomy == "apical" else _draw_stack
    scheme = CAMUS if anatomy == "apical" else ACDC
    truth, damaged, step = drawn(np.random.default_rng(seed))
    for file, sequence in ((truth_file, truth), (damaged_file, damaged)):
        _write(file, sequence, scheme, step, overwrite=overwrite)
    pieces = f"{truth.n_frames} {'slices' if truth.is_stack else 'frames'}"
    screen.say(f"A drawn heart, {pieces}, as a network might segment it:")
    damaged = load_sequence(damaged_file, labels=scheme)
    asked = config.of(damaged)
    found = audit_sequence(damaged, anatomy=asked.criteria, temporal=asked.temporal)
    screen.say(f"  {headline(found)}")
    how = "" if anatomy == "apical" else f" --labels {scheme.name}"
    screen.say(f"  more: cardiovae audit {damaged_file}{how}")
    screen.say("Corrected:")
    task = Task(str(damaged_file), damaged_file, options.Reading(labels=scheme))
    corrector = Corrector(
        {task.source: result}, config, prior=prior, seed=seed, overwrite=overwrite, alone=True
    )
    done = corrector(task)
    if done.error:
        raise FileError(done.error)
    say(done, screen)
    after = _overlap(load_sequence(result.labels, labels=scheme), truth)
    before = _overlap(damaged, truth)
    texts = [f"{s.name} {before[s]:.3f} -> {after[s]:.3f}" for s in truth.structures]
    screen.say(f"  truth    mean Dice {', '.join(texts)}")
    screen.say(f"Report: {result.report}")
    return ExitCode.OK if done.passed else ExitCode.GATE


Pair = tuple["EchoSequence", "EchoSequence", float]


def _draw_cine(rng: np.random.Generator) -> Pair:
    """A beating four-chamber view, the same with the errors of a network, and the frame time."""
    from cardiovae.phantom.corruption import corrupt_sequence
    from cardiovae.phantom.heart import draw_heart, draw_parameters

    heart = draw_heart(
        draw_parameters(rng, "A4C"), n_frames=N_FRAMES, cycle="full", spacing_mm=SPACING_MM
    )
    damaged, _ = corrupt_sequence(heart.sequence, severity=SEVERITY, rng=rng)
    assert heart.sequence.frame_time_ms is not None  # drawn with it
    return heart.sequence, damaged, heart.sequence.frame_time_ms


def _draw_stack(rng: np.random.Generator) -> Pair:
    """A short-axis stack, the same with the errors of a network, and mm between slices."""
    from cardiovae.phantom.short_axis import draw_stack, draw_stack_parameters
    from cardiovae.phantom.slice_defects import corrupt_stack

    stack = draw_stack(draw_stack_parameters(rng, phase="ED"), spacing_mm=SLICE_SPACING_MM)
    damaged, _ = corrupt_stack(stack.sequence, severity=SEVERITY, rng=rng)
    return stack.sequence, damaged, stack.slice_mm


def _overlap(sequence: EchoSequence, truth: EchoSequence) -> dict[Label, float]:
    """Dice of each structure of `truth`, mean over the frames where either has it."""
    import numpy as np

    from cardiovae.prior.fidelity import dice

    return {
        s: float(
            np.nanmean(
                [dice(sequence.frame(t) == s, truth.frame(t) == s) for t in range(truth.n_frames)]
            )
        )
        for s in truth.structures
    }


def _write(
    path: Path, sequence: EchoSequence, scheme: LabelScheme, step: float, *, overwrite: bool
) -> None:
    """Write a sequence of known spacing as NIfTI, shape (X, Y, 1, T), or a stack, (X, Y, Z).

    `step` is the time between frames in ms, or the distance between slices in mm.
    """
    import nibabel as nib
    import numpy as np

    from cardiovae.io import write_bytes

    assert sequence.spacing_mm is not None  # drawn with it
    row, col = sequence.spacing_mm
    values = np.swapaxes(scheme.to_values(sequence.labels), 0, 1)
    if sequence.is_stack:
        image = nib.Nifti1Image(values, np.diag([col, row, step, 1.0]))  # type: ignore[no-untyped-call]
    else:
        image = nib.Nifti1Image(values[:, :, None], np.diag([col, row, 1.0, 1.0]))  # type: ignore[no-untyped-call]
        image.header.set_zooms((col, row, 1.0, step))  # type: ignore[no-untyped-call]
    image.header.set_xyzt_units("mm", "msec")  # type: ignore[no-untyped-call]
    write_bytes(path, gzip.compress(image.to_bytes(), mtime=0), overwrite=overwrite)
