from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from bw_exporter.metrics import catalog
from bw_rules.detectors import DETECTORS
from bw_simulator.shop import anomalies

from .monitored import INSTANCE, Monitored, wait_for

TROUBLE = {
    ("gone" if name == "silent_lapse" else "struck", DETECTORS[name].alert) for name in anomalies.names()
}
HEARTBEAT = ("", "BillingWatchdog")


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


def test_alerts_end_when_events_and_sales_come_back(stack: Monitored) -> None:
    wait_for(lambda: stack.firing() >= TROUBLE, 60)
    stack.simulate("--tenant", "gone,struck", "--rate", "80", "--duration", "25s")
    back = {("gone", "BillingSilentLapse"), ("struck", "BillingRevenueDrop")}
    wait_for(lambda: not stack.firing() & back, 60)
    assert stack.firing() <= (TROUBLE - back) | {HEARTBEAT}
