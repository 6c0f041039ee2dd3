from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bw_exporter import __version__
from bw_exporter.command_line import options
from bw_exporter.store import Finding, open_store
from support.exporter import ONE_TENANT, Start
from support.patience import limit

_ANY_PORT = {"BW_WEB_WEBHOOK_ADDRESS": "127.0.0.1:0", "BW_WEB_METRICS_ADDRESS": "127.0.0.1:0"}
"""The usual ports may be taken on the machine of whoever runs the tests."""


def run(*arguments: str, cwd: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bw_exporter", *arguments],
        cwd=cwd,
        env={**os.environ, **_ANY_PORT, **environ},
        capture_output=True,
        text=True,
        timeout=limit(30),
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "Commands:"),
        (["sreve"], "Did you mean 'serve'?"),
        (["serve", "--web.worker", "3"], "'--web.workers'"),
        (["serve", "--web.work", "3"], "No such option '--web.work'"),
        (["findings", "t.yaml"], "t.yaml is one. Give it with --storage.url."),
        (["check-config", "a.yaml", "--config.file", "b.yaml"], "leave out a.yaml or --config.file"),
        (["send", "x.json"], "Missing option --tenant"),
        (["serve", "--web.workers", "none"], "--web.workers: 'none' is no number of processes"),
        (["serve", "--web.webhook-address", "8000"], "write HOST:PORT"),
        (["serve", "--web.metrics-address", "::1:9847"], "[::1]:8000"),
        (["findings", "--since", "yesterday"], "--since: "),
        (["findings", "--format", "xml"], "'xml' is not one of 'table', 'json', 'csv'"),
        (["findings", "--limit", "9" * 20], "is no number from 1 to 1000000000000"),
        (["send"], "EVENT.json"),
        (["migrate-store", "sqlite:///a.db", "postgresql://me:word@host/b"], "the password in a PGPASSFILE"),
        (
            ["serve", "--storage.url", "postgresql://me:word@host/b"],
            "the URL in BW_STORAGE_URL, or the password",
        ),
        (["serve", "--web.webhook-url", "https://hooks.example.com:99999"], "is no address of a web server"),
    ],
)
def test_a_mistake_on_the_command_line_says_what_was_meant_and_where_the_help_is(
    tmp_path: Path, arguments: list[str], told: str
):
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert told in done.stderr
    assert "Usage: bw-exporter" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_mistake_in_an_environment_variable_names_the_variable(tmp_path: Path):
    done = run("serve", cwd=tmp_path, BW_WEB_WORKERS="many")
    assert done.returncode == 2
    assert "BW_WEB_WORKERS: 'many' is no number of processes" in done.stderr


def test_every_flag_of_serve_has_an_environment_variable(tmp_path: Path):
    (tmp_path / "other.yaml").write_text("tenants: {}")
    assert "other.yaml: tenants" in run("check-config", cwd=tmp_path, BW_CONFIG_FILE="other.yaml").stderr
    told = run("serve", "--help", cwd=tmp_path).stdout
    for name in ("CONFIG_FILE", "STORAGE_URL", "WEB_WEBHOOK_ADDRESS", "WEB_METRICS_ADDRESS", "WEB_WORKERS",
                 "WEB_CONFIG_FILE", "WEB_REQUEST_TIMEOUT", "LOG_LEVEL", "LOG_FORMAT"):  # fmt: skip
        assert f"[env var: BW_{name}" in " ".join(told.split())


def test_a_file_to_check_may_be_given_without_its_flag(tmp_path: Path):
    (tmp_path / "t.yaml").write_text(ONE_TENANT)
    done = run("check-config", "t.yaml", cwd=tmp_path, BW_CONFIG_FILE="other.yaml")
    assert (done.returncode, done.stdout) == (0, "t.yaml: 1 tenant, 0 receivers: ok\n")


def test_serve_starts_on_a_machine_with_more_cores_than_workers_are_allowed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(384)), raising=False)
    assert options.workers(str(options.cores())) == 256


