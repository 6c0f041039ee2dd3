"""Reading a file that somebody else wrote, so that neither its kind nor its size can hold the reader up."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from bw_exporter.errors import BillingWatchError

_KINDS = {
    stat.S_IFDIR: "it is a folder",
    stat.S_IFIFO: "it is a named pipe, no regular file",
    stat.S_IFSOCK: "it is a socket, no regular file",
    stat.S_IFCHR: "it is a device, no regular file",
    stat.S_IFBLK: "it is a device, no regular file",
}
_MIB = 1 << 20


class UnreadableFileError(BillingWatchError):
    """A file cannot be read; the text is the reason alone, for a caller to say which file and what to do."""


def read(path: str | Path, most_bytes: int) -> bytes:
    """Return the content of a regular file of at most `most_bytes`.

    It is opened without blocking, so that a named pipe without a writer cannot hold us. Raises UnreadableFileError.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except OSError as error:
        raise UnreadableFileError(error.strerror or type(error).__name__) from error
    except ValueError as error:
        raise UnreadableFileError("it is no usable path") from error
    try:
        kind = stat.S_IFMT(os.fstat(descriptor).st_mode)
        if kind != stat.S_IFREG:
            raise UnreadableFileError(_KINDS.get(kind, "it is no regular file"))
        with os.fdopen(os.dup(descriptor), "rb") as file:
            content = file.read(most_bytes + 1)
    except OSError as error:
        raise UnreadableFileError(error.strerror or type(error).__name__) from error
    finally:
        os.close(descriptor)
    if content is None:  # a file of /proc that has to be waited for
        raise UnreadableFileError("it has nothing to read yet")
    if len(content) > most_bytes:
        raise UnreadableFileError(f"it has more than {_size(most_bytes)}")
    return content


def require_regular(path: str | Path) -> None:
    """Raise OSError unless a library that opens `path` by itself will find a regular file there."""
    kind = stat.S_IFMT(os.stat(path).st_mode)
    if kind != stat.S_IFREG:
        raise OSError(_KINDS.get(kind, "it is no regular file"))


def _size(number: int) -> str:
    return f"{number // _MIB} MiB" if number >= _MIB else f"{number // 1024} KiB"
