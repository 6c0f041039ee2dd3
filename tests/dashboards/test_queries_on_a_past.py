"""Every query of every panel against a real Prometheus that remembers three shops."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from boards.rows.detectors import drawn
from boards.toolkit import queries
from bw_exporter.metrics import catalog
from bw_rules.detectors import DETECTORS

from .board_files import NAMES, Target, all_targets, filled, selectors, targets
from .grafana import Choice, ask, choices
from .past_prometheus import EVENTFUL, JOB, STEP, Past

_LOOKBACK = 3600


def test_every_query_is_answered_wherever_the_past_has_an_answer(past: Past) -> None:
    problems, answered = [], set()
    for choice in (choice for name in NAMES for choice in choices(past, name)):
        for target in targets(choice.board):
            expr, result = ask(_when(past, target), target, choice)
            if _takes_an_api_key(expr) or "Revenue of each window" in str(target):  # or weeks of past
                answered.add(str(target))
                continue
            if result:
                answered.add(str(target))
            elif all(_has_past(_when(past, target), one) for one in selectors(expr)):
                problems.append(f"{choice}: {target}: nothing, though all its series are there:\n{expr}")
            if any(not math.isfinite(value) for value in _values(result)):
                problems.append(f"{choice}: {target}: not a number:\n{expr}")
            problems += [
                f"{choice}: {target}: no {label} to name it by:\n{expr}"
                for label in re.findall(r"\{\{(\w+)\}\}", target.legend)
                if not all(series["metric"].get(label) for series in result)
            ]
    idle = _of_detectors_that_found_nothing(past)
    problems += [
        f"{target}: never answered"
        for target in all_targets()
        if str(target) not in answered and target.panel not in idle
    ]
    assert not problems, "\n".join(problems)
    _everything_to_choose_is_found(past)
    _what_fires_is_shown(past)
    _none_in_trouble_is_said_only_while_the_exporter_is_reached(past)
    _bars_add_up_to_what_was_counted(past)
    _a_tenants_own_windows_are_drawn(past)


def _takes_an_api_key(expr: str) -> bool:
    """Whether a query is of what only an API key can tell; the shops of the past have none."""
    families = (catalog.CATCH_UP_SUCCESS, catalog.STRIPE_NEWEST_EVENT, catalog.ENDPOINT_ENABLED)
    alerts = (DETECTORS[name].alert for name in ("events_missed", "catch_up_failing", "endpoint_disabled"))
    return any(name in expr for name in (*(family.name for family in families), *alerts))


def _of_detectors_that_found_nothing(past: Past) -> set[str]:
    """Panels, and marks, of detectors whose alert never fired in this past: its shops had no such trouble."""
    series = past.range("ALERTS", past.end_at - 8 * 86_400, past.end_at, 600)
    fired = {one["metric"]["alertname"] for one in series}
    idle = [one for one in drawn() if one.alert not in fired]
    return {title for one in idle for title in (one.alert, one.drawn.title)}


def _everything_to_choose_is_found(past: Past) -> None:
    """Tenants and currencies; the currency `other` is nobody's."""
    found = [(one.values["tenant"], one.values["currency"]) for one in choices(past, "billing-tenant.json")]
    assert {tenant for tenant, _ in found} == {"alpha", "beta", "gamma"}
    assert {"eur", "usd"} <= {currency for _, currency in found}
    assert "other" not in {currency for _, currency in found}


def _what_fires_is_shown(past: Past) -> None:
    """The overview's first table names each tenant in trouble with its alert; the first number counts them."""
    values = {**_choice(past, "billing-overview.json").values}
    table = past.instant(filled(queries.firing_since(queries.DETECTORS, queries.SOME), values))
    shown = {(row["metric"]["tenant"], row["metric"]["alertname"]) for row in table}
    assert {
        ("alpha", "BillingChargeFailureSpike"), ("alpha", "BillingDuplicateCharge"), ("alpha", "BillingFraudSpike"),
        ("alpha", "BillingInvoiceMismatch"), ("alpha", "BillingWebhookLag"), ("beta", "BillingSilentLapse"),
        ("gamma", "BillingRevenueDrop"),
    } <= shown  # fmt: skip
    in_trouble = queries.firing_count("tenant", queries.DETECTORS, queries.SOME, watched=queries.SCRAPED)
    count = past.instant(filled(in_trouble, values))
    assert [row["value"][1] for row in count] == [str(len({tenant for tenant, _ in shown}))]


def _none_in_trouble_is_said_only_while_the_exporter_is_reached(past: Past) -> None:
    nobody = 'alertname="Nobody"'
    reached, not_reached = (
        past.instant(queries.firing_count("tenant", nobody, watched=f"{queries.SCRAPED} + {more}"))
        for more in (0, 1)
    )
    assert [row["value"][1] for row in reached] == ["0"]
    assert not_reached == []


def _bars_add_up_to_what_was_counted(past: Past) -> None:
    """Bars of 30 minutes over a day hold each failure once, those of reasons first seen that day too."""
    name = "billing_charge_failures_total"
    matcher = f'tenant="{EVENTFUL}"'
    values = {"job": JOB, "__interval": "30m", "__interval_ms": str(30 * 60_000)}
    expr = filled(queries.rise(name, "tenant, reason", queries.STEP, matcher, total="tenant"), values)
    bars = past.range(expr, past.end_at - 86_400 + 1800, past.end_at, 1800)
    before, after = (
        past.instant(f"sum({name}{{{matcher}}})", at)[0]["value"][1]
        for at in (past.end_at - 86_400, past.end_at)
    )
    assert sum(_values(bars)) == float(after) - float(before) > 0


def _a_tenants_own_windows_are_drawn(past: Past) -> None:
    """gamma has other windows than the defaults: its panels find them."""
    gamma = next(one for one in choices(past, "billing-tenant.json") if one.values["tenant"] == "gamma")
    own = set()
    for target in targets("billing-tenant.json"):
        if "threshold" in target.expr:
            _, result = ask(past, target, gamma)
            own |= {series["metric"].get("window") for series in result}
    assert {"30m", "60s, 30m", "1d"} <= own


def _when(past: Past, target: Target) -> Past:
    """Prometheus tells of its own rules only in the present, in which it runs."""
    return replace(past, end_at=int(time.time())) if "prometheus_" in target.expr else past


def _choice(past: Past, name: str) -> Choice:
    return next(choices(past, name))


def _has_past(past: Past, selector: Any) -> bool:
    """Whether the series that a selector picks were there at the end of the time that it looks at."""
    end = past.end_at - (selector.offset.total_seconds() if selector.offset else 0)
    plain = str(selector).partition(" offset ")[0].partition(" @ ")[0]
    return bool(past.instant(f"last_over_time({plain}[{_LOOKBACK if selector.offset else STEP + 60}s])", end))


def _values(result: list[Any]) -> Iterator[float]:
    for series in result:
        for _, value in series.get("values", [series.get("value")]):
            yield float(value)