def test_a_switch_has_a_variable_too(tmp_path: Path):
    assert "duplicate_charge" in run("simulate", cwd=tmp_path, BW_LIST="1").stdout
    assert "no tenants.yaml" not in run("simulate", "--list", cwd=tmp_path, BW_LIST="0").stderr
    done = run("simulate", cwd=tmp_path, BW_QUIET="perhaps")
    assert done.returncode == 2
    assert "BW_QUIET: 'perhaps' is not a valid boolean" in done.stderr


def test_an_address_that_is_not_of_this_machine_is_told_without_blaming_another_program(tmp_path: Path):
    (tmp_path / "tenants.yaml").write_text(ONE_TENANT)
    done = run("serve", "--web.metrics-address", "192.0.2.1:9847", cwd=tmp_path)
    assert done.returncode == 1
    assert "cannot listen on 192.0.2.1:9847" in done.stderr
    assert "end what holds it" not in done.stderr
    assert "give another --web.metrics-address" in done.stderr


def test_a_flag_wins_over_its_variable(tmp_path: Path):
    (tmp_path / "right.yaml").write_text(ONE_TENANT)
    done = run("check-config", "--config.file", "right.yaml", cwd=tmp_path, BW_CONFIG_FILE="wrong.yaml")
    assert done.returncode == 0
    assert "right.yaml: 1 tenant" in done.stdout


def test_the_version_is_told(tmp_path: Path):
    assert run("--version", cwd=tmp_path).stdout == f"bw-exporter {__version__}\n"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:8000", ("127.0.0.1", 8000)),
        ("[::1]:8000", ("::1", 8000)),
        ("localhost:0", ("localhost", 0)),
    ],
)
def test_addresses_are_read_as_prometheus_writes_them(text: str, address: tuple[str, int]):
    assert options.address(text) == address


def test_an_address_without_a_host_means_every_interface():
    assert options.address(":8000") in {("::", 8000), ("0.0.0.0", 8000)}


@pytest.mark.parametrize("text", ["", "8000", "host", "host:", "host:port", "host:70000", "::1:8000", "h:٣"])
def test_what_is_no_address_is_refused(text: str):
    with pytest.raises(ValueError, match="is no address"):
        options.address(text)


