"""Asks the private listener of an exporter, on this machine or in the same network, by its address."""

from __future__ import annotations

import contextlib
import http.client
import ssl

_TIMEOUT_SECONDS = 8.0
_EVERY_INTERFACE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - read, not bound
_MOST_BYTES = 10_000


def ask(address: tuple[str, int], path: str) -> tuple[int, str]:
    """GET a path; return the status and the beginning of the body.

    It tries without TLS, then with it. The certificate is not verified: nothing secret is sent or received, and a
    certificate names no address. Raises OSError (ssl.SSLError where the listener wants a certificate of the client).
    """
    host, port = address
    host = _EVERY_INTERFACE.get(host, host)
    try:
        return _get(http.client.HTTPConnection(host, port, timeout=_TIMEOUT_SECONDS), path)
    except (http.client.HTTPException, ConnectionResetError):
        unverified = ssl._create_unverified_context()  # noqa: S323, SLF001 - as above
        tls = http.client.HTTPSConnection(host, port, timeout=_TIMEOUT_SECONDS, context=unverified)
        try:
            return _get(tls, path)
        except http.client.HTTPException as error:
            raise ConnectionError("what listens there is no exporter") from error


def _get(connection: http.client.HTTPConnection, path: str) -> tuple[int, str]:
    with contextlib.closing(connection):
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read(_MOST_BYTES).decode(errors="replace").strip()
