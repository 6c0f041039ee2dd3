"""`python -m bw_exporter.healthcheck`: exit 0 if the exporter of this container answers and its store takes writes.

It asks the private listener that BW_WEB_METRICS_ADDRESS names. One that wants a password or a client's
certificate counts as alive, since the check has neither.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import ssl
import sys

from bw_exporter.command_line import options

_TIMEOUT_SECONDS = 8.0
_EVERY_INTERFACE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - read, not bound
_ALIVE = (200, 401)


def main() -> int:
    """Ask without TLS, then with it; return the exit status and print why where it is not 0."""
    host, port = options.address(os.environ.get("BW_WEB_METRICS_ADDRESS") or "127.0.0.1:9847")
    host = _EVERY_INTERFACE.get(host, host)
    try:
        try:
            status, text = _ready(http.client.HTTPConnection(host, port, timeout=_TIMEOUT_SECONDS))
        except (http.client.HTTPException, ConnectionResetError):
            unverified = ssl._create_unverified_context()  # noqa: S323, SLF001 - our own container, by address
            tls = http.client.HTTPSConnection(host, port, timeout=_TIMEOUT_SECONDS, context=unverified)
            status, text = _ready(tls)
    except ssl.SSLError:
        return 0
    except OSError as error:
        sys.stderr.write(f"{host}:{port} does not answer: {error}\n")
        return 1
    if status in _ALIVE:
        return 0
    sys.stderr.write(f"{text}\n")
    return 1


def _ready(connection: http.client.HTTPConnection) -> tuple[int, str]:
    with contextlib.closing(connection):
        connection.request("GET", "/-/ready")
        answer = connection.getresponse()
        return answer.status, answer.read(1000).decode(errors="replace").strip()


if __name__ == "__main__":
    sys.exit(main())