def test_a_port_that_is_taken_is_told_with_the_flag_that_changes_it(start: Start, tmp_path: Path):
    exporter = start()
    done = run(
        "serve", "--config.file", str(exporter.config), "--storage.url", f"sqlite:///{exporter.store}",
        "--web.webhook-address", f"127.0.0.1:{exporter.public}", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 1
    assert "Address already in use" in done.stderr
    assert "--web.webhook-address" in done.stderr


def test_a_store_that_cannot_be_opened_is_told_with_the_way_out(tmp_path: Path):
    (tmp_path / "tenants.yaml").write_text(ONE_TENANT)
    (tmp_path / "file").write_text("no folder")
    done = run("serve", "--storage.url", "sqlite:///file/store.db", cwd=tmp_path)
    assert done.returncode == 1
    assert "file/store.db: " in done.stderr
    done = run("serve", "--storage.url", "mysql://localhost/x", cwd=tmp_path)
    assert done.returncode == 1
    assert "sqlite:///" in done.stderr
    assert "Traceback" not in done.stderr
    for url in ("sqlite:///", "sqlite://store.db"):
        assert "write sqlite:///relative/path" in run("serve", "--storage.url", url, cwd=tmp_path).stderr


def test_findings_are_listed_as_a_table_as_json_and_as_csv(tmp_path: Path):
    store = open_store(f"sqlite:///{tmp_path / 'store.db'}")
    now = int(time.time())
    store.register(["idle", "other", "prod"], now)
    lines = [{"line": "il_1", "kind": "unit_price", "amount": 3900, "expected": "2900", "currency": "usd"}]
    mismatch = {"invoice": "in_1", "subscription": "sub_1", "lines": lines}
    for tenant, age, kind, details in (
        ("prod", 60, "duplicate_charge", {"amount": 1200, "charge": "ch_60", "currency": "eur"}),
        ("other", 120, "invoice_mismatch", mismatch),
        ("prod", 100_000, "duplicate_charge", {"amount": 5, "charge": "ch_old"}),
    ):
        finding = Finding(now - age, tenant, kind, details)
        store.write(lambda tx, finding=finding: tx.report(finding))
    store.close()
    command = ("findings", "--storage.url", "sqlite:///store.db")
    table = run(*command, cwd=tmp_path).stdout.splitlines()
    assert table[0].split() == ["FOUND", "AT", "TENANT", "WHAT", "AT", "STAKE"]
    assert re.fullmatch(r"\S+ \S+ UTC  prod    Duplicate charge  12.00 EUR", table[1])
    assert "Billed 39.00 USD instead of 29.00 USD: the unit price is not the subscription's." in table[5]
    assert not any("ch_old" in line for line in table)
    found = json.loads(run(*command, "--format", "json", "--since", "7d", cwd=tmp_path).stdout)
    assert [one["details"].get("amount") for one in found] == [1200, None, 5]
    rows = run(*command, "--format", "csv", "--tenant", "other", cwd=tmp_path).stdout.splitlines()
    (row,) = csv.DictReader(rows)
    assert (row["tenant"], row["invoice"], json.loads(row["lines"])) == ("other", "in_1", lines)
    idle = (*command, "--tenant", "idle")
    assert run(*idle, "--format", "csv", cwd=tmp_path).stdout.splitlines() == rows[:1]
    assert run(*idle, cwd=tmp_path).stdout == "no findings in this time\n"


@pytest.mark.parametrize("form", ["table", "json", "csv"])
def test_findings_of_a_tenant_that_the_store_never_had_name_those_it_had(tmp_path: Path, form: str):
    store = open_store(f"sqlite:///{tmp_path / 'store.db'}")
    store.register(["prod", *(f"shop-{number}" for number in range(20))], int(time.time()))
    store.close()
    command = ("findings", "--storage.url", "sqlite:///store.db", "--format", form, "--tenant", "prud")
    done = run(*command, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert "no tenant is called 'prud'; the tenants are prod, shop-0, " in done.stderr
    assert "and 11 more" in done.stderr


def test_listing_findings_makes_no_store_where_there_is_none(tmp_path: Path):
    done = run("findings", "--storage.url", "sqlite:///data/store.db", cwd=tmp_path)
    assert done.returncode == 1
    assert "there is no store data/store.db" in done.stderr
    assert not list(tmp_path.iterdir())


def test_check_config_judges_receivers_for_the_alertmanager_that_takes_them(tmp_path: Path):
    (tmp_path / "tenants.yaml").write_text(
        f"{ONE_TENANT}receivers: {{chat: {{slack: {{channel: '#a'}}}}, hook: {{webhook: {{url_file: /x}}}}}}\n"
    )
    done = run("check-config", cwd=tmp_path)
    assert done.returncode == 1
    assert [line.partition(";")[0] for line in done.stderr.splitlines()] == [
        "tenants.yaml: receivers.chat.slack: has no api_url",
        "tenants.yaml: receivers.hook.webhook.url_file: needs Alertmanager 0.28",
    ]
    (tmp_path / "base.yml").write_text(
        "global: {slack_api_url: 'https://hooks.example.com'}\nroute: {receiver: a}\n"
    )
    fitting = ("--alertmanager-version", "0.28", "--alertmanager-base", "base.yml")
    assert run("check-config", *fitting, cwd=tmp_path).returncode == 0
    done = run("check-config", "--alertmanager-version", "0.2", cwd=tmp_path)
    assert (done.returncode, "0.25 is the oldest" in done.stderr) == (2, True)
