"""Silence by a duration that the user has chosen: it holds as it stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bw_exporter.config.durations import render as duration
from bw_rules.detectors.silent_lapse import signals
from bw_rules.toolkit.cases import ALWAYS, HOUR, MINUTE, Case, Outcome
from bw_rules.toolkit.detector import Method
from bw_rules.toolkit.promql import Recording, Scope, created

if TYPE_CHECKING:
    from bw_rules.detectors.silent_lapse import Thresholds


def recordings(t: Thresholds, scope: Scope) -> tuple[Recording, ...]:  # noqa: ARG001 - every method's signature
    """Return what both methods read."""
    return signals.recordings(scope)


def condition(t: Thresholds, scope: Scope) -> str:
    """Return PromQL for: silent, or never heard of since it was set up; and the exporter was there to hear."""
    beside = scope.beside
    silent = (
        "(\n"
        f"  time() - {signals.last_event(beside)} > {t.max_silence}\n"
        "  or on (tenant)\n"
        f"  {signals.never_heard(beside, t.limit)}\n"
        ")"
    )
    narrow = f"\nand on (tenant)\n{created(scope)}" if scope != beside else ""
    return f"{silent}{narrow}\nand on () {signals.exporter_was_there(_gate(t))}"


def threshold(t: Thresholds, scope: Scope) -> Recording:
    """Return the chosen seconds of silence."""
    return Recording(signals.LEVEL, f"{t.max_silence} + 0 * {created(scope)}")


def description(t: Thresholds) -> str:
    """Return how long it has been silent, and what is allowed."""
    return (
        "Stripe has sent no validly signed event for {{ $value | humanizeDuration }} (or never, since it was set up). "
        f"Fires when nothing came for more than {duration(t.limit)}."
    )


def cases(t: Thresholds) -> tuple[Case, ...]:
    """Return longer and exactly as long as allowed, never heard of, and with the exporter away."""
    limit = t.limit

    def silent(name: str, outcome: Outcome, last: int | None, created: int = ALWAYS) -> Case:
        return Case(name, outcome, (), created, last, fine=True)

    return (
        silent("silent for longer than allowed", "fires", limit + 6 * MINUTE),
        silent("silent for exactly as long as allowed", "quiet", limit),
        silent("never heard of, at 0", "fires", 0, limit + HOUR),
        silent("never heard of, without a series", "fires", None, limit + HOUR),
        silent("new and not heard of yet", "quiet", 0, limit // 2),
        *signals.gate_cases(limit, _gate(t)),
    )


def _gate(t: Thresholds) -> int:
    """Seconds without an outage: what the exporter missed, Stripe sends again within about an hour."""
    return min(HOUR, t.limit)


METHOD = Method(recordings, condition, threshold, description, _gate, cases)
