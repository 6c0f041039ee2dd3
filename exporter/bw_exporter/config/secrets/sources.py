"""Where a secret of tenants.yaml may be: in the file itself, in the environment, or in a file of its own.

Whatever kind of secret it is, it is read once however many tenants share it, and no message holds it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bw_exporter.config.reading import files

_ENVIRONMENT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LARGEST_FILE_BYTES = 64 << 10
_LOOKS_SECRET = re.compile(r"^whsec_|\b[spr]k_(live|test)_")


@dataclass(frozen=True, slots=True)
class SecretKind:
    """A kind of secret: the key that holds one, `KEY_env` and `KEY_file` beside it, and what it has to look like.

    `mistake` returns what is wrong with a secret, said after what it is ("the secret"), or nothing; `example` ends
    "set it to".
    """

    key: str
    example: str
    mistake: Callable[[str], str]

    @property
    def sources(self) -> tuple[str, str, str]:
        """The keys of tenants.yaml under which it may be given."""
        return (f"{self.key}_file", f"{self.key}_env", self.key)


class SecretSources:
    """Reads secrets of one kind."""

    def __init__(self, kind: SecretKind, folder: Path, environ: Mapping[str, str], *, read: bool) -> None:
        """Relative files are looked for in `folder`; with `read=False` nothing outside the file is touched."""
        self._kind, self._folder, self._environ, self._read = kind, folder, environ, read
        self._cache: dict[tuple[str, str], tuple[str, str]] = {}

    def resolve(self, source: str, text: str) -> tuple[str, str]:
        """Return (secret, "") or ("", what is wrong) of what stands under one of the kind's keys."""
        key = (source, text)
        if key not in self._cache:
            by_file, by_environment, _ = self._kind.sources
            read = {by_file: self._from_file, by_environment: self._from_environment}.get(source, self._given)
            secret, message = read(text)
            self._cache[key] = (secret if self._read else "", message)
        return self._cache[key]

    def _given(self, secret: str) -> tuple[str, str]:
        return self._checked(secret, "the secret")

    def _from_environment(self, name: str) -> tuple[str, str]:
        if _LOOKS_SECRET.search(name):
            return "", self._misplaced()
        if not _ENVIRONMENT_NAME.fullmatch(name):
            return "", "is no name of an environment variable; use letters, digits and _"
        if not self._read:
            return "", ""
        if not self._environ.get(name):
            shown = f" {name}" if name.isupper() else ""  # a secret put here by mistake has lower case
            return "", f"the environment variable{shown} is not set; set it to {self._kind.example}"
        return self._checked(self._environ[name].strip(), "the environment variable")

    def _from_file(self, name: str) -> tuple[str, str]:
        if _LOOKS_SECRET.search(name):
            return "", self._misplaced()
        if not self._read:
            return "", ""
        path = self._folder / name
        try:
            content = files.read(path, _LARGEST_FILE_BYTES)
        except files.UnreadableFileError as error:
            where = name if path.is_absolute() and name == str(path) else f"{name}, here {path.absolute()},"
            return "", f"the secret file {where} cannot be read ({error}); give a readable file"
        return self._checked(content.decode("utf-8", "replace").strip(), "the content of the secret file")

    def _misplaced(self) -> str:
        return f"holds a secret itself; put it under {self._kind.key}, or give the name of where it is"

    def _checked(self, secret: str, what: str) -> tuple[str, str]:
        if wrong := self._kind.mistake(secret):
            return "", f"{what} {wrong}"
        return secret, ""


def is_one_word(secret: str) -> bool:
    """Tell whether a secret can go into a header: printable ASCII without a space."""
    return secret.isascii() and secret.isprintable() and " " not in secret
