from __future__ import annotations

import itertools
import json
import os
import re
from typing import TYPE_CHECKING

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from bw_exporter.config.alerting.receivers import SEVERITIES
from bw_exporter.errors import ConfigError
from bw_rules import cli
from bw_rules.render import alertmanager, merge
from bw_rules.verify import tools

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bw_exporter.config.tenants import Tenants

FULL = """
tenants:
  prod: {webhook_secret: whsec_a, notify: [slack, pager]}
  acme: {webhook_secret: whsec_a, notify: [slack, pager]}
  shop: {webhook_secret: whsec_a, notify: [discord, hook, telegram, mail]}
  deaf: {webhook_secret: whsec_a, notify: [pager]}
  free: {webhook_secret: whsec_a}
receivers:
  slack: {slack: {api_url_file: /run/secrets/slack, channel: "#billing"}}
  pager: {pagerduty: {routing_key_file: /run/secrets/pd}, min_severity: critical}
  discord: {discord: {webhook_url: "https://discord.example.com/x"}, min_severity: warning}
  hook: {webhook: {url: "http://127.0.0.1:9/x"}}
  telegram: {telegram: {bot_token: "1:a", chat_id: 42}}
  mail: {email: {to: a@example.com}}
  ops: {webhook: {url: "http://127.0.0.1:9/ops"}}
  pulse: {webhook: {url: "http://127.0.0.1:9/pulse"}}
watchdog: {heartbeat: pulse}
"""

BASE = """
global: {resolve_timeout: 7m}
route:
  receiver: theirs
  group_by: [job]
  routes:
    - {matchers: ['team="db"'], receiver: theirs, active_time_intervals: [office]}
receivers:
  - name: theirs
    webhook_configs: [{url: "http://127.0.0.1:9/theirs", send_resolved: yes}]
time_intervals:
  - name: office
    time_intervals: [{times: [{start_time: 09:00, end_time: 17:00}]}]
"""


FRAUD = {"alertname": "BillingFraudSpike", "detector": "fraud_spike"}


def written(tenants: Tenants, folder: Path, version: tuple[int, int] = (0, 25)) -> Path:
    file = folder / "alertmanager.yml"
    file.write_text(alertmanager.render(alertmanager.routing(tenants, version), tenants.source))
    return file


def route(amtool: str, file: Path, **labels: str) -> list[str]:
    pairs = [f"{name}={value}" for name, value in labels.items()]
    code, said = tools.run(amtool, "config", "routes", "test", "--config.file", str(file), *pairs)
    assert code == 0, said
    (line,) = [line for line in said.splitlines() if not line.startswith("Warning")]
    return sorted(line.split(","))


def expected(tenants: Tenants, tenant: str, severity: str) -> list[str]:
    def heard(name: str) -> bool:
        lowest = tenants.receivers[name].min_severity
        return SEVERITIES.index(severity) <= SEVERITIES.index(lowest)

    names = tenants.by_id[tenant].notify or ("ops",)
    return sorted(name for name in names if heard(name)) or ["nobody"]


def test_alertmanager_takes_every_kind_of_receiver(
    config: Callable[[str], Tenants], amtool: str, tmp_path: Path
):
    code, said = tools.run(amtool, "check-config", str(written(config(FULL), tmp_path)))
    assert code == 0, said


def test_every_tenant_and_severity_reaches_its_receivers_and_no_other(
    config: Callable[[str], Tenants], amtool: str, tmp_path: Path
):
    tenants = config(FULL)
    file = written(tenants, tmp_path)
    for tenant, severity in itertools.product(tenants.by_id, SEVERITIES):
        labels = {"alertname": "BillingSilentLapse", "detector": "silent_lapse", "severity": severity}
        assert route(amtool, file, tenant=tenant, **labels) == expected(tenants, tenant, severity)


