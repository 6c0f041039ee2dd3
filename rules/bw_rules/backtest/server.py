"""A Prometheus that scrapes nothing, has no rules and only answers questions about a folder of blocks."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bw_exporter.errors import BillingWatchError
from bw_rules.verify import tools

_READY_SECONDS = 120
_STOP_SECONDS = 30
_ANSWER_SECONDS = 900


def tool(name: str) -> str:
    """Return the path of promtool or prometheus; raises BillingWatchError where there is none."""
    found = tools.find(name)
    if found is None:
        raise BillingWatchError(
            f"{name} is not on PATH; install Prometheus, or run make tools, or set {name.upper()} to its path"
        )
    return found


@contextmanager
def answering(data: Path) -> Iterator[str]:
    """Run it on a free port of this machine and give its URL; raises BillingWatchError where it does not start."""
    with tempfile.TemporaryDirectory(prefix="bw-rules-") as folder, (Path(folder) / "log").open("w+") as log:
        config = Path(folder) / "prometheus.yml"
        config.write_text("{}", encoding="utf-8")
        port = _free_port()
        command = [tool("prometheus"), f"--config.file={config}", f"--storage.tsdb.path={data}"]
        command += [f"--web.listen-address=127.0.0.1:{port}", "--storage.tsdb.retention.time=3650d"]
        command += ["--query.max-samples=200000000", f"--query.timeout={_ANSWER_SECONDS}s"]
        process = subprocess.Popen(command, stdout=log, stderr=log)  # noqa: S603 - the Prometheus the user has
        try:
            deadline = time.monotonic() + _READY_SECONDS
            while not _ready(port):
                if process.poll() is not None or time.monotonic() > deadline:
                    log.seek(0)
                    raise BillingWatchError(f"prometheus did not start on {data}: {log.read()[-2000:]}")
                time.sleep(0.05)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def query_range(url: str, expression: str, start_at: int, end_at: int, step: int) -> list[dict[str, Any]]:
    """Return the series of a range query: `metric` and `values`; raises BillingWatchError with what was said."""
    asked = {"query": expression, "start": start_at, "end": end_at, "step": step}
    request = urllib.request.Request(  # noqa: S310 - the server started above
        f"{url}/api/v1/query_range", urllib.parse.urlencode(asked).encode()
    )
    try:
        with urllib.request.urlopen(request, timeout=_ANSWER_SECONDS) as answer:  # noqa: S310
            result: list[dict[str, Any]] = json.load(answer)["data"]["result"]
    except urllib.error.HTTPError as error:
        raise BillingWatchError(f"Prometheus refused {expression}: {error.read().decode()}") from error
    return result


def moments(url: str, selector: str, start_at: int, end_at: int) -> list[int]:
    """Return when the series of a selector that has most samples had them (Unix seconds), in order."""
    asked = {"query": f"{selector}[{end_at - start_at + 1}s]", "time": end_at}
    request = urllib.request.Request(  # noqa: S310 - the server started above
        f"{url}/api/v1/query", urllib.parse.urlencode(asked).encode()
    )
    with urllib.request.urlopen(request, timeout=_ANSWER_SECONDS) as answer:  # noqa: S310
        series = json.load(answer)["data"]["result"]
    longest: list[tuple[float, str]] = max((one["values"] for one in series), key=len, default=[])
    return [int(moment) for moment, _ in longest]


def _free_port() -> int:
    with socket.socket() as tried:
        tried.bind(("127.0.0.1", 0))
        found: int = tried.getsockname()[1]
        return found


def _ready(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/-/ready")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
