"""What a training would take, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cardiovae.prior.plan import Cost, Plan

UNITS = ("B", "kB", "MB", "GB")


def plan_lines(plan: Plan) -> list[str]:
    """The plan of a training for people."""
    total = sum(plan.parameters.values())
    parts = ", ".join(f"{name} {size:,}" for name, size in plan.parameters.items())
    counts = [
        f"{part} {plan.patients[part]} ({plan.frames.get(part, 0)} frames)"
        for part in plan.patients
    ]
    n_steps = sum(plan.steps.values())
    after = f", from step {plan.resumes_at} on" if plan.resumes_at else ""
    share = f" shared by {plan.processes} processes" if plan.processes > 1 else ""
    lines = [
        f"model        {plan.model}, {plan.latent_dim} latent dimensions",
        f"parameters   {total:,}: {parts}",
        f"patients     {', '.join(counts)}",
        f"device       {plan.device}, {plan.precision}",
    ]
    if plan.cost is None:
        return [*lines, "steps        none: this model is learned at once"]
    errors = f", then {plan.steps['errors']:,} that learn errors" if plan.steps["errors"] else ""
    return [
        *lines,
        f"steps        {n_steps - plan.steps['errors']:,} of {plan.batch_size} hearts{share}"
        f"{errors}; as many hearts as {plan.epochs:.1f} epochs{after}",
        *_cost_lines(plan.cost),
    ]


def _cost_lines(cost: Cost) -> list[str]:
    memory = ", ".join(f"{name} {size_text(n)}" for name, n in cost.memory_bytes.items())
    return [
        f"checkpoint   {size_text(cost.checkpoint_bytes)}",
        f"memory       about {size_text(sum(cost.memory_bytes.values()))} per process: {memory}; "
        "besides what Python and torch take",
        f"time         about {time_text(cost.seconds)}: {cost.seconds_per_step:.3g} s per step, "
        f"{cost.seconds_per_validation:.3g} s per validation",
    ]


def size_text(n_bytes: int) -> str:
    """A number of bytes in a unit that suits it.

    Examples:
        >>> size_text(0), size_text(12_345_678)
        ('0.0 B', '12.3 MB')
    """
    power = 0
    while n_bytes >= 1000 ** (power + 1) and power < len(UNITS) - 1:
        power += 1
    return f"{n_bytes / 1000**power:.1f} {UNITS[power]}"


def time_text(seconds: float) -> str:
    """A time in hours, minutes and seconds.

    Examples:
        >>> time_text(42.3), time_text(3700)
        ('42 s', '1 h 2 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min"
