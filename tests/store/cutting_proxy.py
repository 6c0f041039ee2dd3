"""A socket between a store and its PostgreSQL that cuts the connection at the moment of a commit."""

from __future__ import annotations

import contextlib
import selectors
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

Moment = Literal["before", "after"]


class CuttingProxy:
    """Forwards everything until it is armed; then the next COMMIT is the last that is heard of its connection.

    `before` the server hears of it, or `after` it has committed and answered, which the store then never hears.
    """

    def __init__(self, folder: Path, server: Path) -> None:
        self.folder = folder
        self._server = server / ".s.PGSQL.5432"
        self._armed: Moment | None = None
        self.cut = threading.Event()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / ".s.PGSQL.5432"))
        self._listener.listen()

    def arm(self, moment: Moment) -> None:
        self.cut.clear()
        self._armed = moment

    def serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._forward, args=(client,), daemon=True).start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _forward(self, client: socket.socket) -> None:
        with client, socket.socket(socket.AF_UNIX) as server, selectors.DefaultSelector() as either:
            server.connect(str(self._server))
            either.register(client, selectors.EVENT_READ, server)
            either.register(server, selectors.EVENT_READ, client)
            unheard = None
            while True:
                for key, _ in either.select():
                    source, other = key.fileobj, key.data
                    assert isinstance(source, socket.socket)
                    data = source.recv(1 << 16)
                    if not data:
                        return
                    if source is client and self._armed and b"COMMIT\0" in data:
                        moment, self._armed = self._armed, None
                        if moment == "before":
                            self.cut.set()
                            return
                        unheard = b""
                    if source is server and unheard is not None:
                        unheard += data
                        if b"COMMIT\0" in unheard:
                            self.cut.set()
                            return
                        continue
                    other.sendall(data)


@contextmanager
def cutting(server: Path) -> Iterator[CuttingProxy]:
    with tempfile.TemporaryDirectory(prefix="bw-cut-") as folder:
        proxy = CuttingProxy(Path(folder), server)
        thread = threading.Thread(target=proxy.serve)
        thread.start()
        try:
            yield proxy
        finally:
            proxy.close()
            thread.join()