def test_the_watchdog_has_its_own_route_and_its_heartbeat(
    config: Callable[[str], Tenants], amtool: str, tmp_path: Path
):
    file = written(config(FULL), tmp_path)
    down = {"alertname": "BillingExporterDown", "detector": "watchdog", "severity": "critical"}
    assert route(amtool, file, **down) == ["ops"]
    assert route(amtool, file, tenant="prod", **down) == ["ops"]
    assert route(amtool, file, **down | {"alertname": "BillingWatchdog"}) == ["pulse"]


def test_a_tenant_that_is_not_in_the_file_yet_reaches_the_operators(
    config: Callable[[str], Tenants], amtool: str, tmp_path: Path
):
    file = written(config(FULL), tmp_path)
    assert route(amtool, file, tenant="new", severity="critical", detector="fraud_spike") == ["ops"]


DEFAULTED = """
defaults: {notify: [slack, pager]}
tenants:
  prod: {webhook_secret: whsec_a}
  acme: {webhook_secret: whsec_a, notify: [hook]}
  mute: {webhook_secret: whsec_a, notify: []}
receivers:
  slack: {slack: {api_url_file: /run/secrets/slack}, min_severity: warning}
  pager: {pagerduty: {routing_key_file: /run/secrets/pd}, min_severity: critical}
  hook: {webhook: {url: "http://127.0.0.1:9/x"}}
"""
DEFAULTED_OPS = DEFAULTED + """  ops: {webhook: {url: "http://127.0.0.1:9/ops"}}\n"""


@pytest.mark.parametrize("merged", [False, True])
@pytest.mark.parametrize(("text", "unnamed"), [(DEFAULTED, "nobody"), (DEFAULTED_OPS, "ops")])
def test_a_tenant_that_is_added_later_is_heard_by_the_receivers_of_the_defaults(
    config: Callable[[str], Tenants], amtool: str, tmp_path: Path, text: str, unnamed: str, merged: bool
):
    tenants = config(text)
    file = written(tenants, tmp_path)
    if merged:
        (tmp_path / "base.yml").write_text(BASE)
        file.write_text(merge.merge(str(tmp_path / "base.yml"), alertmanager.routing(tenants, (0, 25)), "x"))
    for tenant in ("prod", "later"):
        assert route(amtool, file, tenant=tenant, severity="critical", **FRAUD) == ["pager", "slack"]
        assert route(amtool, file, tenant=tenant, severity="warning", **FRAUD) == ["slack"]
        assert route(amtool, file, tenant=tenant, severity="info", **FRAUD) == ["nobody"]
    assert route(amtool, file, tenant="acme", severity="critical", **FRAUD) == ["hook"]
    assert route(amtool, file, tenant="mute", severity="critical", **FRAUD) == [unnamed]


def test_receivers_of_the_defaults_are_kept_though_every_tenant_names_its_own(
    config: Callable[[str], Tenants], amtool: str, tmp_path: Path
):
    tenants = config(DEFAULTED.replace("  prod: {webhook_secret: whsec_a}\n", ""))
    file = written(tenants, tmp_path)
    assert route(amtool, file, tenant="later", severity="critical", **FRAUD) == ["pager", "slack"]
    assert route(amtool, file, tenant="mute", severity="critical", **FRAUD) == ["nobody"]
    (remark,) = alertmanager.routing(tenants, (0, 25)).remarks
    assert remark == "alerts of mute reach nobody; name receivers under watchdog.notify"


def test_silence_keeps_a_drop_quiet_only_where_it_is_at_least_as_severe(config: Callable[[str], Tenants]):
    def silence(text: str) -> list[list[str]]:
        found = alertmanager.routing(config(text), (0, 25)).inhibit_rules
        return [
            one["target_matchers"] for one in found if "BillingSilentLapse" in str(one["source_matchers"])
        ]

    assert silence(DEFAULTED) == []  # a warning would hide a critical alert
    loud = DEFAULTED.replace("acme: {", "acme: {detectors: {silent_lapse: {severity: critical}}, ")
    assert [targets[-1] for targets in silence(loud)] == ['tenant=~"acme"']
    equal = DEFAULTED.replace("defaults: {", "defaults: {detectors: {silent_lapse: {severity: critical}}, ")
    assert [len(targets) for targets in silence(equal)] == [2]
    one_less = equal.replace("acme: {", "acme: {detectors: {silent_lapse: {severity: info}}, ")
    assert [targets[-1] for targets in silence(one_less)] == ['tenant!~"acme"']


