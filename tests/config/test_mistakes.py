from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bw_exporter.config import check_config, tenants
from bw_exporter.config.alerting.receiver_fields import FIELDS, NEWER, NEWEST, OLDEST, Alertmanager
from bw_exporter.config.alerting.receivers import KINDS
from bw_exporter.errors import ConfigError
from bw_exporter.metrics.catalog import LAG_BUCKETS_SECONDS
from bw_rules.detectors import THRESHOLDS
from bw_rules.render import alertmanager

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bw_exporter.config.tenants import Tenants

    Lines = Callable[..., list[str]]
    Load = Callable[..., Tenants]


def tenant(entry: str) -> str:
    return f"tenants: {{prod: {{webhook_secret: whsec_a, {entry}}}}}"


def test_five_mistakes_are_five_lines_each_with_its_path_and_a_way_out(tmp_path: Path):
    file = tmp_path / "tenants.yaml"
    file.write_text(
        "defaults:\n"
        "  mode: prod\n"
        "tenants:\n"
        "  prod:\n"
        "    webhook_secret: sk_live_TOPSECRET\n"
        "    notify: [slak]\n"
        "    detectors:\n"
        "      webhook_lag: {max_lag: 45s}\n"
        "      silent_laps: {max_silence: 1h}\n"
        "receivers:\n"
        "  slack: {slack: {api_url: https://hooks.example.com/TOPSECRET}}\n"
    )
    code, lines = check_config.report(str(file), THRESHOLDS, {})
    assert code == 1
    assert [line.removeprefix(f"{file}: ") for line in lines] == [
        "defaults.mode: must be live or test (line 2)",
        (
            "tenants.prod.webhook_secret: the secret must begin with whsec_; "
            "copy the endpoint's signing secret, not an API key (line 5)"
        ),
        "tenants.prod.notify.0: there is no receiver slak; did you mean slack? (line 6)",
        (
            "tenants.prod.detectors.webhook_lag.max_lag: 45s is no bucket of billing_webhook_lag_seconds; "
            "use 30s or 60s (line 8)"
        ),
        "tenants.prod.detectors.silent_laps: unknown detector; did you mean silent_lapse? (line 9)",
    ]
    assert "TOPSECRET" not in "".join(lines)


