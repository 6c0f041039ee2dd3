"""What both ways of judging silence read: when Stripe was last heard, and whether the exporter was there to hear."""

from __future__ import annotations

from bw_exporter.config.durations import render as duration
from bw_exporter.metrics import catalog
from bw_rules.toolkit.cases import ALWAYS, HOUR, MINUTE, Case, Outcome, Series, Steps
from bw_rules.toolkit.promql import Recording, Scope, created, quoted

UP = "billing:up:max"
SILENCE = "tenant:billing_silence_seconds:now"
LEVEL = "tenant:billing_silence_seconds:threshold"


def recordings(scope: Scope) -> tuple[Recording, ...]:
    """Whether any replica could be scraped, 0 too where none is known; and seconds since the last event."""
    return (
        Recording(UP, f"max(up{{job={quoted(scope.job)}}}) or vector(0)"),
        Recording(SILENCE, f"time() - {last_event(scope)}"),
    )


def last_event(scope: Scope) -> str:
    """Return PromQL for when each tenant's last event came; nothing where none ever came."""
    return f"max by (tenant) ({scope.latest(catalog.LAST_EVENT.name)} > 0)"


def never_heard(scope: Scope, seconds: int) -> str:
    """Return PromQL for tenants that were set up longer ago than that and never heard of."""
    return f"(time() - {created(scope)} > {seconds} unless on (tenant) {last_event(scope)})"


def exporter_was_there(gate: int) -> str:
    """Return PromQL that holds where no outage of the exporter touched the last `gate` seconds."""
    there = f"max_over_time({UP}[{duration(outage(gate))}])[{duration(gate)}:{duration(MINUTE)}]"
    return f"(min_over_time({there}) == 1)"


def outage(gate: int) -> int:
    """Return how many seconds without one good scrape are an outage.

    A scrape that fails now and then is none: it would put the alert off for an hour, and one in every hour for good.
    """
    return max(MINUTE, gate // 6 // MINUTE * MINUTE)


def gate_cases(
    limit: int, gate: int, created: int = ALWAYS, series: tuple[Series, ...] = ()
) -> tuple[Case, ...]:
    """Return the cases of an exporter that was away, of a tenant that may be silent for `limit` seconds."""
    away = outage(gate)

    def silent(name: str, outcome: Outcome, last: int, up: Steps) -> Case:
        return Case(name, outcome, series, created, last, up, fine=True)

    back = ((ALWAYS, 1), (gate + 2 * HOUR, 0))
    failed = ((ALWAYS, 1), (2 * away, 0), (2 * away - MINUTE, 1))
    found = [
        silent("silent while the exporter is down", "quiet", limit + HOUR, ((ALWAYS, 1), (30 * MINUTE, 0))),
        silent(
            "silent while the exporter is gone from discovery",
            "quiet",
            limit + HOUR,
            ((ALWAYS, 1), (30 * MINUTE, None)),
        ),
        silent(
            "silent, the exporter back for longer than the gate",
            "fires",
            limit + 3 * HOUR,
            (*back, (gate + 10 * MINUTE, 1)),
        ),
    ]
    if gate >= 10 * MINUTE:
        half = (*back, (gate // 2, 1))
        found.append(
            silent("silent, the exporter back for half of the gate", "quiet", limit + 3 * HOUR, half)
        )
    if away > MINUTE:
        found.append(silent("silent, one scrape having failed", "fires", limit + HOUR, failed))
    return tuple(found)
