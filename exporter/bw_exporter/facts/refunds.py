"""Refunds, as the charge tells them and as objects of their own."""

from __future__ import annotations

from dataclasses import dataclass

from bw_exporter.facts import reading
from bw_exporter.facts.charges import created_at, mirror
from bw_exporter.facts.event import Event
from bw_exporter.facts.reading import Json
from bw_exporter.metrics.money import currency_label


@dataclass(frozen=True, slots=True)
class ChargeRefunded:
    """A charge's refunds so far: `cumulative` minor units, of which `baseline` before this event."""

    charge: str
    currency: str
    cumulative: int
    baseline: int | None
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
    """A refund that failed or was canceled, of this charge if it names one."""

    refund: str
    charge: str | None


def charge_refunded(event: Event) -> tuple[ChargeRefunded, ...]:
    """Read charge.refunded, whose amount_refunded is cumulative and whose previous one is the baseline.

    An authorisation that is released says the same, and nobody gets money back; of a destination charge's
    copy, the original is refunded.
    """
    charge = event.object
    if reading.boolean(charge, "captured") is False or mirror(charge):
        return ()
    return (
        ChargeRefunded(
            charge=reading.own_id(charge),
            currency=currency_label(reading.text(charge, "currency")),
            cumulative=reading.natural(charge, "amount_refunded") or 0,
            baseline=reading.natural(event.previous, "amount_refunded"),
            full=reading.boolean(charge, "refunded") or False,
            at=created_at({}, event),
        ),
    )


def refund_created(event: Event) -> tuple[RefundMade | RefundFailed, ...]:
    """Read refund.created; a refund may be born failed."""
    refund = event.object
    if not _pays_back(refund):
        return ()
    refund_id, charge = reading.own_id(refund), reading.identifier(refund, "charge")
    made = RefundMade(
        refund=refund_id,
        ledger=charge or reading.identifier(refund, "payment_intent") or refund_id,
        charge=charge,
        currency=currency_label(reading.text(refund, "currency")),
        amount=reading.natural(refund, "amount") or 0,
        at=created_at(refund, event),
    )
    return (made, *refund_changed(event))


def refund_changed(event: Event) -> tuple[RefundFailed, ...]:
    """Read a later state of a refund: only a failure counts."""
    failed = event.type == "refund.failed" or reading.text(event.object, "status") in ("failed", "canceled")
    if not failed or not _pays_back(event.object):
        return ()
    return (RefundFailed(reading.own_id(event.object), reading.identifier(event.object, "charge")),)


def _pays_back(refund: Json) -> bool:
    """Whether a refund gives money back: one of an authorisation that lapsed does not, nor a copy's."""
    copy = refund.get("source_transfer_reversal") is not None
    return not copy and reading.text(refund, "reason") != "expired_uncaptured_charge"


READERS = {
    "charge.refunded": charge_refunded,
    "refund.created": refund_created,
    "refund.updated": refund_changed,
    "refund.failed": refund_changed,
    "charge.refund.updated": refund_changed,
}
"""Which reader turns which event type into facts."""
