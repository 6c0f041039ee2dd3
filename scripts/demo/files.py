"""What the demo writes for its programs: the tenants, and Prometheus' and Alertmanager's configurations."""

from __future__ import annotations

STRUCK = "trouble"
"""The tenant that everything happens to."""

TENANTS = """\
# Three shops. Trouble Inc has short graces, so that minutes show what takes hours in earnest.
defaults:
  notify: [chat]
tenants:
  books: {{name: Corner Books, webhook_secret: whsec_demo_books}}
  coffee: {{name: Coffee Club, webhook_secret: whsec_demo_coffee}}
  trouble:
    name: Trouble Inc
    webhook_secret: whsec_demo_trouble
    detectors:
      duplicate_charge: {{grace: 10s}}
      invoice_mismatch: {{grace: 20s}}
      charge_failure_spike: {{sensitivity: fixed}}
      fraud_spike: {{sensitivity: fixed}}
      revenue_drop: {{sensitivity: fixed, for: 1m}}
      webhook_lag: {{min_events: 1}}
      silent_lapse: {{max_silence: 1m, for: 15s}}
receivers:
  chat: {{slack: {{api_url: "{sink}/slack", channel: "#billing"}}}}
"""

HISTORY = "198h"
"""A week to compare with, a day that is compared, and the hours in which a new shop has its first sales."""

PAST = (
    "books:webhook_lag@149h,coffee:revenue_drop@140h-120h,books:charge_failure_spike@103h,"
    "coffee:duplicate_charge@75h,books:silent_lapse@63h-56h,coffee:invoice_mismatch@50h,books:fraud_spike@33h,"
    f"{STRUCK}:revenue_drop@20h"
)
"""What went wrong in the past. The last goes on: a drop of a day's revenue takes half a day to show."""

PROMETHEUS = """\
global: {{scrape_interval: 5s, evaluation_interval: 5s}}
rule_files: [{rules}]
alerting: {{alertmanagers: [{{static_configs: [{{targets: ["127.0.0.1:{alertmanager}"]}}]}}]}}
scrape_configs:
- job_name: billing-exporter
  static_configs: [{{targets: ["127.0.0.1:{metrics}"], labels: {{instance: "{instance}"}}}}]
"""

INSTANCE = "127.0.0.1:9847"

ALERTMANAGER_BASE = """\
# Whoever watches does not want to wait: the example in rules/ gathers for 30s.
route: {receiver: nobody, group_by: [tenant, alertname], group_wait: 1s, group_interval: 5s, repeat_interval: 4h}
receivers: [{name: nobody}]
"""


def quicker(rules: str) -> str:
    """Return the rules as they are rendered, evaluated every 5 seconds instead of every minute."""
    return rules.replace("interval: 1m\n", "interval: 5s\n")
