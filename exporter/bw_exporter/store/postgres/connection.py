"""Connections to PostgreSQL: how long anything is waited for, and how a database becomes a store of ours."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Iterator
from typing import Any, LiteralString, TypeVar

import psycopg
from psycopg import conninfo
from psycopg.abc import PQGen

from bw_exporter.errors import StoreUnavailableError, StoreUnusableError
from bw_exporter.store.postgres.schema import LATEST, META, MIGRATIONS
from bw_exporter.store.postgres.url import shown

RV = TypeVar("RV")

IDLE_SECONDS = 3
"""After this the server ends the transaction of a writer that has stopped, frozen or cut off, and frees its lock."""

LOCK_SECONDS = 5
"""How long a writer waits for the lock of another: longer than IDLE_SECONDS, so that one that stopped is outlived."""

STATEMENT_SECONDS = 6
"""How long the server lets one statement of a writer take, the wait for the lock included."""

TRANSACTION_SECONDS = 10
"""How long the server lets a writer's transaction take in all, from PostgreSQL 17 on."""

ANSWER_SECONDS = 7.0
"""How long the answer to a writer's statement is waited for: longer than the server lets any of them take."""

READ_SECONDS = 30.0
"""How long a scrape may take."""

_NETWORK: dict[str, Any] = {
    "connect_timeout": 5,
    # A server that vanished without a word is noticed within 6 s, whether it is asked or listened to.
    "keepalives_idle": 3,
    "keepalives_interval": 1,
    "keepalives_count": 3,
    "tcp_user_timeout": 6000,
    "application_name": "billingwatch",
}

_BEGIN: LiteralString = f"""
BEGIN ISOLATION LEVEL READ COMMITTED;
SET LOCAL lock_timeout = '{LOCK_SECONDS}s';
SET LOCAL statement_timeout = '{STATEMENT_SECONDS}s';
SET LOCAL idle_in_transaction_session_timeout = '{IDLE_SECONDS}s';
SET LOCAL enable_seqscan = off;
SET LOCAL enable_hashjoin = off;
SET LOCAL enable_mergejoin = off;
SELECT set_config('transaction_timeout', '{TRANSACTION_SECONDS}s', true)
    WHERE current_setting('server_version_num')::int >= 170000;
SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') = 'off';
SELECT 1 FROM bw_meta WHERE name = 'writer' FOR UPDATE
"""  # noqa: S608 - constants
"""All settings are the transaction's own, so that a pooler may give each to another session. An index always
serves, row by row: a plan made while the tables were small, or not analyzed yet, must not outlive that. A role or a
database may have been set to acknowledge what is not on disk yet. The lock comes last, so that what follows sees what
the writer before left."""


_NO_TIMEOUT = """
SET LOCAL statement_timeout = 0;
SELECT set_config('transaction_timeout', '0', true) WHERE current_setting('server_version_num')::int >= 170000
"""


class UnansweredError(psycopg.OperationalError):
    """The server is there and does not answer; asking it again would take as long."""


class Connection(psycopg.Connection[tuple[Any, ...]]):
    """A connection that gives up where the server does not answer: a frozen one keeps TCP alive for ever."""

    answer_seconds = ANSWER_SECONDS

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        """Wait for the server; raises UnansweredError and closes where it takes too long."""
        until = time.monotonic() + self.answer_seconds
        try:
            return super().wait(gen, interval, self.answer_seconds if timeout is None else timeout)
        except psycopg.OperationalError as error:
            if timeout is not None or time.monotonic() < until:
                raise
            self.pgconn.finish()
            raise UnansweredError(f"the server did not answer within {self.answer_seconds:g} s") from error


def connect(url: str, answer_seconds: float = ANSWER_SECONDS) -> Connection:
    """Connect, speaking UTF-8; what the URL or libpq's environment says of the network goes before our own.

    Raises psycopg.Error.
    """
    given = conninfo.conninfo_to_dict(url)
    missing = {name: value for name, value in _NETWORK.items() if name not in given}
    ours = conninfo.make_conninfo(url, **{**missing, "client_encoding": "UTF8"})
    connection = Connection.connect(ours, autocommit=True)
    connection.answer_seconds = answer_seconds
    try:
        if _is_pooled(connection):
            connection.prepare_threshold = None
    except BaseException:
        connection.close()
        raise
    return connection


def _is_pooled(connection: Connection) -> bool:
    """Tell whether a pooler stands between, which gives each of its connections a number of its own making.

    Nothing may be prepared there: the next transaction may be in another's session, where the same name is taken, and
    not always for the same statement.
    """
    return connection.execute("SELECT pg_backend_pid()").fetchone() != (connection.info.backend_pid,)


