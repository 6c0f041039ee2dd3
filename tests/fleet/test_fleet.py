"""The made-up past: the same for the same seed, and its counters are what happened."""

from __future__ import annotations

import math
import random
import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_fd_to_metric_families

from bw_exporter.metrics import catalog
from bw_rules.backtest.passes import passes, selectors
from bw_simulator.fleet.calendar import DAY, HOUR, Calendar
from bw_simulator.fleet.delivery import received_at
from bw_simulator.fleet.evidence import at_least, at_least_of, at_most
from bw_simulator.fleet.incident import Incident, Trouble
from bw_simulator.fleet.incidents import INCIDENTS
from bw_simulator.fleet.past import Fleet, write
from bw_simulator.fleet.rates import expected, hourly, moments, spells_at
from bw_simulator.fleet.shop import Shop, Spell, Stream
from bw_simulator.fleet.shops import FLEET
from bw_simulator.fleet.traffic import Kind, traffic
from truth import evaluate, rendering

SHORT = Calendar(habit_days=2, judged_days=2, habit_step=240, step=240)
WITHOUT_A_KEY = {
    catalog.CATCH_UP_SUCCESS.name,
    catalog.CATCH_UP_INTERVAL.name,
    catalog.STRIPE_NEWEST_EVENT.name,
}
"""What is there only where a tenant has an API key; no shop of the fleet has one."""

SHOP = Shop("shop", "a test's", (Stream("eur", 200, 1000),), disputes_a_day=1.0)


def named(name: str) -> Shop:
    return next(shop for shop in FLEET if shop.name == name)


def test_the_same_seed_makes_the_same_past_and_another_seed_another(tmp_path: Path) -> None:
    pasts = []
    for place, seed in enumerate((1, 1, 2)):
        write(Fleet((SHOP,), (), SHORT, seed), tmp_path / str(place))
        pasts.append((tmp_path / str(place)).read_bytes())
    assert pasts[0] == pasts[1]
    assert pasts[0] != pasts[2]


def test_counters_end_with_what_was_received_and_bear_the_exporters_names(tmp_path: Path) -> None:
    incidents = (
        Incident(Trouble.DUPLICATES, "shop", 1, 3, 1, 2),
        Incident(Trouble.ENDPOINT_DEAD, "shop", 0, 12, 6),
    )
    fleet = Fleet((SHOP,), incidents, SHORT, 1)
    write(fleet, tmp_path / "past.om")
    made = traffic(SHOP, incidents, SHORT, 1).events
    at = received_at(SHOP, made, incidents, SHORT, 1)
    arrived = [event for moment, event in zip(at, made, strict=True) if moment <= SHORT.end_at - 240 + 7]
    values: dict[tuple[str, str], list[float]] = {}
    with (tmp_path / "past.om").open() as file:
        for family in text_fd_to_metric_families(file):
            for sample in family.samples:
                by = (
                    sample.labels.get("reason", "")
                    + sample.labels.get("le", "")
                    + sample.labels.get("currency", "")
                )
                by += sample.labels.get("verdict", "") + sample.labels.get("type", "")
                values.setdefault((sample.name, by), []).append(sample.value)
    exported = {name for family in catalog.FAMILIES for name in family.sample_names} | {"up"}
    assert {name for name, _ in values} <= exported

    def grown(name: str, by: str = "") -> float:
        return values[name, by][-1] - values[name, by][0]

    succeeded = [event for event in arrived if event.kind is Kind.SUCCEEDED]
    assert grown("billing_events_total", "charge.succeeded") == pytest.approx(len(succeeded), abs=1)
    assert grown("billing_revenue_minor_units_total", "eur") == pytest.approx(
        sum(event.amount for event in succeeded), abs=5000
    )
    assert values["billing_duplicate_charges_total", ""][-1] == 2
    assert all(
        later >= before
        for series in values.values()
        for before, later in pairwise(series)
        if series is not values["up", ""]
    )


def test_the_past_has_every_series_that_the_judged_alerts_read(tmp_path: Path) -> None:
    fleet = Fleet((SHOP,), (), SHORT, 1)
    write(fleet, tmp_path / "past.om")
    written = set(re.findall(r"^[a-z_]+", (tmp_path / "past.om").read_text(), re.MULTILINE))
    for sensitivity in ("normal", "fixed"):
        groups = rendering.rendered(fleet, tmp_path, past="4w", sensitivity=sensitivity)
        rules = [rule for group in groups for rule in group["rules"]]
        alerts = [rule["expr"] for rule in rules if rule.get("alert") in evaluate.ALERTS]
        recorded = [one.rule["expr"] for some in passes(groups, alerts) for one in some]
        read = {name for expr in [*alerts, *recorded] for name in selectors(expr)}
        unwritten = read - {rule.get("record") for rule in rules} - written
        assert unwritten == (WITHOUT_A_KEY if sensitivity == "normal" else set())


