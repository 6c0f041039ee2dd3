from __future__ import annotations

import pickle
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from bw_exporter.config.check_settings import (
    DuplicateChargeSettings,
    InvoiceMismatchSettings,
    WebhookLagSettings,
    in_force,
)
from bw_exporter.config.tenants import RateLimit
from bw_rules.detectors import THRESHOLDS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bw_exporter.config.tenants import Tenants

    Load = Callable[..., Tenants]


ONE = "tenants: {prod: {webhook_secret: whsec_a"
EXAMPLE = """
defaults:
  mode: live
  rate_limit: {rate: 500, burst: 5000}
  detectors:
    charge_failure_spike: {multiplier: 3, window: 1h}
    webhook_lag: {max_lag: 30s}
tenants:
  prod:
    name: Production
    webhook_secret_file: prod_whsec
    notify: [slack-billing, oncall]
    labels: {team: payments}
    detectors:
      charge_failure_spike: {multiplier: 2.5}
      silent_lapse: {enabled: false}
  client-acme:
    webhook_secret_env: ACME_WHSEC
    path_token: 0123456789abcdef
    mode: test
receivers:
  slack-billing: {slack: {api_url_file: /run/secrets/slack_url, channel: "#billing"}}
  oncall:        {pagerduty: {routing_key_file: /run/secrets/pd_key}, min_severity: critical}
  ops-mail:      {email: {to: ops@example.com}}
"""


@pytest.fixture
def example(config: Load, tmp_path: Path):
    (tmp_path / "prod_whsec").write_text("whsec_prod\n")
    return config(EXAMPLE, ACME_WHSEC="whsec_acme")


def test_a_tenant_needs_a_secret_and_nothing_else(config: Load):
    (tenant,) = config(ONE + "}}").all
    assert (tenant.id, tenant.name, tenant.path) == ("prod", "prod", "prod")
    assert tenant.secrets == ("whsec_a",)
    assert tenant.mode == "live"
    assert tenant.revenue_basis == "charge"
    assert (tenant.labels, tenant.notify) == ({}, ())
    assert tenant.rate_limit == RateLimit(rate=500, burst=5000)
    assert tenant.detectors["silent_lapse"].max_silence == "auto"


def test_a_tenants_thresholds_are_laid_over_the_defaults_key_by_key(example: Tenants):
    spike = example.by_id["prod"].detectors["charge_failure_spike"]
    assert (spike.multiplier, spike.window, spike.min_failures) == (Decimal("2.5"), 3600, 5)
    assert example.by_id["client-acme"].detectors["charge_failure_spike"].multiplier == 3


def test_secrets_are_read_from_files_and_the_environment(example: Tenants):
    assert example.by_id["prod"].secrets == ("whsec_prod",)
    assert example.by_id["client-acme"].secrets == ("whsec_acme",)


def test_a_path_token_replaces_the_id_in_the_url(example: Tenants):
    assert set(example.by_path) == {"prod", "0123456789abcdef"}


def test_a_secret_may_be_a_list_while_it_is_being_rolled(config: Load):
    assert config("tenants: {a: {webhook_secret: [whsec_new, whsec_old]}}").all[0].secrets == (
        "whsec_new",
        "whsec_old",
    )


def test_rules_can_be_made_where_no_secret_is_readable(config: Load):
    tenants = config(EXAMPLE, read_secrets=False)
    assert [tenant.secrets for tenant in tenants.all] == [(), ()]


def test_no_secret_shows_in_a_representation(example: Tenants):
    assert "whsec_" not in repr(example)
    assert "slack_url" not in repr(example)


def test_tenants_survive_pickling(example: Tenants):
    again = pickle.loads(pickle.dumps(example))
    assert again == example
    assert again.by_id["prod"].secrets == ("whsec_prod",)


def test_ten_thousand_tenants_share_what_they_have_in_common(config: Load):
    text = "tenants:\n" + "".join(
        f"  t{n}:\n    webhook_secret_env: SECRET\n    labels: {{tier: '{n % 2}'}}\n"
        + (f"    detectors: {{silent_lapse: {{max_silence: {2 + n % 20}h}}}}\n" if n % 100 == 0 else "")
        for n in range(10_000)
    )
    tenants = config(text, SECRET="whsec_a")
    assert len(tenants.all) == 10_000
    assert len({id(tenant.detectors) for tenant in tenants.all}) == 2
    assert len({id(tenant.labels) for tenant in tenants.all}) == 2
    assert len({id(tenant.rate_limit) for tenant in tenants.all}) == 1
    assert len(pickle.dumps(tenants)) < 1_000_000


