"""Cases of failed payments by evidence: the least number that is enough, and one below."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bw_exporter.metrics import catalog
from bw_rules.toolkit.bars import BARS, LIFT, MIN_LONG
from bw_rules.toolkit.cases import ALWAYS, DAY, HOUR, Case, Outcome, Series, Steps
from bw_rules.toolkit.evidence import binomial_of

if TYPE_CHECKING:
    from bw_rules.detectors.charge_failure_spike import Thresholds

_AGE = 4 * DAY
"""Of the tenants whose past is known from their first day on, as weeks of hours take long to evaluate."""


def cases(t: Thresholds) -> tuple[Case, ...]:
    """Return busy, steady and small tenants, dunning, old events, young tenants and unknown pasts."""
    short, long = (float(bar) for bar in BARS["failures"][t.sensitivity])
    usual, tried = 19, 380  # with the 20 attempts more, one of which failed, exactly 5 %
    tries = 30
    enough = _enough(t.min_failures, tries, 0.05, short)
    small: int = next(n for n in range(MIN_LONG, 1000) if binomial_of(n, n, 0.05) >= long)

    def failing(
        name: str,
        outcome: Outcome,
        failed: int,
        of: int,
        *,
        ago: int = HOUR // 2,
        before: tuple[tuple[int, int, int], ...] = (),
        old: int = 0,
        invoiced: tuple[tuple[int, int], ...] = (),
        replicas: int = 1,
        weeks: int = 0,
    ) -> Case:
        known = (weeks * 7 + 1) * DAY if weeks else _AGE
        long_ago = known - 2 * DAY if weeks else _AGE - 12 * HOUR
        failures = _rising(
            (known, 0), (long_ago, usual), *((a, f) for a, f, _ in before), *invoiced, (ago, failed)
        )
        attempts = _rising(
            (known, 0), (long_ago, tried), *((a, n) for a, _, n in before), *invoiced, (ago, of)
        )
        lag = f"{catalog.WEBHOOK_LAG.name}_"
        series = [
            Series(catalog.CHARGE_FAILURES.name, failures, 'reason="other"', f"replica-{n}")
            for n in range(replicas)
        ]
        series += [
            Series(catalog.CHARGE_ATTEMPTS.name, attempts),
            Series(catalog.INVOICE_PAYMENT_FAILURES.name, _rising(*invoiced)),
            Series(f"{lag}count", _rising((HOUR // 2, 100))),
            Series(f"{lag}bucket", _rising((HOUR // 2, 100 - old)), f'le="{t.old_seconds}.0"'),
        ]
        created, every = (ALWAYS, DAY) if weeks else (_AGE, HOUR)
        return Case(name, outcome, tuple(series), created, every=every)

    steady = 12 * int(t.multiplier) + 12
    root = int(12 + 3 * 13**0.5) + 1
    return (
        failing("as many failures as are no chance", "fires", enough, tries),
        failing("one failure less", "quiet", enough - 1, tries),
        failing("as many, told by two replicas", "fires", enough, tries, replicas=2),
        failing("one less, told by two replicas", "quiet", enough - 1, tries, replicas=2),
        failing("failures without any attempts", "quiet", enough, 0),
        failing("as many among old events", "quiet", enough, tries, old=11),
        failing("as many, a tenth of the events being old", "fires", enough, tries, old=10),
        failing(
            "more than twice as many, or by three deviations, as in the same hour yesterday",
            "fires",
            min(steady, root),
            2 * root,
            before=((DAY + HOUR // 2, 12, 2 * root),),
        ),
        failing(
            "one less than that",
            "quiet",
            min(steady, root) - 1,
            2 * root,
            before=((DAY + HOUR // 2, 12, 2 * root),),
        ),
        failing("every payment of a small tenant", "fires", small, small, ago=20 * HOUR),
        failing("one payment less of a small tenant", "quiet", small - 1, small - 1, ago=20 * HOUR),
        failing(
            "every payment of a small tenant that is known for weeks",
            "fires",
            small,
            small,
            ago=20 * HOUR,
            weeks=t.weeks,
        ),
        failing(
            "one payment less of a small tenant that is known for weeks",
            "quiet",
            small - 1,
            small - 1,
            ago=20 * HOUR,
            weeks=t.weeks,
        ),
        failing(
            "a wave of invoices that are tried again",
            "quiet",
            0,
            0,
            invoiced=((3 * DAY, 70), (HOUR // 2, 40)),
        ),
        failing(
            "twice as many invoices as in any wave before",
            "fires",
            0,
            0,
            invoiced=((3 * DAY, 70), (HOUR // 2, 140)),
        ),
        *_unknown(t),
    )


def _enough(floor: int, tries: int, share: float, bar: float) -> int:
    """The least number of failures that has the evidence and is no less than the others ask for."""
    return next(
        n
        for n in range(floor, 10**6)
        if n >= float(LIFT) * tries * share and (n > tries or binomial_of(n, max(tries, n), share) >= bar)
    )


def _unknown(t: Thresholds) -> tuple[Case, ...]:
    """An old tenant whose past nobody knows: a large share of enough attempts; and a tenant of two hours."""
    most = -(-int(t.failure_pct * t.min_attempts * 1000) // 100_000)

    def told(name: str, outcome: Outcome, failures: int, attempts: int, created: int = ALWAYS) -> Case:
        begin = 2 * HOUR
        series = (
            Series(catalog.CHARGE_FAILURES.name, ((begin, 0), (HOUR // 2, failures)), 'reason="other"'),
            Series(catalog.CHARGE_ATTEMPTS.name, ((begin, 0), (HOUR // 2, attempts))),
            Series(catalog.INVOICE_PAYMENT_FAILURES.name, ((begin, 0),)),
        )
        return Case(name, outcome, series, created, every=HOUR)

    sure = next(
        n
        for n in range(t.min_failures, 10**6)
        if binomial_of(n, n, 0.05) >= float(BARS["failures"][t.sensitivity][0])
    )
    return (
        told("a large share of the payments, and nobody knows the past", "fires", most, t.min_attempts),
        told("one failure below that share", "quiet", most - 1, t.min_attempts),
        told("a tenant born with its failures", "fires", sure, sure, 2 * HOUR),
    )


def _rising(*rises: tuple[int, int]) -> Steps:
    """A counter that has risen by each number, so many seconds before the check."""
    total, steps = 0, []
    for ago, more in sorted(rises, reverse=True):
        total += more
        steps.append((ago, total))
    return ((ALWAYS, 0), *steps)
