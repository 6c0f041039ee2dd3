from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

from support.exporter import ONE_TENANT, Start, eventually

from .crowd import Senders

GARBAGE = [
    b"",
    b"\x00" * 4096,
    bytes(range(256)) * 16,
    b"[" * 100_000,
    b"{a: " * 100_000,
    b"- " * 50_000,
    b"tenants: {prod: {webhook_secret: &a [*a, *a]}}",
    b"a: &a {b: &b {c: *a}}\ntenants: *a\n",
    b"tenants: !!python/object/apply:os.abort []",
    b"tenants: {prod: !!bool maybe}",
    ONE_TENANT.encode() + b"\ndefaults: {detectors: {duplicate_charge: {window: !!float snan}}}\n",
    b"\xff\xfet\x00e\x00n\x00",
    b"b0: &b0 {k: v}\n"
    + b"".join(b"b%d: &b%d {<<: [%b]}\n" % (n, n, b", ".join([b"*b%d" % (n - 1)] * 10)) for n in range(1, 9)),
    b"HTTP/1.1 404 Not Found\r\n\r\n<html>not the file you were looking for</html>",
    ONE_TENANT.encode()[:-10],
]  # fmt: skip


def test_a_file_replaced_by_garbage_changes_nothing_that_is_in_force(
    start: Start, figure: Callable[[str], None]
):
    exporter = start()
    processes = exporter.workers("public") + exporter.workers("private")
    with Senders(exporter.public, 2, pause=0.01) as senders:
        for garbage in GARBAGE:
            exporter.config.write_bytes(garbage)
            reply = exporter.reload()
            assert reply.status == 400
            assert "the last good configuration is still in force" in reply.text
            assert exporter.metric("billingwatch_config_last_reload_successful") == 0
        exporter.config.unlink()
        assert exporter.reload().status == 400
        exporter.config.mkdir()
        assert exporter.reload().status == 400
        exporter.config.rmdir()
        os.mkfifo(exporter.config)
        exporter.process.send_signal(signal.SIGHUP)
        senders.wait_for(20)
        exporter.config.rename(exporter.config.with_name("fifo"))
        Path(exporter.config.with_name("fifo")).write_bytes(b"")  # lets go of the one who reads
        exporter.config.write_text(ONE_TENANT)
        eventually(lambda: exporter.reload().status == 200)
        assert exporter.metric("billingwatch_config_last_reload_successful") == 1
        senders.wait_for(20)
    assert set(senders.answers) == {200}
    assert exporter.workers("public") + exporter.workers("private") == processes
    figure(f"{len(GARBAGE) + 3} kinds of garbage: {senders.exact(exporter)}, no process ended")
