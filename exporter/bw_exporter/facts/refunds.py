"""Refunds: as steps of a charge's amount_refunded, and as objects of their own."""

from __future__ import annotations

from dataclasses import dataclass

from bw_exporter.facts import reading
from bw_exporter.facts.charges import created_at
from bw_exporter.facts.event import Event
from bw_exporter.facts.reader import Amounts, Reader
from bw_exporter.facts.reading import Json
from bw_exporter.metrics import catalog
from bw_exporter.metrics.money import currency_label


@dataclass(frozen=True, slots=True)
class ChargeRefunded:
    """One step of a charge's refunds: from `before` to `after` minor units in all, of `taken` that were captured.

    What was released of an authorisation captured in part is taken off both. `before` is None where the event
    does not say what it replaced, `taken` where the charge says nothing of that. `at` is when the event
    was made.
    """

    charge: str
    currency: str
    before: int | None
    after: int
    taken: int | None
    full: bool
    at: int


@dataclass(frozen=True, slots=True)
class RefundMade:
    """One refund object, created; `ledger` is the charge it belongs to, or the nearest there is."""

    refund: str
    ledger: str
    charge: str | None
    currency: str
    amount: int
    at: int


@dataclass(frozen=True, slots=True)
class RefundFailed:
    """A refund that failed or was canceled, of this charge if it names one; `at` is when the event was made."""

    refund: str
    ledger: str
    charge: str | None
    currency: str
    amount: int
    at: int


def charge_refunded(event: Event) -> tuple[ChargeRefunded, ...]:
    """Read charge.refunded, whose amount_refunded is cumulative: what it replaced makes it a step.

    An authorisation that is released says the same, and nobody gets money back.
    """
    charge = event.object
    if reading.boolean(charge, "captured") is False:
        return ()
    amount, captured = reading.natural(charge, "amount"), reading.natural(charge, "amount_captured")
    released = 0 if captured is None else max(0, (amount or 0) - captured)
    before = reading.natural(event.previous, "amount_refunded")
    return (
        ChargeRefunded(
            charge=reading.own_id(charge),
            currency=currency_label(reading.text(charge, "currency")),
            before=None if before is None else max(0, before - released),
            after=max(0, (reading.natural(charge, "amount_refunded") or 0) - released),
            taken=amount if captured is None else captured,
            full=reading.boolean(charge, "refunded") or False,
            at=event.created_at or 0,
        ),
    )


def refund_created(event: Event) -> tuple[RefundMade | RefundFailed, ...]:
    """Read refund.created; a refund may be born failed."""
    refund = event.object
    if not _pays_back(refund):
        return ()
    made = RefundMade(
        refund=reading.own_id(refund),
        ledger=_ledger(refund),
        charge=reading.identifier(refund, "charge"),
        currency=currency_label(reading.text(refund, "currency")),
        amount=reading.natural(refund, "amount") or 0,
        at=created_at(refund, event),
    )
    return (made, *refund_changed(event))


def refund_changed(event: Event) -> tuple[RefundFailed, ...]:
    """Read a later state of a refund: only a failure counts."""
    refund = event.object
    failed = event.type == "refund.failed" or reading.text(refund, "status") in ("failed", "canceled")
    if not failed or not _pays_back(refund):
        return ()
    return (
        RefundFailed(
            refund=reading.own_id(refund),
            ledger=_ledger(refund),
            charge=reading.identifier(refund, "charge"),
            currency=currency_label(reading.text(refund, "currency")),
            amount=reading.natural(refund, "amount") or 0,
            at=event.created_at or 0,
        ),
    )


def _ledger(refund: Json) -> str:
    return (
        reading.identifier(refund, "charge")
        or reading.identifier(refund, "payment_intent")
        or reading.own_id(refund)
    )


def _pays_back(refund: Json) -> bool:
    """Whether a refund gives money back: one of an authorisation that lapsed does not."""
    return reading.text(refund, "reason") != "expired_uncaptured_charge"


_REFUNDED = (catalog.REFUNDS, catalog.REFUNDED)
_FAILED = (catalog.REFUND_FAILURES,)
_DUPLICATES = (catalog.DUPLICATE_CHARGES,)

READERS = {
    "charge.refunded": Reader(charge_refunded, _REFUNDED, explains=_DUPLICATES),
    "refund.created": Reader(refund_created, (*_REFUNDED, *_FAILED), explains=_DUPLICATES),
    "refund.updated": Reader(refund_changed, (*_FAILED, *_REFUNDED)),
    "refund.failed": Reader(refund_changed, (*_FAILED, *_REFUNDED), explains=_DUPLICATES),
    "charge.refund.updated": Reader(refund_changed, (*_FAILED, *_REFUNDED)),
}
"""How each type of event of this kind of object is read."""

AMOUNTS = {"refund": Amounts(natural=("amount",)), "charge.refund": Amounts(natural=("amount",))}
"""The amount fields of these objects."""
