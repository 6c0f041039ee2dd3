from __future__ import annotations

import re
import time
from dataclasses import dataclass
from itertools import pairwise

import pytest
from prometheus_client.parser import text_string_to_metric_families

from bw_exporter.config import tenants
from bw_exporter.metrics import catalog
from bw_rules.backtest import trial
from bw_rules.backtest.variants import AS_IT_IS, Variant
from bw_rules.cli import main
from bw_rules.detectors import DETECTORS, THRESHOLDS
from bw_rules.prometheus import Prometheus
from bw_simulator.shop import anomalies

from .monitored import INSTANCE, Monitored, wait_for

TROUBLE = {
    ("gone" if name == "silent_lapse" else "struck", DETECTORS[name].alert) for name in anomalies.names()
}
HEARTBEAT = ("", "BillingWatchdog")
BACK = {("gone", "BillingSilentLapse"), ("struck", "BillingRevenueDrop")}
BEGUN = ("gone", "BillingChargeFailureSpike")
INTERVAL = 2


def test_the_exporter_goes_on_from_the_counts_its_past_ended_with(stack: Monitored) -> None:
    past = {
        tuple(sorted(one["metric"].items())): float(one["value"][1])
        for one in stack.asked('{__name__=~"billing_.+",instance!=""}', stack.end_at)
    }
    target = {"job": "billing-exporter", "instance": INSTANCE}
    compared = 0
    for family in text_string_to_metric_families(stack.exposed()):
        for sample in family.samples:
            if sample.name.startswith("billing_"):
                labels = {**sample.labels, **target, "__name__": sample.name}
                assert past[tuple(sorted(labels.items()))] == sample.value, labels
                compared += 1
    assert compared == len(past) > 400


def test_no_series_is_cut_where_the_past_meets_the_present(stack: Monitored) -> None:
    live = f'timestamp(up{{job="billing-exporter"}}) > {stack.end_at}'
    wait_for(lambda: bool(stack.asked(live)), 30)
    for metric in ("up", "billing_events_total", "billing_webhook_lag_seconds_bucket"):
        now = {str(one["metric"]) for one in stack.asked(f'{metric}{{job="billing-exporter"}}')}
        then = {
            str(one["metric"]) for one in stack.asked(f'{metric}{{job="billing-exporter"}}', stack.end_at)
        }
        assert now == then


def test_everything_that_the_rules_record_reaches_into_the_past(stack: Monitored) -> None:
    silent = {name for name in stack.recorded_names() if not stack.asked(name, stack.end_at - 3600)}
    # Nothing of this past was lost, no API key could see an endpoint, and no dispute of it says when evidence is due.
    unknown = {f"tenant:{catalog.ENDPOINT_ENABLED.name}:{kind}" for kind in ("min", "threshold")}
    unknown |= {f"tenant:billing_disputes_next_due:{kind}" for kind in ("left_seconds", "threshold")}
    assert {name for name in silent if not name.endswith(":lost")} == unknown


def test_each_alert_fires_for_the_tenant_in_trouble_and_none_for_the_calm_one(stack: Monitored) -> None:
    wait_for(lambda: stack.firing() >= TROUBLE, 60)
    assert stack.firing() == TROUBLE | {HEARTBEAT}


def test_explain_says_with_how_much_past_a_tenant_is_watched_and_what_fires_now(
    stack: Monitored, capsys: pytest.CaptureFixture[str]
) -> None:
    wait_for(lambda: stack.firing() >= TROUBLE, 60)
    words = ["--config.file", str(stack.folder / "tenants.yaml")]
    words += ["--prometheus", f"http://127.0.0.1:{stack.prometheus}", "--tenant"]
    assert main(["explain", "fraud_spike", *words, "struck"]) == 0
    said = capsys.readouterr().out
    assert re.search(r"watched since: .+, of which Prometheus knows 3 days\n", said)
    assert re.search(r"  payments tried in the last 3 days: [1-9][0-9,]+\n", said)
    assert re.search(r"\n +now +fires from\n +12 +[0-9.]+\n", said)
    assert "BillingFraudSpike fires:\n  Disputes" in said
    assert main(["explain", "silent_lapse", *words, "calm"]) == 0
    said = capsys.readouterr().out
    assert "max_silence" in said
    assert "BillingSilentLapse is quiet." in said


