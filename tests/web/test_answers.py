"""What each answer means: who is refused, with what, and what is counted."""

from __future__ import annotations

import io
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from stripe import WebhookSignature

from bw_exporter.config.tenants import RateLimit
from bw_exporter.metrics import catalog
from bw_exporter.store import open_store
from bw_exporter.store.sqlite import connection as sqlite_connection
from bw_exporter.webhook.app import LARGEST_BODY_BYTES
from bw_simulator.sender import sign
from bw_simulator.shop import events, objects
from bw_simulator.shop.ids import Ids
from support.listener import DAY, NOW, SECRET, Listener, listening, tenant

OTHER_SECRET = "whsec_other"


def sale(number: int = 1, created_at: int = NOW, **fields: Any) -> dict[str, Any]:
    """A charge of 2000 usd, as an event."""
    ids = Ids(number)
    charge = objects.charge(ids, created_at=NOW)
    return events.event(ids, "charge.succeeded", charge, created_at=created_at, **fields)


BODY = json.dumps(sale()).encode()
V1 = sign(BODY, SECRET, NOW).split("v1=")[1]


def test_a_good_event_is_counted_and_answered_200(listener: Listener) -> None:
    assert listener.deliver(sale()) == 200
    assert listener.value(catalog.REVENUE, "usd") == 2000
    assert listener.requests("accepted") == 1
    assert listener.value(catalog.EVENTS, "charge.succeeded") == 1
    assert listener.value(catalog.LAST_EVENT) == NOW


def test_any_of_the_secrets_may_have_signed() -> None:
    with listening(tenant(secrets=(OTHER_SECRET, SECRET))) as listener:
        assert listener.post(BODY, sign(BODY, OTHER_SECRET, NOW)).status_code == 200
        assert listener.post(BODY, sign(BODY, SECRET, NOW)).status_code == 200
        assert listener.post(BODY, sign(BODY, "whsec_third", NOW)).status_code == 400


def test_the_secret_of_another_tenant_opens_nothing() -> None:
    with listening(tenant(), tenant(id="other", path="other", secrets=(OTHER_SECRET,))) as listener:
        assert listener.post(BODY, sign(BODY, OTHER_SECRET, NOW)).status_code == 400
        assert listener.post(BODY, sign(BODY, OTHER_SECRET, NOW), "/webhooks/other").status_code == 200
        assert listener.value(catalog.REVENUE, "usd") == 0
        assert listener.value(catalog.REVENUE, "usd", tenant_id="other") == 2000


@pytest.mark.parametrize(
    ("header", "status"),
    [
        pytest.param(f"t={NOW},v1={V1}", 200, id="as Stripe sends it"),
        pytest.param(f"t={NOW},v1={'0' * 64},v1={V1}", 200, id="while a secret is rolled"),
        pytest.param(f"v1={V1},t={NOW}", 200, id="in another order"),
        pytest.param(f"t={NOW},v1={V1},v0={'0' * 64}", 200, id="with the v0 of test events"),
        pytest.param(f"t={NOW},v0={V1}", 400, id="v0 alone"),
        pytest.param(f"t={NOW},v2={V1}", 400, id="v2 alone"),
        pytest.param(f"t={NOW}", 400, id="no signature"),
        pytest.param(f"v1={V1}", 400, id="no time"),
        pytest.param(f"t=,v1={V1}", 400, id="an empty time"),
        pytest.param(f"t=soon,v1={V1}", 400, id="a time that is none"),
        pytest.param(f"t={'9' * 400},v1={V1}", 400, id="a huge time"),
        pytest.param(f"t={'9' * 5000},v1={V1}", 400, id="a time too long to read"),
        pytest.param(f"t={NOW + 1},v1={V1}", 400, id="another time than was signed"),
        pytest.param(f"t={NOW},v1={V1.upper()}", 400, id="upper case"),
        pytest.param(f"t={NOW},v1={V1}é", 400, id="not ASCII"),
        pytest.param("", 400, id="empty"),
        pytest.param(",,,===", 400, id="punctuation"),
    ],
)
def test_only_a_v1_signature_of_this_body_and_time_passes(
    listener: Listener, header: str, status: int
) -> None:
    assert listener.post(BODY, header).status_code == status
    assert listener.requests("bad_signature") == int(status == 400)
    assert listener.value(catalog.REVENUE, "usd") == (2000 if status == 200 else 0)


