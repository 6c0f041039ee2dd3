"""A tenant's webhook secrets: one, or several while one is rolled."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bw_exporter.config.secrets.sources import SecretKind, SecretSources, is_one_word

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bw_exporter.config.problems import Path as KeyPath
    from bw_exporter.config.problems import Problems

MOST_SECRETS = 8
"""A tenant's secrets at once: each is tried for a signature that no earlier one made."""


class SecretReader:
    """Reads secrets, each file once however many tenants share it. Its messages never hold a secret."""

    def __init__(self, folder: Path, environ: Mapping[str, str], *, read: bool) -> None:
        """Relative secret files are looked for in `folder`; with `read=False` nothing outside is touched."""
        self._sources = SecretSources(WEBHOOK_SECRET, folder, environ, read=read)

    def secrets(self, entry: Mapping[str, object], path: KeyPath, problems: Problems) -> tuple[str, ...]:
        """Return the entry's secrets in its order, without repeats; mistakes are noted in `problems`."""
        given = [source for source in WEBHOOK_SECRET.sources if entry.get(source) is not None]
        if not given:
            problems.add(path, f"needs a webhook secret; add one of {', '.join(WEBHOOK_SECRET.sources)}")
        if len(given) > 1:
            problems.add((*path, given[-1]), f"{' and '.join(given)} are both given; keep one of them")
        found: dict[str, None] = {}
        for source in given:
            value = entry[source]
            listed = isinstance(value, list)
            if value in ([], ""):
                problems.add(
                    (*path, source), "is empty; give a secret that begins with whsec_, or where it is"
                )
            items = value if isinstance(value, list) else [value]
            if len(items) > MOST_SECRETS:
                problems.add(
                    (*path, source),
                    f"has {len(items)} secrets; at most {MOST_SECRETS} are tried, so take out those that are rolled",
                )
            for number, item in enumerate(items[:MOST_SECRETS]):
                where = (*path, source, number) if listed else (*path, source)
                if not isinstance(item, str):
                    problems.add(where, "must be text or a list of texts; put it in quotes")
                elif item:
                    secret, message = self._sources.resolve(source, item)
                    if message:
                        problems.add(where, message)
                    found[secret] = None
        found.pop("", None)
        return tuple(found)


def _mistake(secret: str) -> str:
    if not secret:
        return "is empty; Stripe's dashboard shows it as the endpoint's signing secret"
    if not secret.startswith("whsec_"):
        return "must begin with whsec_; copy the endpoint's signing secret, not an API key"
    if not is_one_word(secret) or len(secret) <= len("whsec_"):
        return "must be one secret on one line, nothing else"
    return ""


WEBHOOK_SECRET = SecretKind("webhook_secret", "the whsec_ secret", _mistake)
