"""Disputes, inquiries and early fraud warnings."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Literal

from bw_exporter.facts import reading
from bw_exporter.facts.event import Event
from bw_exporter.facts.once import Once
from bw_exporter.facts.reader import Amounts, Listed, Reader
from bw_exporter.facts.reading import Json
from bw_exporter.metrics import catalog
from bw_exporter.metrics.labels import DISPUTE_OUTCOMES, DISPUTE_REASONS, NONE, listed
from bw_exporter.metrics.money import currency_label

INQUIRY_PREFIX = "warning_"
"""Statuses of an inquiry or retrieval: no money moved, no chargeback yet."""


Stage = Literal["created", "updated", "closed", "funds", "listed"]
Direction = Literal["withdrawn", "reinstated"]
_FINAL = ("won", "lost", "prevented", "warning_closed")
_TO_ANSWER = ("needs_response", "appeal_needs_response")
_RANKS: dict[Stage, int] = {"created": 0, "funds": 1, "updated": 2, "closed": 3, "listed": 0}


@dataclass(frozen=True, slots=True)
class Funds:
    """What an event of a dispute's money shows: all balance transactions of the dispute until then.

    `transactions` holds (id, currency, net in minor units, fees included) of each; `at` is when the event was made.
    Later events contain the transactions of earlier ones.
    """

    direction: Direction
    at: int
    transactions: tuple[tuple[str, str, int], ...]


@dataclass(frozen=True, slots=True)
class DisputeSeen:
    """A dispute's snapshot.

    `standing` is what its status calls it at this moment (`prevented` calls it neither: an inquiry may end so,
    before any chargeback, and a dispute), and `was_inquiry` what the event says it was before. `funds` is there
    where the event is one of money. `order` sorts the snapshots of one dispute: by event.created, then within one
    second closed after updated after those of money after created. `amount` is what is disputed, in minor units.
    `evidence_due_at` is by when the shop has to answer a dispute, None where there is nothing to answer.
    """

    dispute: str
    stage: Stage
    standing: Literal["inquiry", "dispute", "unsaid"]
    was_inquiry: bool
    final: bool
    reason: str
    outcome: str
    order: tuple[int, int]
    amount: int
    currency: str
    evidence_due_at: int | None
    funds: Funds | None = None


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
    direction: Direction = "withdrawn" if event.type.endswith("funds_withdrawn") else "reinstated"
    transactions = _transactions(event.object)
    if not transactions:
        amount = reading.natural(event.object, "amount") or 0
        currency = currency_label(reading.text(event.object, "currency"))
        transactions = ((f"{direction} amount", currency, -amount if direction == "withdrawn" else amount),)
    return (_seen(event, "funds", Funds(direction, event.created_at or 0, transactions)),)


def dispute_listed(event: Event) -> tuple[DisputeSeen, ...]:
    """Read a dispute as its list has it; one that is closed says nothing about now."""
    seen = _seen(event, "listed")
    return () if seen.final or seen.standing == "unsaid" else (seen,)


def early_fraud_warning(event: Event) -> tuple[Once, ...]:
    """Read radar.early_fraud_warning.created."""
    return (Once("early_fraud_warning", reading.own_id(event.object)),)


def _seen(event: Event, stage: Stage, funds: Funds | None = None) -> DisputeSeen:
    status, before = reading.text(event.object, "status"), reading.text(event.previous, "status")
    due_at = reading.integer(reading.mapping(event.object, "evidence_details"), "due_by")
    return DisputeSeen(
        dispute=reading.own_id(event.object),
        stage=stage,
        standing="unsaid" if status in (None, "prevented") else "inquiry" if _inquiry(status) else "dispute",
        was_inquiry=_inquiry(before),
        final=status in _FINAL,
        reason=listed(reading.text(event.object, "reason"), DISPUTE_REASONS, null=NONE),
        outcome=listed(status, DISPUTE_OUTCOMES),
        order=(event.created_at or 0, _RANKS[stage]),
        amount=reading.natural(event.object, "amount") or 0,
        currency=currency_label(reading.text(event.object, "currency")),
        evidence_due_at=due_at if status in _TO_ANSWER else None,
        funds=funds,
    )


def _inquiry(status: str | None) -> bool:
    return status is not None and status.startswith(INQUIRY_PREFIX)


def _transactions(dispute: Json) -> tuple[tuple[str, str, int], ...]:
    """Read the balance transactions; one without an id is known by its currency, its net and how many are like it."""
    read, alike, moved = [], Counter[tuple[str, int]](), 0
    for transaction in reading.listing(dispute, "balance_transactions"):
        net = reading.integer(transaction, "net")
        if net is None:
            net = reading.integer(transaction, "amount") or 0
        moved += abs(net)
        if moved > reading.LARGEST_INTEGER:
            raise reading.MalformedError("balance_transactions move more than there is")
        currency = currency_label(reading.text(transaction, "currency"))
        alike[currency, net] += 1
        own = reading.identifier(transaction, "id") or f"{currency} {net} {alike[currency, net]}"
        read.append((own, currency, net))
    return tuple(read)


_OPEN = (catalog.DISPUTES_OPEN, catalog.DISPUTED_OPEN, catalog.DISPUTES_NEXT_DUE)
_DISPUTES = (catalog.DISPUTES, *_OPEN)
_FUNDS = Reader(dispute_funds, (catalog.DISPUTE_FUNDS, catalog.DISPUTED_OPEN, catalog.DISPUTES_NEXT_DUE))

READERS = {
    "charge.dispute.created": Reader(dispute_created, (*_DISPUTES, catalog.INQUIRIES)),
    "charge.dispute.updated": Reader(dispute_updated, _DISPUTES),
    "charge.dispute.closed": Reader(dispute_closed, (catalog.DISPUTES_CLOSED, *_OPEN)),
    "charge.dispute.funds_withdrawn": _FUNDS,
    "charge.dispute.funds_reinstated": _FUNDS,
    "radar.early_fraud_warning.created": Reader(early_fraud_warning, (catalog.EARLY_FRAUD_WARNINGS,)),
}
"""How each type of event of these kinds of objects is read."""

LISTED = {"disputes": Listed("charge.dispute.listed", dispute_listed)}

AMOUNTS = {"charge.dispute": Amounts(natural=("amount",))}
"""The amount fields of these objects."""