def test_a_missing_header_is_a_bad_signature(listener: Listener) -> None:
    assert listener.post(BODY).status_code == 400
    assert listener.requests("bad_signature") == 1


def test_a_header_that_comes_twice_is_read_as_one_list(listener: Listener) -> None:
    """As WSGI servers join it."""
    wrong = f"t={NOW},v1={'0' * 64}"
    assert listener.post(BODY, f"{wrong},{sign(BODY, SECRET, NOW)}").status_code == 200


@pytest.mark.parametrize(("off", "result"), [(0, 200), (300, 200), (-300, 200), (301, 400), (-301, 400)])
def test_a_signature_is_good_for_300_seconds_either_way(listener: Listener, off: int, result: int) -> None:
    assert listener.post(BODY, sign(BODY, SECRET, NOW + off)).status_code == result
    assert listener.requests("expired_signature") == int(result == 400)
    assert listener.requests("bad_signature") == 0


@pytest.mark.parametrize("at", [0, -1, 10**18, 10**350])
def test_a_signed_time_far_from_now_is_expired_and_no_more(listener: Listener, at: int) -> None:
    header = WebhookSignature.generate_signature_header(BODY.decode(), SECRET, at)
    assert listener.post(BODY, header).status_code == 400
    assert listener.requests("expired_signature") == 1


BYTES = b'{"id": "evt_1", "type": "\xff"}'


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(BYTES, id="a byte"),
        pytest.param(b"\xff\xfe" + '{"id": "evt_1", "type": "x"}'.encode("utf-16-le"), id="UTF-16"),
        pytest.param(b'{"id": "evt_\xed\xa0\x80", "type": "x"}', id="a surrogate"),
    ],
)
def test_a_signed_body_that_is_no_utf_8_is_malformed(listener: Listener, body: bytes) -> None:
    assert listener.deliver(body) == 400
    assert listener.requests("malformed") == listener.value(catalog.EVENTS_IGNORED, "malformed") == 1
    assert listener.requests("bad_signature") == 0
    assert listener.value(catalog.LAST_EVENT) == NOW


@pytest.mark.parametrize(
    ("header", "result"),
    [
        pytest.param(sign(BYTES, OTHER_SECRET, NOW), "bad_signature", id="another's secret"),
        pytest.param(sign(BYTES, SECRET, NOW - 301), "expired_signature", id="too old"),
        pytest.param(sign(BYTES, SECRET, NOW + 301), "expired_signature", id="too new"),
        pytest.param(sign(BYTES, SECRET, NOW).replace("v1", "v0"), "bad_signature", id="v0 alone"),
        pytest.param(sign(BYTES, SECRET, NOW) + "é", "bad_signature", id="not ASCII"),
        pytest.param(f"t={NOW}", "bad_signature", id="no signature"),
        pytest.param(sign(BYTES, SECRET, NOW).split(",")[1], "bad_signature", id="no time"),
        pytest.param(f"t={'9' * 5000},v1={'0' * 64}", "bad_signature", id="a time too long to read"),
        pytest.param(None, "bad_signature", id="no header"),
    ],
)
def test_a_body_that_is_no_utf_8_needs_a_good_signature_to_be_malformed(
    listener: Listener, header: str | None, result: str
) -> None:
    assert listener.post(BYTES, header).status_code == 400
    assert listener.requests(result) == 1
    assert listener.requests("malformed") == listener.value(catalog.LAST_EVENT) == 0


def test_a_secret_being_rolled_signs_bytes_too() -> None:
    with listening(tenant(secrets=(OTHER_SECRET, SECRET))) as listener:
        assert listener.deliver(BYTES) == 400
        assert listener.requests("malformed") == 1


