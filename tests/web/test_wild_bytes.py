"""Anything at all against the public listener: never a 5xx, never a label out of bounds."""

from __future__ import annotations

import io
import json
import os
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st
from werkzeug.test import run_wsgi_app

from bw_exporter.config.tenants import RateLimit
from bw_exporter.metrics import catalog, labels
from bw_simulator.sender import sign
from bw_simulator.shop import events as shop_events
from bw_simulator.shop.ids import Ids
from support.listener import DAY, NOW, SECRET, Listener, listening, tenant
from support.wild_events import JSON, events, samples

CI = bool(os.environ.get("CI"))

_TEXTS = st.text(st.characters(max_codepoint=255), max_size=40)
_PATHS = st.sampled_from(
    ("/webhooks/shop", "//webhooks/shop", "/webhooks//shop", "/webhooks/", "/")
) | _TEXTS.map(lambda text: f"/webhooks/{text}")
_METHODS = st.sampled_from(
    (
        "POST",
        "POST",
        "POST",
        "GET",
        "HEAD",
        "OPTIONS",
        "PUT",
        "DELETE",
        "TRACE",
        "CONNECT",
        "PATCH",
        "BREW",
        "",
    )
)
_HEADERS = st.dictionaries(
    st.sampled_from(
        ("HTTP_STRIPE_SIGNATURE", "CONTENT_LENGTH", "CONTENT_TYPE", "HTTP_HOST", "HTTP_TRANSFER_ENCODING",
         "HTTP_EXPECT", "HTTP_X_FORWARDED_FOR", "HTTP_COOKIE", "HTTP_AUTHORIZATION", "HTTP_CONTENT_ENCODING",
         "QUERY_STRING", "HTTP_X_HTTP_METHOD_OVERRIDE", "HTTP_IF_MATCH", "HTTP_RANGE", "HTTP_ACCEPT",
         "HTTP_UPGRADE")
    ),
    _TEXTS | st.sampled_from(
        ("t=1,v1=a", "t=,v1=", "t=9" + "9" * 400 + ",v1=x", "-1", "9" * 30, "1048578", "chunked", "100-continue",
         "multipart/form-data; boundary=x", "application/x-www-form-urlencoded", "[::1", "a..b", "xn--\xff", "gzip")
    ),
    max_size=6,
)  # fmt: skip


def request(listener: Listener, method: str, path: str, headers: dict[str, str], body: bytes) -> int:
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.input_terminated": True,
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        **headers,
    }
    _, status, _ = run_wsgi_app(listener.app, environ, buffered=True)
    return int(status.split()[0])


def test_unauthenticated_bytes_are_refused_and_write_nothing_but_their_count() -> None:
    with listening() as listener:
        before = listener.counters()
        refused = set()

        @settings(max_examples=400, deadline=None, derandomize=CI)
        @given(_METHODS, _PATHS, _HEADERS, st.binary(max_size=200))
        @example("POST", "/webhooks/shop", {"CONTENT_LENGTH": "1048578"}, b"")
        @example("POST", "/webhooks/shop", {"HTTP_STRIPE_SIGNATURE": "t=1,v1=\xe9"}, b"\xff")
        def holds(method: str, path: str, headers: dict[str, str], body: bytes) -> None:
            status = request(listener, method, path, headers, body)
            assert status in (400, 404, 405, 411, 413)
            refused.add(status)

        holds()
        assert listener.counters() == before, "nothing is written while requests are refused"
        assert {400, 404, 405, 413} <= refused
        listener.check_exposition()
        grown = {line for line, value in listener.counters().items() if value != before[line]}
        assert grown == {
            f'billingwatch_webhook_requests_total{{tenant="shop",result="{result}"}} '
            for result in ("bad_signature", "too_large")
        }


def again(body: bytes) -> bytes:
    """The same of the same object, told by another event."""
    document = json.loads(body)
    return json.dumps({**document, "id": "evt_again"}).encode()


def lives_through(bodies: list[bytes], basis: str = "charge") -> None:
    with listening(tenant(revenue_basis=basis)) as listener:
        before = listener.counters()
        for body in (*bodies, *map(again, bodies)):
            status = listener.deliver(body)
            assert status in (200, 400)
            after = listener.counters()
            assert all(after[line] >= value for line, value in before.items()), "a counter fell"
            before = after
        answered = sum(listener.requests(result) for result in ("accepted", "redelivered", "malformed"))
        assert answered == 2 * len(bodies)
        listener.check_exposition()
        for later in (900, DAY, 400 * DAY):
            listener.keep_house(later)
        after = listener.counters()
        assert all(after[line] >= value for line, value in before.items()), "a counter fell"
        listener.check_exposition()


