"""Charges, payment intents and setup intents."""

from __future__ import annotations

from dataclasses import dataclass

from bw_exporter.facts import reading
from bw_exporter.facts.event import Event
from bw_exporter.facts.invoices import InvoicePayment, payment_of_intent
from bw_exporter.facts.reader import Amounts, Reader
from bw_exporter.facts.reading import Json
from bw_exporter.metrics import catalog
from bw_exporter.metrics.labels import DECLINE_REASONS, FAILURE_REASONS, NONE, listed
from bw_exporter.metrics.money import currency_label

_IN_PERSON = ("card_present", "interac_present")
_CARDS = ("card", *_IN_PERSON)


@dataclass(frozen=True, slots=True)
class ChargeMade:
    """A charge seen succeeded; `taken` is what was captured so far, in minor units (0: authorised only).

    `customer` and `instrument` (the payment method's type and fingerprint) are what a second charge of the same
    payer would share, each None where Stripe does not say. `in_person` marks a card held to a terminal.
    `metadata` holds what the shop wrote on the charge.
    """

    charge: str
    created_at: int
    taken: int
    currency: str
    currency_code: str
    customer: str | None
    instrument: str | None
    in_person: bool
    payment_intent: str | None
    invoice: str | None
    metadata: Json


@dataclass(frozen=True, slots=True)
class ChargeFailed:
    """A charge seen failed, for a listed reason.

    `late` says that its payment method may fail after it succeeded, as bank debits do; cards never do.
    """

    charge: str
    reason: str
    late: bool


@dataclass(frozen=True, slots=True)
class CardFailed:
    """A card, not held to a terminal, failed at `failed_at`; `fingerprint` is Stripe's, the same for all uses."""

    fingerprint: str
    failed_at: int


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
    details = reading.mapping(charge, "payment_method_details")
    method = reading.token(details, "type")
    return (
        ChargeMade(
            charge=reading.own_id(charge),
            created_at=created_at(charge, event),
            taken=_taken(charge),
            currency=currency_label(code),
            currency_code=code,
            customer=reading.identifier(charge, "customer"),
            instrument=_instrument(details, method),
            in_person=method in _IN_PERSON,
            payment_intent=reading.identifier(charge, "payment_intent"),
            invoice=reading.identifier(charge, "invoice"),
            metadata=reading.mapping(charge, "metadata"),
        ),
    )


def charge_failed(event: Event) -> tuple[ChargeFailed | CardFailed, ...]:
    """Read charge.failed."""
    charge = event.object
    detail = reading.text(reading.mapping(charge, "outcome"), "reason")
    details = reading.mapping(charge, "payment_method_details")
    failed = ChargeFailed(
        charge=reading.own_id(charge),
        reason=_failure_reason(reading.text(charge, "failure_code"), detail),
        late=reading.text(details, "type") not in _CARDS,
    )
    return (failed, *_card_failed(details, event))


def payment_intent_succeeded(event: Event) -> tuple[PaymentIntentSucceeded | InvoicePayment, ...]:
    """Read payment_intent.succeeded; amount_received may be missing, then amount stands for it."""
    intent = event.object
    received = reading.natural(intent, "amount_received")
    succeeded = PaymentIntentSucceeded(
        payment_intent=reading.own_id(intent),
        amount=received if received is not None else reading.natural(intent, "amount") or 0,
        currency=currency_label(reading.text(intent, "currency")),
        charge=_charge_of(intent),
    )
    return (succeeded, *payment_of_intent(intent, succeeded.amount, event.created_at))


def payment_intent_failed(event: Event) -> tuple[PaymentIntentFailed | CardFailed, ...]:
    """Read payment_intent.payment_failed."""
    intent = event.object
    error = reading.mapping(intent, "last_payment_error")
    failed = PaymentIntentFailed(
        payment_intent=reading.own_id(intent),
        event=event.id,
        charge=reading.identifier(error, "charge") or _charge_of(intent),
        reason=_failure_reason(reading.text(error, "code"), reading.text(error, "decline_code")),
    )
    return (failed, *_card_failed(_expanded(error, "payment_method"), event))


def setup_intent_failed(event: Event) -> tuple[CardFailed, ...]:
    """Read setup_intent.setup_failed: a card that was to be kept for later payments failed."""
    error = reading.mapping(event.object, "last_setup_error")
    return _card_failed(_expanded(error, "payment_method"), event)


def _card_failed(method: Json, event: Event) -> tuple[CardFailed, ...]:
    """Return the card of a payment method that failed with this event; none where its fingerprint is not said."""
    if reading.token(method, "type") != "card":
        return ()
    fingerprint = reading.token(reading.mapping(method, "card"), "fingerprint")
    return (CardFailed(fingerprint, event.created_at or 0),) if fingerprint else ()


def _expanded(source: Json, key: str) -> Json:
    """Return an object that may stand as its id alone; nothing is known of it then."""
    return {} if isinstance(source.get(key), str) else reading.mapping(source, key)


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


def _instrument(details: Json, method: str | None) -> str | None:
    """The payment method's type and fingerprint: fingerprints of two types never meet."""
    if not method:
        return None
    fingerprint = reading.token(reading.mapping(details, method), "fingerprint")
    return f"{method} {fingerprint}" if fingerprint else None


def _failure_reason(code: str | None, decline: str | None) -> str:
    """The failure code; for card_declined the decline reason, where it is a listed one."""
    if code == "card_declined" and decline in DECLINE_REASONS:
        code = decline
    return listed(code, FAILURE_REASONS, null=NONE)


_SOLD = (
    catalog.CHARGE_ATTEMPTS,
    catalog.CHARGES,
    catalog.REVENUE,
    catalog.DUPLICATE_CHARGES,
    catalog.DUPLICATE_AMOUNT,
    catalog.DUPLICATE_SKIPPED,
    catalog.LAST_DUPLICATE,
    catalog.FINDINGS,
    catalog.LAST_FINDING,
)
_FAILED = (catalog.CHARGE_ATTEMPTS, catalog.CHARGE_FAILURES)
_CARD = (catalog.FAILED_CARDS,)

READERS = {
    "charge.succeeded": Reader(charge_made, _SOLD),
    "charge.captured": Reader(charge_made, _SOLD),
    "charge.failed": Reader(charge_failed, (*_FAILED, *_CARD), explains=(catalog.DUPLICATE_CHARGES,)),
    "payment_intent.succeeded": Reader(
        payment_intent_succeeded,
        (catalog.CHARGE_ATTEMPTS, catalog.CHARGES, catalog.REVENUE),
        explains=(catalog.DUPLICATE_CHARGES,),
    ),
    "payment_intent.payment_failed": Reader(
        payment_intent_failed, (catalog.AUTHENTICATION_FAILURES, *_FAILED, *_CARD)
    ),
    "setup_intent.setup_failed": Reader(setup_intent_failed, _CARD),
}
"""How each type of event of this kind of object is read."""

AMOUNTS = {
    "charge": Amounts(natural=("amount", "amount_captured", "amount_refunded")),
    "payment_intent": Amounts(natural=("amount", "amount_received")),
    "setup_intent": Amounts(),
}
"""The amount fields of these objects."""