@pytest.mark.parametrize(
    ("entry", "path", "way_out"),
    [
        ("lables: {a: b}", "tenants.prod.lables", "did you mean labels?"),
        ("mode: live, name: 7", "tenants.prod.name", "quotes"),
        ("labels: {tenant: x}", "tenants.prod.labels.tenant", "rename"),
        ("labels: {shard: x}", "tenants.prod.labels.shard", "rename"),
        ("labels: {a-b: x}", "tenants.prod.labels.a-b", "rename"),
        ("labels: {a: '{{ $value }}'}", "tenants.prod.labels.a", "template"),
        ("labels: {a: 1}", "tenants.prod.labels.a", "quotes"),
        ("labels: [a]", "tenants.prod.labels", "mapping"),
        ("path_token: ''", "tenants.prod.path_token", "openssl rand"),
        ("path_token: 'has/a/slash/in/its/middle'", "tenants.prod.path_token", "letters"),
        ("rate_limit: {rate: -1}", "tenants.prod.rate_limit.rate", "at least 0"),
        ("rate_limit: {rate: 1.5}", "tenants.prod.rate_limit.rate", "whole number"),
        ("rate_limit: {burst: 0}", "tenants.prod.rate_limit.burst", "at least 1"),
        ("rate_limit: 5", "tenants.prod.rate_limit", "mapping"),
        ("revenue_basis: charges", "tenants.prod.revenue_basis", "charge, payment_intent or invoice"),
        ("destination_charges: yes", "tenants.prod.destination_charges", "ignore or count"),
        (
            "detectors: {duplicate_charge: {card_present: true}}",
            "tenants.prod.detectors.duplicate_charge.card_present",
            "ignore or count",
        ),
        (
            "detectors: {duplicate_charge: {distinct_metadata: order_id}}",
            "tenants.prod.detectors.duplicate_charge.distinct_metadata",
            "as in [order_id]",
        ),
        (
            "detectors: {duplicate_charge: {distinct_metadata: [7]}}",
            "tenants.prod.detectors.duplicate_charge.distinct_metadata",
            "quote",
        ),
        ("notify: slack", "tenants.prod.notify", "list"),
        ("notify: [slack]", "tenants.prod.notify.0", "receivers:"),
        ("detectors: []", "tenants.prod.detectors", "mapping"),
        ("detectors: {fraud_spike: 3}", "tenants.prod.detectors.fraud_spike", "mapping"),
        (
            "detectors: {fraud_spike: {multiplier: .nan}}",
            "tenants.prod.detectors.fraud_spike.multiplier",
            "as 2.5",
        ),
        (
            "detectors: {fraud_spike: {multiplier: '3'}}",
            "tenants.prod.detectors.fraud_spike.multiplier",
            "number",
        ),
        (
            "detectors: {fraud_spike: {multiplier: 2.0001}}",
            "tenants.prod.detectors.fraud_spike.multiplier",
            "three",
        ),
        (
            "detectors: {fraud_spike: {min_disputes: 0}}",
            "tenants.prod.detectors.fraud_spike.min_disputes",
            "1 to",
        ),
        (
            "detectors: {fraud_spike: {min_disputes: 1.5}}",
            "tenants.prod.detectors.fraud_spike.min_disputes",
            "whole",
        ),
        (
            "detectors: {revenue_drop: {compare: weekday, baseline: 10d}}",
            "tenants.prod.detectors.revenue_drop",
            "whole weeks; use 7d",
        ),
        (
            "detectors: {fraud_spike: {for_: 1m}}",
            "tenants.prod.detectors.fraud_spike.for_",
            "did you mean for?",
        ),
        (
            "detectors: {fraud_spike: {severity: page}}",
            "tenants.prod.detectors.fraud_spike.severity",
            "critical",
        ),
        (
            "detectors: {fraud_spike: {enabled: 1}}",
            "tenants.prod.detectors.fraud_spike.enabled",
            "true or false",
        ),
        ("detectors: {fraud_spike: {baseline: 36h}}", "tenants.prod.detectors.fraud_spike.baseline", "of 1d"),
        (
            "detectors: {silent_lapse: {max_silence: 4 hours}}",
            "tenants.prod.detectors.silent_lapse.max_silence",
            "1h30m",
        ),
        (
            "detectors: {silent_lapse: {max_silence: 300}}",
            "tenants.prod.detectors.silent_lapse.max_silence",
            "5m",
        ),
        (
            "detectors: {silent_lapse: {max_silence: 1s}}",
            "tenants.prod.detectors.silent_lapse.max_silence",
            "1m to",
        ),
        ("past: 3w", "tenants.prod.past", "must be 4w or 2w"),
        ("timezone: Europe/Atlantis", "tenants.prod.timezone", "IANA name, as in Europe/Berlin"),
        ("timezone: Europe", "tenants.prod.timezone", "IANA name"),
        ("timezone: ../../etc/passwd", "tenants.prod.timezone", "IANA name"),
        ("timezone: 1", "tenants.prod.timezone", "must be text"),
        ("dashboard_base: https://g.example.com/d", "tenants.prod.dashboard_base", "unknown key"),
    ],
)
def test_a_mistake_names_its_path_and_the_way_out(mistakes: Lines, entry: str, path: str, way_out: str):
    (line,) = mistakes(tenant(entry))
    assert line.startswith(f"{path}: ")
    assert way_out in line


