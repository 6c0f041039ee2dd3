from __future__ import annotations

import http.client
import signal
import socket
import threading
import time
from collections.abc import Callable

import pytest

from bw_simulator.sender import sign
from support.exporter import ONE_TENANT, PATIENCE_SECONDS, SECRET, Start, event, eventually
from support.patience import limit


def test_sigterm_under_load_loses_no_event_that_was_accepted(start: Start, figure: Callable[[str], None]):
    exporter = start()
    answers: dict[str, str] = {}
    cut: list[str] = []

    def send_on(sender: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", exporter.public, timeout=limit(20))
        for number in range(10_000):
            name = f"{sender}-{number}"
            body = event(name)
            headers = {"Stripe-Signature": sign(body, SECRET, int(time.time()))}
            try:
                connection.request("POST", "/webhooks/prod", body, headers)
                answers[name] = connection.getresponse().read().decode().strip()
            except ConnectionRefusedError:
                break
            except (OSError, http.client.HTTPException):
                cut.append(name)
                connection.close()
        connection.close()

    senders = [threading.Thread(target=send_on, args=(sender,)) for sender in range(12)]
    for sender in senders:
        sender.start()
    while len(answers) < 200:
        time.sleep(0.01)
    assert exporter.stop() == 0
    for sender in senders:
        sender.join()
    assert set(answers.values()) == {"accepted"}
    again = start()
    assert again.requests("accepted") == len(answers)
    # Whoever was cut off had not been let in: none of it was counted, and it may come again.
    assert {again.send(name).text.strip() for name in cut[:20]} <= {"accepted"}
    figure(f"SIGTERM under load: {len(answers)} accepted, all answered and counted; {len(cut)} not let in")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_was_refused_until_the_end_is_counted(start: Start, number: signal.Signals):
    exporter = start()
    assert exporter.send(1, secret="whsec_of_somebody_else_entirely_00").status == 400
    assert exporter.stop(number) == 0
    assert start().requests("bad_signature") == 1


def test_a_request_that_has_begun_is_waited_for_and_a_silent_connection_is_not(start: Start):
    """Both would have a minute; the silent one is let go first, and patience ends before the drain's 30 s do."""
    exporter = start(ONE_TENANT, "--web.request-timeout", "60s")
    body = event("slow")
    head = (
        b"POST /webhooks/prod HTTP/1.1\r\nHost: test\r\nStripe-Signature: %b\r\nContent-Length: %d\r\n\r\n"
        % (sign(body, SECRET, int(time.time())).encode(), len(body))
    )
    with (
        socket.create_connection(("127.0.0.1", exporter.public), timeout=PATIENCE_SECONDS) as begun,
        socket.create_connection(("127.0.0.1", exporter.public), timeout=PATIENCE_SECONDS) as silent,
    ):
        begun.sendall(head + body[:5])
        exporter.process.send_signal(signal.SIGTERM)
        eventually(lambda: exporter.entries("stopping"))
        assert silent.recv(1) == b""
        begun.sendall(body[5:])
        assert begun.recv(10_000).startswith(b"HTTP/1.1 200 ")
    assert exporter.process.wait(timeout=PATIENCE_SECONDS) == 0
