"""How a dashboard draws a detector: the recorded value, and beside it the level at which the alert fires."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_PLACEHOLDER = re.compile(r"\$([a-z]+)")


@dataclass(frozen=True, slots=True)
class Panel:
    """A detector's panel on the Tenant dashboard.

    `value` and `level` are names of recorded series in one unit. A word after `$` in them stands for what a tenant's
    own thresholds put there, as in `tenant:billing_disputes:delta$window`, or for nothing where the series has a label
    `window` instead; the dashboard draws each window with its level. `unit` is one of Grafana's, or `money`: minor
    units of the currency that the alert names. `fires` is the legend of the level.
    """

    title: str
    description: str
    value: str
    level: str
    unit: str = "short"
    fires: str = "fires from"

    @property
    def placeholders(self) -> tuple[str, ...]:
        """The words that stand for thresholds, in the order of the level's name."""
        return tuple(_PLACEHOLDER.findall(self.level))

    def filled(self, text: str, put: Callable[[str], str]) -> str:
        """Return one of the texts with each placeholder replaced by what `put` returns for its word.

        >>> panel = Panel("Late", "", "tenant:late:delta$window", "tenant:late:threshold$window")
        >>> panel.filled(panel.value, lambda word: f"${{lag_{word}}}")
        'tenant:late:delta${lag_window}'
        """
        known = self.placeholders
        return _PLACEHOLDER.sub(lambda match: put(match[1]) if match[1] in known else match[0], text)
