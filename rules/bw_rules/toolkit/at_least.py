"""A shape that several detectors share: so many in a window, from a least number on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from bw_rules.toolkit.promql import Counter, Recording, Scope
from bw_rules.toolkit.thresholds import WholeBetween

if TYPE_CHECKING:
    from collections.abc import Callable

LeastEvents = Annotated[
    int,
    WholeBetween(1, 1_000_000),
    Field(description="Fewer events in the window than this do not matter."),
]


@dataclass(frozen=True, slots=True)
class AtLeast:
    """What `counter` counts within the thresholds' `window` is at least their `min_events`.

    `counter` takes the thresholds, on which it may depend.
    """

    counter: Callable[[Any], Counter]

    def recordings(self, t: Any, scope: Scope) -> tuple[Recording, ...]:  # noqa: ANN401 - a detector's thresholds
        """Return the counter, and how much came in the window."""
        counter = self.counter(t)
        return (counter.recording(scope), counter.delta(scope, t.window))

    def condition(self, t: Any, scope: Scope) -> str:  # noqa: ANN401
        """Return PromQL for: enough came in the window."""
        return f"{scope.recorded(self.counter(t).delta_name(t.window))} >= {t.min_events}"

    def threshold(self, t: Any, scope: Scope) -> Recording:  # noqa: ANN401
        """Return the least number."""
        counter = self.counter(t)
        level = f"{t.min_events} + 0 * {scope.recorded(counter.max_name)}"
        return Recording(counter.threshold_name(t.window), level)
