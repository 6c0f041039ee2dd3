"""Stripe has sent nothing for too long, or never has."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from bw_exporter.config.durations import render as duration
from bw_exporter.metrics import catalog
from bw_rules.toolkit.cases import ALWAYS, HOUR, MINUTE, Case, Outcome, Steps
from bw_rules.toolkit.detector import Detector, Runbook
from bw_rules.toolkit.panel import Panel
from bw_rules.toolkit.promql import Recording, Scope, created, quoted
from bw_rules.toolkit.rise import first_look
from bw_rules.toolkit.thresholds import Base, DurationBetween, For


class Thresholds(Base):
    """When silence is a lapse."""

    for_: For = 300
    max_silence: Annotated[int, DurationBetween("1m", "30d")] = Field(
        4 * 3600, description="A tenant may send no event for this long."
    )


UP = "billing:up:max"
SILENCE = "tenant:billing_silence_seconds:now"
THRESHOLD = "tenant:billing_silence_seconds:threshold"


def recordings(t: Thresholds, scope: Scope) -> tuple[Recording, ...]:  # noqa: ARG001 - every detector's signature
    """Whether any replica could be scraped, 0 too where none is known; and seconds of silence, for dashboards."""
    last = f"max by (tenant) ({scope.latest(catalog.LAST_EVENT.name)} > 0)"
    return (
        Recording(UP, f"max(up{{job={quoted(scope.job)}}}) or vector(0)"),
        Recording(SILENCE, f"time() - ({last} or on (tenant) {created(scope)})"),
    )


def condition(t: Thresholds, scope: Scope) -> str:
    """Silent, or never heard of since it was set up; and the exporter was there to hear."""
    last = f"max by (tenant) ({scope.beside.latest(catalog.LAST_EVENT.name)} > 0)"
    silent = (
        "(\n"
        f"  time() - {last} > {t.max_silence}\n"
        "  or on (tenant)\n"
        f"  (time() - {created(scope.beside)} > {t.max_silence} unless on (tenant) {last})\n"
        ")"
    )
    narrow = f"\nand on (tenant)\n{created(scope)}" if scope != scope.beside else ""
    there = f"max_over_time({UP}[{duration(_outage(t))}])[{duration(_gate(t))}:{duration(MINUTE)}]"
    return f"{silent}{narrow}\nand on () (min_over_time({there}) == 1)"


def threshold(t: Thresholds, scope: Scope) -> Recording:
    """Seconds of silence."""
    return Recording(THRESHOLD, f"{t.max_silence} + 0 * {created(scope)}")


def description(t: Thresholds) -> str:
    """How long it has been silent."""
    return (
        "Stripe has sent no validly signed event for {{ $value | humanizeDuration }} (or never, since it was set up). "
        f"Fires when nothing came for more than {duration(t.max_silence)}."
    )


def cases(t: Thresholds) -> tuple[Case, ...]:
    """Longer and exactly as long, never seen, and with the exporter away."""
    limit, gate, outage = t.max_silence, _gate(t), _outage(t)

    def silent(
        name: str, outcome: Outcome, last: int | None, created: int = ALWAYS, up: Steps = ((ALWAYS, 1),)
    ) -> Case:
        return Case(name, outcome, (), created, last, up, fine=True)

    back = ((ALWAYS, 1), (gate + 2 * HOUR, 0))
    failed = ((ALWAYS, 1), (2 * outage, 0), (2 * outage - MINUTE, 1))
    return (
        silent("silent for longer than allowed", "fires", limit + 6 * MINUTE),
        silent("silent for exactly as long as allowed", "quiet", limit),
        silent("never heard of, at 0", "fires", 0, limit + HOUR),
        silent("never heard of, without a series", "fires", None, limit + HOUR),
        silent("new and not heard of yet", "quiet", 0, limit // 2),
        silent(
            "silent while the exporter is down", "quiet", limit + HOUR, up=((ALWAYS, 1), (30 * MINUTE, 0))
        ),
        silent(
            "silent while the exporter is gone from discovery",
            "quiet",
            limit + HOUR,
            up=((ALWAYS, 1), (30 * MINUTE, None)),
        ),
        *(
            [
                silent(
                    "silent, the exporter back for half of the gate",
                    "quiet",
                    limit + 3 * HOUR,
                    up=(*back, (gate // 2, 1)),
                ),
            ]
            if gate >= 10 * MINUTE
            else []
        ),
        *(
            [silent("silent, one scrape having failed", "fires", limit + HOUR, up=failed)]
            if outage > MINUTE
            else []
        ),
        silent(
            "silent, the exporter back for longer than the gate",
            "fires",
            limit + 3 * HOUR,
            up=(*back, (gate + 10 * MINUTE, 1)),
        ),
    )


def _gate(t: Thresholds) -> int:
    """Seconds without an outage: what the exporter missed, Stripe sends again within about an hour."""
    return min(HOUR, t.max_silence)


def _outage(t: Thresholds) -> int:
    """Seconds without one good scrape that are an outage.

    A scrape that fails now and then is none: it would put the alert off for an hour, and one in every hour for good.
    """
    return max(MINUTE, _gate(t) // 6 // MINUTE * MINUTE)


DETECTOR = Detector(
    alert="BillingSilentLapse",
    summary="Stripe has stopped sending events.",
    recordings=recordings,
    condition=condition,
    threshold=threshold,
    description=description,
    reach=_gate,
    runbook=Runbook(
        meaning="No validly signed event came for longer than `max_silence`, or none ever since the tenant was set up, "
        "while the exporter was up. Ignored events (other mode, Connect, thin) count as signs of life.",
        impact="Nothing about this tenant is watched any more: every other alert of it is blind.",
        first=f"1. Were requests refused within the last day?{first_look(catalog.WEBHOOK_REQUESTS, 'result', '1d')}"
        "\n   A wrong secret shows as `bad_signature`.\n"
        "2. In Stripe's dashboard, Developers > Webhooks: is the endpoint enabled, and what do the last attempts say? "
        "Stripe switches endpoints off that failed for days.\n"
        "3. Can the internet reach the exporter (DNS, certificate, firewall)?\n"
        "4. Did requests come for no tenant?"
        f"""{first_look(catalog.WEBHOOK_REQUESTS, "result", "1d", 'tenant=""')}"""
        "\n   Then look at the URL's last part in Stripe.",
        tune="`max_silence` above the longest quiet time of a normal night; `enabled: false` for test accounts.",
    ),
    cases=cases,
    panel=Panel(
        "Silence",
        "Time since the last validly signed event, or since the tenant was set up. Normal: a sawtooth of minutes, "
        "longer at night, below the dashed line.",
        SILENCE,
        THRESHOLD,
        "s",
        "fires above",
    ),
)
