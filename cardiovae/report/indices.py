"""Pages about the indices of hearts: one per patient, and a list of all."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from cardiovae.indices.names import INDICES
from cardiovae.io.atomic import write_text
from cardiovae.labels import Label
from cardiovae.report import indices_text as text
from cardiovae.report import palette
from cardiovae.report.axes import Frame
from cardiovae.report.figures import Curve, line_chart
from cardiovae.report.wording import is_number

Record = Mapping[str, Any]
PAGES = "pages"
INDEX = "index.html"
FEWEST = 3
"""Frames that make a curve."""
CURVE, STRAIN = Frame(700, 230, right=64), Frame(360, 230, left=50, right=14)


def write_pages(folder: Path, record: Record, *, overwrite: bool = False) -> None:
    """Write a page per patient into `folder/pages`, and a list of all as `folder/index.html`.

    Args:
        folder: Where to.
        record: Content of `indices.json`.
        overwrite: Whether existing files may be replaced.

    Raises:
        FileError: A file exists, or cannot be written.
    """
    names = page_names([patient["patient"] for patient in record["patients"]])
    for patient in record["patients"]:
        page = patient_page(patient, record)
        write_text(folder / PAGES / names[patient["patient"]], page, overwrite=overwrite)
    write_text(folder / INDEX, index_page(record, names), overwrite=overwrite)


def page_names(patients: Sequence[str]) -> dict[str, str]:
    """A file name for each patient, safe on every system and different even without case.

    Examples:
        >>> page_names(["a/b", "A:b", "c"])
        {'a/b': 'a_b.html', 'A:b': 'A_b_2.html', 'c': 'c.html'}
    """
    names: dict[str, str] = {}
    taken: set[str] = set()
    for patient in patients:
        plain = re.sub(r"[^A-Za-z0-9._-]+", "_", patient).strip("._") or "patient"
        name, n = plain, 1
        while name.casefold() in taken:
            n += 1
            name = f"{plain}_{n}"
        taken.add(name.casefold())
        names[patient] = f"{name}.html"
    return names


def patient_page(patient: Record, record: Record) -> str:
    """The page of one patient as text.

    Args:
        patient: What `cardiovae.indices.rows.patient_record` says of it.
        record: What it is part of.
    """
    last = patient["sides"][-1]
    return (
        _environment()
        .get_template("indices.html")
        .render(
            record=record,
            patient=patient,
            last=last,
            compared=len(patient["sides"]) > 1,
            stack=text.of_stacks(last),
            headline=text.patient_headline(patient),
            poor=text.out_of_range(patient),
            tiles=text.tiles(patient),
            parts=text.parts(patient),
            figures=figures(patient),
            segments=text.segment_tables(patient),
            missing=text.missing(patient),
            notes=text.notes(patient),
            sources=text.sources(patient),
            palette=palette,
        )
    )


def index_page(record: Record, names: Mapping[str, str]) -> str:
    """The list of all patients as text.

    Args:
        record: Content of `indices.json`.
        names: File name of the page of each patient.
    """
    rows = []
    listed = text.listed(record)
    for patient in record["patients"]:
        for side in patient["sides"]:
            values = text.by_name(side)
            rows.append(
                {
                    "patient": patient["patient"],
                    "href": f"{PAGES}/{names[patient['patient']]}",
                    "side": side["side"],
                    "cells": [
                        (text.plain_value(values[n]), text.FLAGS[values[n]["flag"]],
                         text.flag_text(values[n]))
                        for n in listed
                    ],
                }
            )  # fmt: skip
    return (
        _environment()
        .get_template("indices_index.html")
        .render(
            record=record,
            title=Path(record["inputs"][0]).name or record["inputs"][0],
            headline=text.headline(record),
            headings=[INDICES[name].title for name in listed],
            rows=rows,
            compared=any(len(p["sides"]) > 1 for p in record["patients"]),
            palette=palette,
        )
    )


def figures(patient: Record) -> list[dict[str, Any]]:
    """Per view the volume over the frames and the strain, before and after."""
    sides = patient["sides"]
    found = []
    for number, view in enumerate(sides[-1]["views"]):
        if view["n_frames"] < FEWEST or view["n_files"] > 1:
            continue
        was = next((v for v in sides[0]["views"] if v["view"] == view["view"]), None)
        if len(sides) == 1 or was is None or was["n_frames"] != view["n_frames"]:
            was = None
        biplane = [side["biplane_ml"] if number == 0 else None for side in (sides[0], sides[-1])]
        found.append(
            {
                "volume": Markup(_volume(view, was, biplane)),  # figures escape what they print
                "strain": Markup(_strain(view, was)),
            }
        )
    return found


def _volume(view: Record, was: Record | None, biplane: Sequence[Any]) -> str:
    spaced = view["spacing_known"]
    key, title, unit = (
        ("volume_ml", "LV volume", "ml") if spaced else ("lv_area", "LV area", "px²")
    )
    why = {int(t): reason for t, reason in view["reasons"].items()}
    color = palette.STRUCTURE_COLORS[Label.LV]
    curves = [Curve(view["view"], color, was[key] if was else (), view[key], why)]
    if spaced and biplane[1] is not None and any(map(is_number, biplane[1])):
        before = biplane[0] if was and biplane[0] is not None else ()
        curves.append(Curve("biplane", palette.INK, before, biplane[1]))
    return line_chart(
        curves, title=f"{title}, {view['view']}", unit=unit, marks=_marks(view), frame=CURVE
    )


def _marks(view: Record) -> dict[str, int]:
    """ED and ES of every beat, numbered where there are several."""
    many = len(view["beats"]) > 1
    return {
        f"{name}{f' {k}' if many else ''}": beat[name.lower()]
        for k, beat in enumerate(view["beats"], 1)
        for name in ("ED", "ES")
    }


def _strain(view: Record, was: Record | None) -> str:
    curve = Curve("strain", palette.STRUCTURE_COLORS[Label.MYO], _relative(was) if was else (),
                  _relative(view))  # fmt: skip
    return line_chart([curve], title=f"Endocardial strain, {view['view']}", unit="%", frame=STRAIN)


def _relative(view: Record) -> list[float | None]:
    """Length of the endocardium against that at the first ED, in percent."""
    lengths: list[float | None] = view["endocardium"]
    first = lengths[view["beats"][0]["ed"]] if view["beats"] else None
    if not is_number(first):
        return [None] * len(lengths)
    return [100 * (v / first - 1) if is_number(v) else None for v in lengths]


def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("cardiovae.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
