"""Where a tenant's webhook secrets come from: the file itself, the environment, or secret files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from bw_exporter.config import files

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bw_exporter.config.problems import Path as KeyPath
    from bw_exporter.config.problems import Problems

MOST_SECRETS = 8
"""A tenant's secrets at once: each is tried for a signature that no earlier one made."""

SOURCES = ("webhook_secret_file", "webhook_secret_env", "webhook_secret")
_ENVIRONMENT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LARGEST_FILE_BYTES = 64 << 10
_LOOKS_SECRET = re.compile(r"^whsec_|\b[spr]k_(live|test)_")
_MISPLACED = "holds a secret itself; put it under webhook_secret, or give the name of where it is"


class SecretReader:
    """Reads secrets, each file once however many tenants share it. Its messages never hold a secret."""

    def __init__(self, folder: Path, environ: Mapping[str, str], *, read: bool) -> None:
        """Relative secret files are looked for in `folder`; with `read=False` nothing outside is touched."""
        self._folder = folder
        self._environ = environ
        self._read = read
        self._cache: dict[tuple[str, str], tuple[str, str]] = {}

    def secrets(self, entry: Mapping[str, object], path: KeyPath, problems: Problems) -> tuple[str, ...]:
        """Return the entry's secrets in its order, without repeats; mistakes are noted in `problems`."""
        given = [source for source in SOURCES if entry.get(source) is not None]
        if not given:
            problems.add(path, f"needs a webhook secret; add one of {', '.join(SOURCES)}")
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
                    secret, message = self._resolve(source, item)
                    if message:
                        problems.add(where, message)
                    found[secret] = None
        found.pop("", None)
        return tuple(found)

    def _resolve(self, source: str, text: str) -> tuple[str, str]:
        """Return (secret, "") or ("", what is wrong)."""
        key = (source, text)
        if key not in self._cache:
            read: dict[str, Callable[[str], tuple[str, str]]] = {
                "webhook_secret": lambda secret: _checked(secret, "the secret"),
                "webhook_secret_env": self._from_environment,
                "webhook_secret_file": self._from_file,
            }
            secret, message = read[source](text)
            self._cache[key] = (secret if self._read else "", message)
        return self._cache[key]

    def _from_environment(self, name: str) -> tuple[str, str]:
        if name.startswith("whsec_"):
            return "", _MISPLACED
        if not _ENVIRONMENT_NAME.fullmatch(name):
            return "", "is no name of an environment variable; use letters, digits and _"
        if not self._read:
            return "", ""
        if not self._environ.get(name):
            shown = f" {name}" if name.isupper() else ""  # an API key put here by mistake has lower case
            return "", f"the environment variable{shown} is not set; set it to the whsec_ secret"
        return _checked(self._environ[name].strip(), "the environment variable")

    def _from_file(self, name: str) -> tuple[str, str]:
        if _LOOKS_SECRET.search(name):
            return "", _MISPLACED
        if not self._read:
            return "", ""
        path = self._folder / name
        try:
            content = files.read(path, _LARGEST_FILE_BYTES)
        except files.UnreadableFileError as error:
            where = name if path.is_absolute() and name == str(path) else f"{name}, here {path.absolute()},"
            return (
                "",
                f"the secret file {where} cannot be read ({error}); give a readable file",
            )
        return _checked(content.decode("utf-8", "replace").strip(), "the content of the secret file")


def _checked(secret: str, what: str) -> tuple[str, str]:
    if not secret:
        return "", f"{what} is empty; Stripe's dashboard shows it as the endpoint's signing secret"
    if not secret.startswith("whsec_"):
        return "", f"{what} must begin with whsec_; copy the endpoint's signing secret, not an API key"
    if not secret.isascii() or not secret.isprintable() or " " in secret or len(secret) <= len("whsec_"):
        return "", f"{what} must be one secret on one line, nothing else"
    return secret, ""
