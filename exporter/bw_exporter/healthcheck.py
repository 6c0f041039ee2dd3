"""`python -m bw_exporter.healthcheck`: exit 0 if the exporter of this container answers and its store takes writes.

It asks the private listener that BW_WEB_METRICS_ADDRESS names. One that wants a password or a client's
certificate counts as alive, since the check has neither.
"""

from __future__ import annotations

import os
import ssl
import sys

from bw_exporter import private_client
from bw_exporter.command_line import options

_ALIVE = (200, 401)


def main() -> int:
    """Ask once; return the exit status and print why where it is not 0."""
    host, port = options.address(os.environ.get("BW_WEB_METRICS_ADDRESS") or "127.0.0.1:9847")
    try:
        status, text = private_client.ask((host, port), "/-/ready")
    except ssl.SSLError:
        return 0
    except OSError as error:
        sys.stderr.write(f"{host}:{port} does not answer: {error}\n")
        return 1
    if status in _ALIVE:
        return 0
    sys.stderr.write(f"{text}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
