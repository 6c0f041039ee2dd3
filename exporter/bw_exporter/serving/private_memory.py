"""Keeping what is in memory, signing secrets among it, out of core dumps and other processes of the same user."""

from __future__ import annotations

import ctypes
import logging
import os
import resource
import sys

_PR_SET_DUMPABLE = 4  # linux/prctl.h

_log = logging.getLogger(__name__)


def keep_memory_private() -> None:
    """Make this process and those it forks undumpable, as ssh-agent is; a new program that they run is not.

    No core is written, be it to a file or to a program such as systemd-coredump, and memory and environment
    (/proc/PID/mem, /proc/PID/environ, ptrace) are for root alone. Where the system refuses, the log says so.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))
    if sys.platform != "linux":
        return
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        refused = libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    except (OSError, AttributeError):
        refused = -1
    if refused:
        reason = os.strerror(ctypes.get_errno())
        _log.warning("memory is not kept from core dumps: prctl was refused", extra={"reason": reason})