def test_whoever_does_not_hear_of_a_drop_hears_of_the_silence_at_least_as_urgently(
    config: Callable[[str], Tenants],
):
    names = ("prod", "acme", "shop", "deaf", "free")
    for lapse, drop in itertools.product(SEVERITIES, SEVERITIES):
        own = f"detectors: {{silent_lapse: {{severity: {lapse}}}, revenue_drop: {{severity: {drop}}}}}"
        tenants = config(re.sub(rf"  ({'|'.join(names)}): {{", rf"  \1: {{{own}, ", FULL))
        rules = alertmanager.routing(tenants, (0, 25)).inhibit_rules
        muted = [
            name
            for name in names
            for rule in rules
            if "BillingSilentLapse" in str(rule["source_matchers"]) and name in rule["target_matchers"][-1]
        ]
        assert muted == ([*names] if SEVERITIES.index(lapse) <= SEVERITIES.index(drop) else [])
        for name in muted:
            assert {*expected(tenants, name, drop)} - {"nobody"} <= {*expected(tenants, name, lapse)}


def test_a_client_hears_of_no_other_tenant(config: Callable[[str], Tenants], amtool: str, tmp_path: Path):
    tenants = config(
        "tenants: {a: {webhook_secret: whsec_a, notify: [x]}, b: {webhook_secret: whsec_a}}\n"
        "receivers: {x: {webhook: {url: 'http://127.0.0.1:9/'}}}"
    )
    file = written(tenants, tmp_path)
    assert route(amtool, file, tenant="b", severity="critical", detector="fraud_spike") == ["nobody"]
    assert route(amtool, file, severity="critical", detector="watchdog") == ["x"]


def test_what_a_receiver_gives_itself_is_kept(config: Callable[[str], Tenants]):
    tenants = config(
        "tenants: {a: {webhook_secret: whsec_a}}\n"
        "receivers: {x: {slack: {api_url_file: /x, title: mine, send_resolved: false}}}"
    )
    (_, mine) = alertmanager.routing(tenants, (0, 25)).receivers
    (slack,) = mine["slack_configs"]
    assert (slack["title"], slack["send_resolved"], slack["api_url_file"]) == ("mine", False, "/x")
    assert "Runbook" in slack["text"]


def test_whatever_a_receiver_gives_is_written_as_it_was(config: Callable[[str], Tenants], tmp_path: Path):
    details = '{a: 1.50, b: "no", c: "017", d: true, e: null}'
    given = f'routing_key: k, images: [{{src: x, alt: "1e3"}}], details: {details}'
    tenants = config(
        f"tenants: {{a: {{webhook_secret: whsec_a}}}}\nreceivers: {{x: {{pagerduty: {{{given}}}}}}}"
    )
    (_, receiver) = yaml.safe_load(written(tenants, tmp_path).read_text())["receivers"]
    (pagerduty,) = receiver["pagerduty_configs"]
    assert pagerduty.items() >= yaml.safe_load(f"{{{given}}}").items()


def test_mail_without_a_server_says_what_was_assumed(config: Callable[[str], Tenants]):
    (remark,) = alertmanager.routing(config(FULL), (0, 25)).remarks
    assert remark.startswith("receivers.mail.email: smarthost localhost:25 and from billingwatch@localhost")


def test_mail_goes_over_tls_unless_the_file_says_otherwise(config: Callable[[str], Tenants]):
    tenants = config(
        FULL.replace("to: a@example.com", 'to: a@example.com, smarthost: "smtp.example.com:587"')
    )
    routing = alertmanager.routing(tenants, (0, 25))
    (mail,) = next(one for one in routing.receivers if one["name"] == "mail")["email_configs"]
    assert "require_tls" not in mail
    assert routing.remarks == (
        "receivers.mail.email: from billingwatch@localhost is assumed; give it to use another",
    )


