"""Every block of YAML, JSON and systemd's units goes through the program that would load it."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from bw_exporter.config import check_config
from bw_exporter.monitoring import web_config
from bw_rules.detectors import THRESHOLDS
from bw_rules.verify import tools
from support.pages import ROOT, Block, pages

from .stage import Stage

SECRET = "whsec_0123456789abcdefghijklmnop"
BLOCKS = [block for page in pages() for block in page.blocks]
SHELL = ("sh", "console", "comment")
READ_ELSEWHERE = ("text", "promql", "sql", "caddy", "html", "indented", "")
"""Languages of blocks that no program loads from here, and blocks without one."""


def checked(language: str) -> pytest.MarkDecorator:
    found = [block for block in BLOCKS if block.language == language]
    return pytest.mark.parametrize("block", found, ids=lambda block: block.where)


@checked("yaml")
def test_every_block_of_yaml_is_accepted_by_the_program_that_loads_it(block: Block, tmp_path: Path) -> None:
    documents = [one for one in yaml.safe_load_all(block.text) if one is not None]
    for document in documents:
        kind = next((name for name, keys in KEYS.items() if keys & document.keys()), None)
        assert kind, f"{block.where}: no program is known that loads {', '.join(document)}"
        LOADERS[kind](Stage(tmp_path).moved(block.text), document, tmp_path)


def test_every_block_of_json_parses() -> None:
    for block in BLOCKS:
        if block.language == "json":
            json.loads(block.text)


def test_every_block_says_its_language() -> None:
    known = {*SHELL, *READ_ELSEWHERE, "yaml", "json"}
    assert [block.where for block in BLOCKS if block.language not in known] == []


def tenants_file(text: str, document: dict[str, Any], folder: Path) -> None:
    """A whole tenants.yaml, a part of one, or what stands below a tenant; its secrets exist."""
    for name in re.findall(rf"(?:{re.escape(str(folder))}/[\w/]+/|secrets/)\w+", text):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("rk_live_0123456789abcdef" if name.endswith("_rk") else SECRET)
    if not document.keys() & KEYS["tenants"]:
        text = "tenants:\n  example:\n" + "\n".join(f"    {line}" for line in text.splitlines())
    elif "tenants" not in document:
        text += f"\ntenants: {{example: {{webhook_secret: {SECRET}}}}}\n"
    file = folder / "tenants.yaml"
    file.write_text(text)
    environ = dict.fromkeys(re.findall(r"webhook_secret_env: (\w+)", text), SECRET)
    status, lines = check_config.report(str(file), THRESHOLDS, environ)
    assert status == 0, lines


def prometheus_config(text: str, document: dict[str, Any], folder: Path) -> None:
    for name in document.get("rule_files", []):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "rules/billing.rules.yml", folder / name)
    run_tool("promtool", "check", "config", text, folder)


def rule_file(text: str, _document: dict[str, Any], folder: Path) -> None:
    run_tool("promtool", "check", "rules", text, folder)


def alertmanager_config(text: str, _document: dict[str, Any], folder: Path) -> None:
    run_tool("amtool", "check-config", text, folder)


def web_yml(text: str, document: dict[str, Any], folder: Path) -> None:
    """web.yml of the private listener; its certificate is not made here, and told of alone."""
    (folder / "web.yml").write_text(text)
    if "tls_server_config" in document:
        with pytest.raises(web_config.ConfigError) as raised:
            web_config.load(str(folder / "web.yml"))
        assert all(re.search("cert|key|client_ca", line) for line in str(raised.value).splitlines()), (
            raised.value
        )
    else:
        web_config.load(str(folder / "web.yml"))


def other(_text: str, _document: dict[str, Any], _folder: Path) -> None:
    """Loaded by a program that is not at hand; that it parses is all that is known."""


def run_tool(name: str, *rest: object) -> None:
    *words, text, folder = rest
    program = tools.find(name)
    if program is None:
        pytest.skip(f"{name} is neither on PATH nor in .tools/bin; `make tools` fetches it")
    file = Path(str(folder)) / "file.yml"
    file.write_text(str(text))
    code, said = tools.run(program, *map(str, words), str(file))
    assert code == 0, said


KEYS: dict[str, set[str]] = {
    "other": {"apiVersion", "services", "datasources", "alertmanager"},
    "web": {"tls_server_config", "basic_auth_users", "http_server_config"},
    "tenants": {"tenants", "defaults", "watchdog"},
    "tenant": {"webhook_secret_file", "webhook_secret_env", "path_token", "detectors"},
    "prometheus": {"scrape_configs", "rule_files", "alerting", "remote_write", "global"},
    "rules": {"groups"},
    "alertmanager": {"route", "receivers", "inhibit_rules"},
}
LOADERS: dict[str, Callable[[str, dict[str, Any], Path], None]] = {
    "other": other,
    "web": web_yml,
    "tenants": tenants_file,
    "tenant": tenants_file,
    "prometheus": prometheus_config,
    "rules": rule_file,
    "alertmanager": alertmanager_config,
}
