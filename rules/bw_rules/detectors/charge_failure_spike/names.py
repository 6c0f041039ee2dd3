"""Names of what is recorded of failed payments, and the windows and bars that all of it has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bw_exporter.config.durations import render as duration
from bw_rules.detectors.charge_failure_spike.counters import ATTEMPTS, FAILURES, INVOICED
from bw_rules.toolkit.bars import BARS, MIN_LONG
from bw_rules.toolkit.promql import DAY, HOUR, Scope

if TYPE_CHECKING:
    from fractions import Fraction

    from bw_rules.detectors.charge_failure_spike import Thresholds

FAILED = f"tenant:{FAILURES.name}:delta"
TRIED = f"tenant:{ATTEMPTS.name}:delta"
EVIDENCE = f"tenant:{FAILURES.name}:evidence"
LEVEL = f"tenant:{FAILURES.name}:threshold"
ON = "tenant, window"
SHORT, LONG = (HOUR, 6 * HOUR), (DAY, 3 * DAY)
OF_INVOICES = "6h of invoices"


@dataclass(frozen=True, slots=True)
class Names:
    """Names of the habits of so many weeks, and of what leaves out events that were so old."""

    suffix: str
    old: str

    @property
    def old_share(self) -> str:
        """Share of each window's events that were old when they came."""
        return f"tenant:billing_failure_windows:old_share{self.old}"

    @property
    def evidence(self) -> str:
        """Evidence (nats) that more failed in a window than usually does."""
        return f"{EVIDENCE}{self.old}{self.suffix}"

    @property
    def share(self) -> str:
        """Share of attempts that usually fail, by window."""
        return f"tenant:{FAILURES.name}:usual_share{self.suffix}"

    @property
    def shares(self) -> str:
        """The same by kind of window, from which `share` is made."""
        return f"tenant:{FAILURES.name}:share{self.suffix}"

    @property
    def times(self) -> str:
        """How many times the same hours' failures a window has."""
        return f"tenant:{FAILURES.name}:times_same_hours"

    @property
    def unjudged(self) -> str:
        """Attempts of the hour of tenants whose usual share nobody knows."""
        return f"tenant:{ATTEMPTS.name}:unjudged1h{self.old}{self.suffix}"

    @property
    def deviations(self) -> str:
        """Failures three deviations above those of the same hours."""
        return f"tenant:{FAILURES.name}:same_hours_root"

    @property
    def due(self) -> str:
        """Failures that are due at the present number of attempts."""
        return f"tenant:{FAILURES.name}:due{self.suffix}"

    def enough(self, sensitivity: str, step: str = "") -> str:
        """Return the name of the number of failures with enough evidence, or of a step towards it."""
        return f"tenant:{FAILURES.name}:enough_{sensitivity}{step}{self.suffix}"

    def needed(self, t: Thresholds) -> str:
        """Return the name of the number of failures that would be a spike."""
        multiplier = str(t.multiplier).replace(".", "_")
        return f"tenant:{FAILURES.name}:needed_{t.sensitivity}_x{multiplier}{self.suffix}"

    @property
    def same_hours(self) -> str:
        """The most failures of the same hours before."""
        return f"tenant:{FAILURES.name}:same_hours"

    @property
    def peak(self) -> str:
        """The most failures on invoices in any six hours of a day."""
        return f"tenant:{INVOICED.name}:peak1d"

    @property
    def most(self) -> str:
        """The most failures on invoices in any six hours of the past."""
        return f"tenant:{INVOICED.name}:most6h{self.suffix}"

    @property
    def daily(self) -> str:
        """Failures on invoices on an average day."""
        return f"tenant:{INVOICED.name}:mean1d{self.suffix}"


def names_of(t: Thresholds) -> Names:
    """Return the names for the thresholds' weeks of past and bound of old events."""
    return Names(
        "" if t.weeks == t.USUAL_WEEKS else f"_{t.weeks}w",
        "" if t.old_seconds == t.USUAL_OLD_SECONDS else f"_over{t.old_seconds}s",
    )


def bars(t: Thresholds) -> tuple[tuple[str, int, Fraction], ...]:
    """(matcher of windows, least number, evidence) of the short and of the long windows."""
    short, long = BARS["failures"][t.sensitivity]
    windows = "|".join((*(duration(w) for w in SHORT), OF_INVOICES))
    return (
        (f'window=~"{windows}"', t.min_failures, short),
        (f'window=~"{"|".join(duration(w) for w in LONG)}"', MIN_LONG, long),
    )


def narrowed(scope: Scope, name: str, window: str) -> str:
    """Return the selector of a recorded series, of the scope's tenants and the matcher of windows."""
    return f"{name}{{{','.join(part for part in (scope.tenants, window) if part)}}}"
