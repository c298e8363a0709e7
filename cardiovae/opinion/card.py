"""The model card, written from the same facts as the provenance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cardiovae.crisp.card import data_text, license_text
from cardiovae.prior.card import NOT_A_DEVICE

INTENDED_USE = """\
Telling where, and in which frames, label maps of apical two- and four-chamber echocardiography
(left ventricle, myocardium, left atrium) are probably wrong, given their images. It orders frames
for a person to look at; its own labels are a by-product and no replacement for a segmentation
network."""
LIMITS = """\
- Apical views alone, the transducer at the top of the image.
- It has learned the errors of a few small networks and simulated damage. Errors of another kind,
  and images of other scanners, are rated less well; a model of simulated images knows little of
  real ones.
- Its probabilities are right on average for labels like those it learned from. Where labels are
  much better or much worse as a rule, calibrate them before."""


def model_card(provenance: Mapping[str, Any]) -> str:
    """Markdown text of the card.

    Args:
        provenance: Content of `provenance.json`.
    """
    parts = [
        f"# Second opinion `{provenance['name']}`",
        "A small U-Net that sees an echocardiogram with a label map of it and gives the "
        f"probability of each true label, for `cardiovae`. {NOT_A_DEVICE}",
        "## Intended use",
        INTENDED_USE,
        "## License and citation",
        license_text(provenance, "weights"),
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


def _training(provenance: Mapping[str, Any]) -> str:
    training, data = provenance["training"], provenance["data"]
    versions = ", ".join(f"{name} {version}" for name, version in provenance["versions"].items())
    errors = ""
    if data.get("errors"):
        errors = (
            f"Shown were {data['predictions']['train']:,} predictions of networks for the "
            f"training patients (`{data['errors']['source']}`), truths with simulated damage and "
            "truths. "
        )
    return (
        f"{errors}{provenance['parameters']:,} parameters, {training['n_steps']} steps of "
        f"{training['batch_size']} frames, seed {training['seed']}; the objective is the "
        "cross-entropy with the true class shares inside the image. All settings are in "
        f"`config.yaml`, all figures in `provenance.json`. Made with {versions}."
    )


def _figures(provenance: Mapping[str, Any]) -> str:
    """A table of the figures on patients that were not trained on."""
    figures: Mapping[str, float | None] = provenance["validation"]
    shown = "truths, most of them with simulated damage, as there are no predictions of these"
    if provenance["data"]["predictions"]["val"]:
        shown = "predictions, truths with simulated damage and truths, as in training"
    cells = ["not measurable" if v is None else f"{v:.3f}" for v in figures.values()]
    return (
        f"Patients of the part `val`: {shown}. `loss_judged`: cross-entropy; "
        "`dice_true`, `dice_expected`: mean Dice of the labels shown, and as expected; "
        "`dice_error`: mean absolute difference of the two per frame; `pearson`: their "
        "correlation.\n\n"
        f"| {' | '.join(figures)} |\n{'|---' * len(cells)}|\n| {' | '.join(cells)} |"
    )
