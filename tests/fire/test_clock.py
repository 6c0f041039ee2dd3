"""The clock jumps an hour each way: nothing counts twice, nothing is forgotten, and no deadline moves."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bw_exporter import housekeeping
from bw_exporter.metrics import catalog
from bw_simulator.sender import sign
from support.exporter import ONE_TENANT, RunningExporter, event, eventually
from support.listener import NOW, SECRET, listening, tenant
from support.wild_events import samples

from .crowd import Senders

HOUR = 3600


@pytest.mark.parametrize("jump", [HOUR, -HOUR])
def test_a_signature_made_by_the_right_time_is_expired_while_ours_is_wrong_and_good_again_after(jump: int):
    with listening() as listener:
        body = event("jump")
        right = sign(body, SECRET, NOW)
        listener.now = NOW + jump
        assert listener.post(body, right).text == "expired_signature\n"
        listener.now = NOW
        assert listener.post(body, right).text == "accepted\n"


@pytest.mark.parametrize("jump", [HOUR, -HOUR])
def test_a_jump_there_and_back_counts_nothing_twice_and_forgets_nothing(jump: int):
    bodies = [text.encode() for _, text in samples()]
    with listening(tenant()) as listener:
        counted = []
        for at in (NOW, NOW + jump, NOW, NOW + jump, NOW):
            listener.now = at
            for body in bodies:
                assert listener.deliver(body) == 200
            housekeeping.resolve_due(listener.store, at)
            housekeeping.prune(listener.store, at)
            housekeeping.evict(listener.store, at)
            telling = (
                "billingwatch_",
                "billing_events_ignored_total{",
                "billing_duplicate",
                "billing_invoice_checks",
                "billing_invoice_abstentions",
            )
            counted.append(
                {line: n for line, n in listener.counters().items() if not line.startswith(telling)}
            )
        for counts in counted[1:]:
            assert counts == counted[0]
        assert listener.requests("accepted") == len({json.loads(body)["id"] for body in bodies})
        assert listener.requests("accepted") + listener.requests("redelivered") == 5 * len(bodies)


def test_lag_is_never_negative_and_the_last_event_never_goes_back():
    with listening() as listener:
        assert listener.deliver({"id": "evt_1", "type": "x", "created": NOW}) == 200
        listener.now = NOW - HOUR
        assert listener.deliver({"id": "evt_2", "type": "x", "created": NOW}) == 200
        assert listener.value(catalog.LAST_EVENT) == NOW
        samples_ = listener.store.samples("shop")
        [total] = [n for line, n in samples_.items() if line.startswith("billing_webhook_lag_seconds_sum")]
        assert total == 0
        assert listener.deliver({"id": "evt_3", "type": "x", "created": NOW - 2 * HOUR}) == 200
        listener.check_exposition()


def test_a_question_is_answered_once_whenever_the_clock_thinks_it_is():
    with listening() as listener:
        for body in (text.encode() for _, text in samples()):
            listener.deliver(body)
        for at in (NOW + HOUR, NOW, NOW - HOUR, NOW + HOUR):
            housekeeping.resolve_due(listener.store, at)
        found = listener.store.findings(tenant=None, since_at=0, limit=1000)
        told = [str(sorted(finding.details.items())) for finding in found]
        assert len(told) == len(set(told))


_WITH_A_CLOCK = """
import mmap, struct, sys, time
with open("offset", "rb") as file:
    shared = mmap.mmap(file.fileno(), 8, prot=mmap.PROT_READ)
right = time.time
time.time = lambda: right() + struct.unpack("=q", shared)[0]
from bw_exporter.cli import main
sys.exit(main(sys.argv[4:]))
"""
"""The wall clock of every process is wrong by what the file says, at any moment; the monotonic one stays right."""


def test_a_running_exporter_keeps_its_deadlines_and_serves_on_through_jumps(
    tmp_path: Path, figure: Callable[[str], None]
):
    offset = tmp_path / "offset"
    offset.write_bytes(bytes(8))

    def clock(wrong_by: int) -> None:
        with offset.open("r+b") as file:
            file.write(struct.pack("=q", wrong_by))

    within = (sys.executable, "-c", _WITH_A_CLOCK)
    started = RunningExporter(tmp_path, ONE_TENANT, "--web.request-timeout", "1s", within=within)
    with started as exporter, contextlib.ExitStack() as stack:
        exporter.ready()
        assert exporter.send("before").status == 200
        for jump in (HOUR, -HOUR, 0):
            half = stack.enter_context(socket.create_connection(("127.0.0.1", exporter.public), timeout=30))
            half.sendall(b"POST /webhooks/prod HTTP/1.1\r\nHost: test\r\nContent-Length: 9\r\n\r\n{")
            begun = time.monotonic()
            clock(jump)
            assert half.recv(100).startswith(b"HTTP/1.1 408 ")
            waited = time.monotonic() - begun
            assert 0.5 < waited < 20, "one second by the clock that does not jump"
            wanted = 400 if jump else 200
            eventually(lambda wanted=wanted, jump=jump: exporter.send(f"at {jump}").status == wanted)
            assert exporter.get("/-/ready").status == 200
            assert exporter.metric("billing_webhook_lag_seconds_sum", tenant="prod") is not None
        with Senders(exporter.public, 2, pause=0.01) as senders:
            senders.wait_for(20)
        assert set(senders.answers) == {200}
        assert (
            exporter.metric("billing_events_total", tenant="prod", type="other") == 2 + senders.acknowledged
        )
        assert exporter.stop() == 0
    figure("three jumps: each half-sent request was given up after 1 s, honest events counted once")
