"""The load: distinct signed events posted over 32 connections, kept or new for each, by a process of its own.

Requests are built and signed before the clock starts, and one selector serves all connections, so that the
sender takes a small part of what either server takes.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import selectors
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Literal

from benchmarks.bare import SECRET
from bw_simulator.sender import sign
from bw_simulator.shop.events import body
from bw_simulator.shop.ids import Ids
from bw_simulator.shop.sales import new_buyer, one_off_sale, payment
from bw_simulator.shop.shapes import Json
from bw_simulator.shop.traffic import Shop

Mix = Literal["sales", "charges", "shops"]

CONNECTIONS = 32
BODY_BYTES = 2500
_GIVE_UP_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Load:
    """What one round of load measured: answers per second, and waiting times in seconds."""

    per_second: float
    p50: float
    p99: float
    refused: int


def loaded(
    port: int,
    *,
    count: int,
    seed: str,
    tenants: int,
    mix: Mix = "sales",
    per_second: float = 0.0,
    kept: bool = True,
) -> Load:
    """Post `count` events to a server on this machine; as fast as it answers, or at a steady rate.

    Connections are `kept` for the next event, as a proxy's are, or each event comes on one of its own.
    """
    command = [
        sys.executable,
        "-m",
        "benchmarks.load",
        str(port),
        str(count),
        seed,
        str(tenants),
        str(per_second),
        mix,
        "kept" if kept else "new",
    ]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return Load(**json.loads(done.stdout))


def tenant_name(number: int) -> str:
    """Return the id of a benchmark's tenant."""
    return f"tenant-{number:05d}"


def requests(
    port: int, count: int, seed: str, tenants: int, now: int, mix: Mix, *, kept: bool = True
) -> list[bytes]:
    """Return whole HTTP requests, one distinct event of 2.5 KB each, spread over the tenants.

    Of `sales` every sixth is a charge, as Stripe tells of a one-off sale; `charges` are the dearest event; `shops`
    have all that a shop sends: subscriptions, invoices, refunds, declines and disputes too.
    """
    if mix == "shops":
        return list(islice(_of_shops(port, seed, tenants, now, kept=kept), count))
    chance, ids = random.Random(seed), Ids(seed)  # noqa: S311 - reproducible, not secret
    built: list[bytes] = []
    events: Sequence[Json]
    while len(built) < count:
        made_at = now - chance.randrange(8)
        buyer, amount = new_buyer(ids), chance.randrange(500, 20_000)
        if mix == "charges":
            events = payment(ids, made_at, buyer=buyer, amount=amount).events[:1]
        else:
            _, events = one_off_sale(ids, made_at, buyer=buyer, amount=amount)
        tenant = tenant_name(chance.randrange(tenants))
        bodies = [_as_large_as_stripes(each, chance) for each in events]
        built += [_request(port, tenant, each, now, kept=kept) for each in bodies]
    chance.shuffle(built)
    return built[:count]


def _of_shops(port: int, seed: str, tenants: int, now: int, *, kept: bool) -> Iterator[bytes]:
    """Yield the requests of the tenants' shops in turn, each in the order in which things happened."""
    chance = random.Random(seed)  # noqa: S311 - reproducible, not secret
    number = chance.randrange(1 << 30)
    shops = {name: Shop(name, seed=number, started_at=now) for name in map(tenant_name, range(tenants))}
    while True:
        for name, shop in shops.items():
            for each in shop.next(now):
                yield _request(port, name, _as_large_as_stripes(each, chance), now, kept=kept)


def _as_large_as_stripes(event: Json, chance: random.Random) -> bytes:
    """Return the event's body, filled up with metadata to the 2.5 KB that Stripe's own fields would take."""
    about = event["data"]["object"]
    missing = max(0, BODY_BYTES - len(body(event))) // 76
    about["metadata"] = {f"key_{number:02}": chance.randbytes(24).hex() for number in range(missing)}
    return body(event)


