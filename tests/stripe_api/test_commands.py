"""What `bw-exporter catch-up` and `bw-exporter probe` do by hand."""

from __future__ import annotations

import json
import time
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from bw_exporter import cli
from bw_exporter.catch_up import lease
from bw_exporter.facts.feeds import SELECT
from bw_exporter.metrics import catalog
from bw_exporter.metrics.series import series
from bw_exporter.store import open_store
from bw_simulator import fake_stripe
from bw_simulator.fake_stripe import Account, FakeStripe, Json

from . import books

LIVE_KEY = "rk_live_0123456789"
DAY = 86_400


@pytest.fixture
def account(server: FakeStripe) -> Account:
    server.accounts.clear()
    return server.account(LIVE_KEY)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "tenants.yaml"
    file.write_text(
        f"tenants: {{shop: {{webhook_secret: whsec_shop, api_key: {LIVE_KEY}}}, other: {{webhook_secret: whsec_x}}}}"
    )
    return file


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A store that knows the tenant for two days."""
    found = f"sqlite:///{tmp_path}/store.db"
    with closing(open_store(found)) as store:
        store.register(["shop"], int(time.time()) - 2 * DAY)
    return found


def catch_up(config: Path, url: str, server: FakeStripe, *more: str) -> int:
    return cli.main(
        ["catch-up", "--once", "--config.file", str(config), "--storage.url", url,
         "--stripe.api-url", server.url, *more]
    )  # fmt: skip


def probe(config: Path, server: FakeStripe, *more: str) -> int:
    return cli.main(["probe", "--config.file", str(config), "--stripe.api-url", server.url, *more])


def missed(url: str) -> int:
    with closing(open_store(url)) as store:
        return store.samples("shop").get(series(catalog.EVENTS_CAUGHT_UP, "shop").line, 0)


def test_catch_up_by_hand_counts_what_was_missed_and_says_how_much(
    account: Account, server: FakeStripe, config: Path, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    events = books.lived(1, 60, began_at=int(time.time()) - DAY)
    account.add(*events)
    assert catch_up(config, url, server) == 0
    assert capsys.readouterr().out.startswith(
        f"shop: {len(events)} events were counted that no webhook had brought"
    )
    assert missed(url) == len(events)
    assert catch_up(config, url, server) == 0
    assert capsys.readouterr().out == "shop: nothing was missed\n"
    late = {**events[0], "id": "evt_late"}
    account.add(late)
    assert catch_up(config, url, server) == 0
    assert missed(url) == len(events)
    assert catch_up(config, url, server, "--since", "2d") == 0
    assert missed(url) == len(events) + 1


def test_catch_up_by_hand_leaves_a_store_alone_for_which_another_process_asks(
    account: Account, server: FakeStripe, config: Path, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(open_store(url)) as store:
        store.write(partial(lease.hold, "serve", int(time.time())))
    assert catch_up(config, url, server) == 1
    assert "another process asks Stripe for this store" in capsys.readouterr().err
    assert account.asked == []


def test_catch_up_that_fails_says_why_and_exits_with_1(
    account: Account, server: FakeStripe, config: Path, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    account.failing.append(fake_stripe.REVOKED)
    assert catch_up(config, url, server) == 1
    shown = capsys.readouterr()
    assert "shop: failed: Stripe does not know the key, or it was revoked" in shown.out
    assert LIVE_KEY not in shown.out + shown.err


def test_a_tenant_without_a_key_is_said_to_have_none(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["probe", "--config.file", str(config), "--tenant", "other"]) == 1
    assert "other has no API key" in capsys.readouterr().err
    assert cli.main(["probe", "--config.file", str(config), "--tenant", "non"]) == 1
    assert "no tenant is called 'non'" in capsys.readouterr().err


def endpoint(**fields: object) -> Json:
    return {
        "id": "we_1",
        "created": 1,
        "url": "https://x.example/webhooks/shop",
        "status": "enabled",
        "enabled_events": list(SELECT),
        "api_version": "2026-10-28.endive",
        **fields,
    }


def test_probe_finds_all_well_and_never_writes(
    account: Account, server: FakeStripe, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    account.lists["webhook_endpoints"] = [endpoint()]
    assert probe(config, server, "--web.webhook-url", "https://x.example") == 0
    shown = capsys.readouterr().out
    assert shown.startswith("shop: all is well\n  ok     key")
    assert "https://x.example/webhooks/shop is enabled" in shown
    assert "2026-10-28.endive" in shown


@pytest.mark.parametrize(
    ("found", "name", "said", "todo"),
    [
        ([], "endpoint", "none leads to", "make one"),
        ([endpoint(url="https://y.example/webhooks/shop")], "endpoint", "none leads to", "make one"),
        ([endpoint(status="disabled")], "endpoint", "is disabled", "enable it"),
        (
            [endpoint(enabled_events=["charge.failed"])],
            "selected events",
            "are not selected",
            "charge.succeeded",
        ),
        ([endpoint(enabled_events=["*"])], "invoice.created", "'Select all events' does", "take it out"),
        (
            [endpoint(enabled_events=[*SELECT, "invoice.created"])],
            "invoice.created",
            "is selected:",
            "take it",
        ),
    ],
)
def test_probe_says_what_is_wrong_with_an_endpoint_and_what_to_do(
    account: Account,
    server: FakeStripe,
    config: Path,
    capsys: pytest.CaptureFixture[str],
    found: list[Json],
    name: str,
    said: str,
    todo: str,
) -> None:
    account.lists["webhook_endpoints"] = found
    assert probe(config, server, "--web.webhook-url", "https://x.example", "--format", "json") == 1
    (shop,) = json.loads(capsys.readouterr().out)
    (check,) = (each for each in shop["checks"] if not each["ok"])
    assert check["name"] == name
    assert said in check["said"]
    assert todo in check["todo"]


def test_probe_names_each_missing_permission_in_stripes_words_and_where_to_make_the_key(
    account: Account, server: FakeStripe, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    account.lists["webhook_endpoints"] = [endpoint()]
    account.forbidden = {"disputes": "rak_dispute_read", "payouts": "rak_payout_read"}
    assert probe(config, server) == 1
    shown = capsys.readouterr().out
    assert "shop: 2 things to do" in shown
    assert "Having the 'rak_dispute_read' permission would allow this request to continue." in shown
    assert "https://dashboard.stripe.com/apikeys/create?name=BillingWatch" in shown


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (fake_stripe.REVOKED, "Stripe does not know the key"),
        (fake_stripe.Refusal.error(429, "Too many", "rate_limit", Retry_After="900"), "slow down"),
    ],
)
def test_probe_of_a_key_that_does_not_work_says_so_and_asks_no_more(
    account: Account,
    server: FakeStripe,
    config: Path,
    capsys: pytest.CaptureFixture[str],
    failure: fake_stripe.Refusal,
    said: str,
) -> None:
    account.failing.append(failure)
    assert probe(config, server) == 1
    assert said in capsys.readouterr().out
    assert len(account.asked) == 1


def test_probe_sees_a_key_of_the_other_mode_by_the_events_it_reads(
    account: Account, server: FakeStripe, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    account.add({"id": "evt_1", "created": 1, "type": "payout.paid", "livemode": False})
    assert probe(config, server) == 1
    assert "it reads test events, and the tenant's mode is live" in capsys.readouterr().out
