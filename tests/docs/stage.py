"""A folder in which the commands of one page run, in the page's order.

What a page calls by an absolute place of its own (`/etc/billingwatch`) lies in the folder, and addresses of this host
lead to free ports, so that pages can run beside one another; both are turned back in what the commands say.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import signal
import subprocess
import sys
import time
from itertools import count
from pathlib import Path
from socket import socket
from typing import Self

from support.pages import ROOT, Block
from support.patience import limit

PATIENCE_SECONDS = limit(60)

_PORTS = count(18_000 + os.getpid() % 12_000)
"""Below those that systems hand out by themselves, so that nobody takes one before its program does."""

_PLACES = re.compile(
    r"(?<![\w.-])/(?:etc|var/lib|var/backups|run)/(?:secrets|billingwatch|prometheus|alertmanager)\b"
)
_ADDRESS = re.compile(r"\b(127\.0\.0\.1|localhost|0\.0\.0\.0):(\d{4,5})\b")


class Stage:
    """One page's folder, shell and programs that stay; leaving it ends them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ports: dict[str, int] = {}
        self._staying: dict[str, tuple[Block, subprocess.Popen[bytes]]] = {}
        self._state = folder / ".state"
        programs = f"{Path(sys.executable).parent}:{ROOT / '.tools/bin'}:{os.environ['PATH']}"
        own = {name: value for name, value in os.environ.items() if not name.startswith("BW_")}
        self._environ = {
            **own,
            "PATH": programs,
            "HOME": str(folder),
            "COLUMNS": "80",
            "BW_WEB_WORKERS": "1",
            "BW_WEB_WEBHOOK_ADDRESS": self.moved("127.0.0.1:8000"),
            "BW_WEB_METRICS_ADDRESS": self.moved("127.0.0.1:9847"),
            "BW_URL": self.moved("http://127.0.0.1:8000"),
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for port in [*self._staying]:
            self.stop(port)

    def play(self, block: Block) -> str:
        """Do what a block is for; return what a command said."""
        if block.kind == "file":
            self._file(self.folder / self.moved(block.remark), self.moved(block.text))
        elif block.kind == "stays":
            self._stay(block)
        elif block.kind == "stop":
            self.stop(block.remark)
        elif block.kind in ("run", "given"):
            return self._run(block)
        return ""

    def moved(self, text: str) -> str:
        """The text with places in the folder and addresses on free ports."""
        text = _PLACES.sub(lambda found: f"{self.folder}{found[0]}", text)
        return _ADDRESS.sub(lambda found: f"{found[1]}:{self._port(found[2])}", text)

    def as_written(self, text: str) -> str:
        """What a command said, with places and addresses as the page has them."""
        text = re.sub(f"{re.escape(str(self.folder))}(?=/(?:etc|var|run)/)", "", text)
        for port, real in self._ports.items():
            text = text.replace(f":{real}", f":{port}")
        return text

    def stop(self, port: str) -> None:
        """End the program that stays on a port, the kind way."""
        block, process = self._staying.pop(port)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise AssertionError(f"{block.where}: it did not end within 30 s of SIGTERM") from None

    def _port(self, port: str) -> int:
        if port not in self._ports:
            self._ports[port] = next(filter(_free, _PORTS))
        return self._ports[port]

    def _file(self, path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def _run(self, block: Block) -> str:
        """Run the block in the shell that the blocks before it have left."""
        before = f". {self._state}\n" if self._state.exists() else ""
        after = f"{{ export -p; printf 'cd %q\\n' \"$PWD\"; }} >{self._state}"
        done = subprocess.run(
            [
                "bash",
                "-euo",
                "pipefail",
                "-c",
                f"{before}trap {_quoted(after)} EXIT\n{self.moved(_typed(block))}",
            ],
            cwd=self.folder,
            env=self._environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        said = self.as_written(done.stdout)
        assert done.returncode == 0, f"{block.where} ended with {done.returncode}:\n{said}\n{self._logs()}"
        return said

    def _stay(self, block: Block) -> None:
        port = block.remark
        log = self.folder / f".log-{port}"
        before = f". {self._state}\n" if self._state.exists() else ""
        with log.open("wb") as file:
            process = subprocess.Popen(
                ["bash", "-euc", f"{before}exec {self.moved(_typed(block))}"],
                cwd=self.folder,
                env=self._environ,
                stdout=file,
                stderr=file,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        self._staying[port] = (block, process)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not _ready(self._port(port)):
            assert process.poll() is None, f"{block.where} has ended:\n{self.as_written(log.read_text())}"
            assert time.monotonic() < deadline, (
                f"{block.where} is not ready:\n{self.as_written(log.read_text())}"
            )
            time.sleep(0.05)

    def _logs(self) -> str:
        logs = (self.folder / f".log-{port}" for port in self._staying)
        return "\n".join(self.as_written(log.read_text())[-2000:] for log in logs)


def _typed(block: Block) -> str:
    """The commands of a block: all of it, or of a console what follows the prompt."""
    if block.language != "console":
        return block.text
    return "\n".join(line.removeprefix("$ ") for line in block.text.splitlines() if line.startswith("$ "))


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _free(port: int) -> bool:
    with socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _ready(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
        connection.request("GET", "/-/ready")
        return connection.getresponse().status == http.client.OK
    return False
