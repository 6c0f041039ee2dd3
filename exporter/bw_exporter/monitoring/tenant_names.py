"""What to answer where somebody asks for a tenant that does not exist."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

from bw_exporter.metrics import catalog
from bw_exporter.monitoring.landing import counts

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bw_exporter.store import StoreReader

_MOST_NAMED = 10
_LONGEST_ID = 63
_ID = re.compile(r"[a-z0-9][a-z0-9_-]*")


def is_possible(tenant: str) -> bool:
    """Whether a tenant can have this id at all (docs/configuration.md)."""
    return len(tenant) <= _LONGEST_ID and _ID.fullmatch(tenant) is not None


def in_store(store: StoreReader) -> list[str]:
    """Return the ids of all tenants that the store ever had, sorted; raises StoreUnavailableError."""
    return sorted(tenant for tenant in counts.read(store, (catalog.TENANT_CREATED,)) if tenant)


def no_such_tenant(tenant: str, known: Iterable[str]) -> str:
    """Return a sentence that names the tenants there are, the ones most like `tenant` first."""
    names = sorted(known)
    if not names:
        return f"no tenant is called {tenant!r}: there is none yet"
    near = difflib.get_close_matches(tenant, names, n=_MOST_NAMED)
    named = [*near, *(name for name in names if name not in near)][:_MOST_NAMED]
    more = len(names) - len(named)
    rest = f" and {more} more" if more else ""
    return f"no tenant is called {tenant!r}; the tenants are {', '.join(named)}{rest}"
