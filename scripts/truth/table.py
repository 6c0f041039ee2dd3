"""The table that `make truth` prints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from statistics import median

from bw_simulator.fleet.calendar import DAY, MINUTE
from bw_simulator.fleet.past import Fleet
from bw_simulator.fleet.rates import born_at
from truth.cause import ANNOUNCED, cause
from truth.evaluate import JUDGED, Alert
from truth.judge import Judgement, Outcome, Verdict

_MONTH_DAYS = 30
_HEAD = ("detector", "incidents", "caught", "masked", "missed", "delay", "false", "a tenant-month")
_WIDTHS = (22, 9, 6, 6, 6, 9, 5, 14)


def tenant_months(fleet: Fleet) -> float:
    """Return how many months of 30 days the tenants were watched in all."""
    calendar = fleet.calendar
    watched = (calendar.end_at - (born_at(shop, calendar) or calendar.judged_at) for shop in fleet.shops)
    return sum(watched) / (_MONTH_DAYS * DAY)


def false_by_cause(judgement: Judgement, fleet: Fleet) -> Counter[tuple[str, str]]:
    """Count false alarms by detector and cause."""
    return Counter((alert.detector, cause(alert, fleet)) for alert in judgement.false)


def false_alarms(judgement: Judgement, fleet: Fleet) -> list[Alert]:
    """Return the false alarms but for those of an announced closure."""
    return [alert for alert in judgement.false if cause(alert, fleet) != ANNOUNCED]


def lines(judgement: Judgement, fleet: Fleet) -> Iterator[str]:
    """Give the table, the causes of false alarms and the incidents that were not caught."""
    false = false_alarms(judgement, fleet)
    months = tenant_months(fleet)
    yield _row(_HEAD)
    for detector in JUDGED:
        own = [verdict for verdict in judgement.verdicts if verdict.truth.incident.detector == detector]
        yield _row(_cells(detector, own, sum(alert.detector == detector for alert in false), months))
    yield _row(_cells("all", judgement.verdicts, len(false), months))
    yield f"announced closures: {len(judgement.false) - len(false)} alarms, counted apart"
    if false:
        yield ""
        yield "false alarms by cause"
    for (detector, why), number in false_by_cause(judgement, fleet).most_common():
        if why != ANNOUNCED:
            shops = Counter(one.shop for one in false if (one.detector, cause(one, fleet)) == (detector, why))
            where = ", ".join(f"{shop} {count}" for shop, count in shops.most_common())
            yield f"{number:5}  {detector:22} {why}: {where}"
    left = [verdict for verdict in judgement.verdicts if verdict.outcome is not Outcome.CAUGHT]
    if left:
        yield ""
        yield "not caught"
    for verdict in left:
        incident = verdict.truth.incident
        size = f"{incident.size:g}, {incident.hours:g} h"
        yield f"       {incident.detector:22} {verdict.outcome}: {incident} ({size})"


def _cells(name: str, verdicts: Iterable[Verdict], false: int, months: float) -> tuple[str, ...]:
    verdicts = list(verdicts)
    outcomes = Counter(verdict.outcome for verdict in verdicts)
    delays = [verdict.delay for verdict in verdicts if verdict.delay is not None]
    delay = f"{median(delays) / MINUTE:.0f} min" if delays else "-"
    counted = [str(outcomes[outcome]) for outcome in Outcome]
    return (name, str(len(verdicts)), *counted, delay, str(false), f"{false / months:.2f}")


def _row(cells: Iterable[str]) -> str:
    first, *rest = cells
    numbers = [f"{cell:>{width}}" for cell, width in zip(rest, _WIDTHS[1:], strict=True)]
    return "  ".join([f"{first:{_WIDTHS[0]}}", *numbers])
