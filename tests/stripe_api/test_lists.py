"""A list is walked whole: no object missed, none told twice, whatever happens between two pages."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bw_exporter.stripe_api.client import StripeClient
from bw_exporter.stripe_api.errors import StripeApiError
from bw_exporter.stripe_api.lists import walk
from bw_simulator import fake_stripe
from bw_simulator.fake_stripe import Account, FakeStripe, Json, Refusal

from .conftest import KEY


def event(number: int, created_at: int) -> Json:
    return {"id": f"evt_{number}", "object": "event", "type": "charge.succeeded", "created": created_at}


def walked(server: FakeStripe, since_at: int = 0, until_at: int = 10_000) -> list[str]:
    client = StripeClient(KEY, base_url=server.url)
    return [str(each["id"]) for each in walk(client, "/v1/events", since_at, until_at)]


def test_every_page_is_read_and_both_ends_belong_to_the_window(account: Account, server: FakeStripe) -> None:
    account.add(*(event(number, number) for number in range(1, 351)))
    assert walked(server, 20, 330) == [f"evt_{number}" for number in range(330, 19, -1)]
    assert len(account.asked) == 4


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    times=st.lists(st.integers(1, 40), min_size=90, max_size=260),
    late=st.lists(st.tuples(st.integers(1, 3), st.integers(1, 60)), max_size=20),
    gone=st.sets(st.integers(0, 300), max_size=60),
)
def test_events_that_appear_while_pages_are_read_and_cursors_that_age_leave_no_hole(
    account: Account, server: FakeStripe, times: list[int], late: list[tuple[int, int]], gone: set[int]
) -> None:
    """What was there from the start is told exactly once; what comes in between is told at most once."""
    server.accounts.clear()
    account = server.account(KEY)
    account.add(*(event(number, at) for number, at in enumerate(times)))
    pages = iter(range(10_000))

    def between(_path: str) -> None:
        page = next(pages)
        account.add(*(event(1000 + 100 * page + n, at) for n, (when, at) in enumerate(late) if when == page))

    account.before_page = between
    account.aged = {f"evt_{number}" for number in gone}
    found = walked(server)
    assert len(found) == len(set(found))
    assert {f"evt_{number}" for number in range(len(times))} <= set(found)


def test_an_aged_cursor_is_passed_by_time_even_where_a_second_holds_more_than_a_page(
    account: Account, server: FakeStripe
) -> None:
    account.add(*(event(number, 7) for number in range(250)))
    account.aged = {"evt_99"}
    assert len(walked(server)) == 250


@pytest.mark.parametrize(
    "page",
    [
        {"object": "list", "data": [], "has_more": True},
        {"object": "list", "has_more": False},
        {"object": "list", "data": [{"object": "event"}], "has_more": False},
    ],
)
def test_a_page_that_cannot_be_trusted_is_an_error_and_not_the_end(
    account: Account, server: FakeStripe, page: Json
) -> None:
    import json  # noqa: PLC0415

    account.failing.append(Refusal(200, json.dumps(page)))
    with pytest.raises(StripeApiError):
        walked(server)


def test_more_than_twenty_types_at_once_are_refused_by_stripe(account: Account, server: FakeStripe) -> None:
    client = StripeClient(KEY, base_url=server.url)
    with pytest.raises(StripeApiError):
        list(walk(client, "/v1/events", 0, 1, types=[f"type.{number}" for number in range(21)]))
    assert fake_stripe.LISTS
