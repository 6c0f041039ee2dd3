"""A shop's events as the exporter's series over the past, in OpenMetrics."""

from __future__ import annotations

import random
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate
from typing import TextIO

from bw_simulator.fleet.calendar import DAY, Calendar
from bw_simulator.fleet.rates import born_at, utc_offset
from bw_simulator.fleet.shop import Shop
from bw_simulator.fleet.traffic import FINDINGS, Event, Kind

_TARGET = 'job="billing-exporter",instance="exporter:9847"'
_REASONS = ("card_declined", "insufficient_funds", "processing_error")
_LAGS = (30, 300, 259200)
"""The buckets of the lag that rules read by default; the exporter has more."""
_KNOWN_FOR_DAYS = 40
_MINOR_UNITS = {"jpy": 1, "kwd": 1000}

_Received = tuple[float, Event]


def write_shop(
    out: TextIO, shop: Shop, received: Iterable[_Received], scrapes: list[int], calendar: Calendar, seed: int
) -> None:
    """Write the tenant's series, each with a value at every scrape (Unix seconds) since the shop is known."""
    born = born_at(shop, calendar)
    at = [moment for moment in scrapes if born is None or moment >= born]
    stamps = [f" {moment}\n" for moment in at]
    in_order = sorted((one for one in received if one[0] < calendar.end_at), key=lambda one: one[0])
    # A tenant that is known for long has counted before; what it has counted makes no difference to a rule.
    before = 0 if born else random.Random(f"{seed} {shop.name} before").randrange(50, 9000)  # noqa: S311

    def write(name: str, labels: str, values: Iterable[int | float]) -> None:
        more = f",{labels}" if labels else ""
        head = f'{name}{{tenant="{shop.name}"{more},{_TARGET}}} '
        out.write("".join([f"{head}{value}{stamp}" for value, stamp in zip(values, stamps, strict=True)]))

    def count(matches: Callable[[Event], bool], start: int = 0, *, money: bool = False) -> Iterator[int]:
        some = [(moment, event.amount if money else 1) for moment, event in in_order if matches(event)]
        totals = list(accumulate((amount for _, amount in some), initial=start))
        return _held(at, [moment for moment, _ in some], totals)

    def last(matches: Callable[[Event], bool], never: int) -> Iterator[int]:
        moments = [moment for moment, event in in_order if matches(event)]
        return _held(at, moments, [never, *map(int, moments)])

    write("billing_events_total", 'type="charge.succeeded"', count(_paid, before * 9))
    write(
        "billing_events_total", 'type="other"', count(lambda e: _from_stripe(e) and not _paid(e), before * 20)
    )
    write("billing_charge_attempts_total", "", count(lambda e: _paid(e) or _failed(e), before * 10))
    for reason in _REASONS:
        write("billing_charge_failures_total", f'reason="{reason}"', count(_failed_for(reason), before // 5))
    for stream in shop.streams:
        taken = count(_paid_in(stream.currency), before * 50_000, money=True)
        write("billing_revenue_minor_units_total", f'currency="{stream.currency}"', taken)
    write("billing_revenue_minor_units_total", 'currency="other"', [0] * len(at))
    for stream in shop.streams:
        sold = count(_paid_in(stream.currency), before * 9)
        write("billing_charges_total", f'currency="{stream.currency}"', sold)
    write("billing_charges_total", 'currency="other"', [0] * len(at))
    write(
        "billing_invoice_payment_failures_total", "", count(lambda e: _failed(e) and e.invoice, before // 7)
    )
    write("billing_disputes_total", 'reason="other"', count(lambda e: e.kind is Kind.DISPUTE, before // 90))
    write("billing_duplicate_charges_total", "", count(lambda e: e.kind is Kind.DUPLICATE))
    write("billing_invoice_checks_total", 'verdict="ok"', count(lambda e: e.invoice, before))
    write("billing_invoice_checks_total", 'verdict="mismatch"', count(lambda e: e.kind is Kind.MISMATCH))
    lags = sorted((moment, moment - event.made_at) for moment, event in in_order if _from_stripe(event))
    for most in _LAGS:
        early = [moment for moment, lag in lags if lag <= most]
        totals = list(range(before * 29, before * 29 + len(early) + 1))
        write("billing_webhook_lag_seconds_bucket", f'le="{most}.0"', _held(at, early, totals))
    write("billing_webhook_lag_seconds_bucket", 'le="+Inf"', count(_from_stripe, before * 29))
    write("billing_webhook_lag_seconds_count", "", count(_from_stripe, before * 29))
    write(
        "billing_last_event_timestamp_seconds", "", last(_from_stripe, 0 if born else calendar.begin_at - DAY)
    )
    write("billing_last_duplicate_charge_timestamp_seconds", "", last(lambda e: e.kind is Kind.DUPLICATE, 0))
    write("billing_last_invoice_mismatch_timestamp_seconds", "", last(lambda e: e.kind is Kind.MISMATCH, 0))
    created = born or calendar.begin_at - _KNOWN_FOR_DAYS * DAY
    write("billing_tenant_created_timestamp_seconds", "", [created] * len(at))
    write("billing_tenant_utc_offset_seconds", "", [utc_offset(shop.timezone, moment) for moment in at])


def _paid(event: Event) -> bool:
    return event.kind is Kind.SUCCEEDED


def _failed(event: Event) -> bool:
    return event.kind is Kind.FAILED


def _from_stripe(event: Event) -> bool:
    return event.kind not in FINDINGS


def _paid_in(currency: str) -> Callable[[Event], bool]:
    return lambda event: _paid(event) and event.currency == currency


def _failed_for(reason: str) -> Callable[[Event], bool]:
    return lambda event: _failed(event) and event.reason == reason


def write_exporter(out: TextIO, shops: Iterable[Shop], scrapes: Iterable[tuple[int, bool]]) -> None:
    """Write what belongs to no tenant, and the end of the file."""
    every = list(scrapes)
    for currency in sorted({stream.currency for shop in shops for stream in shop.streams}):
        head = f'billing_currency_minor_units{{currency="{currency}",{_TARGET}}} {_MINOR_UNITS.get(currency, 100)}'
        out.write("".join([f"{head} {at}\n" for at, answered in every if answered]))
    began = every[0][0] - _KNOWN_FOR_DAYS * DAY
    head = f'billingwatch_family_began_timestamp_seconds{{family="billing_charges_total",{_TARGET}}} {began}'
    out.write("".join([f"{head} {at}\n" for at, answered in every if answered]))
    out.write("".join([f"up{{{_TARGET}}} {int(answered)} {at}\n" for at, answered in every]))
    out.write("# EOF\n")


def _held(at: list[int], moments: list[float], values: list[int]) -> Iterator[int]:
    """Give at each scrape the value after the last of `moments`; there is one value more, for before the first."""
    done = 0
    for moment, value in zip(moments, values, strict=False):
        place = bisect_left(at, moment, lo=done)
        for _ in range(done, place):
            yield value
        done = place
    for _ in range(done, len(at)):
        yield values[-1]