@settings(max_examples=100, deadline=None, derandomize=CI)
@given(st.lists(events(), min_size=1, max_size=5), st.sampled_from(("charge", "payment_intent", "invoice")))
def test_a_signed_event_with_anything_in_it_is_taken_or_called_malformed(
    bodies: list[bytes], basis: str
) -> None:
    lives_through(bodies, basis)


@settings(max_examples=60, deadline=None, derandomize=CI)
@given(
    st.lists(
        st.binary(max_size=100)
        | JSON.map(lambda value: json.dumps(value).encode())
        | st.fixed_dictionaries(
            {"id": JSON | st.just("evt_1"), "type": st.sampled_from(labels.HANDLED_EVENT_TYPES) | JSON},
            optional={
                "object": JSON | st.just("v2.core.event"),
                "created": JSON,
                "livemode": JSON,
                "account": JSON,
                "data": JSON | st.fixed_dictionaries({"object": JSON}),
            },
        ).map(lambda value: json.dumps(value).encode()),
        min_size=1,
        max_size=6,
    )
)
def test_signed_json_of_any_kind_is_taken_or_called_malformed(bodies: list[bytes]) -> None:
    with listening() as listener:
        for body in bodies:
            assert listener.deliver(body) in (200, 400)
        listener.check_exposition()


def _leaves(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    items: Any = ()
    if isinstance(document, dict):
        items = document.items()
    elif isinstance(document, list):
        items = list(enumerate(document))[:1]
    for key, value in items:
        found += _leaves(value, (*path, key))
    return found


_ODD: tuple[Any, ...] = (
    None,
    "\ud800",
    "",
    2**53 - 1,
    1 - 2**53,
    0,
    2**63,
    0.5,
    [],
    {},
    [[]],
    [None],
    True,
    "x" * 400,
    "1e-999999999",
)


def test_each_field_of_each_event_may_be_anything_odd_and_right_again() -> None:
    """Every place of every sample in turn, null, odd and as it was; each event under an id of its own."""
    with listening(tenant(rate_limit=RateLimit(0, 0))) as listener:
        number = 0
        for _, text in samples():
            for at, path in enumerate(_leaves(json.loads(text))):
                for value in (_ODD[number % len(_ODD)] if at % 2 else None, ...):
                    document = json.loads(text)
                    if value is not ...:
                        inner = document
                        for key in path[:-1]:
                            inner = inner[key]
                        inner[path[-1]] = value
                    if path != ("id",):
                        document["id"] = f"evt_{number}"
                    number += 1
                    assert listener.deliver(document) in (200, 400), (path, value)
        listener.keep_house(DAY)
        listener.keep_house(400 * DAY)
        listener.check_exposition()


def test_money_beyond_all_money_is_malformed() -> None:
    ids = Ids("rich")
    with listening() as listener:
        moved = [{"net": 1 - 2**53, "currency": "usd"}] * 2
        dispute = {"id": "dp_1", "status": "lost", "balance_transactions": moved}
        event = shop_events.event(ids, "charge.dispute.funds_withdrawn", dispute, created_at=NOW)
        assert listener.deliver(event) == 200
        assert listener.value(catalog.EVENTS_IGNORED, "malformed") == 1
        assert listener.value(catalog.DISPUTE_FUNDS, "withdrawn", "usd") == 0


@settings(max_examples=60, deadline=None, derandomize=CI)
@given(
    st.text(st.characters(max_codepoint=255), max_size=80)
    | st.lists(
        st.sampled_from(
            (
                "t=",
                "v1=",
                "v0=",
                ",",
                "=",
                f"{NOW}",
                "9" * 400,
                "9" * 5000,
                "-",
                " ",
                "a" * 64,
                "é",
                "t",
                "1_0",
            )
        ),
        max_size=12,
    ).map("".join)
)
def test_no_header_that_was_not_signed_passes(header: str) -> None:
    body = b'{"id": "evt_1", "type": "charge.succeeded"}'
    with listening() as listener:
        status = request(listener, "POST", "/webhooks/shop", {"HTTP_STRIPE_SIGNATURE": header}, body)
        assert status == 400
        assert listener.value(catalog.LAST_EVENT) == 0
        good = sign(body, SECRET, NOW)
        status = request(
            listener, "POST", "/webhooks/shop", {"HTTP_STRIPE_SIGNATURE": f"{good},{header}"}, body
        )
        assert status in (200, 400), "what follows a good signature may spoil the header, and no more"
