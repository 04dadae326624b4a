"""The plan as text for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from blazz.cluster.planner.plan import SPARE, Plan


def render(plan: Plan) -> str:
    """Return the plan as lines of at most about 100 characters, with the figures' origins at the end."""
    request, need = plan.request, plan.instance
    storage = plan.storage
    places = f"{plan.instances} instances of {request.instance_capacity} places"
    stores = f"{storage.session_stores_gb:,.1f} GB session stores (shared)"
    rest = f"{storage.database_gb:,.1f} GB database, {storage.media_gb:,.1f} GB media"
    lines = [
        f"{request.sessions:,} sessions: {places}, {plan.used:.0%} used ({SPARE:.0%} spare, N-1)",
        "",
        f"  each instance   {need.sessions} sessions, {need.sessions_one_down} with one instance down",
        f"                  {need.memory_gb:.2f} GB of memory, {need.cores:.2f} cores: {need.machine}",
        f"  busiest hour    {plan.peak_messages_per_s:.1f} messages a second",
        f"  storage         {stores}, {rest} after {_months(request.months)}",
        "",
        f"Cost a month ({plan.currency}, prices of {plan.prices_as_of})",
    ]
    rows = [
        (line.what, f"{line.count:,.10g}", line.unit, _price(line.each), f"{line.monthly:,.2f}") for line in plan.costs
    ]
    lines += _table([*rows, ("together", "", "", "", f"{plan.monthly:,.2f}")], right=(1, 3, 4))
    lines += ["", f"Beside the original's own claims ({plan.currency} a month; the original's are US dollars)"]
    lines += _table(
        [("sessions", "original", "Blazz", "instances")]
        + [
            (f"{one.sessions:,}", f"{one.original:,.0f}", f"{one.monthly:,.0f}", str(one.instances))
            for one in plan.comparison
        ],
        right=(0, 1, 2, 3),
    )
    lines += ["", "Measured"]
    for source in plan.measured:
        lines += [
            f"  {source.name} = {source.value:g} {source.unit} ({source.date}, {source.machine})",
            f"    {source.how}",
            f"    {source.command}",
        ]
    lines += ["", "Assumed", *(f"  {sentence}" for sentence in plan.assumed), f"  prices: {plan.prices_source}"]
    return "\n".join(lines)


def _table(rows: Sequence[Sequence[str]], right: Sequence[int]) -> list[str]:
    """Return rows with aligned columns; those in `right` end flush."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  "
        + "  ".join(
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _price(value: float) -> str:
    """Return two decimals, or three where a price by the gigabyte has them."""
    return f"{value:,.2f}" if round(value, 2) == value else f"{value:,.3f}"


def _months(count: int) -> str:
    return "1 month" if count == 1 else f"{count} months"
