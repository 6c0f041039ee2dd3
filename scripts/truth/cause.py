"""Of what kind a false alarm is, in the words of one who knows the shop."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from bw_simulator.fleet.calendar import DAY, HOUR
from bw_simulator.fleet.interruptions import deploys
from bw_simulator.fleet.past import Fleet
from bw_simulator.fleet.rates import born_at, spells_at
from bw_simulator.fleet.shop import Shop
from bw_simulator.fleet.traffic import RENEWAL_HOUR, RETRY_HOUR
from truth.evaluate import Alert

_AFTER_A_SPELL_DAYS = 9
_REPEATS_SECONDS = 3 * HOUR
_NEW_DAYS = 3
_FEW_ORDERS_A_DAY = 6
_WAVE_HOURS = 2
_MORNING, _EVENING, _SATURDAY = 9, 21, 5

ANNOUNCED = "announced closure"
"""Counted apart: who closes for a week knows it, and silences the alerts."""


def cause(alert: Alert, fleet: Fleet) -> str:
    """Say why the alert fired though nothing was wrong."""
    shop, calendar = fleet.shop(alert.shop), fleet.calendar
    at = alert.begin_at
    for spell in spells_at(shop, at, calendar):
        if spell.orders != 1 or alert.detector == "revenue_drop":
            return spell.name
    if any(one.name == ANNOUNCED for one in spells_at(shop, at - DAY, calendar)):
        return ANNOUNCED
    born = born_at(shop, calendar)
    if born is not None and at < born + _NEW_DAYS * DAY:
        return "import of old events" if shop.imported else "a tenant just set up"
    if alert.detector == "webhook_lag":
        repeated = any(begin <= at < end + _REPEATS_SECONDS for begin, end in deploys(calendar))
        return "repeats after our own deploy" if repeated else "a single straggler"
    if alert.detector == "revenue_drop":
        for days in range(1, _AFTER_A_SPELL_DAYS):
            if spells := spells_at(shop, at - days * DAY, calendar):
                return f"after a {spells[0].name}"
    return _by_the_clock(alert, shop)


def _by_the_clock(alert: Alert, shop: Shop) -> str:
    here = datetime.fromtimestamp(alert.begin_at, UTC).astimezone(ZoneInfo(shop.timezone))
    rare = sum(stream.orders_a_day for stream in shop.streams) < _FEW_ORDERS_A_DAY
    weekend = here.weekday() >= _SATURDAY or (here.weekday() == 0 and here.hour < _MORNING)
    night = here.hour < _MORNING or here.hour >= _EVENING
    match alert.detector:
        case "charge_failure_spike":
            return _by_waves(alert.begin_at % DAY // HOUR, shop)
        case "silent_lapse":
            quiet = "weekend" if weekend else "night" if night else "a quiet spell by day"
            return "a shop with rare events" if rare else quiet
        case "revenue_drop":
            few = "rare sales" if rare else "weekend" if weekend else "chance among few sales"
            return "after a renewal day" if shop.renewals else few
        case _:
            return "chance"


def _by_waves(hour: int, shop: Shop) -> str:
    if shop.renewals and 0 <= hour - RENEWAL_HOUR <= _WAVE_HOURS:
        return "renewal day and its dunning"
    if shop.retries_a_day and 0 <= hour - RETRY_HOUR <= _WAVE_HOURS:
        return "morning of retries"
    return "chance"
