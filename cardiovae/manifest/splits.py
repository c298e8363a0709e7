"""Parts of a data set by patient: every sequence of a person is in the same part."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping

from cardiovae.errors import ConfigError
from cardiovae.manifest.schema import Entry


def parse_shares(text: str) -> dict[str, float]:
    """Shares of the patients by part, in the order given.

    Raises:
        ConfigError: Not two parts or more of different names, or shares that do not add up to 1.

    Examples:
        >>> parse_shares("train=0.7,val=0.15,test=0.15")
        {'train': 0.7, 'val': 0.15, 'test': 0.15}
    """
    shares: dict[str, float] = {}
    for part in text.split(","):
        name, _, share = (word.strip() for word in part.partition("="))
        try:
            value = float(share)
        except ValueError:
            value = math.nan
        if not name.isidentifier() or name in shares or not 0 < value < 1:
            raise ConfigError(_wrong(text, f"'{part}' is no new name with a share of 0 to 1"))
        shares[name] = value
    if abs(math.fsum(shares.values()) - 1) > 1e-6:
        raise ConfigError(_wrong(text, f"they add up to {math.fsum(shares.values()):g}"))
    return shares


def split_patients(
    patients: Iterable[str], shares: Mapping[str, float], *, seed: int = 0
) -> dict[str, str]:
    """The part of each patient.

    Patients are put in the order of a hash of seed and name and cut by the shares, so the answer
    depends on neither the order of the files nor a random number generator, and differs from
    each exact share by less than one patient.

    Args:
        patients: Names, in any order, repeated or not.
        shares: By part, from `parse_shares`.
        seed: Another seed, another order.

    Examples:
        >>> split_patients(["p3", "p1", "p2", "p1"], {"train": 0.6, "test": 0.4})
        {'p3': 'train', 'p2': 'train', 'p1': 'test'}
    """
    ordered = sorted(set(patients), key=lambda name: (_hash(seed, name), name))
    parts = [part for part, n in _counts(len(ordered), shares).items() for _ in range(n)]
    return dict(zip(ordered, parts, strict=True))


def patients_in_two_parts(entries: Iterable[Entry]) -> dict[str, tuple[str, ...]]:
    """Patients whose sequences are in several parts, with these parts."""
    parts: dict[str, dict[str, None]] = {}
    for entry in entries:
        if entry.patient is not None and entry.split is not None:
            parts.setdefault(entry.patient, {})[entry.split] = None
    return {patient: tuple(found) for patient, found in parts.items() if len(found) > 1}


def _hash(seed: int, name: str) -> bytes:
    return hashlib.sha256(f"{seed}/{name}".encode()).digest()


def _counts(total: int, shares: Mapping[str, float]) -> dict[str, int]:
    """Patients per part: largest remainders, the earlier part where two are equal."""
    quotas = {part: share * total for part, share in shares.items()}
    counts = {part: int(quota + 1e-9) for part, quota in quotas.items()}
    most = sorted(shares, key=lambda part: counts[part] - quotas[part])
    for part in most[: total - sum(counts.values())]:
        counts[part] += 1
    return counts


def _wrong(text: str, why: str) -> str:
    return (
        f"--split {text}: names parts and their shares, which add up to 1, such as "
        f"train=0.7,val=0.15,test=0.15; {why}"
    )