def test_a_shop_sells_by_its_own_clock_and_stays_closed_when_it_is_closed() -> None:
    calendar = Calendar()
    sydney, canteen = named("surf"), named("canteen")
    rates = hourly(sydney, sydney.streams[0], calendar, 1)
    by_hour = [sum(rates[hour::24]) for hour in range(24)]
    assert max(range(24), key=by_hour.__getitem__) in (9, 10)  # eight in the evening at Sydney
    closed = hourly(canteen, canteen.streams[0], calendar, 1)
    start = (calendar.at(14) - calendar.begin_at) // HOUR
    assert sum(closed[start : start + 5 * 24]) == 0
    assert [spell.name for spell in spells_at(canteen, calendar.at(14, 12), calendar)] == [
        "announced closure"
    ]


def test_orders_come_as_often_as_the_rates_say() -> None:
    rates = [3.0, 0.0, 10.0, 0.5] * 200
    drawn = list(moments(rates, 0, random.Random(1)))
    assert drawn == sorted(drawn)
    assert len(drawn) == pytest.approx(sum(rates), abs=4 * math.sqrt(sum(rates)))
    assert not [at for at in drawn if rates[int(at) // HOUR] == 0]
    assert expected(rates, 0, HOUR / 2, 2.5 * HOUR) == pytest.approx(1.5 + 0 + 5)


def test_what_an_absent_endpoint_missed_comes_with_stripes_repeats_or_never() -> None:
    dead = (
        Incident(Trouble.ENDPOINT_DEAD, "shop", 0, 1, 6),
        Incident(Trouble.ENDPOINT_DEAD, "shop", 1, 0, 400),
    )
    events = traffic(SHOP, dead, SHORT, 1).events
    at = received_at(SHOP, events, dead, SHORT, 1)
    for incident in dead:
        begin, end = incident.begin_at(SHORT), incident.end_at(SHORT)
        assert not [moment for moment in at if begin <= moment < end]
    made_in_it = [
        moment
        for moment, event in zip(at, events, strict=True)
        if dead[0].begin_at(SHORT) <= event.at < dead[0].end_at(SHORT)
    ]
    assert made_in_it
    assert all(moment < dead[0].end_at(SHORT) + 9 * HOUR or moment == math.inf for moment in made_in_it)
    assert math.inf in at  # for longer than Stripe repeats


def test_a_dead_checkout_sells_nothing_and_a_failing_one_fails() -> None:
    dead = (Incident(Trouble.CHECKOUT_DEAD, "shop", 0, 6, 12, 1.0, "eur"),)
    failing = (Incident(Trouble.PAYMENTS_FAIL, "shop", 0, 6, 12, 1.0),)
    begin, end = dead[0].begin_at(SHORT), dead[0].end_at(SHORT)
    kinds = [event.kind for event in traffic(SHOP, dead, SHORT, 1).events if begin + 900 <= event.at < end]
    assert Kind.SUCCEEDED not in kinds
    kinds = [event.kind for event in traffic(SHOP, failing, SHORT, 1).events if begin <= event.at < end - 900]
    assert Kind.FAILED in kinds
    assert Kind.SUCCEEDED not in kinds


def test_a_price_cut_takes_money_and_no_orders() -> None:
    cut = replace(SHOP, spells=(Spell("price cut", 0, 2, price=0.5),))
    usual, cheaper = (traffic(shop, (), SHORT, 1).events for shop in (SHOP, cut))
    assert len(usual) == len(cheaper)
    money = [
        sum(event.amount for event in events if event.at >= SHORT.judged_at + DAY / 4)
        for events in (usual, cheaper)
    ]
    assert money[1] == pytest.approx(money[0] / 2, rel=0.02)


def test_incidents_are_of_shops_that_exist_and_lie_in_the_judged_days() -> None:
    calendar = Calendar()
    for incident in INCIDENTS:
        shop = named(incident.shop)
        assert (
            calendar.judged_at <= incident.begin_at(calendar) < incident.end_at(calendar) <= calendar.end_at
        )
        if incident.trouble is Trouble.CHECKOUT_DEAD:
            assert incident.currency in {stream.currency for stream in shop.streams}


def test_chances_are_those_of_the_textbook() -> None:
    assert at_most(0, 9.21034) == pytest.approx(1e-4, rel=1e-4)
    assert at_least(1, 0.01) == pytest.approx(0.00995, rel=1e-3)
    assert at_least(0, 5) == 1
    assert at_most(2, 0) == 1
    assert at_least_of(3, 3, 0.05) == pytest.approx(0.05**3)
    assert at_least_of(1, 2, 0.5) == pytest.approx(0.75)