def test_an_unknown_tenant_is_404_and_counted_without_its_name(listener: Listener) -> None:
    for segment in ("nobody", "SHOP", "shop%20", "shop%2F", "%F0%9F%92%B3"):
        assert listener.post(BODY, sign(BODY, SECRET, NOW), f"/webhooks/{segment}").status_code == 404
    assert listener.value(catalog.WEBHOOK_REQUESTS, catalog.UNKNOWN_TENANT, tenant_id="") == 5
    listener.check_exposition()


@pytest.mark.parametrize(
    "path", ["/", "/webhooks", "/webhooks/", "/webhooks/shop/", "/api/webhooks/shop", "/-/healthy"]
)
def test_what_stripe_posts_to_a_wrong_path_is_counted(listener: Listener, path: str) -> None:
    assert listener.post(BODY, sign(BODY, SECRET, NOW), path).status_code in (404, 405)
    assert listener.value(catalog.WEBHOOK_REQUESTS, catalog.UNKNOWN_TENANT, tenant_id="") == 1


def test_what_scanners_ask_for_is_not_counted(listener: Listener) -> None:
    for path in ("/", "/webhooks/nobody", "/wp-login.php"):
        assert listener.post(BODY, None, path).status_code in (404, 405)
        headers = {"Stripe-Signature": "t=1,v1=a"}
        assert listener.app.test_client().get(path, headers=headers).status_code in (404, 405)
    assert listener.value(catalog.WEBHOOK_REQUESTS, catalog.UNKNOWN_TENANT, tenant_id="") == 0


def test_a_load_balancer_may_ask_for_health_and_for_nothing_else(listener: Listener) -> None:
    client = listener.app.test_client()
    assert (client.get("/-/healthy").status_code, client.get("/-/healthy").text) == (200, "healthy\n")
    assert client.head("/-/healthy").status_code == 200
    for method in ("post", "put", "delete", "options"):
        assert getattr(client, method)("/-/healthy").status_code == 405
    assert {client.get(path).status_code for path in ("/-/ready", "/-/", "/-/healthy/")} == {404}


def test_each_reason_of_refusal_is_logged_once_in_ten_minutes_with_what_to_do(
    caplog: pytest.LogCaptureFixture,
) -> None:
    now = 0.0
    with listening(tenant(), tenant(id="other", path="other")) as listener:
        refusals = listener.refusals
        refusals._clock = lambda: now

        def refused() -> list[tuple[object, ...]]:
            refusals.flush(listener.store)
            said = [
                tuple(vars(record).get(name) for name in ("reason", "requests", "tenant"))
                for record in caplog.records
            ]
            caplog.clear()
            return said

        for _ in range(3):
            listener.post(BODY, "t=1,v1=INJECTED")
        listener.post(BODY, "t=1,v1=a", "/webhooks/other")
        listener.post(BODY, "t=1,v1=a", "/webhooks/INJECTED")
        refusals.flush(listener.store)
        assert "INJECTED" not in caplog.text
        assert refused() == [("bad_signature", 4, "shop, other"), ("unknown_tenant", 1, None)]
        listener.post(BODY, "t=1,v1=a")
        now = 599.0
        assert refused() == []
        listener.post(BODY, "t=1,v1=a")
        now = 600.0
        assert refused() == [("bad_signature", 2, "shop")]


def test_a_tenant_with_a_path_token_is_found_by_it_alone() -> None:
    with listening(tenant(path="6f1c0123456789abcdef")) as listener:
        assert listener.post(BODY, sign(BODY, SECRET, NOW)).status_code == 404
        assert (
            listener.post(BODY, sign(BODY, SECRET, NOW), "/webhooks/6f1c0123456789abcdef").status_code == 200
        )
        assert listener.value(catalog.REVENUE, "usd") == 2000


@pytest.mark.parametrize(
    "path", ["/", "/webhooks", "/webhooks/", "//webhooks/shop", "/webhooks/shop/", "/metrics"]
)
def test_there_is_nothing_else_on_the_public_listener(listener: Listener, path: str) -> None:
    assert listener.post(BODY, sign(BODY, SECRET, NOW), path).status_code == 404


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE"])
def test_a_webhook_takes_post_alone(listener: Listener, method: str) -> None:
    refused = listener.app.test_client().open("/webhooks/shop", method=method)
    assert refused.status_code == 405
    assert "POST" in refused.headers["Allow"]


