"""Processes that tests start on this machine: their ports, and their end."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import ExitStack
from socket import socket


def end(process: subprocess.Popen[bytes]) -> None:
    """Kill a process that leads a session of its own, and all of that session."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def free_ports(count: int) -> list[int]:
    """Return ports of the loopback interface that nobody holds now, each another one."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
