"""What became of each incident, and which alerts were false."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from bw_simulator.fleet.calendar import HOUR, MINUTE
from bw_simulator.fleet.incident import Trouble
from bw_simulator.fleet.past import Truth
from truth.evaluate import EXPORTER_DOWN, Alert

_GRACE = {
    "charge_failure_spike": 15 * MINUTE,
    "duplicate_charge": 10 * MINUTE,
    "fraud_spike": HOUR,
    "revenue_drop": 2 * HOUR,
    "silent_lapse": 0,
    "webhook_lag": 15 * MINUTE,
    "invoice_mismatch": 10 * MINUTE,
}
"""How long after its end an incident still counts as caught."""

_AFTERMATH = {
    "charge_failure_spike": 75 * MINUTE,
    "duplicate_charge": 65 * MINUTE,
    "fraud_spike": 25 * HOUR,
    "revenue_drop": 25 * HOUR,
    "silent_lapse": 10 * MINUTE,
    "webhook_lag": 17 * MINUTE,
    "invoice_mismatch": 65 * MINUTE,
}
"""How long after an incident an alert of its detector may begin without being false: its window still holds it."""

_EARLY = 10 * MINUTE
_SEVERITIES = ("info", "warning", "critical")


class Outcome(StrEnum):
    """Masked: an alert was firing already, wrongly, when the incident began, so that nobody heard a new one."""

    CAUGHT = "caught"
    MASKED = "masked"
    MISSED = "missed"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of an incident. The delay (seconds) is counted from when it could be known; it may be negative."""

    truth: Truth
    outcome: Outcome
    delay: int | None = None


@dataclass(frozen=True, slots=True)
class Judgement:
    """Verdicts of all incidents, and the false alarms."""

    verdicts: list[Verdict]
    false: list[Alert]


def judge(alerts: Sequence[Alert], truths: Sequence[Truth]) -> Judgement:
    """Compare what fired with what was wrong."""
    heard = list(_heard(alerts))
    false = [alert for alert in heard if not any(_excuses(truth, alert) for truth in truths)]
    return Judgement([_verdict(truth, heard) for truth in truths], false)


def _verdict(truth: Truth, heard: Iterable[Alert]) -> Verdict:
    incident = truth.incident
    own = [
        alert
        for alert in heard
        if (alert.detector, alert.shop) == (incident.detector, incident.shop)
        and incident.currency in ("", alert.currency)
    ]
    until = truth.end_at + _GRACE[incident.detector]
    new = [alert.begin_at for alert in own if truth.begin_at <= alert.begin_at <= until]
    if new:
        return Verdict(truth, Outcome.CAUGHT, min(new) - truth.sure_at)
    before = any(alert.begin_at < truth.begin_at and alert.end_at > truth.sure_at for alert in own)
    return Verdict(truth, Outcome.MASKED if before else Outcome.MISSED)


def _heard(alerts: Sequence[Alert]) -> Iterable[Alert]:
    """Give the alerts as Alertmanager lets them through, each from when it is first heard.

    An exporter that is down mutes everything; silence mutes the drop of its shop if it is as severe.
    """
    down = [alert for alert in alerts if alert.detector == EXPORTER_DOWN]
    silences = [alert for alert in alerts if alert.detector == "silent_lapse"]
    for alert in alerts:
        if alert.detector == EXPORTER_DOWN:
            continue
        mutes = list(down)
        if alert.detector == "revenue_drop":
            mutes += [one for one in silences if one.shop == alert.shop and _rank(one) >= _rank(alert)]
        begin = alert.begin_at
        for mute in sorted(mutes, key=lambda one: one.begin_at):
            if mute.begin_at <= begin < mute.end_at:
                begin = mute.end_at
        if begin < alert.end_at:
            yield Alert(alert.detector, alert.shop, alert.currency, alert.severity, begin, alert.end_at)


def _rank(alert: Alert) -> int:
    return _SEVERITIES.index(alert.severity) if alert.severity in _SEVERITIES else 0


def _excuses(truth: Truth, alert: Alert) -> bool:
    """Tell whether an alert speaks of this incident or of what follows from it."""
    incident, detector = truth.incident, alert.detector
    if alert.shop != incident.shop:
        return False
    end = truth.end_at + _AFTERMATH[detector]
    if detector == "webhook_lag":
        end = truth.settled_at + _AFTERMATH[detector]
        due = incident.trouble in (Trouble.LATE, Trouble.ENDPOINT_DEAD)
    elif detector == "revenue_drop":  # who cannot pay, or is not heard of, brings no revenue
        due = incident.detector in ("revenue_drop", "charge_failure_spike", "silent_lapse")
    elif detector == "silent_lapse":  # a dead checkout is silent
        due = incident.detector in ("silent_lapse", "revenue_drop")
    else:
        due = incident.detector == detector
    return due and truth.begin_at - _EARLY <= alert.begin_at <= end
