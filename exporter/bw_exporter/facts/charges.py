"""Charges, payment intents and their refunds."""

from __future__ import annotations

from dataclasses import dataclass

from bw_exporter import reading
from bw_exporter.event import Event
from bw_exporter.facts.invoices import InvoicePayment, invoice_of
from bw_exporter.labels import DECLINE_REASONS, FAILURE_REASONS, NONE, listed
from bw_exporter.money import currency_label
from bw_exporter.reading import Json


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
            created_at=_created_at(charge, event),
            taken=_taken(charge),
            currency=currency_label(code),
            currency_code=code,
            payers=_payers(charge),
            payment_intent=reading.identifier(charge, "payment_intent"),
            invoice=reading.identifier(charge, "invoice"),
            mirror=_mirror(charge),
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
            mirror=_mirror(charge),
        ),
    )


def charge_refunded(event: Event) -> tuple[ChargeRefunded, ...]:
    """Read charge.refunded, whose amount_refunded is cumulative and whose previous one is the baseline.

    An authorisation that is released says the same, and nobody gets money back; of a destination charge's
    copy, the original is refunded.
    """
    charge = event.object
    if reading.boolean(charge, "captured") is False or _mirror(charge):
        return ()
    return (
        ChargeRefunded(
            charge=reading.own_id(charge),
            currency=currency_label(reading.text(charge, "currency")),
            cumulative=reading.natural(charge, "amount_refunded") or 0,
            baseline=reading.natural(event.previous, "amount_refunded"),
            full=reading.boolean(charge, "refunded") or False,
            at=_created_at({}, event),
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
        at=_created_at(refund, event),
    )
    return (made, *refund_changed(event))


def refund_changed(event: Event) -> tuple[RefundFailed, ...]:
    """Read a later state of a refund: only a failure counts."""
    failed = event.type == "refund.failed" or reading.text(event.object, "status") in ("failed", "canceled")
    if not failed or not _pays_back(event.object):
        return ()
    return (RefundFailed(reading.own_id(event.object), reading.identifier(event.object, "charge")),)


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


def _pays_back(refund: Json) -> bool:
    """Whether a refund gives money back: one of an authorisation that lapsed does not, nor a copy's."""
    copy = refund.get("source_transfer_reversal") is not None
    return not copy and reading.text(refund, "reason") != "expired_uncaptured_charge"


def _mirror(charge: Json) -> bool:
    return charge.get("source_transfer") is not None


def _charge_of(intent: Json) -> str | None:
    """`latest_charge`; accounts before 2022-11-15 embed `charges`, the newest first."""
    latest = reading.identifier(intent, "latest_charge")
    if latest is None and (embedded := reading.listing(intent, "charges")):
        latest = reading.own_id(embedded[0])
    return latest


def _created_at(source: Json, event: Event) -> int:
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
    "charge.refunded": charge_refunded,
    "refund.created": refund_created,
    "refund.updated": refund_changed,
    "refund.failed": refund_changed,
    "charge.refund.updated": refund_changed,
    "payment_intent.succeeded": payment_intent_succeeded,
    "payment_intent.payment_failed": payment_intent_failed,
}
"""Which reader turns which event type into facts."""