def test_a_base_with_a_mail_server_keeps_it(config: Callable[[str], Tenants], amtool: str, tmp_path: Path):
    base = tmp_path / "base.yml"
    base.write_text(
        BASE.replace("resolve_timeout: 7m", 'smtp_smarthost: "mx.example.com:25", smtp_from: me@example.com')
    )
    routing = alertmanager.routing(config(FULL), (0, 25), merge.global_keys(str(base)))
    assert routing.remarks == ()
    merged = tmp_path / "merged.yml"
    merged.write_text(merge.merge(str(base), routing, "tenants.yaml"))
    assert "localhost" not in merged.read_text()
    code, said = tools.run(amtool, "check-config", str(merged))
    assert code == 0, said


def test_a_base_keeps_all_it_had(config: Callable[[str], Tenants], amtool: str, tmp_path: Path):
    base = tmp_path / "base.yml"
    base.write_text(BASE)
    tenants = config(FULL)
    merged = tmp_path / "merged.yml"
    merged.write_text(merge.merge(str(base), alertmanager.routing(tenants, (0, 25)), "tenants.yaml"))
    code, said = tools.run(amtool, "check-config", str(merged))
    assert code == 0, said
    assert route(amtool, merged, team="db") == ["theirs"]
    assert route(amtool, merged, other="x") == ["theirs"]
    for tenant, severity in itertools.product(tenants.by_id, SEVERITIES):
        found = route(amtool, merged, tenant=tenant, severity=severity, **FRAUD)
        assert found == expected(tenants, tenant, severity)
    text = merged.read_text()
    assert "resolve_timeout: 7m" in text
    assert "17:00" in text
    assert "1020" not in text


def test_another_teams_alert_stays_theirs_though_it_has_a_label_of_ours(
    config: Callable[[str], Tenants], amtool: str, tmp_path: Path
):
    base, merged = tmp_path / "base.yml", tmp_path / "merged.yml"
    base.write_text(BASE)
    merged.write_text(merge.merge(str(base), alertmanager.routing(config(FULL), (0, 25)), "tenants.yaml"))
    smoke = {"detector": "smoke", "tenant": "prod", "severity": "critical"}
    assert route(amtool, merged, alertname="KitchenOnFire", **smoke) == ["theirs"]
    assert route(amtool, merged, alertname="BillingFraudSpike", tenant="prod") == ["theirs"]
    for rule in yaml.safe_load(merged.read_text())["inhibit_rules"]:
        assert rule["target_matchers"][0].startswith("alertname=")


def test_what_an_older_version_merged_is_replaced_too(config: Callable[[str], Tenants], tmp_path: Path):
    base = tmp_path / "base.yml"
    base.write_text(BASE)
    first = merge.merge(str(base), alertmanager.routing(config(FULL), (0, 25)), "tenants.yaml")
    assert "BillingFraudSpike|" in first
    base.write_text(first.replace("BillingFraudSpike|", ""))
    again = merge.merge(str(base), alertmanager.routing(config(FULL), (0, 25)), "tenants.yaml")
    assert again == first


def test_merging_again_replaces_what_was_merged_before(config: Callable[[str], Tenants], tmp_path: Path):
    base = tmp_path / "base.yml"
    base.write_text(BASE)
    first = merge.merge(str(base), alertmanager.routing(config(FULL), (0, 25)), "tenants.yaml")
    base.write_text(first)
    second = merge.merge(str(base), alertmanager.routing(config(FULL), (0, 25)), "tenants.yaml")
    assert yaml.safe_load(second) == yaml.safe_load(first)


