"""What the page about a latent space says in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cardiovae.labels import Label
from cardiovae.report.headline import Tile
from cardiovae.report.wording import is_number, readable, unit_text

Record = Mapping[str, Any]

DASH = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"


def shown_structures(record: Record) -> tuple[Label, ...]:
    """The structures of the hearts that the prior knows."""
    return tuple(Label[name] for name in record["structures"])


def axis_title(name: str) -> str:
    """Name of an axis for people.

    Examples:
        >>> axis_title("lv_area"), axis_title("instant"), axis_title("component 1")
        ('LV area', 'Cardiac instant', 'Component 1')
    """
    if name == "instant":
        return "Cardiac instant"
    return readable(name) if "_" in name else name.capitalize()


def sample_text(record: Record) -> str:
    """The share of samples that is valid, in one sentence."""
    share, n = record["samples"]["valid"], record["samples"]["n"]
    return (
        f"{percent(share['value'])} of {n} hearts drawn from this latent space pass the audit "
        f"'{record['criteria']}' (95 % interval {interval(share)})."
    )


def lead(record: Record) -> str:
    """What the axes are."""
    if record["regularized"]:
        return (
            "Dimensions of this latent space were trained to follow attributes of the heart. "
            "Each is moved from the 2.5th to the 97.5th percentile of the training codes."
        )
    return (
        "No dimension of this latent space follows an attribute, so its principal components "
        "stand for them, from the 2.5th to the 97.5th percentile of the training codes."
    )


def tiles(record: Record) -> list[Tile]:
    """The key figures."""
    share = record["samples"]["valid"]
    found = [
        Tile("Valid samples", "", percent(share["value"]), f"95 % interval {interval(share)}"),
        Tile(
            "Training codes",
            "",
            f"{record['n_codes']:,}",
            f"{record['n_decoded']:,} decoded here, {record['n_dimensions']} dimensions",
        ),
    ]
    ranks = [abs(w["spearman"]) for w in record["walks"] if w["attribute"] == w["name"]]
    if ranks:
        note = f"least of {len(ranks)} dimensions, rank correlation with their attribute"
        found.append(Tile("Dimensions follow", "", f"{min(ranks):.3f}", note))
    steps = [f for film in record["films"] for kind in ("linear", "spherical")
             for f in film[kind]["failed"]]  # fmt: skip
    if steps:
        passed = sum(not failed for failed in steps) / len(steps)
        note = f"valid, of {len(steps)} steps of {len(record['films'])} films"
        found.append(Tile("Interpolations", "", percent(passed), note))
    return found


def followed(walk: Record) -> str:
    """What is measured along an axis, and how closely positions follow it."""
    if walk["name"] in ("instant", "slice position"):
        known = "instants" if walk["name"] == "instant" else "positions"
        what = f"rank correlation of what the neuron reads with the known {known}"
        tail = "; LV area below"
    elif walk["attribute"] is None:
        return "principal component of the training codes"
    else:
        what, tail = f"rank correlation with the measured {readable(walk['attribute'])}", ""
    if not is_number(walk["spearman"]):
        return f"{what} not known{tail}"
    return f"{what} {walk['spearman']:.3f}{tail}".replace("-", MINUS)


def caption(record: Record, hearts: Record, i: int, attribute: str | None) -> str:
    """The measured attribute under a heart, with its unit; empty where none is meant."""
    if attribute is None:
        return ""
    return value_text(record, attribute, hearts["attributes"][attribute][i])


def value_text(record: Record, attribute: str, value: float | None) -> str:
    """A measured attribute with its unit.

    Examples:
        >>> value_text({"units": {"lv_area": "mm2"}}, "lv_area", 2345.6)
        '2,346 mm²'
    """
    if not is_number(value):
        return "not measurable"
    unit = unit_text(record["units"][attribute])
    digits = 0 if record["units"][attribute] == "mm2" else 1
    text = f"{value:,.{digits}f}".replace("-", MINUS)
    return f"{text}{'' if unit == '°' else ' '}{unit}"


def change_text(record: Record, change: Record, i: int) -> str:
    """How the attribute changed at strength `i` against the heart itself, strength 0."""
    values = change["hearts"]["attributes"][change["attribute"]]
    start = values[change["strengths"].index(0.0)]
    if not (is_number(values[i]) and is_number(start)):
        return "not measurable"
    if change["strengths"][i] == 0:
        return value_text(record, change["attribute"], start)
    share = 100 * (values[i] - start) / start
    return f"{share:+.0f} %".replace("-", MINUS)


def film_title(film: Record) -> str:
    """From where to where."""
    return f"{film['start']} \N{RIGHTWARDS ARROW} {film['end']}"


def percent(share: float | None) -> str:
    """A share of 1 in percent."""
    return f"{100 * share:.1f} %" if is_number(share) else "not measurable"


def interval(share: Mapping[str, float | None]) -> str:
    """An interval in percent."""
    low, high = share["low"], share["high"]
    if not (is_number(low) and is_number(high)):
        return "not known"
    return f"{100 * low:.1f}{DASH}{100 * high:.1f} %"
