"""`cardiovae demo`: the whole path on a drawn heart, no data needed."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cardiovae.cli import options
from cardiovae.cli.auditing import Task
from cardiovae.cli.correct import say
from cardiovae.cli.correcting import Corrector
from cardiovae.cli.exits import ExitCode
from cardiovae.cli.results import plan_targets
from cardiovae.cli.screen import Screen
from cardiovae.errors import FileError
from cardiovae.prior.shipped import DEFAULT_PRIOR

if TYPE_CHECKING:
    import numpy as np

    from cardiovae.labels import Label
    from cardiovae.sequence import EchoSequence

N_FRAMES = 30
SPACING_MM = (0.5, 0.5)
SEVERITY = 0.35
"""From "a frame or two, slightly" (0) to "nearly all, badly" (1). Chosen by eye: about a quarter
of the frames are impossible."""


def demo(
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="DIR", help="Folder for everything it makes."),
    ] = Path("cardiovae-demo"),
    prior: Annotated[
        str, typer.Option(metavar="NAME|FOLDER", help="Shape prior, as for 'cardiovae correct'.")
    ] = DEFAULT_PRIOR,
    seed: Annotated[
        int, typer.Option("--seed", metavar="N", min=0, help="Another seed, another heart.")
    ] = 0,
    overwrite: options.Overwrite = False,
) -> ExitCode:
    """Correct a drawn beating heart with the errors of a network. Needs no data.

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
    truth, damaged = _draw(np.random.default_rng(seed))
    _write(truth_file, truth, overwrite=overwrite)
    _write(damaged_file, damaged, overwrite=overwrite)
    screen.say(f"A drawn heart, {N_FRAMES} frames, as a network might segment it:")
    damaged = load_sequence(damaged_file)
    found = audit_sequence(damaged, anatomy=config.criteria, temporal=config.temporal)
    screen.say(f"  {headline(found)}")
    screen.say(f"  more: cardiovae audit {damaged_file}")
    screen.say("Corrected:")
    task = Task(str(damaged_file), damaged_file)
    corrector = Corrector(
        {task.source: result}, config, prior=prior, seed=seed, overwrite=overwrite, alone=True
    )
    done = corrector(task)
    if done.error:
        raise FileError(done.error)
    say(done, screen)
    before, after = _overlap(damaged, truth), _overlap(load_sequence(result.labels), truth)
    texts = [f"{s.name} {before[s]:.3f} -> {after[s]:.3f}" for s in truth.structures]
    screen.say(f"  truth    mean Dice {', '.join(texts)}")
    screen.say(f"Report: {result.report}")
    return ExitCode.OK if done.passed else ExitCode.GATE


def _draw(rng: np.random.Generator) -> tuple[EchoSequence, EchoSequence]:
    """A beating heart in a four-chamber view, and the same with the errors of a network."""
    from cardiovae.phantom.corruption import corrupt_sequence
    from cardiovae.phantom.heart import draw_heart, draw_parameters

    heart = draw_heart(
        draw_parameters(rng, "A4C"), n_frames=N_FRAMES, cycle="full", spacing_mm=SPACING_MM
    )
    damaged, _ = corrupt_sequence(heart.sequence, severity=SEVERITY, rng=rng)
    return heart.sequence, damaged


def _overlap(sequence: EchoSequence, truth: EchoSequence) -> dict[Label, float]:
    """Dice of each structure of `truth`, mean over the frames."""
    import numpy as np

    from cardiovae.prior.fidelity import dice

    return {
        s: float(
            np.mean([dice(sequence.frame(t) == s, truth.frame(t) == s) for t in range(N_FRAMES)])
        )
        for s in truth.structures
    }


def _write(path: Path, sequence: EchoSequence, *, overwrite: bool) -> None:
    """Write a sequence with known spacing and frame time as NIfTI of shape (X, Y, 1, T)."""
    import nibabel as nib
    import numpy as np

    from cardiovae.io import write_bytes

    row, col = SPACING_MM
    values = np.moveaxis(sequence.labels, (0, 1, 2), (1, 0, 2))[:, :, None]
    image = nib.Nifti1Image(values, np.diag([col, row, 1.0, 1.0]))  # type: ignore[no-untyped-call]
    image.header.set_zooms((col, row, 1.0, sequence.frame_time_ms))  # type: ignore[no-untyped-call]
    image.header.set_xyzt_units("mm", "msec")  # type: ignore[no-untyped-call]
    write_bytes(path, gzip.compress(image.to_bytes(), mtime=0), overwrite=overwrite)