def test_a_body_of_1_mib_is_taken_and_one_byte_more_is_413(listener: Listener) -> None:
    event = json.dumps(sale()).encode()
    largest = event[:-1] + b" " * (LARGEST_BODY_BYTES - len(event)) + b"}"
    assert len(largest) == 1 << 20
    assert listener.deliver(largest) == 200
    assert listener.deliver(largest + b" ") == 413
    assert listener.requests("too_large") == 1
    assert listener.requests("accepted") == 1


def test_a_body_of_unknown_length_ends_at_1_mib_too(listener: Listener) -> None:
    answer = listener.app.test_client().post(
        "/webhooks/shop",
        input_stream=io.BytesIO(b" " * (LARGEST_BODY_BYTES + 1)),
        headers={"Transfer-Encoding": "chunked"},
        environ_overrides={"wsgi.input_terminated": True},
    )
    assert answer.status_code == 413
    assert listener.requests("too_large") == 1


def test_above_the_rate_limit_is_429_with_retry_after_and_a_later_repetition_counts() -> None:
    with listening(tenant(rate_limit=RateLimit(rate=1, burst=2))) as listener:
        assert [listener.deliver(sale(number)) for number in (1, 2)] == [200, 200]
        body = json.dumps(sale(3)).encode()
        refused = listener.post(body, sign(body, SECRET, NOW))
        assert (refused.status_code, refused.headers["Retry-After"]) == (429, "1")
        assert listener.requests("rate_limited") == 1
        assert listener.value(catalog.REVENUE, "usd") == 4000
        listener.now = NOW + 1
        assert listener.deliver(body) == 200
        assert listener.value(catalog.REVENUE, "usd") == 6000


def test_forgers_cannot_use_up_a_tenants_rate_limit() -> None:
    with listening(tenant(rate_limit=RateLimit(rate=1, burst=2))) as listener:
        for _ in range(50):
            assert listener.post(BODY, f"t={NOW},v1={'0' * 64}").status_code == 400
        assert listener.deliver(BODY) == 200
        assert listener.requests("rate_limited") == 0


def test_when_the_store_cannot_commit_the_answer_is_503_and_the_repetition_counts_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_connection, "_BUSY_SECONDS", 0.05)
    store = open_store(f"sqlite:///{tmp_path}/billing.db")
    listener = Listener(store)
    with closing(sqlite3.connect(tmp_path / "billing.db", isolation_level=None)) as stranger:
        stranger.execute("BEGIN EXCLUSIVE")
        assert listener.deliver(sale()) == 503
        stranger.execute("ROLLBACK")
    assert [listener.deliver(sale()) for _ in range(3)] == [200] * 3
    assert listener.value(catalog.REVENUE, "usd") == 2000
    assert (
        listener.requests("store_error"),
        listener.requests("accepted"),
        listener.requests("redelivered"),
    ) == (1, 1, 2)
    store.close()


def test_refusals_that_the_store_could_not_take_are_counted_when_it_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_connection, "_BUSY_SECONDS", 0.05)
    store = open_store(f"sqlite:///{tmp_path}/billing.db")
    listener = Listener(store)
    with closing(sqlite3.connect(tmp_path / "billing.db", isolation_level=None)) as stranger:
        stranger.execute("BEGIN EXCLUSIVE")
        listener.post(BODY)
        with pytest.raises(Exception, match="locked"):
            listener.refusals.flush(store)
        listener.post(BODY)
        stranger.execute("ROLLBACK")
    assert listener.requests("bad_signature") == 2
    store.close()


