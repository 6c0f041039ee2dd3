"""Billing overview: all tenants, and first of all who is in trouble."""

from __future__ import annotations

from grafana_foundation_sdk.models import dashboard as model

from boards.rows import glance
from boards.toolkit import frame, panels, tables
from boards.toolkit.panels import Lines, Number, Timeline
from boards.toolkit.parts import Query, Reading
from boards.toolkit.queries import (
    CURRENCY,
    DAY,
    DETECTORS,
    FIRING,
    SCRAPED,
    SOME,
    STEP,
    WATCHDOG,
    firing_count,
    firing_since,
    recorded_rise,
    revenue_so_far,
    silence,
    whole_units,
)
from boards.toolkit.tables import Column, Table
from bw_rules.detectors.charge_failure_spike import ATTEMPTS, FAILURES
from bw_rules.detectors.fraud_spike import DISPUTES
from bw_rules.detectors.revenue_drop import REVENUE
from bw_rules.detectors.silent_lapse import UP

NO_RULES = "No rules loaded: blind"
BLIND = "No rules loaded, or exporter not reached: blind"
NOTHING_FIRES = "Nothing is firing, as far as the rules are loaded and the exporter is scraped"
TOP = 10


def board() -> model.Dashboard:
    """Return the dashboard."""
    return frame.assemble(
        "Billing overview",
        frame.OVERVIEW_UID,
        "Every tenant at once: who is in trouble now, then money, failures, disputes, silence and lag. "
        "Read from the top; a tenant's name leads to its own dashboard, an alert's to its runbook.",
        (
            frame.datasource(),
            frame.job(),
            frame.tenant(several=True),
            frame.currency(SOME, several=True),
        ),
        (
            frame.Row("", (*_answers(), _firing(), glance.glance(), _history())),
            frame.Row("Money", (glance.revenue(), _today())),
            frame.Row("Failures and disputes", (*_failures(), *_disputes())),
            frame.Row("Silence and lag", (*_delivery(),)),
        ),
    )


def _answers() -> tuple[Number, ...]:
    return (
        panels.number(
            "Tenants in trouble",
            "Tenants with a firing alert of a detector. Normal: none.",
            "none",
            Query(firing_count("tenant", DETECTORS, SOME, watched=SCRAPED)),
            Reading(0, 0, "None", "green"),
            Reading(1, None, "", "red"),
            nothing=BLIND,
        ),
        panels.number(
            "The watch itself",
            "Alerts about the exporter, its store and its rules. Normal: none. While one fires, silence above "
            "proves nothing: open the Exporter dashboard.",
            "none",
            Query(firing_count("alertname", WATCHDOG)),
            Reading(0, 0, "Watching", "green"),
            Reading(1, None, "", "red"),
            nothing=NO_RULES,
        ),
        panels.number(
            "Exporter",
            "Whether Prometheus reaches any replica. Normal: up. Stripe repeats for three days what is missed.",
            "none",
            Query(UP),
            Reading(0, 0, "DOWN", "red"),
            Reading(1, 1, "Up", "green"),
            nothing=NO_RULES,
        ),
        panels.number(
            "Quietest tenant, silent for",
            "Time since Stripe last sent anything to the tenant that it was silent to for longest. Normal: minutes by "
            "day, hours by night; the table below has each tenant's.",
            "s",
            Query(f"max(\n{silence(SOME)}\n)"),
            nothing="Unknown: nothing is scraped",
        ),
    )


def _firing() -> Table:
    return tables.table(
        "Firing now",
        "Alerts of the detectors, newest first; since when their condition holds. Normal: an empty table. The "
        "alert's name opens its runbook, the tenant's its dashboard.",
        (
            Column("alertname", "Alert", link_title="Runbook", link_url=frame.TO_RUNBOOK),
            Column("tenant", "Tenant", link_title="Tenant dashboard", link_url=frame.TO_TENANT),
            Column("currency", "Currency"),
            Column("severity", "Severity"),
            Column("A", "Since", unit="dateTimeFromNow"),
            Column("threshold_profile", "Thresholds"),
        ),
        Query(firing_since(DETECTORS, SOME)),
        sort="Since",
        nothing=NOTHING_FIRES,
    )


def _history() -> Timeline:
    return panels.timeline(
        "When it fired",
        "Each bar is the time in which an alert of a tenant fired. Normal: empty.",
        Query(
            f"max by (tenant, alertname) (ALERTS{{{FIRING},{DETECTORS},{SOME}}})", "{{tenant}}: {{alertname}}"
        ),
        Reading(1, 1, "firing", "red"),
        nothing="Nothing fired in this time",
    )


def _today() -> Lines:
    today = revenue_so_far(REVENUE.max_name, "", SOME, CURRENCY)
    before = revenue_so_far(REVENUE.max_name, "7d", SOME, CURRENCY)
    panel = panels.lines(
        "Revenue today so far, $currency",
        "Gross revenue since midnight (the time zone is the browser's), in whole units of the currency; dashed is "
        "the same weekday last week. Normal: the two climb together. A tenant that is new today appears tomorrow.",
        "locale",
        Query(whole_units(today), "today"),
        Query(whole_units(before), "same weekday last week"),
        width=12,
        height=9,
        label="$currency",
        interval="5m",
    )
    panels.dashed(panel, "B", "text")
    return panel.time_from("now/d").repeat("currency").repeat_direction("h").max_per_row(2)


def _failures() -> tuple[Lines, ...]:
    return (
        panels.lines(
            f"Failed charges, the {TOP} worst tenants",
            "Charges that failed, each once, in each bar's time. Normal: a small share of the attempts, spread "
            "over the day; the detector compares with the tenant's own past.",
            "short",
            Query(f"topk({TOP}, {recorded_rise(FAILURES.max_name, STEP, SOME)} > 0)", "{{tenant}}"),
            kind="bars",
        ),
        panels.lines(
            f"Charges attempted, the {TOP} busiest tenants",
            "Charges seen succeeded or failed. Normal: the shape of the tenant's day. Few attempts beside few "
            "failures mean that nobody buys.",
            "short",
            Query(f"topk({TOP}, {recorded_rise(ATTEMPTS.max_name, STEP, SOME)} > 0)", "{{tenant}}"),
            kind="bars",
        ),
    )


def _disputes() -> tuple[Lines, ...]:
    return (
        panels.lines(
            f"Disputes opened in 24 hours, the {TOP} worst tenants",
            "Disputes, inquiries not included, of the 24 hours before each point. Normal: none or very few; card "
            "networks act from about one in a hundred charges.",
            "short",
            Query(f"topk({TOP}, {recorded_rise(DISPUTES.max_name, DAY, SOME)})", "{{tenant}}"),
            kind="steps",
        ),
    )


def _delivery() -> tuple[Lines, ...]:
    return (
        panels.lines(
            f"Silence, the {TOP} quietest tenants",
            "Time since the last validly signed event, or since the tenant was set up. Normal: a sawtooth of "
            "minutes, longer at night. A line that only climbs is a lapse.",
            "s",
            Query(f"topk({TOP}, {silence(SOME)})", "{{tenant}}"),
            width=12,
        ),
        panels.lines(
            f"Events over 60 seconds late, the {TOP} worst tenants",
            "First deliveries more than a minute after Stripe made the event. Normal: none. A burst after an outage "
            "is Stripe repeating what was missed.",
            "short",
            Query(f"topk({TOP}, {glance.late(STEP)}\n> 0)", "{{tenant}}"),
            kind="bars",
            width=12,
        ),
    )
