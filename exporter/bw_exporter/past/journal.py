"""What was noted of a past so far, in a file beside the one being made, so that a long past can be gone on with."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bw_exporter.errors import BillingWatchError
from bw_exporter.past.steps import Scrapes, Steps


@dataclass(frozen=True, slots=True)
class Plan:
    """What a past is made of; it stays the same however often it is gone on with."""

    steps: Steps
    tenants: tuple[str, ...]
    storage_url: str


class Journal:
    """A line of JSON for the plan, and one for each step that changed something: its number, and lines with values."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def plan(self) -> Plan | None:
        """Return the plan of a past that was begun; None where none was."""
        entries = self._entries()
        if not entries:
            return None
        head = entries[0]
        return Plan(Steps(**head["steps"]), tuple(head["tenants"]), head["storage_url"])

    def begin(self, plan: Plan) -> None:
        """Write the plan of a new past. Raises BillingWatchError where the file cannot be written."""
        head = {"steps": asdict(plan.steps), "tenants": plan.tenants, "storage_url": plan.storage_url}
        self._append(json.dumps(head), os.O_TRUNC)

    def note(self, step: int, changed: Mapping[str, int]) -> None:
        """Keep what changed in a step."""
        if changed:
            self._append(json.dumps([step, changed]), os.O_APPEND)

    def replay(self, scrapes: Scrapes) -> int:
        """Note in `scrapes` all that was kept; return the last step of it."""
        last = 0
        for step, changed in self._entries()[1:]:
            scrapes.note(step, changed)
            last = step
        return last

    def end(self) -> None:
        """Remove the file: the past is whole."""
        self.path.unlink(missing_ok=True)

    def _append(self, line: str, flag: int) -> None:
        try:
            with os.fdopen(os.open(self.path, os.O_WRONLY | os.O_CREAT | flag, 0o600), "w") as file:
                file.write(line + "\n")
        except OSError as error:
            raise BillingWatchError(f"{self.path} cannot be written: {error.strerror}") from error

    def _entries(self) -> list[Any]:
        """Return what the file holds, but for a last line that was cut short."""
        try:
            text = self.path.read_text()
        except FileNotFoundError:
            return []
        whole, _, _ = text.rpartition("\n")
        if text != whole + "\n" and text:
            self.path.write_text(whole + "\n" if whole else "")
        try:
            return [json.loads(line) for line in whole.splitlines()]
        except ValueError as error:
            raise BillingWatchError(f"{self.path} is no past that can be gone on with; delete it") from error
