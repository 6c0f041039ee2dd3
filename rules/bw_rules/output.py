"""Where what was rendered goes: to standard output, or to a file that its readers only ever see whole."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
import tempfile
from pathlib import Path

from bw_exporter.errors import BillingWatchError

_FOLDER_IS_SHUT = {errno.EBUSY, errno.EACCES, errno.EPERM, errno.EROFS}
"""A file can be written while its folder cannot: one mounted into a container by itself."""


def write(text: str, path: str | None) -> None:
    """Write to the file, or to standard output for None. Raises BillingWatchError if it cannot be.

    A file there keeps its mode and is replaced in one step: a Prometheus that reloads meanwhile reads the old one or
    the new one, and a full disk or a crash leaves the old one. Links are followed.
    """
    if path is None:
        sys.stdout.write(text)
        return
    given = Path(path)
    try:
        if given.exists() and not given.is_file():
            given.write_text(text, encoding="utf-8")  # a pipe, or /dev/stdout
        else:
            _replace(Path(os.path.realpath(given)), text.encode())
    except OSError as error:
        raise BillingWatchError(
            f"{path}: cannot be written ({error.strerror}); give another --output"
        ) from error


def _replace(target: Path, text: bytes) -> None:
    there = target.stat() if target.exists() else None
    try:
        beside = _written_beside(target, text, there)
        try:
            beside.replace(target)
        except OSError:
            beside.unlink()
            raise
    except OSError as error:
        if there is None or error.errno not in _FOLDER_IS_SHUT:
            raise
        target.write_bytes(text)
        return
    folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _written_beside(target: Path, text: bytes, like: os.stat_result | None) -> Path:
    """Return a durable file in the same folder, with the mode and owner of the one that it is to replace."""
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(text)
            file.flush()
            os.fchmod(handle, stat.S_IMODE(like.st_mode) if like else 0o666 & ~_umask())
            if like:
                with contextlib.suppress(PermissionError):  # only root may give a file away
                    os.fchown(handle, like.st_uid, like.st_gid)
            os.fsync(handle)
    except OSError:
        Path(name).unlink()
        raise
    return Path(name)


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
