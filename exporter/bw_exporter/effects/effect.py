"""What an effect is: a fact and what is remembered of its object, turned into changes to series."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bw_exporter.config.tenants import Tenant
from bw_exporter.metrics.series import Change
from bw_exporter.store.retention import LEDGER_SECONDS


@dataclass(frozen=True, slots=True)
class Effect:
    """How facts of one type count.

    `state` is the frozen dataclass remembered per object under (`kind`, `key(fact)`), whose defaults mean
    "never seen". `apply` is pure: it returns the next state, or None to remember nothing, and the changes.
    `keep_seconds` says how long the state is kept after a change; None: for good. An effect with a
    `basis` is for tenants on that revenue basis alone.
    """

    kind: str
    key: Callable[[Any], str]
    state: type[Any]
    apply: Callable[[Any, Any, Tenant], tuple[Any, list[Change]]]
    keep_seconds: Callable[[Any], int | None] = lambda _state: LEDGER_SECONDS
    basis: str | None = None
