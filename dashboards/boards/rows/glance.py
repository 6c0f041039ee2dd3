"""The overview's tables of all tenants."""

from __future__ import annotations

from boards.toolkit import frame, tables
from boards.toolkit.parts import Query, Reading
from boards.toolkit.queries import (
    DAY,
    HOUR,
    SOME,
    Window,
    latest,
    mean_lag,
    recorded_rise,
    revenue_between,
    rise,
    silence,
    whole_units,
)
from boards.toolkit.tables import Column, Table
from bw_exporter.metrics import catalog
from bw_rules.detectors.charge_failure_spike import ATTEMPTS, FAILURES
from bw_rules.detectors.duplicate_charge import FOUND as DUPLICATES
from bw_rules.detectors.fraud_spike import DISPUTES
from bw_rules.detectors.invoice_mismatch import FOUND as MISMATCHES
from bw_rules.detectors.revenue_drop import REVENUE

_REVENUE_FILTER = (SOME, 'currency=~"$currency",currency!="other"')
CHANGE = (
    Reading(None, -50, "▼▼ half or less", "red"),
    Reading(-50, -20, "▼ lower", "orange"),
    Reading(-20, 25, "as usual", "green"),
    Reading(25, None, "▲ higher", "blue"),
)
"""A change in percent, in words."""


def glance() -> Table:
    """One line for each tenant."""
    duplicates = recorded_rise(DUPLICATES.max_name, DAY, SOME)
    mismatches = recorded_rise(MISMATCHES.max_name, DAY, SOME)
    found = (Reading(0, 0, "none", "text"), Reading(1, None, "", "red"))
    return tables.table(
        "Tenants at a glance",
        "One line for each tenant, the one silent for longest first; click a heading to sort by it. Normal: few "
        "failures among many attempts, no duplicates and no mismatches, silence of minutes, a mean lag of seconds.",
        (
            Column("tenant", "Tenant", link_title="Tenant dashboard", link_url=frame.TO_TENANT),
            Column("A", "Silent for", unit="s", decimals=0),
            Column("B", "Attempts, 1 h"),
            Column("C", "Failed, 1 h"),
            Column("D", "Disputes, 24 h"),
            Column("E", "Disputes open"),
            Column("F", "Duplicates, 24 h", readings=found),
            Column("G", "Mismatches, 24 h", readings=found),
            Column("H", "Over 60 s late, 1 h"),
            Column("I", "Mean lag, 1 h", unit="s", decimals=1),
        ),
        Query(silence(SOME)),
        Query(recorded_rise(ATTEMPTS.max_name, HOUR, SOME)),
        Query(recorded_rise(FAILURES.max_name, HOUR, SOME)),
        Query(recorded_rise(DISPUTES.max_name, DAY, SOME)),
        Query(latest(catalog.DISPUTES_OPEN.name, "tenant", SOME)),
        Query(duplicates),
        Query(mismatches),
        Query(late(HOUR)),
        Query(mean_lag(HOUR, SOME)),
        sort="Silent for",
        nothing="No tenants: is the exporter scraped?",
        height=9,
    )


def revenue() -> Table:
    """One line for each tenant and currency."""
    now = revenue_between(REVENUE.max_name, "1d", "", *_REVENUE_FILTER)
    then = revenue_between(REVENUE.max_name, "8d", "7d", *_REVENUE_FILTER)
    change = f"100 * (\n({now})\n/ on (tenant, currency)\n(({then}) > 0)\n- 1\n)"
    return tables.table(
        "Revenue of the last 24 hours against the same weekday",
        "Gross revenue in whole units of its currency, against the same 24 hours a week earlier, so that weekends "
        "meet weekends. Normal: within a fifth or a quarter; the worst come first.",
        (
            Column("tenant", "Tenant", link_title="Tenant dashboard", link_url=frame.TO_TENANT),
            Column("currency", "Currency"),
            Column("A", "Last 24 h", decimals=2),
            Column("B", "A week earlier", decimals=2),
            Column("C", "Change", unit="percent", decimals=0),
            Column("D", "Which is", readings=CHANGE),
        ),
        Query(whole_units(now)),
        Query(whole_units(then)),
        Query(change),
        Query(change),
        sort="Change",
        descending=False,
        nothing="No revenue recorded yet",
        unit="locale",
        height=7,
    )


def late(window: Window) -> str:
    """Return how many first deliveries within the window were more than a minute late: exact, 60 is a bucket."""
    every = rise(f"{catalog.WEBHOOK_LAG.name}_count", "tenant", window, SOME)
    in_time = rise(f"{catalog.WEBHOOK_LAG.name}_bucket", "tenant", window, SOME, 'le="60.0"')
    return f"{every}\n- on (tenant)\n{in_time}"
