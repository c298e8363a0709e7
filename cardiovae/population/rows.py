"""The tables of a cohort, row by row; `columns` says what they hold."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from cardiovae.attributes import ATTRIBUTES
from cardiovae.indices.ejection import Ejection
from cardiovae.population.cohort import QUANTITY_UNITS, Cohort, Member
from cardiovae.population.columns import INSTANTS, SEQUENCES, column
from cardiovae.population.compare import Comparison
from cardiovae.population.measure import known
from cardiovae.population.reference import Percentiles, Place, Reference
from cardiovae.population.worst import Distances, Outlier

Row = dict[str, Any]


def frame_rows(
    cohort: Cohort, found: Distances, reference: Reference | None = None
) -> Iterator[Row]:
    """One row per frame; its percentiles within a reference where there is one."""
    instants = cohort.instants()
    for row in range(len(cohort.frame)):
        m = cohort.of(row)
        t = int(cohort.frame[row])
        values = cohort.values[row].tolist()
        where = [
            math.nan
            if reference is None
            else float(reference.percentile(m.view, instants[row], name, value))
            for name, value in zip(ATTRIBUTES, values, strict=True)
        ]
        yield {
            **_who(m),
            "frame": t,
            "instant": instants[row] or None,
            **{column(name): known(v) for name, v in zip(ATTRIBUTES, values, strict=True)},
            "squared_distance": known(found.squared[row]),
            "n_attributes": int(found.n_known[row]),
            "tail": known(found.tail[row]),
            "latent_percentile": known(cohort.usual[row]),
            **{
                f"{name}_reference_percentile": known(p)
                for name, p in zip(ATTRIBUTES, where, strict=True)
            },
            "reason": "; ".join(dict.fromkeys(m.record["reasons"][t].values())) or None,
        }


def sequence_rows(cohort: Cohort, errors: Sequence[tuple[Member, str]] = ()) -> Iterator[Row]:
    """One row per sequence, sorted by source; one of nothing but its error where it has one."""
    instants = cohort.instants()
    rows = []
    for i, m in enumerate(cohort.members):
        first = int(np.searchsorted(cohort.member, i))
        own = instants[first : first + m.record["n_frames"]]
        at = {name: own.index(name) for name in INSTANTS if name in own}
        spacing = m.record["spacing_mm"] or (None, None)
        row: Row = {
            **_who(m),
            "n_frames": m.record["n_frames"],
            "spacing_row_mm": spacing[0],
            "spacing_col_mm": spacing[1],
            "error": None,
        }
        for name in INSTANTS:
            t = at.get(name)
            row[f"{name.lower()}_frame"] = t
            for k, attribute in enumerate(ATTRIBUTES):
                value = math.nan if t is None else cohort.values[first + t, k]
                row[f"{name.lower()}_{column(attribute)}"] = known(value)
        rows.append(row)
    for m, message in errors:
        rows.append({**dict.fromkeys(SEQUENCES), **_who(m), "error": message})
    yield from sorted(rows, key=lambda row: row["source"])


def heart_rows(cohort: Cohort) -> Iterator[Row]:
    """One row per patient, group and view, and one for both views together."""
    rows = [
        {"patient": b.patient, "group": b.group or None, "view": b.view, **_ejection(b.ejection)}
        for b in cohort.beats
    ] + [
        {"patient": b.patient, "group": b.group or None, "view": "A2C + A4C",
         **_ejection(b.ejection)}
        for b in cohort.biplanes
    ]  # fmt: skip
    yield from sorted(rows, key=lambda r: (r["patient"], r["group"] or "", r["view"]))


def percentile_rows(found: Iterable[Percentiles]) -> Iterator[Row]:
    """One row per view, instant, quantity and percentile."""
    for entry in found:
        for quantile in entry.found:
            yield {
                "view": entry.view,
                "instant": entry.instant,
                "quantity": entry.quantity,
                "unit": QUANTITY_UNITS[entry.quantity],
                "n_patients": entry.n_patients,
                "n_values": entry.n_values,
                "percentile": quantile.percent,
                "value": known(quantile.found.value),
                "low": known(quantile.found.low),
                "high": known(quantile.found.high),
                "interval": quantile.method,
            }


def outlier_rows(cohort: Cohort, outliers: Iterable[Outlier]) -> Iterator[Row]:
    """One row per sequence, the most unusual first."""
    instants = cohort.instants()
    for rank, o in enumerate(outliers, start=1):
        yield {
            "rank": rank,
            **_who(cohort.of(o.row)),
            "frame": int(cohort.frame[o.row]),
            "instant": instants[o.row] or None,
            "squared_distance": known(o.squared),
            "n_attributes": o.n_known,
            "tail": known(o.tail),
            "outlier": o.flagged,
            "attribute": o.attribute or None,
            "value": known(o.value),
            "unit": QUANTITY_UNITS[o.attribute] if o.attribute else None,
            "percentile": known(o.percent),
            "robust_sd": known(o.score),
            "unexpected": o.unexpected or None,
            "unexpected_sd": known(o.unexpected_score),
            "latent_frame": None if o.latent_row < 0 else int(cohort.frame[o.latent_row]),
            "latent_percentile": known(o.latent_percent),
        }


def latent_rows(cohort: Cohort, outliers: Iterable[Outlier]) -> Iterator[Row]:
    """Of every sequence the frame least usual to the prior, the least usual first."""
    seen = [o for o in outliers if o.latent_row >= 0]
    for o in sorted(seen, key=lambda o: (o.latent_percent, cohort.of(o.latent_row).source)):
        yield {
            **_who(cohort.of(o.latent_row)),
            "frame": int(cohort.frame[o.latent_row]),
            "percentile": known(o.latent_percent),
        }


def difference_rows(comparison: Comparison) -> Iterator[Row]:
    """One row per view, instant, pair of groups and quantity."""
    for row in comparison.differences:
        d = row.found
        yield {
            "view": row.view,
            "instant": row.instant,
            **_pair(row.groups, d.n, d.n_both),
            "quantity": row.quantity,
            "unit": QUANTITY_UNITS[row.quantity],
            "mean_a": d.mean[0],
            "mean_b": d.mean[1],
            "sd_a": d.sd[0],
            "sd_b": d.sd[1],
            "hedges_g": known(d.g.value),
            "g_low": known(d.g.low),
            "g_high": known(d.g.high),
            "ks": d.ks,
            "ks_p": d.ks_p,
            "ks_p_holm": row.ks_p_holm,
            "share_above": d.above,
            "mann_whitney_p": d.rank_p,
            "mann_whitney_p_holm": row.rank_p_holm,
            "paired": d.paired,
        }


def distance_rows(comparison: Comparison) -> Iterator[Row]:
    """One row per view, instant and pair of groups."""
    for row in comparison.distances:
        d = row.found
        yield {
            "view": row.view,
            "instant": row.instant,
            **_pair(row.groups, d.n if d else (None, None), d.n_both if d else None),
            "energy_distance": d and d.energy,
            "energy_p": d and d.energy_p,
            "energy_p_holm": known(row.energy_p_holm),
            "mmd_squared": d and d.mmd,
            "mmd_p": d and d.mmd_p,
            "latent_frechet": known(row.frechet),
            "latent_frechet_p": known(row.frechet_p),
            "attributes": " ".join(row.attributes) or None,
        }


def place_rows(found: Iterable[Place]) -> Iterator[Row]:
    """One row per view, instant and quantity, shares in percent."""
    for p in found:
        row: Row = {
            "view": p.view,
            "instant": p.instant,
            "quantity": p.quantity,
            "n_patients": p.n_patients,
            "median_percentile": known(p.median_percent),
        }
        for name, share in (("below", p.below), ("above", p.above)):
            row[f"{name}_percent"] = known(100 * share.value)
            row[f"{name}_low"] = known(100 * share.low)
            row[f"{name}_high"] = known(100 * share.high)
        yield row


def _who(m: Member) -> Row:
    return {
        "source": m.source,
        "name": m.name,
        "patient": m.patient,
        "view": m.view,
        "group": m.group or None,
    }


def _pair(groups: tuple[str, str], n: tuple[int | None, int | None], n_both: int | None) -> Row:
    return {
        "group_a": groups[0],
        "group_b": groups[1],
        "n_a": n[0],
        "n_b": n[1],
        "n_both": n_both,
    }


def _ejection(found: Ejection) -> Row:
    return {
        "method": found.method,
        "ed_volume_ml": known(found.ed_ml),
        "es_volume_ml": known(found.es_ml),
        "ef_percent": known(found.ef_percent),
        "reason": found.reason or None,
    }
