"""Everything the page says and shows about single frames."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiovae.report.palette import HEAT, IMAGE_HEAT
from cardiovae.report.pictures import Viewport, data_uri, heat_png, label_png, outline_path
from cardiovae.report.tables import Audit, Cell, Problem, badness, problems, state
from cardiovae.report.wording import ACTIONS, is_number, number, readable


@dataclass(frozen=True)
class Layer:
    """A map of doubt over the labels.

    Args:
        name: What the switch says.
        color: Its color.
        ramp: Values where it starts to show, and where it is opaque.
        scale: What these mean.
    """

    name: str
    color: str
    ramp: tuple[float, float]
    scale: str


LAYERS: Mapping[str, Layer] = MappingProxyType(
    {
        # Entropy of two labels by log 4, as `cardiovae.uncertainty` has it: 0.361 where two in
        # ten samples differ, 0.5 where half do. Below that every contour is a little soft.
        "shape": Layer(
            "doubt of the shape",
            HEAT,
            (0.361, 0.5),
            "faint: 2 in 10 sampled shapes differ here; full: half of them",
        ),
        # Chosen by eye on phantoms.
        "image": Layer(
            "doubt of the image",
            IMAGE_HEAT,
            (0.25, 0.75),
            "faint: a quarter of what the image suggests is against the label; full: 3 quarters",
        ),
    }
)
NOT_CHANGED = Cell("\N{EN DASH}", "frame kept bit for bit")


@dataclass(frozen=True)
class FrameView:
    """One frame as the page shows it.

    Args:
        index: Frame, counted from 0.
        rank: Place when the worst frames come first.
        action: What was done, as in the record.
        action_text: The same in words.
        why: Criteria that asked for it, in words, by criteria set; the tooltip is the name in the
            record.
        problems_before: What the frame did not pass, with values.
        problems_after: The same afterwards.
        state_before: "bad" anatomy, a "jump" of its motion only, or "fine".
        state_after: The same afterwards.
        cells: Numbers by name, for tables.
        before: Picture of the input, as a data URI.
        after: Picture of the result.
        doubt: Layers of doubt, empty where there are none: name and picture.
        outline: SVG path around the changed pixels.
    """

    index: int
    rank: int
    action: str
    action_text: str
    why: tuple[tuple[str, tuple[Cell, ...]], ...]
    problems_before: tuple[Problem, ...]
    problems_after: tuple[Problem, ...]
    state_before: str
    state_after: str
    cells: Mapping[str, Cell]
    before: str
    after: str
    doubt: tuple[tuple[str, str], ...]
    outline: str


def frame_views(
    record: Mapping[str, Any],
    before: NDArray[np.uint8],
    after: NDArray[np.uint8],
    doubts: Mapping[str, NDArray[np.float32]],
    view: Viewport,
) -> tuple[FrameView, ...]:
    """One `FrameView` per frame of the label maps, shape (H, W, T); `doubts` by `LAYERS`."""
    ranks = worst_first(record["before"], record["frames"])
    views = []
    for t, change in enumerate(record["frames"]):
        found = [problems(record[side], t) for side in ("before", "after")]
        pictures = [data_uri(label_png(labels[:, :, t], view)) for labels in (before, after)]
        views.append(
            FrameView(
                index=t,
                rank=ranks[t],
                action=change["action"],
                action_text=ACTIONS.get(change["action"], change["action"]),
                why=_why(change["why"]),
                problems_before=found[0],
                problems_after=found[1],
                state_before=state(found[0]),
                state_after=state(found[1]),
                cells=_cells(change),
                before=pictures[0],
                after=pictures[1],
                doubt=tuple(
                    (name, _layer(LAYERS[name], values[:, :, t], view))
                    for name, values in doubts.items()
                ),
                outline=outline_path((before[:, :, t] != after[:, :, t])[view.box]),
            )
        )
    return tuple(views)


def _layer(layer: Layer, values: NDArray[np.float32], view: Viewport) -> str:
    return data_uri(heat_png(values, view, color=layer.color, ramp=layer.ramp))


def worst_first(audit: Audit, changes: Sequence[Mapping[str, Any]]) -> tuple[int, ...]:
    """Rank of each frame, 0 the worst: most failed criteria, then most pixels changed."""
    jumps = [f["frame"] for f in audit["temporal_findings"] if f["verdict"] == "FAIL"]

    def key(t: int) -> tuple[int, int, int, int]:
        ranks = [badness(f)[0] for f in audit["frames"][t]["findings"]]
        return -ranks.count(2), -jumps.count(t), -int(changes[t]["changed_px"]), t

    order = sorted(range(len(changes)), key=key)
    ranks = [0] * len(order)
    for rank, t in enumerate(order):
        ranks[t] = rank
    return tuple(ranks)


def _why(names: Sequence[str]) -> tuple[tuple[str, tuple[Cell, ...]], ...]:
    """Criteria "set.name" in words, by set; other words under no set."""
    groups: dict[str, list[Cell]] = {}
    for name in names:
        owner, _, criterion = name.rpartition(".")
        words = readable(criterion)
        known = words != criterion
        groups.setdefault(owner if known else "", []).append(
            Cell(words, name) if known else Cell(name)
        )
    return tuple((owner, tuple(cells)) for owner, cells in groups.items())


def _cells(change: Mapping[str, Any]) -> dict[str, Cell]:
    """The numbers of one frame in words, a reason beside each that is missing."""
    area = change["changed_mm2"]
    kept = change["action"] == "kept"
    return {
        "px": Cell(f"{change['changed_px']:,}"),
        "mm2": Cell(number(area), "" if is_number(area) else "pixel spacing unknown"),
        "detail": _of_changed(change["detail"], kept, percent=True),
        "displacement": _of_changed(change["displacement"], kept),
        "percentile_before": _percentile(change["density_percentile_before"]),
        "percentile_after": _percentile(change["density_percentile_after"]),
    }


def _of_changed(value: float | None, kept: bool, *, percent: bool = False) -> Cell:
    """A number that only changed frames have."""
    if value is None or not math.isfinite(value):
        return NOT_CHANGED if kept else Cell(number(None), "not in the record")
    return Cell(f"{100 * value:.0f} %" if percent else number(value, 3))


def _percentile(value: float | None) -> Cell:
    if value is None or not math.isfinite(value):
        return Cell(number(None), "the prior gives this frame no density")
    return Cell(f"{value:.1f}")
