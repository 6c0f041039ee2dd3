"""A Prometheus that scrapes nothing, has no rules and only answers questions about a folder of blocks."""

from __future__ import annotations

import http.client
import json
import os
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
from bw_rules.backtest.passes import LOOKBACK_SECONDS
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
def answering(data: Path, lookback_seconds: int = LOOKBACK_SECONDS) -> Iterator[str]:
    """Run it on a free port of this machine and give its URL; raises BillingWatchError where it does not start.

    An instant selector returns samples that are at most `lookback_seconds` old. Blocks hold no mark where a series
    ends, so that with Prometheus' five minutes whatever is recorded only at times lasts five minutes too long.
    """
    with tempfile.TemporaryDirectory(prefix="bw-rules-") as folder, (Path(folder) / "log").open("w+") as log:
        config = Path(folder) / "prometheus.yml"
        config.write_text("{}", encoding="utf-8")
        port = _free_port()
        command = [tool("prometheus"), f"--config.file={config}", f"--storage.tsdb.path={data}"]
        command += [f"--web.listen-address=127.0.0.1:{port}", "--storage.tsdb.retention.time=3650d"]
        command += [f"--query.lookback-delta={lookback_seconds}s"]
        command += ["--query.max-samples=200000000", f"--query.timeout={_ANSWER_SECONDS}s"]
        environ = {"GOGC": "400", **os.environ}  # it lives for minutes: a twelfth less CPU for more memory
        process = subprocess.Popen(  # noqa: S603 - the Prometheus the user has
            command, stdout=log, stderr=log, env=environ
        )
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


def query_range(url: str, expression: str, start_at: float, end_at: float, step: int) -> list[dict[str, Any]]:
    """Return the series of a range query: `metric` and `values`; raises BillingWatchError with what was said."""
    return _asked(url, "query_range", {"query": expression, "start": start_at, "end": end_at, "step": step})


def query(url: str, expression: str, at: float) -> list[dict[str, Any]]:
    """Return the series of an instant query: `metric` and `value`; raises BillingWatchError with what was said."""
    return _asked(url, "query", {"query": expression, "time": at})


def moments(url: str, selector: str, start_at: int, end_at: int) -> list[int]:
    """Return when the series of a selector that has most samples had them (Unix seconds), in order."""
    series = _asked(url, "query", {"query": f"{selector}[{end_at - start_at + 1}s]", "time": end_at})
    longest: list[tuple[float, str]] = max((one["values"] for one in series), key=len, default=[])
    return [int(moment) for moment, _ in longest]


def first_moment(url: str, selector: str, start_at: int, end_at: int) -> float:
    """Return when a series first has a sample in a time (Unix seconds, to the millisecond), or its start."""
    hour_later = min(start_at + 3600, end_at)
    asked = {"query": f"{selector}[{hour_later - start_at + 1}s]", "time": hour_later}
    moments_of = [moment for one in _asked(url, "query", asked) for moment, _ in one["values"]]
    return min((moment for moment in moments_of if moment >= start_at), default=float(start_at))


def _asked(url: str, path: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    request = urllib.request.Request(  # noqa: S310 - the server started above
        f"{url}/api/v1/{path}", urllib.parse.urlencode(parameters).encode()
    )
    try:
        with urllib.request.urlopen(request, timeout=_ANSWER_SECONDS) as answer:  # noqa: S310
            result: list[dict[str, Any]] = json.load(answer)["data"]["result"]
    except urllib.error.HTTPError as error:
        said = error.read().decode()
        raise BillingWatchError(f"Prometheus refused {parameters['query']}: {said}") from error
    return result


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
