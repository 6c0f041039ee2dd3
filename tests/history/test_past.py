from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parsed

from bw_exporter import cli
from bw_exporter.config import tenants
from bw_exporter.config.current import ConfigState
from bw_exporter.housekeeping import StoreHealth
from bw_exporter.metrics import catalog
from bw_exporter.monitoring import exposition
from bw_exporter.store import open_store
from bw_simulator.shop import anomalies
from bw_simulator.shop.rhythm import moments

from .a_monday import END_AT

Simulate = Callable[..., Path]

ABOUT = ("TYPE", "HELP", "UNIT")
LABEL = re.compile(r'(\w+)="([^"]*)"')

Series = tuple[str, frozenset[tuple[str, str]]]


def series_of(past: Path) -> dict[Series, list[tuple[float, float]]]:
    """Every series of a past as (time, value)s: plainly read, a tenth of the time that the strict parser takes."""
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for line in past.read_text().splitlines():
        if not line.startswith("#"):
            series, value, at = line.rsplit(" ", 2)
            found[series].append((float(at), float(value)))
    return {
        (text.partition("{")[0], frozenset(LABEL.findall(text))): samples for text, samples in found.items()
    }


def strictly_read(past: Path) -> dict[Series, list[tuple[float, float]]]:
    """The same, read by prometheus_client's strict parser.

    It takes the later moments of a histogram for repetitions (0.26), so it gets each moment by itself.
    """
    found: dict[Series, list[tuple[float, float]]] = defaultdict(list)
    lines = past.read_text().splitlines()
    lag = catalog.WEBHOOK_LAG.name
    texts = {
        "": [line for line in lines if not line.startswith((lag, *(f"# {word} {lag}" for word in ABOUT)))]
    }
    for line in lines:
        if line.startswith(lag):
            begun = [f"# TYPE {lag} histogram"]
            texts.setdefault(line.rpartition(" ")[2], begun).append(line)
    families = [family for text in texts.values() for family in parsed("\n".join([*text, *ended(text), ""]))]
    for family in families:
        for sample in family.samples:
            assert sample.timestamp is not None
            key = (sample.name, frozenset(sample.labels.items()))
            found[key].append((float(sample.timestamp), sample.value))
    return dict(found)


def ended(lines: list[str]) -> list[str]:
    return [] if lines[-1] == "# EOF" else ["# EOF"]


def total(found: dict[Series, list[tuple[float, float]]], name: str, **labels: str) -> float:
    """The sum of the last values of the series with that name and these labels."""
    return sum(
        values[-1][1]
        for (sample, own), values in found.items()
        if sample == name and labels.items() <= set(own)
    )


def test_a_past_is_valid_openmetrics_with_a_sample_for_each_scrape(simulate: Simulate) -> None:
    past = simulate("--history", "3h", "--step", "4m")
    found = strictly_read(past)
    assert found == series_of(past), "the other tests read it right"
    expected = [float(END_AT - 240 * back) for back in reversed(range(46))]
    for (name, labels), samples in found.items():
        times = [at for at, _ in samples]
        assert times == expected[-len(times) :], name
        assert ("job", "billing-exporter") in labels
        assert ("instance", "127.0.0.1:9847") in labels
    assert total(found, "up") == 1


def test_a_past_has_every_family_but_those_that_tell_of_a_machine(simulate: Simulate) -> None:
    names = {name for name, _ in series_of(simulate("--history", "1h"))}
    expected = {name for family in catalog.FAMILIES if family.from_start for name in family.sample_names}
    assert names == (expected | {"up"}) - {catalog.STORE_SIZE.name, catalog.STORE_PROBE_SECONDS.name}


def test_the_same_seed_and_end_tell_the_same_past(simulate: Simulate) -> None:
    flags = ("--history", "6h", "--past", "books:duplicate_charge@2h")
    first = simulate(*flags, name="first").read_bytes()
    assert simulate(*flags, name="second").read_bytes() == first
    assert simulate(*flags, "--seed", "2", name="third").read_bytes() != first


def test_no_counter_of_a_past_ever_falls(simulate: Simulate) -> None:
    found = series_of(simulate("--history", "1d", "--step", "4m", "--past", "books:fraud_spike@5h"))
    for (name, _), samples in found.items():
        if name.endswith(("_total", "_bucket", "_count", "_sum")):
            values = [value for _, value in samples]
            assert values == sorted(values), name


