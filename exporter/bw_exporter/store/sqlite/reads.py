"""What is read from a SQLite store to be shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from bw_exporter.metrics.catalog import FAMILIES
from bw_exporter.store.protocol import Finding


class SqliteReads:
    """See protocol.StoreReader."""

    def _read(self, query: str, parameters: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        raise NotImplementedError

    def families(self, tenants: Sequence[str]) -> list[tuple[int, bytes]]:
        return self._read(
            "SELECT family, CAST(group_concat(line || value, char(10)) AS BLOB) FROM series"
            " WHERE tenant NOT IN (SELECT tenant FROM tenants"
            " WHERE tenant NOT IN (SELECT value FROM json_each(?))) GROUP BY family",
            (orjson.dumps(list(tenants)).decode(),),
        )

    def samples(self, tenant: str) -> dict[str, int]:
        numbers = [str(family.number) for family in FAMILIES if family.stored]
        query = f"SELECT line, value FROM series WHERE family IN ({','.join(numbers)}) AND tenant = ?"  # noqa: S608 - integers of ours
        return dict(self._read(query, (tenant,)))

    def above_zero(
        self, families: Sequence[int], tenants: Sequence[str] | None = None
    ) -> list[tuple[str, str, int]]:
        listed = " IN (SELECT value FROM json_each(?))"
        query = f"SELECT tenant, line, value FROM series WHERE family{listed} AND value > 0"  # noqa: S608 - constants
        if tenants is not None:
            query += f" AND tenant{listed}"
        return self._read(
            query, tuple(orjson.dumps(part).decode() for part in (families, tenants) if part is not None)
        )

    def findings(self, *, tenant: str | None, since_at: int, limit: int) -> list[Finding]:
        rows = self._read(
            "SELECT found_at, tenant, kind, details FROM findings"
            " WHERE found_at >= ? AND (? IS NULL OR tenant = ?) ORDER BY found_at DESC, id DESC LIMIT ?",
            (since_at, tenant, tenant, limit),
        )
        return [Finding(found_at, owner, kind, orjson.loads(raw)) for found_at, owner, kind, raw in rows]

    def remembered(self, tenant: str, kind: str, key: str) -> bytes | None:
        query = "SELECT state FROM ledger WHERE tenant = ? AND key = ? AND kind = ?"
        rows = self._read(query, (tenant, key, kind))
        return bytes(rows[0][0]) if rows else None

    def remembers_event(self, tenant: str, *, besides: str = "") -> bool:
        query = (
            "SELECT EXISTS (SELECT 1 FROM events"
            " WHERE tenant = ?1 AND (?2 = '' OR substr(event, 1, length(?2)) <> ?2))"
        )
        return bool(self._read(query, (tenant, besides))[0][0])
