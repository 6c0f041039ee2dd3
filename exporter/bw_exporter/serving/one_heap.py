"""One heap for all threads, so that each does not keep what the largest page took of it."""

from __future__ import annotations

import ctypes
from contextlib import suppress

_M_ARENA_MAX = -8  # malloc.h


def use_one_heap() -> None:
    """Have glibc give all threads of this process one heap; to be called before any is started.

    By itself it gives each thread its own, which stays as large as the largest answer sent from there: by measurement
    195 MiB instead of 39 after 24 scrapes of 1,000 tenants, for the same CPU. Other C libraries go on as they are.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)
