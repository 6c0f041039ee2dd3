"""Checkpoints, each with an id, by which a write-ahead log is known to belong to a file.

SQLite applies whatever log lies beside a file, that of another file too, which destroys it. So each checkpoint
first commits a random id, as the last thing in its log, and notes it beside the lock. A log that is begun after a
complete checkpoint belongs to a file that holds this id, and to no other: neither an older copy of the file nor one
that went another way since. The id is read from the file alone, as if there were no log. A file that was closed
holds none, so one with an id and without a log has lost it.

Only we make checkpoints: SQLite's own, at a commit, would come without an id.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import sqlite3
from dataclasses import replace
from pathlib import Path

from bw_exporter.store.sqlite.connection import file_uri
from bw_exporter.store.sqlite.file.descriptor import first_bytes
from bw_exporter.store.sqlite.file.file_lock import FileLock
from bw_exporter.store.sqlite.file.note import END_AT, Note, end_bytes, end_in, note_bytes, note_in

_WAL_FORMAT = b"\x02\x02"
"""Bytes 18 and 19 of a file in WAL mode. https://www.sqlite.org/fileformat2.html#file_format_version_numbers"""

_MOST_IDS = 12
"""Checkpoints tried while a reader keeps the log from being begun anew; later ones get no id of their own."""

_SET_ID = (
    "INSERT INTO meta VALUES ('checkpoint_id', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
)
_REMOVE_ID = "DELETE FROM meta WHERE name = 'checkpoint_id'"


def write_note(lock: FileLock, note: Note, *, sync: bool = False) -> bytes:
    """Keep a note, and the end beside it as it is; the caller holds the lock. Returns both. Raises OSError."""
    end, written = end_in(lock.note())
    kept = note_bytes(note)[:END_AT] + end_bytes(end, written=written)
    lock.write_note(kept, sync=sync)
    return kept


def checkpoint(connection: sqlite3.Connection, path: str, lock: FileLock) -> bool:
    """Write what is committed from the log into the file; the caller holds the lock.

    Returns whether that was all, so that the log is begun anew; a reader of an older state keeps it from that.
    Raises sqlite3.Error and OSError.
    """
    raw = lock.note()
    note = note_in(raw) or Note()
    end, _ = end_in(raw)
    lock.write_note(end_bytes(end, written=True), at=END_AT)
    if len(note.ids) < _MOST_IDS:
        checkpoint_id = secrets.token_hex(8)
        note = replace(note, ids=(*note.ids, checkpoint_id))
        write_note(lock, note, sync=True)
        connection.execute(_SET_ID, (checkpoint_id.encode(),))
    busy, frames, written = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    complete = not busy and frames == written
    if complete:
        note = replace(note, ids=note.ids[-1:])
    file = os.stat(path)
    write_note(lock, note.of(file) if belongs(path, note) else note)  # else somebody wrote over it meanwhile
    return complete


def close_connection(connection: sqlite3.Connection, path: str, lock: FileLock) -> None:
    """Close a connection; the last one writes the log back into the file and removes it. The caller holds the lock.

    Raises sqlite3.Error and OSError.
    """
    note = note_in(lock.note()) or Note()
    if "" not in note.ids:
        note = replace(note, ids=(*note.ids, ""))
        write_note(lock, note)
    with contextlib.suppress(sqlite3.Error):  # as on a full disk: the file only looks as if its log were lost
        connection.execute(_REMOVE_ID)
    connection.close()
    note_closed(path, lock, note)


def note_closed(path: str, lock: FileLock, note: Note) -> None:
    """Note how a connection that is closed now has left the file."""
    closed = not Path(f"{path}-wal").exists()
    if closed:
        lock.write_note(end_bytes(None, written=False), at=END_AT)
    write_note(lock, replace(note.of(os.stat(path)), closed=closed))


def belongs(path: str, note: Note) -> bool:
    """Tell whether the file is the one that the present log was begun for, or became so by its checkpoints.

    A copy made by VACUUM INTO holds the id of its original, with every page in another place; it is known by not
    being in WAL mode until it is opened. Raises sqlite3.Error for what is no database, and OSError.
    """
    return is_in_wal_mode(path) and id_in_file(path) in note.ids


def is_in_wal_mode(path: str) -> bool:
    """Tell whether the file was opened as a store, as a copy by VACUUM INTO was not yet. Raises OSError."""
    return first_bytes(path, 20)[18:] == _WAL_FORMAT


def id_in_file(path: str) -> str:
    """Return the checkpoint id that the file holds without its log, "" if none.

    `immutable` is what keeps SQLite from looking for a log and from making side files.
    https://www.sqlite.org/uri.html#uriimmutable Raises sqlite3.Error for what is no database.
    """
    with contextlib.closing(sqlite3.connect(file_uri(path, "mode=ro&immutable=1"), uri=True)) as connection:
        try:
            row = connection.execute("SELECT value FROM meta WHERE name = 'checkpoint_id'").fetchone()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_ERROR:
                raise
            return ""  # there is no such table yet
    return bytes(row[0]).decode(errors="replace") if row else ""
