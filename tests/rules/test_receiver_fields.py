from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from bw_exporter.config.alerting.receiver_fields import FIELDS, NEWER, NEWEST, dotted
from bw_exporter.errors import ConfigError
from bw_rules.render import alertmanager
from bw_rules.verify import tools

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bw_exporter.config.tenants import Tenants

WORKING = {
    "slack": "api_url_file: /x",
    "pagerduty": "routing_key: x",
    "email": "to: a@example.com",
    "webhook": "url: 'http://127.0.0.1:9/'",
    "discord": "webhook_url: 'http://127.0.0.1:9/'",
    "telegram": "bot_token: x, chat_id: 1",
}
VALUES = {
    "app_url": "'https://x.example.com'", "url_file": "/x", "timeout": "10s", "update_message": "true",
    "threading": "{enabled: true}", "force_implicit_tls": "true", "payload": "{a: b}", "message_thread_id": "7",
}  # fmt: skip
LATER = [(kind, field) for kind, fields in NEWER.items() for field in fields]


def file(kind: str, fields: str) -> str:
    return f"tenants: {{a: {{webhook_secret: whsec_a}}}}\nreceivers: {{x: {{{kind}: {{{fields}}}}}}}"


@pytest.mark.parametrize("kind", FIELDS)
def test_the_fields_of_a_receiver_are_those_that_this_alertmanager_knows(
    kind: str, amtool: str, tmp_path: Path
):
    _, said = tools.run(amtool, "--version")
    major, minor = re.search(r"version (\d+)\.(\d+)", said).groups()
    running = (int(major), int(minor))
    if running > NEWEST:
        pytest.skip(f"amtool {dotted(running)} is newer than the fields known here")
    known = {*FIELDS[kind], *(name for name, (since, _) in NEWER[kind].items() if since <= running)}
    asked = {*known, *NEWER[kind], "no_such_field"}
    lines = "".join(f"      {name}:\n" for name in sorted(asked))
    config = tmp_path / "alertmanager.yml"
    config.write_text(f"route: {{receiver: x}}\nreceivers:\n- name: x\n  {kind}_configs:\n    -\n{lines}")
    _, said = tools.run(amtool, "check-config", str(config))
    assert set(re.findall(r"field (\w+) not found", said)) == asked - known


@pytest.mark.parametrize(("kind", "field"), LATER)
def test_a_field_newer_than_the_version_asked_for_names_receiver_and_version(
    config: Callable[[str], Tenants], kind: str, field: str
):
    since, older = NEWER[kind][field]
    tenants = config(file(kind, f"{WORKING[kind]}, {field}: {VALUES.get(field, '/x')}"))
    with pytest.raises(ConfigError) as caught:
        alertmanager.routing(tenants, (since[0], since[1] - 1))
    (problem,) = caught.value.problems
    assert problem.path == f"receivers.x.{kind}.{field}"
    assert f"needs Alertmanager {dotted(since)}" in problem.message
    assert f"--alertmanager-version {dotted(since)}" in problem.message
    assert older in problem.message
    assert alertmanager.routing(tenants, since).receivers


@pytest.mark.parametrize("version", [(0, 25), NEWEST])
def test_a_field_that_no_alertmanager_knows_is_met_with_the_nearest(
    config: Callable[[str], Tenants], version: tuple[int, int]
):
    with pytest.raises(
        ConfigError, match=r"receivers\.x\.slack\.chanel: unknown field; did you mean channel\?"
    ):
        alertmanager.routing(config(file("slack", "api_url_file: /x, chanel: y")), version)


def test_a_field_of_an_alertmanager_newer_than_known_is_let_through_and_said(
    config: Callable[[str], Tenants],
):
    version = (NEWEST[0], NEWEST[1] + 1)
    routing = alertmanager.routing(config(file("slack", "api_url_file: /x, brand_new: y")), version)
    assert "brand_new" in routing.receivers[1]["slack_configs"][0]
    assert any(f"checked against Alertmanager {dotted(NEWEST)}" in remark for remark in routing.remarks)


