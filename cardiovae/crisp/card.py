"""The model card, written from the same facts as the provenance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cardiovae.prior.card import NOT_A_DEVICE

INTENDED_USE = """\
Telling where, and in which frames, label maps of apical two- and four-chamber echocardiography
(left ventricle, myocardium, left atrium) disagree with their images. The maps may be drawn by a
person or a network; neither is asked how sure it is. It orders frames for a person to look at; it
does not correct them."""
LIMITS = """\
- Apical views alone, the transducer at the top of the image.
- Images far from those of the training data (other scanners, other gain) are placed less well; a
  model of simulated images knows little of real ones.
- Doubt comes from hearts of a library: a heart unlike all of them is doubted where it differs.
- The numbers are shares of neighbors' weights, no error rates: calibrate them before."""


def model_card(provenance: Mapping[str, Any]) -> str:
    """Markdown text of the card.

    Args:
        provenance: Content of `provenance.json`.
    """
    parts = [
        f"# Image and mask model `{provenance['name']}`",
        "A joint latent space of echocardiograms and label maps after CRISP (Judge et al., "
        f"MICCAI 2022, arXiv 2206.07664), for `cardiovae`. {NOT_A_DEVICE}",
        "## Intended use",
        INTENDED_USE,
        "## License and citation",
        license_text(provenance),
        "## Training data",
        data_text(provenance["data"]),
        "## Training",
        _training(provenance),
        "## Figures",
        _figures(provenance),
        "## Limits",
        LIMITS,
    ]
    return "\n\n".join(parts) + "\n"


def license_text(provenance: Mapping[str, Any], what: str = "weights and the library") -> str:
    """Under which license the weights are, and what is to be cited."""
    text = f"License of the {what}: {provenance['license']}."
    if provenance.get("citation"):
        text += f"\n\nWhoever uses this model cites: {provenance['citation']}"
    return text


def data_text(data: Mapping[str, Any]) -> str:
    """Description, patients and frames of each part, and source."""
    rows = "".join(
        f"\n| {part} | {data['patients'].get(part, 0)} | {frames} |"
        for part, frames in data["frames"].items()
    )
    table = f"| part | patients | frames |\n|---|---|---|{rows}"
    source = f"Source: `{data['source']}`. Split by patient: {data['split']}."
    return "\n\n".join(part for part in (data["description"], table, source) if part)


def _training(provenance: Mapping[str, Any]) -> str:
    training, library = provenance["training"], provenance["library"]
    versions = ", ".join(f"{name} {version}" for name, version in provenance["versions"].items())
    return (
        f"{provenance['parameters']:,} parameters, {training['n_steps']} steps of "
        f"{training['batch_size']} pairs, seed {training['seed']}; all settings are in "
        f"`config.yaml`, all figures in `provenance.json`. The library has "
        f"{library['entries']} entries made of {library['hearts']} hearts ({library['from']}). "
        f"Made with {versions}."
    )


def _figures(provenance: Mapping[str, Any]) -> str:
    """A table of how well pairs are told from others, for patients that were not trained on."""
    judged = {part: provenance[part] for part in ("validation", "test") if provenance.get(part)}
    names = list(next(iter(judged.values())))
    lines = [
        "Patients that were not trained on. `rank`: mean rank of an image's own mask among all, 0 "
        "first and 1 last; `cosine`: of pairs; `dice_mask`, `dice_image`: soft Dice of masks "
        "decoded from the code of the mask, and of the image.\n",
        f"| part | {' | '.join(names)} |",
        "|---" * (len(names) + 1) + "|",
    ]
    lines += [
        f"| {part} | {' | '.join(f'{figures[name]:.3f}' for name in names)} |"
        for part, figures in judged.items()
    ]
    return "\n".join(lines)
