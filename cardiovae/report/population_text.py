"""The record of a cohort as sentences and tables of words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cardiovae.report.evaluation_text import NONE, Table
from cardiovae.report.headline import Tile
from cardiovae.report.wording import count, is_number, number, unit_text, with_unit

Record = Mapping[str, Any]
Row = Mapping[str, Any]
TITLES: Mapping[str, str] = {
    "lv_area": "LV area",
    "lv_base_width": "LV base width",
    "lv_length": "LV length",
    "lv_orientation": "LV orientation",
    "myo_area": "MYO area",
    "epi_center_x": "Epicardium center, across",
    "epi_center_y": "Epicardium center, depth",
    "la_area": "LA area",
    "lv_volume": "LV volume",
    "ef": "Ejection fraction",
}
INSTANTS: Mapping[str, str] = {"any": "all frames", "cycle": "cycle"}
SIGNIFICANT = 0.05
MOST_ROWS = 60
MOST_REASONS = 12


def headline(record: Record) -> str:
    """How large the cohort is, and what does not fit in, in a sentence."""
    text = (
        f"{count(record['n_patients'], 'patient')}, {count(record['n_sequences'], 'sequence')}, "
        f"{count(record['n_frames'], 'frame')}"
    )
    n = record["outliers"]["n"]
    if n:
        text += f"; {count(n, 'sequence is', 'sequences are')} unlike the rest"
    if record["errors"]:
        text += f"; {count(len(record['errors']), 'file')} could not be read"
    return text + "."


def tiles(record: Record) -> list[Tile]:
    """The key figures."""
    found = [Tile("patients", "", f"{record['n_patients']:,}", _views(record))]
    for quantity, instant, title in (
        ("ef", "cycle", "ejection fraction"), ("lv_volume", "ED", "LV volume at ED")
    ):  # fmt: skip
        row = _best(record, quantity, instant)
        if row is not None:
            at = {p["percent"]: p["value"] for p in row["percentiles"]}
            unit = _unit(row["unit"])
            note = f"{number(at[25], 3)} to {number(at[75], 3)} {unit} in the middle half; "
            found.append(
                Tile(
                    f"{title}, median",
                    "",
                    f"{number(at[50], 3)} {unit}",
                    note + f"{row['view']}, {count(row['n_patients'], 'patient')}",
                )
            )
    outliers = record["outliers"]
    note = f"of {count(record['n_sequences'], 'sequence')}; 1 in 1,000 frames is expected"
    if outliers["views_without"]:
        note = "; ".join(f"{v}: {why}" for v, why in sorted(outliers["views_without"].items()))
    found.append(Tile("outliers", "", f"{outliers['n']:,}", note))
    if record["groups"] is not None:
        found.append(_group_tile(record["groups"]))
    return found


def _views(record: Record) -> str:
    return ", ".join(f"{view} {n:,}" for view, n in record["views"].items()) + " sequences"


def _best(record: Record, quantity: str, instant: str) -> Row | None:
    """Of both views together where that is known of somebody, else of the commonest view."""
    rows = [
        r for r in record["percentiles"] if (r["quantity"], r["instant"]) == (quantity, instant)
    ]
    return max(rows, key=lambda r: (r["view"] == "biplane", r["n_patients"]), default=None)


def _group_tile(groups: Record) -> Tile:
    rows = groups["differences"]
    n = sum(row["mann_whitney_p_holm"] < SIGNIFICANT for row in rows)
    note = f"of {len(rows)}, corrected for their number; by {groups['by']}"
    return Tile("differences, p < 0.05", "", f"{n:,}", note)


def percentile_tables(record: Record) -> list[Table]:
    """One table per view: a row per instant and quantity, a column per percentile."""
    found = []
    views = dict.fromkeys(row["view"] for row in record["percentiles"])
    for view in views:
        rows = [row for row in record["percentiles"] if row["view"] == view]
        percents = [f"{p['percent']:g} %" for p in rows[0]["percentiles"]]
        found.append(
            Table(
                view if view != "biplane" else "Both views (biplane)",
                "",
                ("instant", "quantity", "unit", "patients", *percents),
                tuple(
                    (
                        INSTANTS.get(row["instant"], row["instant"]),
                        TITLES[row["quantity"]],
                        _unit(row["unit"]),
                        f"{row['n_patients']:,}",
                        *(_estimate(p) for p in row["percentiles"]),
                    )
                    for row in rows
                ),
                n_names=3,
            )
        )
    return found


def difference_table(groups: Record) -> Table:
    """Every compared quantity, the largest differences first within view, instant and pair."""
    paired = any(row["paired"] for row in groups["differences"])
    rows = sorted(
        groups["differences"],
        key=lambda r: (r["mann_whitney_p_holm"], -abs(r["hedges_g"] or 0.0)),
    )
    caption = (
        "One value per patient and group. Hedges's g is the difference of the means over the "
        "pooled standard deviation, first minus second group, with its 95 % interval by patient; "
        "p-values are corrected for all rows after Holm."
    )
    if paired:
        caption += " Patients in both groups are paired: p-values come from swapping within them."
    if len(rows) > MOST_ROWS:
        caption += f" The first {MOST_ROWS} of {len(rows)} rows; differences.csv has all."
    return Table(
        "Differences, attribute by attribute",
        caption,
        ("view", "instant", "groups", "quantity", "unit", "patients", "means", "g",
         "Kolmogorov-Smirnov", "Mann-Whitney"),
        tuple(_difference(row) for row in rows[:MOST_ROWS]),
        n_names=5,
    )  # fmt: skip


def _difference(row: Row) -> tuple[str, ...]:
    g = {"value": row["hedges_g"], "low": row["g_low"], "high": row["g_high"]}
    return (
        row["view"],
        INSTANTS.get(row["instant"], row["instant"]),
        pair_name(row),
        TITLES[row["quantity"]],
        _unit(row["unit"]),
        f"{row['n_a']:,} / {row['n_b']:,}",
        f"{number(row['mean_a'])} / {number(row['mean_b'])}",
        _signed(g),
        f"{row['ks']:.2f}, {p_text(row['ks_p_holm'])}",
        p_text(row["mann_whitney_p_holm"]),
    )


def distance_table(groups: Record) -> Table:
    """All attributes together."""
    latent = any(is_number(row["latent_frechet"]) for row in groups["distances"])
    headings = ["view", "instant", "groups", "patients", "energy distance", "p", "MMD²", "p"]
    return Table(
        "Distances, all attributes together",
        "Of attributes in pooled standard deviations; 0 where the groups are alike. p-values: the "
        "share of 1,000 dealings of patients to the groups, the observed one among them, that are "
        "as far apart; those of the energy distance are corrected after Holm."
        + (" Fréchet distance of mean codes, in units of the latent space." if latent else ""),
        tuple(headings + (["latent Fréchet", "p"] if latent else [])),
        tuple(_distance(row, latent=latent) for row in groups["distances"]),
        n_names=3,
    )


def _distance(row: Row, *, latent: bool) -> tuple[str, ...]:
    cells = [
        row["view"],
        INSTANTS.get(row["instant"], row["instant"]),
        pair_name(row),
        NONE if row["n_a"] is None else f"{row['n_a']:,} / {row['n_b']:,}",
        _plain(row["energy_distance"]),
        p_text(row["energy_p_holm"]),
        _plain(row["mmd_squared"]),
        p_text(row["mmd_p"]),
    ]
    if latent:
        cells += [_plain(row["latent_frechet"]), p_text(row["latent_frechet_p"])]
    return tuple(cells)


def place_table(reference: Record) -> Table:
    """Where the cohort lies within a reference; all frames only where there is no ED."""
    rows = reference["places"]
    cycles = {row["view"] for row in rows if row["instant"] == "ED"}
    rows = [row for row in rows if row["instant"] != "any" or row["view"] not in cycles]
    return Table(
        f"Within the reference {reference['name']}",
        f"Percentiles of {count(reference['n_patients'], 'patient')}. Were the cohort alike, its "
        "median would lie near 50, and 2.5 % of its patients beyond either outer percentile. "
        "Every frame's own percentiles stand in frames.csv.",
        ("view", "instant", "quantity", "patients", "percentile of the median",
         "below 2.5 (% of patients)", "above 97.5 (% of patients)"),
        tuple(
            (
                row["view"],
                INSTANTS.get(row["instant"], row["instant"]),
                TITLES[row["quantity"]],
                f"{row['n_patients']:,}",
                number(row["median_percentile"], 3),
                *(
f"{row[f'{n}_percent']:.1f} ({_tenth(row[f'{n}_low'])} to "
                    f"{_tenth(row[f'{n}_high'])})"
                    for n in ("below", "above")
                ),
            )
            for row in rows
        ),
        n_names=3,
    )  # fmt: skip


def unmeasured_table(record: Record) -> Table:
    """Why attributes are missing."""
    rows = record["unmeasured"]
    return Table(
        "Not measurable",
        "Frames that lack an attribute, by reason; they are left out of its percentiles. What is "
        "not annotated does not count."
        + (f" The first {MOST_REASONS} of {len(rows)}." if len(rows) > MOST_REASONS else ""),
        ("attribute", "reason", "first sequence", "frames", "sequences"),
        tuple(
            (TITLES[r["attribute"]], r["reason"], r["first"], f"{r['n_frames']:,}",
             f"{r['n_sequences']:,}")
            for r in rows[:MOST_REASONS]
        ),
        n_names=3,
    )  # fmt: skip


def outlier_sentence(row: Row) -> str:
    """What is unusual about a sequence."""
    where = f"{row['name']}, frame {row['frame']}" + (
        f" ({row['instant']})" if row["instant"] else ""
    )
    return f"{where}: {'; '.join(outlier_facts(row))}"


def outlier_facts(row: Row) -> list[str]:
    """What is unusual about a frame, a phrase each."""
    found = []
    if row["attribute"]:
        value = with_unit(row["value"], row["unit"])
        found.append(
            f"{TITLES[row['attribute']]} {value}, percentile {percent_text(row['percentile'])}"
        )
    if row["unexpected"] and abs(row["unexpected_sd"]) >= 2:
        side = "more" if row["unexpected_sd"] > 0 else "less"
        found.append(
            f"{TITLES[row['unexpected']]} {abs(row['unexpected_sd']):.1f} SD {side} than the "
            "other attributes let expect"
        )
    if is_number(row["latent_percentile"]):
        found.append(f"to the prior, percentile {percent_text(row['latent_percentile'])}")
    return found


def percent_text(value: float | None) -> str:
    """A percentile with the digits that matter at its end.

    Examples:
        >>> percent_text(99.875), percent_text(50.2), percent_text(0.0)
        ('99.9', '50', '0')
    """
    if not is_number(value):
        return NONE
    return f"{value:.0f}" if 5 <= value <= 95 else f"{value:.1f}".removesuffix(".0")


def p_text(value: float | None) -> str:
    """A p-value; a dash for none.

    Examples:
        >>> p_text(0.2), p_text(0.0123), p_text(1e-9)
        ('0.20', '0.012', '< 0.001')
    """
    if not is_number(value):
        return NONE
    if value < 0.001:
        return "< 0.001"
    return f"{value:.2f}" if value >= 0.1 else f"{value:.3f}"


def pair_name(row: Row) -> str:
    """Two groups that are compared."""
    return f"{row['group_a']} {NONE} {row['group_b']}"


def group_names(record: Record) -> Sequence[str]:
    """The groups in their order; none where nothing is compared."""
    return list(record["groups"]["patients"]) if record["groups"] is not None else []


def _unit(unit: str) -> str:
    return "%" if unit == "percent" else unit_text(unit)


def _tenth(value: float | None) -> str:
    return f"{value:.1f}" if is_number(value) else NONE


def _plain(value: float | None) -> str:
    return number(value, 3) if is_number(value) else NONE


def _estimate(found: Mapping[str, float | None]) -> str:
    """A value with what is known of its interval."""
    low, high = (_plain(found[side]) for side in ("low", "high"))
    if low == high == NONE:
        return number(found["value"])
    return f"{number(found['value'])} ({low} to {high})"


def _signed(found: Mapping[str, float | None]) -> str:
    words = [
        # Adding zero makes a rounded "-0.00" plain zero.
        NONE if not is_number(v) else f"{round(v, 2) + 0.0:+.2f}".replace("-", "\N{MINUS SIGN}")
        for v in (found["value"], found["low"], found["high"])
    ]
    return f"{words[0]} ({words[1]} to {words[2]})"
