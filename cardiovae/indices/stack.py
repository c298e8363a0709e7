"""Volumes of short-axis stacks by the summation of disks: area times distance between slices.

As in the guideline on post-processing of the Society for Cardiovascular Magnetic Resonance
(Schulz-Menger et al., J Cardiovasc Magn Reson 22:19, 2020). Every labeled pixel counts: which
basal slices and papillary muscles belong to a ventricle is decided by who labels.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from cardiovae.indices.ejection import N_DISKS
from cardiovae.indices.formulas import MM3_PER_ML, MYOCARDIUM_G_PER_ML, fall_percent
from cardiovae.indices.measure import CUTS, QUANTITIES, STACK_VOLUMES, Cine
from cardiovae.indices.names import NOT_SINGLE
from cardiovae.indices.view import ED, ES, Index, View
from cardiovae.labels import Label
from cardiovae.sequence import SAX, EchoSequence

NO_PLANE = "the pixel spacing is unknown"
NO_DISTANCE = "the distance between slices is unknown"
SINGLE = "a single instant: ED and ES take a stack each"
VENTRICLES = {"": Label.LV, "rv_": Label.RV}


def measure_stack(sequence: EchoSequence) -> Cine:
    """The volumes of a stack, as a cine of one instant; never raises, never invents a number.

    Args:
        sequence: Labels of slices with their geometry.

    Returns:
        One frame: `STACK_VOLUMES` in ml. NaN with a reason where the spacing or the distance
        between slices is unknown, or a structure is in no slice.
    """
    volumes, reasons = dict.fromkeys(QUANTITIES, math.nan), []
    blank = geometry_reason(sequence)
    if blank:
        reasons.append(blank)
    else:
        row_mm, col_mm = sequence.spacing_mm or (math.nan, math.nan)
        voxel_ml = row_mm * col_mm * (sequence.slice_mm or math.nan) / MM3_PER_ML
        for name, label in STACK_VOLUMES.items():
            voxels = np.count_nonzero(sequence.labels == label)
            if label not in sequence.structures:
                reasons.append(f"{label.name} is not annotated")
            elif voxels:
                volumes[name] = voxels * voxel_ml
            else:
                reasons.append(f"no {label.name} pixel in any slice")
    return Cine(
        SAX,
        None,
        not blank,
        {name: np.array([value]) for name, value in volumes.items()},
        {name: np.full((1, N_DISKS), math.nan) for name in CUTS},
        np.zeros(1, np.bool_),
        ("; ".join(reasons),),
    )


def geometry_reason(sequence: EchoSequence) -> str:
    """Why nothing of a stack can be measured in ml; empty where it can."""
    if sequence.spacing_mm is None:
        return NO_PLANE
    return NO_DISTANCE if sequence.slice_mm is None else ""


def stack_indices(view: View) -> dict[str, Index]:
    """The indices of one heart from its stacks: at ED and ES, or of a single instant.

    The mass is that of the MYO at ED, with the density of `MYOCARDIUM_G_PER_ML`.
    """
    found: dict[str, Index] = {}
    single = view.cine.n_frames == 1
    for prefix, label in VENTRICLES.items():
        ed, es = (_at(view, label, instant) for instant in (ED, ES))
        reason = ed.reason or es.reason
        found |= {
            f"{prefix}edv_ml": ed,
            f"{prefix}esv_ml": es,
            f"{prefix}stroke_volume_ml": Index(ed.value - es.value, SAX, reason),
            f"{prefix}ef_percent": Index(fall_percent(ed.value, es.value), SAX, reason),
            f"{label.name.lower()}_volume_ml": _of(view, label, 0)
            if single
            else Index(math.nan, SAX, NOT_SINGLE),
        }
    wall = _of(view, Label.MYO, 0) if single else _at(view, Label.MYO, ED)
    note = "of the only instant, not known to be ED" if single and not wall.reason else ""
    mass = replace(wall, value=wall.value * MYOCARDIUM_G_PER_ML, note=note)
    return {**found, "mass_disks_g": mass}


def _at(view: View, label: Label, instant: int) -> Index:
    """The volume at ED or ES."""
    if view.beats.cycles:
        return _of(view, label, view.beats.cycles[0][instant])
    reason = view.beats.reason
    if view.cine.n_frames == 1:
        reason = SINGLE if view.cine.spaced else view.cine.reasons[0]
    return Index(math.nan, SAX, reason)


def _of(view: View, label: Label, t: int) -> Index:
    """The volume of a structure in one of the stacks, or why there is none."""
    (name,) = (name for name, of in STACK_VOLUMES.items() if of == label)
    value = float(view.cine.values[name][t])
    if math.isfinite(value):
        return Index(value, SAX)
    reasons = view.cine.reasons[t].split("; ")
    own = [reason for reason in reasons if label.name in reason.split()]
    return Index(math.nan, SAX, "; ".join(own or reasons))
