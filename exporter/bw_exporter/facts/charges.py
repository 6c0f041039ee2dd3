"""Charges and payment intents."""

from __future__ import annotations

from dataclasses import dataclass

from bw_exporter.facts import reading
from bw_exporter.facts.event import Event
from bw_exporter.facts.invoices import InvoicePayment, invoice_of
from bw_exporter.facts.reading import Json
from bw_exporter.metrics.labels import DECLINE_REASONS, FAILURE_REASONS, NONE, listed
from bw_exporter.metrics.money import currency_label


@dataclass(frozen=True, slots=True)
class ChargeMade:
    """A charge seen succeeded; `taken` is what was captured so far, in minor units (0: authorised only).

    `payers` are the identities that a second charge of the same payer would share: the customer and the
    payment method's fingerprint. `mirror` marks the copy that a destination charge leaves on the
    connected account.
    """

    charge: str
    created_at: int
    taken: int
    currency: str
    currency_code: str
    payers: tuple[str, ...]
    payment_intent: str | None
    invoice: str | None
    mirror: bool


@dataclass(frozen=True, slots=True)
class ChargeFailed:
    """A charge seen failed, for a listed reason."""

    charge: str
    reason: str
    mirror: bool


@dataclass(frozen=True, slots=True)
class PaymentIntentSucceeded:
    """A payment intent that received `amount` minor units, by `charge` where it names one."""

    payment_intent: str
    amount: int
    currency: str
    charge: str | None


@dataclass(frozen=True, slots=True)
class PaymentIntentFailed:
    """An attempt on a payment intent failed; `charge` is None where it failed before a charge was made."""

    payment_intent: str
    event: str
    charge: str | None
    reason: str


def charge_made(event: Event) -> tuple[ChargeMade, ...]:
    """Read charge.succeeded and charge.captured; one that is still pending took no money."""
    charge = event.object
    if reading.text(charge, "status") not in ("succeeded", None):
        return ()
    code = (reading.token(charge, "currency") or "").lower()
    return (
        ChargeMade(
            charge=reading.own_id(charge),
            created_at=created_at(charge, event),
            taken=_taken(charge),
            currency=currency_label(code),
            currency_code=code,
            payers=_payers(charge),
            payment_intent=reading.identifier(charge, "payment_intent"),
            invoice=reading.identifier(charge, "invoice"),
            mirror=mirror(charge),
        ),
    )


def charge_failed(event: Event) -> tuple[ChargeFailed, ...]:
    """Read charge.failed."""
    charge = event.object
    detail = reading.text(reading.mapping(charge, "outcome"), "reason")
    return (
        ChargeFailed(
            charge=reading.own_id(charge),
            reason=_failure_reason(reading.text(charge, "failure_code"), detail),
            mirror=mirror(charge),
        ),
    )


def payment_intent_succeeded(event: Event) -> tuple[PaymentIntentSucceeded | InvoicePayment, ...]:
    """Read payment_intent.succeeded; amount_received may be missing, then amount stands for it."""
    intent = event.object
    received = reading.natural(intent, "amount_received")
    return (
        PaymentIntentSucceeded(
            payment_intent=reading.own_id(intent),
            amount=received if received is not None else reading.natural(intent, "amount") or 0,
            currency=currency_label(reading.text(intent, "currency")),
            charge=_charge_of(intent),
        ),
        *invoice_of(intent),
    )


def payment_intent_failed(event: Event) -> tuple[PaymentIntentFailed, ...]:
    """Read payment_intent.payment_failed."""
    intent = event.object
    error = reading.mapping(intent, "last_payment_error")
    return (
        PaymentIntentFailed(
            payment_intent=reading.own_id(intent),
            event=event.id,
            charge=reading.identifier(error, "charge") or _charge_of(intent),
            reason=_failure_reason(reading.text(error, "code"), reading.text(error, "decline_code")),
        ),
    )


def mirror(charge: Json) -> bool:
    """Whether a charge is the copy that a destination charge leaves on the connected account."""
    return charge.get("source_transfer") is not None


def _charge_of(intent: Json) -> str | None:
    """`latest_charge`; accounts before 2022-11-15 embed `charges`, the newest first."""
    latest = reading.identifier(intent, "latest_charge")
    if latest is None and (embedded := reading.listing(intent, "charges")):
        latest = reading.own_id(embedded[0])
    return latest


def created_at(source: Json, event: Event) -> int:
    """When an object was created, or its event where it does not say."""
    own = reading.integer(source, "created")
    return own if own is not None else event.created_at or 0


def _taken(charge: Json) -> int:
    captured = reading.boolean(charge, "captured")
    amount = reading.natural(charge, "amount") or 0
    amount_captured = reading.natural(charge, "amount_captured")
    if captured is False:
        return 0
    if amount_captured is not None:
        return amount_captured
    return amount if captured else 0


def _payers(charge: Json) -> tuple[str, ...]:
    """The prefix keeps a customer's id from ever meeting a fingerprint."""
    payers = []
    if customer := reading.identifier(charge, "customer"):
        payers.append(f"customer {customer}")
    details = reading.mapping(charge, "payment_method_details")
    method = reading.token(details, "type")
    if method and (fingerprint := reading.token(reading.mapping(details, method), "fingerprint")):
        payers.append(f"{method} {fingerprint}")
    return tuple(payers)


def _failure_reason(code: str | None, decline: str | None) -> str:
    """The failure code; for card_declined the decline reason, where it is a listed one."""
    if code == "card_declined" and decline in DECLINE_REASONS:
        code = decline
    return listed(code, FAILURE_REASONS, null=NONE)


READERS = {
    "charge.succeeded": charge_made,
    "charge.captured": charge_made,
    "charge.failed": charge_failed,
    "payment_intent.succeeded": payment_intent_succeeded,
    "payment_intent.payment_failed": payment_intent_failed,
}
"""Which reader turns which event type into facts."""
