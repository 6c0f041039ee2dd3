"""A tenant's key to Stripe's API: restricted, to read only, and of the tenant's mode."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bw_exporter.config.secrets.sources import SecretKind, SecretSources, is_one_word

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bw_exporter.config.problems import Path as KeyPath
    from bw_exporter.config.problems import Problems

_MODES = ("live", "test")
_RESTRICTED = tuple(f"rk_{mode}_" for mode in _MODES)
_SECRET = tuple(f"sk_{mode}_" for mode in _MODES)


class ApiKeyReader:
    """Reads keys. A secret key, which could move money, is refused unless `allow_secret_key`."""

    def __init__(
        self, folder: Path, environ: Mapping[str, str], *, read: bool, allow_secret_key: bool = False
    ) -> None:
        """Relative files are looked for in `folder`; with `read=False` nothing outside the file is touched."""
        kind = SecretKind("api_key", "the rk_ key", _mistake_with_secret if allow_secret_key else _mistake)
        self._kind, self._sources = kind, SecretSources(kind, folder, environ, read=read)

    def key(self, entry: Mapping[str, object], mode: str, path: KeyPath, problems: Problems) -> str:
        """Return the entry's key, empty where none is given; mistakes are noted in `problems`."""
        given = [source for source in self._kind.sources if entry.get(source) is not None]
        if len(given) > 1:
            problems.add((*path, given[-1]), f"{' and '.join(given)} are both given; keep one of them")
            return ""
        for source in given:
            value = entry[source]
            if not isinstance(value, str) or not value:
                problems.add((*path, source), "must be text; put it in quotes")
                continue
            key, message = self._sources.resolve(source, value)
            if message:
                problems.add((*path, source), message)
            elif key and f"k_{mode}_" not in key[: len("rk_live_")]:
                problems.add(
                    (*path, source), f"is a key of another mode; the tenant's is {mode}: make one there"
                )
            return key
        return ""


def _mistake(key: str) -> str:
    if key.startswith(_SECRET):
        return (
            "is a secret key, which can move money; make a restricted key that may only read,"
            " or insist with --allow-secret-key"
        )
    return _mistake_with_secret(key)


def _mistake_with_secret(key: str) -> str:
    if not key:
        return "is empty; make a restricted key in Stripe's dashboard, under Developers, API keys"
    if not key.startswith((*_RESTRICTED, *_SECRET)):
        return "must begin with rk_live_ or rk_test_; copy a restricted API key, no other secret"
    if not is_one_word(key) or len(key) <= len(_RESTRICTED[0]):
        return "must be one key on one line, nothing else"
    return ""
