"""Tenant: one tenant and one of its currencies, the detectors first, then what lies behind them."""

from __future__ import annotations

from grafana_foundation_sdk.models import dashboard as model

from boards.overview import BLIND, NOTHING_FIRES
from boards.rows import delivery, detectors, mrr, sales, trouble
from boards.rows.glance import CHANGE
from boards.toolkit import frame, panels, tables
from boards.toolkit.panels import Lines, Number, Timeline
from boards.toolkit.parts import Query, Reading
from boards.toolkit.queries import (
    CURRENCY,
    DETECTORS,
    FIRING,
    ONE,
    SCRAPED,
    firing_count,
    firing_since,
    latest,
    revenue_between,
    silence,
    whole_units,
)
from boards.toolkit.tables import Column, Table
from bw_exporter.metrics import catalog
from bw_rules.detectors.revenue_drop import REVENUE


def board() -> model.Dashboard:
    """Return the dashboard."""
    top = (*_answers(), _firing(), _history())
    drawn = detectors.drawn()
    watching = tuple(one for one in drawn if not one.off_until_asked_for)
    asked_for = tuple(one for one in drawn if one.off_until_asked_for)
    first = len(top) + 2  # panels are numbered from 1, and the row's heading is one of them
    first_asked_for = first + len(watching) + 2  # the findings and the next heading stand between
    return frame.assemble(
        "Billing tenant",
        frame.TENANT_UID,
        "One tenant in one currency: what is firing, each detector's value against its threshold, and the traffic "
        "behind them.",
        (
            frame.datasource(),
            frame.job(),
            frame.tenant(several=False),
            frame.currency(ONE, several=False),
        ),
        (
            frame.Row("", top),
            frame.Row(
                "Detectors: the value, and dashed the level at which it fires",
                (*_panels(watching), trouble.findings(24 - 8 * (len(watching) % 3))),
            ),
            *([frame.Row("Detectors that are off until asked for", _panels(asked_for))] if asked_for else []),
            frame.Row("Money in $currency", sales.money()),
            frame.Row("Charges", sales.charges()),
            frame.Row("Disputes and fraud", trouble.disputes()),
            frame.Row("Checks", trouble.checks()),
            frame.Row("MRR in $currency", mrr.recurring()),
            frame.Row("Subscriptions and dunning", sales.subscriptions()),
            frame.Row("Payouts and refunds", sales.payouts()),
            frame.Row("Delivery by Stripe", delivery.delivery()),
        ),
        (
            *(one.annotation(number) for number, one in enumerate(watching, first)),
            *(one.annotation(number) for number, one in enumerate(asked_for, first_asked_for)),
        ),
    )


def _panels(drawn: tuple[detectors.Drawn, ...]) -> tuple[Lines, ...]:
    return tuple(one.panel() for one in drawn)


def _answers() -> tuple[Number, ...]:
    now = revenue_between(REVENUE.max_name, "1d", "", ONE, CURRENCY)
    then = revenue_between(REVENUE.max_name, "8d", "7d", ONE, CURRENCY)
    past_due = latest(catalog.SUBSCRIPTIONS.name, "tenant", ONE, 'status="past_due"')
    known = latest(catalog.TENANT_CREATED.name, "tenant", ONE)
    return (
        panels.number(
            "Alerts firing",
            "Alerts of the detectors for this tenant. Normal: none.",
            "none",
            Query(firing_count("alertname, currency", DETECTORS, ONE, watched=SCRAPED)),
            Reading(0, 0, "None", "green"),
            Reading(1, None, "", "red"),
            nothing=BLIND,
            width=4,
        ),
        panels.number(
            "Last event",
            "Time since Stripe last sent anything for this tenant. Normal: minutes by day. What is silent is not "
            "watched.",
            "s",
            Query(silence(ONE)),
            nothing="Unknown",
            width=4,
        ),
        panels.number(
            "Revenue of 24 hours, $currency",
            "Gross revenue of the last 24 hours, in whole units of the currency. Normal: as the number beside it says.",
            "locale",
            Query(whole_units(now)),
            nothing="Unknown, or none",
            width=4,
            decimals=2,
        ),
        panels.number(
            "Against a week earlier",
            "Revenue of the last 24 hours against the same 24 hours of last week. Normal: within a fifth or a quarter.",
            "percent",
            Query(f"100 * (\n({now})\n/ on (tenant, currency)\n(({then}) > 0)\n- 1\n)"),
            *(Reading(one.low, one.high, "", one.color) for one in CHANGE),
            nothing="Nothing to compare",
            width=4,
            decimals=0,
        ),
        panels.number(
            "Disputes open",
            "Disputes not closed yet, inquiries not included. Normal: few, and each answered before its due date.",
            "none",
            Query(latest(catalog.DISPUTES_OPEN.name, "tenant", ONE)),
            nothing="Unknown",
            width=4,
        ),
        panels.number(
            "Subscriptions past due",
            "Subscriptions whose last invoice is not paid. Normal: a few in a hundred, moving with the dunning.",
            "none",
            Query(f"{past_due}\nor on (tenant)\n0 * {known}"),
            nothing="Unknown",
            width=4,
        ),
    )


def _firing() -> Table:
    return tables.table(
        "Firing now",
        "Alerts of this tenant in any currency, newest first; since when their condition holds. Normal: an empty "
        "table. The alert's name opens its runbook.",
        (
            Column("alertname", "Alert", link_title="Runbook", link_url=frame.TO_RUNBOOK),
            Column("currency", "Currency"),
            Column("severity", "Severity"),
            Column("A", "Since", unit="dateTimeFromNow"),
            Column("threshold_profile", "Thresholds"),
        ),
        Query(firing_since(DETECTORS, ONE)),
        sort="Since",
        nothing=NOTHING_FIRES,
        width=12,
        height=6,
    )


def _history() -> Timeline:
    return panels.timeline(
        "When it fired",
        "Each bar is the time in which an alert of this tenant fired. Normal: empty.",
        Query(f"max by (alertname) (ALERTS{{{FIRING},{DETECTORS},{ONE}}})", "{{alertname}}"),
        Reading(1, 1, "firing", "red"),
        nothing="Nothing fired in this time",
        width=12,
        height=6,
    )