@pytest.mark.parametrize(
    ("text", "path", "way_out"),
    [
        ("", "file", "tenants:"),
        ("[]", "file", "tenants:"),
        ("tenants:", "tenants", "add one"),
        ("tenants: {}", "tenants", "add one"),
        ("tenants: [a]", "tenants", "mapping"),
        ("defaults: {}", "tenants", "add one"),
        ("tenants: {a: }", "tenants.a", "webhook_secret_file"),
        ("tenants: {a: x}", "tenants.a", "mapping"),
        ("tenants: {Prod: {webhook_secret: whsec_a}}", "tenants.Prod", "a-z"),
        ("tenants: {a: {webhook_secret: whsec_a}}\ntenant: {}", "tenant", "did you mean tenants?"),
        ("tenants: {a: {webhook_secret: whsec_a}}\nreceivers: {m: {}}", "receivers.m", "exactly one"),
        (
            "tenants: {a: {webhook_secret: whsec_a}}\nreceivers: {m: {slack: {}, email: {}}}",
            "receivers.m",
            "exactly one",
        ),
        (
            "tenants: {a: {webhook_secret: whsec_a}}\nreceivers: {nobody: {slack: {}}}",
            "receivers.nobody",
            "rename",
        ),
        (
            "tenants: {a: {webhook_secret: whsec_a}}\nreceivers: {m: {slack: x}}",
            "receivers.m.slack",
            "mapping",
        ),
        (
            "tenants: {a: {webhook_secret: whsec_a}}\nreceivers: {m: {slack: {}, min_severity: page}}",
            "receivers.m.min_severity",
            "critical",
        ),
        (
            "tenants: {a: {webhook_secret: whsec_a}}\nwatchdog: {notify: [m]}",
            "watchdog.notify.0",
            "receivers:",
        ),
        (
            "tenants: {a: {webhook_secret: whsec_a}}\nwatchdog: {heartbeat: m}",
            "watchdog.heartbeat",
            "receivers:",
        ),
        ("tenants: {a: {webhook_secret: []}}", "tenants.a.webhook_secret", "whsec_"),
        ("tenants: {a: {webhook_secret: 5}}", "tenants.a.webhook_secret", "quotes"),
        ("tenants: {a: {webhook_secret: whsec_}}", "tenants.a.webhook_secret", "one secret"),
        ("tenants: {a: {webhook_secret_env: NONE}}", "tenants.a.webhook_secret_env", "set it"),
        ("tenants: {a: {webhook_secret_file: none}}", "tenants.a.webhook_secret_file", "readable file"),
    ],
)
def test_a_bad_file_says_where_and_what_to_do(mistakes: Lines, text: str, path: str, way_out: str):
    (line,) = mistakes(text)
    assert line.startswith(f"{path}: ")
    assert way_out in line


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        (
            tenant("labels: {a-b: x, severity: y, c: 1, d: '{{ e }}', f: g}"),
            ["tenants.prod.labels." + name for name in ("a-b", "severity", "c", "d")],
        ),
        (
            tenant("notify: [zz], mode: x") + "\nwatchdog: {notify: [zzz], heartbeat: 5, to: x}",
            ["tenants.prod.notify.0", "tenants.prod.mode",
             "watchdog.notify.0", "watchdog.heartbeat", "watchdog.to"],
        ),
        (
            tenant("detectors: {revenue_drop: {compare: weekday, baseline: 8d, drop_pct: 0}}"),
            ["tenants.prod.detectors.revenue_drop", "tenants.prod.detectors.revenue_drop.drop_pct"],
        ),
        (
            tenant("detectors: {revenue_drop: {compare: weekly, baseline: 8d}}")
            + "\ndefaults: {detectors: {revenue_drop: {compare: weekday}}}",
            ["tenants.prod.detectors.revenue_drop.compare"],
        ),
    ],
)  # fmt: skip
def test_no_mistake_hides_another_beside_it(mistakes: Lines, text: str, paths: list[str]):
    assert [line.partition(": ")[0] for line in mistakes(text)] == paths


@pytest.mark.parametrize("bucket", LAG_BUCKETS_SECONDS)
def test_every_bucket_of_the_histogram_is_a_possible_lag(config: Load, bucket: int):
    tenants = config(tenant(f"detectors: {{webhook_lag: {{max_lag: {bucket}s}}}}"))
    assert tenants.all[0].detectors["webhook_lag"].max_lag == bucket