def test_the_store_is_left_as_the_past_ends(simulate: Simulate, config: Path, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/store.db"
    found = series_of(simulate("--history", "1d", "--step", "4m", "--storage.url", url))
    store = open_store(url)
    known = tenants.load(str(config), detectors={})
    state = ConfigState(known, 0, last_reload_successful=True, problems=(), attempted_monotonic=0.0)
    accept = "application/openmetrics-text; version=1.0.0"
    body, _ = exposition.render(store, state, StoreHealth(store.schema_version, up=True), accept)
    store.close()
    own = frozenset({("job", "billing-exporter"), ("instance", "127.0.0.1:9847")})
    compared = 0
    for family in parsed(body.decode()):
        for sample in family.samples:
            if sample.labels.get("tenant") and sample.name.startswith("billing_"):
                key = (sample.name, own | set(sample.labels.items()))
                assert found[key][-1] == (END_AT, sample.value)
                compared += 1
    assert compared > 150


def test_each_anomaly_of_a_past_is_counted_like_a_live_one(simulate: Simulate) -> None:
    struck = ",".join(f"books:{name}@{hours}h" for hours, name in enumerate(anomalies.names(), 4))
    found = series_of(simulate("--history", "26h", "--step", "4m", "--past", struck))
    calm = series_of(simulate("--history", "26h", "--step", "4m", "--past", "none", name="calm"))

    def more(name: str, **labels: str) -> float:
        return total(found, name, tenant="books", **labels) - total(calm, name, tenant="books", **labels)

    assert more("billing_charge_failures_total", reason="stolen_card") == 5
    assert more("billing_disputes_total", reason="fraudulent") >= 10
    assert more("billing_duplicate_charges_total") == 1
    assert more("billing_invoice_checks_total", verdict="mismatch") == 2
    late = total(found, "billing_webhook_lag_seconds_count", tenant="books") - total(
        found, "billing_webhook_lag_seconds_bucket", tenant="books", le="30.0"
    )
    assert late > 10
    assert more("billing_revenue_minor_units_total") < 0
    for name in ("billing_events_total", "billing_revenue_minor_units_total"):
        assert total(found, name, tenant="coffee") == total(calm, name, tenant="coffee")


def test_trouble_that_lasts_ends_when_it_is_said_to(simulate: Simulate) -> None:
    found = series_of(simulate("--history", "2d", "--step", "4m", "--past", "books:silent_lapse@30h-20h"))
    last = found[
        "billing_last_event_timestamp_seconds",
        frozenset({("tenant", "books"), ("job", "billing-exporter"), ("instance", "127.0.0.1:9847")}),
    ]
    silences = {int(at): at - value for at, value in last if value}
    assert max(silences.values()) > 9.5 * 3600
    assert min(silence for at, silence in silences.items() if at > END_AT - 19 * 3600) < 1800


def test_a_shop_sells_in_two_currencies(simulate: Simulate) -> None:
    found = series_of(simulate("--history", "1d", "--step", "4m", "--past", "none"))
    for tenant in ("books", "coffee"):
        currencies = [
            dict(labels)["currency"]
            for (name, labels), values in found.items()
            if name == "billing_revenue_minor_units_total"
            and ("tenant", tenant) in labels
            and values[-1][1] > 0
        ]
        assert len(currencies) == 2


def test_the_end_of_a_past_leaves_room_for_what_ordinary_traffic_may_bring(simulate: Simulate) -> None:
    found = series_of(simulate("--history", "30h", "--step", "4m", "--past", "none"))
    for (name, _), samples in found.items():
        ago = {"billing_charge_failures_total": 3600, "billing_disputes_total": 86_400}.get(name)
        if ago:
            recent = {value for at, value in samples if at > END_AT - ago}
            assert len(recent) == 1, name


def test_nights_and_weekends_are_quieter_and_the_week_has_what_was_asked_for() -> None:
    hours: Counter[int] = Counter()
    days: Counter[int] = Counter()
    for at in moments(Random(1), a_day=1000, start_at=END_AT - 28 * 86_400, end_at=END_AT):
        when = datetime.fromtimestamp(at, UTC)
        hours[when.hour] += 1
        days[when.weekday()] += 1
    assert hours[3] * 4 < hours[19]
    assert max(days[5], days[6]) < 0.8 * min(days[day] for day in range(5))
    assert 0.95 < sum(days[day] for day in range(5)) / 20_000 < 1.05


def test_a_used_store_is_refused_as_its_counts_would_not_fit_the_past(
    simulate: Simulate, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"sqlite:///{tmp_path}/store.db"
    simulate("--history", "1h", "--storage.url", url)
    again = ["--history", "1h", "--output", str(tmp_path / "again.om"), "--storage.url", url]
    assert cli.main(["simulate", "--config.file", str(config), *again]) == 1
    assert "a past can only be given to a new store" in capsys.readouterr().err
    assert not (tmp_path / "again.om").exists()


@pytest.mark.parametrize(
    ("flags", "advice"),
    [
        (["--past", "books:locusts@3h"], "no such anomaly: locusts"),
        (["--past", "fraud_spike"], "write TENANT:NAME@AGO"),
        (["--past", "nobody:fraud_spike@3h"], "names nobody"),
        (["--step", "5m"], "at most 4m"),
        (["--output", "/nowhere/past.om"], "/nowhere/past.om"),
        (["--output", ""], "needs --output FILE"),
    ],
)
def test_a_mistaken_flag_is_answered_with_the_way_out(
    flags: list[str], advice: str, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["simulate", "--config.file", str(config), "--history", "1h", "--output", str(tmp_path / "p.om")]
    assert cli.main([*words, *flags]) in (1, 2)
    assert advice in capsys.readouterr().err
