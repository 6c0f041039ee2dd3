"""Cases of the rhythm: a minute above what is allowed and a minute below, for each thing that allows it.

Weeks are evaluated every six hours, which a silence at an hour of the week needs no finer. Where payments of the hour
decide, the case tells what is usual as the rules would have recorded it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from bw_exporter.metrics import catalog
from bw_rules.detectors.silent_lapse import by_stripe_cases, signals
from bw_rules.detectors.silent_lapse.bounds import (
    FACTOR,
    FLOOR,
    SLACK,
    UNKNOWN,
    WINDOWS,
    YOUNG,
    bar,
    due_name,
    evident_seconds,
    longest_name,
)
from bw_rules.toolkit.cases import ALWAYS, DAY, HOUR, MINUTE, Case, Outcome, Series, Steps

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bw_rules.detectors.silent_lapse import Thresholds

_WEEK = 7 * DAY


def cases(t: Thresholds) -> tuple[Case, ...]:
    """Return busy, slow and nightly tenants, outages among the weeks, young tenants and unknown pasts."""
    span = (t.weeks * 7 + 2) * DAY
    night = 5 * HOUR
    nightly = FACTOR * night + SLACK

    def silent(name: str, outcome: Outcome, last: float, attempts: Steps, *heard: tuple[int, int]) -> Case:
        series = [Series(catalog.CHARGE_ATTEMPTS.name, attempts)]
        last_event: int | None = int(last)
        if heard:
            steps = ((ALWAYS, span), *heard, (int(last), int(last)))
            series.append(Series(catalog.LAST_EVENT.name, steps, timestamps=True))
            last_event = None
        return Case(name, outcome, tuple(series), last_event=last_event, every=6 * HOUR)

    def edge(
        name: str, limit: float, attempts: Steps, heard: tuple[tuple[int, int], ...]
    ) -> tuple[Case, Case]:
        def until(last: float) -> tuple[tuple[int, int], ...]:
            return tuple(one for one in heard if one[0] > last)

        above, below = limit + MINUTE, limit - MINUTE
        return (
            silent(f"{name}, a minute longer", "fires", above, attempts, *until(above)),
            silent(f"{name}, a minute less", "quiet", below, attempts, *until(below)),
        )

    hours = range(span, 0, -HOUR)
    every_hour = tuple((ago, ago) for ago in hours)
    hundreds: Steps = ((ALWAYS, 0), *((ago, 1000 * number) for number, ago in enumerate(hours, 1)))
    quiet_nights = _without(every_hour, t.weeks, night)
    outage = tuple(one for one in quiet_nights if not 2 * _WEEK < one[0] < 2 * _WEEK + 20 * HOUR)
    found = [
        *_paid(t, "busy, as short as is never a lapse", 1000),
        *_paid(t, "a payment an hour, as long as chance explains", 1),
        *edge("quiet nights, twice as long as usual", nightly, hundreds, quiet_nights),
        *_young(),
        *_signals(t),
        Case(
            "an old tenant whose past nobody knows, for less than two days",
            "quiet",
            last_event=UNKNOWN - HOUR,
            every=HOUR,
        ),
        Case("never heard of, at 0", "fires", created=YOUNG + HOUR, last_event=0, every=HOUR),
        Case(
            "never heard of, without a series",
            "fires",
            created=YOUNG + HOUR,
            last_event=None,
            every=HOUR,
        ),
        Case("new and not heard of yet", "quiet", created=YOUNG // 2, last_event=0, every=HOUR),
    ]
    if t.weeks > 2:  # noqa: PLR2004 - of two weeks one outage is half of what is known
        found += edge("an outage among the weeks is no habit, twice as long", nightly, hundreds, outage)
    return tuple(found)


def _paid(t: Thresholds, name: str, an_hour: int) -> tuple[Case, Case]:
    """So many payments an hour are usual, and no silence that is worth mentioning."""
    due = {window: an_hour * window // HOUR for window in WINDOWS}
    limit = max(evident_seconds(due), FLOOR)
    usual = _usual(t, due)

    def silent(name: str, outcome: Outcome, last: float) -> Case:
        return Case(name, outcome, usual, last_event=int(last), every=HOUR)

    return (
        silent(f"{name}, a minute longer", "fires", limit + MINUTE),
        silent(f"{name}, a minute less", "quiet", limit - MINUTE),
    )


def _usual(t: Thresholds, due: Mapping[int, int]) -> tuple[Series, ...]:
    """So many payments are due in each window, and a silence of a minute is usual."""
    found = (Series(due_name(window, t), ((ALWAYS, number),)) for window, number in due.items())
    return (*found, Series(longest_name(t), ((ALWAYS, MINUTE),)))


def _signals(t: Thresholds) -> tuple[Case, ...]:
    """The exporter away, and Stripe's list, of a tenant whose silences are short."""
    busy = _usual(t, {window: window for window in WINDOWS})
    return (
        *(
            replace(one, fine=False, every=10 * MINUTE)
            for one in signals.gate_cases(FLOOR, HOUR, ALWAYS, busy)
            if "failed"
            not in one.name  # needs steps of a minute; that condition is the same for fixed durations
        ),
        *by_stripe_cases.cases(FLOOR, ALWAYS, busy),
    )


def _without(events: tuple[tuple[int, int], ...], weeks: int, night: int) -> tuple[tuple[int, int], ...]:
    """Leave out what came in the `night` before this moment of each week before."""
    ends = [week * _WEEK for week in range(1, weeks + 1)]
    return tuple(one for one in events if not any(end <= one[0] < end + night for end in ends))


def _young() -> tuple[Case, ...]:
    """A tenant of two days with enough payments, and with few."""
    age = 2 * DAY - 2 * HOUR
    count = int(bar(HOUR) * age / YOUNG) + 1
    attempts = Series(catalog.CHARGE_ATTEMPTS.name, ((ALWAYS, count),))
    few = Series(catalog.CHARGE_ATTEMPTS.name, ((ALWAYS, count // 4),))

    def young(name: str, outcome: Outcome, last: int, series: Series) -> Case:
        return Case(name, outcome, (series,), age, last, every=HOUR)

    return (
        young("a young tenant, silent for more than a day", "fires", YOUNG + 6 * MINUTE, attempts),
        young("a young tenant, silent for less than a day", "quiet", YOUNG - MINUTE, attempts),
        young(
            "a young tenant with few payments, silent for more than a day", "quiet", YOUNG + 6 * MINUTE, few
        ),
    )