def test_a_receiver_name_that_the_base_has_too_is_an_error(config: Callable[[str], Tenants], tmp_path: Path):
    base = tmp_path / "base.yml"
    base.write_text(BASE.replace("theirs", "slack"))
    with pytest.raises(ConfigError, match=r"receivers\.slack: .*rename"):
        merge.merge(str(base), alertmanager.routing(config(FULL), (0, 25)), "tenants.yaml")


def test_a_base_whose_nobody_sends_somewhere_is_an_error_and_one_that_sends_nothing_is_ours(
    config: Callable[[str], Tenants], tmp_path: Path
):
    base = tmp_path / "base.yml"
    base.write_text(BASE.replace("receivers:\n", "receivers:\n  - {name: nobody}\n"))
    assert merge.merge(str(base), alertmanager.routing(config(FULL), (0, 25)), "x").count("name: nobody") == 1
    base.write_text(BASE.replace("theirs", "nobody"))
    with pytest.raises(ConfigError, match=r"receivers\.nobody: .*rename it in the base"):
        merge.merge(str(base), alertmanager.routing(config(FULL), (0, 25)), "tenants.yaml")


def test_a_route_of_the_bases_own_to_a_receiver_of_ours_that_is_gone_is_an_error(
    config: Callable[[str], Tenants], amtool: str, tmp_path: Path
):
    base = tmp_path / "base.yml"
    base.write_text(BASE)
    first = merge.merge(str(base), alertmanager.routing(config(FULL), (0, 25)), "tenants.yaml")
    base.write_text(first.replace("receiver: theirs, active", "receiver: hook, active"))
    merged = tmp_path / "merged.yml"
    merged.write_text(merge.merge(str(base), alertmanager.routing(config(FULL), (0, 25)), "tenants.yaml"))
    assert route(amtool, merged, team="db") == ["hook"]
    less = FULL.replace("discord, hook, ", "discord, ").replace(
        '  hook: {webhook: {url: "http://127.0.0.1:9/x"}}\n', ""
    )
    with pytest.raises(
        ConfigError, match=r"receivers\.hook: the base's own routes send to it, .* add it again"
    ):
        merge.merge(str(base), alertmanager.routing(config(less), (0, 25)), "tenants.yaml")


SILENT = """
tenants: {a: {webhook_secret: whsec_a, notify: [slack]}, b: {webhook_secret: whsec_b}}
watchdog: {heartbeat: spare}
receivers:
  slack: {slack: {api_url_file: /run/secrets/slack, channel: "#a"}}
  spare: {webhook: {url: "http://127.0.0.1:9/"}}
"""


def test_who_would_be_heard_by_nobody_is_told(config: Callable[[str], Tenants]):
    (remark,) = alertmanager.routing(config(SILENT), (0, 25)).remarks
    assert remark.startswith("alerts of b and of tenants that are added later reach nobody")
    told = SILENT.replace("heartbeat: spare", "notify: [slack]")
    assert alertmanager.routing(config(told), (0, 25)).remarks == (
        "receivers.spare: nobody names it; left out",
    )


def test_thousands_of_unheard_tenants_are_told_in_one_short_line(config: Callable[[str], Tenants]):
    many = "".join(f"  t{number}: {{webhook_secret: whsec_a}}\n" for number in range(3000))
    (remark,) = alertmanager.routing(config(f"tenants:\n{many}"), (0, 25)).remarks
    assert "and 2,990 more and of tenants" in remark
    assert len(remark) < 300


def test_merging_again_works_with_a_receiver_that_nobody_names(
    config: Callable[[str], Tenants], tmp_path: Path
):
    tenants = config(SILENT.replace("heartbeat: spare", "notify: [slack]"))
    base = tmp_path / "base.yml"
    base.write_text(BASE)
    first = merge.merge(str(base), alertmanager.routing(tenants, (0, 25)), "tenants.yaml")
    base.write_text(first)
    assert merge.merge(str(base), alertmanager.routing(tenants, (0, 25)), "tenants.yaml") == first


