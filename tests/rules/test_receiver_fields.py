from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from bw_exporter.errors import ConfigError
from bw_rules import tools
from bw_rules.render import alertmanager
from bw_rules.render.receiver_fields import FIELDS, NEWER, NEWEST, dotted

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bw_exporter.tenants import Tenants

WORKING = {
    "slack": "api_url_file: /x",
    "pagerduty": "routing_key: x",
    "email": "to: a@example.com",
    "webhook": "url: 'http://127.0.0.1:9/'",
    "discord": "webhook_url: 'http://127.0.0.1:9/'",
    "telegram": "bot_token: x, chat_id: 1",
}
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
    tenants = config(file(kind, f"{WORKING[kind]}, {field}: /x"))
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
        ("webhook", "url: x, http_config: {no_proxy: x}", "http_config.no_proxy: needs Alertmanager 0.28"),
        ("webhook", "url: x, http_config: {tls_config: {ca: x}}", "tls_config.ca: needs Alertmanager 0.28"),
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
