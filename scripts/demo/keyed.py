"""The demo with an API key: the endpoint dies, Stripe's list says so, and what no webhook brought is counted.

Stripe is a server on loopback that answers its lists as Stripe does, made from the same shop as the webhooks.
"""

from __future__ import annotations

import heapq
import http.client
import re
import time
from collections import Counter
from collections.abc import Callable, Sequence

from processes import free_port
from sink_page import Message

from bw_exporter.facts.feeds import SELECT
from bw_exporter.metrics import catalog
from bw_exporter.metrics.family import Family
from bw_simulator.fake_stripe import Account
from bw_simulator.sender import Connection, UndeliverableError, sign
from bw_simulator.shop.events import body
from bw_simulator.shop.shapes import Json
from bw_simulator.shop.traffic import Shop

TENANT, SECRET, KEY = "shop", "whsec_demo_shop", "rk_live_demo0123456789"
TENANTS = """\
# One shop with an API key. Stripe is asked as often, and told apart from late webhooks as soon, as is allowed.
defaults:
  notify: [chat]
  catch_up: {{every: 1m, after: 1m}}
tenants:
  shop: {{name: Corner Books, webhook_secret: whsec_demo_shop, api_key: rk_live_demo0123456789}}
receivers:
  chat: {{slack: {{api_url: "{sink}/slack", channel: "#billing"}}}}
"""

SILENCE = "BillingSilentLapse"
STEADY_SECONDS, ALERT_WITHIN_SECONDS, COUNTED_WITHIN_SECONDS = 45.0, 600.0, 300.0
_TURN_SECONDS, _TOLD_SECONDS = 2.0, 30.0
_VALUE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$")


class Keyed:
    """Makes events, delivers them while the endpoint lives, and tells what comes of its death.

    `messages` grows as alerts are delivered; `public` and `private` are the exporter's ports.
    """

    def __init__(
        self,
        account: Account,
        public: int,
        private: int,
        messages: Sequence[Message],
        say: Callable[[str], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._account, self._private, self._messages, self._say = account, private, messages, say
        self._clock = clock
        self._living, self._dead = (
            Connection(f"http://127.0.0.1:{port}", timeout_seconds=5) for port in (public, free_port(0))
        )
        self._began_at = self._told_at = clock()
        self._shop = Shop(TENANT, seed=1, started_at=int(self._began_at), livemode=True)
        self._next_at = self._began_at
        self._ahead: list[tuple[int, str, Json]] = []
        self._read = 0
        self._killed_at = self._mended_at = 0.0
        self._delivered_after = 0.0
        self.made: Counter[str] = Counter()
        self.brought = 0
        self.complete = self.failed = False
        account.lists["webhook_endpoints"] = [
            {
                "id": "we_demo",
                "object": "webhook_endpoint",
                "url": f"http://127.0.0.1:{public}/webhooks/{TENANT}",
                "status": "enabled",
                "enabled_events": list(SELECT),
                "created": int(self._began_at),
            }
        ]

    def step(self) -> None:
        """Do what is due now; it takes no more than a moment."""
        now = self._clock()
        if not self.complete:
            self._make(now)
        for message in self._messages[self._read :]:
            self._read += 1
            self._came(message)
        if now - self._told_at >= _TOLD_SECONDS and not self.complete:
            self._told_at = now
            self._say(f"Stripe made {self.made.total()} events so far; webhooks brought {self.brought}")
        if not self._killed_at and now - self._began_at >= STEADY_SECONDS:
            self._killed_at = now
            self._say(
                "the endpoint is killed: Stripe's webhooks reach nobody. The shop sells on, the exporter runs, and"
                " Stripe is asked every minute what happened a minute ago or earlier"
            )
        if self._killed_at and not self._delivered_after and now - self._killed_at > ALERT_WITHIN_SECONDS:
            self._say(f"{SILENCE} did not come within {ALERT_WITHIN_SECONDS:.0f} s")
            self.failed = True
        if self._mended_at and not self.complete:
            self._compare(now)

    def close(self) -> None:
        """Close the connections."""
        self._living.close()
        self._dead.close()

    def _make(self, now: float) -> None:
        """Let the shop sell until the endpoint is back, and make and deliver the events whose time has come."""
        if now >= self._next_at and not self._mended_at:
            self._next_at = now + _TURN_SECONDS
            self._sell(int(now))
        while self._ahead and self._ahead[0][0] <= now:
            event = heapq.heappop(self._ahead)[2]
            self._account.add(event)
            self.made[str(event["type"])] += 1
            self._deliver(event, int(now))

    def _sell(self, now: int) -> None:
        for event in self._shop.next(now):
            if event["type"] in SELECT:
                heapq.heappush(self._ahead, (int(event["created"]), str(event["id"]), event))

    def _deliver(self, event: Json, now: int) -> None:
        endpoint = self._dead if self._killed_at and not self._mended_at else self._living
        raw = body(event)
        try:
            endpoint.post(f"/webhooks/{TENANT}", raw, sign(raw, SECRET, now))
        except UndeliverableError:
            return  # Stripe would try again after minutes and hours; this one never does
        self.brought += 1

    def _came(self, message: Message) -> None:
        if message.resolved:
            self._say(f"resolved: {message.title}")
            return
        self._say(f"{message.alert} was delivered: {message.title} {message.text.partition(chr(10))[0]}")
        if message.alert == SILENCE and self._killed_at and not self._delivered_after:
            self._delivered_after = message.at - self._killed_at
            self._say(f"that is {self._delivered_after:.0f} s after the endpoint was killed")
            self._say("the endpoint is back, with one more sale; what it missed is never sent again")
            self._sell(int(message.at))
            self._mended_at = message.at

    def _compare(self, now: float) -> None:
        """See whether all that Stripe made is counted, once."""
        if self._ahead:
            return
        counted = self._counted(catalog.EVENTS)
        if counted == self.made:
            caught = self._counted(catalog.EVENTS_CAUGHT_UP).total()
            self._say(
                f"Stripe made {self.made.total()} events: {self.brought} came by webhooks, {caught} were caught up;"
                f" {counted.total()} are counted, of each type as many as Stripe made: 0 lost, 0 double"
            )
            self._say("the shop is closed; everything else goes on until Ctrl-C")
            self.complete = True
        elif now - self._mended_at > COUNTED_WITHIN_SECONDS:
            self._say(f"counted differs from made: lost {self.made - counted}, double {counted - self.made}")
            self.failed = True

    def _counted(self, family: Family) -> Counter[str]:
        """Return the values of a family of the shop's, by event type where it has one."""
        connection = http.client.HTTPConnection("127.0.0.1", self._private, timeout=10)
        try:
            connection.request("GET", "/metrics")
            text = connection.getresponse().read().decode()
        finally:
            connection.close()
        found: Counter[str] = Counter()
        for line in text.splitlines():
            matched = _VALUE.match(line)
            if matched and matched[1] == family.name and f'tenant="{TENANT}"' in matched[2]:
                kind = re.search(r'type="([^"]*)"', matched[2])
                found[kind[1] if kind else ""] += int(float(matched[3]))
        return +found