@pytest.mark.parametrize(
    ("kind", "fields", "way_out"),
    [
        ("slack", "channel: x", "has no api_url; give api_url or api_url_file"),
        ("pagerduty", "class: x", "has no routing_key; give"),
        ("email", "hello: x", "has no to; give to"),
        ("webhook", "max_alerts: 1", "has no url; give url"),
        ("discord", "title: x", "has no webhook_url; give webhook_url"),
        ("telegram", "chat_id: 1", "has no bot_token; give bot_token"),
        ("telegram", "bot_token: x", "has no chat_id; give chat_id"),
        ("webhook", "url: http://x, http_config: {no_proxy: x}", "http_config.no_proxy: needs Alertmanager 0.28"),
        ("webhook", "url: http://x, http_config: {tls_config: {ca: x}}", "tls_config.ca: needs Alertmanager 0.28"),
        ("pagerduty", "routing_key: x, details: {a: {b: c}}", "details: holds more than texts, which needs Alertm"),
    ],
)  # fmt: skip
def test_what_alertmanager_would_refuse_is_said_with_the_way_out(
    config: Callable[[str], Tenants], kind: str, fields: str, way_out: str
):
    with pytest.raises(ConfigError, match=re.escape(way_out)):
        alertmanager.routing(config(file(kind, fields)), (0, 25))


def test_what_a_base_gives_for_all_receivers_need_not_be_given_again(config: Callable[[str], Tenants]):
    tenants = config(file("slack", "channel: x"))
    assert alertmanager.routing(tenants, (0, 25), {"slack_api_url_file"}).receivers


WRONG = [
    ("email", "to", "[a@b.example.com]", "must be text"),
    ("email", "to", "", "must be text"),
    ("email", "smarthost", "mx.example.com", "host and its port"),
    ("email", "require_tls", "'no'", "true or false"),
    ("email", "headers", "[Subject]", "mapping"),
    ("webhook", "url", "not a url", "scheme and host"),
    ("webhook", "url", "ftp://example.com/", "scheme and host"),
    ("webhook", "url", "'http://[x/'", "scheme and host"),
    ("webhook", "max_alerts", "x", "whole number, 0 or more"),
    ("webhook", "max_alerts", "-1", "whole number, 0 or more"),
    ("webhook", "send_resolved", "'yes'", "true or false"),
    ("webhook", "http_config", "x", "mapping"),
    ("slack", "api_url", "hooks.slack.com/x", "scheme and host"),
    ("slack", "channel", "{a: b}", "must be text"),
    ("slack", "actions", "{a: b}", "list"),
    ("pagerduty", "details", "[a]", "mapping"),
    ("discord", "webhook_url", "7", "scheme and host"),
    ("telegram", "chat_id", "'@me'", "whole number"),
]


@pytest.mark.parametrize(("kind", "field", "value", "way_out"), WRONG)
def test_a_value_that_alertmanager_would_refuse_is_said_with_the_way_out(
    config: Callable[[str], Tenants], kind: str, field: str, value: str, way_out: str
):
    working = ", ".join(one for one in WORKING[kind].split(", ") if not one.startswith(f"{field}:"))
    tenants = config(file(kind, f"{working}{', ' if working else ''}{field}: {value}"))
    with pytest.raises(ConfigError) as caught:
        alertmanager.routing(tenants, (0, 25))
    (problem,) = caught.value.problems
    assert problem.path == f"receivers.x.{kind}.{field}"
    assert way_out in problem.message


def test_every_wrong_value_is_told_at_once(config: Callable[[str], Tenants]):
    tenants = config(file("webhook", "url: x, max_alerts: y, send_resolved: z"))
    with pytest.raises(ConfigError) as caught:
        alertmanager.routing(tenants, (0, 25))
    assert len(caught.value.problems) == 3


RIGHT = [
    ("email", "to: 'a@example.com, b@example.com', smarthost: 'mx.example.com:25', require_tls: no"),
    ("email", "to: a@example.com, smarthost: '[::1]:25', headers: {Subject: x}, tls_config: {}"),
    ("slack", "api_url: 'https://hooks.slack.com/x', channel: 7, link_names: true, mrkdwn_in: [text]"),
    ("pagerduty", "routing_key: 1, details: {a: b}, images: [], url: 'http://[::1]:80/x'"),
    ("webhook", "url: 'http://user:pass@x.example.com:80/a?b#c', max_alerts: 0, http_config: {}"),
    ("telegram", "bot_token: x, chat_id: -100123, disable_notifications: false"),
]


@pytest.mark.parametrize(("kind", "fields"), RIGHT)
def test_a_value_that_alertmanager_takes_is_let_through(
    config: Callable[[str], Tenants], amtool: str, tmp_path: Path, kind: str, fields: str
):
    out = tmp_path / "alertmanager.yml"
    routing = alertmanager.routing(config(file(kind, fields)), (0, 25))
    out.write_text(alertmanager.render(routing, "tenants.yaml"))
    code, said = tools.run(amtool, "check-config", str(out))
    assert code == 0, said