@dataclass(frozen=True)
class Comeback:
    """Events and sales came back between two moments (Unix seconds), and the payments of one shop failed."""

    since_at: int
    until_at: int


@pytest.fixture(scope="module")
def comeback(stack: Monitored) -> Comeback:
    wait_for(lambda: stack.firing() >= TROUBLE, 60)
    since_at = int(time.time()) + INTERVAL
    wait_for(lambda: time.time() > since_at + 3 * INTERVAL, 60)
    stack.simulate(
        *("--tenant", "gone,struck", "--rate", "80", "--duration", "12s"),
        *("--anomaly", "charge_failure_spike", "--anomaly-tenant", "gone"),
    )
    wait_for(lambda: BEGUN in stack.firing() and not stack.firing() & BACK, 60)
    until_at = int(time.time())
    wait_for(lambda: time.time() > until_at + 2 * INTERVAL, 60)
    return Comeback(since_at, until_at)


def test_alerts_end_when_events_and_sales_come_back(stack: Monitored, comeback: Comeback) -> None:
    assert comeback.since_at < comeback.until_at
    assert stack.firing() <= (TROUBLE - BACK) | {HEARTBEAT, BEGUN}


def test_backtest_finds_what_prometheus_itself_let_fire(stack: Monitored, comeback: Comeback) -> None:
    """The same episodes as ALERTS has of the same time: one begins, some end, some last."""
    since_at, until_at = comeback.since_at, comeback.until_at
    server = Prometheus(f"http://127.0.0.1:{stack.prometheus}")
    fired = _fired(server, since_at, until_at)
    two = 2 * _interval(server, since_at, until_at) + 1  # begin and end are whole seconds

    found = tenants.load(str(stack.folder / "tenants.yaml"), detectors=THRESHOLDS, read_secrets=False)
    period = trial.Period(
        since_at, until_at, tuple(DETECTORS), "billing-exporter", interval=2 * INTERVAL, before_step=240
    )
    result = trial.judge(server, [Variant(AS_IT_IS, found)], period, lambda _: None)

    judged = {
        (one.tenant, one.alert, dict(one.labels).get("currency", "")): (one.begin_at, one.end_at or until_at)
        for one in result.episodes
    }
    assert judged.keys() == fired.keys()
    assert len(judged) == len(result.episodes), "each is one episode"
    for key, (begin_at, end_at) in fired.items():
        assert abs(judged[key][0] - begin_at) <= two, key
        assert abs(judged[key][1] - end_at) <= two, key
    assert any(begin_at > since_at + two for begin_at, _ in fired.values()), "one began meanwhile"
    assert any(end_at < until_at - two for _, end_at in fired.values()), "some ended meanwhile"


def _fired(
    server: Prometheus, since_at: int, until_at: int
) -> dict[tuple[str, str, str], tuple[float, float]]:
    """When each alert fired from, and no longer fired, by tenant, name and currency."""
    query = f'ALERTS{{alertstate="firing",tenant!=""}}[{until_at - since_at}s]'
    found = {}
    for one in server.instant(query, until_at):
        labels, moments = one["metric"], [moment for moment, _ in one["values"]]
        key = (labels["tenant"], labels["alertname"], labels.get("currency", ""))
        found[key] = (moments[0], min(moments[-1] + INTERVAL, until_at))
    return found


def _interval(server: Prometheus, since_at: int, until_at: int) -> float:
    """The longest time between two evaluations, and what scrapes took: a busy machine makes both longer."""
    (rule,) = server.instant(f"billing:up:max[{until_at - since_at}s]", until_at)
    scrapes = server.instant(f"max_over_time(scrape_duration_seconds[{until_at - since_at}s])", until_at)
    longest = max(after - before for (before, _), (after, _) in pairwise(rule["values"]))
    return float(longest + max(float(one["value"][1]) for one in scrapes))
