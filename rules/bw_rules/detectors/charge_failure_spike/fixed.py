"""Failed charges by thresholds alone: a multiple of the past, or a share of the attempts."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from bw_exporter.config.durations import render as duration
from bw_exporter.metrics import catalog
from bw_rules.detectors.charge_failure_spike.counters import ATTEMPTS, FAILURES
from bw_rules.toolkit.average import Average
from bw_rules.toolkit.cases import ALWAYS, HOUR, MINUTE, Case, Outcome, Series, Steps, steps
from bw_rules.toolkit.detector import VALUE, Method, first_of
from bw_rules.toolkit.promql import Recording, Scope, scaled

if TYPE_CHECKING:
    from bw_rules.detectors.charge_failure_spike import Thresholds


def recordings(t: Thresholds, scope: Scope) -> tuple[Recording, ...]:
    """Failures and attempts of the window; failures of the same window one baseline ago, and since."""
    return (
        FAILURES.recording(scope),
        ATTEMPTS.recording(scope),
        FAILURES.lost(scope),
        ATTEMPTS.lost(scope),
        FAILURES.delta(scope, t.window),
        FAILURES.delta(scope, t.window, t.baseline, made_good=True),
        FAILURES.delta(scope, t.baseline, t.window, made_good=True),
        ATTEMPTS.delta(scope, t.window, made_good=True),
    )


def condition(t: Thresholds, scope: Scope) -> str:
    """Many more than a baseline ago and than on average, or a large share of the attempts.

    One hour a week ago alone is a coin toss: a steady shop with 4 failures an hour would fire 12 times a
    week; with the average beside it, once in ten weeks. A tenant younger than the baseline has its average
    of the time it has been there, or its every hour would be a spike for days. The share needs no history.
    """
    beside = scope.beside
    failures = beside.recorded(FAILURES.delta_name(t.window))
    attempts = beside.recorded(ATTEMPTS.delta_name(t.window))
    scoped = scope.recorded(FAILURES.delta_name(t.window))
    before = beside.recorded(FAILURES.delta_name(t.window, t.baseline))
    then = scaled(failures, ">=", t.multiplier, before)
    average = _average(t, beside).reached_by(failures)
    share = scaled(failures, ">=", Fraction(t.failure_pct) / 100, attempts)
    return (
        f"(\n  {scoped} >= {t.min_failures}\n  and on (tenant) ({then})\n  and on (tenant) ({average})\n)\n"
        f"or on (tenant)\n"
        f"(\n  {scoped} >= 1\n  and on (tenant) ({share})\n  and on (tenant) ({attempts} >= {t.min_attempts})\n)"
    )


def _average(t: Thresholds, scope: Scope) -> Average:
    past = scope.recorded(FAILURES.delta_name(t.baseline, t.window))
    return Average(scope, past, t.multiplier, t.window, t.baseline)


def threshold(t: Thresholds, scope: Scope) -> Recording:
    """The lower of the two arms, at the present number of attempts."""
    beside = scope.beside
    before = beside.recorded(FAILURES.delta_name(t.window, t.baseline))
    then = f"clamp_min({t.multiplier} * {before}, {t.min_failures})"
    average = _average(t, beside).level()
    attempts = beside.recorded(ATTEMPTS.delta_name(t.window))
    level = (
        "min by (tenant) (\n"
        f"  ({then} >= on (tenant) {average})\n"
        "  or on (tenant)\n"
        f"  ({average} > on (tenant) {then})\n"
        "  or\n"
        f'  label_replace({t.failure_pct} * ({attempts} >= {t.min_attempts}) / 100, "arm", "share", "", "")\n'
        ")"
    )
    return Recording(FAILURES.threshold_name(t.window), scope.narrowed(level, FAILURES.max_name))


def description(t: Thresholds) -> str:
    """Failures, attempts, and what was usual."""
    attempts = first_of(f"{ATTEMPTS.delta_name(t.window)}{{tenant='%s'}}", "tenant")
    then = first_of(f"{FAILURES.delta_name(t.window, t.baseline)}{{tenant='%s'}}", "tenant")
    return (
        f"Charges that failed within {duration(t.window)}: {VALUE} of {attempts}; "
        f"{duration(t.baseline)} earlier: {then}. Fires from {t.min_failures} failures that are "
        f"{t.multiplier} times as many as then and as on average, "
        f"or when {t.failure_pct} % of at least {t.min_attempts} attempts fail."
    )


def cases(t: Thresholds) -> tuple[Case, ...]:
    """Just enough and one too few: against a past, without one, with gaps, replicas and resets."""
    window, week, floor = t.window, t.baseline, t.min_failures
    inside, then = window // 2, week + window // 2
    every = 15 * MINUTE if window % HOUR == 0 else 0
    past = int(floor / t.multiplier) + 1
    enough = -(-int(past * t.multiplier * 1000) // 1000)
    busy = int(Fraction(floor * week, window) / Fraction(t.multiplier)) + 1

    def failing(name: str, outcome: Outcome, *rises: Steps, created: int = ALWAYS) -> Case:
        return _case(every, name, outcome, rises, steps((inside, 10**10)), created)

    young, unknown = window + week // 3, window + week // 2
    usual = int(Fraction(floor * (week // 3), window) / Fraction(t.multiplier)) + 1

    def share(name: str, outcome: Outcome, failures: int, attempts: int) -> Case:
        return _case(
            every, name, outcome, (((unknown, 0), (inside, failures)),), ((unknown, 0), (inside, attempts))
        )

    most = -(-int(t.failure_pct * t.min_attempts * 1000) // 100_000)
    return (
        failing(
            "as many times the past as it takes",
            "fires",
            steps((then, 100 + past), (inside, 100 + past + enough)),
        ),
        failing("one failure below that", "quiet", steps((then, 100 + past), (inside, 99 + past + enough))),
        failing("the least number of failures after none", "fires", steps((inside, 100 + floor))),
        failing("one failure below the least number", "quiet", steps((inside, 99 + floor))),
        failing(
            "a quiet hour a week ago in a busy week",
            "quiet",
            steps((week // 2, 100 + busy), (inside, 100 + busy + floor)),
        ),
        failing("a tenant born with its failures", "fires", ((inside, floor),), created=inside),
        failing(
            "a young tenant that fails as it always has",
            "quiet",
            ((young, 0), (window + week // 6, usual), (inside, usual + floor)),
            created=young,
        ),
        failing(
            "a young tenant that fails as many times as often as it takes",
            "fires",
            ((young, 0), (window + week // 6, usual - 1), (inside, usual - 1 + floor)),
            created=young,
        ),
        failing(
            "scrapes missing at the start of the window",
            "fires",
            steps((window + 20 * MINUTE, None), (window - window // 6, 100), (inside, 100 + floor)),
        ),
        failing(
            "scrapes missing one baseline ago",
            "fires",
            steps((week + 20 * MINUTE, None), (week - 20 * MINUTE, 100), (inside, 100 + floor)),
        ),
        failing(
            "a pod replaced while charges fail", "fires", steps((inside, None)), ((inside, 100 + floor),)
        ),
        failing(
            "two replicas telling of one failure too few", "quiet", *[steps((inside, floor - 1), start=0)] * 2
        ),
        failing(
            "an old tenant whose past nobody knows",
            "quiet",
            ((window + week // 2, 100), (inside, 100 + 10 * floor)),
        ),
        failing("a store restored from a backup", "quiet", steps((inside, 40))),
        failing(
            "a busy week half of which a restored store lacks",
            "quiet",
            steps((window + week // 2, 100 + busy), (window + week // 3, 100), (inside, 100 + floor)),
        ),
        *(
            [
                _case(
                    every,
                    "attempts that a store restored within the window lacks",
                    "quiet",
                    (((unknown, 0), (inside, most)),),
                    ((unknown, 0), (window * 3 // 4, 10 * t.min_attempts), (inside, t.min_attempts)),
                )
            ]
            if window >= HOUR
            else []
        ),
        share("half of the charges fail and nobody knows the past", "fires", most, t.min_attempts),
        share("one failure below that share", "quiet", most - 1, t.min_attempts),
        share(
            "that share of one attempt too few", "quiet", min(most, t.min_attempts - 1), t.min_attempts - 1
        ),
    )


def _case(
    every: int,
    name: str,
    outcome: Outcome,
    rises: tuple[Steps, ...],
    attempts: Steps,
    created: int = ALWAYS,
) -> Case:
    failures = (
        Series(catalog.CHARGE_FAILURES.name, rise, 'reason="other"', f"replica-{number}")
        for number, rise in enumerate(rises)
    )
    series = (*failures, Series(catalog.CHARGE_ATTEMPTS.name, attempts))
    return Case(name, outcome, series, created, every=every, reach=True)


METHOD = Method(recordings, condition, threshold, description, lambda t: int(t.window + t.baseline), cases)