def _request(port: int, tenant: str, payload: bytes, now: int, *, kept: bool) -> bytes:
    head = (
        f"POST /webhooks/{tenant} HTTP/1.1\r\n"
        f"Host: 127.0.0.1:{port}\r\n"
        "User-Agent: Stripe/1.0 (+https://stripe.com/docs/webhooks)\r\n"
        "Content-Type: application/json; charset=utf-8\r\n"
        f"Content-Length: {len(payload)}\r\n"
        f"Connection: {'keep-alive' if kept else 'close'}\r\n"
        f"Stripe-Signature: {sign(payload, SECRET, now)}\r\n\r\n"
    )
    return head.encode() + payload


def post_all(port: int, waiting: list[bytes], per_second: float, *, kept: bool = True) -> Load:
    """Post each request once; an answer other than 200 is counted as refused."""
    poller, supply = selectors.DefaultSelector(), _paced(waiting, per_second)
    # In turn, as one that stays silent is closed.
    idle = deque[socket.socket | None]([None] * CONNECTIONS)
    if kept:
        for place in range(CONNECTIONS):
            idle[place] = _connected(port, poller)
            time.sleep(0.005)
    took: list[float] = []
    refused, sent_at, received = 0, dict[socket.socket, float](), dict[socket.socket, bytes]()
    begun = time.perf_counter()
    due, request = next(supply)
    while len(took) < len(waiting):
        now = time.perf_counter()
        if now - begun > _GIVE_UP_SECONDS:
            raise TimeoutError(f"{len(waiting) - len(took)} of {len(waiting)} events were not answered")
        while request and idle and due <= now - begun:
            connection = idle.popleft() or _connected(port, poller)
            connection.sendall(request)
            received[connection] = b""
            # At a steady rate an event waits from the moment it was due: a stalled server is not spared.
            sent_at[connection] = begun + due if per_second else now
            due, request = next(supply)
        pause = max(0.0, due - (now - begun)) if request and idle else 1.0
        for key, _ in poller.select(pause):
            connection = key.fileobj  # type: ignore[assignment]
            answer = received[connection] + connection.recv(4096)
            if not whole(answer):
                received[connection] = answer
                continue
            took.append(time.perf_counter() - sent_at[connection])
            refused += not answer.startswith(b"HTTP/1.1 200")
            if kept:
                idle.append(connection)
            else:
                poller.unregister(connection)
                connection.close()
                idle.append(None)
    seconds = time.perf_counter() - begun
    took.sort()
    return Load(len(took) / seconds, took[len(took) // 2], took[len(took) * 99 // 100], refused)


def _connected(port: int, poller: selectors.BaseSelector) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    poller.register(connection, selectors.EVENT_READ)
    return connection


def whole(answer: bytes) -> bool:
    """Tell whether an answer has come with all of its body; raises ConnectionError where it never will."""
    if not answer:
        raise ConnectionError("the server has closed the connection")
    head, end, sent = answer.partition(b"\r\n\r\n")
    length = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
    return bool(end) and len(sent) >= (int(length[1]) if length else 0)


def _paced(waiting: list[bytes], per_second: float) -> Iterator[tuple[float, bytes]]:
    for number, request in enumerate(waiting):
        yield (number / per_second if per_second else 0.0), request
    yield 0.0, b""


def main() -> None:
    """Run as a process: port, count, seed, tenants, rate; prints the Load as JSON."""
    parser = argparse.ArgumentParser()
    for name, kind in (
        ("port", int),
        ("count", int),
        ("seed", str),
        ("tenants", int),
        ("rate", float),
        ("mix", str),
        ("connections", str),
    ):
        parser.add_argument(name, type=kind)
    args = parser.parse_args()
    kept, now = args.connections == "kept", int(time.time())
    built = requests(args.port, args.count, args.seed, args.tenants, now, args.mix, kept=kept)
    print(json.dumps(asdict(post_all(args.port, built, args.rate, kept=kept))))


if __name__ == "__main__":
    main()
