"""The programs of the demo: where they are, whether they answer, how they end."""

from __future__ import annotations

import http.client
import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path

TOOLS = Path(__file__).resolve().parents[2] / ".tools/bin"
STOP_SECONDS = 15


def tool(name: str) -> str:
    """Return the path of Prometheus' and Alertmanager's programs, from PATH or .tools/bin; raises LookupError."""
    found = shutil.which(name) or shutil.which(name, path=str(TOOLS))
    if found is None:
        why = TOOLS.parent / "WHY"
        reason = (
            why.read_text().strip() if why.exists() else "`make tools` fetches it where apt-get is at hand"
        )
        raise LookupError(f"there is no {name} on PATH or in .tools/bin ({reason})")
    return found


def free_port(wanted: int) -> int:
    """Return `wanted` if nobody listens there, else a port that is free."""
    for port in (wanted, 0):
        with socket.socket() as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                tried.bind(("127.0.0.1", port))
            except OSError:
                continue
            found: int = tried.getsockname()[1]
            return found
    raise OSError("no free port on 127.0.0.1")


def answers(port: int, path: str) -> bool:
    """Tell whether 200 comes from a port of this machine."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process the kind way, and after a while the other way, with all that it started."""
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL) if os.getpgid(process.pid) == process.pid else process.kill()
        process.wait()


def interrupt(process: subprocess.Popen[str]) -> None:
    """End a process of a session of its own as Ctrl-C would, with all that it started, so that it can clean up."""
    os.killpg(process.pid, signal.SIGINT)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