def test_an_event_that_comes_again_is_counted_as_redelivered_and_changes_nothing_else(
    listener: Listener,
) -> None:
    listener.deliver(sale())
    before = listener.counters()
    listener.now = NOW + 7
    assert listener.deliver(sale()) == 200
    after = listener.counters()
    grown = {line.split("{")[0] for line in after if after[line] != before[line]}
    assert grown == {"billing_events_ignored_total", "billingwatch_webhook_requests_total"}
    assert listener.value(catalog.EVENTS_IGNORED, "redelivered") == 1
    assert listener.requests("redelivered") == 1
    assert listener.value(catalog.LAST_EVENT) == NOW + 7


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "nothing"),
        (b"charge=ch_1", "no JSON"),
        (b'{"id": "evt_1", "type": "charge.succeeded"', "half of it"),
        (b'{"id": "evt_1", "type": "charge.succeeded", "created": NaN}', "NaN is no JSON"),
        (b"[]", "a list"),
        (b'[{"id": "evt_1", "type": "charge.succeeded"}]', "a list of events"),
        (b"null", "null"),
        (b'"evt_1"', "a string"),
        (b"1", "a number"),
        (b"{}", "nothing in it"),
        (b'{"type": "charge.succeeded"}', "no id"),
        (b'{"id": null, "type": "charge.succeeded"}', "a null id"),
        (b'{"id": 7, "type": "charge.succeeded"}', "an id of another type"),
        (b'{"id": "evt_1"}', "no type"),
        (b'{"id": "evt_1", "type": ["charge.succeeded"]}', "a type of another type"),
        (b"[" * 100_000, "very deep"),
    ],
)
def test_a_signed_body_that_is_no_event_is_400_and_counted_malformed(
    listener: Listener, body: bytes, why: str
) -> None:
    assert listener.deliver(body) == 400, why
    assert listener.requests("malformed") == 1
    assert listener.value(catalog.EVENTS_IGNORED, "malformed") == 1
    assert listener.value(catalog.LAST_EVENT) == NOW, "Stripe has reached us"


@pytest.mark.parametrize(
    "changed",
    [
        {"data": {"object": None}},
        {"data": None},
        {"data": []},
        {"created": "today"},
        {"created": 1.5},
        {"created": 10**30},
        {"livemode": "yes"},
        {"account": ["acct_1"]},
        {"data": {"object": {"id": "ch_1", "amount": "2000", "status": "succeeded", "captured": True}}},
        {"data": {"object": {"id": "ch_1", "amount": -5, "status": "succeeded", "captured": True}}},
        {"data": {"object": {"id": "ch_1", "status": 5}}},
    ],
)
def test_an_event_whose_object_cannot_be_read_is_200_and_counted_malformed_once(
    listener: Listener, changed: dict[str, Any]
) -> None:
    event = {**sale(), **changed}
    assert [listener.deliver(event), listener.deliver(event)] == [200, 200]
    assert listener.value(catalog.EVENTS_IGNORED, "malformed") == 1
    assert listener.value(catalog.EVENTS_IGNORED, "redelivered") == 1
    assert (listener.requests("accepted"), listener.requests("malformed")) == (1, 0)
    assert listener.value(catalog.EVENTS, "charge.succeeded") == 0
    assert listener.value(catalog.REVENUE, "usd") == 0


@pytest.mark.parametrize(
    "missing", ["created", "livemode", "api_version", "object", "pending_webhooks", "request"]
)
def test_a_field_that_is_missing_or_null_is_never_malformed(listener: Listener, missing: str) -> None:
    assert listener.deliver({**sale(1), missing: None}) == 200
    assert listener.deliver({name: value for name, value in sale(2).items() if name != missing}) == 200
    assert listener.value(catalog.EVENTS_IGNORED, "malformed") == 0
    assert listener.value(catalog.REVENUE, "usd") == 4000


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        pytest.param({**sale(), "livemode": False}, "wrong_mode", id="of the other mode"),
        pytest.param({**sale(), "account": "acct_1"}, "connect", id="of a connected account"),
        pytest.param(
            events.thin_event(
                Ids(), "v1.charge.succeeded", {"id": "ch_1", "object": "charge"}, created_at=NOW
            ),
            "thin",
            id="thin",
        ),
        pytest.param(
            {"id": "evt_1", "type": "v2.core.event_destination.ping", "object": "v2.core.event"},
            "thin",
            id="ping",
        ),
    ],
)
def test_an_event_that_is_not_for_us_is_200_counted_and_not_applied(
    listener: Listener, event: dict[str, Any], reason: str
) -> None:
    assert listener.deliver(event) == 200
    assert listener.value(catalog.EVENTS_IGNORED, reason) == 1
    assert listener.requests("accepted") == 1
    assert listener.value(catalog.REVENUE, "usd") == 0
    assert listener.value(catalog.LAST_EVENT) == NOW
    assert listener.deliver(event) == 200
    assert listener.value(catalog.EVENTS_IGNORED, reason) == 1, "an ignored event comes again as any other"


