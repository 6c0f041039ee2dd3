from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from support.exporter import ONE_TENANT, RunningExporter, Start, eventually

from .crowd import Senders

# 604 bytes; before they are merged they are told inside of one another, so that each is merged ten times in each.
NESTED_MERGES = b"b0: &b0 {k: v}\ntop: [" + b", ".join(
    b"&b%d {<<: [%b]}" % (n, b", ".join([b"*b%d" % (n - 1)] * 9)) for n in range(1, 12)
) + b"]\n"  # fmt: skip

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
    NESTED_MERGES,
    b"tenants: {prod: {webhook_secret_file: fifo}}",
    b"tenants: {prod: {webhook_secret_file: /dev/zero}}",
    b"tenants: {prod: {webhook_secret_file: /proc/kmsg}}",
    ONE_TENANT.encode() + b"#" * (17 << 20),
    b"%TAG !a! b\n" * 1_000_000,
    b"- " + b"a, " * 1_000_000,
    b"[" + b"," .join([b"{}"] * 1_500_000) + b"]",
]  # fmt: skip


def test_a_file_replaced_by_garbage_changes_nothing_that_is_in_force(
    start: Start, figure: Callable[[str], None]
):
    exporter = start()
    processes = exporter.workers("public") + exporter.workers("private")
    os.mkfifo(exporter.config.with_name("fifo"))
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
        reply = exporter.reload()
        assert reply.status == 400
        assert "it is a named pipe, no regular file" in reply.text
        exporter.config.unlink()
        exporter.config.write_text(ONE_TENANT)
        eventually(lambda: exporter.reload().status == 200)
        assert exporter.metric("billingwatch_config_last_reload_successful") == 1
        senders.wait_for(20)
    assert set(senders.answers) == {200}
    assert exporter.workers("public") + exporter.workers("private") == processes
    figure(f"{len(GARBAGE) + 3} kinds of garbage: {senders.exact(exporter)}, no process ended")


HANGS = """
import sys, time
from bw_exporter import cli
from bw_exporter.config.reading import yaml_nodes
from bw_exporter.serving import judging

judging.LIMITS = judging.Limits(seconds=4.0)
read = yaml_nodes.read

def hangs(path):
    while "hang" in open(path).read():
        time.sleep(0.01)
    return read(path)

yaml_nodes.read = hangs
sys.exit(cli.main(sys.argv[4:]))
"""


def test_while_a_file_hangs_its_reader_workers_are_replaced_and_the_answer_says_why(start: Start):
    exporter = start(within=[sys.executable, "-c", HANGS])
    exporter.config.write_text("hang")
    with ThreadPoolExecutor(1) as pool:
        reply = pool.submit(exporter.reload)
        eventually(lambda: len(_children(exporter)) == 4)
        [killed, *_] = exporter.workers("public")
        os.kill(killed, signal.SIGKILL)
        eventually(lambda: len(exporter.entries("worker started")) == 4)
        assert not reply.done()
        assert exporter.send(1).status == 200
        assert reply.result().status == 400
    assert f"{exporter.config}: file: is not judged after 4 s; make it smaller" in reply.result().text
    assert exporter.metric("billingwatch_config_last_reload_successful") == 0
    [entry] = exporter.entries("not reloaded")
    assert "is not judged after 4 s" in str(entry["problem"])
    assert len(_children(exporter)) == 3


def test_while_a_file_hangs_its_reader_two_wishes_are_answered_and_sigterm_is_heard(start: Start):
    exporter = start(within=[sys.executable, "-c", HANGS])
    good = exporter.config.read_text()
    exporter.config.write_text("hang")
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(exporter.reload)
        eventually(lambda: len(_children(exporter)) == 4)
        second = pool.submit(exporter.reload)
        eventually(first.done)
        whole = exporter.config.with_name("whole.yaml")
        whole.write_text(good)
        whole.replace(exporter.config)  # at once, as its reader looks at it all the time
        assert second.result().status == 200
    exporter.config.write_text("hang")
    exporter.process.send_signal(signal.SIGHUP)
    eventually(lambda: len(_children(exporter)) == 4)
    children = _children(exporter)
    assert exporter.stop() == 0
    eventually(lambda: not any(Path(f"/proc/{child}").exists() for child in children))


def test_a_file_that_hangs_its_reader_at_the_start_is_named(tmp_path: Path):
    (tmp_path / "tenants.yaml").write_text("hang")
    command = [sys.executable, "-c", HANGS, "", "", "", "serve", "--config.file", "tenants.yaml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr == "tenants.yaml: file: is not judged after 4 s; make it smaller or simpler\n"


def _children(exporter: RunningExporter) -> list[str]:
    return Path(f"/proc/{exporter.process.pid}/task/{exporter.process.pid}/children").read_text().split()
