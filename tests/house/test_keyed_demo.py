"""The story of `make demo DEMO=--key`, told in no time: a clock that is moved, and an exporter that only counts."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from keyed import SILENCE, STEADY_SECONDS, TENANT, Keyed
from sink_page import Message

from bw_simulator.fake_stripe import Account, Json


@dataclass
class Told:
    """The demo's account of itself, and the exporter that it looks at: events by id, and how many were caught up."""

    account: Account = field(default_factory=Account)
    messages: list[Message] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    events: dict[str, str] = field(default_factory=dict)
    caught_up: int = 0
    now: float = 1_800_000_000.0

    def catch_up(self, lost: int = 0) -> None:
        """Count what Stripe lists, but for some that are lost."""
        for event in self.account.lists["events"][lost:]:
            if event["id"] not in self.events:
                self.events[str(event["id"])] = str(event["type"])
                self.caught_up += 1

    def exposition(self) -> str:
        """What a scrape shows."""
        counted = Counter(self.events.values())
        lines = [
            f'billing_events_total{{tenant="{TENANT}",type="{name}"}} {n}' for name, n in counted.items()
        ]
        lines.append(f'billing_events_caught_up_total{{tenant="{TENANT}"}} {self.caught_up}')
        return "".join(f"{line}\n" for line in lines)

    def play(self, story: Keyed, seconds: float, until: Callable[[], bool] = lambda: False) -> None:
        """Let time pass."""
        end = self.now + seconds
        while self.now < end and not until():
            story.step()
            self.now += 1


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def story(told: Told) -> Iterator[Keyed]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            event: Json = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            told.events[str(event["id"])] = str(event["type"])
            self.answer("")

        def do_GET(self) -> None:
            self.answer(told.exposition())

        def answer(self, text: str) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    port = server.server_port
    played = Keyed(told.account, port, port, told.messages, told.said.append, lambda: told.now)
    yield played
    played.close()
    server.shutdown()
    server.server_close()
    thread.join()


def test_the_story_of_a_key_kills_the_endpoint_waits_for_the_alert_and_compares_counted_with_made(
    told: Told, story: Keyed
) -> None:
    told.play(story, STEADY_SECONDS + 90)
    assert 0 < story.brought == len(told.events) < story.made.total()
    told.messages.append(Message(told.now, SILENCE, "WARNING shop: silent", "Stripe sends nothing.\n…", ""))
    told.play(story, 60)
    assert not story.complete
    told.catch_up()
    told.play(story, 5, lambda: story.complete)
    assert story.complete
    assert not story.failed
    told_of = "\n".join(told.said)
    assert "BillingSilentLapse was delivered: WARNING shop: silent Stripe sends nothing." in told_of
    assert "that is 90 s after the endpoint was killed" in told_of
    made, brought, caught = story.made.total(), story.brought, told.caught_up
    assert (
        f"Stripe made {made} events: {brought} came by webhooks, {caught} were caught up; {made} are counted"
        in told_of
    )


def test_the_story_of_a_key_fails_where_an_event_is_lost_or_no_alert_comes(told: Told, story: Keyed) -> None:
    told.play(story, STEADY_SECONDS + 90)
    told.messages.append(Message(told.now, SILENCE, "WARNING shop: silent", "", ""))
    told.play(story, 2)
    del told.events[next(iter(told.events))]
    told.catch_up(lost=1)
    told.play(story, 400, lambda: story.failed)
    assert story.failed
    assert "lost Counter({" in told.said[-1]


def test_the_story_of_a_key_fails_where_no_alert_comes_within_ten_minutes(told: Told, story: Keyed) -> None:
    story.step()
    told.now += STEADY_SECONDS
    story.step()
    told.now += 601
    story.step()
    assert story.failed
    assert told.said[-1] == "BillingSilentLapse did not come within 600 s"