def test_a_test_tenant_takes_test_events_and_ignores_live_ones() -> None:
    with listening(tenant(mode="test")) as listener:
        listener.deliver(events.in_test_mode(sale(1)))
        listener.deliver(sale(2))
        assert listener.value(catalog.REVENUE, "usd") == 2000
        assert listener.value(catalog.EVENTS_IGNORED, "wrong_mode") == 1


@pytest.mark.parametrize(
    ("created_at", "days"),
    [
        pytest.param(NOW, (0, 1, 3, 30, 33), id="now"),
        pytest.param(NOW - 30 * DAY, (0, 1, 3), id="as late as Stripe resends, and its retries"),
        pytest.param(NOW - 31 * DAY, (0, 1, 3), id="31 days ago"),
        pytest.param(NOW - 40 * DAY, (0, 1, 3, 30, 34), id="40 days ago"),
        pytest.param(0, (0, 1, 3, 30, 34), id="1970"),
        pytest.param(-5, (0, 1, 3, 30, 34), id="before 1970"),
        pytest.param(NOW + DAY, (0, 1, 3, 30, 34), id="tomorrow"),
        pytest.param(NOW + 2 * DAY, (0, 1, 3, 30, 34), id="in 2 days"),
        pytest.param(NOW + 5000 * DAY, (0, 1, 3, 30, 34), id="far in the future"),
        pytest.param(None, (0, 1, 3, 30, 34), id="never"),
    ],
)
def test_an_event_counts_once_whenever_it_was_made_and_however_late_it_comes_again(
    listener: Listener, created_at: int | None, days: tuple[int, ...]
) -> None:
    event = {**sale(), "created": created_at}
    assert listener.deliver(event) == 200
    for day in days:
        listener.now = NOW + day * DAY
        listener.keep_house(0)
        assert listener.deliver(event) == 200
    assert (listener.requests("accepted"), listener.requests("redelivered")) == (1, len(days))
    assert listener.value(catalog.EVENTS, "charge.succeeded") == 1


@pytest.mark.parametrize(("ago", "lag"), [(0, 0), (7, 7), (-60, 0), (40 * DAY, 40 * DAY)])
def test_lag_is_measured_when_an_event_is_first_seen_and_is_never_negative(
    listener: Listener, ago: int, lag: int
) -> None:
    for _ in range(2):
        listener.deliver({**sale(), "created": NOW - ago})
    samples = listener.store.samples("shop")
    assert samples['billing_webhook_lag_seconds_sum{tenant="shop"} '] == lag
    assert samples['billing_webhook_lag_seconds_count{tenant="shop"} '] == 1


def test_tenants_may_share_event_ids() -> None:
    """Stripe sends one event to every endpoint of an account."""
    with listening(tenant(), tenant(id="other", path="other")) as both:
        for path in ("/webhooks/shop", "/webhooks/other"):
            assert both.post(BODY, sign(BODY, SECRET, NOW), path).status_code == 200
        assert (
            both.value(catalog.REVENUE, "usd")
            == both.value(catalog.REVENUE, "usd", tenant_id="other")
            == 2000
        )


def test_no_answer_and_no_log_line_tells_a_secret_or_a_payer(
    listener: Listener, caplog: pytest.LogCaptureFixture
) -> None:
    body = json.dumps(
        {**sale(), "data": {"object": {"id": "ch_1", "customer": "cus_Jane", "amount": "x"}}}
    ).encode()
    answers = [listener.post(body, sign(body, SECRET, at)) for at in (NOW, NOW, NOW - 999)]
    answers.append(listener.post(body, "t=1,v1=x"))
    told = caplog.text + "".join(answer.text for answer in answers)
    assert SECRET not in told
    assert "cus_Jane" not in told
