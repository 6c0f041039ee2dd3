"""The configuration in force: one immutable state, swapped whole: a request sees the old or the new."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bw_exporter.config.tenants import Tenants


@dataclass(frozen=True, slots=True)
class ConfigState:
    """The tenants in force and what became of the last attempt to load their file.

    After a bad file `tenants` and `loaded_at` are those of the last good one and `problems` says, a line
    each, what is wrong. `attempted_monotonic` is the host's monotonic clock just before the file was read,
    comparable between processes: a state answers every request to reload that was made before it.
    """

    tenants: Tenants
    loaded_at: int
    last_reload_successful: bool
    problems: tuple[str, ...]
    attempted_monotonic: float


class CurrentConfig:
    """Holds the state of one process: read `state` once per request; any thread may read at any time."""

    def __init__(self, state: ConfigState) -> None:
        self.state = state
        self._replaced = threading.Condition()

    def replace(self, state: ConfigState) -> None:
        """Put a new state in force and wake those who wait for it."""
        with self._replaced:
            self.state = state
            self._replaced.notify_all()

    def wait_for_attempt(self, since_monotonic: float, timeout_seconds: float) -> ConfigState | None:
        """Return the state of a load begun at or after `since_monotonic`, or None if none came in time."""
        with self._replaced:
            arrived = self._replaced.wait_for(
                lambda: self.state.attempted_monotonic >= since_monotonic, timeout_seconds
            )
            return self.state if arrived else None
