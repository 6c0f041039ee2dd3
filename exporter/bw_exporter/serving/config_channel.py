"""How the supervisor hands a new configuration to a running worker: a socket pair made before the fork.

A message is its length (8 bytes, big endian) and a pickled ConfigState; the worker answers one byte once it
has put the state in force. Only our own processes hold the two ends, which is why pickle is safe here.
"""

from __future__ import annotations

import contextlib
import pickle
import socket
import struct
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bw_exporter.config.current import ConfigState, CurrentConfig

_LENGTH = struct.Struct(">Q")
_TAKEN = b"\x06"
TAKE_CONFIG_SECONDS = 10.0


def encode(state: ConfigState) -> bytes:
    """Return the message for `state`; made once and sent to every worker."""
    body = pickle.dumps(state, protocol=pickle.HIGHEST_PROTOCOL)
    return _LENGTH.pack(len(body)) + body


def hand_out(message: bytes, channels: Mapping[int, ConfigChannel]) -> list[int]:
    """In the supervisor: send to all workers, by process id, and return those that did not take it in time."""
    deadline = time.monotonic() + TAKE_CONFIG_SECONDS
    sent = {pid for pid, channel in channels.items() if channel.send(message, deadline)}
    return [pid for pid, channel in channels.items() if pid not in sent or not channel.taken(deadline)]


class ConfigChannel:
    """Both ends; after the fork each process closes the one that is not its own."""

    def __init__(self) -> None:
        self._supervisor_end, self._worker_end = socket.socketpair()

    def close_supervisor_end(self) -> None:
        """In a worker: for its own channel, and for those of its elder siblings that it inherited."""
        self._supervisor_end.close()

    def close_worker_end(self) -> None:
        """In the supervisor, once the worker is forked."""
        self._worker_end.close()

    def close(self) -> None:
        """Drop both ends."""
        self._supervisor_end.close()
        self._worker_end.close()

    def send(self, message: bytes, deadline_monotonic: float) -> bool:
        """In the supervisor: send; False if the worker is gone or does not read in time."""
        try:
            self._supervisor_end.settimeout(max(deadline_monotonic - time.monotonic(), 0.001))
            self._supervisor_end.sendall(message)
        except OSError:
            return False
        return True

    def taken(self, deadline_monotonic: float) -> bool:
        """In the supervisor: wait until the worker has taken what was sent; False if it did not in time."""
        try:
            self._supervisor_end.settimeout(max(deadline_monotonic - time.monotonic(), 0.001))
            return self._supervisor_end.recv(1) == _TAKEN
        except OSError:
            return False

    def follow(self, config: CurrentConfig, orphaned: Callable[[], None]) -> None:
        """In a worker: take each new state, in a thread; call `orphaned` when the supervisor is gone."""

        def run() -> None:
            self._follow(config)
            orphaned()

        threading.Thread(target=run, name="config", daemon=True).start()

    def _follow(self, config: CurrentConfig) -> None:
        with self._worker_end, contextlib.suppress(OSError):
            while (head := self._receive(_LENGTH.size)) is not None:
                body = self._receive(_LENGTH.unpack(head)[0])
                if body is None:
                    return
                config.replace(pickle.loads(body))  # noqa: S301 - from our parent over our own socket pair
                self._worker_end.sendall(_TAKEN)

    def _receive(self, size: int) -> bytes | None:
        """Return exactly `size` bytes, or None when the supervisor has closed its end."""
        data = bytearray(size)
        view = memoryview(data)
        done = 0
        while done < size:
            received = self._worker_end.recv_into(view[done:])
            if not received:
                return None
            done += received
        return bytes(data)