def test_what_yaml_would_change_is_reported_with_all_other_mistakes(mistakes: Lines):
    lines = mistakes(
        "tenants:\n"
        "  a: {webhook_secret: whsec_a, mode: x}\n"
        "  no: {webhook_secret: whsec_a}\n"
        "  b: {webhook_secret: whsec_a, nmae: y}\n"
        "  a: {webhook_secret: whsec_a, rate_limit: {rate: 010}}\n"
    )
    assert [line.partition(": ")[0] for line in lines] == [
        "tenants.no",
        "tenants.b.nmae",
        "tenants.a",
        "tenants.a.rate_limit.rate",
    ]


def test_two_tenants_cannot_have_one_path(mistakes: Lines):
    (line,) = mistakes(
        "tenants:\n"
        "  a: {webhook_secret: whsec_a, path_token: 0123456789abcdef}\n"
        "  b: {webhook_secret: whsec_a, path_token: 0123456789abcdef}\n"
    )
    assert "tenants.b.path_token" in line
    assert "0123456789abcdef" not in line


@pytest.mark.parametrize("source", ["webhook_secret_env", "webhook_secret_file"])
def test_a_secret_in_the_wrong_place_is_not_repeated(mistakes: Lines, source: str):
    (line,) = mistakes(f"tenants: {{a: {{{source}: whsec_TOPSECRET}}}}")
    assert "TOPSECRET" not in line
    assert "webhook_secret" in line


def test_a_secret_file_that_cannot_be_read_is_named_with_what_a_relative_path_comes_to(
    mistakes: Lines, tmp_path: Path
):
    (line,) = mistakes("tenants: {a: {webhook_secret_file: secrets/prod}}")
    assert f"the secret file secrets/prod, here {tmp_path}/secrets/prod, cannot be read (No such file" in line
    (line,) = mistakes(f"tenants: {{a: {{webhook_secret_file: {tmp_path}}}}}")
    assert f"the secret file {tmp_path} cannot be read (it is a folder); give a readable file" in line
    os.mkfifo(tmp_path / "fifo")
    (line,) = mistakes("tenants: {a: {webhook_secret_file: fifo}}")
    assert "it is a named pipe, no regular file" in line
    (tmp_path / "large").write_bytes(b"x" * 70_000)
    (line,) = mistakes("tenants: {a: {webhook_secret_file: large}}")
    assert "it has more than 64 KiB" in line


@pytest.mark.parametrize("key", ["sk_live_TOP", "rk_test_TOP", "/run/rk_live_TOP"])
def test_a_key_in_place_of_a_secret_file_is_not_repeated(mistakes: Lines, key: str):
    (line,) = mistakes(f"tenants: {{a: {{webhook_secret_file: {key}}}}}")
    assert "TOP" not in line
    assert "holds a secret itself" in line


def test_a_tenant_has_at_most_eight_secrets(config: Load, mistakes: Lines):
    eight = ", ".join(f"whsec_{n}" for n in range(8))
    assert len(config(f"tenants: {{a: {{webhook_secret: [{eight}]}}}}").all[0].secrets) == 8
    (line,) = mistakes(f"tenants: {{a: {{webhook_secret: [{eight}, whsec_8]}}}}")
    assert line.startswith("tenants.a.webhook_secret: has 9 secrets; at most 8 are tried")


def test_a_file_full_of_mistakes_tells_the_first_thousand(mistakes: Lines):
    text = "tenants:\n" + "".join(f"  t{n}: {{webhook_secret: whsec_a, nmae: x}}\n" for n in range(5000))
    lines = mistakes(text)
    assert len(lines) == 1001
    assert lines[-1] == "file: has more mistakes than these; correct them first"


def test_an_environment_variable_is_named_and_a_key_in_its_place_is_not(mistakes: Lines):
    assert "variable ACME_WHSEC is not set" in mistakes("tenants: {a: {webhook_secret_env: ACME_WHSEC}}")[0]
    assert "sk_live_abc" not in mistakes("tenants: {a: {webhook_secret_env: sk_live_abc}}")[0]


