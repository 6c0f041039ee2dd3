"""Disputes, inquiries and early fraud warnings."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from bw_exporter.facts import reading
from bw_exporter.facts.event import Event
from bw_exporter.facts.once import Once
from bw_exporter.facts.reading import Json
from bw_exporter.metrics.labels import DISPUTE_OUTCOMES, DISPUTE_REASONS, NONE, listed
from bw_exporter.metrics.money import currency_label

INQUIRY_PREFIX = "warning_"
"""Statuses of an inquiry or retrieval: no money moved, no chargeback yet."""


Stage = Literal["created", "updated", "closed", "funds"]
_FINAL = ("won", "lost", "prevented", "warning_closed")


@dataclass(frozen=True, slots=True)
class DisputeSeen:
    """A dispute's snapshot.

    `standing` is what its status calls it at this moment (`prevented` calls it neither: an inquiry may end so,
    before any chargeback, and a dispute), and `was_inquiry` what the event says it was before. `withdrawn` or
    `reinstated` holds (currency, minor units) of all its balance transactions in the direction that the event
    tells of, fees included; they are cumulative, so later snapshots contain earlier ones.
    """

    dispute: str
    stage: Stage
    standing: Literal["inquiry", "dispute", "unsaid"]
    was_inquiry: bool
    final: bool
    reason: str
    outcome: str
    withdrawn: tuple[tuple[str, int], ...] = ()
    reinstated: tuple[tuple[str, int], ...] = ()


def dispute_created(event: Event) -> tuple[DisputeSeen, ...]:
    """Read charge.dispute.created."""
    return (_seen(event, "created"),)


def dispute_updated(event: Event) -> tuple[DisputeSeen, ...]:
    """Read charge.dispute.updated: an inquiry may have become a dispute."""
    return (_seen(event, "updated"),)


def dispute_closed(event: Event) -> tuple[DisputeSeen, ...]:
    """Read charge.dispute.closed."""
    return (_seen(event, "closed"),)


def dispute_funds(event: Event) -> tuple[DisputeSeen, ...]:
    """Read funds_withdrawn and funds_reinstated, the only place where a dispute moves money.

    An event without balance transactions falls back to the disputed amount, in the direction its type says.
    """
    withdrawn = event.type.endswith("funds_withdrawn")
    moved = _moved(event.object, "negative" if withdrawn else "positive")
    if not moved and not reading.listing(event.object, "balance_transactions"):
        currency = currency_label(reading.text(event.object, "currency"))
        moved = ((currency, reading.natural(event.object, "amount") or 0),)
    seen = _seen(event, "funds")
    return (replace(seen, withdrawn=moved) if withdrawn else replace(seen, reinstated=moved),)


def early_fraud_warning(event: Event) -> tuple[Once, ...]:
    """Read radar.early_fraud_warning.created."""
    return (Once("early_fraud_warning", reading.own_id(event.object)),)


def _seen(event: Event, stage: Stage) -> DisputeSeen:
    status, before = reading.text(event.object, "status"), reading.text(event.previous, "status")
    return DisputeSeen(
        dispute=reading.own_id(event.object),
        stage=stage,
        standing="unsaid" if status in (None, "prevented") else "inquiry" if _inquiry(status) else "dispute",
        was_inquiry=_inquiry(before),
        final=status in _FINAL,
        reason=listed(reading.text(event.object, "reason"), DISPUTE_REASONS, null=NONE),
        outcome=listed(status, DISPUTE_OUTCOMES),
    )


def _inquiry(status: str | None) -> bool:
    return status is not None and status.startswith(INQUIRY_PREFIX)


def _moved(dispute: Json, sign: Literal["negative", "positive"]) -> tuple[tuple[str, int], ...]:
    sums: dict[str, int] = {}
    for transaction in reading.listing(dispute, "balance_transactions"):
        net = reading.integer(transaction, "net")
        if net is None:
            net = reading.integer(transaction, "amount") or 0
        if (net < 0) == (sign == "negative") and net != 0:
            currency = currency_label(reading.text(transaction, "currency"))
            sums[currency] = sums.get(currency, 0) + abs(net)
            if sums[currency] > reading.LARGEST_INTEGER:
                raise reading.MalformedError("balance_transactions move more than there is")
    return tuple(sorted(sums.items()))


READERS = {
    "charge.dispute.created": dispute_created,
    "charge.dispute.updated": dispute_updated,
    "charge.dispute.closed": dispute_closed,
    "charge.dispute.funds_withdrawn": dispute_funds,
    "charge.dispute.funds_reinstated": dispute_funds,
    "radar.early_fraud_warning.created": early_fraud_warning,
}
"""Which reader turns which event type into facts."""
