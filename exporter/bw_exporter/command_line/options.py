"""The kinds of values that flags take: each is read by one function, whose error says what to write."""

from __future__ import annotations

import os
import socket

from bw_exporter.config import durations, urls

_HIGHEST_PORT = 65_535
_MOST_WORKERS = 256
_LARGEST = 10**12


def address(text: str) -> tuple[str, int]:
    """Read HOST:PORT, [IPv6]:PORT or :PORT, which means every interface.

    >>> address("127.0.0.1:8000")
    ('127.0.0.1', 8000)
    """
    host, colon, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError(f"{text!r} is no address; an IPv6 address stands in brackets, as in [::1]:8000")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > _HIGHEST_PORT:
        raise ValueError(f"{text!r} is no address; write HOST:PORT, as in 127.0.0.1:8000")
    return host or ("::" if socket.has_dualstack_ipv6() else "0.0.0.0"), int(port)  # noqa: S104


def url(text: str) -> str:
    """Read the address of a web server, to which a path is added.

    >>> url("https://hooks.example.com/")
    'https://hooks.example.com'
    """
    if not urls.is_base(text):
        raise ValueError(f"{text!r} is no address of a web server; write it as https://hooks.example.com")
    return text.rstrip("/")


def cores() -> int:
    """Return how many cores this process may use, at most as many as there may be workers."""
    found = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(found, _MOST_WORKERS)


def workers(text: str) -> int:
    """Read a number of processes."""
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= _MOST_WORKERS:
        raise ValueError(f"{text!r} is no number of processes; write one from 1 to {_MOST_WORKERS}")
    return int(text)


def duration(text: str) -> int:
    """Read a Prometheus duration of at least a second; return seconds.

    >>> duration("1h30m")
    5400
    """
    seconds = durations.parse(text)
    if seconds < 1:
        raise ValueError("must be at least 1s")
    return seconds


def positive(text: str) -> int:
    """Read a number of at least 1, not larger than a time or a row's number can be."""
    digits = text.isascii() and text.isdigit() and len(text) <= len(str(_LARGEST))
    if not digits or not 1 <= int(text) <= _LARGEST:
        raise ValueError(f"{text!r} is no number from 1 to {_LARGEST}")
    return int(text)
