"""The programs of the demo, started in the order in which they need one another, all in one folder."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import files
from processes import answers, free_port, interrupt, stop, tool

COMMAND = str(Path(sys.executable).with_name("bw-exporter"))
RULES = str(Path(sys.executable).with_name("bw-rules"))
READY_SECONDS = 30


class DidNotStartError(Exception):
    """A program ended, or did not answer in time; the text is the end of its log."""


class StoppedError(Exception):
    """The user wants the demo to end before it has begun."""


@dataclass
class Stack:
    """Processes and their ports, each found when its program starts; `close` ends them, the last one first."""

    folder: Path
    stopping: threading.Event
    sink: str
    tenants: str = files.TENANTS
    stripe_api_url: str = ""
    history: str = files.HISTORY
    public: int = 0
    private: int = 0
    prometheus: int = 0
    alertmanager: int = 0
    _running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.config.write_text(self.tenants.format(sink=self.sink))

    @property
    def config(self) -> Path:
        """The tenants.yaml."""
        return self.folder / "tenants.yaml"

    @property
    def storage(self) -> str:
        """The URL of the store."""
        return f"sqlite:///{self.folder}/billingwatch.db"

    def live_through(self) -> None:
        """Write the past to the store and to past.om; raises DidNotStartError."""
        self._run(
            COMMAND, "simulate", "--config.file", str(self.config), "--storage.url", self.storage,
            "--history", self.history, "--instance", files.INSTANCE,
            *(("--past", files.PAST) if self.history == files.HISTORY else ()),
            "--output", str(self.folder / "past.om"), "--quiet",
        )  # fmt: skip

    def start_exporter(self) -> None:
        """Start `bw-exporter serve`; raises DidNotStartError."""
        self.public, self.private = free_port(8000), free_port(9847)
        asked = ("--stripe.api-url", self.stripe_api_url) if self.stripe_api_url else ()
        self._start(
            "exporter", self.private,
            COMMAND, "serve", "--config.file", str(self.config), "--storage.url", self.storage,
            "--web.webhook-address", f"127.0.0.1:{self.public}",
            "--web.webhook-url", f"http://127.0.0.1:{self.public}",
            "--web.metrics-address", f"127.0.0.1:{self.private}", *asked,
        )  # fmt: skip

    @property
    def rules(self) -> Path:
        """The file of alerting rules."""
        return self.folder / "billing.rules.yml"

    def render(self) -> None:
        """Render the rules; raises DidNotStartError."""
        self._run(RULES, "render", "--config.file", str(self.config), "--output", str(self.rules))
        self.rules.write_text(files.quicker(self.rules.read_text()))

    def backfill(self) -> None:
        """Give Prometheus its past, scraped and recorded by the rules; raises DidNotStartError."""
        past = self.folder / "past.om"
        self._run(
            RULES, "record", "--rules", str(self.rules), "--past", str(past),
            "--output", str(self.folder / "prometheus"),
        )  # fmt: skip
        past.unlink()

    def start_monitoring(self) -> None:
        """Start Alertmanager, then Prometheus; raises DidNotStartError."""
        self.alertmanager, self.prometheus = free_port(9093), free_port(9090)
        base, routes = self.folder / "base.yml", self.folder / "alertmanager.yml"
        base.write_text(files.ALERTMANAGER_BASE)
        self._run(
            RULES,
            "alertmanager",
            "--config.file",
            str(self.config),
            "--base",
            str(base),
            "--output",
            str(routes),
        )
        self._start(
            "alertmanager", self.alertmanager,
            tool("alertmanager"), f"--config.file={routes}", f"--storage.path={self.folder}/alertmanager",
            f"--web.listen-address=127.0.0.1:{self.alertmanager}", "--cluster.listen-address=",
        )  # fmt: skip
        config = self.folder / "prometheus.yml"
        config.write_text(
            files.PROMETHEUS.format(
                rules=self.rules,
                alertmanager=self.alertmanager,
                metrics=self.private,
                instance=files.INSTANCE,
            )
        )
        self._start(
            "prometheus", self.prometheus,
            tool("prometheus"), f"--config.file={config}", f"--storage.tsdb.path={self.folder}/prometheus",
            f"--web.listen-address=127.0.0.1:{self.prometheus}", "--rules.alert.resend-delay=5s",
        )  # fmt: skip

    def ended(self) -> str:
        """Return what a program that has ended said last, or nothing while all run."""
        for name, process in self._running.items():
            if process.poll() is not None:
                return f"{name} has ended. It said:\n{self.tail(name)}"
        return ""

    def close(self) -> None:
        """End everything that was started."""
        for process in reversed(self._running.values()):
            stop(process)
        self._running.clear()

    def tail(self, name: str, lines: int = 20) -> str:
        """Return the last lines of a program's log, none where there is no log yet."""
        log = self.folder / f"{name}.log"
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:]) if log.exists() else ""

    def _start(self, name: str, port: int, *command: str) -> None:
        # Sessions of their own: Ctrl-C is for the demo, which ends them in the right order.
        with (self.folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        self._running[name] = process
        deadline = time.monotonic() + READY_SECONDS
        while not answers(port, "/-/ready"):
            if self.stopping.wait(0.1):
                raise StoppedError
            if process.poll() is not None or time.monotonic() > deadline:
                raise DidNotStartError(f"The {name} did not start. It says:\n{self.tail(name)}")

    def _run(self, *command: str) -> None:
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        while process.poll() is None:
            if self.stopping.wait(0.05):
                interrupt(process)
                raise StoppedError
        if process.returncode:
            said = process.stderr.read() if process.stderr else ""
            raise DidNotStartError(f"{' '.join(command[:2])} failed. It says:\n{said}")
