"""The exceptions that callers of this package may catch."""

from __future__ import annotations

from dataclasses import dataclass


class BillingWatchError(Exception):
    """Base of every error raised on purpose; its text tells the reader what to do next."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in a configuration file.

    `path` is dotted (`tenants.prod.mode`), or `line 12` where the file has no structure yet;
    `message` says what is wrong and the way out. Neither ever holds a secret's value.
    """

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


class ConfigError(BillingWatchError):
    """A configuration file cannot be used; `problems` holds every mistake found in it, in file order."""

    def __init__(self, source: str, problems: tuple[Problem, ...]) -> None:
        """`source` is the file's path as the user gave it."""
        super().__init__("\n".join(f"{source}: {problem}" for problem in problems))
        self.source = source
        self.problems = problems

    def __reduce__(self) -> tuple[type[ConfigError], tuple[str, tuple[Problem, ...]]]:
        """Cross process borders whole: the supervisor reports a bad reload to its workers."""
        return type(self), (self.source, self.problems)


class StoreUnavailableError(BillingWatchError):
    """The store cannot commit or read just now; nothing was counted and the request may be repeated."""


class StoreUnusableError(BillingWatchError):
    """The store cannot be opened at all (a newer schema, no SQLite file, no permission); start-up ends."""
