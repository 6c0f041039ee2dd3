"""Configurations are read and judged in a child process, so that no file can take the supervisor's time or memory.

The child reads one file and ends. It sends what it made over a pipe, pickled: both ends are our own, and secrets are
written to no disk. However the child ends, its parent goes on.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import resource
import select
import signal
import struct
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from bw_exporter.errors import BillingWatchError, ConfigError, Problem
from bw_exporter.monitoring import web_config
from bw_exporter.monitoring.web_config import WebConfig
from bw_exporter.serving.private_memory import keep_memory_private

if TYPE_CHECKING:
    from bw_exporter.config.tenants import Tenants

T = TypeVar("T")

_LENGTH = struct.Struct(">Q")
_HANDED_OVER = 0
_REFUSED = 1
_TOO_LARGE = 2
_FAILED = 3
_REAPED_WITHIN_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Limits:
    """What one file may take: seconds until it is judged, and bytes of memory beyond what the parent has."""

    seconds: float = 30.0
    memory_bytes: int = 1 << 30


LIMITS = Limits()
"""10,000 tenants take 2.4 s of CPU and 100 MiB; a machine may be busy with other things."""


class Judgement:
    """A child at work on one file. Once `poll` or `is_late` says so, `result` is what it made."""

    def __init__(self, source: str, load: Callable[[], Any], limits: Limits | None = None) -> None:
        """Fork; `load` runs in the child, which has none of our sockets, and may raise BillingWatchError."""
        self.started_monotonic = time.monotonic()
        self._source, self._limits = source, limits or LIMITS
        self._read_end, write_end = os.pipe2(os.O_CLOEXEC)
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            self._pid = os.fork()
            if self._pid == 0:
                _work(load, write_end, self._limits)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        os.close(write_end)

    def poll(self, wait_seconds: float = 0.0) -> bool:
        """Return whether the child has sent something or ended, after waiting for it so long."""
        readable = select.poll()
        readable.register(self._read_end, select.POLLIN)
        return bool(readable.poll(wait_seconds * 1000))

    def is_late(self) -> bool:
        """Return whether the child's time is over."""
        return self._left() <= 0

    def result(self) -> Any:  # noqa: ANN401 - whatever `load` returns
        """Return what `load` has returned and let the child go. Raises what it has raised, or ConfigError.

        The ConfigError says which limit the file has met.
        """
        try:
            kind, content = self._received()
        finally:
            self.stop()
        if kind == _FAILED:
            raise RuntimeError(f"the configuration could not be judged:\n{content}")
        if kind == _TOO_LARGE:
            raise self._beyond(content)
        if kind == _REFUSED:
            raise content
        return content

    def stop(self) -> None:
        """End the child, whatever it does, and do not wait long: a process that reads a dead disk does not end."""
        if (
            not self.poll()
        ):  # it holds its end open, so that nobody has reaped it and its number is still its own
            os.kill(self._pid, signal.SIGKILL)
        self.close()
        give_up_at = time.monotonic() + _REAPED_WITHIN_SECONDS
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(self._pid, os.WNOHANG) == (0, 0) and time.monotonic() < give_up_at:
                time.sleep(0.001)

    def close(self) -> None:
        """In a process forked meanwhile: let go of what it inherited."""
        os.close(self._read_end)

    def _left(self) -> float:
        return self.started_monotonic + self._limits.seconds - time.monotonic()

    def _received(self) -> tuple[int, Any]:
        head = self._exactly(_LENGTH.size)
        body = self._exactly(_LENGTH.unpack(head)[0])
        kind, content = pickle.loads(body)  # noqa: S301 - from our child over our own pipe
        return kind, content

    def _exactly(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            if not self.poll(max(self._left(), 0.0)):
                raise self._beyond(
                    f"is not judged after {self._limits.seconds:g} s; make it smaller or simpler"
                )
            piece = os.read(self._read_end, min(size - len(data), 1 << 20))
            if not piece:
                raise self._beyond(
                    "ended the process that judged it, perhaps for want of memory; make it smaller or simpler"
                )
            data += piece
        return bytes(data)

    def _beyond(self, said: str) -> ConfigError:
        return ConfigError(self._source, (Problem("file", said),))


def judge(source: str, load: Callable[[], T], limits: Limits | None = None) -> T:
    """Return what `load` returns in a child process; raise what it raises, or ConfigError if it meets a limit.

    `source` is the file's path for that error.
    """
    made: T = Judgement(source, load, limits).result()
    return made


def at_start(
    web_config_file: str | None, config_file: str, load: Callable[[], Tenants]
) -> tuple[WebConfig, Tenants]:
    """Return what web.yml, where there is one, and tenants.yaml say.

    From here on the memory of this process and of its children is kept private. Raises BillingWatchError with the
    mistakes of both files.
    """
    keep_memory_private()
    found: list[str] = []
    web, tenants = WebConfig(), None
    try:
        if web_config_file:
            web = judge(web_config_file, lambda: web_config.load(web_config_file))
    except ConfigError as error:
        found.append(str(error))
    try:
        tenants = judge(config_file, load)
    except ConfigError as error:
        found.append(str(error))
    if found or tenants is None:
        raise BillingWatchError("\n".join(found))
    return web, tenants


def _work(load: Callable[[], Any], write_end: int, limits: Limits) -> NoReturn:
    """In the child: keep nothing of the parent's but standard error, load, hand over, end."""
    try:
        for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
            with contextlib.suppress(OSError, ValueError):
                signal.signal(number, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, limits.seconds + 1.0)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        os.closerange(3, write_end)
        os.closerange(write_end + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
        _limit_memory(limits.memory_bytes)
        _send(write_end, _outcome(load, limits))
    except BaseException:  # noqa: BLE001 - nothing may go on in the child as if it were the parent
        traceback.print_exc()
    finally:
        os._exit(0)


def _outcome(load: Callable[[], Any], limits: Limits) -> tuple[int, Any]:
    try:
        return _HANDED_OVER, load()
    except BillingWatchError as error:
        return _REFUSED, error
    except MemoryError:
        mib = limits.memory_bytes >> 20
        return _TOO_LARGE, f"takes more than {mib} MiB of memory to judge; make it smaller or simpler"
    except Exception:  # noqa: BLE001 - the parent logs it
        return _FAILED, traceback.format_exc()


def _send(write_end: int, outcome: tuple[int, Any]) -> None:
    body = pickle.dumps(outcome, protocol=pickle.HIGHEST_PROTOCOL)
    with os.fdopen(write_end, "wb") as pipe:
        pipe.write(_LENGTH.pack(len(body)))
        pipe.write(body)


def _limit_memory(more_bytes: int) -> None:
    """Let the address space grow by so much; where /proc does not say how large it is, by what the system gives."""
    with contextlib.suppress(OSError, ValueError):
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        soft, hard = resource.getrlimit(resource.RLIMIT_AS)
        wanted = pages * resource.getpagesize() + more_bytes
        if soft == resource.RLIM_INFINITY or wanted < soft:
            resource.setrlimit(resource.RLIMIT_AS, (wanted, hard))