def test_equal_thresholds_written_differently_are_the_same_object(config: Load):
    tenants = config(
        "tenants:\n"
        "  a: {webhook_secret: whsec_a, detectors: {duplicate_charge: {window: 600s}}}\n"
        "  b: {webhook_secret: whsec_a, detectors: {duplicate_charge: {window: 10m}}}\n"
    )
    one, other = tenants.all
    assert one.detectors is other.detectors


def test_rate_and_burst_may_each_be_given_alone(config: Load):
    tenants = config(
        "defaults: {rate_limit: {burst: 70}}\n"
        "tenants: {a: {webhook_secret: whsec_a, rate_limit: {rate: 7}}, b: {webhook_secret: whsec_a}}"
    )
    assert [tenant.rate_limit for tenant in tenants.all] == [RateLimit(7, 70), RateLimit(500, 70)]


def test_every_key_of_defaults_may_stand_in_a_tenant_too(config: Load):
    tenants = config(
        "defaults: {mode: test, revenue_basis: invoice, notify: [mail], labels: {team: a, site: x},"
        " detectors: {silent_lapse: {for: 1m, severity: info, keep_firing_for: 2m}}}\n"
        "tenants:\n"
        "  a: {webhook_secret: whsec_a}\n"
        "  b: {webhook_secret: whsec_a, mode: live, revenue_basis: charge, notify: [], labels: {team: b},"
        " detectors: {silent_lapse: {for: 0}}}\n"
        "receivers: {mail: {email: {to: a@example.com}}}\n"
    )
    a, b = tenants.all
    assert (a.mode, a.revenue_basis, a.notify, a.labels) == (
        "test",
        "invoice",
        ("mail",),
        {"team": "a", "site": "x"},
    )
    assert (b.mode, b.revenue_basis, b.notify, b.labels) == ("live", "charge", (), {"team": "b", "site": "x"})
    assert (b.detectors["silent_lapse"].for_, b.detectors["silent_lapse"].severity) == (0, "info")


def test_yaml_anchors_and_merges_work(config: Load):
    tenants = config(
        "tenants:\n  a: &shop {webhook_secret: whsec_a, mode: test}\n  b: {<<: *shop, mode: live}\n"
    )
    assert [tenant.mode for tenant in tenants.all] == ["test", "live"]


def test_what_only_the_exporter_reads_of_a_check_may_stand_in_defaults_and_in_a_tenant(config: Load):
    a, b = config(
        "defaults: {destination_charges: count, detectors: {duplicate_charge: {card_present: count, window: 10m}}}\n"
        "tenants:\n"
        "  a: {webhook_secret: whsec_a, detectors: {duplicate_charge: {distinct_metadata: [order_id, seat]}}}\n"
        "  b: {webhook_secret: whsec_a, destination_charges: ignore, detectors: {invoice_mismatch: {tolerance: 3}}}\n"
    ).all
    assert (a.destination_charges, b.destination_charges) == ("count", "ignore")
    settings = in_force(a.detectors, "duplicate_charge", DuplicateChargeSettings)
    assert (settings.card_present, settings.window, settings.grace) == ("count", 600, 120)
    assert settings.distinct_metadata == ("order_id", "seat")
    assert in_force(b.detectors, "invoice_mismatch", InvoiceMismatchSettings).tolerance == 3
    (plain,) = config(ONE + "}}").all
    assert plain.destination_charges == "ignore"
    for name, model in (
        ("duplicate_charge", DuplicateChargeSettings),
        ("invoice_mismatch", InvoiceMismatchSettings),
        ("webhook_lag", WebhookLagSettings),
    ):
        # A tenant that was loaded without the rules' thresholds has the same defaults.
        mine = in_force(plain.detectors, name, model)
        assert in_force({}, name, model).model_dump().items() <= mine.model_dump().items()
        assert isinstance(mine, THRESHOLDS[name])
