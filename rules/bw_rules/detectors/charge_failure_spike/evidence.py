"""Failed payments by evidence: more than chance explains at the tenant's usual share, and than in the same hours.

The windows are told apart by a label, so that one rule records all of them.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from bw_exporter.config.durations import render as duration
from bw_rules.detectors.charge_failure_spike.counters import (
    ATTEMPTS,
    CHECKOUT_ATTEMPTS,
    CHECKOUT_FAILURES,
    EVENTS,
    FAILURES,
    INVOICED,
    older_than,
)
from bw_rules.detectors.charge_failure_spike.drawn import drawn, threshold
from bw_rules.detectors.charge_failure_spike.evidence_cases import cases
from bw_rules.detectors.charge_failure_spike.habits import habits
from bw_rules.detectors.charge_failure_spike.names import (
    FAILED,
    LONG,
    OF_INVOICES,
    ON,
    SHORT,
    TRIED,
    Names,
    bars,
    names_of,
    narrowed,
)
from bw_rules.toolkit import habit
from bw_rules.toolkit.bars import ALL_FAIL_PCT, LIFT, MIN_LONG
from bw_rules.toolkit.detector import VALUE, Method, first_of
from bw_rules.toolkit.evidence import MOST_OLD, NATS_OF_TEN, binomial
from bw_rules.toolkit.promql import HOUR, Counter, Recording, Scope, indented, scaled, times

if TYPE_CHECKING:
    from bw_rules.detectors.charge_failure_spike import Thresholds


def recordings(t: Thresholds, scope: Scope) -> tuple[Recording, ...]:
    """Return what failed and was tried in each window, and the evidence that it is more than usual."""
    counted = (FAILURES, ATTEMPTS, INVOICED, CHECKOUT_FAILURES, CHECKOUT_ATTEMPTS)
    windows = (*SHORT, *LONG)
    failed = [(duration(w), CHECKOUT_FAILURES.delta(scope, w).expr) for w in windows]
    tried = [(duration(w), CHECKOUT_ATTEMPTS.delta(scope, w, made_good=True).expr) for w in windows]
    invoiced = INVOICED.delta(scope, 6 * HOUR)
    names = names_of(t)
    all_failed, all_tried = (
        FAILURES.delta(scope, 6 * HOUR).expr,
        ATTEMPTS.delta(scope, 6 * HOUR, made_good=True).expr,
    )
    return (
        *(one.recording(scope) for one in (*counted, EVENTS, older_than(t.old_seconds))),
        *(one.lost(scope) for one in (FAILURES, ATTEMPTS, CHECKOUT_FAILURES, CHECKOUT_ATTEMPTS)),
        invoiced,
        Recording(
            FAILED,
            habit.told_apart("window", (*failed, (OF_INVOICES, _on_invoices(names, scope, all_failed)))),
        ),
        Recording(TRIED, habit.told_apart("window", (*tried, (OF_INVOICES, all_tried)))),
        Recording(names.old_share, habit.told_apart("window", _old(scope, older_than(t.old_seconds)))),
        Recording(names.evidence, _evidence(names, scope)),
        Recording(names.times, _times(names, scope)),
        Recording(names.unjudged, _unjudged(names, scope)),
    )


def _old(scope: Scope, old: Counter) -> list[tuple[str, str]]:
    """The share of events that were made long before they came, in each window."""
    found = []
    for name, window in [*((duration(w), w) for w in (*SHORT, *LONG)), (OF_INVOICES, 6 * HOUR)]:
        seen = f"clamp_min(\n{indented(EVENTS.delta(scope, window).expr)},\n  1\n)"
        found.append((name, f"{old.delta(scope, window).expr}\n/ on (tenant)\n{seen}"))
    return found


def _on_invoices(names: Names, scope: Scope, all_failed: str) -> str:
    """All failures of six hours, where most are on invoices and more of those failed than in any six hours of the past.

    A tenant that bills every day needs no such comparison, and one whose past is unknown has none.
    """
    failed = scope.recorded(INVOICED.delta_name(6 * HOUR))
    most = habit.read(scope.recorded(names.most))
    daily = habit.read(scope.recorded(names.daily))
    return (
        f"(\n{indented(all_failed)}\n)\n"
        f"and on (tenant) (\n  2 * {failed} >= on (tenant) (\n{indented(all_failed, 4)}\n  )\n)\n"
        "and on (tenant) (\n"
        f"  ({failed} >= on (tenant) 2 * {most})\n"
        f"  or on (tenant) ({failed} >= on (tenant) {most} + 3 * sqrt({most} + 1))\n"
        f"  or on (tenant) ({failed} and on (tenant) ({most} <= on (tenant) 6 * {daily} + 3))\n"
        f"  or on (tenant) ({failed} unless on (tenant) {most})\n"
        ")"
    )


def _evidence(names: Names, scope: Scope) -> str:
    """The evidence of each window in which enough failed, which few tenants have at a time."""
    failed = f"({scope.recorded(FAILED)} >= {MIN_LONG})"
    tried = f"({scope.recorded(TRIED)} > 0)"
    share = habit.read(scope.recorded(names.share))
    lifted = scaled(failed, ">=", LIFT, f"{tried} * on ({ON}) {share}", ON)
    long = f'window=~"{"|".join(duration(w) for w in LONG)}"'
    some = (
        f"100 * {narrowed(scope, FAILED, long)} < on ({ON}) {ALL_FAIL_PCT} * {narrowed(scope, TRIED, long)}"
    )
    return (
        f"(\n{indented(binomial(failed, tried, share, ON))}\n)\n"
        f"and on ({ON}) ({lifted})\n"
        f"unless on ({ON}) ({some})\n"
        f"unless on ({ON}) ({scope.recorded(names.old_share)} > {MOST_OLD})"
    )


def _times(names: Names, scope: Scope) -> str:
    """How many times the same hours: without bound where it is three deviations above them."""
    failed, hours = f"({scope.recorded(FAILED)} >= {MIN_LONG})", habit.read(scope.recorded(names.same_hours))
    far = f"{failed} >= on ({ON}) {hours} + 3 * sqrt({hours} + 1)"
    return f"(1000000 + 0 * ({far}))\nor on ({ON})\n({failed} / on ({ON}) clamp_min({hours}, 1 / 1000000))"


def _unjudged(names: Names, scope: Scope) -> str:
    """Attempts of the hour, of tenants whose usual share of failures nobody knows."""
    hour = f'window="{duration(HOUR)}"'
    return (
        f"sum by (tenant) (\n  {narrowed(scope, TRIED, hour)}\n"
        f"  unless on (tenant) {habit.read(narrowed(scope, names.share, hour))}\n"
        f"  unless on (tenant) ({narrowed(scope, names.old_share, hour)} > {MOST_OLD})\n)"
    )


def condition(t: Thresholds, scope: Scope) -> str:
    """Return PromQL for: enough failed in some window, with enough evidence, and more than in the same hours."""
    names, beside = names_of(t), scope.beside
    arms = []
    for window, least, bar in bars(t):
        failed = narrowed(scope, FAILED, window)
        evident = f"{times(bar.denominator, narrowed(beside, names.evidence, window))} >= {bar.numerator}"
        multiplier = Fraction(t.multiplier)
        multiple = times(multiplier.denominator, narrowed(beside, names.times, window))
        arms.append(
            f"(\n  {failed} >= {least}\n"
            f"  and on ({ON}) ({evident})\n"
            f"  and on ({ON}) ({multiple} >= {multiplier.numerator})\n)"
        )
    failed = narrowed(scope, FAILED, f'window="{duration(HOUR)}"')
    tried = beside.recorded(names.unjudged)
    share = scaled(failed, ">=", Fraction(t.failure_pct) / 100, f"({tried} >= {t.min_attempts})")
    arms.append(f"(\n  {failed} >= 1\n  and on (tenant) ({share})\n)")
    return "max by (tenant) (\n" + "\n  or\n".join(indented(arm) for arm in arms) + "\n)"


def description(t: Thresholds) -> str:
    """Return how many failed of how many, how many usually do, and how rare that is by chance."""
    names = names_of(t)
    best = f"topk(1, {names.evidence}{{tenant='%s'}})"
    of = "{tenant='%s',window='%s'}"

    def value(query: str, form: str = 'printf "%.0f"') -> str:
        return first_of(query, "$labels.tenant", "$window", form=form)

    once = value(f"10 ^ floor({names.evidence}{of} / {NATS_OF_TEN})")
    usual = value(f"100 * last_over_time({names.share}{of}[16m])")
    return (
        f'{{{{ with printf "{best}" $labels.tenant | query }}}}{{{{ $window := (first .).Labels.window }}}}'
        f"{value(FAILED + of)} of {value(TRIED + of)} payments failed within {{{{ $window }}}}; usually {usual} % "
        f"fail. By chance: less than once in {once} times {{{{ $window }}}}.{{{{ else }}}}Payments that failed "
        f"within 1h: {VALUE}, at least {t.failure_pct} % of the attempts. How many "
        "usually fail is not known yet.{{ end }}"
    )


METHOD = Method(
    recordings,
    condition,
    threshold,
    description,
    lambda t: habit.reach(t.weeks),
    cases,
    habits=habits,
    drawn=drawn,
)