def lock_writers(connection: Connection) -> None:
    """Begin a transaction and wait for its turn among the writers of all replicas.

    A row is locked rather than an advisory key: every database of this protocol has rows, and poolers keep to them.
    """
    connection.execute(_BEGIN, prepare=False)


def reason(error: psycopg.Error) -> str:
    """Return what the server or libpq said, on one line."""
    said = error.diag.message_primary or str(error)
    return " ".join(said.split()) or type(error).__name__


@contextlib.contextmanager
def reported(url: str) -> Iterator[None]:
    """Turn what keeps a store from being opened into StoreUnusableError with the way out."""
    try:
        yield
    except psycopg.errors.InsufficientPrivilege as error:
        raise StoreUnusableError(
            f"the store {shown(url)} cannot be used by this role: {reason(error)}; let it own its schema, or open"
            " the store once as a role that does and grant this one SELECT, INSERT, UPDATE and DELETE"
        ) from error
    except psycopg.errors.ReadOnlySqlTransaction as error:
        raise StoreUnusableError(
            f"the store {shown(url)} is read-only: {reason(error)}; where the URL names several hosts, add"
            " target_session_attrs=read-write"
        ) from error
    except psycopg.Error as error:
        raise StoreUnusableError(
            f"cannot open the store {shown(url)}: {reason(error)}; {_way_out(reason(error))}"
        ) from error


def _way_out(said: str) -> str:
    """Return what to do about an error at connecting; libpq gives those no codes."""
    if any(words in said for words in ("certificate verify failed", "match host name", "root certificate")):
        return (
            "let sslrootcert name the CA that signed the server's certificate, and write the host as it does"
        )
    if "not support SSL" in said:
        return "let the server have ssl = on, or a pooler client_tls_sslmode = require"
    if "startup parameter" in said:
        return "a pooler does not pass it on: set it at the role instead, with ALTER ROLE ... SET"
    if "statement pooling" in said:
        return "a pooler has to keep a transaction together: set its pool_mode to transaction or session"
    return (
        "is the server there, and does it let this user in? A password is read from BW_STORAGE_URL, PGPASSWORD or"
        " PGPASSFILE"
    )


def prepare(connection: Connection, url: str, *, migrate: bool) -> tuple[int, bytes]:
    """Return the schema and the key under which payers are remembered, after bringing the tables forward.

    Without `migrate` nothing is written, and the schema may be an older one. Several processes may do so at once.
    Raises psycopg.Error, and StoreUnusableError for a newer store, where there is none and none may be made, and for
    a database of another encoding than UTF8, in which not every text has a place.
    """
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise StoreUnusableError(
            f"the database of {shown(url)} has the encoding {encoding}, and a store needs UTF8: make another one with"
            " CREATE DATABASE billingwatch ENCODING 'UTF8' TEMPLATE template0, and name it in the URL"
        )
    version = _version(connection)
    if version is None and not migrate:
        raise StoreUnusableError(
            f"there is no store {shown(url)}; give the --storage.url that `serve` was given"
        )
    if version is None:
        _bootstrap(connection)
        version = 0
    if version > LATEST:
        raise StoreUnusableError(
            f"the store {shown(url)} has schema {version}, this version knows {LATEST}: upgrade"
            " billingwatch-exporter, or restore the backup made before the upgrade"
        )
    if version < LATEST and migrate:
        _migrate(connection)
        version = LATEST
    row = connection.execute("SELECT value FROM bw_meta WHERE name = 'payer_key'").fetchone()
    if row is None:
        raise StoreUnavailableError(f"the store {shown(url)} has lost its key of payers; restore a backup")
    return version, bytes(row[0])


def _version(connection: Connection) -> int | None:
    try:
        row = connection.execute("SELECT value FROM bw_meta WHERE name = 'schema'").fetchone()
    except psycopg.errors.UndefinedTable:
        return None
    return int(row[0]) if row else None


def _bootstrap(connection: Connection) -> None:
    """Make the table of the lock; of several who do so at once, IF NOT EXISTS fails all but one."""
    for statement in META:
        with contextlib.suppress(psycopg.errors.UniqueViolation, psycopg.errors.DuplicateTable):
            connection.execute(statement)


def _migrate(connection: Connection) -> None:
    lock_writers(connection)
    try:
        connection.execute(_NO_TIMEOUT, prepare=False)
        version = _version(connection) or 0
        for migration in MIGRATIONS[version:]:
            for statement in migration.statements:
                connection.execute(statement)
        connection.execute("UPDATE bw_meta SET value = %s WHERE name = 'schema'", (str(LATEST).encode(),))
        connection.execute(
            "INSERT INTO bw_meta VALUES ('payer_key', %s) ON CONFLICT DO NOTHING", (secrets.token_bytes(32),)
        )
        connection.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(psycopg.Error):
            connection.execute("ROLLBACK")
        raise
