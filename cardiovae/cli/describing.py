"""One input measured: what every worker of `cardiovae population` does, wherever it runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cardiovae.cli.auditing import Done, Task, head, line_of, settled

if TYPE_CHECKING:
    import re

    from cardiovae.manifest.inputs import Input
    from cardiovae.population.cohort import Member
    from cardiovae.population.grouping import Grouping


@dataclass(frozen=True)
class Describer:
    """Measures one task; goes to the workers as it is.

    Args:
        prior: Shape prior that looks at the frames, by name or folder; None = none.
        alone: Whether there is one task only, and a bug may end the run.
    """

    prior: str | None = None
    alone: bool = False

    def __call__(self, task: Task) -> Done:
        """What came of a task; an error is a result like any other."""
        return settled(task, self._measured, alone=self.alone)

    def _measured(self, task: Task, sha256: str) -> Done:
        from cardiovae.io import open_sequence
        from cardiovae.population.measure import measure_sequence

        sequence, _ = open_sequence(task.path, **vars(task.reading))
        record = {**head(task, sha256, ""), **measure_sequence(sequence)}
        if self.prior is not None:
            from cardiovae.cli.correcting import load
            from cardiovae.population.latent import latent_record

            record["latent"] = latent_record(sequence, *load(self.prior, "auto"))
        return Done(task.source, sha256, True, line_of(record))


@dataclass(frozen=True)
class Namer:
    """Who is shown in each input, by its name and what a manifest says.

    Args:
        names: Path below the folder, without suffix, of every input.
        known: What a manifest says of some.
        pattern: Patient and view in names.
        grouping: How sequences are put in groups; None = not at all.
    """

    names: Mapping[Path, str]
    known: Mapping[Path, Input]
    pattern: re.Pattern[str]
    grouping: Grouping | None = None

    def member(self, task: Task, done: Done) -> Member:
        """A sequence with all that is known of it; without a measurement where it has none.

        Raises:
            ConfigError: The pattern finds a view that is none.
        """
        from cardiovae.manifest.names import patient_and_view
        from cardiovae.population.cohort import UNKNOWN, Member

        stated = self.known.get(task.path)
        name = self.names[task.path]
        patient, view = patient_and_view(name, self.pattern)
        record = done.record
        view = task.reading.view or record.get("view") or view or UNKNOWN
        sequence_id = None
        if stated is not None:
            patient, sequence_id = stated.patient or patient, stated.sequence_id
            name = sequence_id or name
        group = ""
        if self.grouping is not None:
            group = self.grouping.group(
                patient=patient,
                name=self.names[task.path],
                view=view,
                sequence_id=sequence_id,
                subgroups=task.subgroups,
            )
        return Member(task.source, name, patient, view, group, record)
