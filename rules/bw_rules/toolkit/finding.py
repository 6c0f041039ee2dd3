"""What detectors of single findings have in common: one found is enough, and it is shown for a while."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from bw_exporter.metrics import catalog
from bw_rules.toolkit.cases import ALWAYS, MINUTE, Case, Outcome, Series, Steps, steps
from bw_rules.toolkit.detector import Detector
from bw_rules.toolkit.panel import Panel
from bw_rules.toolkit.promql import HOUR, Counter, Recording, Scope, counter

if TYPE_CHECKING:
    from collections.abc import Callable

    from bw_exporter.metrics.family import Family
    from bw_rules.toolkit.detector import Runbook


class Held(Protocol):
    """Thresholds with `hold`, the seconds for which a finding is shown."""

    @property
    def hold(self) -> int:
        """Seconds."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A counter of findings and the gauge of when the last one was made, where there is one.

    `metric` and `labels` are the exported counter; `found` is it as the rules see it.
    """

    found: Counter
    last: Family | None
    metric: Family
    labels: str = ""

    def detector(
        self,
        *,
        alert: str,
        summary: str,
        description: Callable[[Any], str],
        runbook: Runbook,
        title: str,
        normal: str,
    ) -> Detector:
        """Return the whole detector; `title` and `normal` are its panel's title and description."""
        return Detector(
            alert=alert,
            summary=summary,
            recordings=self.recordings,
            condition=self.condition,
            threshold=self.threshold,
            description=description,
            reach=lambda t: int(t.hold),
            findings=True,
            runbook=runbook,
            cases=self.cases,
            panel=Panel(
                title,
                normal,
                f"tenant:{self.found.name}:delta$hold",
                f"tenant:{self.found.name}:threshold$hold",
            ),
        )

    def recordings(self, t: Held, scope: Scope) -> tuple[Recording, ...]:
        """How many were found within the hold."""
        return (self.found.recording(scope), self.found.delta(scope, t.hold))

    def condition(self, t: Held, scope: Scope) -> str:
        """One was found: the counter is exact, the time of the last one needs no history at all."""
        counted = f"{scope.recorded(self.found.delta_name(t.hold))} >= 1"
        if self.last is None:
            return counted
        last = f"max by (tenant) ({scope.latest(self.last.name)} > 0)"
        return f"{counted}\nor on (tenant)\n(1 + 0 * (time() - {last} < {t.hold}))"

    def threshold(self, t: Held, scope: Scope) -> Recording:
        """One is enough."""
        return Recording(self.found.threshold_name(t.hold), f"1 + 0 * {scope.recorded(self.found.max_name)}")

    def cases(self, t: Held) -> tuple[Case, ...]:
        """Within the hold and just past it, through outages and replicas, by the counter and by the time."""
        inside, outside = max(t.hold - MINUTE, t.hold // 2), t.hold + MINUTE
        recent = min(5 * MINUTE, t.hold // 2)
        outage = steps((3 * HOUR + recent, None), (recent, 101))
        return (
            self._case("found just within the hold", "fires", steps((inside, 101))),
            self._case("found just before the hold", "quiet", steps((outside, 101))),
            self._case("found while nothing was scraped for three hours", "fires", outage),
            self._case("found and told by two replicas", "fires", *[steps((inside, 101))] * 2),
            self._case(
                "a new replica that tells what the old one told",
                "quiet",
                steps((inside, None)),
                ((inside, 100),),
            ),
            self._case("never found", "quiet", steps()),
            self._case("a store restored from a backup", "quiet", steps((inside, 99))),
            *(self._by_time(inside, outside) if self.last else ()),
        )

    def _by_time(self, inside: int, outside: int) -> tuple[Case, ...]:
        return (
            self._case("the time alone just within the hold", "fires", ((inside, 101),), last=inside),
            self._case("the time alone just before the hold", "quiet", ((outside, 101),), last=outside),
        )

    def _case(self, name: str, outcome: Outcome, *rises: Steps, last: int = 0) -> Case:
        counters = (
            Series(self.metric.name, rise, self.labels, f"replica-{number}")
            for number, rise in enumerate(rises)
        )
        when = ((ALWAYS, 0), (last, last)) if last else ((ALWAYS, 0),)
        times = [Series(self.last.name, when, timestamps=True)] if self.last else []
        return Case(name, outcome, (*counters, *times), fine=True)


def of_kind(kind: str) -> Finding:
    """Return the detector's part that is the same for every check that reports findings of a kind."""
    where = f'kind="{kind}"'
    found = counter(catalog.FINDINGS, where=where, bridge=6 * HOUR, name=f"billing_findings_{kind}")
    return Finding(found, None, catalog.FINDINGS, where)
