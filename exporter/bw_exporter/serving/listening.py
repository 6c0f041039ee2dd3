"""Binding a listener, and saying plainly why it cannot be bound."""

from __future__ import annotations

import errno
import time
from typing import Any

from gunicorn.sock import TCP6Socket, TCPSocket

from bw_exporter.errors import BillingWatchError

TAKEN_ADDRESS_SECONDS = 3.0

Address = tuple[str, int]


class ListenError(BillingWatchError):
    """A listener cannot be bound."""


def bind(address: Address, flag: str, cfg: Any, log: Any) -> TCPSocket:  # noqa: ANN401
    """Listen. An address that is taken may be a predecessor's that is about to end: wait a moment for it."""
    kind = TCP6Socket if ":" in address[0] else TCPSocket
    give_up_at = time.monotonic() + TAKEN_ADDRESS_SECONDS
    while True:
        try:
            return kind(address, cfg, log)
        except OSError as error:
            if error.errno == errno.EADDRINUSE and time.monotonic() < give_up_at:
                time.sleep(0.1)
                continue
            host, port = address
            held = "end what holds it, or " if error.errno == errno.EADDRINUSE else ""
            raise ListenError(
                f"cannot listen on {host}:{port} ({error.strerror or error}): {held}give another {flag}"
            ) from error


def shown(listener: TCPSocket) -> str:
    """Return the listener's address as people write it; the port is the real one where 0 was asked for."""
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
