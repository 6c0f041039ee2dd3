"""URLs of PostgreSQL stores: read strictly, and shown without what must not be seen."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl

from bw_exporter.errors import StoreUnusableError

_URL = re.compile(
    r"postgres(?:ql)?://(?:(?P<user>[^:/?@]*)(?::(?P<password>[^/?@]*))?@)?"
    r"(?P<hosts>(?:(?:[\w.%~-]*|\[[\w:.%]+\])(?::\d+)?)(?:,(?:[\w.%~-]*|\[[\w:.%]+\])(?::\d+)?)*)"
    r"(?:/(?P<database>[^/?@]*))?(?:\?(?P<parameters>[^@]*))?",
    re.ASCII,
)

_SECRET_PARAMETERS = {"password", "sslpassword", "oauth_client_secret"}


def is_postgres(url: str) -> bool:
    """Tell whether a URL means a PostgreSQL store."""
    return url.startswith(("postgresql://", "postgres://"))


def has_password(url: str) -> bool:
    """Tell whether a password stands in a PostgreSQL URL, or may stand in one that cannot be read."""
    if not is_postgres(url):
        return False
    found = _URL.fullmatch(url)
    if found is None:
        return "@" in url
    names = {name for name, _ in parse_qsl(found["parameters"] or "", keep_blank_values=True)}
    return bool(found["password"]) or not names.isdisjoint(_SECRET_PARAMETERS)


def shown(url: str) -> str:
    """Return a URL as logs and errors may show it: no password and no parameters.

    Raises StoreUnusableError, which repeats nothing of the URL, for one that cannot be read. libpq reads more
    than this does, and its errors quote what it took for a host or a port: pieces of a password with `/` or `@`.
    """
    found = _URL.fullmatch(url)
    if found is None:
        raise StoreUnusableError(
            "the storage URL cannot be read; write postgresql://user@host:5432/database?sslmode=verify-full, with"
            " other characters than letters and digits in the names and the password percent-encoded (@ is %40)"
        )
    user = f"{found['user']}@" if found["user"] else ""
    return f"postgresql://{user}{found['hosts']}/{found['database'] or ''}"