BOMB = "b0: &b0 [x, x]\n" + "".join(f"b{n}: &b{n} [{', '.join([f'*b{n - 1}'] * 10)}]\n" for n in range(1, 30))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[" * 40_000, "line 1: is nested too deeply; flatten it"),
        ("{a: " * 40_000, "line 1: is nested too deeply; flatten it"),
        ("route: " + "[" * 2_000 + "]" * 2_000, "line 1: is nested too deeply; flatten it"),
        (BASE + BOMB, "values, each alias counted as what it stands for"),
        (BASE + "more: &x [*x]\n", "line 14: an anchor may not contain itself"),
        ("route: {receiver: [a, b]}\n", "route.receiver: must be the name of one receiver; correct it (line 1)"),
        ("route:\n  receiver: a\n  routes:\n    - receiver: {a: b}\n", "route.routes.0.receiver: must be the name"),
        ("route: {receiver: a, routes: {a: b}}\n", "route.routes: must be a list; correct it (line 1)"),
        ("route: {receiver: a, routes: [a]}\n", "route.routes.0: must be a mapping"),
        ("route: {receiver: a, routes: [{matchers: [[a]]}]}\n", "route.routes.0.matchers.0: must be a matcher"),
        ("route: [a]\n", "route: must be a mapping"),
        ("route: {receiver: a}\nreceivers: {a: b}\n", "receivers: must be a list; correct it (line 2)"),
        ("route: {receiver: a}\nreceivers: [a]\n", "receivers.0: must be a mapping"),
        ("route: {receiver: a}\nreceivers: [{name: [a]}]\n", "receivers.0.name: must be the receiver's name"),
        ("route: {receiver: a}\ninhibit_rules: [a]\n", "inhibit_rules.0: must be a mapping"),
        ("route: {receiver: a}\nglobal: [a]\n", "global: must be a mapping"),
        ("route: {? [a] : b}\n", "line 1: a key must be plain text"),
        ("{}\n", "route: is missing; give a complete alertmanager.yml"),
        ("a\n", "file: is no mapping; give an alertmanager.yml"),
        ("", "file: is no mapping; give an alertmanager.yml"),
        ("a: [\n", "line 2: is no YAML"),
    ],
)  # fmt: skip
def test_a_base_that_is_no_alertmanager_file_is_refused_with_the_place_and_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, said: str
):
    (tmp_path / "base.yml").write_text(text)
    (tmp_path / "tenants.yaml").write_text(FULL)
    flags = ["--config.file", str(tmp_path / "tenants.yaml"), "--base", str(tmp_path / "base.yml")]
    assert cli.main(["alertmanager", *flags]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"{tmp_path}/base.yml: ")
    assert said in line


def test_a_base_that_is_a_pipe_a_folder_or_too_large_is_refused_at_once(tmp_path: Path):
    base = tmp_path / "base.yml"
    os.mkfifo(base)
    with pytest.raises(ConfigError, match="it is a named pipe, no regular file"):
        merge.global_keys(str(base))
    with pytest.raises(ConfigError, match="it is a folder"):
        merge.global_keys(str(tmp_path))
    base.unlink()
    with base.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(ConfigError, match="it has more than 16 MiB"):
        merge.global_keys(str(base))


_PARTS = st.recursive(
    st.sampled_from(["a", 1, None, True, "nobody"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                "route receiver routes matchers receivers name inhibit_rules source_matchers global".split()
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=15,
)


@settings(deadline=None)
@given(_PARTS)
def test_whatever_a_base_holds_it_is_merged_or_refused_in_plain_words(
    tmp_path_factory: pytest.TempPathFactory, value: object
):
    base = tmp_path_factory.getbasetemp() / "wild.yml"
    base.write_text(json.dumps(value))
    ours = alertmanager.Routing([], [{"name": "nobody"}], [], ())
    try:
        merge.global_keys(str(base))
        merged = merge.merge(str(base), ours, "tenants.yaml")
    except ConfigError as error:
        assert "; " in str(error)  # noqa: PT017
    else:
        assert yaml.safe_load(merged)["route"]
