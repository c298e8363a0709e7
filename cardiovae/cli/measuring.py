"""The clinic's indices before and after a correction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cardiovae.correction.record import Correction
    from cardiovae.indices.heart import Heart
    from cardiovae.indices.subjects import Subject


@dataclass(frozen=True, eq=False)
class Measured:
    """What a clinic measures of a heart before and after its correction.

    Args:
        before: The heart of the input.
        after: That of the result.
    """

    before: Heart
    after: Heart

    def values(self) -> dict[str, dict[str, Any]]:
        """The main indices by side, for the record of a batch."""
        from cardiovae.indices.core import core_values

        return {"before": core_values(self.before), "after": core_values(self.after)}

    def to_json(self) -> dict[str, Any]:
        """Plain data for `audit.json`."""
        from cardiovae.indices.core import core_record
        from cardiovae.indices.reference import reference

        ranges, subject = reference(), self.after.subject
        return {
            "ranges": {"name": ranges.name, "description": ranges.description},
            "sex": subject.sex,
            "bsa_m2": subject.bsa_m2,
            "before": core_record(self.before, ranges),
            "after": core_record(self.after, ranges),
        }


def measured(correction: Correction, subject: Subject) -> Measured:
    """The hearts of a correction, each side at its own ED and ES.

    Args:
        correction: What was done.
        subject: What is known of the patient.
    """
    from cardiovae.indices.core import sequence_heart

    before = sequence_heart(correction.original, subject)
    if correction.sequence is correction.original:
        return Measured(before, before)
    return Measured(before, sequence_heart(correction.sequence, subject))
