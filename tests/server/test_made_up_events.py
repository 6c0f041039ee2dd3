"""`bw-exporter simulate` does not mix made-up money into a tenant that earns real money."""

from __future__ import annotations

import base64
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import bcrypt
import pytest

from bw_exporter import cli
from support.exporter import RunningExporter, Start, event

TWO_MODES = (
    "tenants:\n"
    "  prod: {webhook_secret: whsec_0123456789abcdefghijklmnopqrstuv}\n"
    "  sandbox: {webhook_secret: whsec_0123456789abcdefghijklmnopqrstuv, mode: test}\n"
)


def simulate(exporter: RunningExporter, *words: str, private: int | None = None) -> int:
    return cli.main(
        [
            "simulate", "--config.file", str(exporter.config), "--url", f"http://127.0.0.1:{exporter.public}",
            "--web.metrics-address", f"127.0.0.1:{private or exporter.private}",
            "--rate", "40", "--duration", "1s", "--quiet", *words,
        ]
    )  # fmt: skip


def answer(exporter: RunningExporter, tenant: str) -> object:
    reply = exporter.get(f"/tenants/{tenant}.json")
    return json.loads(reply.text) if reply.status == 200 else reply.status


def test_a_live_tenant_without_events_of_stripe_is_played_again_and_again(start: Start):
    exporter = start(TWO_MODES)
    assert simulate(exporter) == 0
    assert simulate(exporter, "--seed", "2") == 0
    assert answer(exporter, "prod") == {"tenant": "prod", "mode": "live", "has_real_events": False}


def test_a_live_tenant_with_an_event_of_stripe_is_left_alone_unless_mixing_is_wanted(
    start: Start, capsys: pytest.CaptureFixture[str]
):
    exporter = start(TWO_MODES)
    assert exporter.send("1NG8Du2eZvKYlo2CUI79vXWy").status == 200
    assert answer(exporter, "prod") == {"tenant": "prod", "mode": "live", "has_real_events": True}
    assert simulate(exporter) == 1
    said = capsys.readouterr().err
    assert said.startswith("prod: the exporter has events of Stripe")
    assert "--yes mixes them, for good" in said
    with closing(sqlite3.connect(exporter.store)) as store:
        assert store.execute("SELECT count(*) FROM events").fetchone() == (1,)
    assert simulate(exporter, "--tenant", "sandbox") == 0
    assert (
        simulate(exporter, "--anomaly", "webhook_lag", "--anomaly-tenant", "prod", "--tenant", "sandbox") == 1
    )
    assert simulate(exporter, "--yes") == 0


def test_events_of_stripe_that_are_long_forgotten_still_count_as_real(start: Start):
    exporter = start(TWO_MODES)
    assert exporter.send("1NG8Du2eZvKYlo2CUI79vXWy").status == 200
    with closing(sqlite3.connect(exporter.store)) as store, store:
        store.execute("DELETE FROM events")
    assert answer(exporter, "prod") == {"tenant": "prod", "mode": "live", "has_real_events": True}


def test_where_nobody_says_whether_there_are_real_events_only_tenants_of_mode_test_are_played(
    start: Start, capsys: pytest.CaptureFixture[str]
):
    exporter = start(TWO_MODES)
    assert simulate(exporter, private=1) == 1
    said = capsys.readouterr().err
    assert "the private listener at 127.0.0.1:1 does not say whether it has events of Stripe" in said
    assert "--web.metrics-address" in said
    assert "`mode: test`" in said
    assert simulate(exporter, "--tenant", "sandbox", private=1) == 0
    assert simulate(exporter, private=exporter.public) == 1
    assert "is no private listener" in capsys.readouterr().err
    assert simulate(exporter, "--yes", private=1) == 0


def test_a_private_listener_with_a_password_is_told_and_not_got_round(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    hashed = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()
    (tmp_path / "web.yml").write_text(f"basic_auth_users: {{prometheus: '{hashed}'}}\n")
    with RunningExporter(tmp_path, TWO_MODES, "--web.config.file", str(tmp_path / "web.yml")) as exporter:
        credentials = base64.b64encode(b"prometheus:secret").decode()
        exporter.authorization = {"Authorization": f"Basic {credentials}"}
        exporter.ready()
        assert simulate(exporter) == 1
    assert "it wants a password" in capsys.readouterr().err


def test_a_tenant_that_is_not_there_is_not_found(start: Start):
    assert answer(start(TWO_MODES), "nobody") == 404


def test_the_ids_of_events_of_send_are_not_made_up(start: Start, tmp_path: Path):
    exporter = start(TWO_MODES)
    (tmp_path / "event.json").write_bytes(event("1NG8Du2eZvKYlo2CUI79vXWy"))
    words = ["send", "--config.file", str(exporter.config), "--url", f"http://127.0.0.1:{exporter.public}"]
    assert cli.main([*words, "--tenant", "prod", "--fresh", str(tmp_path / "event.json")]) == 0
    assert answer(exporter, "prod") == {"tenant": "prod", "mode": "live", "has_real_events": True}