def test_a_mistake_in_the_defaults_is_said_once_not_for_each_tenant(mistakes: Lines):
    lines = mistakes(
        "defaults: {detectors: {webhook_lag: {max_lag: 45s}}}\n"
        "tenants:\n"
        + "".join(
            f"  t{n}: {{webhook_secret: whsec_a, detectors: {{webhook_lag: {{min_events: 2}}}}}}\n"
            for n in range(9)
        )
    )
    assert len(lines) == 1


def test_a_missing_file_is_said_plainly(tmp_path: Path):
    code, lines = check_config.report(str(tmp_path / "none.yaml"), THRESHOLDS, {})
    assert code == 1
    assert "cannot be read (No such file or directory)" in lines[0]


def test_a_good_file_is_summed_up_with_what_to_mind(tmp_path: Path):
    file = tmp_path / "tenants.yaml"
    file.write_text(
        "tenants:\n"
        "  a: {webhook_secret: whsec_a, notify: [oncall]}\n"
        "  b: {webhook_secret: whsec_a, path_token: b7}\n"
        "receivers: {oncall: {pagerduty: {routing_key_file: /x}, min_severity: critical}}\n"
    )
    code, lines = check_config.report(str(file), THRESHOLDS, {})
    assert code == 0
    assert lines[0] == f"{file}: 2 tenants, 1 receiver: ok"
    assert any("tenants.b: names no receiver" in line for line in lines)
    assert any("tenants.a: has alerts below" in line for line in lines)
    assert any("tenants.b: has a short path_token" in line for line in lines)


RECEIVERS = """
tenants:
  a: {webhook_secret: whsec_a, notify: [chat, hook, gone], nmae: x}
receivers:
  chat:
    slack: {channle: "#billing", api_url: https}
  hook: {webhook: {}}
  tele: {telegram: {bot_token_file: /x, chat_id: 1}}
"""


def test_check_config_tells_every_mistake_of_the_receivers_with_all_others(tmp_path: Path):
    file = tmp_path / "tenants.yaml"
    file.write_text(RECEIVERS)
    code, lines = check_config.report(str(file), THRESHOLDS, {})
    assert code == 1
    assert [line.removeprefix(f"{file}: ").partition(";")[0] for line in lines] == [
        "tenants.a.notify.2: there is no receiver gone",
        "tenants.a.nmae: unknown key",
        "receivers.chat.slack.channle: unknown field",
        "receivers.chat.slack.api_url: must be a URL with its scheme and host, as in https://example.com/path (line 6)",
        "receivers.hook.webhook: has no url",
        "receivers.tele.telegram.bot_token_file: needs Alertmanager 0.26",
    ]


_FIELDS = st.dictionaries(
    st.sampled_from([*sorted({name for kind in FIELDS for name in (*FIELDS[kind], *NEWER[kind])}), "x"]),
    st.sampled_from(
        ["a", "https://a.example.com", 1, True, None, [], ["a"], {}, {"a": "b"}, {"http_headers": {}}]
    ),
    max_size=4,
)


@settings(deadline=None)
@given(
    st.dictionaries(st.sampled_from("abc"), st.tuples(st.sampled_from(KINDS), _FIELDS), max_size=3),
    st.sampled_from([OLDEST, (0, 28), NEWEST, (0, 99)]),
    st.sets(st.sampled_from(["slack_api_url", "slack_api_url_file", "email_to"])),
)
def test_check_config_takes_the_receivers_that_bw_rules_takes_and_no_others(
    tmp_path_factory: pytest.TempPathFactory,
    receivers: dict[str, tuple[str, dict[str, object]]],
    version: tuple[int, int],
    given_globally: set[str],
):
    file = tmp_path_factory.getbasetemp() / "receivers.yaml"
    section = {name: {kind: fields} for name, (kind, fields) in receivers.items()}
    file.write_text(json.dumps({"tenants": {"a": {"webhook_secret": "whsec_a"}}, "receivers": section}))
    try:
        alertmanager.routing(tenants.load(str(file), detectors=THRESHOLDS), version, given_globally)
        taken = True
    except ConfigError:
        taken = False
    target = Alertmanager(version, frozenset(given_globally))
    assert (check_config.report(str(file), THRESHOLDS, {}, target)[0] == 0) == taken
