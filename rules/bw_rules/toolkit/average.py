"""What is usual for a tenant, as PromQL: the average of its past, of which a spike is a multiple."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from bw_rules.toolkit.promql import created, scaled, times

if TYPE_CHECKING:
    from decimal import Decimal

    from bw_rules.toolkit.promql import Scope


@dataclass(frozen=True, slots=True)
class Average:
    """What a tenant has in a `window` on average over the `baseline` before it, so far as it has been there.

    `past` is PromQL for what it had in that time; `multiplier` times the average is asked of.
    """

    scope: Scope
    past: str
    multiplier: Decimal
    window: int
    baseline: int

    @property
    def _factor(self) -> Fraction:
        return Fraction(self.multiplier) * self.window

    @property
    def _lived(self) -> str:
        """PromQL for how many seconds of the `baseline` before the `window` each tenant has been there.

        At least 1, and whole: a tenant no older than the window has no past, of which no multiple is too much.
        """
        return f"clamp(floor(time() - {created(self.scope)}) - {self.window}, 1, {self.baseline})"

    def reached_by(self, vector: str) -> str:
        """Return PromQL for where a vector is that many times the average."""
        spent = f"{vector} * on (tenant) {self._lived}"
        return scaled(spent, ">=", self._factor, self.past)

    def level(self) -> str:
        """Return PromQL for that many times the average."""
        spent = times(self._factor.denominator, self._lived)
        return f"{times(self._factor.numerator, self.past)} / on (tenant) ({spent})"
