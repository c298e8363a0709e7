"""The model card of a prior, written from the same facts as its provenance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NOT_A_DEVICE = (
    "This is research software. It is not a medical device, has not been assessed by any "
    "authority, and must not guide diagnosis or treatment."
)
APICAL = (
    "apical two- and four-chamber echocardiography (left\nventricle, myocardium, left atrium)",
    "Apical views alone; other views",
)
SLICES = (
    "stacks of short-axis slices of cardiac MRI (left\nventricle, myocardium, right ventricle)",
    "Short-axis slices alone, with a closed wall around each cavity; other views, basal slices "
    "through\n  the outflow tract",
)
INTENDED_USE = """\
Judging and correcting label maps of {} with `cardiovae`, as drawn by a person or a network. It
knows the shape of hearts, not images."""
LIMITS = """\
- {}, congenital hearts and devices are unlike what it has seen.
- Hearts far from those of its training data are pulled towards them.
- A corrected mask is a heart that could exist, which need not be the patient's: look at the image.
- Volumes and ejection fractions from corrected masks are estimates."""


def model_card(provenance: Mapping[str, Any]) -> str:
    """Markdown text of the card.

    Args:
        provenance: Content of `provenance.json`.
    """
    name = provenance["name"]
    shows, alone = SLICES if "rv" in provenance.get("structures", ()) else APICAL
    parts = [
        f"# Shape prior `{name}`",
        f"A model of hearts, for `cardiovae`: {_model(provenance)}. {NOT_A_DEVICE}",
        "## Intended use",
        INTENDED_USE.format(shows),
        "## License and citation",
        _license(provenance),
        "## Training data",
        _data(provenance["data"]),
        "## Training",
        _training(provenance),
        "## Fidelity",
        _fidelity(provenance),
        "## Limits",
        LIMITS.format(alone),
    ]
    return "\n\n".join(parts) + "\n"


def _model(provenance: Mapping[str, Any]) -> str:
    """What model it is; the first priors did not say so."""
    model = provenance.get("model", {"what": "attribute-regularized VAE"})
    return str(model["what"])


def _license(provenance: Mapping[str, Any]) -> str:
    text = f"License of the weights and codes: {provenance['license']}."
    if provenance.get("citation"):
        text += f"\n\nWhoever uses this prior cites: {provenance['citation']}"
    return text


def _data(data: Mapping[str, Any]) -> str:
    parts = [data["description"], "| part | patients | frames |\n|---|---|---|"]
    parts[1] += "".join(
        f"\n| {part} | {data['patients'].get(part, 0)} | {frames} |"
        for part, frames in data["frames"].items()
    )
    source = f"Source: `{data['source']}`"
    source += f", SHA-256 `{data['sha256']}`." if "sha256" in data else ", drawn from a seed."
    parts.append(f"{source} Split by patient: {data['split']}.")
    return "\n\n".join(part for part in parts if part)


def _training(provenance: Mapping[str, Any]) -> str:
    training, latent = provenance["training"], provenance["latent"]
    versions = ", ".join(f"{name} {version}" for name, version in provenance["versions"].items())
    return (
        f"{training['n_steps']} steps of {training['batch_size']} shapes, seed "
        f"{training['seed']}; all settings are in `config.yaml`, all figures in "
        f"`provenance.json`. {latent['dimensions']} latent dimensions{_followed(latent)}; "
        f"{latent['codes']} training codes in `latent.npz`. Made with {versions}."
        + _errors(provenance.get("errors"))
    )


def _followed(latent: Mapping[str, Any]) -> str:
    """Which dimensions follow an attribute; empty where none is meant to."""
    names = latent["attributes"]
    return f", of which the first {len(names)} follow {', '.join(names)}" if names else ""


def _errors(errors: Mapping[str, Any] | None) -> str:
    """What the reader of broken masks learned from; empty where there is none."""
    if not errors:
        return ""
    return (
        "\n\nA second encoder (`reader.safetensors`) reads broken masks: "
        f"{errors['n_steps']} steps on simulated damage and {errors['pairs']} pairs of a "
        "network's predictions and their references, training patients alone "
        f"(`{errors['source']}`)."
    )


def _fidelity(provenance: Mapping[str, Any]) -> str:
    """Tables: Dice per structure; rank correlation per attribute that a dimension follows."""
    judged = {part: provenance[part] for part in ("validation", "test") if provenance.get(part)}
    follows = bool(provenance["latent"]["attributes"])
    also = ", and Spearman's rank correlation of each attribute's dimension with it"
    parts = [
        f"Encode-decode of patients that were not trained on: mean Dice{also if follows else ''}. "
        "Validation is judged on the canonical grid, test on each mask's own."
    ]
    tables = (("dice_", "Dice"), ("spearman_", "rank correlation"))
    for prefix, title in tables if follows else tables[:1]:
        names = [k.removeprefix(prefix) for k in next(iter(judged.values())) if prefix in k]
        rows = [f"| {title} | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
        for part, figures in judged.items():
            cells = (_figure(figures[prefix + name]) for name in names)
            rows.append(f"| {part} | {' | '.join(cells)} |")
        parts.append("\n".join(rows))
    return "\n\n".join(parts)


def _figure(value: float | None) -> str:
    return "not measurable" if value is None else f"{value:.3f}"
