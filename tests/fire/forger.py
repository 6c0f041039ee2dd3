"""Post forged requests at a steady rate until standard input ends; print how many were answered, and the seconds.

    python forger.py PORT PER_SECOND

Requests go out in small bursts over kept connections and only the answers' status lines are counted, so that
the forger takes a small part of what the server takes.
"""

from __future__ import annotations

import selectors
import socket
import sys
import time

CONNECTIONS = 16
TICK_SECONDS = 0.01
BODY = b'{"id":"evt_forged","object":"event","type":"charge.succeeded","data":{"object":{}}}' + b" " * 2400
REQUEST = (
    b"POST /webhooks/prod HTTP/1.1\r\nHost: test\r\nContent-Length: %d\r\n"
    b"Stripe-Signature: t=%d,v1=%b\r\n\r\n%b" % (len(BODY), int(time.time()), b"0" * 64, BODY)
)


def main() -> None:
    port, per_second = int(sys.argv[1]), int(sys.argv[2])
    poller = selectors.DefaultSelector()
    idle: list[socket.socket] = []
    for _ in range(CONNECTIONS):
        connection = socket.create_connection(("127.0.0.1", port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        poller.register(connection, selectors.EVENT_READ)
        idle.append(connection)
    poller.register(sys.stdin, selectors.EVENT_READ)
    print("flooding", flush=True)
    begun, sent, answered, ending = time.monotonic(), 0, 0, False
    while not ending or sent > answered:
        due = int((time.monotonic() - begun) * per_second)
        while idle and sent < due and not ending:
            idle.pop().sendall(REQUEST)
            sent += 1
        for key, _ in poller.select(TICK_SECONDS):
            if key.fileobj is sys.stdin:
                ending = True
                poller.unregister(sys.stdin)
                continue
            connection = key.fileobj  # type: ignore[assignment]
            if not connection.recv(4096).startswith(b"HTTP/1.1 400 "):
                raise RuntimeError("a forged request was not answered 400")
            answered += 1
            idle.append(connection)
    print(answered, time.monotonic() - begun)


if __name__ == "__main__":
    main()
